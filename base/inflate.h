#ifndef BASE_INFLATE_H
#define BASE_INFLATE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Decompress a gzip file (RFC 1952, one member, no optional header fields)
 * and append it to out, whose ceiling bounds what comes.  -1 with ERR_DATA
 * for anything that is not one, is cut short, or has another length than it
 * says.  The CRC is not checked: what is inside this program is as whole as
 * the program.
 */
#define INFLATE_PIECE 258 /* the longest that is added at once (RFC 1951) */
int gunzip(struct str gz, struct buf *out, struct err *e);

#endif
