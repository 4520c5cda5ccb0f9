/*
 * The client of the helpers, for agents and for masters that are not the
 * first.
 */
#include "node/ask.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/net.h"
#include "http.h"
#include "node/auth.h"
#include "node/daemon.h"
#include "tls/tls.h"

#define ANSWER_MAX (16u << 10)
#define LIMITED 429
#define AGAIN_MS 300
#define ONE_MASTER_MS \
	5000 /* a machine that is off must not cost the others' time */

int ask_init(struct ask *a, const struct node_config *c, struct err *e)
{
	*a = (struct ask){ .config = c, .skip = LAYOUT_MASTERS_MAX };
	if (daemon_own_name(a->name, e) < 0)
		return -1;
	a->trust = tls_trust_pin(c->pin);
	return 0;
}

void ask_release(struct ask *a)
{
	tls_trust_free(a->trust);
	a->trust = NULL;
}

/* Is it already among those that are asked? */
static bool is_asked(const struct ask *a, const char *addr)
{
	for (unsigned i = 0; i < a->config->n_masters + a->later.n; i++)
		if (strcmp(ask_master(a, i), addr) == 0)
			return true;
	return false;
}

void ask_know(struct ask *a, const struct docker_managers *known)
{
	/* an engine that has left its swarm knows none: those of before may
	 * still have a place */
	if (known->n == 0)
		return;
	a->later.n = 0;
	for (unsigned i = 0; i < known->n; i++)
		if (!is_asked(a, known->addr[i]))
			memcpy(a->later.addr[a->later.n++], known->addr[i],
			       sizeof(a->later.addr[0]));
}

const char *ask_master(const struct ask *a, unsigned i)
{
	unsigned n = a->config->n_masters;

	return i < n ? a->config->masters[i] : a->later.addr[i - n];
}

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct ask *a = ctx;
	char name[AUTH_KNOCK_LEN + 1];
	struct err why = ERR_INIT;
	struct stream *s;
	const char *reason;
	int fd;

	(void)tls; /* always */
	fd = tcp_connect(host, port, deadline_ms, e);
	if (fd < 0)
		return NULL;
	a->reached = true;
	auth_knock(a->config->worker_secret, unix_time(), name);
	s = tls_connect(fd, name, a->trust, deadline_ms, &why);
	if (s == NULL) {
		/* the name is another one every time, and nobody's */
		reason = strstr(why.msg, name);
		reason = reason != NULL ? reason + AUTH_KNOCK_LEN + 2 : why.msg;
		err_set(e, why.kind, "TLS with %s: %s", host, reason);
	}
	return s;
}

static int exchange(struct http_client *h, const char *method, const char *url,
		    const char *header, int64_t deadline_ms, unsigned *status,
		    cJSON **doc, struct err *e)
{
	const char *const fields[] = { header, NULL };
	struct http_request q = {
		.method = method,
		.url = url,
		.fields = fields,
		.deadline_ms = deadline_ms,
		.idle_ms = ONE_MASTER_MS,
	};
	struct http_response r;
	struct err not_json = ERR_INIT;
	int rc = -1;

	*doc = NULL;
	http_response_init(&r, ANSWER_MAX);
	if (http_exchange(h, &q, &r, e) < 0)
		goto out;
	*status = r.head.status;
	*doc = json_parse(str_trim(buf_str(&r.body)), "the helper's answer",
			  &not_json);
	rc = 0;
out:
	buf_burn(&r.body); /* a token, perhaps */
	http_response_release(&r);
	return rc;
}

static int get_nonce(struct http_client *h, const char *base,
		     int64_t deadline_ms, struct buf *nonce, struct err *e)
{
	struct buf url = BUF_INIT(128);
	const char *text;
	cJSON *doc = NULL;
	unsigned status;
	int rc = -1;

	buf_addf(&url, "%s/nonce", base);
	if (exchange(h, "GET", url.str, NULL, deadline_ms, &status, &doc, e) < 0)
		goto out;
	text = json_str_opt(doc, "nonce", "");
	if (status != 200 || strlen(text) != AUTH_NONCE_HEX) {
		err_set(e, ERR_PROTO, "no nonce: %s (%u)",
			json_str_opt(doc, "error", http_reason(status)), status);
		goto out;
	}
	buf_adds(nonce, text);
	rc = 0;
out:
	json_free(doc);
	buf_release(&url);
	return rc;
}

static int ask_one(struct ask *a, const char *addr, const char *method,
		   const char *target, bool as_manager, int64_t deadline_ms,
		   unsigned *status, cJSON **doc, struct err *e)
{
	const struct node_config *c = a->config;
	const uint8_t *secret = as_manager ? c->manager_secret : c->worker_secret;
	struct buf base = BUF_INIT(80), url = BUF_INIT(512),
		   header = BUF_INIT(512);
	struct buf nonce = BUF_INIT(AUTH_NONCE_HEX);
	struct http_client h;
	int rc = -1;

	http_client_init(&h, (struct http_dialer){ dial, a }, "azswarm");
	buf_addf(&base,
		 strchr(addr, ':') != NULL ? "https://[%s]:%u" : "https://%s:%u",
		 addr, c->helper_port);
	buf_addf(&url, "%s%s", base.str, target);
	if (buf_check(&url, "request to a helper", e) < 0 ||
	    get_nonce(&h, base.str, deadline_ms, &nonce, e) < 0)
		goto out;
	auth_header(secret, str_of(method), str_of(target), buf_str(&nonce),
		    a->name, &header);
	rc = exchange(&h, method, url.str, header.str, deadline_ms, status, doc,
		      e);
out:
	if (rc < 0)
		err_in(e, "helper at %s", addr);
	http_client_release(&h);
	buf_release(&base);
	buf_release(&url);
	buf_release(&header);
	buf_release(&nonce);
	return rc;
}

/* Every master once: as ask(); *busy when it makes sense to ask again. */
static int ask_all(struct ask *a, const char *method, const char *target,
		   bool as_manager, int64_t deadline_ms, unsigned *status,
		   cJSON **doc, unsigned *master, bool *busy, struct err *e)
{
	const unsigned n = a->config->n_masters + a->later.n;
	unsigned from = a->first;
	bool answered = false;

	*busy = false;
	a->silent = 0;
	for (unsigned k = 0; k < n; k++) {
		unsigned i = (from + k) % n, got;
		int64_t until = now_ms() +
				(a->one_ms != 0 ? a->one_ms : ONE_MASTER_MS);
		struct err one = ERR_INIT;
		cJSON *d;

		if (i == a->skip && i < a->config->n_masters)
			continue;
		if (until > deadline_ms)
			until = deadline_ms;
		a->reached = false;
		if (ask_one(a, ask_master(a, i), method, target, as_manager,
			    until, &got, &d, &one) < 0) {
			/* another's key stays another's */
			*busy = *busy || (a->reached && one.kind != ERR_TLS);
			a->silent++;
			if (e->kind == ERR_NONE)
				*e = one;
			if (interrupt_requested() || now_ms() >= deadline_ms)
				break;
			continue;
		}
		json_burn(*doc);
		*doc = d;
		*status = got;
		if (master != NULL)
			*master = i;
		answered = true;
		*busy = *busy || got == LIMITED;
		if (got < 500 && got != LIMITED) {
			a->first = i;
			*busy = false;
			break;
		}
	}
	if (answered)
		err_clear(e);
	return answered ? 0 : err_set(e, ERR_NET, "no other master to ask");
}

int ask(struct ask *a, const char *method, const char *target, bool as_manager,
	int64_t deadline_ms, unsigned *status, cJSON **doc, unsigned *master,
	struct err *e)
{
	bool answered = false;

	*doc = NULL;
	for (;;) {
		struct err none = ERR_INIT, why = ERR_INIT;
		bool busy;
		cJSON *d = NULL;
		int rc = ask_all(a, method, target, as_manager, deadline_ms,
				 status, &d, master, &busy, &why);
		/* not all of those who were turned away at once */
		int64_t again = now_ms() + AGAIN_MS + random_below(AGAIN_MS);

		if (rc == 0) {
			json_burn(*doc);
			*doc = d;
			answered = true;
		}
		if (busy && again < deadline_ms && !sleep_until(again, &none))
			continue;
		/* a last try that time cut short does not undo an answer */
		return answered ? 0 : err_set(e, why.kind, "%s", why.msg);
	}
}
