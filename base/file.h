#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Whole file into b, which must be empty; at most b->max bytes. */
int file_read(const char *path, struct buf *b, struct err *e);
/* The same of a regular file, or a link to one; ERR_DATA: it is a folder, a pipe or a
 * device. */
int file_read_regular(const char *path, struct buf *b, struct err *e);
/*
 * As file_read, of what nobody else has made: ERR_DATA, with what to run, when
 * it is neither ours nor root's, or when group or others may write it or,
 * secret, read it.  Looks at the file that it opened.
 */
int file_read_own(const char *path, bool secret, struct buf *b, struct err *e);
/* Write by a temporary file in the same directory, fsync, rename: readers
 * see the old or the new file, never half of one.  mode (e.g. 0600) is what
 * it gets, whatever the umask. */
int file_write(const char *path, struct str data, unsigned mode, struct err *e);
/* As file_write, but refuses to replace an existing file. */
int file_create(const char *path, struct str data, unsigned mode, struct err *e);
bool file_exists(const char *path);
int dir_make(const char *path, unsigned mode,
	     struct err *e); /* with parents; existing is fine */
/* The same of a folder: ERR_DATA when others may put files there. */
int dir_check_own(const char *path, struct err *e);
/*
 * A directory that is ours alone, for what must not be somebody else's: made
 * with 0700 when it is missing.  Refused when another owns it or may use it
 * (mode & 077), or could put another in its place: each directory above must be
 * root's or ours, and what others may write to must be sticky.
 *
 * Returns its path without links, which the caller frees; NULL with e, which
 * says what to do.
 */
char *dir_own(const char *path, struct err *e);
/* Whole tree.  Missing is fine.  Follows no links, and refuses to go into
 * something mounted below. */
int dir_remove(const char *path, struct err *e);

#endif
