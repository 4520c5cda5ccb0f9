/*
 * upgrade --engine, upgrade --reboot; see packages.h.  What is done on a machine is
 * assets/node/packages.sh; what is no more to be done does not show there, so the
 * same command ends what was interrupted.
 */
#include "swarm/packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "swarm/agents.h"
#include "swarm/lock.h"
#include "swarm/masters.h"
#include "swarm/plan.h"
#include "swarm/swarm.h"

#define SCRIPT_MAX (64u << 10)
#define ANSWER_MAX (64u << 10)
/* The lock of another, four tries at the lists; then the packages themselves, which
 * end before an eviction does (EVICT_HOLD_S). */
#define LOOK_MS (12 * 60000)
#define APPLY_MS (30 * 60000)
#define AGAIN_MS 2000
#define LOG "/var/log/azswarm-engine.log"

struct packages {
	struct session *s;
	struct survey *v;
	struct way w;
	struct packages_machine *m;
	size_t n, todo;
	struct listing rows; /* what is to be done */
};

/* ---- a machine's shell ---- */

struct answer {
	bool wants, reboot, locked, end;
	char engine[64], bad[256];
};

static void take_line(struct packages *p, const struct packages_machine *m,
		      struct str line, bool apply, struct answer *a)
{
	struct str word;

	if (!str_cut(&line, ' ', &word))
		word = line;
	if (str_eqz(word, "wants") && !apply) {
		a->wants = true;
		listing_row(&p->rows);
		listing_cell(&p->rows, "%s", m->host);
		listing_cell(&p->rows, "%.*s", STR_ARG(line));
	} else if (str_eqz(word, "engine")) {
		snprintf(a->engine, sizeof(a->engine), "%.*s",
			 STR_ARG(str_head(line, sizeof(a->engine) - 1)));
	} else if (str_eqz(word, "bad")) {
		snprintf(a->bad, sizeof(a->bad), "%.*s",
			 STR_ARG(str_head(line, sizeof(a->bad) - 1)));
	} else {
		a->reboot |= str_eqz(word, "reboot");
		a->locked |= str_eqz(word, "locked");
		a->end |= str_eqz(word, "end");
	}
}

/* Over a connection of its own, but to the master that is asked anyway: machines
 * restart, and so may that one. */
static int run_there(struct packages *p, const struct packages_machine *m,
		     struct str script, struct buf *out, struct buf *err,
		     int64_t limit_ms, struct err *e)
{
	struct remote *r = &p->w.remote;
	struct ssh *hop = NULL;
	int status, rc;

	if (remote_check(r, e) < 0)
		return -1;
	if (strcmp(r->name, m->host) != 0 &&
	    remote_hop_to(r, m->host, m->address, m->master, &hop, e) < 0)
		return -1;
	rc = ssh_run(hop != NULL ? hop : r->ssh, REMOTE_SHELL, script, out, err,
		     &status, now_ms() + limit_ms, e);
	if (hop != NULL)
		ssh_close(hop);
	return rc;
}

static int ask(struct packages *p, const struct packages_machine *m,
	       bool engine, bool apply, struct answer *a, struct err *e)
{
	struct buf script = BUF_INIT(SCRIPT_MAX), out = BUF_INIT(ANSWER_MAX),
		   err = BUF_INIT(1024), text;
	struct str rest, line;
	int rc;

	*a = (struct answer){ 0 };
	asset_get("node/packages.sh", &text);
	buf_addf(&script, "mode=%s engine=%s\n%s", apply ? "apply" : "look",
		 engine ? "yes" : "", text.str);
	rc = run_there(p, m, buf_str(&script), &out, &err,
		       apply ? APPLY_MS : LOOK_MS, e);
	rest = buf_str(&out);
	while (rc == 0 && str_next(&rest, '\n', &line))
		take_line(p, m, line, apply, a);
	if (rc == 0 && !a->end)
		rc = err_set(e, ERR_DATA, "its shell ended early: %.*s",
			     STR_ARG(str_trim(buf_str(&err))));
	if (rc == 0 && a->bad[0] != '\0')
		rc = err_set(e, ERR_DATA, "%s", a->bad);
	buf_release(&text);
	buf_release(&script);
	buf_release(&out);
	buf_release(&err);
	return rc < 0 ? err_in(e, "%s", m->host) : 0;
}

static int look_at_all(struct packages *p, struct err *e)
{
	int64_t began = now_ms();

	for (size_t i = 0; i < p->n; i++) {
		struct packages_machine *m = &p->m[i];
		struct answer a;

		ui_waiting(p->s->ui, m->host, now_ms() - began, now_ms());
		if (ask(p, m, p->s->engine, false, &a, e) < 0)
			return -1;
		memcpy(m->version, a.engine, sizeof(m->version));
		m->engine = a.wants;
		m->reboot = a.reboot && p->s->reboot;
		if (m->reboot) {
			listing_row(&p->rows);
			listing_cell(&p->rows, "%s", m->host);
			listing_cell(&p->rows, "updates that want a restart");
		}
		p->todo += m->engine || m->reboot;
	}
	ui_clear(p->s->ui);
	return 0;
}

/* ---- one machine ---- */

static int wait_again(struct packages *p, const char *host, int64_t began,
		      int64_t until, const struct err *once, struct err *e)
{
	if (!remote_is_away(once) || now_ms() >= until) {
		*e = *once;
		return err_in(e, "%s does not come back", host);
	}
	ui_waiting(p->s->ui, host, now_ms() - began, now_ms());
	return sleep_until(now_ms() + AGAIN_MS, e);
}

/* A master that begins again may wait for the key; as `unlock` does it. */
static int give_key(struct packages *p, struct err *e)
{
	ui_clear(p->s->ui);
	return cmd_unlock(p->s, 0, NULL, e);
}

static bool any_locked(const struct remote *r)
{
	for (size_t i = 0; i < r->masters.n; i++)
		if (r->at[i] == REMOTE_LOCKED)
			return true;
	return false;
}

/* Until a machine that Azure has restarted tells that it wants no restart any
 * more. */
static int await_restarted(struct packages *p, const struct packages_machine *m,
			   struct err *e)
{
	int64_t began = now_ms(), until = began + WAY_BACK_MS;

	for (;;) {
		struct err once = ERR_INIT;
		struct answer a;
		cJSON *nodes = NULL;
		bool told = way_nodes(&p->w, &nodes, &once) == 0,
		     there = told && ask(p, m, false, false, &a, &once) == 0;

		json_free(nodes);
		if ((there ? a.locked : !told && any_locked(&p->w.remote)) &&
		    give_key(p, e) < 0)
			return -1;
		if (there && !a.reboot && a.engine[0] != '\0')
			return 0;
		if (there)
			err_set(&once, ERR_DATA,
				a.reboot ? "it still wants a restart" :
					   "its engine does not answer");
		if (wait_again(p, m->host, began, until, &once, e) < 0)
			return -1;
	}
}

/* The same node as before, in service again: whoever leads may have to be chosen
 * first. */
static int return_it(struct packages *p, const struct packages_machine *m,
		     struct err *e)
{
	int64_t began = now_ms(), until = began + WAY_BACK_MS;

	for (;;) {
		struct err once = ERR_INIT;

		if (way_return(&p->w, m->host, &once) == 0)
			break;
		if (wait_again(p, m->host, began, until, &once, e) < 0)
			return -1;
	}
	return way_back(&p->w, &m->host, 1, NULL, false, WAY_BACK_MS, e);
}

static int bring_engine(struct packages *p, struct packages_machine *m,
			struct err *e)
{
	struct err ignored = ERR_INIT, why;
	struct answer a;
	int rc;

	ui_say(p->s->ui, "%s: Docker's packages, from engine %s", m->host,
	       m->version[0] != '\0' ? m->version : "that does not answer");
	rc = ask(p, m, true, true, &a, e);
	if (rc == 0)
		ui_say(p->s->ui, "%s: engine %s, before: %s", m->host, a.engine,
		       m->version[0] != '\0' ? m->version : "none");
	if (rc == 0)
		return a.locked ? give_key(p, e) : 0;
	why = *e;
	err_clear(e);
	if (why.kind == ERR_INTR)
		return err_set(e, why.kind,
			       "%s; what was begun there goes on, and the same "
			       "command does the rest",
			       why.msg);
	if (a.bad[0] != '\0' && a.engine[0] != '\0' &&
	    strcmp(a.engine, m->version) == 0 && return_it(p, m, &ignored) == 0)
		return err_set(e, why.kind,
			       "%s; it is back in service with engine %s, as "
			       "before",
			       why.msg, a.engine);
	return err_set(e, why.kind,
		       "%s; it is out of service still: 'azswarm ssh %s sudo "
		       "journalctl -u docker' and " LOG " there say more",
		       why.msg, m->host);
}

static const struct instance *instance_of(const struct packages *p,
					  const struct packages_machine *m)
{
	for (size_t i = 0; i < p->v->agents.n; i++)
		if (strcmp(p->v->agents.list[i].host, m->host) == 0)
			return &p->v->agents.list[i];
	return NULL;
}

static int restart(struct packages *p, const struct packages_machine *m,
		   struct err *e)
{
	bool no_wait = p->s->no_wait;
	char *what;
	int rc;

	ui_say(p->s->ui, "%s: restart", m->host);
	if (m->master)
		return masters_restart(p->s, m->host, e);
	what = xasprintf("%s: restart", m->host);
	p->s->no_wait = false;
	rc = instances_act(p->s, "restart", instance_of(p, m), 1, 0, what, e);
	p->s->no_wait = no_wait;
	free(what);
	return rc;
}

/* An agent leaves the swarm when its machine goes down, and joins as another
 * node; a master stays. */
static int renew(struct packages *p, struct packages_machine *m, struct err *e)
{
	bool fresh = m->reboot && !m->master;
	cJSON *before = NULL;
	int rc = -1;

	/* the table is asked first, for that finds a master that is there */
	if (lock_still(p->s, e) < 0 || way_nodes(&p->w, &before, e) < 0 ||
	    (m->master && masters_spare(way_docker(&p->w), m->host, e) < 0) ||
	    (m->ready && (way_begin(&p->w, &m->host, 1, e) < 0 ||
			  way_out(&p->w, &m->host, 1, e) < 0)) ||
	    (m->engine && bring_engine(p, m, e) < 0) ||
	    (m->reboot && restart(p, m, e) < 0) ||
	    (m->reboot && m->master && await_restarted(p, m, e) < 0))
		goto out;
	rc = fresh ? way_back(&p->w, &m->host, 1, before, true, WAY_BACK_MS, e) :
		     return_it(p, m, e);
out:
	json_free(before);
	return rc;
}

static int renew_all(struct packages *p, struct err *e)
{
	size_t done = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!p->m[i].engine && !p->m[i].reboot)
			continue;
		if (renew(p, &p->m[i], e) < 0) {
			ui_say(p->s->ui,
			       "%zu of %zu done; the same command goes on with "
			       "the others",
			       done, p->todo);
			return -1;
		}
		done++;
	}
	return rebalance_at_end(p->s, &p->w, NULL, 0, e);
}

/* ---- the command ---- */

static int run(struct packages *p, struct err *e)
{
	if (look_at_all(p, e) < 0)
		return -1;
	if (p->todo == 0) {
		ui_say(p->s->ui, "%zu machines%s%s%s: nothing to do", p->n,
		       p->s->engine ? ", Docker's packages are the newest" : "",
		       p->s->engine && p->s->reboot ? "," : "",
		       p->s->reboot ? " no updates want a restart" : "");
		return 0;
	}
	if (!p->s->dry_run)
		return renew_all(p, e);
	p->s->exit_status = EXIT_PENDING;
	return listing_print(&p->rows, p->s->ui, e);
}

int packages_renew(struct session *s, struct survey *v,
		   struct packages_machine *m, size_t n, struct err *e)
{
	static const char *const columns[] = { "machine", "wants", NULL };
	struct packages p = { .s = s, .v = v, .m = m, .n = n };
	int rc;

	listing_init(&p.rows, columns);
	way_take(s, &p.w, &v->remote);
	rc = run(&p, e);
	way_close(&p.w);
	listing_release(&p.rows);
	return rc;
}
