/*
 * Sockets: connecting, listening, and the plain struct stream over one.
 * Names are looked up in a thread, because the C library's resolver knows
 * neither our deadlines nor Ctrl-C.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"

#define ADDRS_MAX 16
#define NEXT_ADDR_MS 250 /* RFC 8305 section 5 */
#define NEXT_GREETING_MS 500
#define RESOLV_CONF "/etc/resolv.conf"
#define BACKLOG 512
#define PIPE_CHUNK 4096 /* what a pipe takes whole after POLLOUT: PIPE_BUF */

/* ---- streams ---- */

ssize_t stream_read(struct stream *s, void *p, size_t n, int64_t deadline_ms,
		    struct err *e)
{
	return s->ops->read(s, p, n, deadline_ms, e);
}

int stream_write(struct stream *s, const void *p, size_t n, int64_t deadline_ms,
		 struct err *e)
{
	return s->ops->write(s, p, n, deadline_ms, e);
}

int stream_flush(struct stream *s, int64_t deadline_ms, struct err *e)
{
	return s->ops->flush == NULL ? 0 : s->ops->flush(s, deadline_ms, e);
}

int stream_fd(struct stream *s)
{
	return s->ops->fd == NULL ? -1 : s->ops->fd(s);
}

bool stream_pending(struct stream *s)
{
	return s->ops->pending != NULL && s->ops->pending(s);
}

int stream_work(struct stream *s, short *events, int64_t *again_ms, struct err *e)
{
	*events = 0;
	*again_ms = IO_FOREVER;
	return s->ops->work ? s->ops->work(s, events, again_ms, e) : 0;
}

void stream_close(struct stream *s)
{
	if (s != NULL)
		s->ops->close(s);
}

struct fd_stream {
	struct stream s;
	int fd;
};

static ssize_t fd_read(struct stream *s, void *p, size_t n, int64_t deadline_ms,
		       struct err *e)
{
	int fd = ((struct fd_stream *)s)->fd;

	for (;;) {
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);

		if (got >= 0)
			return got;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_sys(e, ERR_NET, "receiving");
		if (fd_wait(fd, POLLIN, deadline_ms, e) < 0)
			return -1;
	}
}

static int fd_write(struct stream *s, const void *p, size_t n,
		    int64_t deadline_ms, struct err *e)
{
	int fd = ((struct fd_stream *)s)->fd;
	struct str rest = { p, n };

	while (rest.n > 0) {
		ssize_t put = send(fd, rest.p, rest.n,
				   MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put >= 0)
			rest = str_skip(rest, (size_t)put);
		else if (errno == EAGAIN) {
			if (fd_wait(fd, POLLOUT, deadline_ms, e) < 0)
				return -1;
		} else if (errno != EINTR)
			return err_sys(e, ERR_NET, "sending");
	}
	return 0;
}

static ssize_t fd_write_some(struct stream *s, const void *p, size_t n,
			     struct err *e)
{
	ssize_t put;

	do
		put = send(((struct fd_stream *)s)->fd, p, n,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0 && errno == EAGAIN)
		return 0;
	return put < 0 ? err_sys(e, ERR_NET, "sending") : put;
}

static int fd_of(struct stream *s)
{
	return ((struct fd_stream *)s)->fd;
}

static void fd_close(struct stream *s)
{
	close(((struct fd_stream *)s)->fd);
	free(s);
}

static int fd_finish(struct stream *s, struct err *e)
{
	return shutdown(((struct fd_stream *)s)->fd, SHUT_WR) == 0 ?
		       0 :
		       err_sys(e, ERR_NET, "shutdown");
}

static const struct stream_ops fd_ops = {
	.read = fd_read,
	.write = fd_write,
	.fd = fd_of,
	.close = fd_close,
	.write_some = fd_write_some,
	.finish = fd_finish,
};

struct stream *stream_of_fd(int fd)
{
	struct fd_stream *f = xmalloc(sizeof *f);

	f->s.ops = &fd_ops;
	f->fd = fd;
	return &f->s;
}

size_t fd_takes(int fd, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct stat st;
	int held = 1, size;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	if (fstat(fd, &st) == 0 &&
	    (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && !isatty(fd))))
		return n;
	/* an empty pipe has room for all it can hold; else one page is certain */
	if (ioctl(fd, FIONREAD, &held) == 0 && held == 0 &&
	    (size = fcntl(fd, F_GETPIPE_SZ)) > 0)
		return n < (size_t)size ? n : (size_t)size;
	return n < PIPE_CHUNK ? n : PIPE_CHUNK;
}

/* ---- names ---- */

/* Shared by the asker and the thread; the last of the two frees it. */
struct lookup {
	atomic_int users;
	int done_fd; /* readable when the thread is through */
	char host[256], port[8];
	struct addrinfo *list;
	int rc, sys;
};

static void lookup_drop(struct lookup *l)
{
	if (atomic_fetch_sub(&l->users, 1) > 1)
		return;
	if (l->list != NULL)
		freeaddrinfo(l->list);
	close(l->done_fd);
	free(l);
}

static void *lookup_thread(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const uint64_t one = 1;

	l->rc = getaddrinfo(l->host, l->port, &hints, &l->list);
	l->sys = errno;
	while (write(l->done_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	lookup_drop(l);
	return NULL;
}

/* A detached thread that takes no signals (they are main's). */
static int thread_start(void *(*run)(void *), void *arg, pthread_t *t)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(t, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

struct addrs {
	struct sockaddr_storage a[ADDRS_MAX];
	socklen_t len[ADDRS_MAX];
	size_t n;
};

static void addrs_add(struct addrs *as, const void *a, size_t len)
{
	if (as->n == ADDRS_MAX || len > sizeof as->a[0])
		return;
	memcpy(&as->a[as->n], a, len);
	as->len[as->n++] = (socklen_t)len;
}

static bool numeric(const char *host, unsigned port, struct addrs *as)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		addrs_add(as, &v4, sizeof v4);
	else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		addrs_add(as, &v6, sizeof v6);
	else
		return false;
	return true;
}

/* RFC 6761 section 6.3: never a question for DNS. */
static bool is_localhost(struct str h)
{
	if (str_ends(h, STR(".")))
		h.n--;
	if (h.n > 10)
		h = str_skip(h, h.n - 10);
	else if (h.n == 9)
		return str_ieqz(h, "localhost");
	return str_ieqz(h, ".localhost");
}

bool host_is_loopback(const char *host)
{
	static const uint8_t one[16] = { [15] = 1 };
	uint8_t a[16];

	if (inet_pton(AF_INET, host, a) == 1)
		return a[0] == 127;
	return is_localhost(str_of(host)) || (inet_pton(AF_INET6, host, a) == 1 &&
					      memcmp(a, one, sizeof one) == 0);
}

/* The families take turns, the resolver's favourite first (RFC 8305 4). */
static void take_turns(const struct addrinfo *list, struct addrs *as)
{
	const struct addrinfo *same = list, *other = list;
	int family = list->ai_family;

	while (same != NULL || other != NULL) {
		while (same != NULL && same->ai_family != family)
			same = same->ai_next;
		if (same != NULL) {
			addrs_add(as, same->ai_addr, same->ai_addrlen);
			same = same->ai_next;
		}
		while (other != NULL && other->ai_family == family)
			other = other->ai_next;
		if (other != NULL) {
			addrs_add(as, other->ai_addr, other->ai_addrlen);
			other = other->ai_next;
		}
	}
}

/* Why there is no answer: where we asked, or that we could not even do that.  The resolver
 * has tried for 5 s (more, when resolv.conf says so): ERR_TIMEOUT is not tried again at
 * once, but borne with where an operation is only being watched. */
static void no_answer(const char *host, struct err *e)
{
	struct buf text = BUF_INIT(16u << 10), servers = BUF_INIT(200);
	struct err ignored = ERR_INIT;
	struct addrs as = { .n = 0 };
	struct str rest, line;
	int fd;

	(void)file_read(RESOLV_CONF, &text, &ignored);
	for (rest = buf_str(&text); str_next(&rest, '\n', &line);) {
		if (!str_starts(line, STR("nameserver")))
			continue;
		line = str_trim(str_skip(line, 10));
		buf_addf(&servers, "%s%.*s", servers.n ? ", " : "", STR_ARG(line));
		if (as.n == 0)
			numeric(servers.str, 53, &as);
	}
	if (as.n > 0 &&
	    (fd = socket(as.a[0].ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0) {
		if (connect(fd, (struct sockaddr *)&as.a[0], as.len[0]) < 0)
			err_sys(e, ERR_TIMEOUT,
				"cannot resolve %s: name server %s", host,
				servers.str);
		close(fd);
	}
	err_set(e, ERR_TIMEOUT,
		"cannot resolve %s: no usable answer from the name servers in " RESOLV_CONF
		" (%s)",
		host, servers.n ? servers.str : "none");
	buf_release(&text);
	buf_release(&servers);
}

static void no_address(const char *host, int rc, struct err *e)
{
	if (rc == EAI_AGAIN)
		no_answer(host, e);
	else if (rc == EAI_SYSTEM)
		err_sys(e, ERR_NET, "cannot resolve %s", host);
	else /* musl tells a name that is not there from one without an address by no code */
		err_set(e, ERR_NET,
			"cannot resolve %s: there is no such host, or it has no address",
			host);
}

static int ask_resolver(const char *host, unsigned port, int64_t deadline_ms,
			struct addrs *as, struct err *e)
{
	struct lookup *l = xcalloc(1, sizeof *l);
	pthread_t t;
	char digits[8] = "", *p = digits + sizeof digits - 1;
	int rc = -1;

	do
		*--p = (char)('0' + port % 10);
	while ((port /= 10) != 0);
	memcpy(l->host, host, strlen(host) + 1);
	memcpy(l->port, p, strlen(p) + 1);
	l->users = 2;
	l->done_fd = eventfd(0, EFD_CLOEXEC);
	if (l->done_fd < 0) {
		free(l);
		return err_sys(e, ERR_IO, "eventfd");
	}
	errno = thread_start(lookup_thread, l, &t);
	if (errno != 0) {
		err_sys(e, ERR_IO, "starting a thread");
		l->users = 1;
		goto out;
	}
	pthread_detach(t);
	if (fd_wait(l->done_fd, POLLIN, deadline_ms, e) < 0) {
		err_in(e, "cannot resolve %s", host);
		goto out;
	}
	if (l->rc != 0 || l->list == NULL) {
		errno = l->sys;
		no_address(host, l->rc, e);
		goto out;
	}
	take_turns(l->list, as);
	rc = 0;
out:
	lookup_drop(l);
	return rc;
}

static int resolve(const char *host, unsigned port, int64_t deadline_ms,
		   struct addrs *as, struct err *e)
{
	if (host[0] == '\0' || strlen(host) > 255)
		return err_set(e, ERR_NET,
			       "cannot resolve \"%.60s\": not a host name", host);
	if (is_localhost(str_of(host))) {
		numeric("127.0.0.1", port, as);
		numeric("::1", port, as);
		return 0;
	}
	if (numeric(host, port, as))
		return 0;
	return ask_resolver(host, port, deadline_ms, as, e);
}

int host_lookup(const char *host, int64_t deadline_ms, char first[64],
		struct err *e)
{
	struct addrs as = { .n = 0 };

	first[0] = '\0';
	if (resolve(host, 443, deadline_ms, &as, e) < 0)
		return -1;
	if (as.n > 0 && getnameinfo((struct sockaddr *)&as.a[0], as.len[0],
				    first, 64, NULL, 0, NI_NUMERICHOST) != 0)
		first[0] = '\0';
	return (int)as.n;
}

/* ---- connecting ---- */

/* Small messages at once; a peer that vanished is noticed in two minutes. */
static void tune(int fd)
{
	const int one = 1, idle_s = 60, every_s = 15, tries = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

/* Connections under way, one per address started. */
struct race {
	const struct addrs *as;
	struct pollfd p[ADDRS_MAX + 1]; /* the last one is the interrupt */
	size_t started, running;
	int64_t next_ms; /* when to start another */
	int why;	 /* errno that tells most */
	bool greets;	 /* who wins has said something, too */
	size_t winner;
};

static void race_lost(struct race *r, int why)
{
	/* a family this machine does not have says nothing about the peer */
	bool dull = why == ENETUNREACH || why == EADDRNOTAVAIL ||
		    why == EAFNOSUPPORT;

	if (r->why == 0 || !dull)
		r->why = why;
	r->next_ms = 0;
}

/* Start the next address.  Returns a descriptor that connected at once, or -1. */
static int race_start(struct race *r)
{
	size_t i = r->started++;
	const struct sockaddr *a = (const struct sockaddr *)&r->as->a[i];
	int fd = socket(a->sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	r->p[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
	r->next_ms = now_ms() + (r->greets ? NEXT_GREETING_MS : NEXT_ADDR_MS);
	if (fd < 0) {
		race_lost(r, errno);
		return -1;
	}
	if (connect(fd, a, r->as->len[i]) == 0) {
		if (!r->greets)
			return fd;
	} else if (errno != EINPROGRESS && errno != EINTR) {
		race_lost(r, errno);
		close(fd);
		return -1;
	}
	r->p[i].fd = fd;
	r->running++;
	return -1;
}

/* A descriptor of r->p[i] is ready: the winner, or -1. */
static int race_look(struct race *r, size_t i)
{
	int fd = r->p[i].fd, why = 0;
	bool connected = r->p[i].events == POLLOUT;
	socklen_t len = sizeof why;
	char c;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why == 0 && connected && r->greets) {
		r->p[i].events = POLLIN;
		return -1;
	}
	if (why == 0 && !connected && recv(fd, &c, 1, MSG_PEEK) <= 0)
		why = ECONNRESET; /* it went without a word */
	r->p[i].fd = -1;
	r->running--;
	r->winner = i;
	if (why == 0)
		return fd;
	race_lost(r, why);
	close(fd);
	return -1;
}

static int race_run(struct race *r, int64_t deadline_ms, struct err *e)
{
	int fd;

	while (r->started < r->as->n || r->running > 0) {
		int64_t until = deadline_ms;

		if (r->started < r->as->n) {
			if ((r->running == 0 || now_ms() >= r->next_ms)) {
				if ((fd = race_start(r)) >= 0)
					return fd;
				continue;
			}
			if (r->next_ms < until)
				until = r->next_ms;
		}
		r->p[r->started] = (struct pollfd){ .fd = interrupt_fd(),
						    .events = POLLIN };
		int n = poll(r->p, r->started + 1, poll_timeout(until));

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "poll");
		if (interrupt_requested())
			return err_set(e, ERR_INTR, "interrupted");
		if (n == 0 && deadline_ms != IO_FOREVER && now_ms() >= deadline_ms)
			return err_set(e, ERR_TIMEOUT, "timed out");
		for (size_t i = 0; n > 0 && i < r->started; i++)
			if (r->p[i].fd >= 0 && r->p[i].revents != 0 &&
			    (fd = race_look(r, i)) >= 0)
				return fd;
	}
	errno = r->why;
	return err_sys(e, ERR_NET, "cannot connect");
}

/* The winner's, or -1; the others' are closed. */
static int race_end(struct race *r, int64_t deadline_ms, struct err *e)
{
	int fd = race_run(r, deadline_ms, e);

	for (size_t i = 0; i < r->started; i++)
		if (r->p[i].fd >= 0)
			close(r->p[i].fd);
	if (fd >= 0)
		tune(fd);
	return fd;
}

int tcp_greeting(const char *const *address, size_t n, unsigned port,
		 int64_t deadline_ms, size_t *which, struct err *e)
{
	struct addrs as = { .n = 0 };
	struct race r = { .as = &as, .greets = true };
	int fd;

	for (size_t i = 0; i < n; i++)
		if (!numeric(address[i], port, &as))
			return err_set(e, ERR_NET, "%s is no address", address[i]);
	fd = race_end(&r, deadline_ms, e);
	*which = r.winner;
	return fd >= 0 ? fd : err_in(e, "%s:%u", address[0], port);
}

int tcp_connect(const char *host, unsigned port, int64_t deadline_ms,
		struct err *e)
{
	struct addrs as = { .n = 0 };
	struct race r = { .as = &as };
	int fd;

	if (port == 0 || port > 65535)
		return err_set(e, ERR_NET, "%s: port %u is not a port", host,
			       port);
	if (resolve(host, port, deadline_ms, &as, e) < 0)
		return -1;
	fd = race_end(&r, deadline_ms, e);
	return fd >= 0 ?
		       fd :
		       err_in(e, strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u",
			      host, port);
}

/* A socket for path, whose address *a becomes. */
static int unix_socket(const char *path, struct sockaddr_un *a, struct err *e)
{
	int fd;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof a->sun_path)
		return err_set(e, ERR_IO, "%s: too long for a socket's path",
			       path);
	memcpy(a->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? err_sys(e, ERR_IO, "socket") : fd;
}

int unix_connect(const char *path, int64_t deadline_ms, struct err *e)
{
	struct sockaddr_un a;
	int fd = unix_socket(path, &a, e);

	if (fd < 0)
		return -1;
	while (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		/* EAGAIN: its backlog is full, and nothing to poll for */
		if (errno != EAGAIN && errno != EINTR) {
			err_sys(e, ERR_NET, "%s: cannot connect", path);
			goto fail;
		}
		if (now_ms() >= deadline_ms) {
			err_set(e, ERR_TIMEOUT, "%s: timed out", path);
			goto fail;
		}
		if (sleep_until(now_ms() + 20, e) < 0)
			goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

/* ---- listening ---- */

int unix_listen(const char *path, struct err *e)
{
	struct sockaddr_un a;
	int fd = unix_socket(path, &a, e);

	if (fd < 0)
		return -1;
	/* the mode before the name is there: nobody gets in between */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 64) < 0) {
		err_sys(e, ERR_IO, "cannot listen on %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

struct listener {
	const char *netns;
	struct sockaddr *addr;
	socklen_t len;
	int fd, sys;
	const char *what;
};

static void *listen_there(void *arg)
{
	struct listener *l = arg;
	const int one = 1;
	int ns = -1;

	l->what = "open";
	if (l->netns != NULL && (ns = open(l->netns, O_RDONLY | O_CLOEXEC)) < 0)
		goto fail;
	/* changes this thread only, which ends soon */
	l->what = "setns";
	if (ns >= 0 && setns(ns, CLONE_NEWNET) < 0)
		goto fail;
	l->what = "socket";
	l->fd = socket(l->addr->sa_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		goto fail;
	l->what = "bind";
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(l->fd, l->addr, l->len) < 0)
		goto fail;
	l->what = "listen";
	if (listen(l->fd, BACKLOG) == 0)
		goto out;
fail:
	l->sys = errno;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
out:
	if (ns >= 0)
		close(ns);
	return NULL;
}

static unsigned port_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ?
		       ntohs(((const struct sockaddr_in6 *)a)->sin6_port) :
		       ntohs(((const struct sockaddr_in *)a)->sin_port);
}

int tcp_listen(const char *addr, unsigned *port, const char *netns, struct err *e)
{
	struct addrs as = { .n = 0 };
	struct listener l = { .netns = netns, .fd = -1 };
	pthread_t t;

	if (*port > 65535 || !numeric(addr, *port, &as))
		return err_set(e, ERR_USAGE, "%s:%u: not an address and a port",
			       addr, *port);
	l.addr = (struct sockaddr *)&as.a[0];
	l.len = as.len[0];
	if (netns == NULL)
		listen_there(&l);
	else {
		errno = thread_start(listen_there, &l, &t);
		if (errno != 0)
			return err_sys(e, ERR_IO, "starting a thread");
		pthread_join(t, NULL);
	}
	if (l.fd < 0) {
		errno = l.sys;
		err_sys(e, ERR_IO, "cannot listen on %s:%u: %s", addr, *port,
			l.what);
		return netns == NULL ? -1 : err_in(e, "%s", netns);
	}
	l.len = sizeof as.a[0];
	getsockname(l.fd, l.addr, &l.len);
	*port = port_of(&as.a[0]);
	return l.fd;
}

int tcp_accept(int fd, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (got >= 0) {
			tune(got);
			return got;
		}
		switch (errno) {
		case EAGAIN:
			if (fd_wait(fd, POLLIN, deadline_ms, e) < 0)
				return -1;
			break;
		case EINTR:
		case ECONNABORTED: /* gone before we looked: the next one */
		case EPROTO:
			break;
		default:
			return err_sys(e, ERR_IO, "accept");
		}
	}
}
