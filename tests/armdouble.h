#ifndef TESTS_ARMDOUBLE_H
#define TESTS_ARMDOUBLE_H

/*
 * Azure as a script, for unit tests: streams that check each request against
 * the next act and answer what the act says, and a clock that jumps.  Forty
 * minutes of deployment pass in a millisecond.
 *
 * This takes the place of base/clock.c (the archive's own is then not linked),
 * so include it from one file of a program only.  Knows nothing of what the
 * client keeps; only bytes and times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure.h"
#include "base/clock.h"
#include "base/net.h"
#include "entra/entra.h"
#include "http.h"

#ifndef ARM_HOST
#define ARM_HOST "management.test"
#endif
#define ARM "https://" ARM_HOST
#define LOGIN_HOST "login.test"
#define LOGIN "https://" LOGIN_HOST
#define TOKEN_1 "eyJ0.first-token.sig"
#define TOKEN_2 "eyJ0.second-token.sig"
#define SECRET "s3cr3t~of/the+principal="
#define SECRET_PCT "s3cr3t~of%2Fthe%2Bprincipal%3D"
#define ASK_TOKEN "POST " LOGIN "/tenant-1/oauth2/v2.0/token"
#define TOKEN_2_BODY \
	"{\"token_type\":\"Bearer\",\"expires_in\":3599," \
	"\"ext_expires_in\":3599,\"access_token\":\"" TOKEN_2 "\"}"

/* ---- the clock ---------------------------------------------------------- */

#define WAITS_MAX 20000
#define UNIX_BEGIN 1750000000 /* 2025-06-15T15:06:40Z */

static struct {
	int64_t now;		  /* monotonic, ms */
	int64_t skew_s;		  /* of the wall clock */
	int64_t waits[WAITS_MAX]; /* how long each wait was, ms */
	size_t n_waits;
	int poll_ms;	     /* how long a program may really take */
	size_t interrupt_at; /* the wait during which Ctrl-C comes, from 1 */
	bool interrupted;
} fake;

int64_t now_ms(void)
{
	return fake.now;
}

int64_t unix_time(void)
{
	return UNIX_BEGIN + fake.skew_s + fake.now / 1000;
}

int interrupt_init(struct err *e)
{
	(void)e;
	return 0;
}

int interrupt_anew(struct err *e)
{
	(void)e;
	return 0;
}

void interrupt_request(void)
{
	fake.interrupted = true;
}

bool interrupt_requested(void)
{
	return fake.interrupted;
}

int interrupt_fd(void)
{
	return -1;
}

int poll_timeout(int64_t deadline_ms)
{
	(void)deadline_ms;
	return fake.poll_ms;
}

int fd_wait(int fd, short events, int64_t deadline_ms, struct err *e)
{
	(void)fd, (void)events, (void)deadline_ms;
	return err_set(e, ERR_TIMEOUT, "nothing here has a descriptor");
}

int sleep_until(int64_t deadline_ms, struct err *e)
{
	if (fake.n_waits == WAITS_MAX) {
		printf("not ok clock: %d waits and no end\n", WAITS_MAX);
		exit(1);
	}
	fake.waits[fake.n_waits++] = deadline_ms > fake.now ?
					     deadline_ms - fake.now :
					     0;
	if (fake.n_waits == fake.interrupt_at)
		fake.interrupted = true;
	if (fake.interrupted)
		return err_set(e, ERR_INTR, "interrupted");
	if (deadline_ms > fake.now)
		fake.now = deadline_ms;
	return 0;
}

static inline void clock_reset(void)
{
	fake.now = 1000000;
	fake.skew_s = 0;
	fake.n_waits = 0;
	fake.poll_ms = 0;
	fake.interrupt_at = 0;
	fake.interrupted = false;
}

/* The waits were these: "5 ~1 ~2 500m", in seconds, or milliseconds with m; ~
 * allows the jitter of a back-off (0.8 to 1.3 times); "5 x9" is nine times 5. */
static inline bool waits_were(const char *want, struct buf *why)
{
	struct str rest = str_of(want), word;
	uint64_t ms = 0, times;
	size_t n = 0;
	bool jitter = false;

	while (str_next(&rest, ' ', &word)) {
		if (word.n == 0)
			continue;
		times = 1;
		if (word.p[0] == 'x') {
			if (!str_num(str_skip(word, 1), WAITS_MAX, &times))
				abort();
			times--;
		} else {
			jitter = word.p[0] == '~';
			word = str_skip(word, jitter);
			if (!str_dec(&word, 1000000, &ms))
				abort();
			ms *= str_eqz(word, "m") ? 1 : 1000;
		}
		for (; times > 0; times--, n++) {
			int64_t low = (int64_t)(jitter ? ms * 8 / 10 : ms);
			int64_t high = (int64_t)(jitter ? ms * 13 / 10 : ms);

			if (n < fake.n_waits && fake.waits[n] >= low &&
			    fake.waits[n] <= high)
				continue;
			buf_addf(why, "wait %zu was %lld ms, not %s%llu ms", n + 1,
				 n < fake.n_waits ? (long long)fake.waits[n] : -1,
				 jitter ? "about " : "", (unsigned long long)ms);
			return false;
		}
	}
	if (n != fake.n_waits)
		buf_addf(why, "%zu waits, not %zu", fake.n_waits, n);
	return n == fake.n_waits;
}

/* ---- the script --------------------------------------------------------- */

#define EVER 1000000u

enum ending {
	KEEP,	 /* the connection stays open */
	HANG_UP, /* whole answer, then the end: the next request finds it closed */
	NO_ANSWER, /* the request is taken, then the end */
	CUT_HEAD,  /* the end comes within the header */
	CUT_BODY,  /* ... one byte before the end of the answer */
	RESET,	   /* the request is taken, then an error */
	NO_DIAL,   /* the connection is refused (no request is made) */
	SILENCE,   /* nothing, until the deadline */
	DRIP,	   /* a byte every ten seconds */
};

struct act {
	/* "METHOD /target" at the ARM host, or "METHOD https://host[:port]/target" (or http) */
	const char *request;
	unsigned status;
	const char *fields; /* "Retry-After: 3\r\n", NULL: none */
	const char *body;   /* NULL: none */
	/* what the request holds: '|' between, "!" before what it must not */
	const char *words;
	const char *raw; /* sent as it is, in place of status, fields, body */
	enum ending then;
	unsigned times;	  /* 0 is once; EVER: once at least */
	unsigned takes_s; /* of the clock */
};

struct armdouble {
	const struct act *script;
	size_t at;	 /* next act */
	unsigned played; /* how often it was played already */
	unsigned requests;
	struct {
		char host[64];
		unsigned n;
	} dials[8]; /* connections by host */
	/* What to answer to a request, NULL: the end.  Of the script only the
	 * first host matters then. */
	const struct act *(*choose)(void *ctx, struct str method,
				    struct str url, struct str body);
	void *choose_ctx;
	struct buf wrong; /* the first thing that was not as scripted */
	struct buf seen;  /* the last request */
	size_t piece;	  /* bytes given per read */
};

struct wire {
	struct stream stream;
	struct armdouble *d;
	char host[64];
	struct buf in, out;
	bool ended, reset, silent, drips;
};

static inline void double_wrong(struct armdouble *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void double_wrong(struct armdouble *d, const char *fmt, ...)
{
	va_list ap;

	if (d->wrong.n > 0)
		return;
	va_start(ap, fmt);
	buf_vaddf(&d->wrong, fmt, ap);
	va_end(ap);
}

/* Host and target an act is about. */
static inline void act_place(const struct act *a, struct str *method,
			     struct str *host, struct str *target)
{
	struct str s = str_of(a->request);
	ptrdiff_t slash;

	str_cut(&s, ' ', method);
	*host = STR(ARM_HOST);
	*target = s;
	if (str_starts(s, STR("https://")) || str_starts(s, STR("http://"))) {
		s = str_skip(s, s.p[4] == 's' ? 8 : 7);
		slash = str_chr(s, '/');
		*host = str_head(s, slash < 0 ? s.n : (size_t)slash);
		*target = str_skip(s, host->n);
	}
}

static inline void next_act(struct armdouble *d)
{
	const struct act *a = &d->script[d->at];

	d->played++;
	if (a->times != EVER && d->played >= (a->times ? a->times : 1)) {
		d->at++;
		d->played = 0;
	}
}

static inline bool words_hold(struct armdouble *d, const char *words,
			      struct str request)
{
	struct str rest = str_of(words), word;

	while (str_next(&rest, '|', &word)) {
		bool banned = str_starts(word, STR("!"));

		word = str_skip(word, banned);
		if ((str_find(request, word) >= 0) == banned) {
			double_wrong(d, "request %u %s \"%.*s\"", d->requests,
				     banned ? "holds" : "lacks", STR_ARG(word));
			return false;
		}
	}
	return true;
}

/* What holds for every request, whatever the script. */
static inline void request_sane(struct armdouble *d, const char *host,
				struct str request)
{
	struct str suffix = STR("." ARM_HOST);
	bool arm = strcmp(host, ARM_HOST) == 0 || str_ends(str_of(host), suffix);
	char line[80];

	snprintf(line, sizeof(line), "\r\nHost: %s\r\n", host);
	if (str_find(request, str_of(line)) < 0)
		double_wrong(d, "Host is not %s", host);
	if (arm !=
	    (str_find(request, STR("\r\nAuthorization: Bearer eyJ0.")) >= 0))
		double_wrong(d, arm ? "no token for %s" : "the token went to %s",
			     host);
	if (strcmp(host, LOGIN_HOST) != 0 &&
	    (str_find(request, STR(SECRET)) >= 0 ||
	     str_find(request, STR(SECRET_PCT)) >= 0))
		double_wrong(d, "the secret went to %s", host);
	if (arm && str_find(request, STR("\r\nx-ms-client-request-id: ")) < 0)
		double_wrong(d, "no x-ms-client-request-id");
	if (!str_starts(request, STR("GET ")) &&
	    !str_starts(request, STR("HEAD ")) &&
	    !str_starts(request, STR("DELETE ")) &&
	    str_find(request, STR("\r\nContent-Length: ")) < 0)
		double_wrong(d, "no Content-Length");
}

static inline void play(struct wire *w, const struct act *a)
{
	size_t head;

	fake.now += (int64_t)a->takes_s * 1000;
	if (a->raw != NULL) {
		buf_adds(&w->out, a->raw);
	} else if (a->then != NO_ANSWER && a->then != RESET && a->then != SILENCE) {
		buf_addf(&w->out,
			 "HTTP/1.1 %u %s\r\n%sContent-Length: %zu\r\n\r\n",
			 a->status, http_reason(a->status),
			 a->fields ? a->fields : "",
			 a->body ? strlen(a->body) : 0);
		head = w->out.n;
		buf_adds(&w->out, a->body ? a->body : "");
		if (a->then == CUT_HEAD)
			buf_truncate(&w->out, head - 3);
		if (a->then == CUT_BODY)
			buf_truncate(&w->out, w->out.n - 1);
	}
	w->reset = a->then == RESET;
	w->silent = a->then == SILENCE;
	w->drips = a->then == DRIP;
	w->ended = a->then != KEEP && a->then != SILENCE;
}

#ifdef DOUBLE_COMMANDS
/*
 * What commands send goes where tests/sh/requests.sh will look at it; a
 * program says so with DOUBLE_COMMANDS.  Others make up the paths they ask for,
 * to see what becomes of the answers, and keep them to themselves.
 */
static inline void write_down(const char *host, struct str request)
{
	const char *path = getenv("EMULATOR_RECORD");
	struct str head = request, body, line, method, word;
	ptrdiff_t end = str_find(request, STR("\r\n\r\n"));
	struct buf b = BUF_INIT(64u << 20);
	struct err e = ERR_INIT;
	cJSON *doc, *fields, *sent;
	FILE *f = path != NULL ? fopen(path, "a") : NULL;

	if (f == NULL)
		return;
	head.n = (size_t)end;
	body = str_skip(request, (size_t)end + 4);
	doc = cJSON_CreateObject();
	str_cut(&head, '\n', &line);
	str_cut(&line, ' ', &method);
	str_cut(&line, ' ', &word);
	json_add_strn(doc, "method", method);
	buf_addf(&b, "https://%s%.*s", host, STR_ARG(word));
	json_add_str(doc, "url", b.str);
	json_add_bool(doc, "faulty", true);
	fields = json_add_obj(doc, "requestHeaders");
	while (str_next(&head, '\n', &line))
		if (str_cut(&line, ':', &word) &&
		    !str_ieq(word, STR("authorization"))) {
			char *name = str_dup(word);

			json_add_strn(fields, name, str_trim(line));
			free(name);
		}
	sent = strcmp(host, LOGIN_HOST) != 0 ? json_parse(body, "body", &e) :
					       NULL;
	cJSON_AddItemToObject(doc, "requestBody",
			      sent ? sent : cJSON_CreateNull());
	buf_reset(&b);
	json_print(doc, &b);
	fprintf(f, "%s\n", b.str);
	fclose(f);
	json_free(doc);
	buf_release(&b);
}
#endif

/* A whole request is in w->in. */
static inline void answer_request(struct wire *w, struct str request)
{
	struct armdouble *d = w->d;
	const struct act *a = d->choose == NULL ? &d->script[d->at] : NULL;
	struct str method, host, target, line = request, m, t;

#ifdef DOUBLE_COMMANDS
	write_down(w->host, request);
#endif
	d->requests++;
	buf_reset(&d->seen);
	buf_addstr(&d->seen, request);
	str_cut(&line, ' ', &m);
	str_cut(&line, ' ', &t);
	if (d->choose != NULL) {
		struct buf url = BUF_INIT(64u << 10);

		request_sane(d, w->host, request);
		buf_addf(&url, "https://%s%.*s", w->host, STR_ARG(t));
		a = d->choose(d->choose_ctx, m, buf_str(&url),
			      str_skip(request,
				       (size_t)str_find(request, STR("\r\n\r\n")) +
					       4));
		buf_release(&url);
		if (a != NULL)
			play(w, a);
		else
			w->ended = true;
		return;
	}
	if (a->request == NULL) {
		double_wrong(d,
			     "request %u after the end of the script: %.*s %s%.*s",
			     d->requests, STR_ARG(m), w->host, STR_ARG(t));
		w->ended = true;
		return;
	}
	act_place(a, &method, &host, &target);
	if (!str_eq(m, method) || !str_eq(t, target) || !str_eqz(host, w->host)) {
		double_wrong(d, "request %u is %.*s %s%.*s, not %s", d->requests,
			     STR_ARG(m), w->host, STR_ARG(t), a->request);
		w->ended = true;
		return;
	}
	request_sane(d, w->host, request);
	if (a->words != NULL)
		words_hold(d, a->words, request);
	play(w, a);
	next_act(d);
}

static inline ssize_t wire_read(struct stream *s, void *p, size_t n,
				int64_t deadline_ms, struct err *e)
{
	struct wire *w = (struct wire *)(void *)s;

	if (w->out.n == 0) {
		if (w->reset)
			return err_set(e, ERR_NET, "connection reset by peer");
		if (w->ended)
			return 0;
		if (!w->silent)
			double_wrong(w->d,
				     "reads although everything was answered");
		fake.now = deadline_ms;
		return err_set(e, ERR_TIMEOUT, "timed out");
	}
	if (n > w->out.n)
		n = w->out.n;
	if (w->drips) {
		fake.now += 10000;
		n = 1;
	}
	if (w->d->piece > 0 && n > w->d->piece)
		n = w->d->piece;
	memcpy(p, w->out.str, n);
	buf_consume(&w->out, n);
	return (ssize_t)n;
}

static inline int wire_write(struct stream *s, const void *p, size_t n,
			     int64_t deadline_ms, struct err *e)
{
	struct wire *w = (struct wire *)(void *)s;
	struct str request, length;
	ptrdiff_t end, at;
	uint64_t body = 0;

	(void)deadline_ms, (void)e;
	if (w->ended)
		return 0; /* as TCP would: into the void */
	buf_add(&w->in, p, n);
	request = buf_str(&w->in);
	if ((end = str_find(request, STR("\r\n\r\n"))) < 0)
		return 0;
	if ((at = str_find(request, STR("\r\nContent-Length: "))) >= 0 &&
	    at < end) {
		length = str_skip(request, (size_t)at + 18);
		str_dec(&length, 64u << 20, &body);
	}
	if (request.n < (size_t)end + 4 + body)
		return 0;
	answer_request(w, request);
	buf_reset(&w->in);
	return 0;
}

static inline int wire_flush(struct stream *s, int64_t deadline_ms, struct err *e)
{
	(void)s, (void)deadline_ms, (void)e;
	return 0;
}

static inline int wire_fd(struct stream *s)
{
	(void)s;
	return -1;
}

static inline bool wire_pending(struct stream *s)
{
	(void)s;
	return false;
}

static inline void wire_close(struct stream *s)
{
	struct wire *w = (struct wire *)(void *)s;

	buf_release(&w->in);
	buf_release(&w->out);
	free(w);
}

static inline struct stream *double_dial(void *ctx, bool tls, const char *host,
					 unsigned port, int64_t deadline_ms,
					 struct err *e)
{
	static const struct stream_ops ops = {
		.read = wire_read,
		.write = wire_write,
		.flush = wire_flush,
		.fd = wire_fd,
		.pending = wire_pending,
		.close = wire_close,
	};
	struct armdouble *d = ctx;
	const struct act *a = &d->script[d->at];
	struct str method, wanted, target;
	char with_port[64];
	struct wire *w;

	(void)deadline_ms;
	for (size_t i = 0; i < sizeof(d->dials) / sizeof(*d->dials); i++) {
		if (d->dials[i].n > 0 && strcmp(d->dials[i].host, host) != 0)
			continue;
		snprintf(d->dials[i].host, sizeof(d->dials[i].host), "%s", host);
		d->dials[i].n++;
		break;
	}
	if (tls == (a->request != NULL && strstr(a->request, " http://") != NULL))
		double_wrong(d, "dialed %s %s TLS", host,
			     tls ? "with" : "without");
	if (port != (tls ? 443 : 80)) {
		snprintf(with_port, sizeof(with_port), "%s:%u", host, port);
		host = with_port;
	}
	if (a->request == NULL) {
		double_wrong(d, "dialed %s after the end of the script", host);
		err_set(e, ERR_INTR, "end of script");
		return NULL;
	}
	act_place(a, &method, &wanted, &target);
	if (!str_eqz(wanted, host)) {
		double_wrong(d, "dialed %s when %s was next", host, a->request);
		err_set(e, ERR_INTR, "not in the script");
		return NULL;
	}
	if (a->then == NO_DIAL) {
		next_act(d);
		err_set(e, ERR_NET, "%s: connection refused", host);
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->stream.ops = &ops;
	w->d = d;
	snprintf(w->host, sizeof(w->host), "%s", host);
	buf_init(&w->in, 64u << 20);
	buf_init(&w->out, 64u << 20);
	return &w->stream;
}

static inline void double_start(struct armdouble *d, const struct act *script)
{
	*d = (struct armdouble){ .script = script };
	buf_init(&d->wrong, 4096);
	buf_init(&d->seen, 64u << 20);
}

static inline unsigned dials_of(const struct armdouble *d, const char *host)
{
	for (size_t i = 0; i < sizeof(d->dials) / sizeof(*d->dials); i++)
		if (d->dials[i].n > 0 && strcmp(d->dials[i].host, host) == 0)
			return d->dials[i].n;
	return 0;
}

/* Everything was as scripted, and all of it was played. */
static inline bool double_content(const struct armdouble *d, struct buf *why)
{
	const struct act *a = &d->script[d->at];

	if (d->wrong.n > 0) {
		buf_addstr(why, buf_str(&d->wrong));
		return false;
	}
	if (d->choose != NULL)
		return true;
	if (a->request == NULL || (a->times == EVER && d->played > 0))
		return true;
	buf_addf(why, "not asked for: %s (%u of %u)", a->request, d->played,
		 a->times ? a->times : 1);
	return false;
}

static inline void double_end(struct armdouble *d)
{
	buf_release(&d->wrong);
	buf_release(&d->seen);
}

/* ---- a client of it ------------------------------------------------------ */

struct rig {
	struct armdouble d;
	struct entra entra;
	struct azure az;
	struct buf told; /* notes and what was waited for */
};

static inline int64_t rig_now(void *ctx)
{
	(void)ctx;
	return now_ms();
}

static inline int rig_wait(void *ctx, int64_t until_ms, const char *what,
			   int64_t since_ms, struct err *e)
{
	struct rig *g = ctx;

	buf_addf(&g->told, "waiting for %s since %lld\n", what,
		 (long long)(fake.now - since_ms) / 1000);
	return sleep_until(until_ms, e);
}

static inline void rig_note(void *ctx, const char *text)
{
	struct rig *g = ctx;

	buf_addf(&g->told, "note: %s\n", text);
}

/* ctx: "NAME", "value", ..., NULL */
static inline const char *rig_var(void *ctx, const char *name)
{
	for (const char *const *v = ctx; *v != NULL; v += 2)
		if (strcmp(v[0], name) == 0)
			return v[1];
	return NULL;
}

/* The clock begins anew.  A token for an hour is there already. */
static inline void rig_open(struct rig *g, const struct act *script,
			    const char *cache)
{
	static const char *const vars[] = { "AZURE_TENANT_ID",
					    "tenant-1",
					    "AZURE_CLIENT_ID",
					    "client-1",
					    "AZURE_CLIENT_SECRET",
					    SECRET,
					    NULL };
	struct http_dialer dialer = { double_dial, &g->d };
	struct azure_clock clock = { rig_now, rig_wait, g };
	struct err e = ERR_INIT;

	clock_reset();
	buf_init(&g->told, 8u << 20);
	double_start(&g->d, script);
	entra_init(&g->entra, &(struct entra_options){
				      .authority = LOGIN,
				      .scope = ARM "/.default",
				      .cache_path = cache,
				      .dialer = dialer,
				      .local = dialer,
				      .var = rig_var,
				      .ctx = (void *)(uintptr_t)vars,
			      });
	g->entra.token = xstrdup(TOKEN_1);
	g->entra.expires_on = unix_time() + 3600;
	if (azure_init(&g->az, &g->entra, ARM, "S", dialer, clock, &e) < 0) {
		printf("not ok rig: %s\n", e.msg);
		exit(1);
	}
	g->az.note = rig_note;
	g->az.note_ctx = g;
}

static inline void rig_no_token(struct rig *g)
{
	burn_str(g->entra.token);
	g->entra.token = NULL;
	g->entra.expires_on = 0;
}

/* No secret of ours is in a text for people. */
static inline bool keeps_secrets(const char *text)
{
	return strstr(text, TOKEN_1) == NULL && strstr(text, TOKEN_2) == NULL &&
	       strstr(text, SECRET) == NULL && strstr(text, SECRET_PCT) == NULL;
}

static inline void rig_close(struct rig *g)
{
	azure_release(&g->az);
	entra_release(&g->entra);
	double_end(&g->d);
	buf_release(&g->told);
}

/* The '|'-separated words are in the text, those with "!" are not. */
static inline bool holds(const char *text, const char *words, struct buf *why)
{
	struct str rest = str_of(words), word;

	while (str_next(&rest, '|', &word)) {
		bool banned = str_starts(word, STR("!"));

		word = str_skip(word, banned);
		if ((str_find(str_of(text), word) >= 0) != banned)
			continue;
		buf_addf(why, "%s \"%.*s\": %s", banned ? "holds" : "lacks",
			 STR_ARG(word), text);
		return false;
	}
	return true;
}

#endif
