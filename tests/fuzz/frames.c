/*
 * Any bytes as what an engine says of a container without a terminal.  Whole,
 * or cut where the first byte says: the same pieces of the same sources.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "docker/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SOURCES 4

/* The bytes of each source, and how it ended. */
struct heard {
	struct buf of[SOURCES];
	int end;
};

static void hear(struct docker_frames *f, struct str bytes, struct heard *h)
{
	struct err e = ERR_INIT;
	struct str piece;
	int rc = 0;

	while (h->end == 0 && (rc = docker_frame(f, &bytes, &piece, &e)) > 0) {
		if (f->source >= SOURCES)
			abort();
		buf_addstr(&h->of[f->source], piece);
	}
	if (h->end == 0 && rc == 0 && bytes.n != 0)
		abort();
	if (rc < 0 && e.kind == ERR_NONE)
		abort();
	if (rc < 0)
		h->end = rc;
}

static void hear_cut(struct str bytes, size_t cut, struct heard *h)
{
	struct docker_frames f = { 0 };
	struct err e = ERR_INIT;

	*h = (struct heard){ 0 };
	for (int i = 0; i < SOURCES; i++)
		buf_init(&h->of[i], bytes.n);
	hear(&f, str_head(bytes, cut), h);
	hear(&f, str_skip(bytes, cut), h);
	if (h->end == 0)
		h->end = docker_frames_end(&f, &e) < 0 ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data + 1, size - 1 };
	struct heard whole, cut;

	if (size < 1)
		return 0;
	hear_cut(bytes, bytes.n, &whole);
	hear_cut(bytes, data[0] < bytes.n ? data[0] : bytes.n, &cut);
	if (whole.end != cut.end)
		abort();
	for (int i = 0; i < SOURCES; i++) {
		if (!str_eq(buf_str(&whole.of[i]), buf_str(&cut.of[i])) ||
		    whole.of[i].over)
			abort();
		buf_release(&whole.of[i]);
		buf_release(&cut.of[i]);
	}
	return 0;
}
