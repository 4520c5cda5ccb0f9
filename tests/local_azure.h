#ifndef TESTS_LOCAL_AZURE_H
#define TESTS_LOCAL_AZURE_H
/*
 * The local Azure within the test's own process: no sockets, machines on paper,
 * its state in a folder that goes with it.  A request goes the way of any
 * other, through the HTTP server and the front door; what comes back is a
 * document.
 * Its clock runs fast: whoever waits for something waits MOMENT_NS and looks
 * again.
 *
 * Included by the .c file with main(), or the fuzzer's entry, once.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "http.h"

#define MOMENT_NS 100000 /* 0.1 ms */
#define AZURE_BODY_MAX (64u << 20)
#define AZURE_GROUP "/resourcegroups/g"
#define AZURE_CORE "?api-version=2021-04-01"

/* In place of the C library's: a while of the emulator's is a moment here. */
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until);
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until)
{
	struct timespec t;

	(void)until;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += MOMENT_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, &t);
}

/* ---- a connection that is memory ---- */

struct azure_wire {
	struct stream s;
	struct str in;
	struct buf *out;
};

static ssize_t azure_read(struct stream *s, void *p, size_t n,
			  int64_t deadline_ms, struct err *e)
{
	struct azure_wire *w = (struct azure_wire *)s;

	(void)deadline_ms, (void)e;
	if (n > w->in.n)
		n = w->in.n;
	if (n > 0)
		memcpy(p, w->in.p, n);
	w->in = str_skip(w->in, n);
	return (ssize_t)n;
}

static int azure_write(struct stream *s, const void *p, size_t n,
		       int64_t deadline_ms, struct err *e)
{
	(void)deadline_ms, (void)e;
	buf_add(((struct azure_wire *)s)->out, p, n);
	return 0;
}

static int azure_flush(struct stream *s, int64_t deadline_ms, struct err *e)
{
	(void)s, (void)deadline_ms, (void)e;
	return 0;
}

static int azure_fd(struct stream *s)
{
	(void)s;
	return -1;
}

static bool azure_pending(struct stream *s)
{
	(void)s;
	return true;
}

static void azure_hang_up(struct stream *s)
{
	(void)s;
}

static const struct stream_ops azure_wire_ops = {
	.read = azure_read,
	.write = azure_write,
	.flush = azure_flush,
	.fd = azure_fd,
	.pending = azure_pending,
	.close = azure_hang_up,
};

/* ---- asking ---- */

struct azure {
	struct emu *m;
	char *token;
};

struct azure_answer {
	unsigned status; /* 0: there was none */
	cJSON *doc;	 /* NULL: no body, or none that is JSON */
};

static void azure_serve(void *ctx, struct http_exchange *x)
{
	request_serve(ctx, x, STR("localhost:1"));
}

static inline void azure_answer_release(struct azure_answer *a)
{
	json_free(a->doc);
	a->doc = NULL;
}

static struct azure_answer azure_take(const struct buf *out)
{
	struct azure_answer a = { 0, NULL };
	struct buf body = BUF_INIT(AZURE_BODY_MAX);
	struct str in = buf_str(out), piece;
	struct err e = ERR_INIT;
	struct http_parser p;
	enum http_event event;

	http_parser_init(&p, false);
	while ((event = http_parse(&p, &in, &piece, &e)) == HTTP_HEAD ||
	       event == HTTP_BODY)
		if (event == HTTP_BODY)
			buf_addstr(&body, piece);
	if (event == HTTP_END) {
		a.status = p.head.status;
		a.doc = json_parse(buf_str(&body), "answer", &e);
	}
	http_parser_release(&p);
	buf_release(&body);
	return a;
}

/* target: of the subscription when it begins with '/', else of Entra ID. */
static struct azure_answer azure_ask(struct azure *z, const char *method,
				     const char *target, struct str body)
{
	struct http_server s = { .stop_fd = -1,
				 .max_conns = 1,
				 .body_max = BLOB_MAX,
				 .idle_ms = 60000,
				 .body_ms = 60000,
				 .handle = azure_serve,
				 .ctx = z->m };
	struct buf in = BUF_INIT(AZURE_BODY_MAX), out = BUF_INIT(AZURE_BODY_MAX);
	struct azure_wire w = { { &azure_wire_ops }, STR_NULL, &out };
	struct azure_answer a;
	bool arm = target[0] == '/';

	buf_addf(&in, "%s %s%s%s HTTP/1.1\r\nHost: localhost:1\r\n", method,
		 arm ? "/subscriptions/" : "/", arm ? z->m->subscription : "",
		 target);
	if (z->token != NULL)
		buf_addf(&in, "Authorization: Bearer %s\r\n", z->token);
	buf_addf(&in,
		 "Content-Type: application/%s\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n",
		 arm ? "json" : "x-www-form-urlencoded", body.n);
	buf_addstr(&in, body);
	w.in = buf_str(&in);
	http_serve_stream(&s, &w.s, "127.0.0.1:1");
	a = azure_take(&out);
	buf_release(&in);
	buf_release(&out);
	return a;
}

/* The same with a document; the status alone. */
static inline unsigned azure_put(struct azure *z, const char *method,
				 const char *target, const cJSON *doc)
{
	struct buf body = BUF_INIT(AZURE_BODY_MAX);
	struct azure_answer a;

	if (doc != NULL)
		json_print(doc, &body);
	a = azure_ask(z, method, target, buf_str(&body));
	azure_answer_release(&a);
	buf_release(&body);
	return a.status;
}

/* ---- its life ---- */

/* Until nothing is at work any more.  False: something hangs. */
static bool azure_rest(struct azure *z, int64_t patience_ms)
{
	int64_t end = now_ms() + patience_ms;
	bool rests;

	pthread_mutex_lock(&z->m->lock);
	while (!(rests = z->m->threads == 0) && now_ms() < end)
		op_wait(z->m, 1);
	pthread_mutex_unlock(&z->m->lock);
	return rests;
}

/* A new one, with the group g, and a token for it.  False: it gave none. */
static bool azure_open(struct azure *z)
{
	struct emu *m = xcalloc(1, sizeof(*m));
	const char *tmp = getenv("TMPDIR");
	struct err e = ERR_INIT;
	struct buf form = BUF_INIT(1024);
	struct azure_answer a;
	cJSON *group;
	char *target;
	bool ok;

	m->o.retry_after_s = 1;
	m->o.cores = 100;
	m->o.terminate_s = 1;
	m->stop_fd[0] = m->stop_fd[1] = m->record_fd = -1;
	m->entries_end = &m->entries;
	m->events = cJSON_CreateArray();
	m->dir = mkdtemp(xasprintf("%s/azure-XXXXXX", tmp != NULL ? tmp : "/tmp"));
	if (m->dir == NULL)
		abort();
	m->faults_path = xasprintf("%s/faults.json", m->dir);
	snprintf(m->base, sizeof(m->base), "https://localhost:1");
	snprintf(m->host, sizeof(m->host), "127.0.0.1");
	m->port = 1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	z->m = m;
	z->token = NULL;
	pthread_mutex_lock(&m->lock);
	if (store_load(m, &e) < 0)
		abort();
	pthread_mutex_unlock(&m->lock);
	buf_addf(&form,
		 "grant_type=client_credentials&client_id=%s&client_secret=%s"
		 "&scope=https://management.azure.com/.default",
		 m->client, m->secret);
	target = xasprintf("%s/oauth2/v2.0/token", m->tenant);
	a = azure_ask(z, "POST", target, buf_str(&form));
	z->token = xstrdup(json_text(a.doc, "access_token"));
	free(target);
	azure_answer_release(&a);
	buf_release(&form);
	group = json_fmt("{'location':'eastus'}");
	ok = azure_put(z, "PUT", AZURE_GROUP AZURE_CORE, group) == 201;
	json_free(group);
	return ok;
}

/* What is PUT to deploy the template that a cluster is made with, all of it. */
static cJSON *azure_cluster(void)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	cJSON *template,
		*doc = json_fmt(
			"{'properties':{'mode':'Incremental','parameters':{"
			"'namePrefix':{'value':'unit'},'adminPublicKey':{'value':"
			"'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8Q"
			"ERITFBUWFxgZGhscHR4f x'},"
			"'singlePlacementGroup':{'value':false},"
			"'masterCustomData':{'value':'I2Nsb3VkLWNvbmZpZwo='},"
			"'agentCustomData':{'value':'I2Nsb3VkLWNvbmZpZwo='}}}}");

	asset_get("arm/cluster.json", &b);
	template = json_parse(buf_str(&b), "cluster.json", &e);
	if (template == NULL)
		abort();
	cJSON_AddItemToObject(json_get_mut(doc, "properties"), "template",
			      template);
	buf_release(&b);
	return doc;
}

static void azure_close(struct azure *z)
{
	struct emu *m = z->m;
	struct err e = ERR_INIT;

	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	op_wait_all(m);
	pthread_mutex_unlock(&m->lock);
	op_release_all(m);
	store_release(m);
	json_free(m->events);
	json_free(m->maintenance);
	json_burn(m->grants);
	json_burn(m->tokens);
	json_free(m->faults);
	dir_remove(m->dir, &e);
	free(m->faults_path);
	free(m->dir);
	free(m);
	free(z->token);
}

#endif
