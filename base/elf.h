#ifndef BASE_ELF_H
#define BASE_ELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What the file of a program tells of itself without being run: one for another
 * kind of processor cannot be.
 *
 * Source: System V ABI, chapters 4 and 5; the ELF supplements for x86-64 and
 * for the Arm 64-bit architecture.
 */
enum elf_machine {
	ELF_X86_64,
	ELF_AARCH64,
	ELF_MACHINES,
};

#if defined(__x86_64__)
#define ELF_OWN ELF_X86_64
#elif defined(__aarch64__)
#define ELF_OWN ELF_AARCH64
#else
#error "which kind of processor is this?"
#endif

/* Its names: the kernel's, Azure's for sizes, and OCI's for images, as JSON of
 * a platform without its braces. */
struct elf_names {
	const char *kernel, *azure, *oci;
};
extern const struct elf_names elf_names[ELF_MACHINES];
/* The kind that Azure calls so; ELF_MACHINES: none of these. */
enum elf_machine elf_of_azure(const char *name);

/* The note by which a file says what it was built from: see main.c. */
#define ELF_NOTE_SECTION ".note.azswarm"
#define ELF_NOTE_OWNER "azswarm"
#define ELF_NOTE_BUILD 1
#define ELF_BUILD_MAX 128

struct elf {
	enum elf_machine machine;
	bool loader;		   /* runs only where that is installed */
	char build[ELF_BUILD_MAX]; /* that note's text; "": there is none */
};

/*
 * Read fd, a regular file, by pread.  ERR_DATA: it is no program of 64 bits for
 * one of these, or not all there; what it says must lie within it.
 */
int elf_read(int fd, struct elf *out, struct err *e);
/*
 * That, and ERR_DATA unless fd is a program that needs nothing and was built
 * from what the one in the file own, this one, was built from.
 */
int elf_read_same(int fd, const char *own, struct elf *out, struct err *e);

#endif
