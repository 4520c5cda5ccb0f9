#ifndef NODE_IMAGE_H
#define NODE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/elf.h"
#include "base/hash.h"

/*
 * The container image whose only file is a program, /azswarm, made of that
 * program's own file while it is read: nothing of its size is ever in memory,
 * and the same file gives the same digests on every machine.
 *
 * Source: OCI Image Specification 1.0; Docker Image Manifest Version 2,
 * Schema 2; RFC 1952 and 1951 (the layer is gzip of stored blocks, which
 * every Docker takes, old or new); POSIX.1 ustar.
 */
#define IMAGE_FILE_MAX (64u << 20)
#define IMAGE_TYPE_DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define IMAGE_TYPE_LIST \
	"application/vnd.docker.distribution.manifest.list.v2+json"
#define IMAGE_TYPE_OCI "application/vnd.oci.image.manifest.v1+json"

#define IMAGE_DIGEST_MAX 72 /* "sha256:" and 64 hex digits */

struct image_blob {
	char digest[IMAGE_DIGEST_MAX];
	uint64_t length;
	struct str text; /* p NULL: the layer, see image_read */
};

struct image {
	enum elf_machine machine; /* for which the program is */
	int fd;		    /* of the program's file, as it was at the start */
	uint64_t file, tar; /* lengths: of it, and of the tar around it */
	uint32_t crc;	    /* of the tar */
	unsigned char head[512]; /* the tar's */
	char version[64];
	struct image_blob layer, config;
	struct image_blob docker, oci; /* manifests, of the two kinds */
	struct image_blob list; /* where it is one of several; text p NULL: not */
	struct buf config_text, docker_text, oci_text;
	/* the image of the version before, which is offered, too; NULL: none.  It
	 * stays the caller's */
	const struct image *before;
};

/*
 * path     the program ("/proc/self/exe")
 * machine  what it is for
 * version  the image's tag: letters, digits, '.', '_', '-', at most 63
 *
 * Reads the file twice, for its digests.  img needs image_release either way.
 */
int image_init(struct image *img, const char *path, enum elf_machine machine,
	       const char *version, struct err *e);
void image_release(struct image *img);

/*
 * Bytes of a blob from an offset on: 1..n of them, 0 at its end, -1 with e
 * (the file is not what it was).  May be called by several threads at once.
 */
ssize_t image_read(const struct image *img, const struct image_blob *b,
		   uint64_t at, void *p, size_t n, struct err *e);

/*
 * One image for several kinds of processor: the text of a list of their
 * manifests, from which each engine takes its own.  At most IMAGE_LIST_MAX bytes
 * for two.
 */
#define IMAGE_LIST_MAX 1024
void image_index(const struct image *const *img, size_t n, struct buf *out);
/* The image as a part of such a list, which must name it: otherwise it stays
 * alone, and false says so.  The text stays the caller's. */
bool image_join(struct image *img, struct str list);
/* By which a text is named, a list for one. */
void image_digest(struct str text, char out[IMAGE_DIGEST_MAX]);
/* The same of what comes in pieces. */
void image_digest_done(const struct sha256_state *s, char out[IMAGE_DIGEST_MAX]);

/* The image as a tar for `docker load` and for tools that read OCI layouts. */
int image_save(const struct image *img, int fd, struct err *e);

/* `azswarm image -o FILE [PROGRAM]`; "-" is standard output.  program: another
 * file of this version, NULL: the one that runs. */
int image_run(const char *version, const char *program, const char *file,
	      struct err *e);

#endif
