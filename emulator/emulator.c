/*
 * Starting and stopping the local Azure: directory, keys and certificates,
 * listeners, and the way of a request from the wire to the file that knows
 * the answer and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/net.h"
#include "emulator/arm/scaler.h"
#include "emulator/acr.h"
#include "emulator/blob.h"
#include "emulator/dhcp.h"
#include "emulator/faults.h"
#include "emulator/forward.h"
#include "emulator/imds.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/maintenance.h"
#include "emulator/ops.h"
#include "emulator/prober.h"
#include "emulator/record.h"
#include "emulator/request.h"
#include "emulator/store.h"
#include "emulator/wire.h"
#include "http.h"
#include "tls/tls.h"

#define LOG_TIME 25 /* "2026-08-01T12:00:00.000Z " */

char *emu_lower(const char *s)
{
	char *out = xstrdup(s);

	for (char *p = out; *p != '\0'; p++)
		*p = to_lower(*p);
	return out;
}

void emu_log(struct emu *m, const char *fmt, ...)
{
	char when[40], line[LOG_TIME + 2048];
	size_t n = LOG_TIME;
	va_list ap;

	if (m->log_fd < 0)
		return;
	json_now(when);
	memcpy(line, when, LOG_TIME - 2);
	memcpy(line + LOG_TIME - 2, "Z ", 2);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n += text_clean(line + n, str_of(line + n));
	line[n++] = '\n'; /* where the NUL was, or before it */
	/* one write, so that lines stay whole; a full disk stops nothing */
	(void)!write(m->log_fd, line, n);
}

int emu_thread_start(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 1u << 20);
	rc = pthread_create(&t, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

void *emu_thread_end(struct emu *m)
{
	m->threads--;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- requests ---- */

static void serve_outside(void *ctx, struct http_exchange *x)
{
	static const struct str blob = { ".blob.core.localhost", 20 },
				acr = { ".azurecr.localhost", 18 };
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
		record_exchange(m, x, base, NULL, false);
	} else if (name.n > acr.n && str_ieq(str_skip(name, name.n - acr.n), acr)) {
		acr_handle(m, x, host);
	} else {
		request_serve(m, x, host);
	}
}

static void serve_metadata(void *ctx, struct http_exchange *x)
{
	imds_handle(ctx, x);
	record_exchange(ctx, x, "http://169.254.169.254", NULL, false);
}

static void serve_wire(void *ctx, struct http_exchange *x)
{
	wire_handle(ctx, x);
	record_exchange(ctx, x, "http://168.63.129.16", NULL, false);
}

static void serve_plugin(void *ctx, struct http_exchange *x)
{
	wire_plugin_handle(ctx, x);
	record_exchange(ctx, x, "http://168.63.129.16:32526", NULL, false);
}

/* ---- listeners ---- */

static struct stream *wrap_tls(void *ctx, int fd, struct err *e)
{
	struct emu *m = ctx;

	return tls_accept(fd, m->identity, now_ms() + 10000, e);
}

static void connection_failed(void *ctx, const struct err *e)
{
	emu_log(ctx, "connection: %s", e->msg);
}

typedef void serve_fn(void *ctx, struct http_exchange *x);

static struct http_server http_server_for(struct emu *m, int fd, serve_fn *serve)
{
	return (struct http_server){
		.listen_fd = fd,
		.stop_fd = m->stop_fd[0],
		.max_conns = 64,
		.body_max = BLOB_MAX,
		.idle_ms = 90000,
		.body_ms = 300000,
		.wrap = serve == serve_outside ? wrap_tls : NULL,
		.handle = serve,
		.failed = connection_failed,
		.ctx = m,
	};
}

struct listener {
	struct emu *m;
	int fd;
	serve_fn *serve;
};

static void *listener_thread(void *p)
{
	struct listener *l = p;
	struct http_server s = http_server_for(l->m, l->fd, l->serve);
	struct emu *m = l->m;
	struct err e = ERR_INIT;

	if (http_serve(&s, &e) < 0)
		emu_log(m, "listener: %s", e.msg);
	close(l->fd);
	free(l);
	pthread_mutex_lock(&m->lock);
	return emu_thread_end(m);
}

/* A thread that lives until the emulator stops. */
static int start_thread(struct emu *m, void *(*thread)(void *), void *arg,
			struct err *e)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = emu_thread_start(thread, arg);
	if (rc == 0)
		m->threads++;
	pthread_mutex_unlock(&m->lock);
	return rc == 0 ? 0 : err_set(e, ERR_IO, "no thread could be started");
}

/* In the machines' network: the platform's addresses. */
static int listen_inside(struct emu *m, const char *address, unsigned port,
			 serve_fn *serve, struct err *e)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->m = m;
	l->serve = serve;
	l->fd = tcp_listen(address, &port, m->netns, e);
	if (l->fd >= 0 && start_thread(m, listener_thread, l, e) == 0)
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
	struct cert_spec spec = { .cn = "azswarm local Azure",
				  .ca = true,
				  .days = 3650 };
	struct buf pem = BUF_INIT(16u << 10);
	int rc = -1;

	if (file_exists(key_path) && file_exists(pem_path)) {
		rc = file_read(key_path, key, e);
		goto out;
	}
	if (key_make_ec_p256(key, e) < 0 ||
	    cert_make(&spec, buf_str(key), buf_str(key), &pem, e) < 0 ||
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

static int make_identity(struct emu *m, struct err *e)
{
	char own[80];
	const char *names[] = { "DNS:localhost",
				"DNS:*.localhost",
				"DNS:*.blob.core.localhost",
				"DNS:*.file.core.localhost",
				"DNS:*.azurecr.localhost",
				"IP:127.0.0.1",
				"IP:168.63.129.16",
				own,
				NULL };
	struct cert_spec spec = {
		.cn = "localhost",
		.issuer_cn = "azswarm local Azure",
		.names = names,
		.days = 365,
	};
	struct buf ca = BUF_INIT(16u << 10), key = BUF_INIT(16u << 10),
		   chain = BUF_INIT(32u << 10);
	int rc = -1;

	snprintf(own, sizeof(own), "IP:%s", m->host);
	if (strcmp(m->host, "127.0.0.1") == 0 || strcmp(m->host, "0.0.0.0") == 0)
		names[7] = NULL;
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

	buf_addf(&b,
		 "export AZURE_AUTHORITY_HOST=%s\nexport AZURE_RESOURCE_MANAGER_ENDPOINT=%s\n"
		 "export AZURE_TENANT_ID=%s\nexport AZURE_CLIENT_ID=%s\n"
		 "export AZURE_CLIENT_SECRET='%s'\n"
		 "export AZURE_SUBSCRIPTION_ID=%s\nexport SSL_CERT_FILE='%s/ca.pem'\n",
		 m->base, m->base, m->tenant, m->client, m->secret,
		 m->subscription, m->dir);
	/* machines have the Docker of their root, and no way to another */
	if (m->o.machines != NULL)
		buf_addf(&b, "export DOCKER_CHANNEL=distro\n");
	/* always, for another one's env may have been read before */
	buf_addf(&b, "export SSH_PORT=%u\n", m->ssh_port);
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

	/* what is in there is run, as root with real machines */
	if ((m->dir = dir_own(m->o.dir, e)) == NULL)
		return err_in(e, "--dir");
	if (strchr(m->dir, '\'') != NULL)
		return err_set(e, ERR_USAGE,
			       "%s: a quote in the directory's name", m->dir);
	sha256(m->dir, strlen(m->dir), hash);
	buf_add_hex(&b, hash, 4);
	snprintf(m->net, sizeof(m->net), "%s", b.str);
	buf_release(&b);
	m->faults_path = m->o.faults != NULL ? xstrdup(m->o.faults) :
					       in_dir(m, "faults.json");
	path = in_dir(m, "emulator.log");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	free(path);
	/* two would write over each other's state and stop each other's machines */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		close(fd);
		return err_set(e, ERR_USAGE,
			       "%s: another local Azure works there", m->dir);
	}
	m->log_fd = fd;
	return fd >= 0 ? 0 : err_sys(e, ERR_IO, "%s/emulator.log", m->dir);
}

/* ---- the whole ---- */

#define SAVE_MS 200	/* between two of them, */
#define SAVE_PACE 20000 /* and one for so many bytes: a tenth of the time */

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
		/* a short while, whatever changes: many changes, one write;
		 * longer when there is much, or nothing else would be done */
		for (int64_t end = now_ms() + SAVE_MS +
				   (int64_t)(m->saved_n / SAVE_PACE);
		     !m->stopping && now_ms() < end;)
			op_wait(m, SAVE_MS);
	}
	return emu_thread_end(m);
}

/* What happens by the clock. */
static void *clock_thread(void *p)
{
	struct emu *m = p;

	pthread_mutex_lock(&m->lock);
	while (op_sleep(m, 1000) == 0) {
		maintenance_tick(m);
		scaler_tick(m);
	}
	return emu_thread_end(m);
}

static int parse_listen(struct emu *m, struct err *e)
{
	struct str s = str_of(m->o.listen), host;
	uint64_t port;
	ptrdiff_t colon = str_rchr(s, ':');

	host = str_head(s, colon < 0 ? 0 : (size_t)colon);
	if (host.n == 0 || host.n >= sizeof(m->host) ||
	    !str_num(str_skip(s, (size_t)(colon + 1)), 65535, &port))
		return err_set(e, ERR_USAGE, "--listen %s: ADDRESS:PORT is wanted",
			       m->o.listen);
	snprintf(m->host, sizeof(m->host), "%.*s", STR_ARG(host));
	m->port = (unsigned)port;
	return 0;
}

static void emu_init(struct emu *m, const struct emulator_options *o)
{
	uint8_t raw[1992];
	struct buf b = BUF_INIT(2656);
	pthread_condattr_t attr;

	m->o = *o;
	m->o.retry_after_s = o->retry_after_s ? o->retry_after_s : 1;
	m->o.cores = o->cores ? o->cores : 100;
	m->o.terminate_s = o->terminate_s ? o->terminate_s : 60;
	m->stop_fd[0] = m->stop_fd[1] = m->record_fd = m->log_fd = -1;
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

static int emu_serve(struct emu *m, struct err *e)
{
	struct http_server s;
	int fd = tcp_listen(m->host, &m->port, NULL, e), rc = -1;

	if (fd < 0)
		return err_in(e, "--listen %s", m->o.listen);
	snprintf(m->base, sizeof(m->base), "https://localhost:%u", m->port);
	m->ssh_port = m->o.machines != NULL ? forward_ssh_port() : 22;
	if (make_identity(m, e) < 0 || write_env(m, e) < 0)
		goto out;
	if (m->o.machines != NULL) {
		if (machines_up(m, e) < 0 ||
		    listen_inside(m, "168.63.129.16", m->port, serve_outside,
				  e) < 0 ||
		    listen_inside(m, "169.254.169.254", 80, serve_metadata, e) < 0)
			goto out;
		if (m->o.provision_s > 0 &&
		    (listen_inside(m, "168.63.129.16", 80, serve_wire, e) < 0 ||
		     listen_inside(m, "168.63.129.16", 32526, serve_plugin, e) < 0 ||
		     start_thread(m, dhcp_thread, m, e) < 0))
			goto out;
		pthread_mutex_lock(&m->lock);
		machines_resume(m);
		if (m->o.out != NULL)
			forward_tell_taken(m, m->o.out);
		pthread_mutex_unlock(&m->lock);
	}
	if (start_thread(m, saver_thread, m, e) < 0 ||
	    start_thread(m, clock_thread, m, e) < 0 ||
	    (m->netns != NULL && (start_thread(m, prober_thread, m, e) < 0 ||
				  start_thread(m, forward_thread, m, e) < 0)))
		goto out;
	emu_log(m, "ready %s", m->base);
	if (m->o.out != NULL) {
		if (m->ssh_port != 22)
			fprintf(m->o.out,
				"something on this host has port 22 on every address: "
				"ssh to machines is port %u (SSH_PORT in %s/env)\n",
				m->ssh_port, m->dir);
		fprintf(m->o.out, "ready %s\n", m->base);
		fflush(m->o.out);
	}
	s = http_server_for(m, fd, serve_outside);
	rc = http_serve(&s, e);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
out:
	close(fd);
	return rc;
}

static void emu_stop(struct emu *m)
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

	emu_init(m, o);
	if (pipe2(m->stop_fd, O_CLOEXEC) < 0) {
		err_sys(e, ERR_IO, "pipe");
		goto out;
	}
	if (parse_listen(m, e) < 0 || prepare_dir(m, e) < 0 ||
	    record_open(m, e) < 0 || faults_load(m, e) < 0)
		goto out;
	pthread_mutex_lock(&m->lock);
	rc = store_load(m, e);
	pthread_mutex_unlock(&m->lock);
	if (rc == 0) {
		rc = emu_serve(m, e);
		emu_stop(m);
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
		json_free(m->maintenance);
		scaler_release(m);
		json_burn(m->grants);
		json_burn(m->tokens);
		json_free(m->faults);
		tls_identity_free(m->identity);
		if (m->log_fd >= 0)
			close(m->log_fd);
		if (m->record_fd >= 0)
			close(m->record_fd);
		free(m->faults_path);
		free(m->netns);
		free(m->dir);
		free(m);
	}
	return rc;
}
