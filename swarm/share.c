/*
 * The connection to a master, kept for a minute: the first command that makes
 * one leaves it to a process in the background (the host), and those that come
 * within that minute are its guests (ssh/share.c), with no question to Azure
 * and no key.  The host has neither: what it holds is the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/net.h"
#include "swarm/remote.h"

#define FDS_MAX 4096 /* no command opens more */
#define IDLE_MS 60000
#define CONNECT_MS 1000
#define HELLO_MS 2500 /* or the host's server is not there any more */
#define FRESH_S 5     /* so long a master is believed to work */
#define HELLO_MAX (16u << 10)
#define FORM 1 /* of the greeting */
#define ARGUMENTS_MAX (4 << 20)

/* Whoever can connect to a socket of ours is root over there. */
static char *directory(struct err *e)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char *dir = run != NULL && run[0] == '/' ?
			    xasprintf("%s/azswarm", run) :
			    xasprintf("/tmp/azswarm-%u", (unsigned)getuid());
	struct stat st;

	if (dir_make(dir, 0700, e) == 0) {
		if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
		    st.st_uid == getuid() && (st.st_mode & 077) == 0)
			return dir;
		err_set(e, ERR_IO,
			"%s: not a directory that is ours alone "
			"(0700)",
			dir);
	}
	free(dir);
	return NULL;
}

char *share_path(const struct session *s, const char *what, struct err *e)
{
	static const enum setting names[] = { S_ARM_ENDPOINT, S_SUBSCRIPTION_ID,
					      S_COMPUTE_GROUP, S_ADMIN_USERNAME,
					      S_OWN_KEY };
	struct buf all = BUF_INIT(64u << 10), hex = BUF_INIT(2 * SHA256_LEN);
	char *dir = directory(e), *path = NULL;
	char *key = xasprintf("keys/%s.pub",
			      settings_get(s->set, S_ADMIN_USERNAME));
	uint8_t sum[SHA256_LEN];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		buf_addf(&all, "%s\n", settings_get(s->set, names[i]));
	if (dir != NULL && file_read("keys/host-master.pub", &all, e) == 0 &&
	    (!file_exists(key) || file_read(key, &all, e) == 0) &&
	    buf_check(&all, "the cluster's name", e) == 0) {
		sha256(all.str, all.n, sum);
		buf_add_hex(&hex, sum, 8);
		path = xasprintf("%s/%s-%s.sock", dir, what, hex.str);
	}
	buf_release(&all);
	buf_release(&hex);
	free(key);
	free(dir);
	return path;
}

static bool wanted(const struct session *s)
{
	struct err ignored = ERR_INIT;
	bool on = false;

	return !s->no_share && !s->trace.print &&
	       settings_bool(s->set, S_SHARE_SSH, &on, &ignored) == 0 && on;
}

/* ---- the greeting: what a guest need not ask Azure ---- */

static void greeting(const struct remote *r, struct buf *out)
{
	cJSON *doc = cJSON_CreateObject(), *list;

	json_add_int(doc, "form", FORM);
	json_add_str(doc, "name", r->name);
	json_add_str(doc, "fqdns", r->masters.fqdns.str);
	if (r->masters.balancer != NULL)
		json_add_str(doc, "balancer", r->masters.balancer);
	list = json_add_arr(doc, "masters");
	for (size_t i = 0; i < r->masters.n; i++) {
		cJSON *m = json_add_obj(list, NULL);

		json_add_str(m, "name", r->masters.name[i]);
		json_add_str(m, "address", r->masters.address[i]);
	}
	json_print(doc, out);
	json_free(doc);
}

static bool take_greeting(struct remote *r, struct str text)
{
	struct err ignored = ERR_INIT;
	cJSON *doc = json_parse(text, "greeting", &ignored);
	const char *name = json_text(doc, "name");
	const cJSON *m;
	bool good = json_int_opt(doc, "form", 0) == FORM && *name != '\0';

	if (good) {
		r->name = xstrdup(name);
		buf_adds(&r->masters.fqdns, json_text(doc, "fqdns"));
		if (*json_text(doc, "balancer") != '\0')
			r->masters.balancer = xstrdup(json_text(doc, "balancer"));
		cJSON_ArrayForEach(m, json_get(doc, "masters"))
			if (r->masters.n < LAYOUT_MASTERS_MAX) {
				r->masters.name[r->masters.n] =
					xstrdup(json_text(m, "name"));
				r->masters.address[r->masters.n++] =
					xstrdup(json_text(m, "address"));
			}
	}
	json_free(doc);
	return good;
}

/* ---- a guest ---- */

/* 1; 0: there are guests enough; -1: nobody is there. */
static int join(struct remote *r, const char *path)
{
	struct buf hello = BUF_INIT(HELLO_MAX);
	struct err ignored = ERR_INIT;
	int fd = unix_connect(path, now_ms() + CONNECT_MS, &ignored), rc = -1;
	struct ssh *ssh = NULL;

	if (fd >= 0)
		ssh = ssh_join(stream_of_fd(fd), &hello, now_ms() + HELLO_MS,
			       &ignored);
	if (ssh != NULL && hello.n == 0)
		rc = 0;
	else if (ssh != NULL &&
		 (r->name != NULL || take_greeting(r, buf_str(&hello))))
		rc = 1;
	if (rc == 1)
		r->ssh = ssh;
	else
		ssh_close(ssh);
	r->shared = rc == 1;
	buf_release(&hello);
	return rc;
}

bool share_join(struct remote *r)
{
	struct err ignored = ERR_INIT;
	char *path = wanted(r->s) ? share_path(r->s, "ssh", &ignored) : NULL;
	struct stat st;
	int rc = -1;

	if (path != NULL && lstat(path, &st) == 0 && (rc = join(r, path)) < 0 &&
	    !interrupt_requested())
		unlink(path); /* its host sees that */
	r->alone = rc == 0;
	free(path);
	return rc == 1;
}

/* When that was last seen is the time of the socket's file. */
bool share_is_fresh(const struct remote *r)
{
	struct err ignored = ERR_INIT;
	char *path = share_path(r->s, "ssh", &ignored);
	struct stat st;
	bool fresh = path != NULL && lstat(path, &st) == 0 &&
		     unix_time() - st.st_mtim.tv_sec >= 0 &&
		     unix_time() - st.st_mtim.tv_sec <= FRESH_S;

	free(path);
	return fresh;
}

void share_checked(const struct remote *r, bool works)
{
	struct err ignored = ERR_INIT;
	char *path = share_path(r->s, "ssh", &ignored);

	if (path != NULL && works)
		utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
	else if (path != NULL)
		unlink(path); /* its host sees that */
	free(path);
}

/* ---- the host ---- */

struct place {
	const char *path;
	struct stat made;
};

/* The socket is ours as long as the file at its path is the one we made. */
static bool still_there(void *ctx)
{
	const struct place *p = ctx;
	struct stat st;

	return lstat(p->path, &st) == 0 && st.st_ino == p->made.st_ino &&
	       st.st_dev == p->made.st_dev;
}

/* What goes nowhere and gives nothing, where there may be no /dev. */
static int nowhere(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];

	if (fd < 0 && pipe2(ends, O_CLOEXEC) == 0) {
		close(ends[0]);
		fd = ends[1];
	}
	return fd;
}

void remote_close_others(const int *kept, size_t n)
{
	struct rlimit most;
	int null = nowhere(), end = FDS_MAX;

	if (null < 0)
		_exit(1);
	for (int i = 0; i <= STDERR_FILENO; i++)
		dup2(null, i);
	if (getrlimit(RLIMIT_NOFILE, &most) == 0 && most.rlim_cur < FDS_MAX)
		end = (int)most.rlim_cur;
	/* not by /proc, which need not be there */
	for (int fd = STDERR_FILENO + 1; fd < end; fd++) {
		bool stays = false;

		for (size_t i = 0; i < n && !stays; i++)
			stays = fd == kept[i];
		if (!stays)
			close(fd);
	}
}

/*
 * What the command was called with, and its environment: there may be a secret
 * in them, and they can be read in /proc for as long as the process lives.
 * Arguments lie before the environment, in one piece.
 */
static void forget_command(void)
{
	char *from = program_invocation_name, *to = environ[0];

	for (char **p = environ; *p != NULL; p++)
		burn(*p, strlen(*p));
	if (from != NULL && to > from && to - from < ARGUMENTS_MAX) {
		burn(from, (size_t)(to - from));
		snprintf(from, (size_t)(to - from), "azswarm: connection kept");
	}
	environ[0] = NULL;
}

static void host(struct remote *r, int fd, const char *path)
{
	struct err ignored = ERR_INIT;
	int anew = interrupt_anew(&ignored);
	const int kept[] = { fd, ssh_fd(r->ssh), interrupt_fd() };
	struct buf hello = BUF_INIT(HELLO_MAX);
	struct place p = { .path = path };
	struct ssh *ssh = r->ssh;

	setsid();
	if (anew < 0 || chdir("/") < 0 || lstat(path, &p.made) < 0)
		_exit(1);
	greeting(r, &hello);
	/* first the descriptors: what is released must not say goodbye for the
	 * command, which goes on */
	remote_close_others(kept, sizeof(kept) / sizeof(*kept));
	r->ssh = NULL;
	session_close(r->s);
	settings_release((struct settings *)(uintptr_t)r->s->set);
	remote_release(r);
	forget_command();
	if (!hello.over)
		ssh_share(ssh, fd, buf_str(&hello), IDLE_MS, still_there, &p,
			  &ignored);
	if (still_there(&p))
		unlink(path);
	ssh_close(ssh);
	_exit(0);
}

bool share_begin(struct remote *r)
{
	struct err ignored = ERR_INIT;
	char *path = wanted(r->s) && !r->alone ?
			     share_path(r->s, "ssh", &ignored) :
			     NULL;
	struct ssh *own = r->ssh;
	bool good = true;
	pid_t pid = -1;
	int fd = -1;

	if (path != NULL) {
		unlink(path);
		fd = unix_listen(path, &ignored);
	}
	if (fd >= 0) {
		remote_drop_docker(r);
		fflush(NULL);
		pid = fork();
	}
	if (pid == 0)
		host(r, fd, path);
	if (fd >= 0)
		close(fd);
	if (pid > 0) {
		r->ssh = NULL;
		good = join(r, path) == 1;
		if (!good) {
			kill(pid, SIGKILL);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
			unlink(path);
		}
		/* what it said meanwhile is not known here: two who count alike
		 * would use a nonce twice */
		ssh_forget(own);
	}
	free(path);
	return good;
}
