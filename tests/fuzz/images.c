/*
 * An archive that somebody gives to push: what is taken for blobs lies within the
 * file, and every manifest is what it is called.  The first byte says whether the
 * sums of headers are put right first, so that more is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swarm/images.h"

#define BLOCK 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_sums_right(uint8_t *p, size_t n)
{
	for (size_t at = 0; n - at >= BLOCK;) {
		uint64_t sum = 0, length = 0;
		char text[8];

		memset(p + at + 148, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += p[at + i];
		snprintf(text, sizeof(text), "%06o", (unsigned)sum);
		memcpy(p + at + 148, text, 7);
		for (size_t i = 124; i < 135; i++)
			length = length * 8 + (p[at + i] & 7);
		at += BLOCK;
		length = (length + BLOCK - 1) / BLOCK * BLOCK;
		at += length < n - at ? length : n - at;
	}
}

static void look_at(const struct images_plan *p, size_t size)
{
	char digest[IMAGE_DIGEST_MAX];

	if (p->n_manifests == 0)
		abort();
	for (size_t i = 0; i < p->n_blobs; i++)
		if (p->blobs[i].at > size ||
		    p->blobs[i].size > size - p->blobs[i].at ||
		    !docker_ref_is_digest(str_of(p->blobs[i].digest)))
			abort();
	for (size_t i = 0; i < p->n_manifests; i++) {
		image_digest(buf_str(&p->manifests[i].text), digest);
		if (strcmp(digest, p->manifests[i].digest) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct images_name n = { "made", "1" };
	struct images_plan p;
	struct err e = ERR_INIT;
	uint8_t *copy;

	if (size < 1)
		return 0;
	if (fd < 0) {
		json_init();
		fd = memfd_create("images", MFD_CLOEXEC);
	}
	copy = xmalloc(size);
	memcpy(copy, data, size);
	if (copy[0] & 1)
		put_sums_right(copy + 1, size - 1);
	if (fd < 0 || ftruncate(fd, 0) < 0 ||
	    pwrite(fd, copy + 1, size - 1, 0) != (ssize_t)(size - 1))
		abort();
	free(copy);
	if (images_plan(&p, fd, &n, &e) == 0)
		look_at(&p, size - 1);
	else if (e.kind == ERR_NONE)
		abort();
	images_plan_release(&p);
	return 0;
}
