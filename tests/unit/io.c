/*
 * base/net, file, run: sockets on loopback, files in the current directory, programs,
 * deadlines and interrupts.  Waits are measured against generous bounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "base/run.h"
#include "tests/check.h"

/* A deadline for what is not to reach one. */
static int64_t patience(void)
{
	return now_ms() + CHECK_PATIENCE_MS;
}

/* The call failed, in that way, saying that. */
static void refused(const char *what, int rc, const struct err *e,
		    enum err_kind kind, const char *words)
{
	checkf(rc < 0 && e->kind == kind && strstr(e->msg, words) != NULL, what,
	       "rc %d, kind %d, \"%s\" (wanted kind %d, \"%s\")", rc,
	       (int)e->kind, e->msg, (int)kind, words);
}

/* ---- the first that greets ---- */

#define SERVERS 3
/* Servers on one port of three addresses of loopback, and what each does: 'g'
 * greets, 's' is silent, 'c' closes without a word, '-' is not there. */
static void greetings(const char *name, const char does[SERVERS + 1],
		      int wanted, int64_t limit_ms, enum err_kind kind)
{
	static const char *const address[SERVERS] = { "127.0.0.2", "127.0.0.3",
						      "127.0.0.4" };
	struct err e = ERR_INIT, ignored = ERR_INIT;
	int l[SERVERS], a, fd;
	unsigned port = 0;
	size_t which = 9;
	pid_t pid;

	for (size_t i = 0; i < SERVERS; i++)
		l[i] = does[i] != '-' ? tcp_listen(address[i], &port, NULL, &e) :
					-1;
	if (port == 0)
		port = 1;
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0;; i = (i + 1) % SERVERS) {
			err_clear(&ignored);
			if (does[i] != 'g' && does[i] != 'c')
				continue;
			a = tcp_accept(l[i], now_ms() + 10, &ignored);
			if (a >= 0 && does[i] == 'g')
				(void)!write(a, "SSH-2.0-x\r\n", 11);
			else if (a >= 0)
				close(a);
		}
	}
	fd = tcp_greeting(address, SERVERS, port, now_ms() + limit_ms, &which, &e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (wanted >= 0)
		checkf(fd >= 0 && which == (size_t)wanted, name, "%d: %zu, %s",
		       fd, which, e.msg);
	else
		checkf(fd < 0 && e.kind == kind, name, "%d: %d, %s", fd,
		       (int)e.kind, e.msg);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < SERVERS; i++)
		if (l[i] >= 0)
			close(l[i]);
}

static void first_greeting(void)
{
	greetings("who greets: the first", "ggg", 0, patience() - now_ms(), 0);
	greetings("who greets: one that refuses is passed at once", "-gg", 1,
		  patience() - now_ms(), 0);
	greetings("who greets: those that are silent are passed", "ssg", 2,
		  patience() - now_ms(), 0);
	greetings("who greets: one that goes without a word is passed", "cgg",
		  1, patience() - now_ms(), 0);
	greetings("who greets: nobody does", "sss", -1, 700, ERR_TIMEOUT);
	greetings("who greets: all go", "ccc", -1, patience() - now_ms(), ERR_NET);
	greetings("who greets: nobody is there", "---", -1, 700, ERR_NET);
}

/* ---- sockets ---- */

static void connections(void)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	int l = tcp_listen("127.0.0.1", &port, NULL, &e), c, a;
	struct stream *cs, *as;
	char b[8];

	checkf(l >= 0 && port != 0, "listen on a port of its choice", "%s", e.msg);
	c = tcp_connect("127.0.0.1", port, patience(), &e);
	a = tcp_accept(l, patience(), &e);
	checkf(c >= 0 && a >= 0, "connect and accept", "%s", e.msg);
	checkf((fcntl(c, F_GETFD) & FD_CLOEXEC) != 0 &&
		       (fcntl(a, F_GETFD) & FD_CLOEXEC) != 0 &&
		       (fcntl(c, F_GETFL) & O_NONBLOCK) != 0,
	       "close-on-exec, non-blocking", "flags");
	cs = stream_of_fd(c);
	as = stream_of_fd(a);
	checkf(stream_write(cs, "hallo", 5, patience(), &e) == 0 &&
		       stream_flush(cs, patience(), &e) == 0 &&
		       stream_read(as, b, sizeof b, patience(), &e) == 5 &&
		       memcmp(b, "hallo", 5) == 0,
	       "bytes arrive", "%s", e.msg);
	checkf(stream_fd(cs) == c && !stream_pending(cs),
	       "descriptor and pending", "wrong");
	int64_t before = now_ms();

	refused("read has a deadline",
		(int)stream_read(as, b, 1, now_ms() + 100, &e), &e, ERR_TIMEOUT,
		"timed out");
	checkf(now_ms() - before >= 100 && now_ms() - before < CHECK_PATIENCE_MS,
	       "and keeps it", "%d ms", (int)(now_ms() - before));
	err_clear(&e);
	/* nobody reads: the socket's buffers fill */
	char *lots = xcalloc(1, 32 << 20);

	refused("write has a deadline",
		stream_write(cs, lots, 32 << 20, now_ms() + 200, &e), &e,
		ERR_TIMEOUT, "timed out");
	err_clear(&e);
	stream_close(as);
	/* what it had not read makes this a reset; no SIGPIPE comes */
	int rc = 0;

	for (int i = 0; i < 100 && rc == 0; i++)
		rc = stream_write(cs, lots, 1 << 20, patience(), &e);
	refused("a peer that is gone", rc, &e, ERR_NET, "sending: ");
	err_clear(&e);
	stream_close(cs);
	free(lots);

	c = tcp_connect("localhost", port, patience(), &e);
	a = tcp_accept(l, patience(), &e);
	checkf(c >= 0 && a >= 0, "localhost", "%s", e.msg);
	cs = stream_of_fd(c);
	close(a);
	checkf(stream_read(cs, b, 1, patience(), &e) == 0, "clean end", "%s",
	       e.msg);
	stream_close(cs);
	c = tcp_connect("acct.blob.core.LOCALHOST", port, patience(), &e);
	checkf(c >= 0, "names under localhost need no DNS", "%s", e.msg);
	close(c);
	err_clear(&e);
	refused("a name that cannot be",
		tcp_connect("a..b", port, patience(), &e), &e, ERR_NET,
		"cannot resolve a..b: ");
	err_clear(&e);
	refused("no name", tcp_connect("", port, patience(), &e), &e, ERR_NET,
		"not a host name");
	err_clear(&e);
	refused("no port", tcp_connect("127.0.0.1", 0, patience(), &e), &e,
		ERR_NET, "port 0");
	err_clear(&e);
	while ((a = tcp_accept(l, now_ms(), &e)) >= 0)
		close(a);
	refused("accept has a deadline", a, &e, ERR_TIMEOUT, "timed out");
	err_clear(&e);
	refused("a port that is taken", tcp_listen("127.0.0.1", &port, NULL, &e),
		&e, ERR_IO, "bind: Address");
	err_clear(&e);
	close(l);
	refused("nobody listens", tcp_connect("127.0.0.1", port, patience(), &e),
		&e, ERR_NET, "cannot connect: Connection refused");
	err_clear(&e);
	refused("nobody listens on any address",
		tcp_connect("localhost", port, patience(), &e), &e, ERR_NET,
		"cannot connect: Connection refused");
	err_clear(&e);
	refused("names are not addresses",
		tcp_listen("localhost", &port, NULL, &e), &e, ERR_USAGE,
		"not an address");
	err_clear(&e);
}

/* A full backlog drops what comes, as a firewall does. */
static void silence(void)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	int l = tcp_listen("127.0.0.1", &port, NULL, &e), c[8], n = 0, got;
	int64_t before;

	listen(l, 0);
	while (n < 8 &&
	       (c[n] = tcp_connect("127.0.0.1", port, now_ms() + 300, &e)) >= 0)
		n++;
	refused("connect has a deadline", n < 8 ? -1 : 0, &e, ERR_TIMEOUT,
		": timed out");
	err_clear(&e);
	/* 127.0.0.1 is silent: ::1, which refuses, is asked all the same */
	before = now_ms();
	got = tcp_connect("localhost", port, now_ms() + 800, &e);
	refused("a silent address among two", got, &e, ERR_TIMEOUT, "localhost:");
	checkf(now_ms() - before >= 800 && now_ms() - before < CHECK_PATIENCE_MS,
	       "takes no longer", "%d", (int)(now_ms() - before));
	err_clear(&e);
	unsigned same = port;
	int six = tcp_listen("::1", &same, NULL, &e);

	if (six < 0) {
		check_skip("race", "no ::1 here");
	} else {
		int64_t took = 0;

		/* the best of some: this machine may have much else to do */
		for (int i = 0;
		     i < 20 && (i == 0 || (got >= 0 && took >= 2000)); i++) {
			if (i > 0)
				close(got);
			before = now_ms();
			got = tcp_connect("localhost", port,
					  before + CHECK_PATIENCE_MS, &e);
			took = now_ms() - before;
		}
		checkf(got >= 0 && took >= 200 && took < 2000,
		       "the next address is tried after a quarter second",
		       "%d ms, %s", (int)took, e.msg);
		close(got);
		close(six);
	}
	while (n > 0)
		close(c[--n]);
	close(l);
}

/* Where there is no network, asking DNS fails, and fast. */
static void names(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err e = ERR_INIT;

		if (unshare(CLONE_NEWNET) < 0)
			_exit(2);
		_exit(tcp_connect("notlocalhost", 80, patience(), &e) < 0 &&
				      strstr(e.msg, "cannot resolve notlocalhost") !=
					      NULL &&
				      (e.kind == ERR_NET || e.kind == ERR_TIMEOUT) ?
			      0 :
			      1);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		check_skip("names", "may not make a network namespace (not root)");
	else
		checkf(status == 0, "a name nobody knows", "status %d", status);
}

static void ipv6(void)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	int l = tcp_listen("::1", &port, NULL, &e), c;

	if (l < 0) {
		check_skip("ipv6", "no ::1 here");
		return;
	}
	/* 127.0.0.1 refuses, ::1 is next */
	c = tcp_connect("localhost", port, patience(), &e);
	checkf(c >= 0, "the second address when the first refuses", "%s", e.msg);
	close(c);
	c = tcp_connect("::1", port, patience(), &e);
	checkf(c >= 0, "a numeric IPv6 address", "%s", e.msg);
	close(c);
	close(l);
	refused("brackets around IPv6 in messages",
		tcp_connect("::1", port, patience(), &e), &e, ERR_NET, "[::1]:");
}

static void unix_sockets(void)
{
	struct err e = ERR_INIT;
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c[4], n = 0;
	char *deep = xmalloc(200);

	if (bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 0) < 0)
		abort();
	while (n < 4 && (c[n] = unix_connect("sock", now_ms() + 200, &e)) >= 0)
		n++;
	checkf(n > 0, "connect to a unix socket", "%s", e.msg);
	refused("its backlog full", n < 4 ? -1 : 0, &e, ERR_TIMEOUT, "timed out");
	err_clear(&e);
	while (n > 0)
		close(c[--n]);
	close(l);
	refused("nobody behind the socket",
		unix_connect("sock", now_ms() + 200, &e), &e, ERR_NET,
		"sock: cannot connect: Connection refused");
	err_clear(&e);
	unlink("sock");
	refused("no socket", unix_connect("sock", now_ms() + 200, &e), &e,
		ERR_NET, "No such file");
	err_clear(&e);
	memset(deep, 'x', 199);
	deep[199] = '\0';
	refused("a path too long", unix_connect(deep, now_ms() + 200, &e), &e,
		ERR_IO, "too long");
	free(deep);
}

/* A listener in a network namespace that only a child of ours is in. */
static void namespaces(void)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	char path[64], byte;
	int up[2], l, out = -1;
	pid_t pid;

	refused("no such namespace",
		tcp_listen("127.0.0.1", &port, "/nonexistent/ns", &e), &e, ERR_IO,
		"/nonexistent/ns: cannot listen on 127.0.0.1:0: open: No such file");
	err_clear(&e);
	if (pipe(up) < 0)
		abort();
	if ((pid = fork()) == 0) {
		bool good = unshare(CLONE_NEWNET) == 0;

		if (write(up[1], good ? "y" : "n", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	if (read(up[0], &byte, 1) != 1)
		byte = 'n';
	if (byte == 'n') {
		check_skip("namespace", "may not make one (not root)");
		goto out;
	}
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	/* its loopback is down, which binding does not mind */
	l = tcp_listen("0.0.0.0", &port, path, &e);
	checkf(l >= 0, "listen in another namespace", "%s", e.msg);
	/* we are still where we were, and nobody listens here */
	checkf(tcp_connect("127.0.0.1", port, patience(), &e) < 0 &&
		       e.kind == ERR_NET,
	       "and not in ours", "%s", e.msg);
	out = socket(AF_INET, SOCK_STREAM, 0);
	close(l);
out:
	if (out >= 0)
		close(out);
	close(up[0]);
	close(up[1]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- files ---- */

static void files(void)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(100), small = BUF_INIT(4),
		   big = BUF_INIT(1 << 20);
	struct stat st;
	char *lots;

	umask(077);
	checkf(file_write("f", STR("first"), 0644, &e) == 0 &&
		       stat("f", &st) == 0 && (st.st_mode & 07777) == 0644,
	       "write a file with its mode", "%s", e.msg);
	checkf(file_read("f", &b, &e) == 0 && strcmp(b.str, "first") == 0,
	       "read it", "%s", e.msg);
	buf_reset(&b);
	checkf(file_write("f", STR("second"), 0600, &e) == 0 &&
		       file_read("f", &b, &e) == 0 &&
		       strcmp(b.str, "second") == 0 && stat("f", &st) == 0 &&
		       (st.st_mode & 07777) == 0600,
	       "replace it", "%s", e.msg);
	refused("a file larger than the ceiling", file_read("f", &small, &e),
		&e, ERR_DATA, "f is larger than 4 bytes");
	err_clear(&e);
	buf_release(&small);
	buf_init(&small, 6);
	checkf(file_read("f", &small, &e) == 0 && small.n == 6,
	       "a file as large as the ceiling", "%s", e.msg);
	refused("create does not replace",
		file_create("f", STR("third"), 0600, &e), &e, ERR_IO,
		"cannot create f: File exists");
	err_clear(&e);
	checkf(file_create("g", STR(""), 0600, &e) == 0 &&
		       stat("g", &st) == 0 && st.st_size == 0,
	       "create an empty file", "%s", e.msg);
	checkf(file_exists("g") && !file_exists("h"), "exists", "wrong");
	refused("no such file", file_read("h", &b, &e), &e, ERR_IO,
		"cannot read h: No such file");
	err_clear(&e);
	refused("a directory is no file", file_read(".", &b, &e), &e, ERR_IO,
		"Is a directory");
	err_clear(&e);
	refused("nowhere to write to", file_write("no/f", STR("x"), 0600, &e),
		&e, ERR_IO, "cannot write no/f: No such file");
	err_clear(&e);
	/* a file that does not tell its size, longer than one piece */
	checkf(file_read("/proc/self/maps", &big, &e) == 0 && big.n > 0,
	       "a file of unknown size", "%s", e.msg);
	buf_reset(&big);
	lots = xmalloc(300000);
	for (size_t i = 0; i < 300000; i++)
		lots[i] = (char)(i % 251);
	checkf(file_write("f", (struct str){ lots, 300000 }, 0600, &e) == 0 &&
		       file_read("f", &big, &e) == 0 && big.n == 300000 &&
		       memcmp(big.str, lots, big.n) == 0,
	       "a larger file", "%s", e.msg);
	free(lots);

	checkf(dir_make("d/e/f//", 0755, &e) == 0 && stat("d/e/f", &st) == 0 &&
		       S_ISDIR(st.st_mode),
	       "make directories", "%s", e.msg);
	checkf(dir_make("d/e", 0755, &e) == 0, "that exist", "%s", e.msg);
	checkf(dir_make("/", 0755, &e) == 0, "the root", "%s", e.msg);
	refused("in the way of a directory", dir_make("g", 0755, &e), &e,
		ERR_IO, "g is not a directory");
	err_clear(&e);
	refused("a file among the parents", dir_make("g/h", 0755, &e), &e,
		ERR_IO, "g/h: Not a directory");
	err_clear(&e);
	if (symlink("../g", "d/link") < 0 || mkfifo("d/e/fifo", 0600) < 0 ||
	    mkdir("outside", 0700) < 0 || symlink("../../outside", "d/e/out") < 0)
		abort();
	file_write("outside/kept", STR("x"), 0600, &e);
	checkf(dir_remove("d", &e) == 0 && !file_exists("d"), "remove a tree",
	       "%s", e.msg);
	checkf(file_exists("g") && file_exists("outside/kept"),
	       "but not what its links point to", "gone");
	checkf(dir_remove("d", &e) == 0, "a tree that is not there", "%s", e.msg);
	/* each level holds a descriptor: there is an end to that */
	struct buf deep = BUF_INIT(1024);

	buf_adds(&deep, "d");
	for (int i = 0; i < 130; i++)
		buf_adds(&deep, "/d");
	checkf(dir_make(deep.str, 0700, &e) == 0, "a deep tree", "%s", e.msg);
	checkf(dir_remove("d", &e) < 0 &&
		       strstr(e.msg, "more than 128 levels deep") != NULL,
	       "is not followed for ever", "%s", e.msg);
	err_clear(&e);
	checkf(dir_remove("d/d/d/d", &e) == 0 && dir_remove("d", &e) == 0,
	       "but as far as that", "%s", e.msg);
	buf_release(&deep);
	checkf(dir_remove("g", &e) == 0 && !file_exists("g"), "a file", "%s",
	       e.msg);
	/* names of temporary files start like their target's */
	struct buf ls = BUF_INIT(4096);
	int status;

	checkf(run_program((const char *const[]){ "ls", "-A", NULL }, NULL, &ls,
			   patience(), &status, &e) == 0 &&
		       strchr(ls.str, '.') == NULL,
	       "no temporary files stay", "%s", ls.str);
	dir_remove("outside", &e);
	unlink("f");
	buf_release(&ls);
	buf_release(&b);
	buf_release(&small);
	buf_release(&big);
}

/* Needs root for a mount; in a namespace of its own, so it ends with it. */
static void mounts(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err e = ERR_INIT;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    dir_make("m/here", 0700, &e) < 0 ||
		    mount("none", "m/here", "tmpfs", 0, NULL) < 0 ||
		    file_write("m/here/kept", STR("x"), 0600, &e) < 0)
			_exit(2);
		_exit(dir_remove("m", &e) < 0 &&
				      strstr(e.msg, "something is mounted there") !=
					      NULL &&
				      file_exists("m/here/kept") ?
			      0 :
			      1);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		check_skip("mounts", "may not mount here");
	else
		checkf(status == 0, "what is mounted below is not removed",
		       "status %d", status);
	struct err e = ERR_INIT;

	dir_remove("m", &e);
}

/* ---- programs ---- */

static int sh(const char *script, const char *const env[], struct buf *out,
	      int64_t ms, struct err *e)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	int status = -1;

	return run_program(argv, env, out, now_ms() + ms, &status, e) < 0 ?
		       -1 :
		       status;
}

static void programs(void)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(1 << 20), small = BUF_INIT(10);
	const char *const env[] = { "HOME=/nowhere", "NEW=1 2", NULL };
	const char *const nothing[] = { "./not-a-program", NULL };
	int64_t before;
	int status;

	checkf(sh("echo out; echo err >&2; exit 7", NULL, &b, 5000, &e) == 7 &&
		       strcmp(b.str, "out\nerr\n") == 0,
	       "output and exit code", "%s%s", b.str, e.msg);
	buf_reset(&b);
	checkf(sh("kill -9 $$", NULL, NULL, CHECK_PATIENCE_MS, &e) == 128 + 9,
	       "ended by a signal", "%s", e.msg);
	checkf(sh("echo \"$HOME $NEW $PATH\" | cut -c1-14; env | grep -c ^HOME=; cat",
		  env, &b, 5000, &e) == 0 &&
		       strstr(b.str, "/nowhere 1 2 /") == b.str &&
		       strstr(b.str, "\n1\n") != NULL,
	       "environment, and nothing to read", "%s%s", b.str, e.msg);
	buf_reset(&b);
	checkf(sh("head -c 900000 /dev/zero", NULL, &b, CHECK_PATIENCE_MS, &e) ==
			       0 &&
		       b.n == 900000,
	       "much output", "%zu", b.n);
	buf_reset(&b);
	checkf(sh("head -c 900000 /dev/zero", NULL, &small, CHECK_PATIENCE_MS,
		  &e) == 0 &&
		       small.over,
	       "more output than wanted", "%zu", small.n);
	refused("no such program",
		run_program(nothing, NULL, NULL, patience(), &status, &e), &e,
		ERR_IO, "cannot run ./not-a-program: No such file");
	err_clear(&e);
	before = now_ms();
	refused("a program that takes too long",
		sh("sleep 600 & echo $!; wait", NULL, &b, 300, &e), &e,
		ERR_TIMEOUT, "sh: not finished in time");
	checkf(now_ms() - before < 30000, "is ended at the deadline", "%d",
	       (int)(now_ms() - before));
	uint64_t pid = 0;
	struct str digits = buf_str(&b);
	char path[64];

	checkf(str_dec(&digits, INT32_MAX, &pid), "and told of its child", "%s",
	       b.str);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	struct buf st = BUF_INIT(4096);
	struct err ignored = ERR_INIT;

	/* gone, or a zombie that waits for init */
	while (file_read(path, &st, &ignored) == 0 &&
	       strstr(st.str, ") Z") == NULL && strstr(st.str, ") X") == NULL &&
	       now_ms() - before < CHECK_PATIENCE_MS) {
		usleep(10000);
		buf_reset(&st);
	}
	checkf(st.n == 0 || strstr(st.str, ") Z") != NULL ||
		       strstr(st.str, ") X") != NULL,
	       "with all it started", "%s", st.str);
	buf_release(&st);
	err_clear(&e);
	buf_reset(&b);
	before = now_ms();
	refused("a program that ignores SIGTERM",
		sh("trap '' TERM; echo x; while :; do sleep 0.1; done", NULL,
		   &b, 300, &e),
		&e, ERR_TIMEOUT, "not finished in time");
	checkf(now_ms() - before < CHECK_PATIENCE_MS, "is ended all the same",
	       "%d", (int)(now_ms() - before));
	err_clear(&e);
	buf_reset(&b);
	before = now_ms();
	checkf(sh("setsid sleep 600 & echo $!", NULL, &b, CHECK_PATIENCE_MS,
		  &e) == 0,
	       "daemons are not waited for", "%s%s", b.str, e.msg);
	digits = buf_str(&b);
	if (str_dec(&digits, INT32_MAX, &pid))
		kill((pid_t)pid, SIGKILL);
	buf_release(&b);
	buf_release(&small);
}

/* ---- signals, all the time ---- */

static atomic_bool pestered;
static atomic_uint signals_seen;

static void on_signal(int sig)
{
	(void)sig;
	signals_seen++;
}

static void *pester(void *arg)
{
	pthread_t victim = *(pthread_t *)arg;

	while (pestered) {
		pthread_kill(victim, SIGUSR1);
		usleep(500);
	}
	return NULL;
}

static void *pour(void *arg)
{
	struct stream *s = arg;
	struct err e = ERR_INIT;
	char *lots = xcalloc(1, 1 << 16);

	for (int i = 0; i < 200; i++) {
		if (i % 10 == 0)
			usleep(5000);
		if (stream_write(s, lots, 1 << 16, patience(), &e) < 0)
			break;
	}
	free(lots);
	stream_close(s);
	return NULL;
}

/* Every call is interrupted now and then; nobody may notice. */
static void signals(void)
{
	struct sigaction act = { .sa_handler = on_signal }, before_act;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(1 << 20);
	pthread_t self = pthread_self(), pest, other;
	unsigned port = 0, seen;
	int l = tcp_listen("127.0.0.1", &port, NULL, &e), c, status;
	struct stream *s;
	size_t total = 0;
	ssize_t got;
	char piece[50000];
	int64_t before;

	sigaction(SIGUSR1, &act, &before_act);
	pestered = true;
	pthread_create(&pest, NULL, pester, &self);
	before = now_ms();
	checkf(sleep_until(now_ms() + 200, &e) == 0 && now_ms() - before >= 200,
	       "signals do not end sleep", "%d ms, %s",
	       (int)(now_ms() - before), e.msg);
	c = tcp_connect("127.0.0.1", port, patience(), &e);
	s = stream_of_fd(tcp_accept(l, patience(), &e));
	pthread_create(&other, NULL, pour, stream_of_fd(c));
	while ((got = stream_read(s, piece, sizeof piece, patience(), &e)) > 0)
		total += (size_t)got;
	checkf(got == 0 && total == 200u << 16, "nor reading", "%zu bytes, %s",
	       total, e.msg);
	pthread_join(other, NULL);
	stream_close(s);
	checkf(run_program((const char *const[]){ "sh", "-c",
						  "sleep 0.3; echo done", NULL },
			   NULL, &b, patience(), &status, &e) == 0 &&
		       status == 0 && strcmp(b.str, "done\n") == 0,
	       "nor a program", "%s%s", b.str, e.msg);
	checkf(tcp_accept(l, now_ms() + 100, &e) < 0 && e.kind == ERR_TIMEOUT,
	       "nor accepting", "%s", e.msg);
	seen = signals_seen;
	pestered = false;
	pthread_join(pest, NULL);
	checkf(seen > 100, "and there were many", "%u", seen);
	sigaction(SIGUSR1, &before_act, NULL);
	close(l);
	buf_release(&b);
}

/* ---- interrupts: last, for they do not wear off ---- */

static void *interrupt_soon(void *arg)
{
	(void)arg;
	usleep(200000);
	interrupt_request();
	return NULL;
}

/* Each way to wait, in a child of its own. */
static int wait_somehow(int how)
{
	struct err e = ERR_INIT;
	int64_t deadline = now_ms() + 2 * CHECK_PATIENCE_MS, before = now_ms();
	unsigned port = 0;
	int p[2], status, rc = 0;
	pthread_t t;
	char c;

	if (interrupt_init(&e) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
		return 1;
	pthread_create(&t, NULL, interrupt_soon, NULL);
	switch (how) {
	case 0:
		rc = sleep_until(deadline, &e);
		break;
	case 1:
		rc = tcp_accept(tcp_listen("127.0.0.1", &port, NULL, &e),
				IO_FOREVER, &e);
		break;
	case 2: {
		struct stream *s = stream_of_fd(p[0]);

		rc = (int)stream_read(s, &c, 1, IO_FOREVER, &e);
		stream_close(s);
		break;
	}
	case 3:
		rc = run_program((const char *const[]){ "sleep", "600", NULL },
				 NULL, NULL, IO_FOREVER, &status, &e);
		break;
	case 4:
		usleep(300000);
		/* what needs no waiting goes on */
		struct stream *s = stream_of_fd(p[0]);

		rc = stream_write(s, "x", 1, deadline, &e);
		stream_close(s);
		return rc == 0 && read(p[1], &c, 1) == 1 ? 0 : 1;
	}
	pthread_join(t, NULL);
	return rc < 0 && e.kind == ERR_INTR &&
			       strstr(e.msg, "interrupted") != NULL &&
			       now_ms() - before < CHECK_PATIENCE_MS ?
		       0 :
		       1;
}

static void interrupts(void)
{
	static const char *const names[] = {
		"interrupt ends sleeping",
		"interrupt ends accepting",
		"interrupt ends reading",
		"interrupt ends a program",
		"interrupt lets through what need not wait",
	};

	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		int status = 1;

		if (pid == 0)
			_exit(wait_somehow(i));
		waitpid(pid, &status, 0);
		checkf(status == 0, names[i], "status %d", status);
	}
}

/* above/own/in, and whose each of the first two is. */
static const struct {
	const char *what;
	unsigned mode, above;
	unsigned user, user_above;
	const char *words; /* NULL: it may be used */
} owned[] = {
	{ "ours alone", 0700, 0755, 0, 0, NULL },
	{ "others may read it", 0750, 0755, 0, 0,
	  "others may use the directory (mode 0750)" },
	{ "others may write to it", 0702, 0755, 0, 0, "'chmod 700' it" },
	{ "everybody's, as /tmp", 01777, 0755, 0, 0,
	  "a directory for all users: name one" },
	{ "another's", 0700, 0755, 4321, 0, "is user 4321's, not ours" },
	{ "below another's", 0700, 0755, 0, 4321, "above it is user 4321's" },
	{ "below what all may write to", 0700, 0777, 0, 0,
	  "above it (mode 0777), and could exchange it" },
	{ "below what is sticky", 0700, 01777, 0, 0, NULL },
};

static void own_directories(void)
{
	const unsigned me = (unsigned)geteuid();

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		unsigned user = owned[i].user != 0 ? owned[i].user : me,
			 above = owned[i].user_above != 0 ? owned[i].user_above :
							    me;
		struct err e = ERR_INIT;
		char *path;

		if ((user != me || above != me) && me != 0) {
			check_skip(owned[i].what, "needs root");
			continue;
		}
		if (mkdir("above", 0700) < 0 || mkdir("above/own", 0700) < 0 ||
		    chmod("above/own", owned[i].mode) < 0 ||
		    chmod("above", owned[i].above) < 0 ||
		    chown("above/own", user, (gid_t)-1) < 0 ||
		    chown("above", above, (gid_t)-1) < 0)
			abort();
		path = dir_own("above/own", &e);
		if (owned[i].words == NULL)
			checkf(path != NULL && path[0] == '/', owned[i].what,
			       "%s", e.msg);
		else
			refused(owned[i].what, path != NULL ? 0 : -1, &e,
				ERR_USAGE, owned[i].words);
		free(path);
		err_clear(&e);
		dir_remove("above", &e);
	}
}

/* A link to a directory is as good as it, when it is not another's. */
static void own_links(void)
{
	struct err e = ERR_INIT;
	struct stat st;
	char *path = dir_own("new/own", &e);

	checkf(path != NULL && stat(path, &st) == 0 && (st.st_mode & 0777) == 0700,
	       "one of our own is made", "%s", e.msg);
	free(path);
	if (symlink("new/own", "link") < 0)
		abort();
	path = dir_own("link", &e);
	checkf(path != NULL && strstr(path, "/new/own") != NULL,
	       "a link of ours", "%s", e.msg);
	free(path);
	if (geteuid() != 0 || lchown("link", 4321, (gid_t)-1) < 0) {
		check_skip("another's link", "needs root");
	} else {
		path = dir_own("link", &e);
		refused("another's link", path != NULL ? 0 : -1, &e, ERR_USAGE,
			"a link of user 4321's");
		free(path);
	}
	unlink("link");
	dir_remove("new", &e);
}

int main(void)
{
	struct err e = ERR_INIT;
	char dir[] = "/tmp/azswarm-io.XXXXXX";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		return 1;
	connections();
	first_greeting();
	silence();
	names();
	ipv6();
	unix_sockets();
	namespaces();
	files();
	own_directories();
	own_links();
	mounts();
	programs();
	signals();
	interrupts();
	if (chdir("/") < 0 || dir_remove(dir, &e) < 0)
		return 1;
	return check_failed();
}
