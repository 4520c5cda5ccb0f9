#ifndef BASE_ASSET_H
#define BASE_ASSET_H

#include <stddef.h>

#include "base/buf.h"

/* Files under assets/, made part of the program at build time. */
struct asset {
	const char *path;		/* relative to assets/, "arm/cluster.json" */
	const unsigned char *data;
	size_t len;
};
extern const struct asset assets[];
extern const size_t assets_count;

/* The bytes of an asset; a path that does not exist is our mistake (assert). */
struct str asset_get(const char *path);

/*
 * Copy text to out, each @NAME@ (A-Z, 0-9, _) replaced by the JSON-escaped
 * value of the pair with that name; a NAME without a pair is an error that
 * names it.  pairs ends with a NULL name.
 */
struct asset_pair { const char *name; const char *value; };
int asset_fill(struct str text, const struct asset_pair *pairs, struct buf *out,
	       struct err *e);

#endif
