/*
 * Masters that go and come: replace-master, recover, and those that are too
 * many when MASTER_COUNT is less; see masters.h.
 *
 * Order is everything.  A master is demoted while it can still be asked, for a
 * raft member that is remade at its old address is reached by the others and
 * cannot be told from the one that is gone; its row is removed only when its
 * machine is, or it would join again; and lost masters are off before the one
 * that is left goes on alone, for together they are the old majority.
 */
#include "swarm/masters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/labels.h"
#include "swarm/instances.h"
#include "swarm/marker.h"
#include "swarm/swarm.h"

#define LOOK_MS 2000
#define ELECTION_MS 25000 /* raft takes 20 s at most to choose a leader */
#define DEMOTED_MS 60000
#define ALONE_MS 60000 /* from force-new-cluster to a leader */
#define ALONE_TIMES 5
#define HEARD_MS 18000 /* of the 30 s that the engine gives nodes */
#define MEMBER_MS (15 * 60000)
#define SETTLED_MS (2 * 60000)
#define RECOVER_FILE "parameters/recover.json"
#define NAMES_MAX 512

/* ---- raft, as an engine has it ---- */

struct member {
	struct docker_node node;
	bool of_raft; /* it has a manager status: the role alone is a wish */
};

struct raft {
	struct member *list; /* all nodes */
	size_t n;
};

static void raft_release(struct raft *r)
{
	free(r->list);
	*r = (struct raft){ 0 };
}

static int take_member(void *ctx, const cJSON *doc, struct err *e)
{
	struct raft *r = ctx;

	if (r->n == DOCKER_NODES_MAX)
		return err_set(e, ERR_DOCKER, "more than %d nodes",
			       DOCKER_NODES_MAX);
	if ((r->n & (r->n + 1)) == 0)
		r->list = xrealloc(r->list, (2 * r->n + 1) * sizeof(*r->list));
	r->list[r->n].of_raft = json_at(doc, "ManagerStatus") != NULL;
	return docker_node_read(doc, &r->list[r->n++].node, e);
}

/* Fails where there is no leader. */
static int raft_read(struct docker *d, struct raft *r, struct err *e)
{
	raft_release(r);
	return docker_each(d, "/nodes", take_member, r, e);
}

static bool is_host(const struct member *m, const char *host)
{
	return strcmp(m->node.hostname, host) == 0;
}

/* Members of raft beside that host, and those that can be reached. */
static size_t raft_others(const struct raft *r, const char *host, size_t *reachable)
{
	size_t n = 0;

	*reachable = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (!r->list[i].of_raft || is_host(&r->list[i], host))
			continue;
		n++;
		*reachable += r->list[i].node.reachable;
	}
	return n;
}

static size_t raft_rows(const struct raft *r, const char *host, bool of_raft)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += is_host(&r->list[i], host) &&
		     (!of_raft || r->list[i].of_raft);
	return n;
}

/* That host is a member that can be reached, in service. */
static bool raft_has(const struct raft *r, const char *host)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_host(&r->list[i], host) && r->list[i].of_raft &&
		    r->list[i].node.reachable &&
		    r->list[i].node.state == DOCKER_NODE_READY)
			return true;
	return false;
}

/* The members that cannot be reached, for a message. */
static void add_unreachable(const struct raft *r, const char *but, struct buf *b)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].of_raft && !r->list[i].node.reachable &&
		    !is_host(&r->list[i], but))
			buf_addf(b, "%s%s", b->n > 0 ? ", " : "",
				 r->list[i].node.hostname);
}

/* ---- a master to ask that is not the one in question ---- */

int masters_list(struct session *s, struct masters *m, struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Network/publicIPAddresses"
				"?api-version=" API_NETWORK,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = azure_list(&s->az, path, "addresses of masters",
			    remote_take_master, m, e);

	free(path);
	return rc;
}

/* Leave only those that are wanted: that one, or all but that one. */
static void choose(struct masters *m, const char *host, bool only)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		if ((strcmp(m->name[i], host) == 0) == only) {
			m->name[n] = m->name[i];
			m->address[n++] = m->address[i];
		} else {
			free(m->name[i]);
			free(m->address[i]);
		}
	}
	m->n = n;
}

/* One that is left is wanted whatever its engine is at. */
static bool any_engine(struct remote *r, int64_t limit_ms, void *ctx,
		       enum remote_at *at)
{
	(void)r, (void)limit_ms, (void)ctx;
	*at = REMOTE_WORKS;
	return true;
}

static int connect_to(struct session *s, const char *host, bool only,
		      struct remote *r, struct err *e)
{
	struct masters m = { .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	int rc = masters_list(s, &m, e);

	choose(&m, host, only);
	if (rc == 0 && m.n == 0)
		rc = err_set(e, ERR_DATA,
			     only ? "Azure knows no address of %s" :
				    "there is no master beside %s",
			     host);
	if (rc == 0)
		rc = remote_open_known(s, r, &m, only ? any_engine : remote_engine,
				       NULL, e);
	remote_masters_release(&m);
	return rc;
}

/* The first of the others that is a manager of a swarm with a leader. */
static int connect_others(struct session *s, const char *host, struct remote *r,
			  struct raft *raft, struct err *e)
{
	return connect_to(s, host, false, r, e) < 0 ?
		       -1 :
		       raft_read(remote_docker(r), raft, e);
}

/*
 * A way to take masters, but for host.  Where the machines exist on paper and
 * nobody plays a master there, it is none, and what is to be done is done with
 * Azure alone.
 */
static int open_way(struct session *s, const char *host, struct way *w,
		    struct raft *raft, struct err *e)
{
	struct remote r = { 0 };
	struct err why = ERR_INIT;
	bool paper = false;
	int rc = connect_others(s, host, &r, raft, &why);
	bool played = r.ssh != NULL;

	*w = (struct way){ 0 };
	if (rc == 0) {
		way_take(s, w, &r);
		return 0;
	}
	remote_release(&r);
	if (!played && remote_is_away(&why) && remote_on_paper(s, &paper, e) < 0)
		return -1;
	if (paper) {
		ui_say(s->ui, REMOTE_PAPER);
		w->none = why;
		return 0;
	}
	*e = why;
	return -1;
}

/* ---- out of the swarm ---- */

/* What is refused, whatever is asked for: raft without a majority changes
 * nothing any more. */
static int check_majority(const struct raft *raft, const char *host, struct err *e)
{
	struct buf away = BUF_INIT(NAMES_MAX);
	size_t reachable, n = raft_others(raft, host, &reachable);
	int rc = 0;

	add_unreachable(raft, host, &away);
	if (n > 0 && reachable <= n / 2)
		rc = err_set(e, ERR_DATA,
			     "without %s the swarm is %zu manager%s, of which "
			     "%zu can be reached, no majority: it could change "
			     "nothing any more, and 'azswarm recover' would be "
			     "what is left; first the one that is away: %s",
			     host, n, n == 1 ? "" : "s", reachable, away.str);
	buf_release(&away);
	return rc;
}

int masters_spare(struct docker *d, const char *host, struct err *e)
{
	struct buf away = BUF_INIT(NAMES_MAX);
	struct raft raft = { 0 };
	size_t reachable, n;
	int rc = raft_read(d, &raft, e);

	n = raft_others(&raft, host, &reachable);
	add_unreachable(&raft, host, &away);
	if (rc == 0 && n > 0 && 2 * reachable <= n + 1)
		rc = err_set(e, ERR_DATA,
			     "%s is left as it is: while it is away %zu of %zu "
			     "managers could be reached, no majority%s%s",
			     host, reachable, n + 1,
			     away.n > 0 ? "; first the one that is away: " : "",
			     away.n > 0 ? away.str : "");
	raft_release(&raft);
	buf_release(&away);
	return rc;
}

/* Where it is in service: so that nobody notices. */
static int drain(struct way *w, const struct raft *raft, const char *host,
		 struct err *e)
{
	bool ready = false;

	for (size_t i = 0; i < raft->n; i++)
		ready |= is_host(&raft->list[i], host) &&
			 raft->list[i].node.state == DOCKER_NODE_READY;
	if (ready)
		return way_begin(w, &host, 1, e) < 0 ? -1 :
						       way_out(w, &host, 1, e);
	if (raft_rows(raft, host, false) > 0)
		ui_say(w->s->ui,
		       "%s cannot be reached: it is not drained first", host);
	return 0;
}

/* The engine says so of a row whose role was never carried out. */
static bool is_no_member(const struct docker *d, const struct err *e)
{
	return d->status == 404 ||
	       str_find(str_of(e->msg), STR("memberlist")) >= 0;
}

static int demote_rows(struct docker *d, const struct raft *raft,
		       const char *host, struct err *e)
{
	struct docker_node_change change = { .role = "worker" };

	for (size_t i = 0; i < raft->n; i++) {
		const struct member *m = &raft->list[i];

		if (!is_host(m, host) || !m->node.manager)
			continue;
		if (docker_node_update(d, m->node.id, &change, e) == 0)
			continue;
		if (!is_no_member(d, e))
			return err_in(e, "demoting %s (%s)", host, m->node.id);
		err_clear(e);
	}
	return 0;
}

static int wait_a_look(struct session *s, const char *what, int64_t began,
		       struct err *e)
{
	ui_waiting(s->ui, what, now_ms() - began, now_ms());
	return sleep_until(now_ms() + LOOK_MS, e);
}

/* Another look at raft.  The leader may have been the one that goes: until
 * another one is chosen no engine tells, and that is waited for.  1: it told;
 * 0: it did not. */
static int look(struct remote *r, struct raft *raft, int64_t until, struct err *e)
{
	struct err once = ERR_INIT, last = ERR_INIT;

	if (raft_read(remote_docker(r), raft, &once) == 0)
		return 1;
	if (!remote_is_away(&once) || now_ms() >= until) {
		*e = once;
		return -1;
	}
	if (once.kind != ERR_DOCKER && remote_reopen(r, &last) < 0 &&
	    !remote_is_away(&last)) {
		*e = last;
		return -1;
	}
	return 0;
}

/* Out of raft: it is no member any more, and the others have a leader. */
static int leave_raft(struct way *w, struct raft *raft, const char *host,
		      struct err *e)
{
	int64_t began = now_ms();
	int64_t until = began + DEMOTED_MS;
	int rc;

	/* while it was drained much may have changed */
	if (raft_read(way_docker(w), raft, e) < 0 ||
	    check_majority(raft, host, e) < 0 ||
	    demote_rows(way_docker(w), raft, host, e) < 0)
		return -1;
	for (;;) {
		rc = look(&w->remote, raft, until, e);
		if (rc < 0 || (rc > 0 && raft_rows(raft, host, true) == 0))
			break;
		if (rc > 0 && now_ms() >= until) {
			rc = err_set(e, ERR_TIMEOUT,
				     "%s is demoted and still a member of raft",
				     host);
			break;
		}
		if ((rc = wait_a_look(w->s, "the others without it", began, e)) < 0)
			break;
	}
	ui_clear(w->s->ui);
	if (rc > 0)
		ui_say(w->s->ui, "%s: no manager any more", host);
	return rc < 0 ? -1 : 0;
}

static int remove_rows(struct docker *d, const struct raft *raft,
		       const char *host, struct err *e)
{
	for (size_t i = 0; i < raft->n; i++) {
		const struct docker_node *node = &raft->list[i].node;

		if (!is_host(&raft->list[i], host))
			continue;
		if (docker_labels_keep(d, node->id, e) < 0 ||
		    (docker_node_remove(d, node->id, true, e) < 0 &&
		     d->status != 404))
			return err_in(e, "removing node %s (%s)", host, node->id);
		err_clear(e);
	}
	return 0;
}

/* ---- its machine ---- */

static char *vm_path(struct session *s, const char *name, const char *rest)
{
	return azure_path(&s->az,
			  "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachines/%s%sapi-version=" API_COMPUTE,
			  settings_get(s->set, S_COMPUTE_GROUP), name, rest);
}

static int vm_do(struct session *s, const char *method, const char *name,
		 const char *rest, const cJSON *body, const char *done,
		 struct err *e)
{
	char *path = vm_path(s, name, rest);
	char *what = xasprintf("%s to be %s", name, done);
	struct azure_wait w = { .what = what,
				.limit_ms = OPERATION_LIMIT_MS,
				.flags = AZURE_MISSING_OK };
	int rc = azure_do(&s->az, method, path, body, &w, NULL, e);

	free(what);
	free(path);
	return rc < 0 ? err_in(e, "%s", name) : 0;
}

int masters_restart(struct session *s, const char *name, struct err *e)
{
	return vm_do(s, "POST", name, "/restart?", NULL, "restarted", e);
}

/* Its vmId, for the caller to free; "" when there is no such machine.  nic: the
 * id of its interface, where that is wanted. */
static char *vm_id(struct session *s, const char *name, char **nic, struct err *e)
{
	char *path = vm_path(s, name, "?"), *id = NULL;
	struct azure_reply r = { 0 };

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) == 0)
		id = xstrdup(r.http.head.status == 404 ?
				     "" :
				     json_str_opt(r.doc, "properties.vmId", "?"));
	if (id != NULL && nic != NULL)
		*nic = xstrdup(json_str_opt(r.doc,
					    "properties.networkProfile."
					    "networkInterfaces[0].id",
					    ""));
	azure_reply_release(&r);
	free(path);
	return id;
}

/* The template has an interface, and with it the address, go with its machine:
 * not this time, for the names and addresses of a master stay. */
static int keep_address(struct session *s, const char *name, const char *nic,
			struct err *e)
{
	cJSON *body = cJSON_CreateObject(), *one = cJSON_CreateObject(), *p;
	int rc;

	json_add_str(one, "id", nic);
	p = json_add_obj(one, "properties");
	json_add_bool(p, "primary", true);
	json_add_str(p, "deleteOption", "Detach");
	cJSON_AddItemToArray(
		json_add_arr(json_add_obj(json_add_obj(body, "properties"),
					  "networkProfile"),
			     "networkInterfaces"),
		one);
	rc = vm_do(s, "PATCH", name, "?", body, "let go of its address", e);
	json_free(body);
	return rc;
}

/* By force: nothing there is to be written any more, and a machine that hangs
 * would be waited for. */
static int vm_delete(struct session *s, const char *name, struct err *e)
{
	ui_say(s->ui, "%s: its machine is being deleted", name);
	return vm_do(s, "DELETE", name, "?forceDeletion=true&", NULL, "deleted",
		     e);
}

static int network_delete(struct session *s, const char *type, const char *name,
			  const char *suffix, struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Network/"
				"%s/%s-%s?api-version=" API_NETWORK,
				settings_get(s->set, S_COMPUTE_GROUP), type,
				name, suffix);
	char *what = xasprintf("%s-%s to be deleted", name, suffix);
	struct azure_wait w = { .what = what,
				.limit_ms = OPERATION_LIMIT_MS,
				.flags = AZURE_MISSING_OK };
	int rc = azure_do(&s->az, "DELETE", path, NULL, &w, NULL, e);

	free(what);
	free(path);
	return rc;
}

/* ---- fewer ---- */

/* One of them, all of it. */
static int take_one(struct session *s, const char *host, struct err *e)
{
	struct raft raft = { 0 };
	struct way w;
	int rc = open_way(s, host, &w, &raft, e);

	ui_say(s->ui, "%s: to be taken away", host);
	if (rc == 0 && way_there(&w))
		rc = check_majority(&raft, host, e) < 0 ||
				     drain(&w, &raft, host, e) < 0 ||
				     leave_raft(&w, &raft, host, e) < 0 ?
			     -1 :
			     0;
	if (rc == 0)
		rc = vm_delete(s, host, e);
	if (rc == 0 && way_there(&w))
		rc = raft_read(way_docker(&w), &raft, e) < 0 ?
			     -1 :
			     remove_rows(way_docker(&w), &raft, host, e);
	/* they go with the machine, unless somebody changed that */
	if (rc == 0)
		rc = network_delete(s, "networkInterfaces", host, "nic", e) < 0 ?
			     -1 :
			     network_delete(s, "publicIPAddresses", host, "ip", e);
	if (rc == 0)
		ui_say(s->ui, "%s: gone, with its disk, interface and address",
		       host);
	way_close(&w);
	raft_release(&raft);
	return rc < 0 ? err_in(e, "%s", host) : 0;
}

static void add_names(const cJSON *names, struct buf *list)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, names)
		buf_addf(list, "%s%s", list->n > 0 ? ", " : "", one->valuestring);
}

void masters_say_left(struct session *s, const cJSON *names)
{
	struct buf list = BUF_INIT(NAMES_MAX);

	add_names(names, &list);
	if (list.n > 0)
		ui_say(s->ui,
		       "more masters than MASTER_COUNT, which 'azswarm "
		       "deploy-compute' takes away, after a yes: %s",
		       list.str);
	buf_release(&list);
}

int masters_take_away(struct session *s, const cJSON *names, struct err *e)
{
	struct buf list = BUF_INIT(NAMES_MAX);
	int n = cJSON_GetArraySize(names), rc;
	char *what;

	if (n == 0)
		return 0;
	add_names(names, &list);
	what = xasprintf("take %s away, with disk and address, for MASTER_COUNT "
			 "is less",
			 list.str);
	rc = swarm_agree(s, what, e);
	for (int i = n; rc == 0 && i-- > 0;)
		rc = take_one(s, cJSON_GetArrayItem(names, i)->valuestring, e);
	free(what);
	buf_release(&list);
	return rc;
}

bool masters_is_off(struct session *s, const char *name, const cJSON *nodes)
{
	const cJSON *row = way_row(nodes, name);
	struct instances a = { 0 };
	struct azure_reply r = { 0 };
	struct err ignored = ERR_INIT;
	bool off = false;
	char *path;

	if (strcmp(json_str_opt(row, "role", ""), "manager") == 0 &&
	    strcmp(json_str_opt(row, "state", ""), "ready") == 0)
		return false;
	path = vm_path(s, name, "?$expand=instanceView&");
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, &ignored) == 0) {
		instances_add(&a, r.doc);
		off = instance_is_off(&a.list[0]);
	}
	if (off)
		ui_say(s->ui,
		       "%s is %s, and missing from the swarm; it comes back "
		       "when it is started, or 'azswarm replace-master %s' makes "
		       "it anew",
		       name, a.list[0].power, name + strlen("master"));
	instances_release(&a);
	azure_reply_release(&r);
	free(path);
	return off;
}

/* ---- replace-master ---- */

/* "1", "master1" */
static int name_of(const char *word, char name[24], struct err *e)
{
	struct str s = str_of(word);
	uint64_t k;

	if (str_starts(s, STR("master")))
		s = str_skip(s, strlen("master"));
	if (!str_num(s, LAYOUT_MASTERS_MAX - 1, &k))
		return err_set(e, ERR_USAGE,
			       "\"%s\" is no master: expected 0 to %d", word,
			       LAYOUT_MASTERS_MAX - 1);
	snprintf(name, 24, "master%u", (unsigned)k);
	return 0;
}

/* Remember that, so that the same command goes on. */
static int begin(struct session *s, const char *path, const char *name,
		 const char *value, struct err *e)
{
	cJSON *doc = cJSON_CreateObject();
	int rc;

	json_add_str(doc, name, value);
	rc = swarm_begin(s, path, doc, e);
	json_free(doc);
	return rc;
}

struct replace {
	struct session *s;
	char name[24];
	char *file;   /* of what was begun */
	char *vm;     /* vmId of the machine that is there, "" for none */
	char *nic;    /* its interface */
	bool begun;   /* before, and not finished */
	bool made;    /* the machine that is there is the new one */
	bool gone;    /* the one of before is, with all that it knew */
	bool alone;   /* there is no other master */
	struct way w; /* through another one */
	struct raft raft;
};

/* Only what is deployed by the parameters that are here can be made again. */
static int check_parameters(struct session *s, const char *name, bool *alone,
			    struct err *e)
{
	cJSON *parameters = NULL;
	int64_t n, k = name[strlen("master")] - '0';
	int rc = -1;

	if (params_fetchable(s, e) < 0 ||
	    swarm_parameters(s->set, &parameters, e) < 0)
		goto out;
	n = json_int_opt(parameters, "masterCount.value", 1);
	*alone = n == 1;
	if (k >= n)
		err_set(e, ERR_USAGE,
			"%s: the parameters are of %lld master%s; 'azswarm "
			"deploy-compute' takes away who is too many",
			name, (long long)n, n == 1 ? "" : "s");
	else
		rc = 0;
out:
	json_burn(parameters);
	return rc;
}

static int replace_look(struct replace *r, struct err *e)
{
	cJSON *was;

	r->file = xasprintf("parameters/replace-%s.json", r->name);
	was = swarm_begun(r->s, r->file);
	r->begun = was != NULL;
	r->vm = vm_id(r->s, r->name, &r->nic, e);
	r->made = r->vm != NULL && *r->vm != '\0' && r->begun &&
		  strcmp(json_str_opt(was, "vm", ""), r->vm) != 0;
	r->gone = r->vm != NULL && r->begun && (r->made || *r->vm == '\0');
	json_free(was);
	return r->vm != NULL ? 0 : -1;
}

/* The only master: all that the swarm knows is on its disk. */
static int agree_to_loss(struct replace *r, struct err *e)
{
	if (!r->s->force && !r->gone)
		return err_set(e, ERR_DATA,
			       "%s is the only master: services, secrets, "
			       "configs and networks are on its disk alone and "
			       "would be lost; 'azswarm backup' saves them and "
			       "'azswarm restore' brings them back; --force goes "
			       "on without",
			       r->name);
	return r->gone ? 0 :
			 swarm_confirm(r->s, r->name,
				       "the only master, and with it services, "
				       "secrets, configs and networks",
				       e);
}

static int replace_agree(struct replace *r, struct err *e)
{
	char *what;
	int rc;

	if (r->begun) {
		ui_say(r->s->ui, "%s: begun before (%s), it goes on", r->name,
		       r->file);
		return 0;
	}
	what = xasprintf("delete %s with its disk and make it anew", r->name);
	rc = swarm_agree(r->s, what, e);
	free(what);
	return rc;
}

/* The swarm lets go of it. */
static int replace_out(struct replace *r, struct err *e)
{
	if (!way_there(&r->w) || r->made)
		return 0;
	return drain(&r->w, &r->raft, r->name, e) < 0 ||
			       leave_raft(&r->w, &r->raft, r->name, e) < 0 ?
		       -1 :
		       0;
}

static int replace_machine(struct replace *r, struct err *e)
{
	if (r->made)
		return 0;
	if (*r->vm != '\0' &&
	    ((*r->nic != '\0' && keep_address(r->s, r->name, r->nic, e) < 0) ||
	     vm_delete(r->s, r->name, e) < 0))
		return -1;
	if (!way_there(&r->w))
		return 0;
	return raft_read(way_docker(&r->w), &r->raft, e) < 0 ?
		       -1 :
		       remove_rows(way_docker(&r->w), &r->raft, r->name, e);
}

/* It is a manager that can be reached, with the labels it had. */
static int wait_member(struct session *s, struct remote *r, struct raft *raft,
		       const char *host, int64_t limit_ms, struct err *e)
{
	struct docker_node *nodes = NULL;
	int64_t began = now_ms();
	size_t n = 0;
	int rc;

	for (;;) {
		rc = look(r, raft, began + limit_ms, e);
		if (rc < 0 || (rc > 0 && raft_has(raft, host)))
			break;
		if (rc > 0 && now_ms() - began >= limit_ms) {
			rc = err_set(e, ERR_TIMEOUT,
				     "%s is no manager that can be reached "
				     "after %lld minutes; 'azswarm ssh %s "
				     "journalctl -u swarm-helper' says more",
				     host, (long long)limit_ms / 60000, host);
			break;
		}
		if ((rc = wait_a_look(s, host, began, e)) < 0)
			break;
	}
	ui_clear(s->ui);
	if (rc > 0)
		rc = docker_nodes(remote_docker(r), &nodes, &n, e) < 0 ?
			     -1 :
			     docker_labels_give(remote_docker(r), nodes, n, e);
	free(nodes);
	return rc;
}

static int replace_back(struct replace *r, struct err *e)
{
	size_t reachable, others;

	if (!way_there(&r->w)) {
		if (r->alone)
			ui_say(r->s->ui,
			       "%s is made anew and waits for the operator's "
			       "word: 'azswarm restore FILE'",
			       r->name);
		return 0;
	}
	if (wait_member(r->s, &r->w.remote, &r->raft, r->name, SETTLED_MS, e) < 0)
		return -1;
	others = raft_others(&r->raft, "", &reachable);
	ui_say(r->s->ui, "%s is a manager again: %zu of %zu can be reached",
	       r->name, reachable, others);
	return 0;
}

int cmd_replace_master(struct session *s, int argc, char **argv, struct err *e)
{
	struct replace r = { .s = s };
	int rc = -1;

	(void)argc;
	if (name_of(argv[1], r.name, e) < 0 ||
	    check_parameters(s, r.name, &r.alone, e) < 0 ||
	    replace_look(&r, e) < 0)
		goto out;
	if (r.alone) {
		err_set(&r.w.none, ERR_DATA, "there is no other master");
		if (agree_to_loss(&r, e) < 0)
			goto out;
	} else if (open_way(s, r.name, &r.w, &r.raft, e) < 0) {
		err_in(e, "no other master can be asked");
		goto out;
	} else if (check_majority(&r.raft, r.name, e) < 0 ||
		   replace_agree(&r, e) < 0) {
		goto out;
	}
	if (!r.begun && !s->trace.print && begin(s, r.file, "vm", r.vm, e) < 0)
		goto out;
	if (replace_out(&r, e) < 0 || replace_machine(&r, e) < 0 ||
	    deploy_again(s, r.alone, e) < 0 || replace_back(&r, e) < 0) {
		ui_say(s->ui, "the same command again goes on from here");
		goto out;
	}
	remove(r.file);
	rc = 0;
out:
	way_close(&r.w);
	raft_release(&r.raft);
	free(r.file);
	free(r.vm);
	free(r.nic);
	return rc;
}

/* ---- recover ---- */

struct recover {
	struct session *s;
	char from[24];
	struct remote remote; /* to it, and no other */
	struct raft raft;
	cJSON *there; /* the masters that Azure has */
	char *lost;   /* names of the others */
	bool begun; /* before: it goes on alone already, and the marker says so */
	bool marked; /* there is one, and who comes back looks for it */
};

/* The next of the others that Azure has, from number *i on; false: that was all. */
static bool next_other(const struct recover *r, int *i, char name[24])
{
	for (; *i < LAYOUT_MASTERS_MAX; ++*i) {
		snprintf(name, 24, "master%d", *i);
		if (strcmp(name, r->from) != 0 && json_get(r->there, name) != NULL)
			return true;
	}
	return false;
}

static int list_lost(struct recover *r, struct err *e)
{
	struct buf names = BUF_INIT(NAMES_MAX);
	char name[24];

	if ((r->there = masters_there(r->s, true, e)) == NULL)
		return -1;
	for (int i = 0; next_other(r, &i, name); i++)
		buf_addf(&names, "%s%s", names.n > 0 ? ", " : "", name);
	if (json_get(r->there, r->from) == NULL)
		err_set(e, ERR_USAGE, "Azure has no %s", r->from);
	r->lost = buf_detach(&names);
	return e->kind == ERR_NONE ? 0 : -1;
}

static int open_from(struct recover *r, struct err *e)
{
	struct err why = ERR_INIT;
	bool paper = false;

	if (connect_to(r->s, r->from, true, &r->remote, &why) == 0)
		return 0;
	if (remote_is_away(&why) && remote_on_paper(r->s, &paper, e) < 0)
		return -1;
	if (paper)
		return err_set(e, ERR_DATA, REMOTE_PAPER);
	*e = why;
	return -1;
}

/* Who is left must be a manager whose engine answers; one that has just begun to
 * go on alone is none for a second. */
static int check_engine(struct recover *r, struct err *e)
{
	int64_t began = now_ms();
	struct docker_info info;

	for (;;) {
		if (docker_info(remote_docker(&r->remote), &info, e) < 0)
			return err_in(e, "%s", r->from);
		if (info.state != DOCKER_SWARM_ACTIVE || info.manager ||
		    now_ms() - began >= ELECTION_MS)
			break;
		if (wait_a_look(r->s, r->from, began, e) < 0)
			return -1;
	}
	if (info.state == DOCKER_SWARM_LOCKED)
		return err_set(e, ERR_DATA,
			       "%s: its swarm is locked; 'azswarm unlock' first",
			       r->from);
	if (!info.manager)
		return err_set(e, ERR_DATA,
			       "%s is no manager of a swarm (%s): what it knew is "
			       "not there any more; another master, or 'azswarm "
			       "restore FILE'",
			       r->from, docker_swarm_state_name(info.state));
	return 0;
}

/* Is there a leader?  An election is waited for, so long.  1, 0, -1. */
static int has_leader(struct recover *r, int64_t limit_ms, struct err *e)
{
	int64_t began = now_ms();

	for (;;) {
		struct err once = ERR_INIT;

		if (raft_read(remote_docker(&r->remote), &r->raft, &once) == 0)
			return 1;
		if (once.kind != ERR_DOCKER && once.kind != ERR_TIMEOUT) {
			*e = once;
			return -1;
		}
		if (now_ms() - began >= limit_ms)
			return 0;
		if (wait_a_look(r->s, "a leader", began, e) < 0)
			return -1;
	}
}

/* The guard: 1 when it is alone already and goes on, 0 when it is to be, -1. */
static int check_lost(struct recover *r, int64_t limit_ms, struct err *e)
{
	size_t reachable, members;
	int rc = has_leader(r, limit_ms, e);

	ui_clear(r->s->ui);
	if (rc <= 0)
		return rc;
	members = raft_others(&r->raft, "", &reachable);
	/* cut off between the two */
	if (r->begun ||
	    (members == 1 && raft_has(&r->raft, r->from) && *r->lost != '\0'))
		return 1;
	return err_set(e, ERR_DATA,
		       "the swarm has a leader: %zu of %zu managers can be "
		       "reached, so nothing is lost that 'recover' would bring "
		       "back; 'azswarm replace-master' makes one master anew",
		       reachable, members);
}

static int recover_agree(struct recover *r, struct err *e)
{
	const char *group = settings_get(r->s->set, S_COMPUTE_GROUP);
	char *what;
	int rc;

	ui_say(r->s->ui,
	       "%s goes on alone with services, secrets, configs and networks as "
	       "it knows them; what runs on agents runs on",
	       r->from);
	ui_say(r->s->ui,
	       "%s: off first, what only they knew is lost, and what runs there "
	       "stops; then they are started, one at a time, and join again",
	       *r->lost != '\0' ? r->lost : "no other master is there");
	what = xasprintf("the old majority of %s",
			 *r->lost != '\0' ? r->lost : "masters that are gone");
	rc = swarm_confirm(r->s, group, what, e);
	free(what);
	return rc;
}

static int turn_off(struct recover *r, struct err *e)
{
	char name[24];

	for (int i = 0; next_other(r, &i, name); i++) {
		ui_say(r->s->ui, "%s: being deallocated", name);
		if (vm_do(r->s, "POST", name, "/deallocate?", NULL,
			  "deallocated", e) < 0)
			return -1;
	}
	return 0;
}

/* Of a master that is lost, and no more than a row: no member, and either gone
 * or, as the engine has made it by going on alone, a worker. */
static bool is_lost_row(const struct recover *r, const struct member *m)
{
	char name[24];
	bool lost = m->node.manager;

	for (int i = 0; next_other(r, &i, name); i++)
		lost |= is_host(m, name);
	return lost && !m->of_raft &&
	       (!m->node.manager || m->node.state != DOCKER_NODE_READY);
}

/* Nodes that the leader knows of and has not heard from, but for lost masters. */
static size_t unheard(const struct recover *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->raft.n; i++)
		n += r->raft.list[i].node.state == DOCKER_NODE_UNKNOWN &&
		     !is_lost_row(r, &r->raft.list[i]);
	return n;
}

/* Once: until it leads and has heard from all agents, or HEARD_MS have passed. */
static int begin_anew(struct recover *r, struct err *e)
{
	char address[REMOTE_ADDRESS_MAX];
	const struct docker_init_spec spec = { .advertise = address,
					       .force_new_cluster = true };
	int64_t began, led = 0;
	int rc;

	remote_private_address(r->from, address);
	if (docker_swarm_init(remote_docker(&r->remote), &spec, e) < 0)
		return -1;
	began = now_ms();
	for (;;) {
		rc = look(&r->remote, &r->raft, began + ALONE_MS, e);
		if (rc > 0 && led == 0)
			led = now_ms();
		if (rc < 0 ||
		    (rc > 0 && (unheard(r) == 0 || now_ms() - led >= HEARD_MS)))
			break;
		if ((rc = wait_a_look(r->s, "agents to find it", began, e)) < 0)
			break;
	}
	ui_clear(r->s->ui);
	return rc < 0 ? -1 : 0;
}

/*
 * A leader that is new gives nodes half a minute to be heard from, or what they
 * run is begun anew.  Agents try the lost masters, too, which takes them seconds
 * each time: some come too late, unless the half minute begins again.
 */
static int go_on_alone(struct recover *r, bool alone, struct err *e)
{
	for (int i = 0; i < ALONE_TIMES; i++) {
		if (alone && unheard(r) == 0)
			return 0;
		ui_say(r->s->ui, "%s: %s", r->from,
		       alone ? "once more, for agents that have not found it" :
			       "a new swarm of what it knows");
		if (begin_anew(r, e) < 0)
			return err_in(e, "%s alone", r->from);
		alone = true;
	}
	if (unheard(r) > 0)
		ui_say(r->s->ui,
		       "%zu not heard from yet: what runs there may be begun anew",
		       unheard(r));
	return 0;
}

/* The operator's word, in the marker: lost masters that come back leave what they
 * had for it. */
static int raise_generation(struct recover *r, struct err *e)
{
	struct docker_info info;
	unsigned generation;

	if (docker_info(remote_docker(&r->remote), &info, e) < 0 ||
	    marker_raise(r->s, info.cluster_id, r->from, &generation, e) < 0 ||
	    begin(r->s, RECOVER_FILE, "from", r->from, e) < 0)
		return -1;
	ui_say(r->s->ui, "generation %u of the cluster: the swarm of %s",
	       generation, r->from);
	return 0;
}

static int remove_lost_rows(struct recover *r, struct err *e)
{
	struct docker_node_change change = { .role = "worker" };
	struct docker *d = remote_docker(&r->remote);

	for (size_t i = 0; i < r->raft.n; i++) {
		const struct docker_node *node = &r->raft.list[i].node;

		if (!is_lost_row(r, &r->raft.list[i]))
			continue;
		if (docker_labels_keep(d, node->id, e) < 0)
			return -1;
		/* the engine removes no manager, be it one by its role alone */
		if (node->manager &&
		    docker_node_update(d, node->id, &change, e) < 0)
			err_clear(e);
		if (docker_node_remove(d, node->id, true, e) < 0 &&
		    d->status != 404)
			return err_in(e, "removing the row of %s", node->hostname);
		err_clear(e);
		ui_say(r->s->ui, "%s: its old row is removed", node->hostname);
	}
	return 0;
}

static int start_lost(struct recover *r, struct err *e)
{
	char name[24];

	for (int i = 0; next_other(r, &i, name); i++) {
		if (raft_has(&r->raft, name))
			continue;
		ui_say(r->s->ui, "%s: started, to join again", name);
		if (vm_do(r->s, "POST", name, "/start?", NULL, "started", e) < 0 ||
		    wait_member(r->s, &r->remote, &r->raft, name, MEMBER_MS, e) < 0)
			return -1;
		ui_say(r->s->ui, "%s: a manager that can be reached", name);
	}
	return 0;
}

/* Of before there were markers: they would go on as the majority that they were. */
static int leave_lost(struct recover *r, struct err *e)
{
	ui_say(r->s->ui,
	       "%s: left off, for what runs there knows of no marker and would "
	       "go on as before; 'azswarm upgrade', then 'azswarm "
	       "replace-master' for each",
	       r->lost);
	return raise_generation(r, e);
}

static void say_recovered(struct recover *r)
{
	size_t reachable, members = raft_others(&r->raft, "", &reachable);
	size_t workers = 0, ready = 0;

	for (size_t i = 0; i < r->raft.n; i++) {
		workers += !r->raft.list[i].node.manager;
		ready += !r->raft.list[i].node.manager &&
			 r->raft.list[i].node.state == DOCKER_NODE_READY;
	}
	ui_say(r->s->ui,
	       "recovered: %zu of %zu managers, %zu of %zu agents are "
	       "Ready",
	       reachable, members, ready, workers);
}

/* Before one of the others has joined it again. */
static bool is_alone(const struct recover *r, int alone)
{
	size_t reachable;

	return alone == 0 || raft_others(&r->raft, "", &reachable) == 1;
}

int cmd_recover(struct session *s, int argc, char **argv, struct err *e)
{
	struct recover r = { .s = s };
	cJSON *was = NULL;
	int rc = -1, alone;

	(void)argc, (void)argv;
	if (s->from == NULL) {
		err_set(e, ERR_USAGE, "which master is left?  --from MASTER");
		goto out;
	}
	if (name_of(s->from, r.from, e) < 0 || list_lost(&r, e) < 0 ||
	    marker_known(s, &r.marked, e) < 0 || open_from(&r, e) < 0 ||
	    check_engine(&r, e) < 0)
		goto out;
	was = swarm_begun(s, RECOVER_FILE);
	r.begun = strcmp(json_str_opt(was, "from", ""), r.from) == 0;
	if ((alone = check_lost(&r, r.begun ? ELECTION_MS : 0, e)) < 0)
		goto out;
	/* the majority that it had since is lost, too: another generation */
	r.begun &= alone == 1;
	if ((!r.begun && recover_agree(&r, e) < 0) ||
	    (alone == 0 && (alone = check_lost(&r, ELECTION_MS, e)) < 0))
		goto out;
	if ((alone == 0 && turn_off(&r, e) < 0) ||
	    (is_alone(&r, alone) && go_on_alone(&r, alone == 1, e) < 0))
		goto again;
	/* a marker makes no machine look for it: until the last it is not there */
	if ((r.marked && !r.begun && raise_generation(&r, e) < 0) ||
	    remove_lost_rows(&r, e) < 0 ||
	    (r.marked ? start_lost(&r, e) : leave_lost(&r, e)) < 0)
		goto again;
	say_recovered(&r);
	remove(RECOVER_FILE);
	rc = 0;
	goto out;
again:
	ui_say(s->ui, "the same command again goes on from here");
out:
	remote_release(&r.remote);
	raft_release(&r.raft);
	json_free(r.there);
	json_free(was);
	free(r.lost);
	return rc;
}
