/*
 * Managers that start wait for a key, or do not (Docker's autolock): as AUTOLOCK
 * says; the key in keys/, and `unlock`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"

#define KEY_FILE "keys/unlock.key"
#define KEY_MAX 256
/* Engines that are unlocked together find each other, and not alone: who takes
 * longer than this goes on by itself while the next is told. */
#define TELL_MS 3000
#define LOOK_MS 1000
#define UNLOCKED_MS 60000

/* What a master of the swarm says the key is, into keys/. */
static int keep_key(struct session *s, struct docker *d, struct err *e)
{
	struct buf key = BUF_INIT(KEY_MAX), old = BUF_INIT(KEY_MAX);
	struct err ignored = ERR_INIT;
	int rc = docker_unlock_key(d, &key, e);

	if (rc == 0 && key.n == 0)
		rc = err_set(e, ERR_DOCKER,
			     "the swarm does not tell its unlock key");
	buf_addc(&key, '\n');
	if (rc == 0)
		rc = buf_check(&key, "the unlock key", e);
	if (rc == 0 && (file_read(KEY_FILE, &old, &ignored) < 0 ||
			!str_eq(buf_str(&old), buf_str(&key)))) {
		rc = file_write(KEY_FILE, buf_str(&key), 0600, e);
		if (rc == 0)
			ui_say(s->ui, KEY_FILE " written: without it, masters that "
					       "boot stay locked");
	}
	buf_burn(&key);
	buf_burn(&old);
	return rc;
}

/* How it is, and is to be. */
static int look(struct session *s, struct docker *d, bool *on, bool *wanted,
		struct err *e)
{
	if (settings_bool(s->set, S_AUTOLOCK, wanted, e) < 0 ||
	    docker_autolock(d, on, e) < 0)
		return -1;
	/* who says nothing wants it to stay as it is */
	if (strcmp(s->set->source[S_AUTOLOCK], "default") == 0)
		*wanted = *on;
	return 0;
}

int autolock_differs(struct session *s, struct docker *d, bool *differs,
		     struct err *e)
{
	bool on = false, wanted = false;
	int rc = look(s, d, &on, &wanted, e);

	*differs = on != wanted;
	return rc;
}

/* Whether masters are told to share the key is in their node.json. */
static void say_unshared(struct session *s)
{
	struct upgrade_files want[UPGRADE_ROLES] = { 0 };
	struct err ignored = ERR_INIT;
	const struct file *f = NULL;

	if (strcmp(settings_get(s->set, S_AUTOLOCK), SETTINGS_SHARED) == 0 &&
	    upgrade_read(s, want, &ignored) == 0)
		f = files_get(&want[UPGRADE_MASTER].files, LAYOUT_NODE_JSON);
	if (f != NULL && strstr(f->content.str, "share_unlock_key") == NULL)
		ui_say(s->ui, "masters do not share the unlock key yet: with "
			      "AUTOLOCK=shared, 'azswarm params' and 'azswarm "
			      "upgrade' tell them");
	upgrade_burn(want);
}

int autolock_apply(struct session *s, struct docker *d, struct err *e)
{
	bool on, wanted;

	if (look(s, d, &on, &wanted, e) < 0)
		return -1;
	if (wanted != on && docker_autolock_set(d, wanted, e) < 0)
		return err_in(e, "AUTOLOCK");
	if (wanted != on)
		ui_say(s->ui, "autolock is %s", wanted ? "on" : "off");
	say_unshared(s);
	if (wanted)
		return keep_key(s, d, e);
	if (on && unlink(KEY_FILE) < 0 && errno != ENOENT)
		return err_sys(e, ERR_IO, KEY_FILE);
	return 0;
}

/* ---- unlock ---- */

/* The key that is here; key is burned by the caller. */
static int read_key(struct buf *key, struct err *e)
{
	if (!file_exists(KEY_FILE))
		return err_set(e, ERR_DATA,
			       KEY_FILE " is not here; another master that works "
					"would have told it, and a backup with "
					"keys has it");
	return file_read_own(KEY_FILE, true, key, e);
}

/* Give it to the engine that r is connected to. */
static int give_key(struct remote *r, const char *name, struct err *e)
{
	struct buf key = BUF_INIT(KEY_MAX);
	struct docker *d = remote_docker(r);
	struct err why = ERR_INIT;
	char *text = NULL;
	int rc = read_key(&key, e);

	if (rc == 0) {
		text = str_dup(str_trim(buf_str(&key)));
		d->timeout_ms = TELL_MS;
		if (docker_unlock(d, text, &why) < 0 && why.kind == ERR_DOCKER)
			rc = -1;
		if (rc < 0) {
			*e = why;
			err_in(e, "%s", name);
		}
	}
	burn_str(text);
	buf_burn(&key);
	return rc;
}

/* What each master is at; how many are locked, or -1. */
static int look_at_all(struct remote *r, enum remote_at *at, struct err *e)
{
	int n = 0;

	for (size_t i = 0; i < r->masters.n; i++) {
		at[i] = remote_look(r, i);
		n += at[i] == REMOTE_LOCKED;
		if (interrupt_requested())
			return err_set(e, ERR_INTR, "interrupted");
	}
	return n;
}

/* One that works knows the key that is right now; *leads: there is one. */
static void ask_key(struct session *s, struct remote *r,
		    const enum remote_at *at, bool *leads)
{
	*leads = false;
	for (size_t i = 0; i < r->masters.n && !*leads; i++) {
		struct err ignored = ERR_INIT;

		*leads = at[i] == REMOTE_WORKS && remote_to(r, i, &ignored) == 0 &&
			 keep_key(s, remote_docker(r), &ignored) == 0;
	}
}

/* Those that are left may be electing a leader, who tells it then. */
static int have_key(struct session *s, struct remote *r, enum remote_at *at,
		    struct err *e)
{
	int64_t began = now_ms();
	bool leads;

	for (;;) {
		bool electing = false, locked = false;

		ask_key(s, r, at, &leads);
		for (size_t i = 0; i < r->masters.n; i++) {
			electing |= at[i] == REMOTE_LEADERLESS;
			locked |= at[i] == REMOTE_LOCKED;
		}
		if (leads || file_exists(KEY_FILE) || !electing || !locked ||
		    now_ms() - began >= REMOTE_LEADER_MS)
			return 0;
		ui_waiting(s->ui, "a master that tells the key",
			   now_ms() - began, now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0 ||
		    look_at_all(r, at, e) < 0)
			return -1;
	}
}

static int tell_all(struct session *s, struct remote *r, enum remote_at *at,
		    struct err *e)
{
	if (have_key(s, r, at, e) < 0)
		return -1;
	for (size_t i = 0; i < r->masters.n; i++) {
		if (at[i] == REMOTE_LOCKED &&
		    (remote_to(r, i, e) < 0 ||
		     give_key(r, r->masters.name[i], e) < 0))
			return -1;
		ui_say(s->ui, "  %s: %s", r->masters.name[i],
		       at[i] == REMOTE_LOCKED ? "has the key" :
		       at[i] == REMOTE_WORKS  ? "is not locked" :
						remote_at_words(at[i]));
	}
	return 0;
}

int cmd_unlock(struct session *s, int argc, char **argv, struct err *e)
{
	enum remote_at at[LAYOUT_MASTERS_MAX];
	int64_t began = now_ms();
	struct remote r = { 0 };
	int were, n, rc = -1;

	(void)argc, (void)argv;
	if (remote_know(s, &r, e) < 0 ||
	    (n = were = look_at_all(&r, at, e)) < 0 || tell_all(s, &r, at, e) < 0)
		goto out;
	rc = 0;
	while (rc == 0 && n > 0) {
		if ((n = look_at_all(&r, at, e)) < 0)
			rc = -1;
		else if (n > 0 && now_ms() - began >= UNLOCKED_MS)
			rc = err_set(e, ERR_TIMEOUT,
				     "%d of %d masters are still locked", n,
				     were);
		else if (n > 0)
			rc = sleep_until(now_ms() + LOOK_MS, e);
		ui_waiting(s->ui, "the masters", now_ms() - began, now_ms());
	}
	ui_clear(s->ui);
	if (rc == 0 && were == 0)
		ui_say(s->ui, "no master is locked");
	else if (rc == 0)
		ui_say(s->ui, "%d master%s unlocked", were, were == 1 ? "" : "s");
out:
	remote_release(&r);
	return rc;
}
