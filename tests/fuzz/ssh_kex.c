/* What a server says from its first byte on: greeting, packets, key exchange. */
#include "tests/ssh_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh *s = mem_ssh();
	struct err e = ERR_INIT;
	/* in two parts, as the network may cut it */
	size_t cut = size > 0 ? data[0] * size / 256 : 0;

	queue_add(&s->in, data, cut);
	if (ssh_take(s, &e) == 0) {
		queue_add(&s->in, data + cut, size - cut);
		ssh_take(s, &e);
	}
	ssh_close(s);
	return 0;
}
