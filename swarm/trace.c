/*
 * What is asked, told: on stderr as it would be sent, in a log as it went.  A
 * secret is in neither; no header is shown, for most of a token is there.
 *
 * A line of the log: the time, method, URL, status, how long it took, and the
 * ids by which Azure finds the request again ("Track requests", Azure Resource
 * Manager: x-ms-request-id, x-ms-correlation-request-id).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "swarm/secret.h"
#include "swarm/trace.h"

#define LINE_MAX_N (32u << 10)
#define SHOWN_MAX (16u << 20) /* of a body */

/* ---- what changes something ---- */

/* POSTs that only tell. */
static bool only_tells(struct str url)
{
	static const char *const words[] = { "validate", "whatIf",
					     "checkNameAvailability",
					     "acquirePolicyToken" };
	ptrdiff_t query = str_chr(url, '?');
	struct str path = query < 0 ? url : str_head(url, (size_t)query);
	struct str last = str_skip(path, (size_t)(str_rchr(path, '/') + 1));

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieqz(last, words[i]))
			return true;
	if (str_ends(url, STR("&comp=userdelegationkey"))) /* blob storage's */
		return true;
	return str_istarts(last, STR("list")); /* keys, signatures */
}

static bool changes(enum trace_peer peer, const struct http_request *q)
{
	if (peer == TRACE_SIGN_IN || strcmp(q->method, "GET") == 0 ||
	    strcmp(q->method, "HEAD") == 0)
		return false;
	return peer == TRACE_SWARM || strcmp(q->method, "POST") != 0 ||
	       !only_tells(str_of(q->url));
}

/* ---- --print-requests ---- */

/* The body without secrets, as people read it. */
static void show_body(enum trace_peer peer, const struct http_request *q,
		      struct buf *out)
{
	struct err ignored = ERR_INIT;
	cJSON *doc;

	if (q->body_read != NULL) {
		buf_addf(out, "(%llu bytes)", (unsigned long long)q->body_length);
	} else if (q->body.n > 0 && peer == TRACE_SIGN_IN) {
		secret_form(out, q->body);
	} else if (q->body.n > 0) {
		doc = json_parse(q->body, "body", &ignored);
		if (doc != NULL) {
			secret_json(doc);
			json_print_pretty(doc, out);
		} else {
			buf_addf(out, "(%zu bytes)", q->body.n);
		}
		json_burn(doc);
	}
}

static void print_request(struct trace *t, enum trace_peer peer,
			  const struct http_request *q)
{
	struct buf text = BUF_INIT(SHOWN_MAX), clean = BUF_INIT(SHOWN_MAX);
	struct str rest, line;

	buf_addf(&text, "%s ", q->method);
	secret_url(&text, str_of(q->url));
	if (q->body_read != NULL || q->body.n > 0) {
		buf_addc(&text, '\n');
		show_body(peer, q, &text);
	}
	ui_clear(t->ui);
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		buf_reset(&clean);
		buf_add_clean(&clean, line);
		fprintf(t->ui->err, "%s\n", clean.n > 0 ? clean.str : "");
	}
	fflush(t->ui->err);
	buf_burn(&clean);
	buf_burn(&text);
}

/* Is it done?  What it is was shown. */
static int allow(struct trace *t, bool change, struct err *e)
{
	if (!t->print) {
		if (change && t->may != NULL && t->may(t->may_ctx, e) < 0)
			return -1;
		t->changes += change;
		return 0;
	}
	t->held |= change;
	return !change ? 0 :
			 err_set(e, ERR_HELD,
				 "not sent, for it would change something; "
				 "nothing was changed");
}

static int before(void *ctx, const struct http_request *q, struct err *e)
{
	struct trace_end *end = ctx;
	struct trace *t = end->trace;

	if (t->print && !t->held)
		print_request(t, end->peer, q);
	return allow(t, changes(end->peer, q) && !t->aside, e);
}

int trace_change(struct trace *t, const char *where, const char *what,
		 struct err *e)
{
	if (t->print && !t->held) {
		ui_clear(t->ui);
		fprintf(t->ui->err, "SSH %s: %s\n", where, what);
		fflush(t->ui->err);
	}
	return allow(t, true, e);
}

/* ---- AZSWARM_LOG ---- */

static void write_line(struct trace *t, const struct buf *b)
{
	struct buf line = BUF_INIT(2 * LINE_MAX_N);
	char now[32];

	time_iso(unix_time(), now);
	buf_addf(&line, "%s ", now);
	buf_add_clean(&line, buf_str(b));
	buf_addc(&line, '\n');
	/* one write, so that lines stay whole whoever else appends; a log that
	 * is full is no reason to stop */
	if (!line.over && write(t->log, line.str, line.n) < 0)
		trace_close(t);
	buf_release(&line);
}

void trace_note(struct trace *t, const char *fmt, ...)
{
	struct buf b = BUF_INIT(LINE_MAX_N);
	va_list ap;

	if (t->ui == NULL || t->log < 0)
		return;
	va_start(ap, fmt);
	buf_vaddf_cut(&b, fmt, ap);
	va_end(ap);
	write_line(t, &b);
	buf_release(&b);
}

static void add_field(struct buf *b, const char *word, struct str value)
{
	if (value.n > 0)
		buf_addf(b, " %s=%.*s", word, STR_ARG(str_head(value, 200)));
}

/* The value of that field among those that are sent. */
static struct str own_field(const struct http_request *q, struct str name)
{
	for (const char *const *f = q->fields; f != NULL && *f != NULL; f++)
		if (str_istarts(str_of(*f), name))
			return str_trim(str_skip(str_of(*f), name.n));
	return STR_NULL;
}

/* What an error's body calls itself: why it is asked again, mostly. */
static void add_code(struct buf *b, const struct http_response *r)
{
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	if (r->head.status >= 400 && r->body.n > 0)
		doc = json_parse(buf_str(&r->body), "body", &ignored);
	add_field(b, "code", str_of(json_str_opt(doc, "error.code", "")));
	json_burn(doc);
}

static void after(void *ctx, const struct http_request *q,
		  const struct http_response *r, int64_t ms, const struct err *why)
{
	struct trace *t = ((struct trace_end *)ctx)->trace;
	struct buf b = BUF_INIT(LINE_MAX_N);

	if (t->log < 0)
		return;
	buf_addf(&b, "%s ", q->method);
	secret_url(&b, str_of(q->url));
	if (r != NULL)
		buf_addf(&b, " %u", r->head.status);
	buf_addf(&b, " %lld ms", (long long)ms);
	add_field(&b, "client-request",
		  own_field(q, STR("x-ms-client-request-id:")));
	if (r != NULL) {
		add_field(&b, "request", http_field(&r->head, "x-ms-request-id"));
		add_field(&b, "correlation",
			  http_field(&r->head, "x-ms-correlation-request-id"));
		add_field(&b, "retry-after", http_field(&r->head, "retry-after"));
		add_code(&b, r);
	} else {
		buf_addf(&b, " failed: %.400s", why->msg);
	}
	write_line(t, &b);
	buf_release(&b);
}

/* ---- both ---- */

int trace_open(struct trace *t, struct ui *ui, const char *path, struct err *e)
{
	t->ui = ui;
	t->log = -1;
	for (int i = 0; i < TRACE_PEERS; i++) {
		struct trace_end *end = &t->ends[i];

		end->trace = t;
		end->peer = (enum trace_peer)i;
		end->watch = (struct http_watch){ before, after, end };
	}
	if (path == NULL || *path == '\0')
		return 0;
	t->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return t->log >= 0 ? 0 : err_sys(e, ERR_IO, "AZSWARM_LOG: %s", path);
}

const struct http_watch *trace_watch(const struct trace *t, enum trace_peer peer)
{
	return t->ui != NULL ? &t->ends[peer].watch : NULL;
}

void trace_close(struct trace *t)
{
	if (t->ui != NULL && t->log >= 0)
		close(t->log);
	t->log = -1;
}
