/*
 * Starting and stopping the local Azure: directory, keys and certificates,
 * listeners, and the way of a request from the wire to the file that knows
 * the answer and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "emulator/faults.h"
#include "emulator/inner.h"

/* ---- answers ---- */

#define COMMON 6

static void identify(struct call *c)
{
	struct str given = http_field(http_x_head(c->x), "x-ms-correlation-request-id");
	struct str client = http_field(http_x_head(c->x), "x-ms-client-request-id");
	const char *own = c->method == PUT ? json_str_opt(c->out, "properties.correlationId", NULL) : NULL;
	char id[37], corr[80], now[32];
	bool reads = c->method == GET || c->method == HEAD;
	const char *kind = reads ? "reads" : c->method == DELETE ? "deletes" : "writes";

	random_guid(id);
	if (given.p == NULL && own != NULL)
		given = str_of(own);		/* a deployment's */
	snprintf(corr, sizeof(corr), "%.*s", given.p != NULL && given.n <= 64 ? (int)given.n : 36,
		 given.p != NULL && given.n <= 64 ? given.p : id);
	time_iso(unix_time(), now);
	call_field(c, "x-ms-request-id: %s", id);
	call_field(c, "x-ms-correlation-request-id: %s", corr);
	call_field(c, "x-ms-routing-request-id: LOCAL:%.4s%.2s%.2sT%.2s%.2s%.2sZ:%s", now, now + 5, now + 8,
		   now + 11, now + 14, now + 17, id);
	call_field(c, "x-ms-ratelimit-remaining-subscription-%s: %u", kind, reads ? 249u : 199u);
	call_field(c, "x-ms-ratelimit-remaining-subscription-global-%s: %u", kind, reads ? 3749u : 2999u);
	if (client.p != NULL && client.n <= 64 &&
	    str_ieq(http_field(http_x_head(c->x), "x-ms-return-client-request-id"), STR("true")))
		call_field(c, "x-ms-client-request-id: %.*s", STR_ARG(client));
	if (c->status >= 400)
		call_field(c, "x-ms-failure-cause: %s", c->gateway ? "gateway" : "service");
}

/* rule: what is to be wrong with it, or NULL. */
static void send_answer(struct call *c, const cJSON *rule)
{
	struct faults_pace pace = faults_pace(rule);
	const char *fields[COMMON + sizeof(c->fields) / sizeof(c->fields[0]) + 2] = {
		"Cache-Control: no-cache", "Pragma: no-cache", "Expires: -1",
		"Strict-Transport-Security: max-age=31536000; includeSubDomains",
		"X-Content-Type-Options: nosniff", "X-Cache: CONFIG_NOCACHE",
	};
	struct buf body = BUF_INIT(STATE_MAX);
	struct err e = ERR_INIT;
	bool page = c->plain != NULL && cJSON_IsString(c->out);
	char type[80];
	size_t n = COMMON;
	bool chunked;

	/* a browser would take this for all of localhost, also for the port that
	 * waits for it to come back */
	if (page || c->status == 302)
		fields[3] = "Referrer-Policy: no-referrer";
	identify(c);
	/* compute's bodies are indented, the others' are not */
	if (page)
		buf_adds(&body, c->out->valuestring);
	else if (c->out != NULL && c->pretty)
		json_print_crlf(c->out, &body);
	else if (c->out != NULL)
		json_print(c->out, &body);
	for (size_t i = 0; i < c->n_fields; i++)
		fields[n++] = c->fields[i];
	if (body.n > 0 || c->plain != NULL) {
		snprintf(type, sizeof(type), "Content-Type: %s", body.n > 0 && !page ?
			 "application/json; charset=utf-8" : c->plain);
		fields[n++] = type;
	}
	fields[n] = NULL;
	/* long lists come in chunks, as from Azure */
	chunked = body.n > 4096 && c->status == 200 && c->method == GET;
	if (chunked || pace.limit < body.n || pace.drip_ms > 0) {
		struct str rest = str_head(buf_str(&body), pace.limit);
		bool ok = http_x_begin(c->x, c->status, fields, chunked ? UINT64_MAX : body.n, &e) == 0;

		while (ok && rest.n > 0) {
			size_t piece = pace.drip_ms > 0 ? 1 : 2048;

			ok = http_x_send(c->x, str_head(rest, piece), &e) == 0 &&
			     (pace.drip_ms == 0 || faults_pause(c->m, pace.drip_ms) == 0);
			rest = str_skip(rest, piece);
		}
		if (ok && pace.limit >= body.n)
			http_x_end(c->x, &e);
		else
			http_x_abort(c->x);
	} else {
		http_x_answer(c->x, c->status, fields, buf_str(&body));
	}
	buf_burn(&body);
}

/* ---- requests ---- */

static int split_path(struct call *c)
{
	struct str path = http_x_path(c->x), word;
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;
	int rc = 0;

	while (rc == 0 && str_next(&path, '/', &word)) {
		if (word.n == 0)
			continue;
		buf_reset(&b);
		if (c->n_seg == SEG_MAX || buf_add_unpct(&b, word, false, &e) < 0 || b.over ||
		    str_chr(buf_str(&b), '/') >= 0 || strlen(b.str) != b.n)
			rc = -1;
		else
			c->seg[c->n_seg++] = xstrndup(b.str, b.n);
	}
	buf_release(&b);
	return rc;
}

static cJSON *parse_body(struct str text, struct err *e)
{
	struct buf b = BUF_INIT(BODY_MAX);
	struct err again = ERR_INIT;
	cJSON *doc = json_parse(text, "body", e);

	if (doc == NULL) {
		json_relax(text, &b);
		doc = json_parse(buf_str(&b), "body", &again);
	}
	buf_burn(&b);
	return doc;
}

/* The body: a JSON document, or for Entra a form. */
static int read_body(struct call *c, struct err *e)
{
	struct str type = http_field(http_x_head(c->x), "Content-Type");
	struct buf b = BUF_INIT(BODY_MAX);
	struct err why = ERR_INIT;
	int rc = http_x_body(c->x, &b, e);

	if (rc < 0 && b.over)
		fault_set(&c->fault, 413, "RequestContentTooLarge: "
			  "The request content is larger than %u bytes.", BODY_MAX);
	if (rc == 0 && b.n > 0) {
		if (str_istarts(type, STR("application/x-www-form-urlencoded")))
			c->body = json_fmt("{'form':%s}", b.str);
		else if ((c->body = parse_body(buf_str(&b), &why)) == NULL)
			rc = bad_content(&c->fault, why.msg);
	}
	buf_burn(&b);
	return rc;
}

enum method method_of(const struct http_head *h)
{
	static const char methods[][7] = { "", "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE" };
	enum method i = DELETE;

	while (i != UNKNOWN && !str_eqz(h->method, methods[i]))
		i--;
	return i;
}

static void arm_serve(struct emu *m, struct http_exchange *x, struct str host)
{
	const struct http_head *h = http_x_head(x);
	struct call *c = xcalloc(1, sizeof(*c));
	struct err e = ERR_INIT;
	int64_t began = now_ms();
	cJSON *rule = faults_request(m, h);
	bool carried_out = faults_carried_out(rule), cut_off = false;

	c->m = m;
	c->x = x;
	c->method = method_of(h);
	snprintf(c->host, sizeof(c->host), "%.*s", STR_ARG(host));
	snprintf(c->base, sizeof(c->base), "https://%s", c->host);
	if (!carried_out) {
		/* it never came to that */
	} else if (c->method == UNKNOWN || split_path(c) < 0) {
		fault_set(&c->fault, 400, "BadRequest: The request cannot be understood.");
	} else if (read_body(c, &e) < 0 && c->fault.error == NULL) {
		/* half a body: there is nobody left to answer */
		cut_off = true;
	}
	if (!cut_off && c->fault.error == NULL && carried_out) {
		pthread_mutex_lock(&m->lock);
		arm_handle(c);
		pthread_mutex_unlock(&m->lock);
	} else if (!cut_off) {
		c->status = c->fault.status;
		c->gateway = true;
		c->out = json_fmt("{'error':%j}", c->fault.error);
	}
	faults_answer(c, rule);
	if (cut_off)
		http_x_abort(x);
	else if (!faults_send(m, x, rule))
		send_answer(c, rule);
	record(m, x, c->base, c, rule != NULL);
	emu_log(m, "%.*s %.*s -> %u %s (%lld ms)", STR_ARG(h->method), (int)(h->target.n < 300 ? h->target.n :
		300), h->target.p, c->status, json_text(c->fault.error, "code"),
		(long long)(now_ms() - began));
	json_free(rule);
	json_burn(c->body);
	json_burn(c->out);
	fault_release(&c->fault);
	for (size_t i = 0; i < c->n_seg; i++)
		free(c->seg[i]);
	for (size_t i = 0; i < c->n_fields; i++)
		free(c->fields[i]);
	free(c);
}

static void handle(void *ctx, struct http_exchange *x)
{
	static const struct str blob = { ".blob.core.localhost", 20 };
	struct emu *m = ctx;
	struct str host = http_field(http_x_head(x), "Host"), name = host;
	ptrdiff_t colon = str_rchr(host, ':');
	char base[320];

	if (colon >= 0 && str_chr(host, ']') < colon)
		name = str_head(host, (size_t)colon);
	for (size_t i = 0; i < host.n; i++)
		if (!is_alnum(host.p[i]) && strchr(".-:[]_", host.p[i]) == NULL)
			host.n = 0;
	if (host.n == 0 || host.n > 255)
		host = str_of(m->base + strlen("https://"));
	if (name.n > blob.n && str_ieq(str_skip(name, name.n - blob.n), blob)) {
		blob_handle(m, x, str_head(name, name.n - blob.n));
		snprintf(base, sizeof(base), "https://%.*s", STR_ARG(host));
		record(m, x, base, NULL, false);
	} else {
		arm_serve(m, x, host);
	}
}

static void handle_inside(void *ctx, struct http_exchange *x)
{
	imds_handle(ctx, x);
	record(ctx, x, "http://169.254.169.254", NULL, false);
}

/* ---- listeners ---- */

static struct stream *wrap(void *ctx, int fd, struct err *e)
{
	struct emu *m = ctx;

	return tls_accept(fd, m->identity, now_ms() + 10000, e);
}

static void failed(void *ctx, const struct err *e)
{
	emu_log(ctx, "connection: %s", e->msg);
}

static struct http_server server(struct emu *m, int fd, bool imds)
{
	return (struct http_server){
		.listen_fd = fd,
		.stop_fd = m->stop_fd[0],
		.max_conns = 64,
		.body_max = BLOB_MAX,
		.idle_ms = 90000,
		.body_ms = 300000,
		.wrap = imds ? NULL : wrap,
		.handle = imds ? handle_inside : handle,
		.failed = failed,
		.ctx = m,
	};
}

struct listener {
	struct emu *m;
	int fd;
	bool imds;
};

static void *listener_thread(void *p)
{
	struct listener *l = p;
	struct http_server s = server(l->m, l->fd, l->imds);
	struct emu *m = l->m;
	struct err e = ERR_INIT;

	if (http_serve(&s, &e) < 0)
		emu_log(m, "listener: %s", e.msg);
	close(l->fd);
	free(l);
	pthread_mutex_lock(&m->lock);
	return thread_end(m);
}

/* A thread that lives until the emulator stops. */
static int start(struct emu *m, void *(*thread)(void *), void *arg, struct err *e)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = thread_start(thread, arg);
	if (rc == 0)
		m->threads++;
	pthread_mutex_unlock(&m->lock);
	return rc == 0 ? 0 : err_set(e, ERR_IO, "no thread could be started");
}

/* In the machines' network: the platform's address and the metadata service. */
static int listen_inside(struct emu *m, const char *address, unsigned port, bool imds, struct err *e)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->m = m;
	l->imds = imds;
	l->fd = tcp_listen(address, &port, m->netns, e);
	if (l->fd >= 0 && start(m, listener_thread, l, e) == 0)
		return 0;
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return err_in(e, "%s in %s", address, m->netns);
}

/* ---- certificates and the directory ---- */

static char *in_dir(const struct emu *m, const char *name)
{
	return xasprintf("%s/%s", m->dir, name);
}

/* The authority is made once; those who trust it go on doing so. */
static int authority(struct emu *m, struct buf *key, struct err *e)
{
	char *key_path = in_dir(m, "ca.key"), *pem_path = in_dir(m, "ca.pem");
	struct cert_spec spec = { .cn = "azswarm local Azure", .ca = true, .days = 3650 };
	struct buf pem = BUF_INIT(16u << 10);
	int rc = -1;

	if (file_exists(key_path) && file_exists(pem_path)) {
		rc = file_read(key_path, key, e);
		goto out;
	}
	if (key_make_ec_p256(key, e) < 0 || cert_make(&spec, buf_str(key), buf_str(key), &pem, e) < 0 ||
	    file_write(key_path, buf_str(key), 0600, e) < 0 ||
	    file_write(pem_path, buf_str(&pem), 0644, e) < 0)
		goto out;
	rc = 0;
out:
	buf_release(&pem);
	free(key_path);
	free(pem_path);
	return rc;
}

static int identity(struct emu *m, struct err *e)
{
	char own[80];
	const char *names[] = { "DNS:localhost", "DNS:*.localhost", "DNS:*.blob.core.localhost",
				"DNS:*.file.core.localhost", "IP:127.0.0.1", "IP:168.63.129.16", own, NULL };
	struct cert_spec spec = { .cn = "localhost", .issuer_cn = "azswarm local Azure", .names = names,
				  .days = 365 };
	struct buf ca = BUF_INIT(16u << 10), key = BUF_INIT(16u << 10), chain = BUF_INIT(32u << 10);
	int rc = -1;

	snprintf(own, sizeof(own), "IP:%s", m->host);
	if (strcmp(m->host, "127.0.0.1") == 0 || strcmp(m->host, "0.0.0.0") == 0)
		names[6] = NULL;
	if (authority(m, &ca, e) < 0 || key_make_ec_p256(&key, e) < 0 ||
	    cert_make(&spec, buf_str(&key), buf_str(&ca), &chain, e) < 0)
		goto out;
	m->identity = tls_identity_pem(buf_str(&key), buf_str(&chain), e);
	rc = m->identity != NULL ? 0 : -1;
out:
	buf_burn(&ca);
	buf_burn(&key);
	buf_release(&chain);
	return rc < 0 ? err_in(e, "certificate") : 0;
}

static int write_env(struct emu *m, struct err *e)
{
	struct buf b = BUF_INIT(8192);
	char *path = in_dir(m, "env");
	int rc;

	buf_addf(&b, "export AZURE_AUTHORITY_HOST=%s\nexport AZURE_RESOURCE_MANAGER_ENDPOINT=%s\n"
		 "export AZURE_TENANT_ID=%s\nexport AZURE_CLIENT_ID=%s\nexport AZURE_CLIENT_SECRET='%s'\n"
		 "export AZURE_SUBSCRIPTION_ID=%s\nexport SSL_CERT_FILE='%s/ca.pem'\n", m->base, m->base,
		 m->tenant, m->client, m->secret, m->subscription, m->dir);
	rc = file_write(path, buf_str(&b), 0600, e);
	buf_burn(&b);
	free(path);
	return rc;
}

static int prepare_dir(struct emu *m, struct err *e)
{
	uint8_t hash[SHA256_LEN];
	struct buf b = BUF_INIT(16);
	char *path;
	int fd;

	if (dir_make(m->o.dir, 0700, e) < 0)
		return -1;
	m->dir = realpath(m->o.dir, NULL);
	if (m->dir == NULL)
		return err_sys(e, ERR_IO, "%s", m->o.dir);
	if (strchr(m->dir, '\'') != NULL)
		return err_set(e, ERR_USAGE, "%s: a quote in the directory's name", m->dir);
	sha256(m->dir, strlen(m->dir), hash);
	buf_add_hex(&b, hash, 4);
	snprintf(m->net, sizeof(m->net), "%s", b.str);
	buf_release(&b);
	m->faults_path = m->o.faults != NULL ? xstrdup(m->o.faults) : in_dir(m, "faults.json");
	path = in_dir(m, "emulator.log");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	free(path);
	/* two would write over each other's state and stop each other's machines */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		close(fd);
		return err_set(e, ERR_USAGE, "%s: another local Azure works there", m->dir);
	}
	m->log = fd >= 0 ? fdopen(fd, "a") : NULL;
	return m->log != NULL ? 0 : err_sys(e, ERR_IO, "%s/emulator.log", m->dir);
}

/* ---- the whole ---- */

static void *saver_thread(void *p)
{
	struct emu *m = p;
	struct err e = ERR_INIT;

	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		if (m->dirty && store_save(m, &e) < 0) {
			emu_log(m, "%s", e.msg);
			err_clear(&e);
		}
		/* a short while, whatever changes: many changes, one write */
		for (int64_t end = now_ms() + 200; !m->stopping && now_ms() < end;)
			op_wait(m, 200);
	}
	return thread_end(m);
}

static int parse_listen(struct emu *m, struct err *e)
{
	struct str s = str_of(m->o.listen), host;
	uint64_t port;
	ptrdiff_t colon = str_rchr(s, ':');

	host = str_head(s, colon < 0 ? 0 : (size_t)colon);
	if (host.n == 0 || host.n >= sizeof(m->host) || !str_num(str_skip(s, (size_t)(colon + 1)), 65535, &port))
		return err_set(e, ERR_USAGE, "--listen %s: ADDRESS:PORT is wanted", m->o.listen);
	snprintf(m->host, sizeof(m->host), "%.*s", STR_ARG(host));
	m->port = (unsigned)port;
	return 0;
}

static void init(struct emu *m, const struct emulator_options *o)
{
	uint8_t raw[1992];
	struct buf b = BUF_INIT(2656);
	pthread_condattr_t attr;

	m->o = *o;
	m->o.retry_after_s = o->retry_after_s ? o->retry_after_s : 1;
	m->o.cores = o->cores ? o->cores : 100;
	m->o.terminate_s = o->terminate_s ? o->terminate_s : 60;
	m->stop_fd[0] = m->stop_fd[1] = m->record_fd = -1;
	m->entries_end = &m->entries;
	m->incarnation = 1;
	m->events = cJSON_CreateArray();
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* as long as the certificate in Azure's poll URLs: 2,656 characters */
	memset(raw, 0, sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i * 7 + i / 251);
	buf_add_base64url(&b, raw, sizeof(raw));
	memcpy(m->certificate, b.str, b.n + 1);
	buf_release(&b);
}

static int serve(struct emu *m, struct err *e)
{
	struct http_server s;
	int fd = tcp_listen(m->host, &m->port, NULL, e), rc = -1;

	if (fd < 0)
		return err_in(e, "--listen %s", m->o.listen);
	snprintf(m->base, sizeof(m->base), "https://localhost:%u", m->port);
	if (identity(m, e) < 0 || write_env(m, e) < 0)
		goto out;
	if (m->o.machines != NULL) {
		if (machines_up(m, e) < 0 || listen_inside(m, "168.63.129.16", m->port, false, e) < 0 ||
		    listen_inside(m, "169.254.169.254", 80, true, e) < 0)
			goto out;
		pthread_mutex_lock(&m->lock);
		machines_resume(m);
		pthread_mutex_unlock(&m->lock);
	}
	if (start(m, saver_thread, m, e) < 0 ||
	    (m->netns != NULL && start(m, forward_thread, m, e) < 0))
		goto out;
	emu_log(m, "ready %s", m->base);
	if (m->o.out != NULL) {
		fprintf(m->o.out, "ready %s\n", m->base);
		fflush(m->o.out);
	}
	s = server(m, fd, false);
	rc = http_serve(&s, e);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
out:
	close(fd);
	return rc;
}

static void stop(struct emu *m)
{
	struct err e = ERR_INIT;

	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	if (m->stop_fd[1] >= 0) {
		close(m->stop_fd[1]);
		m->stop_fd[1] = -1;
	}
	pthread_cond_broadcast(&m->changed);
	op_wait_all(m);
	if (m->netns != NULL)
		machines_down(m);
	if (m->tenant[0] != '\0' && store_save(m, &e) < 0)
		emu_log(m, "%s", e.msg);
	emu_log(m, "stopped");
	pthread_mutex_unlock(&m->lock);
}

int emulator_run(const struct emulator_options *o, struct err *e)
{
	struct emu *m = xcalloc(1, sizeof(*m));
	int rc = -1;

	init(m, o);
	if (pipe2(m->stop_fd, O_CLOEXEC) < 0) {
		err_sys(e, ERR_IO, "pipe");
		goto out;
	}
	if (parse_listen(m, e) < 0 || prepare_dir(m, e) < 0 || record_open(m, e) < 0 ||
	    faults_load(m, e) < 0)
		goto out;
	pthread_mutex_lock(&m->lock);
	rc = store_load(m, e);
	pthread_mutex_unlock(&m->lock);
	if (rc == 0) {
		rc = serve(m, e);
		stop(m);
	}
out:
	for (int i = 0; i < 2; i++)
		if (m->stop_fd[i] >= 0)
			close(m->stop_fd[i]);
	/* a thread that would not end keeps what it may still touch */
	if (m->threads == 0) {
		op_release_all(m);
		store_release(m);
		json_free(m->events);
		json_burn(m->grants);
		json_free(m->faults);
		tls_identity_free(m->identity);
		if (m->log != NULL)
			fclose(m->log);
		if (m->record_fd >= 0)
			close(m->record_fd);
		free(m->faults_path);
		free(m->netns);
		free(m->dir);
		free(m);
	}
	return rc;
}
