/*
 * http.c and http/ over sockets on loopback: what is a matter of time,
 * of closing, and of many at once.  Bounds are generous: a slow machine is no
 * failure.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/net.h"
#include "http.h"
#include "tests/check.h"

/* ---- a peer made by hand ---- */

struct peer {
	int listener;
	unsigned port;
	pthread_t thread;
	void (*play)(struct peer *p, int fd, unsigned nth);
	unsigned connections; /* how many it plays */
	atomic_uint taken;
	atomic_bool done;
};

static void hear_request(int fd)
{
	char b[4096];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof b - 1 && (got = recv(fd, b + n, 1, 0)) == 1) {
		b[++n] = '\0';
		if (n >= 4 && strcmp(b + n - 4, "\r\n\r\n") == 0)
			return;
	}
}

static bool tell(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) ==
	       (ssize_t)strlen(text);
}

static void *peer_thread(void *arg)
{
	struct peer *p = arg;

	for (unsigned i = 0; i < p->connections; i++) {
		int fd = accept(p->listener, NULL, NULL);

		if (fd < 0)
			break;
		p->taken++;
		p->play(p, fd, i);
		close(fd);
	}
	return NULL;
}

static void peer_start(struct peer *p,
		       void (*play)(struct peer *, int, unsigned), unsigned n)
{
	struct err e = ERR_INIT;
	int blocking;

	memset(p, 0, sizeof *p);
	p->play = play;
	p->connections = n;
	p->listener = tcp_listen("127.0.0.1", &p->port, NULL, &e);
	if (p->listener < 0)
		abort();
	/* accept() here blocks */
	blocking = dup(p->listener);
	close(p->listener);
	p->listener = blocking;
	if (fcntl(p->listener, F_SETFL, 0) < 0)
		abort();
	pthread_create(&p->thread, NULL, peer_thread, p);
}

static void peer_end(struct peer *p)
{
	p->done = true;
	shutdown(p->listener, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->listener);
}

static void wait_for_end(int fd)
{
	char b[4096];

	while (recv(fd, b, sizeof b, 0) > 0)
		;
}

static void trickle(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	while (tell(fd, "x"))
		usleep(30000);
}

static void trickle_head(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, "HTTP/1.1 200 OK\r\nX: ");
	while (tell(fd, "x"))
		usleep(30000);
}

static void silent(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	wait_for_end(fd);
}

static void silent_later(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx");
	wait_for_end(fd);
}

static void flood(struct peer *p, int fd, unsigned nth)
{
	char *lots = malloc(1 << 16);

	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, "HTTP/1.1 200 OK\r\n\r\n");
	memset(lots, 'x', 1 << 16);
	while (send(fd, lots, 1 << 16, MSG_NOSIGNAL) > 0)
		;
	free(lots);
}

/* Says no behind the header, reads nothing more, and waits. */
static void refuse_upload(struct peer *p, int fd, unsigned nth)
{
	(void)nth;
	hear_request(fd);
	tell(fd, "HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno!");
	/* its end is behind what we do not read */
	while (!p->done)
		usleep(10000);
}

/* Says no and hangs up, its input unread: a reset is on its way. */
static void refuse_and_reset(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd,
	     "HTTP/1.1 403 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!");
	usleep(100000);
}

#define FINE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* One answer, then it waits for the next request only to hang up. */
static void hang_up_on_second(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, FINE);
	hear_request(fd);
}

/* One answer, then it closes. */
static void close_quietly(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, FINE);
}

/* The first time one answer; from then on it hangs up on everybody. */
static void never_again(struct peer *p, int fd, unsigned nth)
{
	(void)p;
	hear_request(fd);
	if (nth > 0)
		return;
	tell(fd, FINE);
	hear_request(fd);
}

static void half_and_reset(struct peer *p, int fd, unsigned nth)
{
	struct linger hard = { .l_onoff = 1 };

	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, FINE);
	hear_request(fd);
	tell(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi");
	usleep(100000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* ---- the client against it ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int fd = tcp_connect(host, port, deadline_ms, e);

	(void)ctx;
	(void)tls;
	return fd < 0 ? NULL : stream_of_fd(fd);
}

struct asked {
	struct http_client c;
	struct http_response r;
	struct err e;
	char url[64];
	int64_t took_ms;
};

static void asked_init(struct asked *a, const struct peer *p)
{
	memset(a, 0, sizeof *a);
	http_client_init(&a->c, (struct http_dialer){ .dial = dial }, "me");
	http_response_init(&a->r, 1 << 30);
	snprintf(a->url, sizeof a->url, "http://127.0.0.1:%u/", p->port);
}

static void asked_release(struct asked *a)
{
	http_client_release(&a->c);
	http_response_release(&a->r);
}

static int ask(struct asked *a, const char *method, struct str body, int64_t ms,
	       int64_t idle_ms)
{
	struct http_request q = {
		.method = method,
		.url = a->url,
		.body = body,
		.deadline_ms = now_ms() + ms,
		.idle_ms = idle_ms,
	};
	int64_t before = now_ms();
	int rc;

	err_clear(&a->e);
	rc = http_exchange(&a->c, &q, &a->r, &a->e);
	a->took_ms = now_ms() - before;
	return rc;
}

static void in_time(void)
{
	static const struct {
		const char *name;
		void (*play)(struct peer *, int, unsigned);
		int64_t deadline_ms, idle_ms, least_ms;
		const char *words;
	} rows[] = {
		{ "a peer that trickles its body", trickle, 2000, 5000, 2000,
		  "127.0.0.1: the answer" },
		{ "a peer that trickles its header", trickle_head, 2000, 5000,
		  2000, "127.0.0.1: the answer" },
		{ "a peer that says nothing", silent, CHECK_PATIENCE_MS, 200,
		  200, "127.0.0.1: waiting for an answer: timed out" },
		{ "a peer that falls silent", silent_later, CHECK_PATIENCE_MS,
		  1500, 1500, "127.0.0.1: the answer broke off: timed out" },
		/* as long as no machine needs for all that an answer may have */
		{ "a peer that never ends", flood, 300, 5000, 300,
		  "127.0.0.1: the answer took too long" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct peer p;
		struct asked a;
		int rc;

		peer_start(&p, rows[i].play, 1);
		asked_init(&a, &p);
		rc = ask(&a, "GET", STR_NULL, rows[i].deadline_ms,
			 rows[i].idle_ms);
		checkf(rc < 0 && a.e.kind == ERR_TIMEOUT &&
			       strstr(a.e.msg, rows[i].words) != NULL &&
			       a.took_ms >= rows[i].least_ms &&
			       a.took_ms < CHECK_PATIENCE_MS && a.c.stream == NULL,
		       rows[i].name, "rc %d, kind %d, \"%s\", %d ms", rc,
		       (int)a.e.kind, a.e.msg, (int)a.took_ms);
		asked_release(&a);
		peer_end(&p);
	}
}

static void early_answers(void)
{
	char *big = xcalloc(1, 64 << 20);
	struct str body = { big, 64 << 20 };
	struct peer p;
	struct asked a;

	peer_start(&p, refuse_upload, 1);
	asked_init(&a, &p);
	checkf(ask(&a, "POST", body, 2 * CHECK_PATIENCE_MS, CHECK_PATIENCE_MS) ==
			       0 &&
		       a.r.head.status == 413 && strcmp(a.r.body.str, "no!") == 0 &&
		       a.c.stream == NULL && a.took_ms < CHECK_PATIENCE_MS,
	       "a no that comes while the body is sent", "%s, %d ms", a.e.msg,
	       (int)a.took_ms);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, refuse_and_reset, 1);
	asked_init(&a, &p);
	checkf(ask(&a, "POST", body, 2 * CHECK_PATIENCE_MS, CHECK_PATIENCE_MS) ==
			       0 &&
		       a.r.head.status == 403 && a.took_ms < CHECK_PATIENCE_MS,
	       "a no, and a reset behind it", "%s, %d ms", a.e.msg,
	       (int)a.took_ms);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, silent, 1);
	asked_init(&a, &p);
	/* it reads everything, and says nothing */
	checkf(ask(&a, "PUT", body, 2 * CHECK_PATIENCE_MS, 3000) < 0 &&
		       a.e.kind == ERR_TIMEOUT &&
		       strstr(a.e.msg, "waiting for an answer") != NULL,
	       "a body taken without an answer", "%s", a.e.msg);
	asked_release(&a);
	peer_end(&p);
	free(big);
}

/* The peer has closed its end, and that has arrived. */
static bool has_ended(struct stream *s)
{
	struct pollfd p = { .fd = stream_fd(s), .events = POLLIN };

	return poll(&p, 1, CHECK_PATIENCE_MS) == 1;
}

static void stale(void)
{
	struct peer p;
	struct asked a;

	/* its end arrives before the next request: not even a POST is lost */
	peer_start(&p, close_quietly, 2);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       has_ended(a.c.stream) &&
		       ask(&a, "POST", STR("x"), CHECK_PATIENCE_MS, 0) == 0 &&
		       a.c.connections == 2 && a.c.requests == 2,
	       "a connection closed meanwhile is not used",
	       "%s, %u connections, %u requests", a.e.msg, a.c.connections,
	       a.c.requests);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, hang_up_on_second, 2);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       ask(&a, "DELETE", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       a.c.connections == 2 && a.c.requests == 3 && p.taken == 2,
	       "a stale connection is replaced", "%s, %u connections, %u requests",
	       a.e.msg, a.c.connections, a.c.requests);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, hang_up_on_second, 2);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       ask(&a, "POST", STR("x"), CHECK_PATIENCE_MS, 0) < 0 &&
		       a.e.kind == ERR_NET && a.c.requests == 2 &&
		       a.c.connections == 1 &&
		       strstr(a.e.msg, "127.0.0.1: ") == a.e.msg,
	       "but a POST is not sent twice", "%s, %u requests", a.e.msg,
	       a.c.requests);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, never_again, 3);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) < 0 &&
		       a.e.kind == ERR_NET && a.c.requests == 3 &&
		       a.c.connections == 2,
	       "and nothing is sent three times", "%s, %u requests", a.e.msg,
	       a.c.requests);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, half_and_reset, 2);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
		       ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) < 0 &&
		       a.e.kind == ERR_PROTO && a.c.requests == 2 &&
		       strstr(a.e.msg, "127.0.0.1: the answer broke off: ") ==
			       a.e.msg,
	       "an answer broken off is not asked for again", "%s", a.e.msg);
	asked_release(&a);
	peer_end(&p);
}

static ssize_t one_read(void *ctx, void *p, size_t n, struct err *e)
{
	unsigned *reads = ctx;

	(void)e;
	memset(p, 'x', n);
	++*reads;
	return (ssize_t)n;
}

/* One answer, then it hangs up in the middle of a body. */
static void hang_up_on_body(struct peer *p, int fd, unsigned nth)
{
	char c;

	(void)p;
	(void)nth;
	hear_request(fd);
	tell(fd, FINE);
	hear_request(fd);
	recv(fd, &c, 1, 0);
}

/* What cannot be read again cannot be sent again. */
static void read_once(void)
{
	unsigned reads = 0;
	struct peer p;
	struct asked a;
	int rc;
	struct http_request q = {
		.method = "PUT",
		.body_read = one_read,
		.body_ctx = &reads,
		.body_length = 100,
		.deadline_ms = now_ms() + 5000,
	};

	peer_start(&p, hang_up_on_body, 2);
	asked_init(&a, &p);
	q.url = a.url;
	rc = ask(&a, "GET", STR_NULL, 5000, 0) == 0 ?
		     http_exchange(&a.c, &q, &a.r, &a.e) :
		     0;
	checkf(rc < 0 && a.e.kind == ERR_NET && a.c.requests == 2 && reads == 1,
	       "a body that is read while it is sent goes once",
	       "%s, %u requests, %u reads", a.e.msg, a.c.requests, reads);
	asked_release(&a);
	peer_end(&p);
}

static void where_it_goes(void)
{
	struct peer p;
	struct asked a;

	/* nobody listens at the other address */
	peer_start(&p, hang_up_on_second, 1);
	asked_init(&a, &p);
	checkf(ask(&a, "GET", STR_NULL, 5000, 0) == 0 &&
		       snprintf(a.url, sizeof a.url, "http://127.0.0.2:%u/",
				p.port) > 0 &&
		       ask(&a, "GET", STR_NULL, 5000, 0) < 0 && a.c.requests == 1,
	       "another host does not get the connection of the first",
	       "%s, %u requests", a.e.msg, a.c.requests);
	asked_release(&a);
	peer_end(&p);

	peer_start(&p, close_quietly, 1);
	asked_init(&a, &p);
	http_response_init(&a.r, 1);
	checkf(ask(&a, "GET", STR_NULL, 5000, 0) < 0 &&
		       strstr(a.e.msg, "the answer") != NULL && a.c.stream == NULL,
	       "an answer larger than it may be", "%s", a.e.msg);
	asked_release(&a);
	peer_end(&p);
}

/* ---- the server ---- */

struct site {
	struct http_server s;
	unsigned port;
	pthread_t thread;
	int rc;
	struct err e;
	atomic_uint handled, failed;
	pthread_mutex_t lock;
	char last[1024];
	atomic_bool shut; /* nobody is admitted */
};

static void serve(void *ctx, struct http_exchange *x)
{
	struct site *site = ctx;
	struct str path = http_x_path(x);
	struct err e = ERR_INIT;

	site->handled++;
	if (str_eqz(path, "/slow") || str_eqz(path, "/stay")) {
		usleep(500000);
		if (str_eqz(path, "/stay"))
			http_x_stay(x);
		http_x_answer(x, 200, NULL, STR("at last"));
	} else if (str_ends(path, STR("/nth"))) {
		char nth[16];

		snprintf(nth, sizeof nth, "nth=%u", (unsigned)site->handled);
		http_x_answer(x, 200, NULL, str_of(nth));
	} else if (str_eqz(path, "/forever")) {
		int rc = http_x_begin(x, 200, NULL, UINT64_MAX, &e);

		while (rc == 0) {
			rc = http_x_send(x, STR("tick"), &e);
			usleep(20000);
		}
	} else if (str_eqz(path, "/until-told")) {
		int rc = http_x_begin(x, 200, NULL, UINT64_MAX, &e);

		while (rc == 0 && !http_x_stopping(x)) {
			rc = http_x_send(x, STR("tick"), &e);
			usleep(20000);
		}
		if (rc == 0)
			http_x_end(x, &e);
	} else if (str_eqz(path, "/lots")) {
		char *lots = xcalloc(1, 64 << 20);

		http_x_answer(x, 200, NULL, (struct str){ lots, 64 << 20 });
		free(lots);
	} else if (str_eqz(path, "/body")) {
		struct buf b = BUF_INIT(1000);

		if (http_x_body(x, &b, &e) == 0)
			http_x_answer(x, 200, NULL, buf_str(&b));
		buf_release(&b);
	} else {
		http_x_answer(x, 200, NULL, str_of(http_x_peer(x)));
	}
}

static void note(void *ctx, const struct err *e)
{
	struct site *site = ctx;

	site->failed++;
	pthread_mutex_lock(&site->lock);
	snprintf(site->last, sizeof site->last, "%s", e->msg);
	pthread_mutex_unlock(&site->lock);
}

static void *site_thread(void *arg)
{
	struct site *site = arg;

	site->rc = http_serve(&site->s, &site->e);
	return NULL;
}

static void site_make(struct site *site, unsigned max_conns, int64_t idle_ms,
		      int64_t body_ms)
{
	struct err e = ERR_INIT;

	memset(site, 0, sizeof *site);
	pthread_mutex_init(&site->lock, NULL);
	site->s = (struct http_server){
		.max_conns = max_conns,
		.body_max = 1 << 20,
		.idle_ms = idle_ms,
		.body_ms = body_ms,
		.handle = serve,
		.failed = note,
		.ctx = site,
	};
	site->s.stop_fd = eventfd(0, EFD_CLOEXEC);
	site->s.listen_fd = tcp_listen("127.0.0.1", &site->port, NULL, &e);
	if (site->s.listen_fd < 0)
		abort();
}

static void site_begin(struct site *site)
{
	if (pthread_create(&site->thread, NULL, site_thread, site) != 0)
		abort();
}

static void site_start(struct site *site, unsigned max_conns, int64_t idle_ms,
		       int64_t body_ms)
{
	site_make(site, max_conns, idle_ms, body_ms);
	site_begin(site);
}

static void site_tell_stop(struct site *site)
{
	const uint64_t one = 1;

	if (write(site->s.stop_fd, &one, sizeof one) < 0)
		abort();
}

/* How long it took to stop. */
static int64_t site_end(struct site *site)
{
	int64_t before = now_ms();

	pthread_join(site->thread, NULL);
	close(site->s.listen_fd);
	close(site->s.stop_fd);
	return now_ms() - before;
}

static struct stream *visit(const struct site *site, const char *says)
{
	struct err e = ERR_INIT;
	int fd = tcp_connect("127.0.0.1", site->port,
			     now_ms() + CHECK_PATIENCE_MS, &e);
	struct stream *s;

	if (fd < 0)
		abort();
	s = stream_of_fd(fd);
	if (stream_write(s, says, strlen(says), now_ms() + CHECK_PATIENCE_MS,
			 &e) < 0)
		printf("# %s\n", e.msg);
	return s;
}

/* Until the end, or a deadline: false then. */
static bool hear(struct stream *s, struct buf *b, int64_t ms)
{
	int64_t until = now_ms() + ms;
	struct err e = ERR_INIT;
	char piece[4096];
	ssize_t got;

	while ((got = stream_read(s, piece, sizeof piece, until, &e)) > 0)
		buf_add(b, piece, (size_t)got);
	return got == 0;
}

static bool hear_some(struct stream *s, struct buf *b)
{
	struct err e = ERR_INIT;
	char piece[4096];
	ssize_t got = stream_read(s, piece, sizeof piece,
				  now_ms() + CHECK_PATIENCE_MS, &e);

	if (got > 0)
		buf_add(b, piece, (size_t)got);
	return got > 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void limits(void)
{
	struct site site;
	struct stream *s, *t;
	struct buf b = BUF_INIT(1 << 20);
	int64_t before;

	site_start(&site, 10, 1000, 1200);
	before = now_ms();
	s = visit(&site, "");
	checkf(hear(s, &b, CHECK_PATIENCE_MS) && b.n == 0 &&
		       now_ms() - before >= 1000 &&
		       now_ms() - before < CHECK_PATIENCE_MS,
	       "no request: closed", "\"%s\", %d ms", b.str,
	       (int)(now_ms() - before));
	stream_close(s);
	before = now_ms();
	/* more than the first block of the buffer it is gathered in */
	s = visit(&site,
		  "POST / HTTP/1.1\r\nHost: a\r\n"
		  "X: 0123456789012345678901234567890123456789012345678901234567890123456789\r\nHo");
	checkf(hear(s, &b, CHECK_PATIENCE_MS) &&
		       strstr(b.str, "HTTP/1.1 408 ") == b.str &&
		       now_ms() - before >= 1000,
	       "half a header: 408", "\"%s\"", b.str);
	stream_close(s);
	buf_reset(&b);
	s = visit(&site,
		  "PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
	checkf(hear(s, &b, CHECK_PATIENCE_MS) &&
		       strstr(b.str, "HTTP/1.1 408 ") == b.str,
	       "half a body: 408", "\"%s\"", b.str);
	stream_close(s);
	buf_reset(&b);
	/* a byte now and then does not help */
	before = now_ms();
	s = visit(&site,
		  "PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nab");
	struct err e = ERR_INIT;

	for (int i = 0; i < 100 && now_ms() - before < 4000; i++) {
		usleep(50000);
		if (stream_write(s, "x", 1, now_ms() + 100, &e) < 0)
			break;
	}
	hear(s, &b, CHECK_PATIENCE_MS);
	checkf(strstr(b.str, "HTTP/1.1 408 ") == b.str,
	       "a body that trickles: 408", "\"%s\"", b.str);
	stream_close(s);
	buf_reset(&b);
	/* kept alive, then idle */
	s = visit(&site, GET("/"));
	checkf(hear_some(s, &b) && hear(s, &b, CHECK_PATIENCE_MS) &&
		       strstr(b.str, "HTTP/1.1 200 ") == b.str &&
		       strstr(b.str, "127.0.0.1:") != NULL,
	       "idle connections are closed", "\"%s\"", b.str);
	stream_close(s);
	buf_reset(&b);
	/* asks for much and takes nothing: given up, and others are not kept */
	unsigned failed = site.failed;

	s = visit(&site, GET("/lots"));
	t = visit(&site, GET("/"));
	checkf(hear_some(t, &b) && strstr(b.str, "HTTP/1.1 200 ") == b.str,
	       "one that takes nothing keeps nobody", "\"%s\"", b.str);
	stream_close(t);
	for (int i = 0; i < 1200 && site.failed == failed; i++)
		usleep(50000);
	pthread_mutex_lock(&site.lock);
	checkf(site.failed > failed &&
		       strstr(site.last, "answering: timed out") != NULL,
	       "and is given up", "%s", site.last);
	pthread_mutex_unlock(&site.lock);
	stream_close(s);
	site_tell_stop(&site);
	site_end(&site);
	checkf(site.rc == 0, "stopped", "%s", site.e.msg);
	buf_release(&b);
}

/* A large body that is refused: the answer must survive the rest of it. */
static void refused_uploads(void)
{
	struct site site;
	struct stream *s;
	struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	char *big = xcalloc(1, 3 << 20);

	site_start(&site, 10, 20000, 20000);
	for (int i = 0; i < 5; i++) {
		buf_reset(&b);
		s = visit(&site,
			  "PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n\r\n");
		/* all of it, whatever is said meanwhile */
		if (stream_write(s, big, 3 << 20, now_ms() + CHECK_PATIENCE_MS,
				 &e) < 0 ||
		    !hear(s, &b, CHECK_PATIENCE_MS) ||
		    strstr(b.str, "HTTP/1.1 413 ") != b.str)
			break;
		stream_close(s);
		s = NULL;
	}
	checkf(s == NULL, "413 arrives although all was sent", "%s \"%s\"",
	       e.msg, b.str);
	stream_close(s);
	for (int i = 0; i < 5; i++) {
		buf_reset(&b);
		s = visit(&site, "PUT /body HTTP/1.1\r\nHost : a\r\n");
		if (stream_write(s, big, 3 << 20, now_ms() + CHECK_PATIENCE_MS,
				 &e) < 0 ||
		    !hear(s, &b, CHECK_PATIENCE_MS) ||
		    strstr(b.str, "HTTP/1.1 400 ") != b.str)
			break;
		stream_close(s);
		s = NULL;
	}
	checkf(s == NULL, "400 arrives although more was sent", "%s \"%s\"",
	       e.msg, b.str);
	stream_close(s);
	site_tell_stop(&site);
	site_end(&site);
	free(big);
	buf_release(&b);
}

static void stopping(void)
{
	struct site site;
	struct stream *slow, *idle, *forever, *told;
	struct buf b = BUF_INIT(1 << 20);
	int64_t took;

	site_start(&site, 10, 60000, 60000);
	idle = visit(&site, "");
	slow = visit(&site, GET("/slow"));
	told = visit(&site, GET("/until-told"));
	for (int i = 0; i < 6000 && site.handled < 2; i++)
		usleep(10000);
	site_tell_stop(&site);
	took = site_end(&site);
	checkf(site.rc == 0 && took < 4000, "told to stop, it does", "%d ms",
	       (int)took);
	checkf(hear(slow, &b, CHECK_PATIENCE_MS) &&
		       strstr(b.str, "at last") != NULL &&
		       strstr(b.str, "Connection: close\r\n") != NULL,
	       "what is being answered is answered", "\"%s\"", b.str);
	buf_reset(&b);
	checkf(hear(told, &b, CHECK_PATIENCE_MS) && b.n > 5 &&
		       strcmp(b.str + b.n - 5, "0\r\n\r\n") == 0,
	       "long answers are ended", "\"%s\"", b.str);
	buf_reset(&b);
	checkf(hear(idle, &b, CHECK_PATIENCE_MS) && b.n == 0,
	       "idle connections are closed then", "\"%s\"", b.str);
	stream_close(idle);
	stream_close(slow);
	stream_close(told);

	site_start(&site, 10, 60000, 60000);
	forever = visit(&site, GET("/forever"));
	buf_reset(&b);
	hear_some(forever, &b);
	site_tell_stop(&site);
	took = site_end(&site);
	checkf(site.rc == 0 && took >= HTTP_STOP_MS - 1000 &&
		       took < HTTP_STOP_MS + CHECK_PATIENCE_MS,
	       "one that does not end is ended", "%d ms", (int)took);
	stream_close(forever);
	buf_release(&b);
}

static void crowd(void)
{
	struct site site;
	struct stream *s[12];
	struct buf b = BUF_INIT(1 << 20);
	int64_t before = now_ms();
	unsigned served = 0;

	site_start(&site, 3, 60000, 60000);
	/* three that sit there, one of them after a request */
	s[0] = visit(&site, "");
	s[1] = visit(&site, GET("/"));
	hear_some(s[1], &b);
	s[2] = visit(&site, "");
	for (int i = 3; i < 12; i++) {
		s[i] = visit(&site, GET("/"));
		buf_reset(&b);
	}
	for (int i = 3; i < 12; i++) {
		buf_reset(&b);
		served += hear_some(s[i], &b) &&
			  strstr(b.str, "HTTP/1.1 200 ") == b.str;
	}
	checkf(served == 9 && now_ms() - before < 30000,
	       "idle connections make room", "%u served in %d ms", served,
	       (int)(now_ms() - before));
	for (int i = 0; i < 12; i++)
		stream_close(s[i]);
	site_tell_stop(&site);
	site_end(&site);
	buf_release(&b);
}

static struct stream *visit_from(const struct site *site, const char *own,
				 const char *says)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)site->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stream *s = stream_of_fd(fd);
	struct err e = ERR_INIT;

	inet_pton(AF_INET, own, &from.sin_addr);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		abort();
	stream_write(s, says, strlen(says), now_ms() + CHECK_PATIENCE_MS, &e);
	return s;
}

static bool is_served(struct stream *s)
{
	struct buf b = BUF_INIT(1 << 20);
	bool served = hear_some(s, &b) && strstr(b.str, "HTTP/1.1 200 ") == b.str;

	buf_release(&b);
	return served;
}

/* Connections that a client keeps for nothing are no reason to keep itself
 * waiting; what others have is theirs. */
static void thrifty(void)
{
	struct site site;
	struct stream *s[2], *other, *more[2];
	int64_t before;
	struct err e = ERR_INIT;
	bool served[2];
	char c;

	site_start(&site, 8, 60000, 60000);
	site.s.max_per_peer = 2;
	other = visit_from(&site, "127.0.0.22", GET("/"));
	is_served(other);
	for (int i = 0; i < 2; i++) {
		s[i] = visit_from(&site, "127.0.0.2", GET("/"));
		is_served(s[i]);
	}
	before = now_ms();
	for (int i = 0; i < 2; i++)
		more[i] = visit_from(&site, "127.0.0.2", GET("/"));
	for (int i = 0; i < 2; i++)
		served[i] = is_served(more[i]);
	checkf(served[0] && served[1] && now_ms() - before < 30000,
	       "an address that has enough makes room of its own",
	       "%d %d, %d ms", served[0], served[1], (int)(now_ms() - before));
	check(stream_read(s[0], &c, 1, now_ms() + CHECK_PATIENCE_MS, &e) == 0 &&
		      stream_read(s[1], &c, 1, now_ms() + CHECK_PATIENCE_MS,
				  &e) == 0,
	      "which is closed", e.msg);
	check(stream_write(other, GET("/"), strlen(GET("/")),
			   now_ms() + CHECK_PATIENCE_MS, &e) == 0 &&
		      is_served(other),
	      "and another's is not", e.msg);
	stream_close(other);
	for (int i = 0; i < 2; i++) {
		stream_close(s[i]);
		stream_close(more[i]);
	}
	site_tell_stop(&site);
	site_end(&site);
}

/* Half a request is no place for another address. */
static void greedy(void)
{
	struct site site;
	struct stream *s[6], *other, *later;
	int64_t before = now_ms();
	bool a, b;

	site_start(&site, 4, 30000, 30000);
	site.s.max_per_peer = 2;
	for (int i = 0; i < 6; i++)
		s[i] = visit_from(&site, "127.0.0.2", "GET / HT");
	other = visit_from(&site, "127.0.0.22", GET("/"));
	a = is_served(other);
	checkf(a && now_ms() - before < 25000,
	       "one address does not take every place", "%d, %d ms", a,
	       (int)(now_ms() - before));
	for (int i = 0; i < 6; i++)
		stream_close(s[i]);
	/* its places are free again */
	for (int i = 0; i < 3000; i++) {
		later = visit_from(&site, "127.0.0.2", GET("/"));
		b = is_served(later);
		stream_close(later);
		if (b)
			break;
		usleep(20000);
	}
	checkf(b, "and has them again when it hangs up", "refused");
	stream_close(other);
	site_tell_stop(&site);
	site_end(&site);
}

/* ---- places ---- */

/* A request for /p... proves something, one for /k... is of somebody known. */
static enum http_rank look_at(void *ctx, int fd, const char *peer)
{
	char b[6] = "";

	(void)ctx;
	(void)peer;
	recv(fd, b, sizeof b, MSG_PEEK | MSG_DONTWAIT);
	return b[5] == 'p' ? HTTP_PROVEN :
	       b[5] == 'k' ? HTTP_KNOWN :
			     HTTP_ANYBODY;
}

static bool unless_shut(void *ctx, const char *peer, enum http_rank rank)
{
	const struct site *site = ctx;

	(void)peer;
	return rank == HTTP_PROVEN || !site->shut;
}

static bool hears(struct stream *s, const char *words)
{
	struct buf b = BUF_INIT(1 << 20);
	bool so = hear_some(s, &b) && strstr(b.str, words) != NULL;

	if (!so)
		printf("# %s\n", b.str);
	buf_release(&b);
	return so;
}

/* Still open, and nothing said. */
static bool waits(struct stream *s, int64_t ms)
{
	struct err e = ERR_INIT;
	char c;

	return stream_read(s, &c, 1, now_ms() + ms, &e) < 0 &&
	       e.kind == ERR_TIMEOUT;
}

/* Half a header is no right to a place. */
static void held(void)
{
	struct site site;
	struct stream *s[3], *other;
	struct err e = ERR_INIT;
	int64_t before = now_ms();
	bool served = false;

	site_start(&site, 3, 60000, 60000);
	for (int i = 0; i < 3; i++)
		s[i] = visit(&site, "GET / HT");
	usleep(300000);
	other = visit(&site, GET("/"));
	/* and a byte now and then does not make it one */
	for (int i = 0; i < 200 && !served; i++) {
		for (int k = 0; k < 3; k++)
			stream_write(s[k], "T", 1, now_ms() + 10, &e);
		served = !waits(other, 100);
	}
	checkf(served && now_ms() - before < 20000,
	       "half a header makes room for a request", "%d, %d ms", served,
	       (int)(now_ms() - before));
	for (int i = 0; i < 3; i++)
		stream_close(s[i]);
	stream_close(other);
	site_tell_stop(&site);
	site_end(&site);
}

/* Places that are kept, and who is first at the others. */
static void ranks(void)
{
	struct site site;
	struct stream *busy[4], *late[3], *proven, *known;

	site_start(&site, 4, 60000, 60000);
	site.s.rank = look_at;
	site.s.kept[HTTP_PROVEN] = site.s.kept[HTTP_KNOWN] = 1;
	/* those are answered without an end: they never make room */
	for (int i = 0; i < 4; i++)
		busy[i] = visit(&site, GET("/forever"));
	check(hears(busy[0], "200") && hears(busy[1], "200") &&
		      waits(busy[2], 500) && waits(busy[3], 1),
	      "kept places are not for anybody", "taken");
	proven = visit(&site, GET("/p/nth"));
	check(hears(proven, "nth=3"), "but for who has proven it", "refused");
	known = visit(&site, GET("/k/nth"));
	check(hears(known, "nth=4"), "and for who is known", "refused");
	check(waits(busy[2], 1), "who waits, waits", "not");
	for (int i = 0; i < 4; i++)
		stream_close(busy[i]);
	stream_close(proven);
	stream_close(known);
	site_tell_stop(&site);
	site_end(&site);

	site_start(&site, 1, 60000, 60000);
	site.s.rank = look_at;
	busy[0] = visit(&site, GET("/slow"));
	while (site.handled < 1)
		usleep(10000);
	for (int i = 0; i < 3; i++)
		late[i] = visit(&site, GET("/nth"));
	usleep(50000);
	known = visit(&site, GET("/k/nth"));
	usleep(50000);
	proven = visit(&site, GET("/p/nth"));
	check(hears(proven, "nth=2") && hears(known, "nth=3"),
	      "the higher rank enters first", "not");
	check(hears(late[0], "nth=4") && hears(late[1], "nth=5") &&
		      hears(late[2], "nth=6"),
	      "and then who came first", "not");
	for (int i = 0; i < 3; i++)
		stream_close(late[i]);
	stream_close(busy[0]);
	stream_close(proven);
	stream_close(known);
	site_tell_stop(&site);
	site_end(&site);
}

/* Who may not enter yet waits, and costs others nothing. */
static void admitted(void)
{
	struct site site;
	struct stream *s, *proven;

	site_start(&site, 1, 60000, 60000);
	site.s.rank = look_at;
	site.s.admit = unless_shut;
	site.shut = true;
	s = visit(&site, GET("/nth"));
	check(waits(s, 500) && site.handled == 0, "who is not admitted waits",
	      "served");
	proven = visit(&site, GET("/p/nth"));
	check(hears(proven, "nth=1"), "others do not wait for him", "refused");
	stream_close(proven);
	site.shut = false;
	check(hears(s, "nth=2"), "and is asked for again", "not");
	stream_close(s);
	site_tell_stop(&site);
	site_end(&site);
}

/* In a crowd an answer ends the connection, unless another request follows. */
static void stays(void)
{
	struct site site;
	struct stream *s, *other;
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;

	site_start(&site, 1, 60000, 60000);
	s = visit(&site, GET("/slow"));
	other = visit(&site, GET("/stay"));
	check(hears(s, "Connection: close\r\n"), "a crowd ends connections",
	      "kept");
	stream_close(s);
	s = visit(&site, GET("/nth"));
	check(hear_some(other, &b) && strstr(b.str, "at last") != NULL &&
		      strstr(b.str, "Connection: close") == NULL,
	      "but not one that will go on", b.str);
	stream_write(other, GET("/nth"), strlen(GET("/nth")),
		     now_ms() + CHECK_PATIENCE_MS, &e);
	check(hears(other, "nth=3"), "which is served before who waits", "not");
	check(hears(s, "nth=4"), "who is served then", "not");
	stream_close(s);
	/* it does not go on: two seconds, and others have the place */
	other = (stream_close(other), visit(&site, GET("/stay")));
	s = visit(&site, GET("/nth"));
	check(hears(other, "at last") && hears(s, "nth=6"),
	      "nor is a place kept for who says no more", "kept");
	stream_close(other);
	stream_close(s);
	site_tell_stop(&site);
	site_end(&site);
	buf_release(&b);
}

static unsigned threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Silence costs no place; and when there is no room to be silent in, either,
 * the oldest of the same address goes. */
static void silence(void)
{
	struct site site;
	struct stream *s[40], *first, *other;
	unsigned gone = 0, before;

	site_make(&site, 2, 60000, 60000);
	site.s.max_waiting = 12;
	site_begin(&site);
	before = threads();
	first = visit_from(&site, "127.0.0.3", "");
	for (int i = 0; i < 40; i++)
		s[i] = visit_from(&site, "127.0.0.2", "");
	check(waits(first, 1000),
	      "too many silent ones of an address leave the others alone",
	      "gone");
	checkf(threads() == before, "and get no thread", "%u, not %u",
	       threads(), before);
	other = visit_from(&site, "127.0.0.4", GET("/"));
	check(is_served(other), "silent ones hold no place", "held");
	stream_close(other);
	other = visit_from(&site, "127.0.0.2", GET("/"));
	check(is_served(other), "not even against their own address", "held");
	stream_close(other);
	for (int i = 0; i < 40; i++) {
		gone += !waits(s[i], 1);
		stream_close(s[i]);
	}
	checkf(gone >= 28, "too many of one address go", "%u of 40", gone);
	stream_close(first);
	site_tell_stop(&site);
	site_end(&site);
}

/* ---- many at once ---- */

struct user {
	pthread_t thread;
	const struct site *site;
	unsigned good;
};

static void *user_thread(void *arg)
{
	struct user *u = arg;
	struct peer at = { .port = u->site->port };
	struct asked a;

	asked_init(&a, &at);
	for (int i = 0; i < 50; i++)
		u->good += ask(&a, "GET", STR_NULL, CHECK_PATIENCE_MS, 0) == 0 &&
			   a.r.head.status == 200 &&
			   strstr(a.r.body.str, "127.0.0.1:") == a.r.body.str;
	asked_release(&a);
	return NULL;
}

static void many(void)
{
	struct site site;
	struct user users[12];
	unsigned good = 0;

	site_start(&site, 5, 60000, 60000);
	for (int i = 0; i < 12; i++) {
		users[i] = (struct user){ .site = &site };
		pthread_create(&users[i].thread, NULL, user_thread, &users[i]);
	}
	for (int i = 0; i < 12; i++) {
		pthread_join(users[i].thread, NULL);
		good += users[i].good;
	}
	site_tell_stop(&site);
	site_end(&site);
	checkf(good == 600 && site.handled == 600, "more clients than places",
	       "%u answers, %u handled", good, site.handled);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	in_time();
	early_answers();
	stale();
	read_once();
	where_it_goes();
	limits();
	refused_uploads();
	stopping();
	crowd();
	greedy();
	thrifty();
	held();
	ranks();
	admitted();
	stays();
	silence();
	many();
	return check_failed();
}
