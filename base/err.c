/*
 * The error record.  Knows nothing of where messages go; only that the first
 * cause stays, and that nothing a peer wrote moves a terminal's cursor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

/* Printable, and ended behind a whole character. */
static void clean(char *s, bool cut)
{
	struct str text = str_of(s);

	s[text_clean(s, cut ? str_whole(text) : text)] = '\0';
}

/* Behind what is there; what has no room is left out. */
static __attribute__((format(printf, 2, 0))) void add(struct err *e,
						      const char *fmt, va_list ap)
{
	size_t n = strlen(e->msg), room = sizeof(e->msg) - n;
	int wanted = vsnprintf(e->msg + n, room, fmt, ap);

	clean(e->msg + n, wanted >= (int)room);
}

static __attribute__((format(printf, 2, 3))) void addf(struct err *e,
						       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(e, fmt, ap);
	va_end(ap);
}

static __attribute__((format(printf, 3, 0))) void
set(struct err *e, enum err_kind kind, const char *fmt, va_list ap)
{
	e->kind = kind;
	e->msg[0] = '\0';
	add(e, fmt, ap);
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (e->kind != ERR_NONE)
		return -1;
	err_clear(e);
	va_start(ap, fmt);
	set(e, kind, fmt, ap);
	va_end(ap);
	return -1;
}

static void copy_word(char *to, size_t size, const char *from)
{
	int wanted = snprintf(to, size, "%s", from != NULL ? from : "");

	clean(to, wanted >= (int)size);
}

int err_refused(struct err *e, enum err_kind kind, const char *code,
		const char *target, const char *fmt, ...)
{
	va_list ap;

	if (e->kind != ERR_NONE)
		return -1;
	copy_word(e->code, sizeof(e->code), code);
	copy_word(e->target, sizeof(e->target), target);
	va_start(ap, fmt);
	set(e, kind, fmt, ap);
	va_end(ap);
	return -1;
}

bool err_is(const struct err *e, const char *code)
{
	return e->kind != ERR_NONE && strcasecmp(e->code, code) == 0;
}

int err_sys(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	int cause = errno;
	va_list ap;

	if (e->kind != ERR_NONE)
		return -1;
	err_clear(e);
	va_start(ap, fmt);
	set(e, kind, fmt, ap);
	va_end(ap);
	addf(e, ": %s", strerror(cause));
	errno = cause;
	return -1;
}

int err_in(struct err *e, const char *fmt, ...)
{
	char was[sizeof(e->msg)];
	va_list ap;
	size_t n;

	if (e->kind == ERR_NONE)
		return -1;
	memcpy(was, e->msg, sizeof(was));
	va_start(ap, fmt);
	set(e, e->kind, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	if (strncmp(was, e->msg, n) == 0 && was[n] == ':')
		memcpy(e->msg, was, sizeof(was)); /* it is in front already */
	else
		addf(e, ": %s", was);
	return -1;
}

void err_clear(struct err *e)
{
	e->kind = ERR_NONE;
	e->code[0] = '\0';
	e->target[0] = '\0';
	e->msg[0] = '\0';
}

int err_exit_code(const struct err *e)
{
	switch (e->kind) {
	case ERR_NONE:
		return 0;
	case ERR_USAGE:
		return 2;
	case ERR_TIMEOUT:
	case ERR_BUSY:
		return 3;
	case ERR_AUTH:
		return 4;
	case ERR_HELD:
		return 5;
	case ERR_INTR:
		return 130;
	default:
		return 1;
	}
}
