/*
 * The data types of RFC 4251 section 5, name lists, and the queue that bytes
 * pass through.  Does no I/O.
 */
#include <stdlib.h>
#include <string.h>

#include "ssh/inner.h"

uint32_t wire_be32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

void wire_set_be32(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}

bool wire_u8(struct str *in, unsigned *v)
{
	if (in->n < 1)
		return false;
	*v = (unsigned char)in->p[0];
	*in = str_skip(*in, 1);
	return true;
}

bool wire_bool(struct str *in, bool *v)
{
	unsigned u;

	if (!wire_u8(in, &u))
		return false;
	*v = u != 0; /* all values but 0 are true */
	return true;
}

bool wire_u32(struct str *in, uint32_t *v)
{
	if (in->n < 4)
		return false;
	*v = wire_be32(in->p);
	*in = str_skip(*in, 4);
	return true;
}

bool wire_string(struct str *in, struct str *v)
{
	if (in->n < 4 || wire_be32(in->p) > in->n - 4)
		return false;
	*v = str_head(str_skip(*in, 4), wire_be32(in->p));
	*in = str_skip(*in, 4 + v->n);
	return true;
}

bool wire_mpint(struct str *in, struct str *v)
{
	struct str at = *in;

	if (!wire_string(&at, v))
		return false;
	if (v->n > 0) {
		unsigned char first = (unsigned char)v->p[0];

		if (first >= 0x80 ||
		    (first == 0 && (v->n == 1 || (unsigned char)v->p[1] < 0x80)))
			return false;
		if (first == 0)
			*v = str_skip(*v, 1);
	}
	*in = at;
	return true;
}

void wire_put_u32(struct buf *b, uint32_t v)
{
	uint8_t n[4];

	wire_set_be32(n, v);
	buf_add(b, n, 4);
}

void wire_put_bool(struct buf *b, bool v)
{
	buf_addc(b, v ? 1 : 0);
}

void wire_put(struct buf *b, const void *p, size_t n)
{
	wire_put_u32(b, (uint32_t)n);
	buf_add(b, p, n);
}

void wire_putz(struct buf *b, const char *z)
{
	wire_put(b, z, strlen(z));
}

void wire_putb(struct buf *b, const struct buf *v)
{
	wire_put(b, v->str, v->n);
}

void wire_put_mpint(struct buf *b, const void *p, size_t n)
{
	const uint8_t *v = p;

	while (n > 0 && *v == 0) {
		v++;
		n--;
	}
	if (n > 0 && *v >= 0x80) {
		wire_put_u32(b, (uint32_t)n + 1);
		buf_addc(b, 0);
		buf_add(b, v, n);
	} else {
		wire_put(b, v, n);
	}
}

bool wire_list_has(struct str list, struct str name)
{
	struct str one;

	while (str_next(&list, ',', &one))
		if (one.n > 0 && str_eq(one, name))
			return true;
	return false;
}

bool wire_list_pick(struct str ours, struct str theirs, struct str *name)
{
	while (str_next(&ours, ',', name))
		if (wire_list_has(theirs, *name))
			return true;
	return false;
}

/* ---- queue ---- */

uint8_t *queue_room(struct queue *q, size_t n)
{
	if (q->cap - q->head - q->n < n) {
		if (q->cap - q->n >= n) {
			memmove(q->p, q->p + q->head, q->n);
		} else {
			size_t cap = q->cap < 4096 ? 4096 : q->cap;
			uint8_t *p;

			while (cap - q->n < n)
				cap *= 2;
			p = xmalloc(cap);
			if (q->n > 0)
				memcpy(p, q->p + q->head, q->n);
			free(q->p);
			q->p = p;
			q->cap = cap;
		}
		q->head = 0;
	}
	return q->p + q->head + q->n;
}

void queue_add(struct queue *q, const void *p, size_t n)
{
	if (n > 0) {
		memcpy(queue_room(q, n), p, n);
		q->n += n;
	}
}

void queue_drop(struct queue *q, size_t n)
{
	q->head += n;
	q->n -= n;
	if (q->n == 0) {
		q->head = 0;
		/* what one slow reader needed once is not kept for ever */
		if (q->cap > 256 * 1024)
			queue_release(q);
	}
}

void queue_release(struct queue *q)
{
	free(q->p);
	*q = (struct queue){ 0 };
}
