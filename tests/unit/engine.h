/*
 * A Docker Engine for tests: HTTP/1.1 on a unix socket, written here without
 * the program's own codec, answered by a function of the test.  Shapes are
 * those of the Engine API reference.
 */
#ifndef TESTS_UNIT_ENGINE_H
#define TESTS_UNIT_ENGINE_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ENGINE_REQUEST_MAX 131072

struct engine_reply {
	unsigned status;
	const char *fields; /* "Name: value\r\n"..., or NULL */
	const char *body;   /* kept by the test */
	char buf[131072];   /* or put here, with body pointing to it */
	size_t piece;	    /* chunks of that many bytes; 0: a Content-Length */
	bool hang_up;	    /* instead of an answer */
	bool cut;	    /* send half of the body, then hang up */
	int delay_ms;
};

struct engine {
	int fd;
	char path[100];
	/* runs in the connection's thread, one at a time */
	void (*answer)(void *ctx, const char *method, const char *target,
		       const char *body, struct engine_reply *r);
	void *ctx;
	pthread_mutex_t lock;
	pthread_t thread;
	bool stop;
};

static inline bool engine_send(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* One request into buf (NUL-terminated); the length of its head, or 0. */
static inline size_t engine_read(int fd, char *buf, size_t *body_n)
{
	size_t n = 0, head = 0, want = 0;

	for (;;) {
		ssize_t k = recv(fd, buf + n, ENGINE_REQUEST_MAX - 1 - n, 0);
		char *end, *len;

		if (k <= 0)
			return 0;
		n += (size_t)k;
		buf[n] = '\0';
		if (head == 0 && (end = strstr(buf, "\r\n\r\n")) != NULL) {
			head = (size_t)(end - buf) + 4;
			len = strstr(buf, "Content-Length:");
			want = len != NULL && len < end ?
				       strtoul(len + 15, NULL, 10) :
				       0;
		}
		if (head != 0 && n >= head + want) {
			*body_n = want;
			return head;
		}
	}
}

static inline bool engine_write(int fd, const struct engine_reply *r)
{
	size_t n = strlen(r->body), at = 0;
	char head[512];

	if (r->hang_up)
		return false;
	snprintf(head, sizeof(head), "HTTP/1.1 %u X\r\n%s", r->status,
		 r->fields != NULL ? r->fields : "Api-Version: 1.41\r\n");
	if (!engine_send(fd, head, strlen(head)))
		return false;
	if (r->status == 204)
		return engine_send(fd, "\r\n", 2);
	if (r->piece == 0) {
		snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", n);
		return engine_send(fd, head, strlen(head)) &&
		       engine_send(fd, r->body, r->cut ? n / 2 : n) && !r->cut;
	}
	if (!engine_send(fd, "Transfer-Encoding: chunked\r\n\r\n", 30))
		return false;
	while (at < (r->cut ? n / 2 : n)) {
		size_t k = n - at < r->piece ? n - at : r->piece;

		snprintf(head, sizeof(head), "%zx\r\n", k);
		if (!engine_send(fd, head, strlen(head)) ||
		    !engine_send(fd, r->body + at, k) ||
		    !engine_send(fd, "\r\n", 2))
			return false;
		at += k;
	}
	return !r->cut && engine_send(fd, "0\r\n\r\n", 5);
}

struct engine_conn {
	struct engine *e;
	int fd;
};

static inline void *engine_talk(void *ctx)
{
	struct engine_conn c = *(struct engine_conn *)ctx;
	char *buf = malloc(ENGINE_REQUEST_MAX);
	struct engine_reply *r = malloc(sizeof(*r));
	size_t head, body_n;

	free(ctx);
	while ((head = engine_read(c.fd, buf, &body_n)) != 0) {
		char *method = buf, *target = strchr(buf, ' '), *end;

		if (target == NULL || (end = strchr(++target, ' ')) == NULL)
			break;
		target[-1] = *end = '\0';
		memset(r, 0, sizeof(*r));
		r->status = 200;
		r->body = "";
		pthread_mutex_lock(&c.e->lock);
		c.e->answer(c.e->ctx, method, target, buf + head, r);
		pthread_mutex_unlock(&c.e->lock);
		if (r->delay_ms > 0)
			usleep((useconds_t)r->delay_ms * 1000);
		if (!engine_write(c.fd, r))
			break;
	}
	close(c.fd);
	free(buf);
	free(r);
	return NULL;
}

static inline void *engine_serve(void *ctx)
{
	struct engine *e = ctx;

	while (!e->stop) {
		struct pollfd p = { .fd = e->fd, .events = POLLIN };
		struct engine_conn *c;
		pthread_t t;

		if (poll(&p, 1, 50) <= 0)
			continue;
		c = malloc(sizeof(*c));
		c->e = e;
		c->fd = accept(e->fd, NULL, NULL);
		if (c->fd < 0 || pthread_create(&t, NULL, engine_talk, c) != 0)
			abort();
		pthread_detach(t);
	}
	return NULL;
}

static inline void engine_start(struct engine *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", e->path);
	unlink(e->path);
	e->stop = false;
	e->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_mutex_init(&e->lock, NULL);
	if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(e->fd, 64) < 0 ||
	    pthread_create(&e->thread, NULL, engine_serve, e) != 0)
		abort();
}

static inline void engine_stop(struct engine *e)
{
	e->stop = true;
	pthread_join(e->thread, NULL);
	close(e->fd);
	unlink(e->path);
}

#endif
