/*
 * What the local Azure says to a DHCP message.  The first byte is whether the
 * machine is known, the second the bits of its subnet; the rest is a datagram.
 * An answer is whole, goes back to who asked, and tells no other address.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/dhcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static bool known(void *ctx, uint32_t address)
{
	must(address >> 24 == 10);
	return *(const uint8_t *)ctx & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[DHCP_MESSAGE_MAX], who;
	size_t n, at;

	if (size < 2)
		return 0;
	who = data[0];
	n = dhcp_answer(data + 2, size - 2, data[1] % 33, known, &who, out);
	must(n <= sizeof(out));
	if (n == 0)
		return 0;
	must((who & 1) != 0 && n > 240 && out[0] == 2);
	must(memcmp(out + 4, data + 2 + 4, 4) == 0); /* xid */
	must(memcmp(out + 28, data + 2 + 28, 16) == 0);
	/* nothing, or the address that its card has */
	must(memcmp(out + 16, "\0\0\0\0", 4) == 0 ||
	     (out[16] == 10 && memcmp(out + 17, data + 2 + 31, 3) == 0));
	for (at = 240; at < n && out[at] != 255; at += 2u + out[at + 1])
		must(at + 1 < n);
	must(at == n - 1);
	return 0;
}
