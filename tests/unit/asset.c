/* base/asset, over a table of its own. */
#include <stdio.h>
#include <string.h>

#include "base/asset.h"
#include "tests/check.h"

/* made by gzip -9n of "hellothere" */
const unsigned char assets_gz[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00,
				    0x00, 0x00, 0x02, 0x03, 0xcb, 0x48,
				    0xcd, 0xc9, 0xc9, 0x2f, 0xc9, 0x48,
				    0x2d, 0x4a, 0x05, 0x00, 0x78, 0xd8,
				    0xb3, 0x99, 0x0a, 0x00, 0x00, 0x00 };
const size_t assets_gz_len = sizeof(assets_gz);
const struct asset assets[] = { { "a/b.txt", 5 },
				{ "empty", 0 },
				{ "last", 5 },
				{ NULL, 0 } };

static const struct asset_pair pairs[] = {
	{ "NAME", "web \"1\"\n" },
	{ "A_1", "" },
	{ "KEY", "@NAME@" },
	{ NULL, NULL },
};

/* want NULL: refused with words */
static const struct {
	const char *name, *text, *want, *words;
} rows[] = {
	{ "no holes", "plain", "plain", NULL },
	{ "escaped", "n: \"@NAME@\"", "n: \"web \\\"1\\\"\\n\"", NULL },
	{ "empty value", "<@A_1@>", "<>", NULL },
	{ "values are not filled again", "@KEY@", "@NAME@", NULL },
	{ "next to each other", "@A_1@@A_1@x@A_1@", "x", NULL },
	{ "addresses stay", "root@host, @ @@ @lower@ a@b@",
	  "root@host, @ @@ @lower@ a@b@", NULL },
	{ "at the end", "x@NAME", "x@NAME", NULL },
	{ "unknown", "a @NOPE@", NULL, "no value for @NOPE@" },
	{ "too long", "0123456789012345678901234567890", NULL,
	  "filled text is larger than 30 bytes" },
};

int main(void)
{
	struct buf s, empty, last;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = BUF_INIT(30);
		struct err e = ERR_INIT;
		int rc = asset_fill(str_of(rows[i].text), pairs, &b, &e);
		bool good = rows[i].want != NULL ?
				    rc == 0 && strcmp(b.str, rows[i].want) == 0 :
				    rc < 0 && strcmp(e.msg, rows[i].words) == 0;

		check(good, rows[i].name, rc < 0 ? e.msg : b.str);
		buf_release(&b);
	}
	asset_get("a/b.txt", &s);
	asset_get("empty", &empty);
	asset_get("last", &last);
	check(str_eqz(buf_str(&s), "hello") && empty.n == 0 &&
		      str_eqz(buf_str(&last), "there"),
	      "get", "other bytes");
	buf_release(&s);
	buf_release(&empty);
	buf_release(&last);
	return check_failed();
}
