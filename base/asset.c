/* Lookup in the table of embedded files, and the filling of their holes. */
#include <assert.h>

#include "base/asset.h"
#include "base/inflate.h"

void asset_get(const char *path, struct buf *out)
{
	const struct asset *a = assets;
	struct err ignored = ERR_INIT;
	struct buf all;
	size_t at = 0;

	for (; a->path != NULL && !str_eqz(str_of(a->path), path); a++)
		at += a->len;
	assert(a->path != NULL);
	/* no more than it takes: that ends it, at most a piece behind */
	buf_init(&all, at + a->len + INFLATE_PIECE);
	gunzip((struct str){ (const char *)assets_gz, assets_gz_len }, &all,
	       &ignored);
	assert(at + a->len <= all.n);
	buf_init(out, ASSET_MAX);
	buf_add(out, all.str + at, a->len);
	buf_release(&all);
}

/* The NAME of "@NAME@..."; empty when there is none, as in an address. */
static struct str hole(struct str s)
{
	size_t n = 1;

	while (n < s.n && (is_digit(s.p[n]) || s.p[n] == '_' ||
			   (s.p[n] >= 'A' && s.p[n] <= 'Z')))
		n++;
	return n < s.n && s.p[n] == '@' ? str_skip(str_head(s, n), 1) : STR_NULL;
}

int asset_fill(struct str text, const struct asset_pair *pairs, struct buf *out,
	       struct err *e)
{
	ptrdiff_t at;

	while ((at = str_chr(text, '@')) >= 0) {
		const struct asset_pair *p = pairs;
		struct str name;

		buf_addstr(out, str_head(text, (size_t)at));
		text = str_skip(text, (size_t)at);
		name = hole(text);
		if (name.n == 0) {
			buf_addc(out, '@');
			text = str_skip(text, 1);
			continue;
		}
		while (p->name != NULL && !str_eqz(name, p->name))
			p++;
		if (p->name == NULL)
			return err_set(e, ERR_DATA, "no value for @%.*s@",
				       STR_ARG(name));
		buf_add_json(out, str_of(p->value));
		text = str_skip(text, name.n + 2);
	}
	buf_addstr(out, text);
	return buf_check(out, "filled text", e);
}
