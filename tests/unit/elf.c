/* base/elf: programs as a linker made them, and files by somebody who lies. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/elf.h"
#include "tests/check.h"

#define NOTE_AT 512

/* A program of two segments: what is loaded, and notes of two owners. */
struct file {
	Elf64_Ehdr h;
	Elf64_Phdr ph[2];
	char gap[NOTE_AT - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
	struct {
		Elf64_Nhdr other;
		char other_name[4], other_text[8];
		Elf64_Nhdr ours;
		char name[8], text[16];
	} notes;
};

static struct file good_file(void)
{
	struct file f = {
		.h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				    ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = EM_AARCH64,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2 },
		.ph = { { .p_type = PT_LOAD, .p_filesz = sizeof(struct file) },
			{ .p_type = PT_NOTE,
			  .p_offset = NOTE_AT,
			  .p_filesz = sizeof(f.notes) } },
		.notes = { .other = { 4, 5, 1 },
			   .other_name = "GNU",
			   .ours = { 8, 9, ELF_NOTE_BUILD },
			   .name = ELF_NOTE_OWNER,
			   .text = "1.2.3 abc" },
	};

	return f;
}

/* What is read of these bytes. */
static int read_bytes(const void *p, size_t n, struct elf *out, struct err *e)
{
	int fd = memfd_create("elf", MFD_CLOEXEC), rc;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	rc = elf_read(fd, out, e);
	close(fd);
	return rc;
}

static void machine(struct file *f)
{
	f->h.e_machine = EM_386;
}
static void class_32(struct file *f)
{
	f->h.e_ident[EI_CLASS] = ELFCLASS32;
}
static void high_first(struct file *f)
{
	f->h.e_ident[EI_DATA] = ELFDATA2MSB;
}
static void object(struct file *f)
{
	f->h.e_type = ET_REL;
}
static void magic(struct file *f)
{
	f->h.e_ident[0] = '#';
}
static void no_segments(struct file *f)
{
	f->h.e_phnum = 0;
}
static void many_segments(struct file *f)
{
	f->h.e_phnum = 0xffff;
}
static void far_table(struct file *f)
{
	f->h.e_phoff = UINT64_MAX - 16;
}
static void table_at_the_end(struct file *f)
{
	f->h.e_phoff = sizeof(*f) - sizeof(Elf64_Phdr);
}
static void odd_entries(struct file *f)
{
	f->h.e_phentsize = 8;
}
static void far_segment(struct file *f)
{
	f->ph[0].p_offset = UINT64_MAX - 8;
}
static void long_segment(struct file *f)
{
	f->ph[0].p_filesz = UINT64_MAX;
}
static void loader(struct file *f)
{
	f->ph[0].p_type = PT_INTERP;
}
static void x86(struct file *f)
{
	f->h.e_machine = EM_X86_64;
	f->h.e_type = ET_EXEC;
}
static void no_notes(struct file *f)
{
	f->ph[1].p_type = PT_NULL;
}
static void other_owner(struct file *f)
{
	f->notes.name[0] = 'A';
}
static void other_type(struct file *f)
{
	f->notes.ours.n_type = 3;
}
static void name_too_long(struct file *f)
{
	f->notes.other.n_namesz = UINT32_MAX;
}
static void text_too_long(struct file *f)
{
	f->notes.other.n_descsz = UINT32_MAX - 2;
}
static void text_over_the_end(struct file *f)
{
	memcpy(f->notes.text, "0123456789abcdef", 16);
	f->notes.ours.n_descsz = 17;
}
static void no_text(struct file *f)
{
	f->notes.ours.n_descsz = 0;
}
static void control(struct file *f)
{
	f->notes.text[2] = '\033';
}
static void notes_cut(struct file *f)
{
	f->ph[1].p_filesz = 30;
}

static const struct {
	const char *name;
	void (*change)(struct file *f);
	const char *words; /* of the refusal, NULL: it is a program */
	enum elf_machine machine;
	const char *build;
} cases[] = {
	{ "aarch64, and what it was built from", NULL, NULL, ELF_AARCH64,
	  "1.2.3 abc" },
	{ "x86_64, where it is always the same", x86, NULL, ELF_X86_64,
	  "1.2.3 abc" },
	{ "no notes", no_notes, NULL, ELF_AARCH64, "" },
	{ "a note of another owner", other_owner, NULL, ELF_AARCH64, "" },
	{ "one of ours that is not this", other_type, NULL, ELF_AARCH64, "" },
	{ "a name beyond the segment", name_too_long, NULL, ELF_AARCH64, "" },
	{ "a text beyond it", text_too_long, NULL, ELF_AARCH64, "" },
	{ "one by a byte", text_over_the_end, NULL, ELF_AARCH64, "" },
	{ "an empty text", no_text, NULL, ELF_AARCH64, "" },
	{ "a text for a terminal", control, NULL, ELF_AARCH64, "" },
	{ "notes that are cut off", notes_cut, NULL, ELF_AARCH64, "" },
	{ "a script", magic, "no ELF file", 0, "" },
	{ "another processor", machine, "neither for x86_64 nor for aarch64", 0,
	  "" },
	{ "32 bits", class_32, "not one of 64 bits", 0, "" },
	{ "the high byte first", high_first, "low byte first", 0, "" },
	{ "an object", object, "to be run", 0, "" },
	{ "no segments", no_segments, "its table of segments", 0, "" },
	{ "too many", many_segments, "its table of segments", 0, "" },
	{ "a table beyond everything", far_table, "its table of segments", 0, "" },
	{ "one that ends behind the file", table_at_the_end,
	  "its table of segments", 0, "" },
	{ "one of other entries", odd_entries, "its table of segments", 0, "" },
	{ "a segment beyond everything", far_segment, "not all there", 0, "" },
	{ "one longer than the file", long_segment, "not all there", 0, "" },
	{ "one that needs a loader", loader, NULL, ELF_AARCH64, "1.2.3 abc" },
};

static void rows(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct file f = good_file();
		struct err e = ERR_INIT;
		struct elf out;
		int rc;

		if (cases[i].change != NULL)
			cases[i].change(&f);
		rc = read_bytes(&f, sizeof(f), &out, &e);
		if (cases[i].words != NULL)
			checkf(rc < 0 && e.kind == ERR_DATA &&
				       strstr(e.msg, cases[i].words) != NULL,
			       cases[i].name, "%d, \"%s\"", rc, e.msg);
		else
			checkf(rc == 0 && out.machine == cases[i].machine &&
				       out.loader == (cases[i].change == loader) &&
				       strcmp(out.build, cases[i].build) == 0,
			       cases[i].name, "%d, machine %d, \"%s\", \"%s\"",
			       rc, out.machine, out.build, e.msg);
	}
}

/* Cut off anywhere, it is refused: the first segment is the whole file. */
static void cuts(void)
{
	struct file f = good_file();
	size_t taken = 0;

	for (size_t n = 0; n < sizeof(f); n++) {
		struct err e = ERR_INIT;
		struct elf out;

		taken += read_bytes(&f, n, &out, &e) == 0;
	}
	checkf(taken == 0, "cut off at every byte", "%zu were taken", taken);
}

/* More segments than there is reason for, each of them harmless. */
static void crowd(void)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr ph[33];
	} f = { .h = good_file().h };

	for (unsigned n = 32; n <= 33; n++) {
		struct err e = ERR_INIT;
		struct elf out;
		int rc;

		f.h.e_phnum = (Elf64_Half)n;
		rc = read_bytes(&f, sizeof(f), &out, &e);
		checkf(rc == (n == 32 ? 0 : -1),
		       n == 32 ? "32 segments" : "33 are refused", "%d, \"%s\"",
		       rc, e.msg);
	}
}

/* Not by our hand: this very test, which gcc's linker made and glibc loads,
 * and what is no file. */
static void real(void)
{
	struct err e = ERR_INIT;
	struct elf out;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pair[2];
	int rc = elf_read(fd, &out, &e);

#if defined(__GLIBC__)
	bool loader = true;
#else
	bool loader = false;
#endif
	checkf(rc == 0 && out.machine == ELF_OWN && out.loader == loader &&
		       out.build[0] == '\0',
	       "a program of this machine", "%d, \"%s\"", rc, e.msg);
	close(fd);
	if (pipe(pair) < 0)
		abort();
	e = (struct err)ERR_INIT;
	check(elf_read(pair[0], &out, &e) < 0 &&
		      strstr(e.msg, "not a file") != NULL,
	      "a pipe", e.msg);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	rows();
	cuts();
	crowd();
	real();
	return check_failed();
}
