/*
 * Two readings of a table, walked side by side in the order of their ids.
 */
#include "node/rows.h"

#include <stdlib.h>

/* One of them, while two tables are compared. */
struct row {
	struct str id, text; /* the id as it is written, with its escapes */
	size_t place;
};

void rows_init(struct rows *r, size_t max)
{
	*r = (struct rows){ .n = 0 };
	buf_init(&r->text, max);
}

void rows_release(struct rows *r)
{
	buf_release(&r->text);
	free(r->at);
	r->at = NULL;
	r->n = 0;
}

void rows_next(struct rows *r)
{
	if (r->n > 0)
		buf_addc(&r->text, ',');
	if ((r->n & (r->n + 1)) == 0) /* room for 1, 3, 7, ... is full */
		r->at = xrealloc(r->at, (2 * r->n + 1) * sizeof(*r->at));
	r->at[r->n++] = r->text.n;
	buf_addc(&r->text, '{');
}

/* Up to the quote that ends it. */
static struct str id_of(struct str row)
{
	struct str s = str_skip(row, sizeof("{\"id\":\"") - 1);
	size_t n = 0;

	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' ? 2 : 1;
	return str_head(s, n);
}

static int by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int rc = str_cmp(x->id, y->id);

	return rc != 0 ? rc : x->place < y->place ? -1 : x->place > y->place;
}

/* Sorted, each id once; how many of them. */
static size_t sorted(const struct rows *r, struct row **list)
{
	struct row *row = xcalloc(r->n, sizeof(*row));
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		size_t end = i + 1 < r->n ? r->at[i + 1] - 1 : r->text.n;

		row[i].text = str_skip(str_head(buf_str(&r->text), end), r->at[i]);
		row[i].id = id_of(row[i].text);
		row[i].place = i;
	}
	qsort(row, r->n, sizeof(*row), by_id);
	for (size_t i = 0; i < r->n; i++)
		if (i + 1 == r->n || !str_eq(row[i].id, row[i + 1].id))
			row[n++] = row[i];
	*list = row;
	return n;
}

void rows_diff(const struct rows *was, const struct rows *now, struct buf *out)
{
	struct row *old, *new;
	size_t n_old = sorted(was, &old), n_new = sorted(now, &new), i = 0;
	const char *sep = "";

	buf_adds(out, "{\"gone\":[");
	for (size_t k = 0; k < n_old; k++) {
		while (i < n_new && str_cmp(new[i].id, old[k].id) < 0)
			i++;
		if (i < n_new && str_eq(new[i].id, old[k].id))
			continue;
		buf_addf(out, "%s\"%.*s\"", sep, STR_ARG(old[k].id));
		sep = ",";
	}
	buf_adds(out, "],\"rows\":[");
	i = 0;
	sep = "";
	for (size_t k = 0; k < n_new; k++) {
		while (i < n_old && str_cmp(old[i].id, new[k].id) < 0)
			i++;
		if (i < n_old && str_eq(old[i].text, new[k].text))
			continue;
		buf_adds(out, sep);
		buf_addstr(out, new[k].text);
		sep = ",";
	}
	buf_adds(out, "]}");
	free(old);
	free(new);
}
