/*
 * Reads pages of the scale set's machines as azure/list.c does, in pieces of a
 * TLS record, and says how many there were; made like the product, so that
 * sh/budgets and bench can count what that takes.
 *
 *	read_tool FILE...
 */
#include <stdio.h>

#include "base/file.h"
#include "base/split.h"
#include "swarm/instances.h"

#define PIECE 16384
#define PAGE_MAX (16u << 20)

static int take(void *ctx, const cJSON *item, struct err *e)
{
	unsigned *n = ctx;

	(void)e;
	*n += json_text(item, "instanceId")[0] != '\0';
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	unsigned n = 0;
	struct json_split s = { .member = "value",
				.what = "the list",
				.want = instances_wanted,
				.each = take,
				.ctx = &n,
				.item_max = 1u << 20,
				.rest = BUF_INIT(64u << 10) };
	int rc = 0;

	json_init();
	for (int i = 1; rc == 0 && i < argc; i++) {
		struct buf text = BUF_INIT(PAGE_MAX);
		struct str rest;

		json_split_reset(&s);
		rc = file_read(argv[i], &text, &e);
		for (rest = buf_str(&text); rc == 0 && rest.n > 0;
		     rest = str_skip(rest, PIECE))
			rc = json_split_add(&s, str_head(rest, PIECE), &e);
		buf_release(&text);
	}
	json_split_release(&s);
	if (rc < 0)
		fprintf(stderr, "read_tool: %s\n", e.msg);
	else
		printf("%u\n", n);
	return rc < 0;
}
