/*
 * The operators' lock: a lease on a blob, the process that keeps it, and what is
 * said to who comes second.
 *
 * Source: "Lease Blob", "Set Blob Metadata" (learn.microsoft.com).
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "swarm/audit.h"
#include "swarm/blob.h"
#include "swarm/lock.h"
#include "swarm/remote.h"
#include "swarm/secret.h"

#define ASK_MS 15000 /* for one request about it */
#define SOON_MS 5000 /* until the next try, when storage is silent */
#define LOOK_MS 2000 /* how often the keeper looks whether we live */
#define END_MS 30000 /* for the keeper's last two requests */
#define BREAKS_MAX 3
#define NOT_DONE "-" /* in place of the trail's line: nothing was */
#define WORDS_MAX 200
#define SOMEBODY "somebody has it" /* where it cannot be read who */

struct lock {
	char *typed;
	bool swarm_only;
	char who[128], as[400], id[37], name[2 * BLOB_NAME_MAX];
	int64_t began; /* Unix time */
	bool tried;
	bool none; /* there was no account */
	bool held;
	bool once;	 /* what is asked is asked again by who asks */
	bool told;	 /* that it is lost, to the person */
	struct err lost; /* or not to be had; ERR_NONE: neither */
	pid_t keeper;
	int fd; /* to the keeper */
};

/* ---- requests ---- */

static int ask(struct session *s, const char *method, const char *query,
	       const char *const *fields, struct http_response *r, struct err *e)
{
	struct blob_ask q = { .method = method,
			      .name = s->lock->name,
			      .query = query,
			      .fields = fields,
			      .idempotent = !s->lock->once,
			      .limit_ms = ASK_MS };
	bool aside = s->trace.aside;
	int rc;

	http_response_init(r, BLOB_ANSWER_MAX);
	s->trace.aside = true; /* it changes nothing of the cluster */
	rc = blob_ask(s, &q, r, e);
	s->trace.aside = aside;
	return rc < 0 ? -1 : (int)r->head.status;
}

/* The status of what is done with a lease, -1. */
static int lease(struct session *s, const char *action, struct buf *code,
		 struct err *e)
{
	char *act = xasprintf("x-ms-lease-action: %s", action);
	char *id = xasprintf("%s: %s",
			     strcmp(action, "acquire") == 0 ?
				     "x-ms-proposed-lease-id" :
				     "x-ms-lease-id",
			     s->lock->id);
	const char *fields[4] = { act };
	struct http_response r;
	int rc;

	if (strcmp(action, "break") == 0) {
		fields[1] = "x-ms-lease-break-period: 0";
	} else {
		fields[1] = id;
		if (strcmp(action, "acquire") == 0)
			fields[2] = "x-ms-lease-duration: 60";
	}
	rc = ask(s, "PUT", "comp=lease", fields, &r, e);
	if (code != NULL) {
		buf_reset(code);
		buf_addstr(code, str_head(blob_code(&r), 64));
	}
	http_response_release(&r);
	free(act);
	free(id);
	return rc;
}
_Static_assert(LOCK_S == 60, "as the request has it");

static int make(struct session *s, struct err *e)
{
	static const char *const fields[] = { "x-ms-blob-type: BlockBlob",
					      "If-None-Match: *", NULL };
	struct http_response r;
	int rc = ask(s, "PUT", NULL, fields, &r, e);

	if (rc >= 300 && rc != 409) /* who was quicker has made it */
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	return rc < 0 ? -1 : 0;
}

/* Whose it is, for all to read. */
static int sign(struct session *s, struct err *e)
{
	struct lock *l = s->lock;
	char *id = xasprintf("x-ms-lease-id: %s", l->id);
	char *who = xasprintf("x-ms-meta-who: %s", l->who);
	char *what = xasprintf("x-ms-meta-what: %.*s", WORDS_MAX, l->typed);
	char *since = xasprintf("x-ms-meta-since: %lld", (long long)l->began);
	const char *fields[] = { id, who, what, since, NULL };
	struct http_response r;
	int rc;

	for (char *c = what; *c != '\0'; c++) /* fields are ASCII */
		if (*c < ' ' || *c > '~')
			*c = '?';
	rc = ask(s, "PUT", "comp=metadata", fields, &r, e);
	if (rc >= 300)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	free(id);
	free(who);
	free(what);
	free(since);
	return rc < 0 ? -1 : 0;
}

/* "alice@jump is at 'scale-agents 5' since 12:03:20 UTC (2 min)", or was */
static int whose(struct session *s, struct buf *text, struct err *e)
{
	struct http_response r;
	struct str who, what, since;
	char at[32], span[32];
	uint64_t began;
	int rc = ask(s, "HEAD", NULL, NULL, &r, e);

	who = str_head(http_field(&r.head, "x-ms-meta-who"), WORDS_MAX);
	what = str_head(http_field(&r.head, "x-ms-meta-what"), WORDS_MAX);
	since = http_field(&r.head, "x-ms-meta-since");
	buf_addf(text, "%.*s %s at ", STR_ARG(who.n > 0 ? who : STR("somebody")),
		 str_eqz(http_field(&r.head, "x-ms-lease-status"), "locked") ?
			 "is" :
			 "was");
	buf_addf(text, "'%.*s'", STR_ARG(what.n > 0 ? what : STR("a command")));
	if (str_num(since, INT32_MAX, &began)) {
		int64_t for_s = unix_time() - (int64_t)began;

		time_iso((int64_t)began, at);
		time_span(for_s > 0 ? for_s : 0, span);
		if (for_s < 86400)
			buf_addf(text, " since %.8s UTC (%s)", at + 11, span);
		else
			buf_addf(text, " since %s (%s)", at, span);
	}
	http_response_release(&r);
	return rc < 0 ? -1 : 0;
}

static int refuse(struct session *s, struct err *e)
{
	struct buf text = BUF_INIT(1024);
	struct err why = ERR_INIT;
	bool known = whose(s, &text, &why) == 0;

	if (why.kind == ERR_INTR)
		*e = why;
	else
		err_refused(e, ERR_BUSY, "LockHeld", "",
			    "%s; --break-lock takes the cluster's lock away "
			    "from there",
			    known ? text.str : SOMEBODY);
	s->lock->lost = *e;
	buf_release(&text);
	return -1;
}

static int take_away(struct session *s, struct err *e)
{
	struct buf text = BUF_INIT(1024);
	int rc = whose(s, &text, e);

	if (rc == 0)
		ui_say(s->ui, "%s: the lock is taken away from there", text.str);
	buf_release(&text);
	return rc < 0 ? -1 : lease(s, "break", NULL, e);
}

/* 1: it is ours; 0: there is nowhere to have one; -1. */
static int acquire(struct session *s, struct err *e)
{
	struct buf code = BUF_INIT(80);
	int rc = -1, status;

	for (int tries = 0; tries < 2 * BREAKS_MAX; tries++) {
		if ((status = lease(s, "acquire", &code, e)) < 0)
			break;
		if (status == 201) {
			rc = sign(s, e) < 0 ? -1 : 1;
			break;
		}
		if (status == 404 && str_eqz(buf_str(&code), "ContainerNotFound")) {
			rc = 0;
			break;
		}
		if (status == 404) {
			if (make(s, e) < 0)
				break;
		} else if (status != 409) {
			err_refused(e, ERR_AZURE, code.str, "", "HTTP %d %s",
				    status, code.str);
			break;
		} else if (!s->break_lock || tries >= BREAKS_MAX) {
			refuse(s, e);
			break;
		} else if (take_away(s, e) < 0) {
			break;
		}
	}
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_PROTO, "the blob of the lock comes and goes");
	buf_release(&code);
	return rc;
}

/* ---- the keeper ---- */

/* Bytes of a word from the command; 0: it is no more; -1: not until then. */
static ssize_t hear(int fd, pid_t command, int64_t until_ms, char *word, size_t max)
{
	while (now_ms() < until_ms) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ms = poll_timeout(until_ms);

		if (poll(&p, 1, ms < LOOK_MS ? ms : LOOK_MS) > 0)
			return recv(fd, word, max, 0);
		if (getppid() != command)
			return 0;
	}
	return -1;
}

static void tell(int fd, char kind, const char *text)
{
	char *word = xasprintf("%c%s", kind, text);

	send(fd, word, strlen(word), MSG_NOSIGNAL | MSG_DONTWAIT);
	free(word);
}

/* 1: it is ours; 0: no more; -1: nobody knows. */
static int renew(struct session *s)
{
	struct err why = ERR_INIT;
	int status;

	s->lock->once = true;
	status = lease(s, "renew", NULL, &why);
	s->lock->once = false;
	/* 404, 409, 412: somebody else's word; all else passes */
	return status == 200				       ? 1 :
	       status == 404 || status == 409 || status == 412 ? 0 :
								 -1;
}

static void say_lost(struct session *s, int fd)
{
	struct buf text = BUF_INIT(1024);
	struct err ignored = ERR_INIT;

	if (whose(s, &text, &ignored) == 0)
		tell(fd, 'L', text.str);
	else
		tell(fd, 'L', SOMEBODY);
	buf_release(&text);
}

static void audit_of(const struct session *s, const char *outcome,
		     const char *error, int status, struct buf *line)
{
	const struct lock *l = s->lock;
	const struct audit a = { .began = l->began,
				 .ended = unix_time(),
				 .who = l->who,
				 .as = l->as,
				 .typed = l->typed,
				 .outcome = outcome,
				 .error = error,
				 .status = status };

	audit_line(s, &a, line);
}

/* The last two requests. */
static void finish(struct session *s, int fd, struct str line, bool ours)
{
	struct err why = ERR_INIT, ignored = ERR_INIT;

	if (!str_eqz(line, NOT_DONE) &&
	    audit_append(s, line, s->lock->began, &why) < 0)
		tell(fd, 'A', why.msg);
	if (ours)
		lease(s, "release", NULL, &ignored);
}

static void keep(struct session *s, int fd, pid_t command)
{
	char word[AUDIT_LINE_MAX];
	struct buf line = BUF_INIT(AUDIT_LINE_MAX);
	int64_t next = now_ms() + LOCK_RENEW_MS, had = now_ms();
	bool ours = true, told = s->lock->swarm_only;
	ssize_t n;

	while ((n = hear(fd, command, next, word, sizeof(word))) < 0) {
		int64_t asked = now_ms();
		int rc = ours ? renew(s) : 1;

		if (rc > 0)
			had = asked;
		next = now_ms() + (rc < 0 ? SOON_MS : LOCK_RENEW_MS);
		if (rc == 0) {
			ours = false;
			say_lost(s, fd);
		} else if (!told && now_ms() - had > LOCK_S * 1000) {
			/* as where it cannot be had; ours it may still be */
			tell(fd, 'L', "it could not be renewed for a minute");
			told = true;
		}
	}
	if (n == 0)
		audit_of(s, "killed", NULL, 137, &line);
	finish(s, fd, n > 0 ? (struct str){ word, (size_t)n } : buf_str(&line),
	       ours);
}

/* In the child: nothing of the command's connections is used any more. */
static void become_keeper(struct session *s, int fd, pid_t command)
{
	struct err ignored = ERR_INIT;
	int own = interrupt_anew(&ignored);
	const int kept[] = { fd, interrupt_fd(), s->trace.log };
	static const int not_ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < sizeof(not_ours) / sizeof(*not_ours); i++)
		signal(not_ours[i], SIG_IGN);
	if (own < 0)
		_exit(1);
	setsid();
	remote_close_others(kept, sizeof(kept) / sizeof(*kept));
	session_detach(s);
	s->ui->quiet = true;
	keep(s, fd, command);
	_exit(0);
}

static int start_keeper(struct session *s, struct err *e)
{
	struct lock *l = s->lock;
	pid_t command = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, ERR_IO, "socketpair");
	fflush(NULL);
	if ((l->keeper = fork()) == 0) {
		close(pair[0]);
		become_keeper(s, pair[1], command);
	}
	close(pair[1]);
	if (l->keeper < 0) {
		close(pair[0]);
		return err_sys(e, ERR_IO, "fork");
	}
	l->fd = pair[0];
	l->held = true;
	return 0;
}

/* ---- what the command sees ---- */

/* A word of the keeper's; true: there are perhaps more. */
static bool take_word(struct session *s)
{
	struct lock *l = s->lock;
	char word[1024];
	ssize_t n = recv(l->fd, word, sizeof(word) - 1, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR;
	word[n] = '\0';
	if (word[0] == 'A')
		ui_say(s->ui, "not in the audit trail: %s", word + 1);
	else if (l->lost.kind == ERR_NONE && (n == 0 || word[0] == 'L'))
		err_refused(&l->lost, ERR_BUSY, "LockLost", "",
			    "the cluster's lock is lost: %s; stopped before the "
			    "next change",
			    n > 0 ? word + 1 : "its keeper was ended");
	return n > 0;
}

void lock_look(struct session *s)
{
	struct lock *l = s->lock;

	if (l == NULL || !l->held)
		return;
	while (l->lost.kind == ERR_NONE && take_word(s))
		;
	if (l->lost.kind != ERR_NONE && !l->told)
		ui_say(s->ui, "%s", l->lost.msg);
	l->told |= l->lost.kind != ERR_NONE;
}

int lock_still(struct session *s, struct err *e)
{
	lock_look(s);
	if (s->lock == NULL || s->lock->lost.kind == ERR_NONE)
		return 0;
	return err_refused(e, s->lock->lost.kind, s->lock->lost.code, "", "%s",
			   s->lock->lost.msg);
}

static void name_us(struct session *s)
{
	struct lock *l = s->lock;
	const struct passwd *pw = getpwuid(getuid());
	char host[64] = "";
	struct buf name = BUF_INIT(sizeof(l->name));
	struct entra_who who;
	struct err ignored = ERR_INIT;

	if (gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "somewhere");
	snprintf(l->who, sizeof(l->who), "%s@%s",
		 pw != NULL ? pw->pw_name : "somebody", host);
	for (char *c = l->who; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
	if (entra_who(&s->entra, &who, &ignored) == 0)
		snprintf(l->as, sizeof(l->as), "%s (%s)", who.name, who.object_id);
	buf_adds(&name, "lock-");
	buf_add_pct(&name, str_of(settings_get(s->set, S_COMPUTE_GROUP)));
	snprintf(l->name, sizeof(l->name), "%s", name.str);
	random_guid(l->id);
	buf_release(&name);
}

const char *lock_who(const struct session *s)
{
	return s->lock != NULL ? s->lock->who : "";
}

const char *lock_where(const struct session *s)
{
	return s->lock != NULL && s->lock->held ? s->account : "";
}

void lock_arm(struct session *s, char *typed, bool swarm_only)
{
	s->lock = xcalloc(1, sizeof(*s->lock));
	/* as much as may be read by others */
	if (secret_looks(typed))
		typed[strcspn(typed, " ")] = '\0';
	s->lock->typed = typed;
	s->lock->swarm_only = swarm_only;
	s->lock->began = unix_time();
	s->lock->fd = -1;
}

/* What it cannot be known, or had, for; is that a reason to stop? */
static int without(struct session *s, struct err *e)
{
	if (e->kind == ERR_INTR || e->kind == ERR_BUSY)
		return -1;
	if (!s->lock->swarm_only && !s->break_lock && e->kind != ERR_AZURE)
		return err_in(e, "whether somebody else is at work (--break-lock "
				 "goes on without knowing)");
	ui_say(s->ui, "without a lock, and not in the audit trail: %s", e->msg);
	err_clear(e);
	return 0;
}

/* The keeper writes that, lets go and ends. */
static void dismiss(struct session *s, struct str line)
{
	struct lock *l = s->lock;
	int64_t until = now_ms() + END_MS;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	struct err lost;

	lock_look(s);
	lost = l->lost;
	send(l->fd, line.p, line.n, MSG_NOSIGNAL);
	/* not by the waits that Ctrl-C ends: it may be why we are here */
	while (now_ms() < until) {
		if (poll(&p, 1, poll_timeout(until)) > 0 && !take_word(s))
			break;
	}
	if (now_ms() >= until) {
		ui_say(s->ui, "the storage account does not answer: the lock ends "
			      "by itself, in a minute");
		kill(l->keeper, SIGKILL);
	}
	while (waitpid(l->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->fd);
	l->fd = -1;
	l->held = false;
	l->lost = lost; /* not by this end of the keeper */
}

/* It may be ours by now, which we could not be told, and is for nobody then for a
 * minute: the keeper, whom Ctrl-C does not end, lets go of it. */
static void give_back(struct session *s, const struct err *e)
{
	struct err ignored = ERR_INIT;

	if (e->kind != ERR_BUSY && s->store.query != NULL &&
	    start_keeper(s, &ignored) == 0)
		dismiss(s, STR(NOT_DONE));
}

int lock_take(struct session *s, struct err *e)
{
	struct lock *l = s->lock;
	const char *token;
	int rc;

	if (l == NULL || !s->open || *s->az.subscription == '\0')
		return 0;
	if (l->tried) /* who was refused is so again, whatever it asks */
		return l->held ? 0 : lock_still(s, e);
	/* who cannot sign in can do nothing without a lock either */
	if (entra_token(&s->entra, &token, e) < 0)
		return -1;
	l->tried = true;
	name_us(s);
	if (storage_of(s, e) == NULL) {
		l->none = e->kind == ERR_DATA;
		if (!l->none)
			return without(s, e);
		err_clear(e);
		return 0;
	}
	if (!s->store.made) { /* it is on its way, or failed to be made */
		storage_release(&s->store);
		l->none = true;
		return 0;
	}
	if ((rc = acquire(s, e)) < 0) {
		give_back(s, e);
		return without(s, e);
	}
	l->none = rc == 0;
	return rc == 0 ? 0 : start_keeper(s, e);
}

int lock_take_new(struct session *s, struct err *e)
{
	if (s->lock == NULL || !s->lock->none)
		return 0;
	s->lock->tried = s->lock->none = false;
	return lock_take(s, e);
}

void lock_disarm(struct session *s)
{
	if (s->lock != NULL)
		free(s->lock->typed);
	free(s->lock);
	s->lock = NULL;
}

static void dismiss_with(struct session *s, const char *outcome,
			 const char *error, int status)
{
	struct buf line = BUF_INIT(AUDIT_LINE_MAX);

	if (s->lock == NULL || !s->lock->held)
		return;
	audit_of(s, outcome, error, status, &line);
	dismiss(s, buf_str(&line));
	buf_release(&line);
}

int lock_leave(struct session *s, struct err *e)
{
	if (lock_take(s, e) < 0 || lock_still(s, e) < 0)
		return -1;
	dismiss_with(s, "begun", NULL, 0);
	return 0;
}

void lock_end(struct session *s, struct err *e, int status)
{
	if (s->lock != NULL && *e->code != '\0' && err_is(e, s->lock->lost.code))
		*e = s->lock->lost;
	dismiss_with(s,
		     e->kind == ERR_NONE   ? "done" :
		     e->kind == ERR_INTR   ? "interrupted" :
		     err_is(e, "LockLost") ? "stopped" :
					     "failed",
		     e->kind == ERR_NONE ? NULL : e->msg, status);
	lock_disarm(s);
}
