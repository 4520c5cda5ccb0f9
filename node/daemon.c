/*
 * Being a service: the journal, systemd's notification socket (sd_notify(3)),
 * signals, and which addresses are ours.  The latter by sockets alone: the
 * units do not allow netlink.
 */
#include "node/daemon.h"

#include <arpa/inet.h>
#include <link.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "docker/docker.h"
#include "node/auth.h"

#define LINE_MAX_N 1024
#define COMPLAIN_AGAIN_MS (5 * 60 * 1000)

void daemon_say(const char *fmt, ...)
{
	struct buf text = BUF_INIT(LINE_MAX_N), line = BUF_INIT(4 * LINE_MAX_N);
	size_t at = 0;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&text, fmt, ap);
	va_end(ap);
	buf_add_clean(&line, buf_str(&text));
	buf_addc(&line, '\n');
	/* one write, so that the lines of two threads do not mix */
	while (at < line.n) {
		ssize_t n = write(STDERR_FILENO, line.str + at, line.n - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_release(&text);
	buf_release(&line);
}

void daemon_complain(struct complaint *c, const char *text, int64_t now_ms)
{
	struct str s = str_head(str_of(text), sizeof(c->text) - 1);

	if (s.n != 0 &&
	    (!str_eqz(s, c->text) || now_ms - c->told_ms >= COMPLAIN_AGAIN_MS)) {
		daemon_say("%s", text);
		c->told_ms = now_ms;
	}
	memcpy(c->text, s.p, s.n);
	c->text[s.n] = '\0';
}

static void on_signal(int sig)
{
	(void)sig;
	interrupt_request();
}

int daemon_init(struct err *e)
{
	struct sigaction stop = { .sa_handler = on_signal,
				  .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (interrupt_init(e) < 0)
		return -1;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	return 0;
}

void daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n;
	int fd;

	if (path == NULL || (*path != '/' && *path != '@'))
		return;
	n = strlen(path);
	if (n < 2 || n >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, n);
	if (*path == '@')
		a.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		      (struct sockaddr *)&a,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool address_of(const char *text, unsigned port, union address *a,
		       socklen_t *n)
{
	*a = (union address){ 0 };
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		*n = sizeof(a->v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
		*n = sizeof(a->v6);
		return true;
	}
	return false;
}

/* Of the program alone, which is the first that is named. */
static int settle(struct dl_phdr_info *o, size_t size, void *ctx)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size, (void)ctx;
	/* the table itself is in the first of them, which goes last */
	for (size_t i = o->dlpi_phnum; i-- > 0;) {
		const ElfW(Phdr) *p = &o->dlpi_phdr[i];
		uintptr_t at = (o->dlpi_addr + p->p_vaddr) & ~(page - 1);

		/* a page that nobody may write is as the file is */
		if (p->p_type == PT_LOAD && (p->p_flags & PF_W) == 0)
			madvise((void *)at,
				o->dlpi_addr + p->p_vaddr + p->p_memsz - at,
				MADV_DONTNEED);
	}
	return 1;
}

void daemon_settle(void)
{
	dl_iterate_phdr(settle, NULL);
}

void daemon_peer(const char *peer, char out[DAEMON_ADDRESS_MAX])
{
	struct str s = str_host(str_of(peer));

	/* a v4 caller of a v6 listener */
	if (str_istarts(s, STR("::ffff:")))
		s = str_skip(s, 7);
	s = str_head(s, DAEMON_ADDRESS_MAX - 1);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

bool daemon_is_own(const char *addr)
{
	union address a;
	socklen_t n;
	bool own;
	int fd;

	if (!address_of(addr, 0, &a, &n))
		return false;
	fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	own = bind(fd, &a.any, n) == 0;
	close(fd);
	return own;
}

bool daemon_way_to(const char *addr, char out[48])
{
	union address a;
	socklen_t n;
	bool ok = false;
	int fd;

	/* connecting a datagram socket only looks up the route */
	if (!address_of(addr, DOCKER_PORT_MANAGER, &a, &n))
		return false;
	fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, &a.any, n) == 0 && getsockname(fd, &a.any, &n) == 0) {
		const void *bytes = a.any.sa_family == AF_INET ?
					    (void *)&a.v4.sin_addr :
					    (void *)&a.v6.sin6_addr;

		ok = inet_ntop(a.any.sa_family, bytes, out, 48) != NULL;
	}
	close(fd);
	return ok;
}

int daemon_own_name(char out[65], struct err *e)
{
	if (gethostname(out, 65) < 0)
		return err_sys(e, ERR_IO, "the machine's name");
	out[64] = '\0';
	if (!auth_is_name(str_of(out)))
		return err_set(e, ERR_DATA,
			       "the machine's name \"%s\" is none for a node",
			       out);
	return 0;
}

void daemon_gateway(struct docker *d, unsigned mtu)
{
	struct err e = ERR_INIT;

	if (mtu != 0 && docker_gateway(d, mtu, &e) < 0)
		daemon_say("the containers' way out of this node has not an MTU "
			   "of %u: %s",
			   mtu, e.msg);
}
