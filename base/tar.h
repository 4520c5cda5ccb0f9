#ifndef BASE_TAR_H
#define BASE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * What a tar archive has, and where in its file: nothing is unpacked, and no
 * name in it is ever one of the machine's.  Files and links are listed, all
 * else is passed over.
 *
 * Source: POSIX.1-2017 pax, ustar Interchange Format and pax Header Block
 * (path, linkpath, size); GNU tar manual, "Basic Tar Format" (types L and K).
 */
#define TAR_ENTRIES_MAX 8192
#define TAR_NAME_MAX 1024 /* bytes of one name */
#define TAR_FILE_MAX ((uint64_t)1 << 40)

struct tar_entry {
	char *name; /* without "./" before and '/' behind it */
	char *link; /* NULL: a file */
	bool hard;  /* a link from the archive's root; else from its folder */
	uint64_t at, size; /* of a file: where its bytes are */
};
struct tar {
	int fd; /* the caller's; can be read anywhere */
	struct tar_entry *entries;
	size_t n;
};

/* ERR_DATA: it is none (compressed with what, where that can be told), is cut
 * short, or has more or longer names than are taken.  tar_release() either
 * way. */
int tar_read(struct tar *t, int fd, struct err *e);
void tar_release(struct tar *t);

/* The file of that name, the last where it is there twice, links followed;
 * NULL: there is none. */
const struct tar_entry *tar_find(const struct tar *t, struct str name);

/* n bytes at that place of the file, all of them: -1 when it has become
 * shorter. */
int tar_take(int fd, uint64_t at, void *p, size_t n, struct err *e);
/* All of a file, of at most out's ceiling. */
int tar_text(const struct tar *t, const struct tar_entry *file, struct buf *out,
	     struct err *e);

#endif
