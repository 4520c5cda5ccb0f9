/* node/redis: replies whole and in pieces, and servers that misbehave. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "node/redis.h"
#include "tests/check.h"

#define LONG_64 \
	"0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_512 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64

static const struct {
	const char *name, *in;
	int kind; /* -1: refused with these words */
	const char *text;
	int64_t number;
} cases[] = {
	{ "a number", ":42\r\n", REDIS_INT, NULL, 42 },
	{ "a negative number", ":-7\r\n", REDIS_INT, NULL, -7 },
	{ "the largest number", ":9223372036854775807\r\n", REDIS_INT, NULL,
	  INT64_MAX },
	{ "OK", "+OK\r\n", REDIS_STATUS, "OK", 0 },
	{ "an error", "-ERR value is not an integer\r\n", REDIS_ERROR,
	  "ERR value is not an integer", 0 },
	{ "a string", "$5\r\nhe\r\no\r\n", REDIS_TEXT, "he\r\no", 0 },
	{ "an empty string", "$0\r\n\r\n", REDIS_TEXT, "", 0 },
	{ "nothing", "$-1\r\n", REDIS_NIL, "", 0 },
	{ "the longest string", "$512\r\n" LONG_512 "\r\n", REDIS_TEXT,
	  LONG_512, 0 },
	{ "a longer one", "$513\r\n", -1, "a string of 513 bytes", 0 },
	{ "a length below nothing", "$-2\r\n", -1, "a string of -2 bytes", 0 },
	{ "a length that is none", "$x\r\n", -1, "without a length", 0 },
	{ "a string longer than it says", "$2\r\nabc\r\n", -1,
	  "longer than it says", 0 },
	{ "a number that is none", ":4x\r\n", -1, "not a number", 0 },
	{ "a number over the top", ":9223372036854775808\r\n", -1,
	  "not a number", 0 },
	{ "an array", "*1\r\n:1\r\n", -1, "begins with byte 0x2a", 0 },
	{ "HTTP", "HTTP/1.1 400 Bad\r\n", -1, "begins with byte 0x48", 0 },
	{ "an empty line", "\r\n", -1, "an empty line", 0 },
	{ "an endless line", "+" LONG_512 LONG_64, -1,
	  "a line of more than 512", 0 },
};

static void codec(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = strlen(cases[i].in);
		bool good = true;
		struct err e = ERR_INIT;
		struct redis_reply r = { .kind = REDIS_NIL };
		struct str in;
		int rc = 0;

		/* what has come so far, a byte more each time */
		for (size_t cut = 0; cut <= n && rc == 0; cut++) {
			char *copy = xmalloc(cut);

			memcpy(copy, cases[i].in, cut);
			in = (struct str){ copy, cut };
			rc = redis_parse(&in, &r, &e);
			if (rc == 0)
				good &= in.n == cut;
			else if (rc > 0)
				good &= in.n == 0 && cut == n &&
					(int)r.kind == cases[i].kind &&
					(cases[i].text == NULL ||
					 str_eqz(r.text, cases[i].text)) &&
					(r.kind != REDIS_INT ||
					 r.number == cases[i].number);
			else
				good &= cases[i].kind < 0 &&
					strstr(e.msg, cases[i].text) != NULL;
			free(copy);
		}
		check(good && rc != 0, cases[i].name, e.msg);
	}
}

/* ---- servers ---- */

struct server {
	int fd;
	const char *answer; /* to each request; NULL: none */
	unsigned once; /* requests of a connection until it is hung up; 0: never */
	unsigned conns, requests;
	char last[256];
};

static void *serve(void *ctx)
{
	struct server *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		unsigned n = 0;
		ssize_t got;

		s->conns++;
		while ((got = recv(fd, s->last, sizeof(s->last) - 1, 0)) > 0) {
			s->last[got] = '\0';
			s->requests++;
			if (s->answer != NULL &&
			    send(fd, s->answer, strlen(s->answer),
				 MSG_NOSIGNAL) < 0)
				break;
			if (++n == s->once)
				break;
		}
		close(fd);
	}
	return NULL;
}

static void begin(struct server *s, pthread_t *t, struct redis *r)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	char where[64];

	s->fd = tcp_listen("127.0.0.1", &port, NULL, &e);
	/* accept() shall wait here */
	if (s->fd < 0 || fcntl(s->fd, F_SETFL, 0) < 0 ||
	    pthread_create(t, NULL, serve, s) != 0)
		abort();
	snprintf(where, sizeof(where), "127.0.0.1:%u", port);
	if (redis_init(r, where, &e) < 0)
		abort();
}

static void end(struct server *s, pthread_t t, struct redis *r)
{
	redis_release(r);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(t, NULL);
	close(s->fd);
}

static void misbehaviour(void)
{
	static const struct {
		const char *name, *answer, *words;
		int64_t at_most_ms;
	} bad[] = {
		{ "a server that says nothing", NULL, "timed out", 900 },
		{ "one that says half", ":12", "timed out", 900 },
		{ "one that says too much", ":1\r\n:2\r\n",
		  "more than one answer", 300 },
		{ "one that speaks HTTP", "HTTP/1.1 200 OK\r\n\r\n",
		  "begins with byte 0x48", 300 },
		{ "one that refuses", "-NOAUTH Authentication required.\r\n",
		  "Redis: NOAUTH Authentication required.", 300 },
		{ "one whose key is text", "$3\r\nabc\r\n",
		  "\"k\" is no number", 300 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct server s = { .answer = bad[i].answer };
		struct err e = ERR_INIT;
		struct redis r;
		pthread_t t;
		int64_t v, before, spent;

		begin(&s, &t, &r);
		before = now_ms();
		int rc = redis_get(&r, "k", &v, &e);

		spent = now_ms() - before;
		check(rc < 0 && strstr(e.msg, bad[i].words) != NULL &&
			      spent <= bad[i].at_most_ms,
		      bad[i].name, e.msg);
		end(&s, t, &r);
	}
}

static void good(void)
{
	struct server s = { .answer = ":5\r\n", .once = 2 };
	struct err e = ERR_INIT;
	struct redis r;
	pthread_t t;
	int64_t v = 0;
	char got[400];

	begin(&s, &t, &r);
	check(redis_incr(&r, "a key", &v, &e) == 0 && v == 5, "counting", e.msg);
	check(strcmp(s.last, "*2\r\n$4\r\nINCR\r\n$5\r\na key\r\n") == 0,
	      "what is sent", s.last);
	check(redis_set(&r, "k", -3, &e) == 0, "writing", e.msg);
	check(strcmp(s.last, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n-3\r\n") == 0,
	      "a number is sent", s.last);
	/* it has hung up by now; that must not be seen */
	check(redis_incr(&r, "k", &v, &e) == 0 && v == 5,
	      "a connection that was closed", e.msg);
	snprintf(got, sizeof(got), "%u connections, %u requests", s.conns,
		 s.requests);
	check(s.conns == 2 && s.requests == 3, "is made anew", got);
	end(&s, t, &r);
}

static void backing_off(void)
{
	struct server s = { .answer = NULL };
	struct err e = ERR_INIT, again = ERR_INIT;
	struct redis r;
	pthread_t t;
	int64_t v, before, took = INT64_MAX;
	char got[64];

	begin(&s, &t, &r);
	redis_get(&r, "k", &v, &e);
	/* the best of ten: this machine may have much else to do */
	for (int tries = 0; took >= 300 && tries < 10; tries++) {
		before = now_ms();
		for (int i = 0; i < 100; i++) {
			err_clear(&again);
			redis_get(&r, "k", &v, &again);
		}
		took = now_ms() - before;
	}
	check(took < 300 && strcmp(again.msg, e.msg) == 0,
	      "while it is away the reason comes at once", again.msg);
	sleep_until(r.retry_ms + 5, &(struct err)ERR_INIT);
	s.answer = ":9\r\n";
	err_clear(&again);
	check(redis_get(&r, "k", &v, &again) == 0 && v == 9,
	      "then it is asked again", again.msg);
	r.failures = 0;
	s.answer = NULL;
	for (unsigned i = 0; i < 6; i++) {
		r.retry_ms = 0;
		err_clear(&again);
		before = now_ms();
		redis_get(&r, "k", &v, &again);
	}
	snprintf(got, sizeof(got), "%lld ms", (long long)(r.retry_ms - now_ms()));
	check(r.retry_ms - now_ms() > 7000 && r.retry_ms - now_ms() <= 8000,
	      "the wait grows to 8 s and no more", got);
	end(&s, t, &r);
}

static void names(void)
{
	static const struct {
		const char *server, *host;
		unsigned port;
	} all[] = {
		{ "redis", "redis", 6379 },
		{ "redis:7000", "redis", 7000 },
		{ "[::1]:7000", "::1", 7000 },
		{ "[::1]", "::1", 6379 },
		{ "10.0.0.1", "10.0.0.1", 6379 },
		{ "", NULL, 0 },
		{ ":7000", NULL, 0 },
		{ "redis:0", NULL, 0 },
		{ "redis:70000", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[::1]x", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct err e = ERR_INIT;
		struct redis r;
		int rc = redis_init(&r, all[i].server, &e);
		char *name = xasprintf("REDIS_SERVER \"%s\"", all[i].server);

		check(all[i].host == NULL ?
			      rc < 0 && strstr(e.msg, "expected HOST") != NULL :
			      rc == 0 && strcmp(r.host, all[i].host) == 0 &&
				      r.port == all[i].port,
		      name, e.msg);
		redis_release(&r);
		free(name);
	}
}

int main(void)
{
	codec();
	names();
	misbehaviour();
	good();
	backing_off();
	return check_failed();
}
