/*
 * http.c and http/ on any bytes.  The first says what they are: a (an
 * answer), h (one to HEAD), q (a request), u (a URL), s (all that a server
 * hears), c (all that a client hears); for a, h, q the second byte says how they are cut.
 * Beside not crashing: how bytes are cut does not matter, and what the server
 * says is whole answers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/net.h"
#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (8u << 20)

static void must(bool good)
{
	if (!good)
		abort();
}

/* Everything that came of it, told in order. */
static void told(struct str all, char kind, size_t step, struct buf *out)
{
	struct http_parser p;
	struct err e = ERR_INIT;
	enum http_event event = HTTP_MORE;
	struct str piece, part;

	http_parser_init(&p, kind == 'q');
	p.head_answer = kind == 'h';
	while (event == HTTP_MORE && all.n > 0) {
		part = str_head(all, step == 0 ? all.n : step);
		size_t given = part.n;

		do {
			size_t before = part.n;

			event = http_parse(&p, &part, &piece, &e);
			must(event == HTTP_END || event == HTTP_BROKEN ||
			     part.n < before || before == 0);
			if (event == HTTP_BODY) {
				must(piece.n > 0);
				buf_addstr(out, piece);
			} else if (event == HTTP_HEAD) {
				buf_addf(out, "<%u %d %d %llu", p.head.status,
					 p.chunked, p.keep_alive,
					 (unsigned long long)p.length);
				for (size_t i = 0; i < p.head.n_fields; i++)
					buf_addf(out, "|%.*s=%.*s",
						 STR_ARG(p.head.fields[i].name),
						 STR_ARG(p.head.fields[i].value));
				buf_adds(out, ">");
			}
		} while (event == HTTP_HEAD || event == HTTP_BODY);
		must(event != HTTP_MORE || part.n == 0);
		all = str_skip(all, given - part.n);
	}
	if (event == HTTP_MORE && http_parse_eof(&p, &e) < 0)
		buf_addf(out, "<eof %s>", e.msg);
	else
		buf_addf(out, "<%d %s>", event == HTTP_BROKEN, e.msg);
	/* what is left behind the end, not behind a mistake */
	if (event != HTTP_BROKEN)
		buf_addf(out, "<left %zu>", all.n);
	must(e.kind == ERR_NONE || e.msg[0] != '\0');
	http_parser_release(&p);
}

static void codec(char kind, struct str in)
{
	struct buf whole = BUF_INIT(OUT_MAX), parts = BUF_INIT(OUT_MAX);
	size_t step = in.n > 0 ? (unsigned char)in.p[0] : 0;

	in = str_skip(in, 1);
	told(in, kind, 0, &whole);
	told(in, kind, step + 1, &parts);
	must(whole.n == parts.n && memcmp(whole.str, parts.str, whole.n) == 0);
	buf_release(&whole);
	buf_release(&parts);
}

static void url(struct str in)
{
	struct http_url u;
	struct err e = ERR_INIT;

	if (http_url_parse(in, &u, &e) < 0) {
		must(e.msg[0] != '\0');
		return;
	}
	must(u.host[0] != '\0' && u.port > 0 && u.port < 65536 &&
	     u.path.n > 0 && (u.path.p[0] == '/' || u.path.p[0] == '?'));
}

struct script {
	struct stream s;
	struct str in;
	struct buf *out;
};

static ssize_t script_read(struct stream *s, void *p, size_t n,
			   int64_t deadline_ms, struct err *e)
{
	struct script *t = (struct script *)s;

	(void)deadline_ms;
	(void)e;
	if (n > t->in.n)
		n = t->in.n;
	if (n > 0)
		memcpy(p, t->in.p, n);
	t->in = str_skip(t->in, n);
	return (ssize_t)n;
}

static int script_write(struct stream *s, const void *p, size_t n,
			int64_t deadline_ms, struct err *e)
{
	(void)deadline_ms;
	(void)e;
	buf_add(((struct script *)s)->out, p, n);
	return 0;
}

static void script_close(struct stream *s)
{
	free(s);
}

static const struct stream_ops script_ops = {
	.read = script_read,
	.write = script_write,
	.close = script_close,
};

static struct stream *script(struct str in, struct buf *out)
{
	struct script *t = xmalloc(sizeof *t);

	*t = (struct script){ .s = { .ops = &script_ops }, .in = in, .out = out };
	return &t->s;
}

/* By the target: echo, in pieces, parameters, no answer, streamed. */
static void handle(void *ctx, struct http_exchange *x)
{
	struct buf b = BUF_INIT(5000);
	struct str path = http_x_path(x);
	struct err e = ERR_INIT;
	char few[7];
	ssize_t n;

	(void)ctx;
	switch (path.n > 1 ? path.p[1] : 0) {
	case 'e':
		if (http_x_body(x, &b, &e) == 0)
			http_x_answer(x, 200, NULL, buf_str(&b));
		break;
	case 'p':
		while ((n = http_x_read(x, few, sizeof few, &e)) > 0)
			buf_add(&b, few, (size_t)n);
		if (n == 0)
			http_x_answer(x, 200, NULL, buf_str(&b));
		break;
	case 'q':
		http_x_param(x, "a", &b);
		http_x_answer(x, 200, NULL, buf_str(&b));
		break;
	case 'n':
		break;
	case 's':
		if (http_x_begin(x, 200, NULL, UINT64_MAX, &e) == 0 &&
		    http_x_send(x, STR("piece"), &e) == 0)
			http_x_end(x, &e);
		break;
	default:
		http_x_answer(x, 204, NULL, STR_NULL);
	}
	buf_release(&b);
}

static void server(struct str in)
{
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 4000,
		.idle_ms = 10000,
		.body_ms = 10000,
		.handle = handle,
	};
	struct buf out = BUF_INIT(OUT_MAX);
	struct http_parser p;
	struct err e = ERR_INIT;
	struct str said, piece;
	enum http_event event;

	http_serve_stream(&s, script(in, &out), "fuzz");
	http_parser_init(&p, false);
	for (said = buf_str(&out); said.n > 0 && !out.over;) {
		http_parser_reset(&p);
		/* to HEAD the body is left out, and only the server knows */
		p.head_answer = str_find(in, STR("HEAD")) >= 0;
		if (p.head_answer)
			break;
		do
			event = http_parse(&p, &said, &piece, &e);
		while (event == HTTP_HEAD || event == HTTP_BODY);
		must(event == HTTP_END ||
		     (event == HTTP_MORE && http_parse_eof(&p, &e) == 0));
	}
	http_parser_release(&p);
	buf_release(&out);
}

struct hear {
	struct str in;
	struct buf out;
};

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct hear *h = ctx;

	(void)tls;
	(void)host;
	(void)port;
	(void)deadline_ms;
	(void)e;
	return script(h->in, &h->out);
}

static void client(struct str in)
{
	struct hear h = { .in = in, .out = BUF_INIT(OUT_MAX) };
	struct http_client c;
	struct http_response r;

	http_client_init(&c, (struct http_dialer){ dial, &h }, "fuzz");
	http_response_init(&r, 4000);
	/* the second gets what is left of the first, or all of it again */
	for (int i = 0; i < 2; i++) {
		struct http_request q = {
			.method = i == 0 ? "GET" : "POST",
			.url = "http://a/",
			.deadline_ms = now_ms() + 10000,
		};
		struct err e = ERR_INIT;
		int rc = http_exchange(&c, &q, &r, &e);

		must(rc == 0 ? r.head.status >= 200 && e.kind == ERR_NONE :
			       e.msg[0] != '\0' && c.stream == NULL);
	}
	http_response_release(&r);
	http_client_release(&c);
	buf_release(&h.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };

	if (size == 0)
		return 0;
	in = str_skip(in, 1);
	switch (data[0]) {
	case 'u':
		url(in);
		break;
	case 's':
		server(in);
		break;
	case 'c':
		client(in);
		break;
	case 'a':
	case 'h':
	case 'q':
		codec((char)data[0], in);
		break;
	}
	return 0;
}
