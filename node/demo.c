/*
 * The demo service.  Paths and words are those of the service that its users
 * know: / and /hostname are counted, the rest only looks.
 */
#include "node/demo.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/net.h"
#include "http.h"
#include "node/daemon.h"
#include "node/layout.h"

#define CONNS_MAX 512
#define IDLE_MS 15000
#define STACK (96u << 10)
#define PAGE_MAX (16u << 10)
#define SHOWN 64 /* digits in an answer */

#define NO_STORE "Cache-Control: no-store"
#define NOSNIFF "X-Content-Type-Options: nosniff"

struct demo {
	char host[65];
	const char *version, *mode, *public_port, *key;
	bool has_redis;
	struct redis redis;
	struct buf page;	/* the template */
	int64_t since;		/* unix time */
	atomic_ullong count;	/* of / and /hostname */
	atomic_ullong requests; /* of all */
	atomic_ullong compute_ms, digits;
	atomic_uint computing;
};

/* ---- pi ---- */

#define TERMS 14 /* for four digits: log2(10^4) < 14 */
#define SCALE 10000u

/* The digits so far plus one, in their last place. */
static void carry(char *out, size_t n)
{
	while (n > 0 && out[n - 1] == '9')
		out[--n] = '0';
	if (n > 0)
		out[n - 1]++;
}

size_t demo_pi(char *out, size_t n, bool (*stop)(void *ctx), void *ctx)
{
	/* one group more than is wanted, for its carry, and terms for another,
	 * for the last one is not exact */
	size_t terms = (n / 4 + 2) * TERMS, at = 0;
	uint32_t *rest = xmalloc((terms + 1) * sizeof(*rest));
	uint64_t sum, held = 0, four;

	for (size_t i = 0; i <= terms; i++)
		rest[i] = SCALE / 5;
	for (; at <= n && !stop(ctx); terms -= TERMS, at += 4) {
		sum = 0;
		for (size_t i = terms; i > 0; i--) {
			sum = sum * i + (uint64_t)SCALE * rest[i];
			rest[i] = (uint32_t)(sum % (2 * i - 1));
			sum /= 2 * i - 1;
		}
		four = held + sum / SCALE;
		held = sum % SCALE;
		if (four >= SCALE) {
			carry(out, at);
			four -= SCALE;
		}
		if (at < n)
			for (size_t i = 4; i-- > 0; four /= 10)
				out[at + i] = (char)('0' + four % 10);
	}
	free(rest);
	if (at > n)
		return n;
	/* a carry may still reach into the last four, and through nines before
	 * them: those are not sure */
	at = at < 4 ? 0 : at - 4;
	while (at > 0 && out[at - 1] == '9')
		at--;
	return at;
}

struct timer {
	int64_t until;
	struct http_exchange *x;
};

static bool time_is_up(void *ctx)
{
	const struct timer *t = ctx;

	return now_ms() >= t->until || http_x_stopping(t->x);
}

/* Ever more digits until the time is up; then the most that were found. */
static size_t pi_for(struct timer *t, char first[SHOWN])
{
	char *out = xmalloc(DEMO_PI_MAX);
	size_t best = 0, n = 256, got;

	while (!time_is_up(t)) {
		got = demo_pi(out, n, time_is_up, t);
		if (got > best) {
			memcpy(first, out, got < SHOWN ? got : SHOWN);
			best = got;
		}
		if (n < DEMO_PI_MAX)
			n *= 2;
	}
	free(out);
	return best;
}

int demo_interval(struct str s, unsigned *from_ms, unsigned *to_ms, struct err *e)
{
	struct str to = s, from = s;
	uint64_t a, b;

	if (!str_cut(&to, ',', &from))
		from = to;
	if (!str_num(from, DEMO_COMPUTE_MAX_MS, &a) ||
	    !str_num(to, DEMO_COMPUTE_MAX_MS, &b) || a > b)
		return err_set(e, ERR_DATA,
			       "expected MS or FROM,TO, from 0 to %d milliseconds",
			       DEMO_COMPUTE_MAX_MS);
	*from_ms = (unsigned)a;
	*to_ms = (unsigned)b;
	return 0;
}

/* ---- answers ---- */

static void text(struct http_exchange *x, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void text(struct http_exchange *x, unsigned status, const char *fmt, ...)
{
	static const char *const fields[] = {
		"Content-Type: text/plain; charset=utf-8",
		NO_STORE,
		NOSNIFF,
		NULL,
		NULL,
	};
	const char *busy[] = { fields[0], fields[1], fields[2],
			       "Retry-After: 1", NULL };
	struct buf b = BUF_INIT(PAGE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	http_x_answer(x, status, status == 503 ? busy : fields, buf_str(&b));
	buf_release(&b);
}

void demo_escape(struct buf *b, struct str s)
{
	struct buf clean = BUF_INIT(s.n);

	buf_add_clean(&clean, s);
	for (const char *c = clean.str; *c != '\0'; c++)
		if (strchr("&<>\"'\\", *c) != NULL)
			buf_addf(b, "&#%u;", (unsigned char)*c);
		else
			buf_addc(b, *c);
	buf_release(&clean);
}

static char *escaped(const char *z)
{
	struct buf b = BUF_INIT(PAGE_MAX);

	demo_escape(&b, str_of(z));
	return buf_detach(&b);
}

static int shared(struct demo *d, bool incr, int64_t *v, struct err *e)
{
	if (!d->has_redis)
		return err_set(e, ERR_DATA,
			       "there is no Redis: REDIS_SERVER is not set");
	return incr ? redis_incr(&d->redis, d->key, v, e) :
		      redis_get(&d->redis, d->key, v, e);
}

static void page(struct demo *d, struct http_exchange *x)
{
	static const char *const fields[] = {
		"Content-Type: text/html; charset=utf-8",
		NO_STORE,
		NOSNIFF,
		"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Referrer-Policy: no-referrer",
		NULL,
	};
	char *count = xasprintf("%llu", atomic_fetch_add(&d->count, 1) + 1),
	     *total, *about = NULL;
	char *host = escaped(d->host), *mode = escaped(d->mode),
	     *port = escaped(d->public_port);
	struct buf b = BUF_INIT(PAGE_MAX);
	struct err e = ERR_INIT;
	int64_t v;

	if (shared(d, true, &v, &e) == 0) {
		total = xasprintf("%lld", (long long)v);
		about = escaped("of all containers together, kept in Redis");
	} else {
		total = xstrdup("\xe2\x80\x94");
		about = escaped(e.msg);
	}
	const struct asset_pair pairs[] = {
		{ "HOST", host },
		{ "COUNT", count },
		{ "SHARED", total },
		{ "ABOUT", about },
		{ "MODE", *mode != '\0' ? mode : "not said" },
		{ "PORT", *port != '\0' ? port : "not said" },
		{ "VERSION", d->version },
		{ NULL, NULL },
	};
	struct err bad = ERR_INIT;

	if (asset_fill(buf_str(&d->page), pairs, &b, &bad) < 0 ||
	    buf_check(&b, "the page", &bad) < 0)
		text(x, 500, "%s\n", bad.msg);
	else
		http_x_answer(x, 200, fields, buf_str(&b));
	buf_release(&b);
	free(host);
	free(mode);
	free(port);
	free(count);
	free(total);
	free(about);
}

static void hostname(struct demo *d, struct http_exchange *x)
{
	struct err ignored = ERR_INIT;
	int64_t v;

	atomic_fetch_add(&d->count, 1);
	shared(d, true, &v, &ignored);
	text(x, 200, "%s\n", d->host);
}

static void count(struct demo *d, struct http_exchange *x)
{
	text(x, 200, "%llu\n", atomic_load(&d->count));
}

static void shared_count(struct demo *d, struct http_exchange *x)
{
	struct err e = ERR_INIT;
	int64_t v;

	if (shared(d, false, &v, &e) < 0)
		text(x, d->has_redis ? 503 : 404, "No shared count: %s\n", e.msg);
	else
		text(x, 200, "%lld\n", (long long)v);
}

static void reset(struct demo *d, struct http_exchange *x)
{
	d->count = 0;
	d->compute_ms = 0;
	text(x, 200, "Instance count reset\n");
}

static void reset_shared(struct demo *d, struct http_exchange *x)
{
	struct err e = ERR_INIT;

	if (!d->has_redis)
		text(x, 404,
		     "No shared count: there is no Redis: REDIS_SERVER is not set\n");
	else if (redis_set(&d->redis, d->key, 0, &e) < 0)
		text(x, 503, "No shared count: %s\n", e.msg);
	else
		text(x, 200, "Shared count reset\n");
}

static void compute(struct demo *d, struct http_exchange *x, struct str arg)
{
	struct err e = ERR_INIT;
	char first[SHOWN];
	unsigned from, to, ms;
	size_t n;

	if (demo_interval(arg, &from, &to, &e) < 0) {
		text(x, 400, "%s\n", e.msg);
		return;
	}
	if (str_eqz(http_x_head(x)->method, "HEAD")) {
		text(x, 200, "%s", "");
		return;
	}
	if (atomic_fetch_add(&d->computing, 1) >= DEMO_COMPUTE_MAX) {
		atomic_fetch_sub(&d->computing, 1);
		text(x, 503, "%d computations are going on already\n",
		     DEMO_COMPUTE_MAX);
		return;
	}
	ms = from + random_below(to - from + 1);
	/* the clock counts whole ones: that long at least */
	n = pi_for(&(struct timer){ now_ms() + ms + 1, x }, first);
	atomic_fetch_sub(&d->computing, 1);
	atomic_fetch_add(&d->compute_ms, ms);
	atomic_fetch_add(&d->digits, n);
	text(x, 200, "%zu digits of pi in %u ms\n%.*s%s\n", n, ms,
	     (int)(n < SHOWN ? n : SHOWN), first, n > SHOWN ? "..." : "");
}

/* ---- metrics ---- */

static void metric(struct buf *b, const char *name, const char *type,
		   const char *help, double v)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.*f\n", name, help, name,
		 type, name, v == (double)(int64_t)v ? 0 : 3, v);
}

/*
 * The first three have the names that dashboards of this service know, and no
 * type, for by their names they would be of another one.
 */
static void metrics(struct demo *d, struct http_exchange *x)
{
	static const char *const fields[] = {
		"Content-Type: text/plain; version=0.0.4; charset=utf-8",
		NO_STORE,
		NULL,
	};
	struct buf b = BUF_INIT(PAGE_MAX);
	struct err e = ERR_INIT;
	struct rusage ru = { 0 };
	int64_t v = 0;
	bool up = shared(d, false, &v, &e) == 0;

	getrusage(RUSAGE_SELF, &ru);
	metric(&b, "instance_compute_time", "untyped",
	       "Milliseconds of computing asked for, since "
	       "the last reset.",
	       (double)d->compute_ms);
	metric(&b, "instance_requests_count", "untyped",
	       "Requests counted here since the last reset.", (double)d->count);
	if (up)
		metric(&b, "shared_requests_count", "untyped",
		       "Requests counted by all containers, in Redis.",
		       (double)v);
	metric(&b, "demo_redis_up", "gauge", "Whether Redis answers.", up);
	metric(&b, "demo_http_requests_total", "counter",
	       "Requests of any kind.", (double)d->requests);
	metric(&b, "demo_pi_digits_total", "counter", "Digits of pi computed.",
	       (double)d->digits);
	metric(&b, "demo_computations", "gauge", "Computations going on.",
	       (double)d->computing);
	metric(&b, "process_start_time_seconds", "gauge",
	       "Start, in seconds since 1970.", (double)d->since);
	metric(&b, "process_cpu_seconds_total", "counter",
	       "Time of processors used.",
	       (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	http_x_answer(x, 200, fields, buf_str(&b));
	buf_release(&b);
}

/* ---- which is whose ---- */

static void healthz(struct demo *d, struct http_exchange *x)
{
	(void)d;
	text(x, 200, "ok\n");
}

static const struct {
	const char *path;
	void (*answer)(struct demo *d, struct http_exchange *x);
} paths[] = {
	{ "/", page },
	{ "/hostname", hostname },
	{ "/count", count },
	{ "/shared_count", shared_count },
	{ "/metrics", metrics },
	{ "/reset", reset },
	{ "/reset_shared", reset_shared },
	{ "/healthz", healthz },
};

static void demo_handle(void *ctx, struct http_exchange *x)
{
	struct str path = http_x_path(x), method = http_x_head(x)->method;
	struct demo *d = ctx;
	size_t i;

	atomic_fetch_add(&d->requests, 1);
	if (!str_eqz(method, "GET") && !str_eqz(method, "HEAD")) {
		text(x, 405, "only GET and HEAD\n");
		return;
	}
	if (str_starts(path, STR("/compute/"))) {
		compute(d, x, str_skip(path, 9));
		return;
	}
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (str_eqz(path, paths[i].path)) {
			paths[i].answer(d, x);
			return;
		}
	text(x, 404, "no such path; / tells them all\n");
}

static const char *env(const char *name, const char *dflt)
{
	const char *v = getenv(name);

	return v == NULL || *v == '\0' ? dflt : v;
}

static int settings(struct demo *d, unsigned *port, struct err *e)
{
	const char *text_port = env("PORT", NULL),
		   *server = env("REDIS_SERVER", NULL);
	uint64_t n = LAYOUT_DEMO_PORT;

	if (text_port != NULL && !str_num(str_of(text_port), 65535, &n))
		return err_set(e, ERR_USAGE, "PORT \"%s\": expected 0 to 65535",
			       text_port);
	*port = (unsigned)n;
	d->mode = env("SWARM_MODE", "");
	d->public_port = env("SWARM_PUBLIC_PORT", "");
	d->key = env("REDIS_COUNTER", "azswarm/demo");
	d->since = unix_time();
	if (gethostname(d->host, sizeof(d->host) - 1) < 0)
		return err_sys(e, ERR_IO, "the host name");
	if (server == NULL)
		return 0;
	d->has_redis = true;
	return redis_init(&d->redis, server, e);
}

int demo_run(const char *version, struct err *e)
{
	struct demo *d = xcalloc(1, sizeof(*d));
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.max_conns = CONNS_MAX,
		.body_max = 4096,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.stack = STACK,
		.handle = demo_handle,
		.ctx = d,
	};
	unsigned port;
	int rc = -1;

	d->version = version;
	asset_get("web/demo.html", &d->page);
	/* in a container this is process 1, which no signal ends by itself */
	if (daemon_init(e) < 0 || settings(d, &port, e) < 0)
		goto out;
	s.listen_fd = tcp_listen("0.0.0.0", &port, NULL, e);
	if (s.listen_fd < 0)
		goto out;
	daemon_say("demo: %s listens on port %u", d->host, port);
	rc = http_serve(&s, e);
	close(s.listen_fd);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
out:
	if (d->has_redis)
		redis_release(&d->redis);
	buf_release(&d->page);
	free(d);
	return rc;
}
