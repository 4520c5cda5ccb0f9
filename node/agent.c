/*
 * The agent: what every machine runs beside its engine.
 *
 * One thread watches the engine and keeps the machine in the swarm, for ever;
 * the others answer GET /healthz for the load balancer.  On a master the
 * helper does the joining, and the agent only tells the health: no agent ever
 * leaves a swarm that its machine manages.
 *
 * A worker cannot see its own row in the node table, so a helper is asked for
 * it.  While no helper answers, the last answer stands: a master that is away
 * must not empty the load balancer.
 *
 * Kept in the run directory, which is gone after a boot: `joined`, the ID we
 * joined as, and `leaving`, put there by `agent leave`.  In the state directory,
 * which outlives boots: which swarm this node is in (node/life.h).  No helper's
 * word makes it leave that for another; what the cluster's marker says does.
 */
#include "node/agent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/net.h"
#include "http.h"
#include "node/ask.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/evict.h"
#include "node/figures.h"
#include "node/files.h"
#include "node/imds.h"
#include "node/lacks.h"
#include "node/life.h"
#include "node/node.h"
#include "node/registry.h"
#include "node/room.h"

#define CONNS_MAX 16
#define CONNS_PEER_MAX 4
#define IDLE_MS 5000
#define ENGINE_MS 30000	    /* one exchange; a join may take 20 s of its own */
#define ENGINE_LOOK_MS 4000 /* whether it answers, and how its swarm is */
#define ASK_MS 12000
#define ASK_ROW_MS 6000	 /* what the engine says waits as long */
#define LOOK_MS 1000	 /* is the engine there? */
#define LOOK_SOON_MS 250 /* while it is not */
#define INFO_MS 5000	 /* what does it say of its swarm? */
#define BACKOFF_MIN_MS 2000
#define BACKOFF_MAX_MS 30000
#define UNKNOWN_TIMES \
	2 /* answers in a row before a node believes it was removed */
#define LEAVE_FILE_MS \
	(2 * LAYOUT_STOP_S * \
	 1000) /* a leave that has not ended us by then never will */
#define STOP_TASK_MS 120000
#define PROOF_MS 5000 /* between looks at the marker */
#define SETTLE_IN_MS \
	30000 /* so long the newer swarm may take to see this node */
#define SETTLE_MS 15000
#define FIGURES_MS 1000 /* as old as figures may be */
#define FILES_MS 300000 /* between looks at the files that make the machine */

/* `agent leave`, all of it within what systemd grants (LAYOUT_STOP_S) */
#define LEAVE_MS ((LAYOUT_STOP_S - 8) * 1000)
#define LEAVE_INFO_MS 5000
#define LEAVE_ASK_MS 40000  /* of it, while the helpers are there and busy */
#define LEAVE_KEEP_MS 15000 /* for the engine to leave and to tell the helper */
#define LEAVE_TOLD_MS 3000
#define LEAVE_LOOK_MS 1000
#define LEAVE_SILENT_MAX 5 /* looks in a row that nobody answered */

/* ---- deciding ------------------------------------------------------------ */

enum agent_step agent_decide(const struct agent_view *v, const char **why)
{
	bool ours = *v->node_id == '\0' || strcmp(v->node_id, v->joined_id) == 0;

	*why = "";
	if (v->master || v->leave_runs || !v->engine || v->manager)
		return AGENT_STAY;
	if (v->state == DOCKER_SWARM_INACTIVE)
		return AGENT_JOIN;
	/*
	 * Leaving ends what runs here.  It needs a helper's answer about this very
	 * node, now, and for the swarm that it is in: without a helper there is no
	 * coming back, and a node that somebody has made a manager must not go,
	 * which its engine does not tell while it is starting.
	 */
	if (!v->heard || v->says == AGENT_SAYS_NOTHING ||
	    (v->says == AGENT_SAYS_NODE && v->says_manager))
		return AGENT_STAY;
	if (v->moved)
		*why = "the cluster's swarm was begun anew without this node";
	else if (v->says == AGENT_SAYS_UNKNOWN)
		*why = "the swarm does not know this node any more";
	else if (!ours)
		*why = "this membership is from before the machine was started";
	else if (v->says_leaving && v->says_down)
		*why = "this node had said that it goes, and was started again";
	else if (v->state != DOCKER_SWARM_ACTIVE &&
		 v->unsettled_ms >= AGENT_UNSETTLED_MS)
		*why = "the engine does not find its way into the swarm";
	else
		return AGENT_STAY;
	return AGENT_LEAVE;
}

bool agent_healthy(const struct agent_view *v, const char **why)
{
	bool known = v->says == AGENT_SAYS_NODE;

	*why = "ok";
	if (v->leave_runs || (known && v->says_leaving))
		*why = "leaving";
	else if (!v->engine)
		*why = "Docker does not answer";
	else if (v->full)
		*why = "no room where Docker keeps its data";
	else if (v->state == DOCKER_SWARM_INACTIVE)
		*why = "not in a swarm yet";
	else if (v->says == AGENT_SAYS_UNKNOWN)
		*why = "the swarm does not know this node";
	else if (known && !v->says_active)
		*why = "drained or paused";
	else if (v->confirmed && v->doubted_ms >= AGENT_DOUBT_MS)
		*why = "the managers have not seen this node ready for a minute";
	else if (v->confirmed && v->unsettled_ms >= AGENT_DOUBT_MS)
		*why = "the engine has been out of its swarm for a minute";
	else if (v->confirmed)
		*why = "ok";
	else if (v->state == DOCKER_SWARM_ERROR)
		*why = "not in a swarm yet: the engine's swarm state is error";
	else if (v->state != DOCKER_SWARM_ACTIVE)
		*why = "not in a swarm yet";
	else if (!known)
		*why = "no manager has said yet that this node is ready";
	else if (!v->says_ready)
		*why = "the managers do not see this node ready";
	return strcmp(*why, "ok") == 0;
}

int64_t agent_backoff_ms(unsigned n)
{
	int64_t bound = n < 4 ? (int64_t)BACKOFF_MIN_MS << n : BACKOFF_MAX_MS;

	return BACKOFF_MIN_MS +
	       random_below((uint32_t)(bound - BACKOFF_MIN_MS) + 1);
}

/* ---- the run directory ---------------------------------------------------- */

static char *run_path(const struct node_config *c, const char *name)
{
	return xasprintf("%s/%s", c->run_dir, name);
}

static void remember(const struct node_config *c, const char *name,
		     const char *text)
{
	char *path = run_path(c, name);
	struct err e = ERR_INIT;

	if (dir_make(c->run_dir, 0700, &e) < 0 ||
	    file_write(path, str_of(text), 0600, &e) < 0)
		daemon_say("%s", e.msg);
	free(path);
}

static void recall(const struct node_config *c, const char *name, char *out,
		   size_t size)
{
	char *path = run_path(c, name);
	struct buf b = BUF_INIT(size - 1);
	struct err e = ERR_INIT;

	out[0] = '\0';
	if (file_exists(path) && file_read(path, &b, &e) == 0)
		memcpy(out, b.str, b.n + 1);
	buf_release(&b);
	free(path);
}

static void forget(const struct node_config *c, const char *name)
{
	char *path = run_path(c, name);

	unlink(path);
	free(path);
}

/* `agent leave` is at work.  One that never came to an end, which systemd
 * would not let happen, is forgotten in the end. */
static bool leave_runs(const struct node_config *c)
{
	char *path = run_path(c, "leaving");
	struct stat st;
	bool runs = stat(path, &st) == 0;

	if (runs && (unix_time() - (int64_t)st.st_mtime) * 1000 > LEAVE_FILE_MS) {
		daemon_say("agent leave ended long ago, and this still runs: joining again");
		unlink(path);
		runs = false;
	}
	free(path);
	return runs;
}

/* ---- watching ------------------------------------------------------------- */

struct agent {
	struct node_config config;
	pthread_mutex_t lock; /* for view, and what it points to */
	struct agent_view view;
	char node_id[DOCKER_ID_MAX], joined_id[DOCKER_ID_MAX];
	struct imds imds; /* what Azure announces */
	char told[128];	  /* systemd, of how it stands */
	struct registry *registry;
	char version[sizeof(((struct docker_node *)0)->program)]; /* ours */
	char program[65];	      /* SHA-256 of its file */
	pthread_mutex_t figures_lock; /* for what follows */
	struct buf figures;	      /* as JSON */
	int64_t figures_ms;	      /* when they were read; 0: never */

	/* the watcher's own */
	struct docker docker;
	struct ask ask;
	struct life life;    /* which swarm, and of which generation */
	struct marker proof; /* of a newer one; its generation 0: none */
	int64_t proof_ms;    /* when the marker may be read next */
	int64_t moved_since_ms;
	int64_t info_ms; /* when the engine is to be asked next */
	int64_t ask_ms;	 /* when a helper is */
	int64_t try_ms;	 /* when joining or leaving is tried again */
	int64_t unsettled_since_ms;
	int64_t doubted_since_ms;
	struct lacks lacks;
	struct room room;
	struct files list;	    /* of files that make this machine */
	char files[FILES_HASH_MAX]; /* the hash of them */
	int64_t files_ms;	    /* when they are looked at again */
	char error[256];	    /* what the engine says of its swarm */
	unsigned failures;	    /* in a row */
	unsigned unknown;	    /* answers in a row */
	bool unanswered;	    /* the last question was */
	bool fresh;		    /* was seen outside of any swarm */
	char stopped[32];	    /* the task that was stopped last */
	struct complaint complaint;
};

static void view_set(struct agent *a, const struct agent_view *v)
{
	pthread_mutex_lock(&a->lock);
	a->view = *v;
	pthread_mutex_unlock(&a->lock);
}

/* Another membership: what was said of the last one does not count. */
static void set_node(struct agent *a, const char *id)
{
	if (strcmp(a->node_id, id) == 0)
		return;
	memcpy(a->node_id, id, strlen(id) + 1);
	a->view.says = AGENT_SAYS_NOTHING;
	a->view.confirmed = false;
	a->unknown = 0;
	a->ask_ms = 0;
}

/*
 * A membership that began while we watched is of this boot: also when our join
 * ran out of time and went on in the engine.
 */
static void joined(struct agent *a, const char *id)
{
	pthread_mutex_lock(&a->lock);
	memcpy(a->joined_id, id, strlen(id) + 1);
	pthread_mutex_unlock(&a->lock);
	remember(&a->config, "joined", id);
	daemon_say("joined the swarm as node %s", id);
}

/* 1: as it was last time, which is not long ago.  An engine that hangs is
 * noticed soon. */
static int ask_engine(struct agent *a, bool was, struct docker_info *info,
		      struct err *e)
{
	int rc;

	a->docker.timeout_ms = ENGINE_LOOK_MS;
	rc = docker_hello(&a->docker, e);
	if (rc == 0)
		rc = was && now_ms() < a->info_ms ?
			     1 :
			     docker_info(&a->docker, info, e);
	a->docker.timeout_ms = ENGINE_MS;
	return rc;
}

/* Is the engine there, and what does it say?  Cheap when nothing is due. */
static int look(struct agent *a, struct agent_view *v, struct err *e)
{
	struct docker_info info;
	bool was = v->engine;
	int rc = ask_engine(a, was, &info, e);

	v->engine = rc >= 0;
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	a->info_ms = now_ms() + INFO_MS;
	if (!was)
		a->ask_ms = 0;
	v->state = info.state;
	memcpy(a->error, info.error, sizeof(a->error));
	v->manager = info.manager;
	ask_know(&a->ask, &info.known);
	pthread_mutex_lock(&a->lock);
	set_node(a, info.node_id);
	v->says = a->view.says;
	v->confirmed = a->view.confirmed;
	pthread_mutex_unlock(&a->lock);
	if (v->state == DOCKER_SWARM_INACTIVE)
		a->fresh = true;
	else if (a->fresh && info.node_id[0] != '\0' &&
		 strcmp(a->joined_id, info.node_id) != 0)
		joined(a, info.node_id);
	if (v->state == DOCKER_SWARM_ACTIVE || v->state == DOCKER_SWARM_INACTIVE)
		a->unsettled_since_ms = 0;
	else if (a->unsettled_since_ms == 0)
		a->unsettled_since_ms = now_ms();
	return 0;
}

/* What a row says of the node's way out.  leaving without one was said by a
 * helper before 0.2, which only knew machines that go down. */
static void take_way(struct agent_view *v, const char *label, bool leaving)
{
	struct evict ev;

	if (evict_read(str_of(label), &ev)) {
		v->says_leaving = ev.stage > EVICT_ASKED;
		v->says_down = ev.by == EVICT_BY_SHUTDOWN;
		v->says_own = ev.by != EVICT_BY_OPERATOR;
	} else {
		v->says_leaving = v->says_down = v->says_own = leaving;
	}
}

/* The managers want this task elsewhere: Swarm begins another one for it. */
static void stop_task(struct agent *a, const char *task)
{
	struct err e = ERR_INIT;
	int64_t timeout_ms = a->docker.timeout_ms;

	if (strcmp(a->stopped, task) == 0)
		return;
	/* its own grace period, and then some */
	a->docker.timeout_ms = STOP_TASK_MS;
	if (docker_task_stop(&a->docker, task, &e) < 0) {
		daemon_say("stopping task %s: %s", task, e.msg);
	} else {
		daemon_say("task %s stopped, to begin on another node", task);
		snprintf(a->stopped, sizeof(a->stopped), "%s", task);
	}
	a->docker.timeout_ms = timeout_ms;
}

/* Which files make this machine, a hash of them; see `azswarm upgrade`. */
static const char *files_here(struct agent *a)
{
	if (a->files_ms == 0 || now_ms() >= a->files_ms) {
		files_look(&a->list, "");
		files_hash(&a->list, a->program, a->files);
		files_empty(&a->list);
		a->files_ms = now_ms() + FILES_MS;
	}
	return a->files;
}

/* What version of this program is here, which files, and what is lacking, in
 * our own row; see helper_row.c. */
static void note(struct agent *a, const struct docker_node *node)
{
	struct docker_node_change change;
	char label[LACKS_TEXT_MAX];
	struct err e = ERR_INIT;
	bool other = lacks_change(node, a->lacks.bits, label, &change);

	if (!other && strcmp(node->program, a->version) == 0 &&
	    strcmp(node->files, files_here(a)) == 0)
		return;
	change.labels[1].name = DOCKER_LABEL_PROGRAM;
	change.labels[1].value = a->version;
	change.labels[2].name = DOCKER_LABEL_FILES;
	change.labels[2].value = files_here(a);
	if (docker_node_update(&a->docker, node->id, &change, &e) < 0)
		daemon_say("what there is to say of this node: %s", e.msg);
}

/* A pause for want of room is for new tasks, not for who uses those that run. */
static bool is_active(const char *availability, const char *lacks)
{
	return strcmp(availability, "active") == 0 ||
	       (strcmp(availability, "pause") == 0 &&
		(lacks_read(str_of(lacks)) & LACKS_PAUSED) != 0);
}

/* A manager sees its own row. */
static int look_self(struct agent *a, struct agent_view *v, struct err *e)
{
	struct docker_node node;

	a->ask_ms = now_ms() + INFO_MS;
	if (docker_node(&a->docker, a->node_id, &node, e) < 0)
		return -1;
	note(a, &node);
	v->says = AGENT_SAYS_NODE;
	v->says_manager = true;
	v->says_ready = node.state == DOCKER_NODE_READY;
	v->says_active = is_active(docker_availability_name(node.availability),
				   node.lacks);
	take_way(v, node.evict, node.leaving);
	if (node.stop[0] != '\0')
		stop_task(a, node.stop);
	return 0;
}

/* ---- which swarm ---- */

static void remember_life(struct agent *a, const struct life_told *t,
			  const char *node)
{
	struct life l = a->life;
	struct err e = ERR_INIT;

	snprintf(l.node, sizeof(l.node), "%s", node);
	/* one that does not tell takes nothing from what is known */
	if (t->cluster[0] != '\0' || l.cluster[0] == '\0') {
		snprintf(l.cluster, sizeof(l.cluster), "%s", t->cluster);
		l.generation = t->generation > 0 ? t->generation : 1;
	}
	if (memcmp(&l, &a->life, sizeof(l)) == 0)
		return;
	a->life = l;
	if (life_save(a->config.state_dir, &l, &e) < 0)
		daemon_say("which swarm this node is in: %s", e.msg);
}

/* Whether the cluster's marker bears out that there is a newer swarm. */
static bool proven(struct agent *a, const struct life_told *t, struct err *e)
{
	if (life_proves(&a->life, t, &a->proof))
		return true;
	if (a->config.marker_url[0] == '\0' || now_ms() < a->proof_ms) {
		err_set(e, ERR_DOCKER, "not borne out by the cluster's marker");
		return false;
	}
	a->proof_ms = now_ms() + PROOF_MS;
	if (life_look(a->config.marker_url, &a->proof, e) != LIFE_MARKED)
		a->proof = (struct marker){ 0 };
	else if (!life_proves(&a->life, t, &a->proof))
		err_set(e, ERR_DOCKER, "the cluster's marker says generation %u",
			a->proof.generation);
	return life_proves(&a->life, t, &a->proof);
}

/* Whether what a helper answers is about our swarm, or, *newer, about the one
 * that has taken its place.  false with e. */
static bool counts(struct agent *a, const struct life_told *t, bool *newer,
		   struct err *e)
{
	*newer = false;
	switch (life_weigh(&a->life, t)) {
	case LIFE_SAME:
		return true;
	case LIFE_NEWER:
		*newer = proven(a, t, e);
		if (*newer)
			return true;
		break;
	case LIFE_OTHER:
		err_set(e, ERR_DOCKER, "which is another one");
		break;
	}
	err_in(e,
	       "a helper speaks for swarm %s, generation %u; this node stays in %s, generation %u",
	       t->cluster, t->generation, a->life.cluster, a->life.generation);
	return false;
}

/* The newer swarm has this node's row: when its managers see it there, it is
 * in it already; else it has some time to come. */
static void settle_in(struct agent *a, struct agent_view *v,
		      const struct life_told *t)
{
	if (a->moved_since_ms == 0)
		a->moved_since_ms = now_ms();
	if (v->says_ready) {
		daemon_say("the cluster's swarm was begun anew by %s, generation %u, and this node is in it",
			   a->proof.by, t->generation);
		remember_life(a, t, a->node_id);
		a->moved_since_ms = 0;
	}
	v->moved = a->moved_since_ms != 0 &&
		   now_ms() - a->moved_since_ms >= SETTLE_IN_MS;
}

/* A worker asks for it; one whose engine does not tell its ID, by name. */
static int look_asking(struct agent *a, struct agent_view *v, struct err *e)
{
	const char *self = a->node_id[0] != '\0' ? a->node_id : a->ask.name;
	struct buf target = BUF_INIT(400);
	char lacks[LACKS_TEXT_MAX];
	const int64_t least_s = a->config.probe_s;
	int64_t again_s = least_s;
	struct life_told t;
	bool newer;
	const char *stage;
	cJSON *doc = NULL;
	unsigned status;
	int rc = -1;

	v->heard = v->moved = false;
	lacks_write(a->lacks.bits, lacks);
	buf_addf(&target, "/node/%s?version=%s&lacks=%s&files=%s", self,
		 a->version, lacks, files_here(a));
	life_add_query(&a->life, &a->proof, &target);
	if (ask(&a->ask, "GET", target.str, false, now_ms() + ASK_ROW_MS,
		&status, &doc, NULL, e) < 0)
		goto out;
	if (status != 200 && status != 404) {
		err_set(e, ERR_DOCKER, "asking for this node: %s (%u)",
			json_str_opt(doc, "error", http_reason(status)), status);
		goto out;
	}
	t = life_told_of(doc);
	if (!counts(a, &t, &newer, e))
		goto out;
	v->heard = true;
	if (status == 404) {
		/* a row that was just made may not be in an answer's table yet */
		if (++a->unknown >= UNKNOWN_TIMES) {
			v->says = AGENT_SAYS_UNKNOWN;
			v->moved = newer;
		}
		rc = 0;
		goto out;
	}
	a->unknown = 0;
	v->says = AGENT_SAYS_NODE;
	v->says_manager = strcmp(json_str_opt(doc, "role", ""), "manager") == 0;
	v->says_ready = strcmp(json_str_opt(doc, "state", ""), "ready") == 0;
	v->says_active = is_active(json_str_opt(doc, "availability", ""),
				   json_str_opt(doc, "lacks", ""));
	stage = json_str_opt(doc, "stage", NULL);
	v->says_leaving = stage == NULL ? json_bool_opt(doc, "leaving", false) :
					  strcmp(stage, "asked") != 0;
	v->says_down = stage == NULL ||
		       strcmp(json_str_opt(doc, "by", ""), "shutdown") == 0;
	if (*json_str_opt(doc, "stop", "") != '\0')
		stop_task(a, json_str_opt(doc, "stop", ""));
	again_s = json_int_opt(doc, "ask_again_s", least_s);
	if (newer) {
		settle_in(a, v, &t);
	} else {
		a->moved_since_ms = 0;
		if (t.cluster[0] != '\0' && a->node_id[0] != '\0')
			remember_life(a, &t, a->node_id);
	}
	rc = 0;
out:
	json_free(doc);
	buf_release(&target);
	again_s = again_s < least_s ? least_s : again_s > 300 ? 300 : again_s;
	/* soon while it is not as it should be; a fifth of jitter, or all ask at once */
	if (rc == 0 && (v->says != AGENT_SAYS_NODE || !v->says_ready))
		again_s = 1;
	a->ask_ms = now_ms() + again_s * 800 +
		    random_below((uint32_t)again_s * 400);
	return rc;
}

/* In no swarm there is nothing to lose: of our own's ID, the newer one needs no
 * proof, which storage that is silent would not give. */
static bool may_join(struct agent *a, const struct life_told *t, struct err *e)
{
	bool newer;

	if (life_is_before(t, &a->proof, e))
		return false;
	if (t->generation > a->life.generation && a->life.cluster[0] != '\0' &&
	    strcmp(t->cluster, a->life.cluster) == 0)
		return true;
	return counts(a, t, &newer, e);
}

static int join(struct agent *a, struct err *e)
{
	struct buf target = BUF_INIT(200);
	const char *token, *remote;
	struct life_told t;
	char own[48];
	cJSON *doc = NULL;
	unsigned status, master = 0;
	int rc = -1;

	buf_adds(&target, "/join/worker");
	life_add_query(&a->life, &a->proof, &target);
	if (ask(&a->ask, "GET", target.str, false, now_ms() + ASK_MS, &status,
		&doc, &master, e) < 0)
		goto out;
	token = json_str_opt(doc, "token", "");
	remote = json_str_opt(doc, "remote", "");
	if (status != 200 || *token == '\0' || *remote == '\0') {
		err_set(e, ERR_DOCKER, "helper at %s: %s (%u)",
			ask_master(&a->ask, master),
			json_str_opt(doc, "error", http_reason(status)), status);
		goto out;
	}
	t = life_told_of(doc);
	if (!may_join(a, &t, e))
		goto out;
	/* known before the engine is in it, whatever comes in between */
	remember_life(a, &t, "");
	a->moved_since_ms = 0;
	daemon_gateway(&a->docker, a->config.mtu);
	if (docker_swarm_join(&a->docker,
			      daemon_way_to(ask_master(&a->ask, master), own) ?
				      own :
				      NULL,
			      remote, token, e) < 0) {
		err_in(e, "joining the swarm of %s", remote);
		goto out;
	}
	rc = 0;
out:
	json_burn(doc);
	buf_release(&target);
	return rc;
}

static int leave(struct agent *a, struct agent_view *v, const char *why,
		 struct err *e)
{
	daemon_say("leaving the swarm: %s", why);
	/* a worker's engine, and a helper said so: nothing is lost by force */
	if (docker_swarm_leave(&a->docker, true, e) < 0)
		return err_in(e, "leaving the swarm");
	forget(&a->config, "joined");
	pthread_mutex_lock(&a->lock);
	set_node(a, "");
	a->joined_id[0] = '\0';
	pthread_mutex_unlock(&a->lock);
	v->says = AGENT_SAYS_NOTHING;
	v->state = DOCKER_SWARM_INACTIVE;
	a->unknown = 0;
	a->unsettled_since_ms = 0;
	a->fresh = true;
	return 0;
}

/* What the managers say, over time. */
static void judge(struct agent *a, struct agent_view *v)
{
	bool ready = v->says == AGENT_SAYS_NODE && v->says_ready;

	v->confirmed |= ready;
	if (v->says != AGENT_SAYS_NODE || ready)
		a->doubted_since_ms = 0;
	else if (a->doubted_since_ms == 0)
		a->doubted_since_ms = now_ms();
	v->doubted_ms = a->doubted_since_ms == 0 ?
				0 :
				now_ms() - a->doubted_since_ms;
}

/* What is lacking, and what has changed in that. */
static void look_lacks(struct agent *a, struct agent_view *v)
{
	char was[LACKS_TEXT_MAX], is[LACKS_TEXT_MAX];

	lacks_look(&a->lacks, now_ms());
	v->full = a->lacks.full;
	if (v->lacks == a->lacks.bits)
		return;
	lacks_write(v->lacks, was);
	lacks_write(a->lacks.bits, is);
	daemon_say("this node lacks: %s (before: %s)", *is ? is : "nothing",
		   *was ? was : "nothing");
	v->lacks = a->lacks.bits;
	a->ask_ms = 0; /* so that it is in the row soon */
}

/* In the words of /healthz, for `systemctl status`. */
static void tell_systemd(struct agent *a, const struct agent_view *v)
{
	char *state;
	const char *why;

	agent_healthy(v, &why);
	if (strcmp(why, a->told) == 0)
		return;
	snprintf(a->told, sizeof(a->told), "%s", why);
	state = xasprintf("STATUS=%s",
			  strcmp(why, "ok") == 0 ? "in the swarm" : why);
	daemon_notify(state);
	free(state);
}

/* An engine that cannot be in its swarm, which a certificate that ran out does,
 * may not tell its ID; one that only begins may come to itself. */
static bool is_lost(const struct agent_view *v)
{
	return !v->master && v->engine && v->state == DOCKER_SWARM_ERROR &&
	       v->unsettled_ms >= AGENT_UNSETTLED_MS;
}

/* A master that was to go down, or had been taken away by Azure, and has been
 * up again since. */
static int come_back(struct agent *a, struct agent_view *v, struct err *e)
{
	char *target = xasprintf("/return/%s", a->node_id);
	cJSON *doc = NULL;
	unsigned status;
	int rc = ask(&a->ask, "POST", target, false, now_ms() + ASK_MS, &status,
		     &doc, NULL, e);

	if (rc == 0 && status != 200)
		rc = err_set(e, ERR_DOCKER, "coming back into service: %s (%u)",
			     json_str_opt(doc, "error", http_reason(status)),
			     status);
	if (rc == 0) {
		daemon_say("this machine is up again: back into service");
		v->says_leaving = false;
	}
	json_free(doc);
	free(target);
	return rc;
}

/* One look, and one step if there is one to take. */
static int round_once(struct agent *a, struct err *e)
{
	struct agent_view v = a->view; /* only this thread writes it */
	enum agent_step step;
	const char *why;
	int rc;

	v.leave_runs = leave_runs(&a->config) || atomic_load(&a->imds.away);
	rc = look(a, &v, e);
	v.unsettled_ms = a->unsettled_since_ms == 0 ?
				 0 :
				 now_ms() - a->unsettled_since_ms;
	look_lacks(a, &v);
	room_look(&a->room, now_ms());
	judge(a, &v);
	view_set(a, &v);
	tell_systemd(a, &v);
	if (rc < 0 || v.leave_runs)
		return rc;
	if ((a->node_id[0] != '\0' || is_lost(&v)) && now_ms() >= a->ask_ms) {
		/* not asking again at once is all that a failure here means */
		rc = v.manager ? look_self(a, &v, e) :
		     v.master  ? 0 :
				 look_asking(a, &v, e);
		a->unanswered = rc < 0;
		judge(a, &v);
		view_set(a, &v);
	}
	if (now_ms() < a->try_ms)
		return rc;
	if (v.manager && v.says == AGENT_SAYS_NODE && v.says_leaving &&
	    v.says_own) {
		rc = come_back(a, &v, e);
		a->ask_ms = 0;
		a->try_ms = now_ms() +
			    (rc < 0 ? agent_backoff_ms(a->failures++) : 0);
		view_set(a, &v);
		return rc;
	}
	step = agent_decide(&v, &why);
	if (step == AGENT_STAY && rc == 0 && v.state == DOCKER_SWARM_ERROR)
		return err_set(e, ERR_DOCKER,
			       "the engine's swarm is \"error\": %s", a->error);
	if (step == AGENT_STAY)
		return rc;
	rc = step == AGENT_LEAVE ? leave(a, &v, why, e) : 0;
	if (rc == 0)
		rc = join(a, e);
	a->info_ms = 0;
	if (rc == 0)
		rc = look(a, &v, e);
	view_set(a, &v);
	a->try_ms = now_ms() + (rc < 0 ? agent_backoff_ms(a->failures++) : 0);
	if (rc == 0)
		a->failures = 0;
	return rc;
}

static void *watch(void *ctx)
{
	struct agent *a = ctx;
	int64_t settle_ms = now_ms() + SETTLE_MS;

	while (!interrupt_requested()) {
		struct err e = ERR_INIT, stopped = ERR_INIT;
		int rc = round_once(a, &e);

		/* what a join, a failure or a stranger needed */
		if (now_ms() >= settle_ms) {
			daemon_settle();
			settle_ms = now_ms() + SETTLE_MS;
		}

		if (interrupt_requested())
			break;
		/* not all is well between two questions that nobody answers */
		if (rc < 0 || !a->unanswered)
			daemon_complain(&a->complaint, rc < 0 ? e.msg : "",
					now_ms());
		if (sleep_until(now_ms() + (a->view.engine ? LOOK_MS : LOOK_SOON_MS),
				&stopped) < 0)
			break;
	}
	return NULL;
}

/* ---- telling --------------------------------------------------------------- */

static const char *const fields[] = {
	"Content-Type: application/json",
	"Cache-Control: no-store",
	NULL,
};

/* For the monitor, which is on a master.  Read once a second at most, whoever
 * asks: it costs some files a container. */
static void tell_figures(struct agent *a, struct http_exchange *x)
{
	struct buf b = BUF_INIT(FIGURES_TEXT_MAX);
	int64_t now = now_ms();

	pthread_mutex_lock(&a->figures_lock);
	if (a->figures_ms == 0 || now - a->figures_ms >= FIGURES_MS) {
		struct figures *f = xmalloc(sizeof(*f));

		figures_read("", now, f);
		buf_reset(&a->figures);
		figures_write(f, &a->figures);
		a->figures_ms = now;
		free(f);
	}
	buf_addstr(&b, buf_str(&a->figures));
	pthread_mutex_unlock(&a->figures_lock);
	http_x_answer(x, 200, fields, buf_str(&b));
	buf_release(&b);
}

static bool from_master(const struct agent *a, const char *addr)
{
	for (unsigned i = 0; i < a->config.n_masters; i++)
		if (strcmp(addr, a->config.masters[i]) == 0)
			return true;
	return false;
}

static void agent_handle(void *ctx, struct http_exchange *x)
{
	const struct http_head *head = http_x_head(x);
	struct agent *a = ctx;
	struct buf b = BUF_INIT(1024);
	cJSON *doc = cJSON_CreateObject();
	char trouble[REGISTRY_TROUBLE_MAX], addr[DAEMON_ADDRESS_MAX];
	struct agent_view v;
	const char *why;
	unsigned status;

	daemon_peer(http_x_peer(x), addr);
	if (str_eqz(http_x_path(x), "/figures") &&
	    str_eqz(head->method, "GET") && from_master(a, addr)) {
		json_free(doc);
		tell_figures(a, x);
		return;
	}
	pthread_mutex_lock(&a->lock);
	v = a->view;
	json_add_str(doc, "node", a->node_id);
	pthread_mutex_unlock(&a->lock);
	/* at once, not when the watcher looks again */
	v.leave_runs = v.leave_runs || leave_runs(&a->config) ||
		       atomic_load(&a->imds.away);
	if (!str_eqz(http_x_path(x), "/healthz")) {
		status = 404;
		why = "no such path";
	} else if (!str_eqz(head->method, "GET") &&
		   !str_eqz(head->method, "HEAD")) {
		status = 405;
		why = "not with that method";
	} else {
		status = agent_healthy(&v, &why) ? 200 : 503;
	}
	json_add_str(doc, "status", why);
	/* no reason to send nobody here: what runs goes on running */
	registry_trouble(a->registry, trouble);
	if (trouble[0] != '\0')
		json_add_str(doc, "registry", trouble);
	if (v.lacks & LACKS_SHARE)
		json_add_str(doc, "share", "not at " LAYOUT_SHARE);
	if (v.lacks & LACKS_ROOM)
		json_add_str(doc, "room", "next to none for Docker's data");
	json_print(doc, &b);
	buf_addc(&b, '\n');
	http_x_answer(x, status, fields, buf_str(&b));
	json_free(doc);
	buf_release(&b);
}

static enum http_rank agent_rank(void *ctx, int fd, const char *peer)
{
	const struct agent *a = ctx;
	char addr[DAEMON_ADDRESS_MAX];
	bool known;

	(void)fd;
	daemon_peer(peer, addr);
	known = strcmp(addr, LAYOUT_PROBE_HOST) == 0 || from_master(a, addr);
	return known ? HTTP_KNOWN : HTTP_ANYBODY;
}

static int agent_serve(struct agent *a, struct err *e)
{
	struct http_server s = {
		.stop_fd = -1,
		.max_conns = CONNS_MAX,
		.max_per_peer = CONNS_PEER_MAX,
		/* for the load balancer and the masters */
		.kept = { [HTTP_KNOWN] = 4 },
		.rank = agent_rank,
		.body_max = 1024,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.handle = agent_handle,
		.ctx = a,
	};
	unsigned port = a->config.health_port;
	pthread_t watcher;
	int rc;

	s.listen_fd = tcp_listen(a->config.listen, &port, NULL, e);
	if (s.listen_fd < 0)
		return -1;
	imds_init(&a->imds, &a->config);
	if (imds_start(&a->imds, e) < 0) {
		close(s.listen_fd);
		return -1;
	}
	if (pthread_create(&watcher, NULL, watch, a) != 0) {
		close(s.listen_fd);
		interrupt_request();
		imds_stop(&a->imds);
		return err_set(e, ERR_IO, "no thread to watch the engine with");
	}
	daemon_notify("READY=1\nSTATUS=joining");
	daemon_settle();
	daemon_say("agent: health on %s port %u", a->config.listen, port);
	rc = http_serve(&s, e);
	daemon_notify("STOPPING=1");
	interrupt_request();
	pthread_join(watcher, NULL);
	imds_stop(&a->imds);
	close(s.listen_fd);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

int agent_run(const char *config, const char *version, struct err *e)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	int rc = -1;

	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->figures_lock, NULL);
	buf_init(&a->figures, FIGURES_TEXT_MAX);
	if (daemon_init(e) < 0 || node_config_read(&a->config, config, e) < 0 ||
	    ask_init(&a->ask, &a->config, e) < 0 || files_known(&a->list, e) < 0)
		goto out;
	if (!a->config.manager && life_load(a->config.state_dir, &a->life, e) < 0) {
		daemon_say("%s: taken for a new machine's", e->msg);
		err_clear(e);
	}
	forget(&a->config, "leaving");
	recall(&a->config, "joined", a->joined_id, sizeof(a->joined_id));
	a->view = (struct agent_view){
		.master = a->config.manager,
		.node_id = a->node_id,
		.joined_id = a->joined_id,
	};
	snprintf(a->version, sizeof(a->version), "%s", version);
	files_program("/proc/self/exe", a->program);
	/* what that took is not wanted again */
	files_empty(&a->list);
	daemon_settle();
	lacks_init(&a->lacks, &a->config);
	a->room = (struct room){ .config = config, .root = a->config.docker_root };
	docker_init_unix(&a->docker, a->config.docker_socket);
	a->docker.timeout_ms = ENGINE_MS;
	a->registry = registry_start("/proc/self/exe", version,
				     a->config.image_list, LAYOUT_PROGRAM_BEFORE,
				     a->config.images_url, 0);
	rc = agent_serve(a, e);
	if (rc == 0)
		daemon_say("agent: stopped");
out:
	lacks_end(&a->lacks);
	files_burn(&a->list);
	registry_stop(a->registry);
	docker_release(&a->docker);
	ask_release(&a->ask);
	node_config_burn(&a->config);
	buf_release(&a->figures);
	pthread_mutex_destroy(&a->figures_lock);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return rc;
}

/* ---- leaving ---------------------------------------------------------------- */

struct leaving {
	struct node_config config;
	struct ask ask;
	struct docker docker;
	char id[DOCKER_ID_MAX];
	int64_t began_ms, deadline_ms;
};

/* Ask a helper about our own way out: 0 with *stage ("" when there is none). */
static int ask_way(struct leaving *l, const char *method, const char *query,
		   int64_t limit_ms, char stage[16], bool *cut, struct err *e)
{
	char *target = xasprintf("/evict/%s%s", l->id, query);
	int64_t until = now_ms() + limit_ms;
	cJSON *doc = NULL;
	unsigned status;
	int rc = ask(&l->ask, method, target, false,
		     until < l->deadline_ms ? until : l->deadline_ms, &status,
		     &doc, NULL, e);

	if (rc == 0 && status != 200)
		rc = err_set(e, ERR_DOCKER, "asking for the way out: %s (%u)",
			     json_str_opt(doc, "error", http_reason(status)),
			     status);
	if (rc == 0) {
		snprintf(stage, 16, "%s", json_str_opt(doc, "stage", ""));
		*cut = json_bool_opt(doc, "cut", false);
	}
	json_free(doc);
	free(target);
	return rc;
}

/*
 * Begin, and wait until the managers say that nothing is missed here any
 * more, or as long as there is time.  -1: nobody agreed to it.
 */
static int way_out(struct leaving *l, struct err *e)
{
	int64_t until = l->deadline_ms - LEAVE_KEEP_MS, began = now_ms();
	char *query = xasprintf("?by=shutdown&limit=%lld",
				(long long)((until - now_ms()) / 1000 -
					    EVICT_QUIET_S));
	char stage[16] = "", told[16] = "";
	unsigned silent = 0;
	bool cut = false;
	int rc = ask_way(l, "POST", query, LEAVE_ASK_MS, stage, &cut, e);

	free(query);
	while (rc == 0 && strcmp(stage, "out") != 0 && now_ms() < until) {
		struct err once = ERR_INIT;

		if (strcmp(stage, told) != 0)
			daemon_say("agent leave: %s, after %lld s", stage,
				   (long long)(now_ms() - began) / 1000);
		memcpy(told, stage, sizeof(told));
		if (sleep_until(now_ms() + LEAVE_LOOK_MS, e) < 0)
			return -1;
		/* masters change; when all of them go, nobody is left to wait for */
		if (ask_way(l, "GET", "", LEAVE_TOLD_MS, stage, &cut, &once) == 0 &&
		    *stage != '\0')
			silent = 0;
		else if (++silent == LEAVE_SILENT_MAX)
			return err_set(
				e, ERR_NET, "%s",
				once.kind != ERR_NONE ?
					once.msg :
					"the managers do not know that it goes");
	}
	if (rc == 0)
		daemon_say("agent leave: %s, after %lld s",
			   strcmp(stage, "out") != 0 ?
				   "no time is left, going with tasks still here" :
			   cut ? "out, although not all tasks ran elsewhere in time" :
				 "out",
			   (long long)(now_ms() - began) / 1000);
	return rc;
}

static void tell_left(struct leaving *l)
{
	char *target = xasprintf("/left/%s", l->id);
	int64_t until = now_ms() + LEAVE_TOLD_MS;
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	unsigned status;

	/* it finds out by itself as well */
	ask(&l->ask, "POST", target, false,
	    until < l->deadline_ms ? until : l->deadline_ms, &status, &doc,
	    NULL, &e);
	json_free(doc);
	free(target);
}

/* Everything after "unhealthy". */
static int go(struct leaving *l, struct err *e)
{
	struct docker_info info;
	struct err asked = ERR_INIT;
	int rc;

	l->docker.timeout_ms = LEAVE_INFO_MS;
	if (docker_info(&l->docker, &info, e) < 0)
		return -1;
	if (info.state == DOCKER_SWARM_INACTIVE) {
		daemon_say("agent leave: in no swarm");
		return 0;
	}
	memcpy(l->id, info.node_id, sizeof(l->id));
	ask_know(&l->ask, &info.known);
	rc = way_out(l, &asked);
	if (asked.kind == ERR_INTR) {
		*e = asked;
		return -1;
	}
	if (rc < 0) {
		daemon_say("agent leave: not drained: %s", asked.msg);
		/* the load balancer, at least */
		if (sleep_until(l->began_ms + l->config.settle_ms, e) < 0)
			return -1;
	}
	if (info.manager || l->config.manager) {
		daemon_say("agent leave: a manager stays in the swarm that it manages");
		return 0;
	}
	l->docker.timeout_ms = l->deadline_ms - LEAVE_TOLD_MS - now_ms();
	if (docker_swarm_leave(&l->docker, false, e) < 0)
		return -1;
	daemon_say("agent leave: left the swarm, was node %s", l->id);
	if (rc == 0)
		tell_left(l);
	return 0;
}

int agent_leave(const char *config, struct err *e)
{
	struct leaving l = { .began_ms = now_ms() };
	int rc = -1;

	l.deadline_ms = l.began_ms + LEAVE_MS;
	if (node_config_read(&l.config, config, e) < 0)
		goto out;
	/* the running agent sees this and answers 503 */
	remember(&l.config, "leaving", "");
	if (ask_init(&l.ask, &l.config, e) < 0)
		goto out;
	docker_init_unix(&l.docker, l.config.docker_socket);
	rc = go(&l, e);
	docker_release(&l.docker);
	ask_release(&l.ask);
out:
	if (rc < 0)
		err_in(e, "agent leave");
	node_config_burn(&l.config);
	return rc;
}
