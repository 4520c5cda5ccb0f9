/*
 * Signing in with a key (RFC 4252 7): ours first, then those of an agent.
 * Which RSA signatures the server takes it says in server-sig-algs (RFC 8308
 * 3.1); without a word from it, rsa-sha2-256 is tried (RFC 8332 3.3).
 */
#include <string.h>

#include "base/clock.h"
#include "ssh/inner.h"

#define TRIES 6 /* a server's usual limit */

struct sign_in {
	struct ssh *ssh;
	const struct ssh_config *c;
	int64_t deadline_ms;
	unsigned tries;
	struct buf takes; /* methods the server named last */
	struct buf keys;  /* fingerprints of what it refused */
	bool partial;
};

/* Wait for the next message of this part of the protocol. */
static int answer(struct sign_in *a, unsigned *type, struct str *body,
		  struct err *e)
{
	struct ssh *s = a->ssh;

	buf_reset(&s->auth_reply);
	s->auth_due = true;
	while (s->auth_reply.n == 0)
		if (now_ms() >= a->deadline_ms)
			return err_set(e, ERR_TIMEOUT,
				       "no answer while signing in");
		else if (ssh_wait(s, a->deadline_ms, e) < 0)
			return -1;
	*body = buf_str(&s->auth_reply);
	wire_u8(body, type);
	return 0;
}

static int service(struct sign_in *a, struct err *e)
{
	struct buf *m = msg_begin(a->ssh, MSG_SERVICE_REQUEST);
	struct str body;
	unsigned type;

	wire_putz(m, "ssh-userauth");
	msg_send(a->ssh);
	if (answer(a, &type, &body, e) < 0)
		return -1;
	if (type != MSG_SERVICE_ACCEPT)
		return err_set(e, ERR_PROTO,
			       "message %u where sign-in should begin", type);
	return 0;
}

/* The request, as it is sent and (behind the session's id) signed. */
static void request(const struct sign_in *a, struct buf *b,
		    const char *algorithm, struct str blob, bool with_signature)
{
	buf_addc(b, MSG_USERAUTH_REQUEST);
	wire_putz(b, a->c->user);
	wire_putz(b, "ssh-connection");
	wire_putz(b, "publickey");
	wire_put_bool(b, with_signature);
	wire_putz(b, algorithm);
	wire_put(b, blob.p, blob.n);
}

/* What came for a request: 1 signed in, 0 refused, 2 the key would do. */
static int verdict(struct sign_in *a, struct str blob, struct err *e)
{
	struct str body, methods;
	unsigned type;
	char print[51];

	if (answer(a, &type, &body, e) < 0)
		return -1;
	switch (type) {
	case MSG_USERAUTH_SUCCESS:
		a->ssh->signed_in = true;
		return 1;
	case MSG_USERAUTH_PK_OK:
		return 2;
	case MSG_USERAUTH_FAILURE:
		if (!wire_string(&body, &methods) ||
		    !wire_bool(&body, &a->partial))
			break;
		ssh_fingerprint(blob, print);
		if (str_find(buf_str(&a->keys), str_of(print)) < 0)
			buf_addf(&a->keys, "%s%s", a->keys.n > 0 ? ", " : "",
				 print);
		buf_reset(&a->takes);
		buf_addstr(&a->takes, str_head(methods, 200));
		return 0;
	}
	return err_set(e, ERR_PROTO, "message %u as answer to a sign-in", type);
}

/*
 * The names to try for a key, best first, and how many.  Some servers list
 * what they know, not what they are set to take: a refused RSA key of ours is
 * tried with the other hash.
 */
static size_t names_for(const struct ssh *s, const char *type,
			const char *names[2])
{
	static const char *const rsa[2] = { "rsa-sha2-512", "rsa-sha2-256" };
	size_t n = 0;

	if (strcmp(type, "ssh-rsa") != 0 || !s->ext_info) {
		names[0] = strcmp(type, "ssh-rsa") != 0 ? type : rsa[1];
		return 1;
	}
	for (size_t i = 0; i < 2; i++)
		if (wire_list_has(buf_str(&s->sig_algs), str_of(rsa[i])))
			names[n++] = rsa[i];
	return n;
}

/* One key, of the file when agent is NULL: 1 signed in, 0 refused. */
static int try_key(struct sign_in *a, struct ssh_agent *agent,
		   const char *algorithm, struct str blob, struct err *e)
{
	struct ssh *s = a->ssh;
	struct buf data = BUF_INIT(8192), sig = BUF_INIT(SSH_SIG_MAX);
	struct buf *m;
	int rc = -1;

	a->tries++;
	if (agent != NULL) {
		/* ask before it signs: a signature may want a finger's touch */
		m = msg_begin(s, 0);
		buf_truncate(m, 0);
		request(a, m, algorithm, blob, false);
		msg_send(s);
		rc = verdict(a, blob, e);
		if (rc < 2)
			goto out;
		rc = -1;
	}
	wire_put(&data, s->kex.session, s->kex.session_n);
	request(a, &data, algorithm, blob, true);
	if (buf_check(&data, "sign-in request", e) < 0)
		goto out;
	if (agent != NULL ? ssh_agent_sign(agent, blob, algorithm, buf_str(&data),
					   &sig, a->deadline_ms, e) < 0 :
			    ssh_key_sign(a->c->key, algorithm, buf_str(&data),
					 &sig, e) < 0)
		goto out;
	m = msg_begin(s, 0);
	buf_truncate(m, 0);
	request(a, m, algorithm, blob, true);
	wire_putb(m, &sig);
	msg_send(s);
	rc = verdict(a, blob, e);
	if (rc == 2)
		rc = err_set(e, ERR_PROTO,
			     "a question after the answer while signing in");
out:
	buf_release(&data);
	buf_release(&sig);
	return rc;
}

static int try_names(struct sign_in *a, struct ssh_agent *agent,
		     const char *type, struct str blob, bool all, struct err *e)
{
	const char *names[2];
	size_t n = names_for(a->ssh, type, names);
	int rc = 0;

	if (n == 0)
		return err_set(e, ERR_AUTH,
			       "the server takes no RSA signature with SHA-2; "
			       "it takes \"%.*s\"",
			       STR_ARG(str_head(buf_str(&a->ssh->sig_algs), 200)));
	for (size_t i = 0; rc == 0 && i < n && (i == 0 || all); i++)
		rc = try_key(a, agent, names[i], blob, e);
	return rc;
}

static int try_file(struct sign_in *a, struct err *e)
{
	const char *type = ssh_key_algorithm(a->c->key);
	struct buf blob = BUF_INIT(SSH_BLOB_MAX);
	int rc;

	ssh_key_blob(a->c->key, &blob);
	rc = try_names(a, NULL, type != NULL ? type : "ssh-rsa", buf_str(&blob),
		       true, e);
	buf_release(&blob);
	return rc;
}

static int try_agent(struct sign_in *a, struct err *e)
{
	struct buf only = BUF_INIT(SSH_BLOB_MAX), name = BUF_INIT(64);
	struct str blob, in, type;
	struct ssh_agent *agent = NULL;
	int rc = -1;

	if (a->c->agent_key != NULL &&
	    ssh_blob_of_line(a->c->agent_key, "the agent's key", &only, e) < 0)
		goto out;
	if ((agent = ssh_agent_open(a->c->agent, a->deadline_ms, e)) == NULL)
		goto out;
	rc = 0;
	for (size_t i = 0;
	     rc == 0 && a->tries < TRIES - 1 && ssh_agent_key(agent, i, &blob);
	     i++) {
		in = blob;
		if (!wire_string(&in, &type) || type.n == 0 || type.n > 60 ||
		    str_find(type, STR("-cert-")) >= 0 ||
		    str_eqz(type, "ssh-dss"))
			continue;
		if (a->c->agent_key != NULL && !str_eq(blob, buf_str(&only)))
			continue;
		buf_reset(&name);
		buf_addstr(&name, type);
		rc = try_names(a, agent, name.str, blob,
			       a->c->agent_key != NULL, e);
	}
out:
	ssh_agent_close(agent);
	buf_release(&only);
	buf_release(&name);
	return rc;
}

int ssh_auth_run(struct ssh *s, const struct ssh_config *c, int64_t deadline_ms,
		 struct err *e)
{
	struct sign_in a = { .ssh = s,
			     .c = c,
			     .deadline_ms = deadline_ms,
			     .takes = BUF_INIT(256),
			     .keys = BUF_INIT(400) };
	int rc = service(&a, e);

	if (rc == 0 && c->key != NULL)
		rc = try_file(&a, e);
	if (rc == 0 && c->agent != NULL)
		rc = try_agent(&a, e);
	if (rc == 0 && a.tries == 0)
		err_set(e, ERR_AUTH, "there is no key to sign in with");
	else if (rc == 0 && a.partial)
		err_set(e, ERR_AUTH,
			"the key is not enough for the server, it also asks for %s",
			a.takes.str);
	else if (rc == 0)
		err_set(e, ERR_AUTH,
			"the server does not let \"%s\" in with %s (it takes: %s)",
			c->user, a.keys.str, a.takes.str);
	buf_release(&a.takes);
	buf_release(&a.keys);
	return rc == 1 ? 0 : -1;
}
