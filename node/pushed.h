#ifndef NODE_PUSHED_H
#define NODE_PUSHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "docker/ref.h"
#include "node/image.h"

/*
 * The operator's own images, which `push` keeps in the storage account, as a
 * node reads them: by one signed address of their container (LAYOUT_IMAGES, where
 * it is said what is where), which may read and list.
 *
 * url is node_config.images_url, "" where there is none; no message shows its
 * query.  Several threads may ask at once.
 *
 * Source: "Get Blob", "List Blobs" (learn.microsoft.com).
 */
#define PUSHED_MANIFEST_MAX (4u << 20) /* what registries take, too */
#define PUSHED_TYPE_MAX 128

enum pushed {
	PUSHED_FOUND,
	PUSHED_NONE, /* it is not there, and e says so */
	PUSHED_DENIED, /* the address is no good any more, and e says what to do */
	PUSHED_AWAY, /* the account does not answer, or not as it should */
};

struct pushed_manifest {
	char type[PUSHED_TYPE_MAX], digest[IMAGE_DIGEST_MAX];
	struct buf text;
};
/* By tag or by digest; what was asked for by its digest has it.  m needs
 * pushed_release() either way. */
enum pushed pushed_manifest(const char *url, struct str name, struct str ref,
			    struct pushed_manifest *m, struct err *e);
void pushed_release(struct pushed_manifest *m);

/* What a blob is sent to, piece by piece. */
struct pushed_sink {
	/* Before the first of them.  status: 200, 206 or 416; range: its
	 * Content-Range, "" without; length: of what comes.  -1 with e ends it. */
	int (*head)(void *ctx, unsigned status, uint64_t length,
		    const char *range, struct err *e);
	int (*piece)(void *ctx, struct str piece, struct err *e);
	void *ctx;
};
/*
 * range: of the request, p NULL: all of it; what is no single range from a byte
 * on is all of it, too.  head_only: no piece is wanted.  Of a whole blob whose
 * bytes do not have that digest the last piece is kept back: PUSHED_AWAY.
 */
enum pushed pushed_blob(const char *url, struct str digest, struct str range,
			bool head_only, const struct pushed_sink *sink,
			struct err *e);

/* Names or tags, sorted. */
struct pushed_list {
	char **name;
	size_t n;
};
/* The tags of name; p NULL: the names.  Of the first 10,000 tags that there are;
 * PUSHED_FOUND without any, too. */
enum pushed pushed_list(const char *url, struct str name, struct pushed_list *l,
			struct err *e);
void pushed_list_add(struct pushed_list *l, struct str name);
void pushed_list_release(struct pushed_list *l);

#endif
