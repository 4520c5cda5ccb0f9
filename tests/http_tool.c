/*
 * http.h on the command line, for tests/sh/http.sh.
 *
 *	http_tool server PORT_FILE SECONDS [BODY_MAX IDLE_MS BODY_MS MAX_CONNS]
 *		writes its port to PORT_FILE; see routes[]; says "failed: MESSAGE"
 *		on stderr; ends when SECONDS have passed, or on SIGTERM, then
 *		says "stopped after N ms"
 *	http_tool client [-m METHOD] [-H FIELD]... [-d FILE | -u FILE] [-x] [-t MS]
 *			[-i MS] [-n MAX] [-w COMMAND] URL...
 *		asks for each URL over one client.  -d: body from memory, -u: in
 *		pieces, -x: may be sent twice, -t: deadline, -i: longest silence,
 *		-n: ceiling of the answer, -w: shell command between two URLs.
 *		Prints a line each: STATUS BYTES SHA256 CONNECTIONS REQUESTS,
 *		or "error KIND: MESSAGE"
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/net.h"
#include "http.h"

#define FIELDS_MAX 128

static _Noreturn void die(const struct err *e)
{
	fprintf(stderr, "http_tool: %s\n", e->msg);
	exit(1);
}

static uint64_t number(const char *s)
{
	struct err e = ERR_INIT;
	uint64_t v = 0;

	if (!str_num(str_of(s), INT64_MAX, &v)) {
		err_set(&e, ERR_USAGE, "%s is no number", s);
		die(&e);
	}
	return v;
}

static const char *kind_name(enum err_kind kind)
{
	switch (kind) {
	case ERR_NET:
		return "net";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_PROTO:
		return "proto";
	case ERR_DATA:
		return "data";
	case ERR_IO:
		return "io";
	case ERR_INTR:
		return "interrupt";
	default:
		return "other";
	}
}

/* ---- server ---- */

static const char *const text[] = { "Content-Type: text/plain", "X-Test: yes",
				    NULL };

static void say(struct http_exchange *x, const char *what)
{
	http_x_answer(x, 200, text, str_of(what));
}

static char *pattern(size_t n)
{
	char *p = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i % 23);
	return p;
}

/* N bytes at once; HEAD gets the same header */
static void bytes(struct http_exchange *x, uint64_t n)
{
	char *p = pattern((size_t)n);

	http_x_answer(x, 200, text, (struct str){ p, (size_t)n });
	free(p);
}

/* N bytes in pieces of many sizes */
static void chunks(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;
	char *p = pattern((size_t)n);
	struct str rest = { p, (size_t)n };
	int rc = http_x_begin(x, 200, text, UINT64_MAX, &e);

	for (size_t size = 1; rc == 0 && rest.n > 0; size = size * 3 + 1) {
		struct str piece = str_head(rest, size);

		rc = http_x_send(x, piece, &e);
		rest = str_skip(rest, piece.n);
	}
	if (rc == 0)
		http_x_end(x, &e);
	free(p);
}

/* The body's length and hash, read in pieces of N bytes (0: all at once) */
static void sum(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;
	struct sha256_state s;
	struct buf b = BUF_INIT(1 << 20), line = BUF_INIT(256);
	uint8_t hash[SHA256_LEN];
	uint64_t total = 0;
	ssize_t got = 0;

	sha256_start(&s);
	if (n == 0) {
		if (http_x_body(x, &b, &e) < 0)
			got = -1;
		sha256_add(&s, b.str, b.n);
		total = b.n;
	} else {
		char *p = xmalloc((size_t)n);

		while ((got = http_x_read(x, p, (size_t)n, &e)) > 0) {
			sha256_add(&s, p, (size_t)got);
			total += (uint64_t)got;
		}
		free(p);
	}
	sha256_done(&s, hash);
	buf_addf(&line, "%llu ", (unsigned long long)total);
	buf_add_hex(&line, hash, sizeof hash);
	if (got < 0)
		fprintf(stderr, "body: %s\n", e.msg);
	else
		say(x, line.str);
	buf_release(&b);
	buf_release(&line);
}

/* What came in, as we understood it */
static void head(struct http_exchange *x, uint64_t n)
{
	const struct http_head *h = http_x_head(x);
	struct buf b = BUF_INIT(64 << 10);

	(void)n;
	buf_addf(&b, "%.*s %.*s ? %.*s\n", STR_ARG(h->method),
		 STR_ARG(http_x_path(x)), STR_ARG(http_x_query(x)));
	for (size_t i = 0; i < h->n_fields; i++)
		buf_addf(&b, "%.*s: %.*s\n", STR_ARG(h->fields[i].name),
			 STR_ARG(h->fields[i].value));
	buf_addf(&b, "peer %s\n", http_x_peer(x));
	say(x, b.str);
	buf_release(&b);
}

static void param(struct http_exchange *x, uint64_t n)
{
	struct buf b = BUF_INIT(1000);

	(void)n;
	if (!http_x_param(x, "$a b", &b))
		buf_adds(&b, "(none)");
	say(x, b.str);
	buf_release(&b);
}

static void status(struct http_exchange *x, uint64_t n)
{
	http_x_answer(x, (unsigned)n, text, STR("some body\n"));
}

static void slow(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;

	if (n >= 1000)
		fprintf(stderr, "begun slow\n");
	sleep_until(now_ms() + (int64_t)n, &e);
	say(x, "slow\n");
}

static void split(struct http_exchange *x, uint64_t n)
{
	static const char *const bad[] = { "X-A: b\r\nX-Injected: yes", NULL };

	(void)n;
	http_x_answer(x, 200, bad, STR("x"));
}

static void hang_up(struct http_exchange *x, uint64_t n)
{
	static const char *const closing[] = { "Connection: close", NULL };

	(void)n;
	http_x_answer(x, 200, closing, STR("bye\n"));
}

static void cut(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;

	(void)n;
	if (http_x_begin(x, 200, text, 1000, &e) == 0)
		http_x_send(x, STR("too little"), &e);
}

static void begin_end(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;

	if (http_x_begin(x, 200, NULL, n, &e) == 0)
		http_x_end(x, &e);
}

static void nothing(struct http_exchange *x, uint64_t n)
{
	(void)x;
	(void)n;
}

static void drop(struct http_exchange *x, uint64_t n)
{
	(void)n;
	http_x_abort(x);
}

/* A line each 50 ms until told to stop, or the peer has gone */
static void forever(struct http_exchange *x, uint64_t n)
{
	struct err e = ERR_INIT;
	int rc = http_x_begin(x, 200, text, UINT64_MAX, &e);

	(void)n;
	while (rc == 0 && !http_x_stopping(x)) {
		rc = http_x_send(x, STR("tick\n"), &e);
		usleep(50000);
	}
	if (rc == 0)
		http_x_end(x, &e);
}

static const struct route {
	const char *path;
	void (*run)(struct http_exchange *x, uint64_t n);
} routes[] = {
	{ "bytes", bytes }, { "chunks", chunks },	{ "sum", sum },
	{ "head", head },   { "param", param },		{ "status", status },
	{ "slow", slow },   { "split", split },		{ "close", hang_up },
	{ "cut", cut },	    { "begin-end", begin_end }, { "nothing", nothing },
	{ "drop", drop },   { "forever", forever },
};

static void handle(void *ctx, struct http_exchange *x)
{
	struct str rest = str_skip(http_x_path(x), 1), first;
	uint64_t n = 0;

	(void)ctx;
	if (!str_next(&rest, '/', &first))
		first = STR_NULL;
	str_dec(&rest, 1 << 30, &n);
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (str_eqz(first, routes[i].path)) {
			routes[i].run(x, n);
			return;
		}
	http_x_answer(x, 404, text, STR("no such route\n"));
}

static void failed(void *ctx, const struct err *e)
{
	(void)ctx;
	fprintf(stderr, "failed: %s\n", e->msg);
}

static void on_signal(int sig)
{
	(void)sig;
	interrupt_request();
}

static int serve(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct http_server s = {
		.stop_fd = -1,
		.max_conns = 16,
		.body_max = 64 << 20,
		.idle_ms = 5000,
		.body_ms = 20000,
		.handle = handle,
		.failed = failed,
	};
	struct sigaction act = { .sa_handler = on_signal };
	unsigned port = 0;
	struct buf b = BUF_INIT(16);
	int64_t since;

	if (argc > 2)
		s.body_max = number(argv[2]);
	if (argc > 3)
		s.idle_ms = (int64_t)number(argv[3]);
	if (argc > 4)
		s.body_ms = (int64_t)number(argv[4]);
	if (argc > 5)
		s.max_conns = (unsigned)number(argv[5]);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	alarm((unsigned)number(argv[1]));
	s.listen_fd = tcp_listen("127.0.0.1", &port, NULL, &e);
	if (s.listen_fd < 0 || interrupt_init(&e) < 0)
		die(&e);
	buf_addf(&b, "%u", port);
	if (file_write(argv[0], buf_str(&b), 0600, &e) < 0)
		die(&e);
	buf_release(&b);
	if (http_serve(&s, &e) < 0)
		die(&e);
	since = now_ms();
	close(s.listen_fd);
	fprintf(stderr, "stopped after %d ms\n", (int)(now_ms() - since));
	return 0;
}

/* ---- client ---- */

struct get {
	struct sha256_state hash;
	uint64_t n, max;
};

static int on_body(void *ctx, struct str piece, struct err *e)
{
	struct get *g = ctx;

	sha256_add(&g->hash, piece.p, piece.n);
	g->n += piece.n;
	return g->n > g->max ? err_set(e, ERR_DATA, "more than wanted") : 0;
}

static ssize_t from_file(void *ctx, void *p, size_t n, struct err *e)
{
	ssize_t got = read(*(int *)ctx, p, n);

	return got < 0 ? err_sys(e, ERR_IO, "reading the body") : got;
}

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int fd;

	(void)ctx;
	if (tls) {
		err_set(e, ERR_TLS, "no TLS in here");
		return NULL;
	}
	fd = tcp_connect(host, port, deadline_ms, e);
	return fd < 0 ? NULL : stream_of_fd(fd);
}

static void ask(struct http_client *c, struct http_request *q, int64_t ms,
		uint64_t max)
{
	struct err e = ERR_INIT;
	struct get g = { .max = max };
	struct http_response r;
	struct buf hex = BUF_INIT(65);
	uint8_t hash[SHA256_LEN];

	http_response_init(&r, 0);
	r.on_body = on_body;
	r.ctx = &g;
	sha256_start(&g.hash);
	q->deadline_ms = now_ms() + ms;
	if (http_exchange(c, q, &r, &e) < 0) {
		printf("error %s: %s\n", kind_name(e.kind), e.msg);
	} else {
		sha256_done(&g.hash, hash);
		buf_add_hex(&hex, hash, sizeof hash);
		printf("%u %llu %s %u %u\n", r.head.status,
		       (unsigned long long)g.n, hex.str, c->connections,
		       c->requests);
	}
	fflush(stdout);
	buf_release(&hex);
	http_response_release(&r);
}

static int client(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct http_client c;
	struct http_request q = { .method = "GET" };
	const char *fields[FIELDS_MAX + 1] = { NULL }, *between = NULL,
					*upload = NULL;
	size_t n_fields = 0;
	struct buf body = BUF_INIT(64 << 20);
	int64_t ms = 20000;
	uint64_t max = UINT64_MAX;
	int opt, fd = -1;

	while ((opt = getopt(argc, argv, "m:H:d:u:xt:i:n:w:")) != -1) {
		switch (opt) {
		case 'm':
			q.method = optarg;
			break;
		case 'H':
			if (n_fields < FIELDS_MAX)
				fields[n_fields++] = optarg;
			break;
		case 'd':
			if (file_read(optarg, &body, &e) < 0)
				die(&e);
			q.body = buf_str(&body);
			break;
		case 'u':
			upload = optarg;
			break;
		case 'x':
			q.idempotent = true;
			break;
		case 't':
			ms = (int64_t)number(optarg);
			break;
		case 'i':
			q.idle_ms = (int64_t)number(optarg);
			break;
		case 'n':
			max = number(optarg);
			break;
		case 'w':
			between = optarg;
			break;
		default:
			return 2;
		}
	}
	q.fields = fields;
	http_client_init(&c, (struct http_dialer){ .dial = dial }, "http_tool/1");
	for (int i = optind; i < argc; i++) {
		struct stat st;

		if (i > optind && between != NULL && system(between) != 0)
			return 1;
		if (upload != NULL) {
			fd = open(upload, O_RDONLY | O_CLOEXEC);
			if (fd < 0 || fstat(fd, &st) < 0)
				return 1;
			q.body_read = from_file;
			q.body_ctx = &fd;
			q.body_length = (uint64_t)st.st_size;
		}
		q.url = argv[i];
		ask(&c, &q, ms, max);
		if (fd >= 0)
			close(fd);
	}
	http_client_release(&c);
	buf_release(&body);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "server") == 0)
		return serve(argc - 2, argv + 2);
	if (argc >= 3 && strcmp(argv[1], "client") == 0)
		return client(argc - 1, argv + 1);
	fprintf(stderr, "usage: see the first lines of tests/http_tool.c\n");
	return 2;
}
