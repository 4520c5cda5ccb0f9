/*
 * Which file is this program for which processor.  A foreign one cannot be run
 * to ask it; what it says of itself is read.
 */
#include "swarm/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"

#define PROGRAM_MAX (64u << 20)

/* Where /proc is not mounted, what the kernel was told to start. */
static const char *own_file(void)
{
	static const char proc[] = "/proc/self/exe";
	const char *started = (const char *)getauxval(AT_EXECFN);

	return access(proc, R_OK) == 0 || started == NULL ? proc : started;
}

/* SHA-256, length and name of what p->fd is. */
static int measure(struct program *p, struct err *e)
{
	struct sha256_state sha;
	uint8_t digest[SHA256_LEN];
	struct buf hex = BUF_INIT(64);
	char chunk[16384];
	ssize_t n;

	sha256_start(&sha);
	while ((n = pread(p->fd, chunk, sizeof(chunk), (off_t)p->size)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		sha256_add(&sha, chunk, (size_t)n);
		p->size += (uint64_t)n;
		if (p->size > PROGRAM_MAX)
			return err_set(e, ERR_DATA,
				       "longer than %u bytes, and no program "
				       "of ours",
				       PROGRAM_MAX);
	}
	if (n < 0)
		return err_sys(e, ERR_IO, "reading it");
	sha256_done(&sha, digest);
	buf_add_hex(&hex, digest, sizeof(digest));
	memcpy(p->sha256, hex.str, sizeof(p->sha256));
	buf_release(&hex);
	/* named by content: clusters with other versions keep theirs */
	snprintf(p->blob, sizeof(p->blob), BLOB_CONTAINER "/azswarm-%.16s",
		 p->sha256);
	return 0;
}

static int take_file(struct program *p, const char *path, struct err *e)
{
	*p = (struct program)PROGRAM_NONE;
	p->path = xstrdup(path);
	p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return p->fd < 0 ? err_sys(e, ERR_IO, "opening it") : 0;
}

int program_own(struct program *p, struct err *e)
{
	if (take_file(p, own_file(), e) < 0 || measure(p, e) < 0)
		return err_in(e, "this program's own file (%s)", p->path);
	p->machine = ELF_OWN;
	return 0;
}

/* Is p the other one, of the version that runs? */
static int check_other(struct program *p, struct err *e)
{
	struct elf it;

	if (elf_read_same(p->fd, own_file(), &it, e) < 0)
		return -1;
	p->machine = it.machine;
	if (it.machine == ELF_OWN)
		return err_set(e, ERR_DATA,
			       "for %s, as is the program that runs; expected "
			       "the one for %s",
			       elf_names[ELF_OWN].kernel,
			       elf_names[!ELF_OWN].kernel);
	return measure(p, e);
}

/* What lies beside our own file, however that is called.  Caller frees. */
static char *beside(void)
{
	char own[PATH_MAX];
	ssize_t n = readlink(own_file(), own, sizeof(own) - 1);
	char *slash;

	if (n < 0)
		return NULL;
	own[n] = '\0';
	if ((slash = strrchr(own, '/')) == NULL)
		return NULL;
	*slash = '\0';
	return xasprintf("%s/azswarm-%s", own, elf_names[!ELF_OWN].kernel);
}

int program_other(const struct settings *set, struct program *p,
		  struct err *none, struct err *e)
{
	const char *named = settings_get(set, S_PROGRAM);
	char *path;

	*p = (struct program)PROGRAM_NONE;
	if (*named != '\0')
		return take_file(p, named, e) < 0 || check_other(p, e) < 0 ?
			       err_in(e, "PROGRAM=%s", named) :
			       1;
	path = beside();
	if (path == NULL || access(path, F_OK) < 0)
		err_set(none, ERR_DATA, "there is no %s",
			path != NULL ? path : "file beside this program's");
	else if (take_file(p, path, none) < 0 || check_other(p, none) < 0)
		err_in(none, "%s", path);
	free(path);
	return none->kind == ERR_NONE;
}

void program_release(struct program *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->path);
	p->path = NULL;
}
