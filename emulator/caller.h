#ifndef EMULATOR_CALLER_H
#define EMULATOR_CALLER_H

#include "emulator/inner.h"
#include "http.h"

/*
 * May who calls have what only the user who started the local Azure may have
 * without its secret?  With machines on paper everybody may: there is nothing
 * to be had.  With real ones a driver works for whoever has a token, as root;
 * then the other end of the connection must be a socket of this user's, on the
 * loopback of this machine.
 */
bool caller_trusted(const struct emu *m, const struct http_exchange *x);

/*
 * The same from the kernel's tables of sockets, /proc/net/tcp and tcp6: is peer
 * ("127.0.0.1:51234", "[::1]:51234") on loopback, connected to our port, and
 * that user's?  What is closing is nobody's, and is refused: the kernel shows
 * it as root's.
 *
 * Source: proc(5), Documentation/networking/proc_net_tcp.rst (kernel.org).
 */
bool caller_owns(struct str tcp, struct str tcp6, const char *peer,
		 unsigned port, uint64_t uid);

#endif
