/*
 * Memory that cannot run out quietly, and the byte buffer that cannot grow
 * beyond the ceiling it was born with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void *must(void *p)
{
	if (p == NULL) {
		fputs("azswarm: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *xmalloc(size_t n)
{
	return must(malloc(n == 0 ? 1 : n));
}

void *xcalloc(size_t n, size_t size)
{
	return n == 0 || size == 0 ? must(calloc(1, 1)) : must(calloc(n, size));
}

void *xrealloc(void *p, size_t n)
{
	return must(realloc(p, n == 0 ? 1 : n));
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	if (n > 0)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xasprintf(const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	return must(n < 0 ? NULL : p);
}

void burn(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	/* The compiler must believe that somebody looks at it. */
	__asm__ volatile("" : : "r"(p) : "memory");
}

void burn_str(char *s)
{
	if (s == NULL)
		return;
	burn(s, strlen(s));
	free(s);
}

/* ---- the buffer -------------------------------------------------------- */

char buf_nothing[1];

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .str = buf_nothing, .max = max };
}

/*
 * Not realloc: a buffer may hold a secret, and the block that it grew out
 * of would keep a copy.
 */
static void grow(struct buf *b, size_t need)
{
	size_t cap = b->cap < 64 ? 64 : b->cap;
	char *p;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	p = xmalloc(cap);
	memcpy(p, b->str, b->n + 1);
	if (b->cap > 0) {
		burn(b->str, b->n);
		free(b->str);
	}
	b->str = p;
	b->cap = cap;
}

char *buf_room(struct buf *b, size_t n)
{
	if (b->over || n > b->max - b->n) {
		b->over = true;
		return NULL;
	}
	if (b->cap - b->n <= n)
		grow(b, b->n + n + 1);
	return b->str + b->n;
}

void buf_grew(struct buf *b, size_t n)
{
	b->n += n;
	b->str[b->n] = '\0';
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0 || (to = buf_room(b, n)) == NULL)
		return;
	memcpy(to, p, n);
	buf_grew(b, n);
}

void buf_addc(struct buf *b, char c)
{
	char *to = buf_room(b, 1);

	if (to != NULL) {
		*to = c;
		buf_grew(b, 1);
	}
}

void buf_adds(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_addstr(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_add_dec(struct buf *b, uint64_t v)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->over ? 0 : b->cap - b->n;
	va_list again;
	bool fits;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room > 0 ? b->str + b->n : NULL, room, fmt, ap);
	fits = n >= 0 && (size_t)n < room && (size_t)n <= b->max - b->n;
	/* it may be a part of a secret */
	if (!fits && room > 0)
		burn(b->str + b->n, room);
	if (fits) {
		b->n += (size_t)n;
	} else if (n > 0 && (to = buf_room(b, (size_t)n)) != NULL) {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_vaddf_cut(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->over ? 0 : b->max - b->n;
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n > 0 && (size_t)n < room)
		room = (size_t)n;
	if (n > 0 && (to = buf_room(b, room)) != NULL) {
		vsnprintf(to, room + 1, fmt, again);
		b->n += room;
	}
	va_end(again);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_truncate(struct buf *b, size_t n)
{
	if (n >= b->n)
		return;
	b->n = n;
	b->str[n] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0 || b->n == 0)
		return;
	if (n > b->n)
		n = b->n;
	memmove(b->str, b->str + n, b->n - n);
	buf_truncate(b, b->n - n);
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ b->str, b->n };
}

char *buf_detach(struct buf *b)
{
	char *p = b->cap == 0 ? xstrndup("", 0) : b->str;

	buf_init(b, b->max);
	return p;
}

void buf_reset(struct buf *b)
{
	buf_truncate(b, 0);
	b->over = false;
}

void buf_release(struct buf *b)
{
	if (b->cap > 0)
		free(b->str);
	buf_init(b, b->max);
}

void buf_burn(struct buf *b)
{
	burn(b->str, b->cap);
	buf_release(b);
}

int buf_check(const struct buf *b, const char *what, struct err *e)
{
	if (!b->over)
		return 0;
	return err_set(e, ERR_DATA, "%s is larger than %zu bytes", what, b->max);
}
