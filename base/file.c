/*
 * Whole files and directories.  A file that is written is there entirely or
 * not at all, whenever the power fails.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

#define CHUNK (64u << 10)
#define DEPTH_MAX 128 /* of a tree that dir_remove takes down */

static ssize_t read_some(int fd, void *p, size_t n)
{
	ssize_t got;

	do
		got = read(fd, p, n);
	while (got < 0 && errno == EINTR);
	return got;
}

static int read_all(int fd, const char *path, struct buf *b, struct err *e)
{
	struct stat st;
	size_t guess = CHUNK;
	ssize_t got;
	char extra, *p;

	/* in one piece where the size is known: a key that moves while the
	 * buffer grows leaves copies in the heap */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uint64_t)st.st_size < SIZE_MAX)
		guess = (size_t)st.st_size + 1;
	while (b->n < b->max) {
		size_t room = b->max - b->n < guess ? b->max - b->n : guess;

		if ((p = buf_room(b, room)) == NULL)
			break;
		got = read_some(fd, p, room);
		if (got < 0)
			return err_sys(e, ERR_IO, "cannot read %s", path);
		if (got == 0)
			return 0;
		buf_grew(b, (size_t)got);
		if (b->n >= guess)
			guess = CHUNK;
	}
	got = read_some(fd, &extra, 1);
	if (got < 0)
		return err_sys(e, ERR_IO, "cannot read %s", path);
	return got == 0 ? 0 :
			  err_set(e, ERR_DATA, "%s is larger than %zu bytes",
				  path, b->max);
}

int file_read(const char *path, struct buf *b, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_sys(e, ERR_IO, "cannot read %s", path);
	rc = read_all(fd, path, b, e);
	close(fd);
	return rc;
}

int file_read_regular(const char *path, struct buf *b, struct err *e)
{
	/* without O_NONBLOCK a pipe that nobody writes to would be waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
	struct stat st;

	if (fd < 0)
		return err_sys(e, ERR_IO, "cannot read %s", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		rc = read_all(fd, path, b, e);
	else
		rc = err_set(e, ERR_DATA, "%s is not a regular file", path);
	close(fd);
	return rc;
}

/* Ours or root's, and others have none of these rights. */
static int check_own(const struct stat *st, const char *path, mode_t rights,
		     const char *may, mode_t should, struct err *e)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(e, ERR_DATA,
			       "%s belongs to somebody else, uid %u; if it is "
			       "to be trusted, 'chown %u %s'",
			       path, (unsigned)st->st_uid, (unsigned)geteuid(),
			       path);
	if ((st->st_mode & rights) != 0)
		return err_set(e, ERR_DATA,
			       "others may %s %s, mode %04o; 'chmod %o %s'",
			       may, path, (unsigned)(st->st_mode & 07777),
			       (unsigned)should, path);
	return 0;
}

int file_read_own(const char *path, bool secret, struct buf *b, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;
	struct stat st;

	if (fd < 0)
		return err_sys(e, ERR_IO, "cannot read %s", path);
	if (fstat(fd, &st) < 0)
		err_sys(e, ERR_IO, "cannot read %s", path);
	else if (check_own(&st, path, secret ? 077 : 022,
			   secret ? "read or write" : "write",
			   secret ? 0600 : 0644, e) == 0)
		rc = read_all(fd, path, b, e);
	close(fd);
	return rc;
}

int dir_check_own(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, ERR_IO, "cannot read %s", path);
	return check_own(&st, path, 022, "write to", 0700, e);
}

static int write_all(int fd, struct str data)
{
	while (data.n > 0) {
		ssize_t put = write(fd, data.p, data.n);

		if (put >= 0)
			data = str_skip(data, (size_t)put);
		else if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* Make the directory entry of path last.  Not every file system can. */
static void sync_dir(const char *path)
{
	struct str s = str_of(path);
	ptrdiff_t slash = str_rchr(s, '/');
	char *dir = slash < 0 ?
			    xstrdup(".") :
			    str_dup(str_head(s, slash == 0 ? 1 : (size_t)slash));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

/* Rename unless the target exists; NFS lacks the call, others hard links. */
static int rename_new(const char *from, const char *to)
{
	const unsigned noreplace = 1;

	if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, noreplace) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (link(from, to) < 0)
		return -1;
	unlink(from);
	return 0;
}

static int write_new(const char *path, struct str data, unsigned mode,
		     int (*put)(const char *from, const char *to), struct err *e)
{
	char *tmp = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(tmp, O_CLOEXEC), rc = -1;

	if (fd < 0) {
		err_sys(e, ERR_IO, "cannot write %s", path);
		goto out;
	}
	if (fchmod(fd, mode) < 0 || write_all(fd, data) < 0 || fsync(fd) < 0) {
		err_sys(e, ERR_IO, "cannot write %s", path);
		close(fd);
		goto undo;
	}
	if (close(fd) < 0 && errno != EINTR) {
		err_sys(e, ERR_IO, "cannot write %s", path);
		goto undo;
	}
	if (put(tmp, path) < 0) {
		err_sys(e, ERR_IO, "cannot create %s", path);
		goto undo;
	}
	sync_dir(path);
	rc = 0;
undo:
	if (rc < 0)
		unlink(tmp);
out:
	free(tmp);
	return rc;
}

int file_write(const char *path, struct str data, unsigned mode, struct err *e)
{
	return write_new(path, data, mode, rename, e);
}

int file_create(const char *path, struct str data, unsigned mode, struct err *e)
{
	return write_new(path, data, mode, rename_new, e);
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int dir_make(const char *path, unsigned mode, struct err *e)
{
	char *p = xstrdup(path), *slash = p;
	struct stat st;
	bool last = false;
	int rc = -1;

	while (!last) {
		slash += strspn(slash, "/");
		slash += strcspn(slash, "/");
		last = slash[strspn(slash, "/")] == '\0';
		*slash = '\0';
		if (mkdir(p, mode) < 0 && stat(p, &st) < 0) {
			err_sys(e, ERR_IO, "cannot make directory %s", p);
			goto out;
		}
		if (last && stat(p, &st) == 0 && !S_ISDIR(st.st_mode)) {
			err_set(e, ERR_IO, "%s is not a directory", p);
			goto out;
		}
		if (!last)
			*slash = '/';
	}
	rc = 0;
out:
	free(p);
	return rc;
}

/* Nobody else can rename what is in the directories above. */
static int only_ours_above(const char *real, struct err *e)
{
	char *above = xstrdup(real), *slash;
	struct stat st;
	int rc = 0;

	while (rc == 0 && (slash = strrchr(above, '/')) != NULL) {
		bool last = slash == above;

		*slash = '\0';
		if (stat(last ? "/" : above, &st) < 0)
			rc = err_sys(e, ERR_IO, "%s", above);
		else if (st.st_uid != 0 && st.st_uid != geteuid())
			rc = err_set(e, ERR_USAGE,
				     "%s: %s above it is user %u's, who could "
				     "exchange it",
				     real, last ? "/" : above,
				     (unsigned)st.st_uid);
		else if (!(st.st_mode & S_ISVTX) &&
			 ((st.st_mode & S_IWOTH) ||
			  ((st.st_mode & S_IWGRP) && st.st_gid != getegid())))
			rc = err_set(e, ERR_USAGE,
				     "%s: others may write to %s above it "
				     "(mode %04o), and could exchange it",
				     real, last ? "/" : above,
				     (unsigned)st.st_mode & 07777);
		if (last)
			break;
	}
	free(above);
	return rc;
}

char *dir_own(const char *path, struct err *e)
{
	struct stat st;
	char *real = NULL;

	if (dir_make(path, 0700, e) < 0)
		return NULL;
	/* in a sticky directory a link of another's leads where he wants */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != 0 &&
	    st.st_uid != geteuid())
		err_set(e, ERR_USAGE, "%s: a link of user %u's", path,
			(unsigned)st.st_uid);
	else if ((real = realpath(path, NULL)) == NULL || stat(real, &st) < 0)
		err_sys(e, ERR_IO, "%s", path);
	else if (st.st_uid != geteuid())
		err_set(e, ERR_USAGE,
			"%s: the directory is user %u's, not ours: name "
			"one that is not there yet",
			path, (unsigned)st.st_uid);
	else if (st.st_mode & S_ISVTX) /* everybody's, and to stay so */
		err_set(e, ERR_USAGE,
			"%s: a directory for all users: name one that is not "
			"there yet",
			path);
	else if (st.st_mode & 077)
		err_set(e, ERR_USAGE,
			"%s: others may use the directory (mode %04o): "
			"name one that is not there yet, or, if nobody "
			"put anything there, 'chmod 700' it",
			path, (unsigned)st.st_mode & 07777);
	else if (only_ours_above(real, e) == 0)
		return real;
	free(real);
	return NULL;
}

static int remove_in(int dir, const char *name, const char *shown, dev_t dev,
		     unsigned depth, struct err *e);

/* Empty the directory, which dir (closed here) has open. */
static int empty_dir(int dir, const char *shown, dev_t dev, unsigned depth,
		     struct err *e)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		err_sys(e, ERR_IO, "cannot remove %s", shown);
		close(dir);
		return -1;
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		char *below = xasprintf("%s/%s", shown, entry->d_name);

		rc = remove_in(dirfd(d), entry->d_name, below, dev, depth + 1, e);
		free(below);
	}
	if (rc == 0 && errno != 0)
		rc = err_sys(e, ERR_IO, "cannot remove %s", shown);
	closedir(d);
	return rc;
}

static int remove_in(int dir, const char *name, const char *shown, dev_t dev,
		     unsigned depth, struct err *e)
{
	struct stat st;
	int fd;

	/* what is no directory goes at once; links are not followed */
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, ERR_IO, "cannot remove %s", shown);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, ERR_IO, "cannot remove %s", shown);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* something mounted there is not ours to delete */
	if (depth > 0 && st.st_dev != dev) {
		close(fd);
		return err_set(e, ERR_IO,
			       "cannot remove %s: something is mounted there",
			       shown);
	}
	if (depth == DEPTH_MAX) {
		close(fd);
		return err_set(e, ERR_IO,
			       "cannot remove %s: more than %d levels deep",
			       shown, DEPTH_MAX);
	}
	if (empty_dir(fd, shown, st.st_dev, depth, e) < 0)
		return -1;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, ERR_IO, "cannot remove %s", shown);
	return 0;
}

int dir_remove(const char *path, struct err *e)
{
	return remove_in(AT_FDCWD, path, path, 0, 0, e);
}
