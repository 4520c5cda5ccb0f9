/*
 * An SSH connection whose server is memory, for the unit tests and fuzzers:
 * what it says is given to ssh_take(), what we say is counted and forgotten.
 */
#ifndef TESTS_SSH_MEM_H
#define TESTS_SSH_MEM_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/net.h"
#include "ssh/inner.h"

#define MEM_HOST_KEY \
	"ecdsa-sha2-nistp256 " \
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIQroxzHcLb8IdvqrbUO1mCXssB0" \
	"JNakNQ1kgL6tEaHDX6ovYpW0Sl6S34iPvX6XKBaSP3bFEQ1hCbXWIhbyzm0="

static inline ssize_t mem_read(struct stream *s, void *p, size_t n,
			       int64_t deadline_ms, struct err *e)
{
	(void)s, (void)p, (void)n, (void)deadline_ms;
	return err_set(e, ERR_TIMEOUT, "nothing more");
}

static inline ssize_t mem_write_some(struct stream *s, const void *p, size_t n,
				     struct err *e)
{
	(void)s, (void)p, (void)e;
	return (ssize_t)n;
}

static inline void mem_close(struct stream *s)
{
	free(s);
}

static inline struct ssh *mem_ssh(void)
{
	static const struct stream_ops ops = { .read = mem_read,
					       .close = mem_close,
					       .write_some = mem_write_some };
	const struct ssh_config c = { .user = "u", .host_key = MEM_HOST_KEY };
	struct stream *s = xcalloc(1, sizeof(*s));
	struct err e = ERR_INIT;

	s->ops = &ops;
	return ssh_new(s, &c, &e);
}

/* One that is signed in, packets in clear. */
static inline struct ssh *mem_live(void)
{
	struct ssh *s = mem_ssh();

	buf_adds(&s->version, "SSH-2.0-mem");
	s->kex.done = 1;
	s->signed_in = true;
	s->rekey_at_ms = now_ms() + s->rekey_ms;
	return s;
}

#endif
