/*
 * Where the program begins: it moves itself to the address it was given.
 *
 * A static PIE has no loader; whatever holds an address must be corrected by
 * its own first instructions.  The C library's start file (rcrt1.o) can do so
 * from a table of 24 bytes for each pointer.  This one also reads DT_RELR (the
 * generic ELF ABI, "Relative Relocation Table"), where they take about two
 * bits each: 29 KiB of the file.  And it makes read-only what only the
 * corrections had to write (PT_GNU_RELRO), which musl leaves to the loader
 * that is not there.
 *
 * Until relocate() is done no address from memory can be used, and before the
 * C library has set up its thread pointer there is no canary and no errno.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HIDDEN		__attribute__((visibility("hidden")))
#define NO_CANARY	__attribute__((no_stack_protector))

#ifndef DT_RELR
#define DT_RELRSZ	35
#define DT_RELR		36
#endif

#if defined(__x86_64__)
#define RELATIVE	R_X86_64_RELATIVE
__asm__(".pushsection .text._start,\"ax\",@progbits\n"
	".globl _start\n"
	".hidden _start\n"
	".type _start,@function\n"
	"_start:	endbr64\n"
	"	xor	%ebp, %ebp\n"		/* the last frame */
	"	mov	%rsp, %rdi\n"
	"	and	$-16, %rsp\n"
	"	call	start_here\n"
	"	hlt\n"
	".size _start, .-_start\n"
	".popsection\n");

NO_CANARY static long sys_mprotect(uintptr_t at, size_t n, long prot)
{
	long rc;

	__asm__ volatile ("syscall" : "=a"(rc)
			  : "a"((long)SYS_mprotect), "D"(at), "S"(n), "d"(prot)
			  : "rcx", "r11", "memory");
	return rc;
}
#elif defined(__aarch64__)
#define RELATIVE	R_AARCH64_RELATIVE
__asm__(".pushsection .text._start,\"ax\",@progbits\n"
	".globl _start\n"
	".hidden _start\n"
	".type _start,@function\n"
	"_start:	mov	x29, #0\n"
	"	mov	x30, #0\n"
	"	mov	x0, sp\n"
	"	and	sp, x0, #-16\n"
	"	b	start_here\n"
	".size _start, .-_start\n"
	".popsection\n");

NO_CANARY static long sys_mprotect(uintptr_t at, size_t n, long prot)
{
	register long x8 __asm__("x8") = SYS_mprotect;
	register uintptr_t x0 __asm__("x0") = at;
	register size_t x1 __asm__("x1") = n;
	register long x2 __asm__("x2") = prot;

	__asm__ volatile ("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return (long)x0;
}
#else
#error "how does a program start on this processor?"
#endif

/* From the linker; hidden, so that they are found relative to the code. */
extern const Elf64_Ehdr __ehdr_start HIDDEN;
extern const Elf64_Dyn _DYNAMIC[] HIDDEN;
extern void _init(void) HIDDEN;
extern void _fini(void) HIDDEN;
extern int main(int argc, char **argv) HIDDEN;
extern int __libc_start_main(int (*main)(int, char **), int argc, char **argv,
			     void (*init)(void), void (*fini)(void), void (*ldso)(void)) HIDDEN;
_Noreturn void start_here(const uintptr_t *stack) HIDDEN;

NO_CANARY static uintptr_t dynamic(Elf64_Sxword tag)
{
	const Elf64_Dyn *d = _DYNAMIC;

	while (d->d_tag != DT_NULL && d->d_tag != tag)
		d++;
	return d->d_tag == tag ? d->d_un.d_val : 0;
}

/* The linker linked for address 0; add where we are to every pointer. */
NO_CANARY static inline void relocate(uintptr_t base)
{
	const Elf64_Rela *rela = (const Elf64_Rela *)(base + dynamic(DT_RELA));
	const uintptr_t *relr = (const uintptr_t *)(base + dynamic(DT_RELR));
	size_t rela_count = dynamic(DT_RELASZ) / sizeof(*rela);
	size_t relr_count = dynamic(DT_RELRSZ) / sizeof(*relr);
	uintptr_t *next = NULL;

	for (; rela_count > 0; rela_count--, rela++) {
		/* nothing else is possible where nothing is loaded */
		if (ELF64_R_TYPE(rela->r_info) != RELATIVE)
			__builtin_trap();
		*(uintptr_t *)(base + rela->r_offset) = base + (uintptr_t)rela->r_addend;
	}
	/* an even word is an address; an odd one tells, bit by bit, which of
	 * the 63 words after the last one said are to be corrected, too */
	for (; relr_count > 0; relr_count--, relr++) {
		if ((*relr & 1) == 0) {
			next = (uintptr_t *)(base + *relr);
			*next++ += base;
			continue;
		}
		for (unsigned bit = 1; bit < 64; bit++)
			if (*relr >> bit & 1)
				next[bit - 1] += base;
		next += 63;
	}
}

/* What the kernel tells about the size of a page, behind arguments and
 * environment. */
NO_CANARY static inline uintptr_t page_size(const uintptr_t *stack)
{
	const uintptr_t *p = stack + 1 + stack[0] + 1;

	while (*p++ != 0)
		;
	while (p[0] != AT_NULL && p[0] != AT_PAGESZ)
		p += 2;
	return p[0] == AT_PAGESZ ? p[1] : 4096;
}

/* The segment ends where a page does: the linker sees to that. */
NO_CANARY static inline void protect(uintptr_t base, uintptr_t page)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);

	for (unsigned n = __ehdr_start.e_phnum; n > 0; n--, ph++) {
		uintptr_t from = base + (ph->p_vaddr & -page);

		if (ph->p_type == PT_GNU_RELRO &&
		    sys_mprotect(from, base + ph->p_vaddr + ph->p_memsz - from, PROT_READ) != 0)
			__builtin_trap();
	}
}

NO_CANARY _Noreturn void start_here(const uintptr_t *stack)
{
	uintptr_t base = (uintptr_t)&__ehdr_start;

	relocate(base);
	protect(base, page_size(stack));
	__libc_start_main(main, (int)stack[0], (char **)(uintptr_t)(stack + 1), _init, _fini, NULL);
	__builtin_unreachable();
}
