/* A file that somebody names as this program for the other kind of processor. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct err e = ERR_INIT;
	struct elf out;

	if (fd < 0)
		fd = memfd_create("elf", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 ||
	    pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (elf_read(fd, &out, &e) == 0 &&
	    (out.machine >= ELF_MACHINES ||
	     memchr(out.build, '\0', sizeof(out.build)) == NULL))
		abort();
	return 0;
}
