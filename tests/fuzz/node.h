/*
 * What helper and agent stand on, for their fuzzers: the engine of engine.h, a
 * journal that is looked at and thrown away, and TLS that is none.  (The real
 * one has fuzz/x509, and a handshake nobody can guess.)
 */
#ifndef TESTS_FUZZ_NODE_H
#define TESTS_FUZZ_NODE_H

#include "tests/fuzz/engine.h"

#include <unistd.h>

#include "node/config.h"
#include "node/life.h"
#include "tls/tls.h"

/* A line is whole, and moves no cursor. */
static inline ssize_t journal_write(int fd, const void *p, size_t n)
{
	const char *text = p;

	if (fd != STDERR_FILENO)
		return write(fd, p, n);
	must(n > 1 && text[n - 1] == '\n');
	for (size_t i = 0; i < n - 1; i++)
		must((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	return (ssize_t)n;
}

#define write journal_write
#include "node/daemon.c"
#undef write

/* ---- all of tls/tls.c ---- */

struct stream *tls_connect(int fd, const char *name, const struct tls_trust *trust,
			   int64_t deadline_ms, struct err *e)
{
	(void)name, (void)trust, (void)deadline_ms, (void)e;
	return stream_of_fd(fd);
}

struct stream *tls_accept(int fd, const struct tls_identity *id,
			  int64_t deadline_ms, struct err *e)
{
	(void)fd, (void)id, (void)deadline_ms;
	err_set(e, ERR_TLS, "nobody");
	return NULL;
}

struct tls_identity *tls_identity_key(struct str key, const char *cn,
				      struct err *e)
{
	(void)key, (void)cn;
	err_set(e, ERR_TLS, "no key");
	return NULL;
}

void tls_identity_free(struct tls_identity *id)
{
	must(id == NULL);
}

void tls_identity_pin(const struct tls_identity *id, uint8_t out[32])
{
	(void)id;
	memset(out, 0, 32);
}

/* ---- a machine ---- */

static inline void node_machine(struct node_config *c, bool manager)
{
	node_config_init(c);
	c->manager = manager;
	memcpy(c->masters[0], "10.0.0.10", sizeof("10.0.0.10"));
	memcpy(c->masters[1], "10.0.0.11", sizeof("10.0.0.11"));
	c->n_masters = 2;
	memset(c->worker_secret, 'w', sizeof(c->worker_secret));
	memset(c->manager_secret, 'm', sizeof(c->manager_secret));
	c->has_manager_secret = manager;
	c->helper_port = PEERS_PORT_HELPER;
	c->health_port = PEERS_PORT_HEALTH;
	c->metadata_port = PEERS_PORT_METADATA;
	/* nothing is ever there */
	memcpy(c->run_dir, "/nonexistent", sizeof("/nonexistent"));
	memcpy(c->state_dir, "/nonexistent", sizeof("/nonexistent"));
}

/* In place of life_save: nothing is kept on the disk. */
static inline int forget_life(const char *dir, const struct life *l, struct err *e)
{
	(void)dir, (void)l, (void)e;
	return 0;
}

#endif
