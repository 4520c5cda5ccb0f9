/*
 * base/split.h: each document in one piece, byte by byte, and cut in two at
 * every byte; what is handed over must not depend on that.
 */
#include <stdio.h>
#include <string.h>

#include "base/split.h"
#include "tests/check.h"

/* rows say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static int take(void *ctx, const cJSON *item, struct err *e)
{
	struct buf *seen = ctx;

	json_print(item, seen);
	buf_adds(seen, ";");
	return str_ends(buf_str(seen), STR("13;")) ?
		       err_set(e, ERR_IO, "thirteen") :
		       0;
}

static const struct split_row {
	const char *name, *member, *text;
	const char *items; /* each with a ; behind it */
	const char *rest;  /* NULL: no matter */
	const char *words; /* of the refusal, NULL: none */
	bool open;	   /* the array did not end */
} split_rows[] = {
	/* the document is the list */
	{ "nothing", NULL, "", "", "", .open = true },
	{ "an empty list", NULL, "[]", "", "[]" },
	{ "blanks alone", NULL, " [\n\t] \r\n", "", "[]" },
	{ "one", NULL, "[{}]", "{};", "[]" },
	{ "of each kind", NULL, "[1, \"a\" ,true,null,[2,[3]],{\"b\":[{}]}]",
	  "1;\"a\";true;null;[2,[3]];{\"b\":[{}]};", "[]" },
	{ "brackets in strings", NULL, "[\"]\",\"}{,\",{\"]\":\"[\"}]",
	  "\"]\";\"}{,\";{\"]\":\"[\"};", "[]" },
	{ "escapes in strings", NULL, "[\"\\\"]\",\"\\\\\",{\"\\\\\\\"\":1}]",
	  "\"\\\"]\";\"\\\\\";{\"\\\\\\\"\":1};", "[]" },
	{ "a comma too many", NULL, "[1,]", "1;", NULL,
	  "a list: element: not JSON at byte 0" },
	{ "a comma alone", NULL, "[,]", "", NULL, "a list: element: not JSON" },
	{ "two commas", NULL, "[1,,2]", "1;", NULL, "a list: element: not JSON" },
	{ "an element that is no JSON", NULL, "[1,x]", "1;", NULL,
	  "element: not JSON" },
	{ "two values in one", NULL, "[1 2]", "", NULL, "element: not JSON" },
	{ "brackets that do not fit", NULL, "[{]]", "", NULL, "element: not JSON" },
	{ "a brace for a bracket", NULL, "[1}]", "", NULL, "element: not JSON" },
	{ "braces only close what they opened", NULL, "[}}}]", "", NULL,
	  "element: not JSON" },
	{ "cut off between", NULL, "[1,2", "1;", NULL, .open = true },
	{ "cut off in a string", NULL, "[1,\"]", "1;", NULL, .open = true },
	{ "an object", NULL, "{\"a\":[]}", "", NULL,
	  "a list: something else than a list", true },
	{ "a word before", NULL, "x[]", "", NULL, "something else", true },
	{ "a word behind", NULL, "[] x", "", NULL, "something else" },
	{ "two lists", NULL, "[][]", "", NULL, "something else" },
	{ "a bracket too many", NULL, "[]]", "", NULL, "something else" },
	{ "who takes them refuses", NULL, "[12,13,14]", "12;13;", NULL,
	  "thirteen", true },
	{ "an element as large as may be", NULL,
	  "[\"345678901234567890123456789012\"]",
	  "\"345678901234567890123456789012\";", "[]" },
	{ "an element too large", NULL, "[1,\"3456789012345678901234567890123\"]",
	  "1;", NULL, "an element of a list is larger than 32 bytes", true },

	/* the list is a member */
	{ "a member", "value", "{\"value\":[{\"n\":1},2]}", "{\"n\":1};2;",
	  "{\"value\":[]}" },
	{ "a member among others", "value", "{\"a\":[9],\"value\":[1],\"b\":\"c\"}",
	  "1;", "{\"a\":[9],\"value\":[],\"b\":\"c\"}" },
	{ "blanks around it", "value", " { \"value\" :\n[ 1 , 2 ] } ", "1;2;",
	  " { \"value\" :\n[] } " },
	{ "an empty member", "value", "{\"value\":[]}", "", "{\"value\":[]}" },
	{ "its name as a value", "value",
	  "{\"a\":\"value\",\"b\":[9],\"value\":[1]}", "1;",
	  "{\"a\":\"value\",\"b\":[9],\"value\":[]}" },
	{ "its name further in", "value", "{\"a\":{\"value\":[9]},\"value\":[1]}",
	  "1;", "{\"a\":{\"value\":[9]},\"value\":[]}" },
	{ "its name in an element", "value", "{\"value\":[{\"value\":[9]}]}",
	  "{\"value\":[9]};", "{\"value\":[]}" },
	{ "its name where a bracket follows later", "value",
	  "{\"a\":{\"value\":{}},\"b\":[[9]],\"value\":[[1]]}", "[1];",
	  "{\"a\":{\"value\":{}},\"b\":[[9]],\"value\":[]}" },
	{ "its name as the last of what is further in", "value",
	  "{\"a\":[\"value\"],\"b\":[9],\"value\":[1]}", "1;",
	  "{\"a\":[\"value\"],\"b\":[9],\"value\":[]}" },
	{ "a name that begins like it", "value", "{\"values\":[9],\"value\":[1]}",
	  "1;", "{\"values\":[9],\"value\":[]}" },
	{ "a name that it begins like", "value", "{\"valu\":[9]}", "",
	  "{\"valu\":[9]}", .open = true },
	{ "a name that ends like it", "value", "{\"xvalue\":[9]}", "",
	  "{\"xvalue\":[9]}", .open = true },
	{ "an empty name", "value", "{\"\":[9]}", "", "{\"\":[9]}", .open = true },
	{ "the name behind an escaped quote", "value", "{\"\\\"value\":[9]}",
	  "", "{\"\\\"value\":[9]}", .open = true },
	{ "no list", "value", "{\"value\":{\"a\":[9]}}", "",
	  "{\"value\":{\"a\":[9]}}", .open = true },
	{ "a list as the document", "value", "[\"value\",[9]]", "",
	  "[\"value\",[9]]", .open = true },
	{ "no JSON at all", "value", "<html>]}}\"", "", "<html>]}}\"",
	  .open = true },
	{ "too much beside it", "value",
	  "{\"a\":\"4567890123456789012345678901234567890123456789012345678901234567890\"}",
	  "", NULL, "what is not the list is larger than 64 bytes", true },
	{ "an element of it that is no JSON", "value", "{\"value\":[1,{x}]}",
	  "1;", NULL, "a list: element: not JSON at byte 1" },
};

static void run(const struct split_row *row, size_t first, size_t step)
{
	struct buf seen = BUF_INIT(4096);
	struct json_split s = {
		.member = row->member,
		.what = "a list",
		.each = take,
		.ctx = &seen,
		.item_max = 32,
		.rest = BUF_INIT(64),
	};
	struct str text = str_of(row->text);
	struct err e = ERR_INIT;
	char name[160];
	const char *why = "";
	int rc = 0;

	/* what was there before must not matter */
	s.depth = 7;
	s.in_string = s.escaped = s.named = s.ended = true;
	s.place = 2;
	buf_adds(&s.rest, "old");
	json_split_reset(&s);
	for (size_t n = first; rc == 0 && text.n > 0; n = step) {
		rc = json_split_add(&s, str_head(text, n), &e);
		text = str_skip(text, n);
	}
	if (strcmp(seen.str, row->items) != 0)
		why = seen.n > 0 ? seen.str : "no items";
	else if ((rc < 0) != (row->words != NULL) ||
		 (rc < 0 && strstr(e.msg, row->words) == NULL))
		why = rc < 0 ? e.msg : "not refused";
	else if (row->rest != NULL && strcmp(s.rest.str, row->rest) != 0)
		why = s.rest.n > 0 ? s.rest.str : "no rest";
	else if (rc == 0 && s.ended == row->open)
		why = row->open ? "ended" : "no end";
	snprintf(name, sizeof(name), "%s: %s, %zu and %zu bytes",
		 row->member ? "member" : "list", row->name, first, step);
	if (*why != '\0' || first == strlen(row->text) || step == 1)
		check_why(name, why);
	json_split_release(&s);
	buf_release(&seen);
}

int main(void)
{
	json_init();
	for (size_t i = 0; i < sizeof(split_rows) / sizeof(*split_rows); i++) {
		const struct split_row *row = &split_rows[i];
		size_t n = strlen(row->text);

		run(row, n, n);
		run(row, 1, 1);
		for (size_t cut = 1; cut < n; cut++)
			run(row, cut, n);
	}
	return check_failed();
}
