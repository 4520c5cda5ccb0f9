/*
 * A client of the SSH agent (draft-miller-ssh-agent): which keys it has, and
 * signatures by them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "ssh/inner.h"

#define AGENT_MAX (256 * 1024)
#define AGENT_KEYS 64

enum {
	AGENT_IDENTITIES_REQUEST = 11,
	AGENT_IDENTITIES,
	AGENT_SIGN_REQUEST,
	AGENT_SIGNATURE,
	AGENT_RSA_SHA2_256 = 2,
	AGENT_RSA_SHA2_512 = 4,
};

struct ssh_agent {
	struct stream *stream;
	struct buf answer, list; /* list holds what keys point into */
	struct str key[AGENT_KEYS];
	size_t keys;
};

static int read_all(struct stream *s, char *p, size_t n, int64_t deadline_ms,
		    struct err *e)
{
	while (n > 0) {
		ssize_t got = stream_read(s, p, n, deadline_ms, e);

		if (got == 0)
			err_set(e, ERR_NET, "it hung up");
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Send b (which has room for its length in front) and take the answer. */
static int ask(struct ssh_agent *a, struct buf *b, int64_t deadline_ms,
	       struct err *e)
{
	char head[4], *p;
	uint32_t n;

	wire_set_be32(b->str, (uint32_t)(b->n - 4));
	if (buf_check(b, "request", e) < 0 ||
	    stream_write(a->stream, b->str, b->n, deadline_ms, e) < 0 ||
	    stream_flush(a->stream, deadline_ms, e) < 0 ||
	    read_all(a->stream, head, sizeof(head), deadline_ms, e) < 0)
		return -1;
	n = wire_be32(head);
	buf_reset(&a->answer);
	if (n < 1 || (p = buf_room(&a->answer, n)) == NULL)
		return err_set(e, ERR_PROTO, "it answered with %u bytes", n);
	if (read_all(a->stream, p, n, deadline_ms, e) < 0)
		return -1;
	buf_grew(&a->answer, n);
	return 0;
}

static void request(struct buf *b, unsigned type)
{
	wire_put_u32(b, 0);
	buf_addc(b, (char)type);
}

struct ssh_agent *ssh_agent_empty(void)
{
	struct ssh_agent *a = xcalloc(1, sizeof(*a));

	buf_init(&a->answer, AGENT_MAX);
	buf_init(&a->list, AGENT_MAX);
	return a;
}

int ssh_agent_list(struct ssh_agent *a, struct str answer, struct err *e)
{
	struct str in, blob, comment;
	unsigned type;
	uint32_t n;

	buf_reset(&a->list);
	buf_addstr(&a->list, answer);
	in = buf_str(&a->list);
	a->keys = 0;
	if (!wire_u8(&in, &type) || type != AGENT_IDENTITIES || !wire_u32(&in, &n))
		return err_set(e, ERR_PROTO, "it does not list its keys");
	for (; n > 0 && a->keys < AGENT_KEYS; n--) {
		if (!wire_string(&in, &blob) || !wire_string(&in, &comment))
			return err_set(e, ERR_PROTO, "malformed list of keys");
		if (blob.n <= SSH_BLOB_MAX)
			a->key[a->keys++] = blob;
	}
	return 0;
}

struct ssh_agent *ssh_agent_open(const char *path, int64_t deadline_ms,
				 struct err *e)
{
	struct ssh_agent *a = ssh_agent_empty();
	struct buf b = BUF_INIT(64);
	int fd = unix_connect(path, deadline_ms, e);

	if (fd < 0)
		goto fail;
	a->stream = stream_of_fd(fd);
	request(&b, AGENT_IDENTITIES_REQUEST);
	if (ask(a, &b, deadline_ms, e) < 0 ||
	    ssh_agent_list(a, buf_str(&a->answer), e) < 0)
		goto fail;
	buf_release(&b);
	return a;
fail:
	err_in(e, "ssh-agent at %s", path);
	buf_release(&b);
	ssh_agent_close(a);
	return NULL;
}

void ssh_agent_close(struct ssh_agent *a)
{
	if (a == NULL)
		return;
	stream_close(a->stream);
	buf_release(&a->answer);
	buf_release(&a->list);
	free(a);
}

int ssh_agent_key(const struct ssh_agent *a, size_t n, struct str *blob)
{
	if (n >= a->keys)
		return 0;
	*blob = a->key[n];
	return 1;
}

int ssh_agent_sign(struct ssh_agent *a, struct str blob, const char *algorithm,
		   struct str data, struct buf *sig, int64_t deadline_ms,
		   struct err *e)
{
	struct buf b = BUF_INIT(AGENT_MAX);
	struct str in, found, name;
	unsigned type;
	int rc = -1;

	request(&b, AGENT_SIGN_REQUEST);
	wire_put(&b, blob.p, blob.n);
	wire_put(&b, data.p, data.n);
	wire_put_u32(&b, strcmp(algorithm, "rsa-sha2-256") == 0 ?
				 AGENT_RSA_SHA2_256 :
			 strcmp(algorithm, "rsa-sha2-512") == 0 ?
				 AGENT_RSA_SHA2_512 :
				 0);
	if (ask(a, &b, deadline_ms, e) < 0)
		goto out;
	in = buf_str(&a->answer);
	if (!wire_u8(&in, &type) || type != AGENT_SIGNATURE) {
		err_set(e, ERR_AUTH, "it does not sign with this key");
		goto out;
	}
	/* an old agent signs with SHA-1 whatever it was asked for */
	if (!wire_string(&in, &found) || in.n != 0 || found.n > SSH_SIG_MAX ||
	    (in = found, !wire_string(&in, &name)) || !str_eqz(name, algorithm)) {
		err_set(e, ERR_PROTO, "it does not sign with %s", algorithm);
		goto out;
	}
	buf_addstr(sig, found);
	rc = 0;
out:
	buf_release(&b);
	return rc < 0 ? err_in(e, "ssh-agent") : 0;
}
