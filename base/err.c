/*
 * The error record.  Knows nothing of where messages go; only that the first
 * cause stays, and that no peer's control characters reach a terminal.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

static void clean(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static __attribute__((format(printf, 3, 0))) void
set(struct err *e, enum err_kind kind, const char *fmt, va_list ap)
{
	e->kind = kind;
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	clean(e->msg);
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
	snprintf(to, size, "%s", from != NULL ? from : "");
	clean(to);
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
	size_t n;

	if (e->kind != ERR_NONE)
		return -1;
	err_clear(e);
	va_start(ap, fmt);
	set(e, kind, fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(cause));
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
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", was);
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
		return 3;
	case ERR_AUTH:
		return 4;
	case ERR_INTR:
		return 130;
	default:
		return 1;
	}
}
