/*
 * ssh/ on the command line, for tests/sh/ssh.sh.  Errors go to stderr as
 * "ssh_tool: MESSAGE", exit 1.
 *
 *	ssh_tool [OPTIONS] PORT VERB [ARGUMENT...]	connect to 127.0.0.1:PORT
 *
 * Options: -u USER, -H FILE (host key line), -O FILE (another), -k FILE (private key), -a SOCKET
 * (agent), -A FILE (the agent's only key), -x KEX, -c CIPHERS, -m MACS, -r
 * BYTES (rekey), -t MS (rekey), -K MS (keepalive), -d SECONDS (deadline, 300),
 * -J PORT (jump: through the server there, same keys and user)
 *
 *	algorithms		what was agreed
 *	exec COMMAND		stdin, stdout, stderr, exit code
 *	run COMMAND		ssh_run: out in one piece, exit code
 *	shell COLS ROWS [COMMAND]	on a terminal; stdin to it
 *	tty [COMMAND]		the same with ours in raw mode
 *	tcp PORT | unix PATH	stdin to it, what it says to stdout
 *	http PORT PATH		GET through a stream
 *	many N COMMAND		N channels at once; says how many exited with 0
 *	forward FILE PORT|PATH	listen, write the port to FILE, until SIGTERM
 *	busy COMMAND		exec, and ssh_rekey() at every 1 MiB
 *	rekeyed COMMAND		exec, then "rekeyed N" to stderr
 *	idle SECONDS		do nothing but what keeps it alive
 *	window COMMAND		never read, for a second; how much is held
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "ssh/ssh.h"

static struct err e = ERR_INIT;
static int64_t deadline;

static _Noreturn void die(void)
{
	fprintf(stderr, "ssh_tool: %s\n", e.msg);
	exit(1);
}

static void on_signal(int sig)
{
	(void)sig;
	interrupt_request();
}

static unsigned number(const char *z)
{
	uint64_t v = 0;

	if (!str_num(str_of(z), 1u << 31, &v)) {
		err_set(&e, ERR_USAGE, "not a number: %s", z);
		die();
	}
	return (unsigned)v;
}

static int carry(struct ssh *s, struct ssh_channel *c, int tty)
{
	struct ssh_loop *l = ssh_loop_new(s);
	int rc, status;

	ssh_loop_attach(l, c, 0, 1, 2, tty);
	rc = ssh_loop_run(l, c, deadline, &e);
	ssh_loop_free(l);
	status = ssh_channel_status(c);
	ssh_channel_close(c);
	return rc < 0 ? -1 : status;
}

static int verb_exec(struct ssh *s, char **argv)
{
	struct ssh_channel *c = ssh_exec(s, argv[0], &e);

	return c == NULL ? -1 : carry(s, c, -1);
}

static int verb_rekeyed(struct ssh *s, char **argv)
{
	int rc = verb_exec(s, argv);

	fprintf(stderr, "rekeyed %u\n", ssh_rekeyed(s));
	return rc;
}

static int verb_run(struct ssh *s, char **argv)
{
	struct buf out = BUF_INIT(1 << 20);
	int status = -1;

	if (ssh_run(s, argv[0], STR("input\n"), &out, &out, &status, deadline,
		    &e) < 0)
		return -1;
	fwrite(out.str, 1, out.n, stdout);
	buf_release(&out);
	return status;
}

static int verb_algorithms(struct ssh *s, char **argv)
{
	(void)argv;
	puts(ssh_algorithms(s));
	return 0;
}

static int verb_shell(struct ssh *s, char **argv)
{
	struct ssh_channel *c = ssh_shell(s, argv[2], "vt100", number(argv[0]),
					  number(argv[1]), &e);

	if (c == NULL || ssh_channel_wait(c, deadline, &e) < 0)
		return -1;
	if (argv[2] != NULL)
		ssh_channel_size(c, number(argv[0]) + 1, number(argv[1]) + 1);
	return carry(s, c, -1);
}

static int verb_tty(struct ssh *s, char **argv)
{
	unsigned cols, rows;
	struct ssh_channel *c;
	struct ssh_tty *t;
	int rc;

	if (!ssh_tty_size(0, &cols, &rows))
		return err_set(&e, ERR_USAGE, "no terminal");
	if ((c = ssh_shell(s, argv[0], getenv("TERM"), cols, rows, &e)) == NULL ||
	    (t = ssh_tty_enter(0, &e)) == NULL)
		return -1;
	rc = carry(s, c, 0);
	ssh_tty_leave(t);
	return rc;
}

static int through(struct ssh *s, struct ssh_channel *c)
{
	if (c == NULL || ssh_channel_wait(c, deadline, &e) < 0)
		return -1;
	return carry(s, c, -1) == -1 && e.kind != ERR_NONE ? -1 : 0;
}

static int verb_tcp(struct ssh *s, char **argv)
{
	return through(s, ssh_tcp(s, "127.0.0.1", number(argv[0]), &e));
}

static int verb_unix(struct ssh *s, char **argv)
{
	return through(s, ssh_unix(s, argv[0], &e));
}

static int verb_http(struct ssh *s, char **argv)
{
	struct ssh_channel *c = ssh_tcp(s, "127.0.0.1", number(argv[0]), &e);
	struct buf b = BUF_INIT(4096);
	struct stream *st;
	char chunk[5000];
	ssize_t n;

	if (c == NULL)
		return -1;
	st = ssh_channel_stream(c);
	buf_addf(&b, "GET %s HTTP/1.0\r\n\r\n", argv[1]);
	if (stream_write(st, b.str, b.n, deadline, &e) < 0 ||
	    stream_flush(st, deadline, &e) < 0)
		return -1;
	while ((n = stream_read(st, chunk, sizeof(chunk), deadline, &e)) > 0)
		fwrite(chunk, 1, (size_t)n, stdout);
	stream_close(st);
	buf_release(&b);
	return n < 0 ? -1 : 0;
}

static int verb_many(struct ssh *s, char **argv)
{
	struct ssh_channel *c[400];
	unsigned n = number(argv[0]), left, good = 0;
	char tmp[4096];

	for (unsigned i = 0; i < n && i < 400; i++)
		if ((c[i] = ssh_exec(s, argv[1], &e)) == NULL)
			return -1;
	do {
		left = 0;
		for (unsigned i = 0; i < n; i++) {
			while (ssh_channel_read(c[i], false, tmp, sizeof(tmp),
						&e) > 0)
				;
			while (ssh_channel_read(c[i], true, tmp, sizeof(tmp),
						&e) > 0)
				;
			left += e.kind == ERR_NONE &&
				!(ssh_channel_ended(c[i]) &&
				  ssh_channel_status(c[i]) >= 0);
			e = (struct err)ERR_INIT; /* one may be refused */
		}
		if (left > 0 &&
		    (now_ms() > deadline || ssh_wait(s, deadline, &e) < 0))
			return err_set(&e, ERR_TIMEOUT, "%u of %u are left",
				       left, n);
	} while (left > 0);
	for (unsigned i = 0; i < n; i++) {
		good += ssh_channel_status(c[i]) == 0;
		ssh_channel_close(c[i]);
	}
	printf("%u\n", good);
	return 0;
}

static int verb_forward(struct ssh *s, char **argv)
{
	struct ssh_loop *l = ssh_loop_new(s);
	struct buf b = BUF_INIT(32);
	unsigned port = 0, refused;
	int fd, rc;

	if ((fd = tcp_listen("127.0.0.1", &port, NULL, &e)) < 0)
		return -1;
	if (argv[1][0] == '/')
		ssh_loop_listen(l, fd, argv[1], 0);
	else
		ssh_loop_listen(l, fd, "127.0.0.1", number(argv[1]));
	buf_addf(&b, "%u\n", port);
	if (file_write(argv[0], buf_str(&b), 0600, &e) < 0)
		return -1;
	rc = ssh_loop_run(l, NULL, deadline, &e);
	refused = ssh_loop_refused(l);
	fprintf(stderr, "refused %u, carried %u\n", refused, ssh_loop_carried(l));
	ssh_loop_free(l);
	buf_release(&b);
	close(fd);
	return rc < 0 && e.kind != ERR_INTR ? -1 : 0;
}

static int verb_busy(struct ssh *s, char **argv)
{
	struct ssh_channel *c = ssh_exec(s, argv[0], &e);
	static char chunk[65536];
	size_t total = 0, next = 0;
	ssize_t n;

	if (c == NULL)
		return -1;
	ssh_channel_eof(c);
	for (;;) {
		while ((n = ssh_channel_read(c, false, chunk, sizeof(chunk),
					     &e)) > 0) {
			fwrite(chunk, 1, (size_t)n, stdout);
			total += (size_t)n;
			if (total >= next) {
				ssh_rekey(s);
				next = total + (1 << 20);
			}
		}
		if (n == 0)
			break;
		if (e.kind != ERR_NONE || now_ms() > deadline ||
		    ssh_wait(s, deadline, &e) < 0)
			return -1;
	}
	ssh_channel_close(c);
	fprintf(stderr, "rekeyed %u\n", ssh_rekeyed(s));
	return 0;
}

static int verb_idle(struct ssh *s, char **argv)
{
	int64_t until = now_ms() + (int64_t)number(argv[0]) * 1000;

	while (now_ms() < until)
		if (ssh_wait(s, until, &e) < 0)
			return -1;
	puts("idle");
	return 0;
}

static int verb_window(struct ssh *s, char **argv)
{
	struct ssh_channel *c = ssh_exec(s, argv[0], &e);
	int64_t until = now_ms() + 1500;

	if (c == NULL)
		return -1;
	while (now_ms() < until)
		if (ssh_wait(s, until, &e) < 0)
			return -1;
	printf("%zu\n", ssh_channel_held(c, false));
	ssh_channel_close(c);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct ssh *s, char **argv);
	int args;
} verbs[] = {
	{ "algorithms", verb_algorithms, 0 },
	{ "exec", verb_exec, 1 },
	{ "run", verb_run, 1 },
	{ "shell", verb_shell, 2 },
	{ "tty", verb_tty, 0 },
	{ "tcp", verb_tcp, 1 },
	{ "unix", verb_unix, 1 },
	{ "http", verb_http, 2 },
	{ "many", verb_many, 2 },
	{ "forward", verb_forward, 2 },
	{ "busy", verb_busy, 1 },
	{ "idle", verb_idle, 1 },
	{ "rekeyed", verb_rekeyed, 1 },
	{ "window", verb_window, 1 },
};

static struct ssh *dial(struct stream *st, const struct ssh_config *c)
{
	struct ssh *s = ssh_open(st, c, deadline, &e);

	if (s == NULL)
		die();
	return s;
}

int main(int argc, char **argv)
{
	struct ssh_config c = { .user = "root" };
	struct ssh *jump = NULL, *s;
	struct buf host = BUF_INIT(8192), other = BUF_INIT(8192),
		   only = BUF_INIT(8192);
	struct ssh_key *key = NULL;
	unsigned port, jump_port = 0, seconds = 300;
	int opt, fd, rc = -1;

	while ((opt = getopt(argc, argv, "+u:H:O:k:a:A:x:c:m:r:t:K:d:J:")) != -1) {
		switch (opt) {
		case 'u':
			c.user = optarg;
			break;
		case 'H':
			if (file_read(optarg, &host, &e) < 0)
				die();
			c.host_key = host.str;
			break;
		case 'O':
			if (file_read(optarg, &other, &e) < 0)
				die();
			c.other_host_key = other.str;
			break;
		case 'k':
			if ((key = ssh_key_read(optarg, &e)) == NULL)
				die();
			c.key = key;
			break;
		case 'a':
			c.agent = optarg;
			break;
		case 'A':
			if (file_read(optarg, &only, &e) < 0)
				die();
			c.agent_key = only.str;
			break;
		case 'x':
			c.kex = optarg;
			break;
		case 'c':
			c.ciphers = optarg;
			break;
		case 'm':
			c.macs = optarg;
			break;
		case 'r':
			c.rekey_bytes = number(optarg);
			break;
		case 't':
			c.rekey_ms = number(optarg);
			break;
		case 'K':
			c.keepalive_ms = number(optarg);
			break;
		case 'd':
			seconds = number(optarg);
			break;
		case 'J':
			jump_port = number(optarg);
			break;
		default:
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		return 2;
	deadline = now_ms() + (int64_t)seconds * 1000;
	signal(SIGPIPE, SIG_IGN);
	if (interrupt_init(&e) < 0)
		die();
	signal(SIGTERM, on_signal);
	port = number(argv[0]);
	if ((fd = tcp_connect("127.0.0.1", jump_port != 0 ? jump_port : port,
			      deadline, &e)) < 0)
		die();
	s = dial(stream_of_fd(fd), &c);
	if (jump_port != 0) {
		struct ssh_channel *ch = ssh_tcp(s, "127.0.0.1", port, &e);

		jump = s;
		if (ch == NULL)
			die();
		s = dial(ssh_channel_stream(ch), &c);
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0 &&
		    argc - 2 >= verbs[i].args)
			rc = verbs[i].run(s, argv + 2);
	fflush(stdout);
	if (rc < 0 && e.kind == ERR_NONE)
		err_set(&e, ERR_USAGE, "no status");
	ssh_close(s);
	ssh_close(jump);
	ssh_key_free(key);
	buf_release(&host);
	buf_release(&other);
	buf_release(&only);
	if (rc < 0)
		die();
	return rc;
}
