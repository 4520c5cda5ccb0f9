/*
 * ELF, as much of it as tells where a program may run and what it is.  Whoever
 * wrote the file may have lied: every offset is held against its length, every
 * table against a ceiling.
 */
#include "base/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define SEGMENTS_MAX 32
#define NOTES_MAX 4096 /* bytes of one segment of notes */

const struct elf_names elf_names[ELF_MACHINES] = {
	[ELF_X86_64] = { "x86_64", "x64", "\"architecture\":\"amd64\"" },
	[ELF_AARCH64] = { "aarch64", "Arm64",
			  "\"architecture\":\"arm64\",\"variant\":\"v8\"" },
};

enum elf_machine elf_of_azure(const char *name)
{
	int m = 0;

	while (m < ELF_MACHINES && !str_ieqz(str_of(name), elf_names[m].azure))
		m++;
	return (enum elf_machine)m;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, ERR_DATA, "no program for Linux: %s", what);
}

/* Exactly n bytes from at on. */
static int read_at(int fd, uint64_t at, void *p, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)p + done, n - done,
				    (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, "reading it");
		if (got == 0)
			return bad(e, "it ends too early");
		done += (size_t)got;
	}
	return 0;
}

static int take_machine(const Elf64_Ehdr *h, struct elf *out, struct err *e)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return bad(e, "no ELF file");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    (h->e_type != ET_DYN && h->e_type != ET_EXEC))
		return bad(e, "not one of 64 bits, low byte first, to be run");
	if (h->e_machine == EM_X86_64)
		out->machine = ELF_X86_64;
	else if (h->e_machine == EM_AARCH64)
		out->machine = ELF_AARCH64;
	else
		return bad(e, "neither for x86_64 nor for aarch64");
	return 0;
}

static size_t up(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* What a message may show. */
static bool is_line(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~')
			return false;
	return n > 0;
}

/* Our note among those of a segment; others' are stepped over. */
static void take_notes(const unsigned char *p, size_t n, struct elf *out)
{
	Elf64_Nhdr h;

	while (n >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		n -= sizeof(h);
		if (h.n_namesz > n || up(h.n_namesz) > n ||
		    h.n_descsz > n - up(h.n_namesz))
			return;
		if (h.n_type == ELF_NOTE_BUILD &&
		    h.n_namesz == sizeof(ELF_NOTE_OWNER) &&
		    memcmp(p, ELF_NOTE_OWNER, sizeof(ELF_NOTE_OWNER)) == 0 &&
		    h.n_descsz < ELF_BUILD_MAX &&
		    is_line(p + up(h.n_namesz), h.n_descsz)) {
			memcpy(out->build, p + up(h.n_namesz), h.n_descsz);
			out->build[h.n_descsz] = '\0';
		}
		p += up(h.n_namesz);
		n -= up(h.n_namesz);
		if (up(h.n_descsz) > n)
			return;
		p += up(h.n_descsz);
		n -= up(h.n_descsz);
	}
}

/* One segment: all there, and what it tells. */
static int take_segment(int fd, const Elf64_Phdr *ph, uint64_t size,
			struct elf *out, struct err *e)
{
	unsigned char *notes;
	int rc;

	if (ph->p_offset > size || ph->p_filesz > size - ph->p_offset)
		return bad(e, "a segment that is not all there");
	out->loader |= ph->p_type == PT_INTERP;
	if (ph->p_type != PT_NOTE || ph->p_filesz > NOTES_MAX)
		return 0;
	/* as long as they are, for a sanitizer to see who looks behind them */
	notes = xmalloc((size_t)ph->p_filesz);
	rc = read_at(fd, ph->p_offset, notes, (size_t)ph->p_filesz, e);
	if (rc == 0)
		take_notes(notes, (size_t)ph->p_filesz, out);
	free(notes);
	return rc;
}

int elf_read(int fd, struct elf *out, struct err *e)
{
	uint64_t size;
	Elf64_Ehdr h;
	Elf64_Phdr ph;
	struct stat st;

	*out = (struct elf){ .build = "" };
	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, "its length");
	if (!S_ISREG(st.st_mode))
		return bad(e, "not a file");
	size = (uint64_t)st.st_size;
	if (size < sizeof(h))
		return bad(e, "no ELF file");
	if (read_at(fd, 0, &h, sizeof(h), e) < 0 || take_machine(&h, out, e) < 0)
		return -1;
	if (h.e_phentsize != sizeof(ph) || h.e_phnum == 0 ||
	    h.e_phnum > SEGMENTS_MAX || h.e_phoff > size ||
	    h.e_phnum * sizeof(ph) > size - h.e_phoff)
		return bad(e, "its table of segments");
	for (unsigned i = 0; i < h.e_phnum; i++)
		if (read_at(fd, h.e_phoff + i * sizeof(ph), &ph, sizeof(ph), e) <
			    0 ||
		    take_segment(fd, &ph, size, out, e) < 0)
			return -1;
	return 0;
}

static int read_own(const char *path, struct elf *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;

	if (fd < 0)
		err_sys(e, ERR_IO, "opening it");
	else
		rc = elf_read(fd, out, e);
	if (fd >= 0)
		close(fd);
	return rc < 0 ? err_in(e, "this program's own file (%s)", path) : 0;
}

int elf_read_same(int fd, const char *own, struct elf *out, struct err *e)
{
	struct elf us;

	if (elf_read(fd, out, e) < 0 || read_own(own, &us, e) < 0)
		return -1;
	if (out->loader)
		return err_set(e, ERR_DATA,
			       "it needs a loader and a C library; expected one "
			       "file that needs nothing");
	if (out->build[0] == '\0')
		return err_set(e, ERR_DATA,
			       "it does not say that it is azswarm, nor which");
	if (strcmp(out->build, us.build) != 0)
		return err_set(e, ERR_DATA,
			       "it is azswarm %s, and what runs is azswarm %s; "
			       "expected the same one",
			       out->build, us.build);
	return 0;
}
