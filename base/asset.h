#ifndef BASE_ASSET_H
#define BASE_ASSET_H

#include <stddef.h>

#include "base/buf.h"

/* Files under assets/, and build/roots (see tls/trust.c), made part of the
 * program at build time: one after another, compressed as a whole. */
struct asset {
	const char *path; /* relative to assets/, "arm/cluster.json" */
	size_t len;
};
extern const struct asset assets[]; /* ends with a NULL path */
extern const unsigned char assets_gz[];
extern const size_t assets_gz_len;

#define ASSET_MAX (1u << 20)

/* Make out the bytes of an asset (release it); a path that does not exist is
 * our mistake (assert). */
void asset_get(const char *path, struct buf *out);

/*
 * Copy text to out, each @NAME@ (A-Z, 0-9, _) replaced by the JSON-escaped
 * value of the pair with that name; a NAME without a pair is an error that
 * names it.  pairs ends with a NULL name.
 */
struct asset_pair {
	const char *name;
	const char *value;
};
int asset_fill(struct str text, const struct asset_pair *pairs, struct buf *out,
	       struct err *e);

#endif
