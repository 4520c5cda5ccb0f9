#ifndef EMULATOR_DHCP_H
#define EMULATOR_DHCP_H

#include "emulator/inner.h"

#define DHCP_MESSAGE_MAX 576 /* what a client takes at least, RFC 2131 2 */

/* The hardware address that goes with a private one: Microsoft's, and its end. */
void dhcp_mac(const char *address, uint8_t mac[6]);
/*
 * What is answered to such a message; nobody else is asked.
 *
 * in, n     a datagram, whatever it is
 * prefix    bits of the subnet
 * lease     whether a machine has that address (host order), and it may be told
 * out       gets the answer
 *
 * Returns its length, or 0 when there is none.  Source: RFC 2131, RFC 2132, RFC
 * 3442; option 245 is Azure's, the address of its host.
 */
size_t dhcp_answer(const uint8_t *in, size_t n, unsigned prefix,
		   bool (*lease)(void *ctx, uint32_t address), void *ctx,
		   uint8_t out[DHCP_MESSAGE_MAX]);
/* A thread's: serve the machines' network until the emulator stops. */
void *dhcp_thread(void *emu);

#endif
