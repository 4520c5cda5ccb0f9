#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "base/buf.h"

/*
 * The name that a ClientHello asks for (RFC 6066 section 3), without a
 * handshake: bytes is what a client said first, as far as it has come.  A slice
 * of it; p is NULL when there is no such name, the record (RFC 8446 section
 * 5.1) is not whole or larger than bytes, or anything in it is malformed.
 * Nothing is checked that the handshake would.
 */
struct str tls_hello_name(struct str bytes);

#endif
