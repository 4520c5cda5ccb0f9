/*
 * What a server says after sign-in, with channels of every kind open: each
 * message is a length of two bytes and its payload.  Between them the
 * channels are used.
 */
#include "tests/ssh_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ssh_channel *c, unsigned how)
{
	struct err e = ERR_INIT;
	char tmp[700];

	if (how & 1)
		ssh_channel_read(c, false, tmp, sizeof(tmp), &e);
	if (how & 2)
		ssh_channel_read(c, true, tmp, sizeof(tmp), &e);
	if (how & 4)
		ssh_channel_write(c, tmp, how, &e);
	if (how & 8)
		ssh_channel_eof(c);
	if (how & 16)
		ssh_channel_size(c, how, how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh *s = mem_live();
	struct err e = ERR_INIT;
	struct ssh_channel *c[4] = {
		ssh_exec(s, "true", &e),
		ssh_shell(s, NULL, "vt100", 80, 24, &e),
		ssh_tcp(s, "localhost", 80, &e),
		ssh_unix(s, "/run/x", &e),
	};
	int bye = 0;

	ssh_channel_stream(c[2]);
	while (size >= 3) {
		size_t n = (size_t)data[0] << 8 | data[1];
		unsigned how = data[2];

		data += 3;
		size -= 3;
		if (n > size)
			n = size;
		if (ssh_dispatch(s, (struct str){ (const char *)data, n }, &bye,
				 &e) < 0) {
			ssh_die(s, bye, &e);
			break;
		}
		data += n;
		size -= n;
		if (c[how >> 6] != NULL && how & 32) {
			ssh_channel_close(c[how >> 6]);
			c[how >> 6] = NULL;
		} else if (c[how >> 6] != NULL) {
			use(c[how >> 6], how & 31);
		}
		s->rx.seq++;
		ssh_work(s, &e);
		if (s->dead.kind != ERR_NONE)
			break;
	}
	for (int i = 0; i < 4; i++)
		if (c[i] != NULL)
			use(c[i], 31);
	ssh_close(s);
	return 0;
}
