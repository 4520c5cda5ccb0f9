/* docker/stream: frames, endless answers, connections that are taken over. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "docker/stream.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

#define N(list) (sizeof(list) / sizeof((list)[0]))
#define S(lit) \
	{ \
		(lit), sizeof(lit) - 1 \
	}
#define OUT(n) "\1\0\0\0\0\0\0" n
#define ERR "\2\0\0\0\0\0\0"
#define TEN "It failed."
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* ---- frames ---- */

static const struct frame_row {
	const char *name;
	struct str bytes;
	const char *want; /* "o[a]e[b]", or words of the refusal behind "!" */
} frame_rows[] = {
	{ "nothing", S(""), "" },
	{ "one", S(OUT("\2") "hi"), "o[hi]" },
	{ "both", S(OUT("\2") "hi" ERR "\3you" OUT("\1") "!"), "o[hi]e[you]o[!]" },
	{ "an empty one", S(OUT("\0") ERR "\1x"), "o[]e[x]" },
	{ "the engine's words", S("\3\0\0\0\0\0\0\4oops"), "s[oops]" },
	{ "stdin's", S("\0\0\0\0\0\0\0\1x"), "i[x]" },
	{ "a source that is none", S("\4\0\0\0\0\0\0\1x"), "!not in frames" },
	{ "bytes that are not nothing", S("\1\0\1\0\0\0\0\1x"), "!not in frames" },
	{ "no frames", S("hello world"), "!68656c6c" },
	{ "a head that is cut",
	  S(OUT("\1") "x"
		      "\1\0\0"),
	  "!broke off" },
	{ "a frame that is cut", S(OUT("\4") "x"), "!broke off" },
	{ "a frame of 4 GiB", S("\1\0\0\0\xff\xff\xff\xffx"), "!broke off" },
};

static void add_piece(struct buf *got, const struct docker_frames *f,
		      struct str piece, bool *open)
{
	if (!*open)
		buf_addf(got, "%c[", "ioes"[f->source]);
	buf_addstr(got, piece);
	*open = f->left > 0;
	if (!*open)
		buf_addc(got, ']');
}

/* Given in pieces of that many bytes. */
static void frames_of(const struct frame_row *row, size_t piece_n, struct buf *got)
{
	struct docker_frames f = { 0 };
	struct str rest = row->bytes, now, piece;
	struct err e = ERR_INIT;
	bool open = false;
	int rc = 0;

	buf_reset(got);
	while (rest.n > 0 && rc >= 0) {
		now = str_head(rest, piece_n);
		rest = str_skip(rest, piece_n);
		while ((rc = docker_frame(&f, &now, &piece, &e)) > 0)
			add_piece(got, &f, piece, &open);
	}
	if (rc < 0 || docker_frames_end(&f, &e) < 0) {
		buf_reset(got);
		buf_addf(got, "!%s", e.msg);
	}
}

static void frames(void)
{
	struct buf got = BUF_INIT(1024);

	for (size_t i = 0; i < N(frame_rows); i++) {
		const struct frame_row *row = &frame_rows[i];
		bool good = true;

		for (size_t n = 1; n <= row->bytes.n + 1; n++) {
			frames_of(row, n, &got);
			good = good &&
			       (row->want[0] == '!' ?
					got.str[0] == '!' &&
						strstr(got.str, row->want + 1) :
					strcmp(got.str, row->want) == 0);
		}
		checkf(good, row->name, "%s", got.str);
	}
	buf_release(&got);
}

/* ---- an endless answer ---- */

static void say_logs(void *ctx, const char *method, const char *target,
		     const char *body, struct engine_reply *r)
{
	(void)ctx, (void)method, (void)body;
	r->status = 200;
	if (strcmp(target, "/_ping") == 0) {
		r->body = "OK";
		r->fields = "Api-Version: 1.41\r\n";
	} else if (strstr(target, "/none/") != NULL) {
		r->status = 404;
		r->body = "{\"message\":\"no such service: none\"}";
	} else if (strstr(target, "/late/") != NULL) {
		r->body = "late";
		r->delay_ms = 300;
	} else {
		r->body = "all that it says";
		r->piece = 3;
		r->cut = strstr(target, "/cut/") != NULL;
	}
}

static int keep(void *ctx, struct str piece, struct err *e)
{
	(void)e;
	buf_addstr(ctx, piece);
	return 0;
}

static int enough(void *ctx, struct str piece, struct err *e)
{
	(void)ctx, (void)piece;
	return err_set(e, ERR_DATA, "enough");
}

/* It is silent so often that somebody asks, who stops at some time. */
struct patience {
	unsigned asked, most;
	struct buf got;
};

static int keep_late(void *ctx, struct str piece, struct err *e)
{
	struct patience *p = ctx;

	return keep(&p->got, piece, e);
}

static int is_silent(void *ctx, struct err *e)
{
	struct patience *p = ctx;

	return ++p->asked == p->most ? err_set(e, ERR_DATA, "long enough") : 0;
}

static void silences(struct docker *d)
{
	struct patience p = { .got = BUF_INIT(64) };
	struct err e = ERR_INIT;

	d->silence_ms = 20;
	check(docker_follow(d, "/services/late/logs", keep_late, is_silent, &p,
			    &e) == 0 &&
		      p.asked > 1 && strcmp(p.got.str, "late") == 0,
	      "silent for a while, and then it speaks", e.msg);
	p.asked = 0;
	p.most = 3;
	check(docker_follow(d, "/services/late/logs", keep_late, is_silent, &p,
			    &e) < 0 &&
		      p.asked == 3 && e.kind == ERR_DATA &&
		      strstr(e.msg, "long enough") != NULL,
	      "silent for too long", e.msg);
	e = (struct err)ERR_INIT;
	p.asked = 0;
	check(docker_follow(d, "/services/late/logs", keep_late, NULL, &p, &e) ==
			      0 &&
		      p.asked == 0,
	      "nobody is asked", e.msg);
	buf_release(&p.got);
}

static void follows(void)
{
	struct engine engine = { .answer = say_logs };
	struct buf got = BUF_INIT(1024);
	struct err e = ERR_INIT;
	struct docker d;

	engine_start(&engine);
	docker_init_unix(&d, engine.path);
	check(docker_follow(&d, "/services/a/logs", keep, NULL, &got, &e) == 0 &&
		      strcmp(got.str, "all that it says") == 0,
	      "followed to its end", e.msg);
	check(docker_follow(&d, "/services/none/logs", keep, NULL, &got, &e) < 0 &&
		      e.kind == ERR_DOCKER && d.status == 404 &&
		      strstr(e.msg, "no such service: none") != NULL,
	      "followed: refused in the engine's words", e.msg);
	e = (struct err)ERR_INIT;
	check(docker_follow(&d, "/services/a/logs", enough, NULL, NULL, &e) < 0 &&
		      strstr(e.msg, "enough") != NULL,
	      "followed until it is enough", e.msg);
	e = (struct err)ERR_INIT;
	check(docker_follow(&d, "/services/cut/logs", keep, NULL, &got, &e) < 0 &&
		      (e.kind == ERR_PROTO || e.kind == ERR_NET),
	      "followed: an answer that is cut is no end", e.msg);
	silences(&d);
	docker_release(&d);
	engine_stop(&engine);
	buf_release(&got);
}

/* ---- taken over ---- */

/* An engine that says this to each request but the ping, and that closes. */
struct peer {
	int fd;
	struct str says;
	char heard[8192];
};

static void *play(void *arg)
{
	struct peer *p = arg;
	size_t body_n;
	int n = 0;

	while (engine_read(p->fd, p->heard, &body_n) > 0 && n++ < 2) {
		static const char ping[] = "HTTP/1.1 200 OK\r\nApi-Version: "
					   "1.41\r\nContent-Length: 0\r\n\r\n";

		if (strncmp(p->heard, "GET /_ping", 10) == 0) {
			engine_send(p->fd, ping, sizeof(ping) - 1);
			continue;
		}
		engine_send(p->fd, p->says.p, p->says.n);
		break;
	}
	shutdown(p->fd, SHUT_WR);
	return NULL;
}

static struct stream *dial_peer(void *ctx, bool tls, const char *host,
				unsigned port, int64_t deadline_ms, struct err *e)
{
	struct peer *p = ctx;
	int fd[2];

	(void)tls, (void)host, (void)port, (void)deadline_ms;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0) {
		err_sys(e, ERR_NET, "socketpair");
		return NULL;
	}
	p->fd = fd[1];
	return stream_of_fd(fd[0]);
}

static const struct hijack_row {
	const char *name;
	struct str says;
	const char *words; /* NULL: it is given */
	const char *first; /* what has come with it, or does then */
} hijack_rows[] = {
	{ "101",
	  S("HTTP/1.1 101 UPGRADED\r\nContent-Type: x\r\n"
	    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello"),
	  NULL, "hello" },
	{ "200, as engines answer who knows no Upgrade",
	  S("HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\nhello"), NULL, "hello" },
	{ "101, and silence", S("HTTP/1.1 101 UPGRADED\r\n\r\n"), NULL, "" },
	{ "409",
	  S("HTTP/1.1 409 Conflict\r\nContent-Length: 28\r\n\r\n"
	    "{\"message\":\"it is not so\"}\r\n"),
	  "it is not so (409)", NULL },
	{ "200 with a length", S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
	  "does not give the connection away", NULL },
	{ "nothing", S(""), "closed", NULL },
};

static void hijack(const struct hijack_row *row)
{
	struct peer p = { .says = row->says };
	struct buf rest = BUF_INIT(4096);
	cJSON *body = cJSON_CreateObject();
	struct stream *stream = NULL;
	struct err e = ERR_INIT;
	pthread_t thread;
	struct docker d;
	char more[64];
	ssize_t n = 0;
	int rc, fd[2];

	/* the connection is there before who answers */
	docker_init(&d, (struct http_dialer){ dial_peer, &p });
	d.api = 41;
	d.timeout_ms = CHECK_PATIENCE_MS;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		exit(1);
	p.fd = fd[1];
	d.http.stream = stream_of_fd(fd[0]);
	d.http.port = 80;
	snprintf(d.http.host, sizeof(d.http.host), "docker");
	pthread_create(&thread, NULL, play, &p);
	json_add_bool(body, "Tty", false);
	rc = docker_hijack(&d, "/exec/a/start", body, &stream, &rest, &e);
	pthread_join(thread, NULL);
	while (stream != NULL && (n = stream_read(stream, more, sizeof(more),
						  now_ms() + 5000, &e)) > 0)
		buf_add(&rest, more, (size_t)n);
	if (row->words == NULL)
		checkf(rc == 0 && n == 0 && strcmp(rest.str, row->first) == 0 &&
			       strstr(p.heard, "\r\nUpgrade: tcp\r\n") &&
			       strstr(p.heard, "\r\nConnection: Upgrade\r\n") &&
			       strstr(p.heard, "{\"Tty\":false}"),
		       row->name, "%s, %s, %s", e.msg, rest.str, p.heard);
	else
		check(rc < 0 && stream == NULL && strstr(e.msg, row->words),
		      row->name, e.msg);
	stream_close(stream);
	close(p.fd);
	docker_release(&d);
	json_free(body);
	buf_release(&rest);
}

/* ---- carried ---- */

#define MANY (8u << 20)

/* What the other end of a connection does. */
struct far {
	int fd;
	const char *does; /* "echo", "frames", "deaf", a text to say */
	struct str says;
	size_t heard;
};

static void *be_far(void *arg)
{
	struct far *f = arg;
	char b[60000 + 8] = { 1 };
	ssize_t n;

	if (f->says.p != NULL)
		engine_send(f->fd, f->says.p, f->says.n);
	if (strcmp(f->does, "deaf") == 0) {
		struct pollfd p = { .fd = f->fd };

		/* closed with bytes that it did not read, it would be reset */
		shutdown(f->fd, SHUT_WR);
		poll(&p, 1, CHECK_PATIENCE_MS);
	}
	while (strcmp(f->does, "deaf") != 0 &&
	       (n = recv(f->fd, b + 8, sizeof(b) - 8, 0)) > 0) {
		bool framed = strcmp(f->does, "frames") == 0;

		/* stdout and stderr in turn */
		b[0] = (char)(1 + (f->heard & 1));
		for (int i = 0; i < 4; i++)
			b[4 + i] = (char)(n >> 8 * (3 - i));
		if (strcmp(f->does, "hear") != 0)
			engine_send(f->fd, framed ? b : b + 8,
				    (size_t)n + (framed ? 8 : 0));
		f->heard += (size_t)n;
	}
	if (strcmp(f->does, "hear") == 0)
		engine_send(f->fd, "heard", 5);
	close(f->fd);
	return NULL;
}

struct pump {
	int fd;
	size_t n;
	int delay_ms; /* before the first byte is taken */
};

static void *fill(void *arg)
{
	struct pump *p = arg;
	char b[50000];

	memset(b, 'x', sizeof(b));
	for (size_t left = p->n; left > 0;) {
		ssize_t n = write(p->fd, b, left < sizeof(b) ? left : sizeof(b));

		if (n <= 0)
			break;
		left -= (size_t)n;
	}
	close(p->fd);
	return NULL;
}

static void *drain(void *arg)
{
	struct pump *p = arg;
	char b[50000];
	ssize_t n;

	poll(NULL, 0, p->delay_ms);
	while ((n = read(p->fd, b, sizeof(b))) > 0)
		p->n += (size_t)n;
	close(p->fd);
	return NULL;
}

static const struct carry_row {
	const char *name, *does;
	struct str says;
	size_t in; /* bytes on stdin; SIZE_MAX: there is no stdin */
	bool framed;
	int delay_ms;
	size_t out; /* on stdout and stderr together */
	enum err_kind kind;
	const char *words;
} carry_rows[] = {
	{ "8 MB, and back", "echo", { 0 }, MANY, false, 0, MANY, ERR_NONE, "" },
	{ "8 MB to who reads late", "echo", { 0 }, MANY, false, 300, MANY, ERR_NONE, "" },
	{ "8 MB in frames", "frames", { 0 }, MANY, true, 100, MANY, ERR_NONE, "" },
	{ "nothing on stdin: its end is told", "hear", { 0 }, 0, false, 0, 5, ERR_NONE, "" },
	{ "all of stdin, and then its end", "hear", { 0 }, 100000, false, 0, 5, ERR_NONE, "" },
	{ "who takes nothing has his say", "deaf", S("bye"), MANY, false, 0, 3,
	  ERR_NONE, "" },
	{ "no stdin", "deaf", S(OUT("\2") "hi"), SIZE_MAX, true, 0, 2, ERR_NONE,
	  "" },
	{ "the engine's own words", "deaf", S("\3\0\0\0\0\0\0\5oops\n"),
	  SIZE_MAX, true, 0, 0, ERR_DOCKER, "oops" },
	{ "more of them than are told", "deaf",
	  S("\3\0\0\0\0\0\3\xe8" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
		    HUNDRED HUNDRED HUNDRED HUNDRED),
	  SIZE_MAX, true, 0, 0, ERR_DOCKER, TEN },
	{ "broken off in a frame", "deaf", S(OUT("\7") "hi"), SIZE_MAX, true, 0,
	  SIZE_MAX, ERR_NET, "broke off" },
	{ "no frames where there should be", "deaf", S("# welcome"), SIZE_MAX,
	  true, 0, SIZE_MAX, ERR_PROTO, "not in frames" },
};

static void carry(const struct carry_row *row)
{
	int far[2], in[2], out[2], err[2];
	struct far f = { .does = row->does, .says = row->says };
	struct pump from = { 0 }, to[2] = { { 0 } };
	struct docker_carry k = { .wake_fd = -1, .framed = row->framed };
	struct err e = ERR_INIT;
	pthread_t t[4];
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, far) < 0 || pipe(in) < 0 ||
	    pipe(out) < 0 || pipe(err) < 0)
		exit(1);
	f.fd = far[1];
	from = (struct pump){ in[1], row->in == SIZE_MAX ? 0 : row->in, 0 };
	to[0] = (struct pump){ out[0], 0, row->delay_ms };
	to[1] = (struct pump){ err[0], 0, row->delay_ms };
	k.stream = stream_of_fd(far[0]);
	k.in = row->in == SIZE_MAX ? -1 : in[0];
	k.out = out[1];
	k.err = err[1];
	pthread_create(&t[0], NULL, be_far, &f);
	pthread_create(&t[1], NULL, fill, &from);
	pthread_create(&t[2], NULL, drain, &to[0]);
	pthread_create(&t[3], NULL, drain, &to[1]);
	rc = docker_carry(&k, &e);
	stream_close(k.stream);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	for (size_t i = 0; i < N(t); i++)
		pthread_join(t[i], NULL);
	checkf((rc == 0) == (row->kind == ERR_NONE) && e.kind == row->kind &&
		       strstr(e.msg, row->words) != NULL &&
		       (row->out == SIZE_MAX || to[0].n + to[1].n == row->out) &&
		       (strcmp(row->does, "hear") != 0 || f.heard == row->in),
	       row->name, "%d, %zu out, %zu err, %zu heard, %s", rc, to[0].n,
	       to[1].n, f.heard, e.msg);
}

int main(void)
{
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	json_init();
	if (interrupt_init(&e) < 0)
		return 1;
	frames();
	follows();
	for (size_t i = 0; i < N(hijack_rows); i++)
		hijack(&hijack_rows[i]);
	for (size_t i = 0; i < N(carry_rows); i++)
		carry(&carry_rows[i]);
	return check_failed();
}
