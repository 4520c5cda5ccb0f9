#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * What went wrong decides the exit code (see err_exit_code) and whether a
 * caller may try again; the text is for a person.
 */
enum err_kind {
	ERR_NONE,
	ERR_USAGE, /* called wrongly: exit 2 */
	ERR_IO,	   /* file or system call */
	ERR_NET,   /* could not reach the peer, or it hung up: may be retried */
	ERR_TIMEOUT, /* a deadline of ours passed: exit 3 */
	ERR_PROTO,   /* the peer broke its protocol */
	ERR_TLS,     /* certificate or handshake refused */
	ERR_AUTH,    /* not signed in, or sign-in refused: exit 4 */
	ERR_AZURE,   /* Azure answered with an error */
	ERR_DOCKER,  /* the Engine answered with an error */
	ERR_DATA,    /* a file or document is not what it must be */
	ERR_BUSY,    /* somebody else is at it: exit 3 */
	ERR_INTR,    /* the user asked to stop */
	ERR_HELD,    /* not done, for only a look was asked for: exit 5 */
};

/*
 * One per command, owned by the caller, passed last.  The first err_set()
 * stays; later ones are ignored, so the innermost cause survives.
 *
 * Decisions are made by kind, code and target, never by the words of msg.
 */
struct err {
	enum err_kind kind;
	char code[64];	 /* the peer's own word for it, e.g. "QuotaExceeded" */
	char target[64]; /* what of the request the peer names with that */
	char msg[1024];
};

/* Sets every member: what a designated initialiser does not name is zero
 * (C11 6.7.9, 21), so code, target and msg are "". */
#define ERR_INIT \
	{ \
		.kind = ERR_NONE \
	}

/* Set kind and message unless one is set already.  The
 * result is made printable (text_clean in base/buf.h).  Always returns -1. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * As err_set, for what a peer refused with a word of its own.  code and target
 * are copied, cut to fit, when this is the error that stays; NULL is "".
 * err_in() keeps them.
 */
int err_refused(struct err *e, enum err_kind kind, const char *code,
		const char *target, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* An error with that code (ASCII case folded: Azure's services differ). */
bool err_is(const struct err *e, const char *code);

/* As err_set, with ": " and strerror(errno) appended; errno stays when this is
 * the error that stays.  Always returns -1. */
int err_sys(struct err *e, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Prefix the message with "CONTEXT: " (does nothing when no error is set, or
 * when it begins like that).  Always returns -1. */
int err_in(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Forget the error, so that the record can be used for another try. */
void err_clear(struct err *e);

/* 0 for ERR_NONE, 2 usage, 3 timeout or busy, 4 auth, 5 held, 130 interrupted, else 1. */
int err_exit_code(const struct err *e);

#endif
