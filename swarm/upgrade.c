/*
 * upgrade: machines that are there are brought to what a new one would get, by
 * the list of files that cloud-init would write there (node/files.h), over SSH.
 * What is done on a machine is assets/node/upgrade.sh: it looks, writes, restarts,
 * waits until the machine is healthy, or puts it back as it was.  Here is which
 * machine, when, and what follows.
 *
 * Agents first, the swarm's leader last; one at a time, and none after one that
 * did not come back.  What is as it should be is left alone, so the same command
 * ends what was interrupted.
 */
#include "swarm/upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/hash.h"
#include "node/marker.h"
#include "swarm/agents.h"
#include "swarm/marker.h"
#include "swarm/packages.h"
#include "swarm/plan.h"
#include "swarm/survey.h"
#include "swarm/swarm.h"

#define CUSTOM_DATA_MAX 65535
#define SCRIPT_MAX (1u << 20)
#define ANSWER_MAX (64u << 10)
#define LOOK_MS 60000
/* The lock of another, setup, two waits for health; what hangs is the machine. */
#define APPLY_MS (45 * 60000)
#define READY_MS 120000
#define READY_LOOK_MS 1000

struct machine {
	const char *host;
	char address[REMOTE_ADDRESS_MAX], version[32];
	bool master, leader, ready;
	bool differs;
	bool reboot;	 /* updates of its own packages want a restart */
	struct ssh *ssh; /* NULL: not reached */
	bool hopped;	 /* the connection is ours to close */
};

struct upgrade {
	struct session *s;
	struct upgrade_files want[UPGRADE_ROLES];
	struct survey survey;  /* with the connection to a master */
	struct machine *m;     /* in the order in which they are done */
	size_t n, differ, off; /* off: left out */
	struct listing rows;   /* what differs */
};

/* ---- what a machine would get ---- */

/* The line "binary_sha256=..." that azswarm-setup reads. */
static int take_program(struct upgrade_files *u, struct err *e)
{
	const struct file *conf = files_get(&u->files, "/etc/azswarm/setup.conf");
	struct str rest = conf != NULL ? buf_str(&conf->content) : STR_NULL, line;

	while (str_next(&rest, '\n', &line))
		if (str_starts(line, STR("binary_sha256=")) &&
		    line.n == strlen("binary_sha256=") + 64) {
			line = str_skip(line, strlen("binary_sha256="));
			memcpy(u->program, line.p, 64);
			u->program[64] = '\0';
			return 0;
		}
	return err_set(e, ERR_DATA, "names no program");
}

static int take_role(const cJSON *parameters, const char *name,
		     struct upgrade_files *u, struct err *e)
{
	struct buf text = BUF_INIT(CUSTOM_DATA_MAX);
	int rc = -1;

	if (buf_add_unbase64(&text,
			     str_of(json_str_opt(json_get(parameters, name),
						 "value", "")),
			     e) == 0 &&
	    buf_check(&text, name, e) == 0 &&
	    files_read(buf_str(&text), &u->files, e) == 0)
		rc = take_program(u, e);
	buf_burn(&text);
	return rc < 0 ? err_in(e, PARAMETERS_FILE ": %s", name) : 0;
}

int upgrade_read(struct session *s, struct upgrade_files want[UPGRADE_ROLES],
		 struct err *e)
{
	cJSON *p = NULL;
	int rc = swarm_parameters(s->set, &p, e);

	if (rc == 0)
		rc = take_role(p, "masterCustomData", &want[UPGRADE_MASTER], e);
	if (rc == 0)
		rc = take_role(p, "agentCustomData", &want[UPGRADE_AGENT], e);
	json_burn(p);
	return rc;
}

void upgrade_burn(struct upgrade_files want[UPGRADE_ROLES])
{
	files_burn(&want[UPGRADE_MASTER].files);
	files_burn(&want[UPGRADE_AGENT].files);
}

size_t upgrade_drift(struct session *s, const struct docker_node *nodes,
		     size_t n, struct buf *names)
{
	struct upgrade_files want[UPGRADE_ROLES] = { 0 };
	char hash[UPGRADE_ROLES][FILES_HASH_MAX];
	struct err ignored = ERR_INIT;
	size_t drift = 0;

	if (n > 0 && upgrade_read(s, want, &ignored) == 0) {
		for (int i = 0; i < UPGRADE_ROLES; i++)
			files_hash(&want[i].files, want[i].program, hash[i]);
		for (size_t i = 0; i < n; i++) {
			enum upgrade_role role = nodes[i].manager ?
							 UPGRADE_MASTER :
							 UPGRADE_AGENT;

			if (strcmp(nodes[i].files, hash[role]) != 0)
				buf_addf(names, "%s%s", drift++ > 0 ? ", " : "",
					 nodes[i].hostname);
		}
	}
	upgrade_burn(want);
	return drift;
}

/* The parameters are of now: of this very program, and of the keys here. */
static int is_of_now(struct upgrade *u, struct err *e)
{
	struct program own = PROGRAM_NONE;
	struct keys k = { 0 };
	int rc = -1;

	if (program_own(&own, e) < 0 || keys_load(u->s->set, &k, e) < 0)
		goto out;
	rc = 0;
	for (int i = 0; rc == 0 && i < UPGRADE_ROLES; i++) {
		const struct file *key = files_get(&u->want[i].files,
						   FILES_HOST_KEY);
		const struct buf *ours =
			&k.host[i == UPGRADE_MASTER ? KEYS_MASTER : KEYS_AGENT].ec;

		if (key == NULL || !str_eq(buf_str(&key->content), buf_str(ours)))
			rc = err_set(e, ERR_DATA,
				     PARAMETERS_FILE
				     " was made with other keys than those in "
				     "keys/; 'azswarm params' makes it anew");
	}
	if (rc == 0 && strcmp(u->want[UPGRADE_MASTER].program, own.sha256) != 0 &&
	    strcmp(u->want[UPGRADE_AGENT].program, own.sha256) != 0)
		rc = err_set(e, ERR_DATA,
			     PARAMETERS_FILE
			     " was made by another azswarm (%.12s...; this is "
			     "%.12s...); 'azswarm deploy-storage' and 'azswarm "
			     "params' make it anew",
			     u->want[UPGRADE_MASTER].program, own.sha256);
out:
	keys_burn(&k);
	program_release(&own);
	return rc;
}

/* ---- which machines ---- */

static void add_machine(struct upgrade *u, const struct instance *vm,
			bool master, const cJSON *addresses)
{
	struct machine *m = &u->m[u->n];

	if (instance_is_off(vm)) {
		ui_say(u->s->ui,
		       "%s is %s: left out; run this again when it is on",
		       vm->host, vm->power);
		u->off++;
		return;
	}
	*m = (struct machine){ .host = vm->host, .master = master };
	if (master)
		remote_private_address(vm->host, m->address);
	else
		snprintf(m->address, sizeof(m->address), "%s",
			 json_str_opt(addresses, vm->host, ""));
	u->n++;
}

/* The row of a machine's node, when it is Ready: of its role, too, for a worker may
 * call itself like a master. */
static const struct docker_node *row_of(const struct machine *m,
					const struct docker_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nodes[i].manager == m->master &&
		    strcmp(nodes[i].hostname, m->host) == 0 &&
		    nodes[i].state == DOCKER_NODE_READY)
			return &nodes[i];
	return NULL;
}

/* Agents, then masters, the leader behind them. */
static int in_turn(const void *a, const void *b)
{
	const struct machine *x = a, *y = b;
	int by = (x->master + x->leader) - (y->master + y->leader);

	return by != 0 ? by : strcmp(x->host, y->host);
}

static int find_machines(struct upgrade *u, struct err *e)
{
	struct survey *v = &u->survey;
	cJSON *addresses = cJSON_CreateObject();
	int rc = -1;

	instances_drop_going(&v->agents);
	u->m = xcalloc(v->masters.n + v->agents.n + 1, sizeof(*u->m));
	if (v->agents.n > 0 &&
	    agents_addresses(u->s, &v->agents, addresses, e) < 0)
		goto out;
	for (size_t i = 0; i < v->agents.n; i++)
		add_machine(u, &v->agents.list[i], false, addresses);
	for (size_t i = 0; i < v->masters.n; i++)
		add_machine(u, &v->masters.list[i], true, addresses);
	for (size_t i = 0; i < u->n; i++) {
		const struct docker_node *row = row_of(&u->m[i], v->nodes,
						       v->n_nodes);

		u->m[i].ready = row != NULL;
		u->m[i].leader = row != NULL && row->leader;
	}
	qsort(u->m, u->n, sizeof(*u->m), in_turn);
	rc = 0;
out:
	json_free(addresses);
	return rc;
}

/* ---- one machine ---- */

static int reach(struct upgrade *u, struct machine *m, struct err *e)
{
	if (m->ssh != NULL)
		return 0;
	if (strcmp(u->survey.remote.name, m->host) == 0) {
		m->ssh = u->survey.remote.ssh;
		return 0;
	}
	if (remote_hop_to(&u->survey.remote, m->host, m->address, m->master,
			  &m->ssh, e) < 0)
		return -1;
	m->hopped = true;
	return 0;
}

static void add_file(struct buf *script, const struct file *f)
{
	struct buf hex = BUF_INIT(2 * SHA256_LEN);
	uint8_t digest[SHA256_LEN];

	sha256(f->content.str, f->content.n, digest);
	buf_add_hex(&hex, digest, sizeof(digest));
	buf_addf(script, "file %o %s '%s' ", f->mode,
		 f->content.n > 0 ? hex.str : "-", f->path);
	buf_add_base64(script, f->content.str, f->content.n);
	buf_addc(script, '\n');
	buf_release(&hex);
}

/* What the machine's shell is told.  Burn it. */
static void script_of(const struct upgrade_files *want, bool apply, struct buf *out)
{
	struct buf text;

	asset_get("node/upgrade.sh", &text);
	buf_addf(out, "mode=%s\n%s", apply ? "apply" : "look", text.str);
	for (size_t i = 0; i < want->files.n; i++)
		add_file(out, &want->files.list[i]);
	buf_addf(out, "program %s\nfinish </dev/null\n", want->program);
	buf_release(&text);
}

/* Of what a machine answers: a line each. */
struct answer {
	bool whole, back, untouched, end;
	char bad[256];
};

static void take_line(struct upgrade *u, struct machine *m, struct str line,
		      bool apply, struct answer *a)
{
	struct str word;

	if (!str_cut(&line, ' ', &word))
		word = line;
	if (str_eqz(word, "differs") && !apply) {
		m->differs = true;
		listing_row(&u->rows);
		listing_cell(&u->rows, "%s", m->host);
		listing_cell(&u->rows, "%.*s", STR_ARG(line));
	} else if (str_eqz(word, "version")) {
		snprintf(m->version, sizeof(m->version), "%.*s",
			 STR_ARG(str_head(line, sizeof(m->version) - 1)));
	} else if (str_eqz(word, "bad")) {
		snprintf(a->bad, sizeof(a->bad), "%.*s",
			 STR_ARG(str_head(line, sizeof(a->bad) - 1)));
	} else {
		m->reboot |= str_eqz(word, "reboot");
		a->whole |= str_eqz(word, "whole");
		a->back |= str_eqz(word, "back");
		a->untouched |= str_eqz(word, "untouched");
		a->end |= str_eqz(word, "end");
	}
}

static int ask(struct upgrade *u, struct machine *m, bool apply,
	       struct answer *a, struct err *e)
{
	struct buf script = BUF_INIT(SCRIPT_MAX), out = BUF_INIT(ANSWER_MAX),
		   err = BUF_INIT(1024);
	struct str rest, line;
	int status = 0, rc = -1;

	*a = (struct answer){ 0 };
	script_of(&u->want[m->master ? UPGRADE_MASTER : UPGRADE_AGENT], apply,
		  &script);
	if (reach(u, m, e) < 0 ||
	    ssh_run(m->ssh, REMOTE_SHELL, buf_str(&script), &out, &err, &status,
		    now_ms() + (apply ? APPLY_MS : LOOK_MS), e) < 0) {
		err_in(e, "%s", m->host);
		goto out;
	}
	rest = buf_str(&out);
	while (str_next(&rest, '\n', &line))
		take_line(u, m, line, apply, a);
	rc = a->end ?
		     0 :
		     err_set(e, ERR_DATA, "%s: its shell ended early (%d): %.*s",
			     m->host, status, STR_ARG(str_trim(buf_str(&err))));
out:
	buf_burn(&script);
	buf_release(&out);
	buf_release(&err);
	return rc;
}

static int look_at_all(struct upgrade *u, struct err *e)
{
	struct answer a;

	for (size_t i = 0; i < u->n; i++) {
		struct machine *m = &u->m[i];

		if (ask(u, m, false, &a, e) < 0)
			return -1;
		if (a.bad[0] != '\0')
			return err_set(e, ERR_DATA, "%s: %s", m->host, a.bad);
		if (swarm_is_newer(m->version, u->s->version))
			return err_set(e, ERR_DATA,
				       "%s has azswarm %s, and this is %s, which "
				       "may not know what that left there; use "
				       "%s, or a newer one",
				       m->host, m->version, u->s->version,
				       m->version);
		u->differ += m->differs;
	}
	return 0;
}

/* A node that was Ready is, again. */
static int await_ready(struct upgrade *u, const struct machine *m, struct err *e)
{
	int64_t began = now_ms();
	struct docker *d = remote_docker(&u->survey.remote);

	while (m->ready) {
		struct docker_node *nodes = NULL;
		struct err once = ERR_INIT;
		size_t n = 0;
		bool ready = docker_nodes(d, &nodes, &n, &once) == 0 &&
			     row_of(m, nodes, n) != NULL;

		free(nodes);
		if (ready)
			break;
		if (now_ms() - began > READY_MS)
			return err_set(e, ERR_TIMEOUT,
				       "%s is healthy, but not Ready in the node "
				       "table after %d s; 'azswarm doctor' says "
				       "more, and this may be run again",
				       m->host, READY_MS / 1000);
		ui_waiting(u->s->ui, m->host, now_ms() - began, now_ms());
		if (sleep_until(now_ms() + READY_LOOK_MS, e) < 0)
			return -1;
	}
	ui_clear(u->s->ui);
	return 0;
}

static int bring(struct upgrade *u, struct machine *m, struct err *e)
{
	struct answer a;

	if (trace_change(&u->s->trace, m->host, "what a new one would get", e) < 0)
		return -1;
	ui_say(u->s->ui, "%s: is brought to what a new one would get", m->host);
	if (ask(u, m, true, &a, e) < 0)
		return e->kind == ERR_INTR ?
			       err_in(e, "what was begun there goes on; the same "
					 "command does the rest") :
			       -1;
	if (!a.whole)
		return err_set(e, ERR_DATA,
			       "%s: %s; it %s, and the others are as they were: "
			       "'azswarm ssh %s sudo journalctl -u %s' says more",
			       m->host, a.bad[0] != '\0' ? a.bad : "failed",
			       a.back	   ? "was put back as it was" :
			       a.untouched ? "was left as it is" :
					     "is NOT as it was before",
			       m->host, LAYOUT_AGENT_UNIT);
	if (await_ready(u, m, e) < 0)
		return -1;
	ui_say(u->s->ui, "%s: done", m->host);
	return 0;
}

/* ---- the command ---- */

/* A cluster that was made before there were markers is given one, before its
 * masters look for it. */
static int put_marker(struct upgrade *u, bool dry, struct err *e)
{
	struct docker_info info;
	struct marker m;
	char *life = NULL;
	bool there;
	int rc = -1;

	if (marker_life(u->s, &life, e) < 0)
		return -1;
	if (life == NULL) {
		err_set(e, ERR_DATA,
			"the cluster has no name for its life; "
			"'azswarm params' gives it one");
		goto out;
	}
	if (marker_look(u->s, life, &m, &there, NULL, e) < 0)
		goto out;
	rc = 0;
	if (there)
		goto out;
	if (dry) {
		listing_row(&u->rows);
		listing_cell(&u->rows, "%s", storage_account_name(u->s));
		listing_cell(&u->rows, "the cluster's marker");
		u->differ++;
		goto out;
	}
	marker_init(&m, "upgrade");
	rc = docker_info(remote_docker(&u->survey.remote), &info, e);
	if (rc == 0) {
		memcpy(m.cluster, info.cluster_id, sizeof(info.cluster_id));
		rc = marker_write(u->s, life, &m, NULL, e);
	}
	if (rc == 0)
		ui_say(u->s->ui, "the cluster's marker is in storage account %s",
		       storage_account_name(u->s));
out:
	free(life);
	return rc;
}

/* Machines whose own packages want a restart. */
static void say_restarts(const struct upgrade *u)
{
	struct buf names = BUF_INIT(ANSWER_MAX);

	for (size_t i = 0; i < u->n; i++)
		if (u->m[i].reboot)
			buf_addf(&names, "%s%s", names.n > 0 ? ", " : "",
				 u->m[i].host);
	if (names.n > 0)
		ui_say(u->s->ui,
		       "updates of their own packages want a restart of %s: "
		       "'azswarm upgrade --reboot'",
		       names.str);
	buf_release(&names);
}

/* What concerns machines' own packages alone. */
static int renew(struct upgrade *u, struct err *e)
{
	struct packages_machine *m = xcalloc(u->n + 1, sizeof(*m));
	int rc;

	for (size_t i = 0; i < u->n; i++)
		m[i] = (struct packages_machine){ .host = u->m[i].host,
						  .address = u->m[i].address,
						  .master = u->m[i].master,
						  .ready = u->m[i].ready };
	rc = packages_renew(u->s, &u->survey, m, u->n, e);
	free(m);
	return rc;
}

static int look_autolock(struct upgrade *u, struct err *e)
{
	bool differs;

	if (autolock_differs(u->s, remote_docker(&u->survey.remote), &differs,
			     e) < 0)
		return -1;
	if (differs) {
		listing_row(&u->rows);
		listing_cell(&u->rows, "the swarm");
		listing_cell(&u->rows, "AUTOLOCK");
		u->differ++;
	}
	return 0;
}

static int run(struct upgrade *u, struct err *e)
{
	struct session *s = u->s;
	size_t moved = 0;

	/* what has ended is nothing to bring to them */
	if (put_marker(u, s->dry_run, e) < 0 || params_fetchable(s, e) < 0 ||
	    look_at_all(u, e) < 0)
		return -1;
	if (s->dry_run) {
		if (services_move(s, remote_docker(&u->survey.remote), true,
				  &moved, e) < 0 ||
		    look_autolock(u, e) < 0)
			return -1;
		if (u->differ > 0 || moved > 0)
			s->exit_status = EXIT_PENDING;
		else
			ui_say(s->ui, "nothing differs from what a new machine "
				      "would get");
		return listing_print(&u->rows, s->ui, e);
	}
	for (size_t i = 0; i < u->n; i++)
		if (u->m[i].differs && bring(u, &u->m[i], e) < 0)
			return -1;
	if (u->differ == 0)
		ui_say(s->ui, "%zu machines are what a new one would get", u->n);
	/* when masters that share the key know that they do */
	if (services_move(s, remote_docker(&u->survey.remote), false, &moved,
			  e) < 0 ||
	    autolock_apply(s, remote_docker(&u->survey.remote), e) < 0)
		return -1;
	say_restarts(u);
	return 0;
}

int upgrade_all(struct session *s, size_t *off, struct err *e)
{
	static const char *const columns[] = { "machine", "differs", NULL };
	struct upgrade u = { .s = s };
	bool packages = s->engine || s->reboot;
	int rc = -1;

	listing_init(&u.rows, columns);
	if ((!packages &&
	     (upgrade_read(s, u.want, e) < 0 || is_of_now(&u, e) < 0)) ||
	    keys_match(s, e) < 0 || survey_azure(s, &u.survey, e) < 0)
		goto out;
	if (u.survey.no_machines.kind != ERR_NONE)
		*e = u.survey.no_machines;
	else if (survey_swarm(s, &u.survey, e) < 0)
		;
	else if (u.survey.no_swarm.kind != ERR_NONE)
		*e = u.survey.no_swarm;
	else if (find_machines(&u, e) == 0)
		rc = packages ? renew(&u, e) : run(&u, e);
out:
	for (size_t i = 0; i < u.n; i++)
		if (u.m[i].hopped)
			ssh_close(u.m[i].ssh);
	free(u.m);
	survey_release(&u.survey);
	upgrade_burn(u.want);
	listing_release(&u.rows);
	*off = u.off;
	return rc;
}

int cmd_upgrade(struct session *s, int argc, char **argv, struct err *e)
{
	size_t off;

	(void)argc, (void)argv;
	return upgrade_all(s, &off, e);
}
