/*
 * How a master comes to a swarm: by joining the others', or, once in a cluster's
 * life, by founding it; and when it has to leave the one it is in.
 *
 * What decides is the marker in the storage account (life.h), never silence: a
 * master that was made anew, or is cut off from the others, founds nothing.  A
 * swarm is only left for another one that a helper has just offered a place in.
 *
 * And how one whose engine waits for the swarm's unlock key gets that from another,
 * where masters share it.
 */
#include "node/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "node/ask.h"

#define OTHERS_MS 2000		/* for each of the other masters */
#define LOOK_MS 60000		/* between looks at the marker, in a swarm */
#define LOOK_SEEKING_MS 5000	/* in none */
#define LOOK_SOON_MS 5000	/* and never sooner than that */
#define LOOK_AGAIN_MAX_MS 60000 /* after failures */
#define UNMARKED_MS 60000 /* without one: so long all others have no swarm */
#define LOST_MS 20000	  /* so long an engine may look for its swarm */
#define LOST_AGAIN_MS 10000
#define LOST_TIMES 2
#define UNFINISHED_MS 60000 /* so long a join may go on in the engine */
#define UNLOCK_AGAIN_MS 5000
#define UNLOCK_TIMES 5 /* keys that are not right, until it is left alone */

/* ---- what is on the disk ---- */

void founding_begin(struct helper *h)
{
	struct founding *f = &h->founding;
	struct err e = ERR_INIT;

	if (life_load(h->config.state_dir, &f->life, &e) < 0) {
		daemon_say("%s: nothing is founded here", e.msg);
		f->unread = true;
	}
	h->generation = f->life.generation;
}

/* For the next start; the answers follow. */
static int save(struct helper *h, const struct life *l, struct err *e)
{
	if (life_save(h->config.state_dir, l, e) < 0)
		return err_in(e, "what this master knows of its swarm");
	h->founding.life = *l;
	h->founding.unread = false;
	pthread_mutex_lock(&h->lock);
	h->generation = l->generation;
	pthread_mutex_unlock(&h->lock);
	return 0;
}

void founding_note(struct helper *h, const struct docker_info *info)
{
	struct life l = h->founding.life;
	struct err e = ERR_INIT;

	h->founding.silence_ms = h->founding.lost_since_ms = 0;
	h->founding.lost_said = h->founding.unlock_refused = 0;
	err_clear(&h->founding.unlock_why);
	/* without a leader the engine does not tell it */
	if (info->cluster_id[0] == '\0')
		return;
	pthread_mutex_lock(&h->lock);
	memcpy(h->cluster, info->cluster_id, sizeof(h->cluster));
	pthread_mutex_unlock(&h->lock);
	if (strcmp(l.cluster, info->cluster_id) == 0 && l.generation != 0 &&
	    strcmp(l.node, info->node_id) == 0)
		return;
	if (l.cluster[0] != '\0' && strcmp(l.cluster, info->cluster_id) != 0)
		daemon_say("this engine manages swarm %s, and was in %s before",
			   info->cluster_id, l.cluster);
	/* one that never heard of generations is in the first */
	if (l.generation == 0)
		l.generation = 1;
	memcpy(l.cluster, info->cluster_id, sizeof(l.cluster));
	memcpy(l.node, info->node_id, sizeof(l.node));
	/* it is tried again in the next pass; the swarm is what it is meanwhile, and
	 * nodes that know its generation are not to be sent away */
	if (save(h, &l, &e) < 0) {
		pthread_mutex_lock(&h->lock);
		h->generation = l.generation;
		pthread_mutex_unlock(&h->lock);
	}
	daemon_complain(&h->founding.unsaved, e.msg, now_ms());
}

/* ---- the marker ---- */

static bool has_marker(const struct helper *h)
{
	return h->config.marker_url[0] != '\0';
}

/* At most that old; in known, marker and why. */
static void look(struct helper *h, int64_t every_ms)
{
	struct founding *f = &h->founding;
	int64_t now = now_ms();
	bool wanted;

	if (!has_marker(h))
		return;
	pthread_mutex_lock(&h->lock);
	/* whoever asks for it, and however often */
	wanted = h->look && now - f->looked_ms >= LOOK_SOON_MS;
	h->look = h->look && !wanted;
	pthread_mutex_unlock(&h->lock);
	/* or seeking again after a while in a swarm */
	if (!wanted && now < f->look_ms && f->look_ms <= now + every_ms)
		return;
	f->looked_ms = now;
	err_clear(&f->why);
	f->known = life_look(h->config.marker_url, &f->marker, &f->why);
	if (f->known == LIFE_UNKNOWN) {
		int64_t again = (int64_t)LOOK_SOON_MS
				<< (f->failures < 4 ? f->failures++ : 4);

		f->look_ms = now_ms() + (again < LOOK_AGAIN_MAX_MS ?
						 again :
						 LOOK_AGAIN_MAX_MS);
	} else {
		f->failures = 0;
		f->look_ms = now_ms() + every_ms;
	}
	daemon_settle();
}

/* To be looked at again, and not sooner than is fit. */
static void look_soon(struct founding *f)
{
	int64_t soon = f->looked_ms + LOOK_SOON_MS;

	if (f->look_ms > soon)
		f->look_ms = soon;
}

/* ---- joining ---- */

static bool is_proven(const struct founding *f, const struct life_told *t)
{
	return f->known == LIFE_MARKED && life_proves(&f->life, t, &f->marker);
}

/* Whether what a helper says of its swarm makes it one to join. */
static int may_join(struct helper *h, const struct life_told *t, struct err *e)
{
	struct founding *f = &h->founding;

	if (f->known == LIFE_MARKED && life_is_before(t, &f->marker, e))
		return -1;
	switch (life_weigh(&f->life, t)) {
	case LIFE_SAME:
		return 0;
	case LIFE_NEWER:
		if (!is_proven(f, t)) {
			look_soon(f);
			look(h, LOOK_SEEKING_MS);
		}
		if (is_proven(f, t))
			return 0;
		return err_set(
			e, ERR_DOCKER,
			"another master speaks of a newer swarm, and the cluster's marker does not: %s",
			f->known == LIFE_UNKNOWN ? f->why.msg : "not joined");
	case LIFE_OTHER:
		break;
	}
	return err_set(e, ERR_DOCKER,
		       "another master has swarm %s, and this one was in %s: not joined",
		       t->cluster, f->life.cluster);
}

/* Nothing of it may be lost when the machine stops in between. */
static int join(struct helper *h, const cJSON *doc, const struct life_told *t,
		bool leave, struct err *e)
{
	const char *remote = json_str_opt(doc, "remote", "");
	struct life l = h->founding.life;

	/* the engine has its time again, whatever becomes of this */
	h->founding.lost_since_ms = 0;
	if (leave) {
		daemon_say("leaving swarm %s for %s", l.cluster,
			   t->generation > l.generation ?
				   "the cluster's newer one" :
				   "another try to join it");
		if (docker_swarm_leave(&h->docker, true, e) < 0)
			return err_in(e, "leaving the swarm");
	}
	snprintf(l.cluster, sizeof(l.cluster), "%s", t->cluster);
	l.node[0] = '\0';
	l.generation = t->generation > 0 ? t->generation : 1;
	if (save(h, &l, e) < 0)
		return -1;
	daemon_gateway(&h->docker, h->config.mtu);
	if (docker_swarm_join(&h->docker,
			      h->self < LAYOUT_MASTERS_MAX ?
				      h->config.masters[h->self] :
				      NULL,
			      remote, json_str_opt(doc, "token", ""), e) < 0)
		return -1;
	daemon_say("joined the swarm of %s as a manager", remote);
	return 1;
}

/* The others, shortly: one that is off must not hold this up. */
static int ask_others(struct helper *h, struct ask *a, const char *method,
		      const char *target, unsigned *status, cJSON **doc,
		      struct err *e)
{
	if (ask_init(a, &h->config, e) < 0)
		return -1;
	ask_know(a, &h->founding.masters);
	a->skip = h->self;
	a->one_ms = OTHERS_MS;
	return ask(a, method, target, true,
		   now_ms() + OTHERS_MS * LAYOUT_MASTERS_MAX, status, doc, NULL,
		   e);
}

/*
 * Join the swarm of another master, as a manager; leave: the one that this
 * engine is in, before.  1 when done, 0 when nobody offers one; *silent when
 * not all of them answered.
 */
static int join_others(struct helper *h, bool leave, bool *silent, struct err *e)
{
	struct buf target = BUF_INIT(300);
	struct err none = ERR_INIT;
	struct life_told t;
	cJSON *doc = NULL;
	unsigned status = 0;
	struct ask a = { 0 };
	int rc;

	buf_adds(&target, "/join/manager");
	life_add_query(&h->founding.life, &h->founding.marker, &target);
	rc = ask_others(h, &a, "GET", target.str, &status, &doc, &none);
	*silent = rc < 0 || a.silent > 0;
	if (rc < 0 || status >= 500) {
		rc = 0;
		goto out;
	}
	t = life_told_of(doc);
	if (status != 200 || *json_str_opt(doc, "token", "") == '\0' ||
	    *json_str_opt(doc, "remote", "") == '\0')
		rc = err_set(e, ERR_DOCKER, "asking to join: %s (%u)",
			     json_str_opt(doc, "error", http_reason(status)),
			     status);
	else if ((rc = may_join(h, &t, e)) == 0)
		rc = join(h, doc, &t, leave, e);
out:
	json_burn(doc);
	ask_release(&a);
	buf_release(&target);
	return rc;
}

/* ---- founding ---- */

static int found(struct helper *h, struct err *e)
{
	const struct node_config *c = &h->config;
	const struct docker_init_spec spec = {
		.advertise = c->masters[h->self],
		.addr_pool = c->addr_pool[0] != '\0' ? c->addr_pool : NULL,
		.keep_snapshots = 3,
	};
	struct life l = h->founding.life;

	daemon_gateway(&h->docker, c->mtu);
	if (docker_swarm_init(&h->docker, &spec, e) < 0)
		return err_in(e, "founding a swarm");
	daemon_say("founded a swarm, advertised at %s", spec.advertise);
	l.founded = true;
	l.generation = 1;
	/* who stops here has a swarm, and notes that in the next pass */
	return save(h, &l, e);
}

/* The name first, on the disk: a founder that stops behind the request knows its
 * own marker by it. */
static int mark(struct helper *h, struct err *e)
{
	struct founding *f = &h->founding;
	struct life l = f->life;
	struct marker m;

	marker_init(&m, h->name);
	if (l.founder[0] == '\0') {
		memcpy(l.founder, m.founder, sizeof(l.founder));
		if (save(h, &l, e) < 0)
			return -1;
	}
	memcpy(m.founder, l.founder, sizeof(m.founder));
	switch (life_make(h->config.marker_url, &m, e)) {
	case LIFE_MADE:
		daemon_say("the cluster's marker is made: this master founds");
		f->known = LIFE_MARKED;
		f->marker = m;
		return found(h, e);
	case LIFE_TAKEN:
		f->look_ms = 0;
		return err_set(e, ERR_NET, "another master founds the swarm");
	case LIFE_NOT_TOLD:
		/* it may be there all the same */
		f->look_ms = now_ms() + LOOK_SOON_MS;
		f->known = LIFE_UNKNOWN;
		f->why = *e;
		break;
	}
	return -1;
}

/*
 * A cluster from before there were markers, whose machines have no address of
 * one: master0 founds, as it did, but only when all the others say that they
 * have no swarm, and never a second time.
 */
static int seek_unmarked(struct helper *h, bool silent, struct err *e)
{
	struct founding *f = &h->founding;

	if (f->unread || f->life.founded || f->life.cluster[0] != '\0')
		return err_set(
			e, ERR_NET,
			"this master was in a swarm, and is in none now: "
			"no other is founded, which would lose its services and "
			"secrets; 'azswarm restore FILE' brings back what 'azswarm "
			"backup' kept");
	if (h->self != 0)
		return err_set(
			e, ERR_NET,
			h->self == LAYOUT_MASTERS_MAX ?
				"no swarm yet, and none of the masters' addresses is ours" :
				"no master has a swarm yet; master0 founds it");
	if (h->config.n_masters == 1)
		return found(h, e);
	if (silent || f->silence_ms == 0)
		f->silence_ms = now_ms();
	if (silent)
		return err_set(e, ERR_NET,
			       "no swarm yet; some masters do not answer, and might "
			       "have one: they are waited for");
	if (now_ms() - f->silence_ms < UNMARKED_MS)
		return err_set(
			e, ERR_NET,
			"no swarm yet; the other masters are asked for a minute");
	return found(h, e);
}

int founding_seek(struct helper *h, struct err *e)
{
	struct founding *f = &h->founding;
	struct buf why = BUF_INIT(sizeof(e->msg) - 1);
	bool silent;
	int rc = join_others(h, false, &silent, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (!has_marker(h))
		return seek_unmarked(h, silent, e);
	if (f->unread)
		return err_set(
			e, ERR_DATA,
			"%s/" LIFE_FILE " cannot be read: whether this master "
			"has founded a swarm is not known, and none is founded",
			h->config.state_dir);
	if (h->self == LAYOUT_MASTERS_MAX)
		return err_set(
			e, ERR_NET,
			"no swarm yet, and none of the masters' addresses is ours");
	look(h, LOOK_SEEKING_MS);
	switch (life_step(&f->life, f->known, &f->marker)) {
	case LIFE_MARK:
		return mark(h, e);
	case LIFE_FOUND:
		daemon_say("the cluster's marker is ours, and nothing came of it: this master founds");
		return found(h, e);
	case LIFE_WAIT:
		break;
	}
	if (f->known == LIFE_UNKNOWN)
		return err_set(e, ERR_NET,
			       "no swarm yet, and whether there ever was one is not known: %s",
			       f->why.msg);
	life_why(&f->life, f->known, &f->marker, h->config.n_masters,
		 unix_time(), &why);
	err_set(e, ERR_NET, "no swarm: %s", why.str);
	buf_release(&why);
	return -1;
}

/* ---- leaving ---- */

/* Is this the only manager that its swarm has?  One without a leader does not tell,
 * and is none that was begun anew. */
static bool is_alone(struct helper *h, const char *self)
{
	struct err none = ERR_INIT;
	struct docker_node *nodes;
	size_t n, others = 0;

	if (docker_nodes(&h->docker, &nodes, &n, &none) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		others += nodes[i].raft && strcmp(nodes[i].id, self) != 0;
	free(nodes);
	return others == 0;
}

int founding_moved(struct helper *h, const struct docker_info *info,
		   bool active, struct err *e)
{
	struct founding *f = &h->founding;
	struct life l = f->life;
	bool silent;

	look(h, LOOK_MS);
	daemon_complain(&f->complaint,
			f->known == LIFE_UNKNOWN ? f->why.msg : "", now_ms());
	/* who never heard of generations is in the first */
	if (f->known != LIFE_MARKED || f->marker.generation <= 1 ||
	    f->marker.generation <= l.generation)
		return 0;
	if (active && life_means(&f->marker, info->cluster_id, h->name,
				 is_alone(h, info->node_id))) {
		l.generation = f->marker.generation;
		daemon_say("the swarm was begun anew by %s, here: generation %u",
			   f->marker.by, l.generation);
		return save(h, &l, e);
	}
	/* from here on, and not only when this pass is over */
	pthread_mutex_lock(&h->lock);
	h->active = false;
	pthread_mutex_unlock(&h->lock);
	if (join_others(h, true, &silent, e) > 0)
		return err_set(e, ERR_NET, "joining the cluster's newer swarm");
	return err_set(e, ERR_NET,
		       "the cluster's swarm was begun anew by %s (generation %u), and "
		       "this machine is in the one before: it joins the new one when a "
		       "master offers that, and gives nobody a place here",
		       f->marker.by, f->marker.generation);
}

/* What a master that keeps our swarm says of our row there: true, it has none. */
static bool is_unknown_there(struct helper *h, const char *node)
{
	const struct life *l = &h->founding.life;
	struct buf target = BUF_INIT(400);
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	unsigned status = 0;
	struct ask a = { 0 };
	bool so;

	/* not /node/, by which a node says what it has, too */
	buf_adds(&target, "/evict/");
	buf_add_pct(&target, str_of(node));
	life_add_query(l, &(struct marker){ 0 }, &target);
	so = ask_others(h, &a, "GET", target.str, &status, &doc, &e) == 0 &&
	     status == 404 && l->cluster[0] != '\0' &&
	     strcmp(json_str_opt(doc, "cluster", ""), l->cluster) == 0 &&
	     json_int_opt(doc, "generation", 0) == (int64_t)l->generation;

	json_free(doc);
	ask_release(&a);
	buf_release(&target);
	return so;
}

/*
 * We were to join, never managed that swarm, and the engine does not tell as whom
 * it tries, which it does not for ever: what it is in is left when another master
 * offers a place.  A locked one was in it.
 */
static int join_again(struct helper *h, const struct docker_info *info,
		      struct err *e)
{
	struct founding *f = &h->founding;
	struct err why = ERR_INIT;
	bool silent;

	if (f->life.cluster[0] == '\0' || info->state == DOCKER_SWARM_LOCKED ||
	    now_ms() - f->lost_since_ms < UNFINISHED_MS)
		return -1;
	if (join_others(h, true, &silent, &why) < 0)
		err_in(e, "joining again: %s; before that", why.msg);
	return -1;
}

int founding_lost(struct helper *h, const struct docker_info *info, struct err *e)
{
	struct founding *f = &h->founding;
	const char *node = info->node_id[0] != '\0' ? info->node_id :
						      f->life.node;
	struct err left = ERR_INIT;
	int64_t now = now_ms();

	if (f->lost_since_ms == 0)
		f->lost_since_ms = now;
	if (now - f->lost_since_ms < LOST_MS ||
	    now - f->lost_asked_ms < LOST_AGAIN_MS)
		return -1;
	f->lost_asked_ms = now;
	if (node[0] == '\0')
		return join_again(h, info, e);
	if (!is_unknown_there(h, node)) {
		f->lost_said = 0;
		return -1;
	}
	if (++f->lost_said < LOST_TIMES)
		return -1;
	f->lost_said = 0;
	daemon_say("the managers of swarm %s do not know this node any more: leaving, and joining again",
		   f->life.cluster);
	if (docker_swarm_leave(&h->docker, true, &left) < 0)
		return err_in(e, "leaving the swarm: %s; before that", left.msg);
	return -1;
}

/* ---- unlocking ---- */

/* Give the engine that key, which no file has: 0, or -1 with e. */
static int unlock_with(struct helper *h, const char *key, struct err *e)
{
	if (docker_unlock(&h->docker, key, e) < 0) {
		h->founding.unlock_refused += h->docker.status == 400;
		return err_in(e, "unlocking with the key of another master");
	}
	daemon_say("the engine is unlocked, with the key that another master told");
	return 0;
}

static int unlock_from_others(struct helper *h, struct err *e)
{
	struct buf target = BUF_INIT(300);
	cJSON *doc = NULL;
	unsigned status = 0;
	struct ask a = { 0 };
	const char *key;
	int rc = -1;

	buf_adds(&target, "/unlock-key");
	life_add_query(&h->founding.life, &h->founding.marker, &target);
	if (ask_others(h, &a, "GET", target.str, &status, &doc, e) == 0) {
		key = json_str_opt(doc, "key", "");
		rc = status == 200 && *key != '\0' ?
			     unlock_with(h, key, e) :
			     err_set(e, ERR_DOCKER, "asking for it: %s (%u)",
				     json_str_opt(doc, "error",
						  http_reason(status)),
				     status);
	}
	json_burn(doc);
	ask_release(&a);
	buf_release(&target);
	return rc;
}

int founding_unlock(struct helper *h, struct err *e)
{
	struct founding *f = &h->founding;
	struct err why = ERR_INIT;

	if (h->config.share_unlock_key && f->unlock_refused < UNLOCK_TIMES &&
	    now_ms() >= f->unlock_ms) {
		if (unlock_from_others(h, &why) == 0)
			return err_set(e, ERR_DOCKER, "the swarm was locked");
		f->unlock_ms = now_ms() + UNLOCK_AGAIN_MS;
		f->unlock_why = why;
	}
	return err_set(
		e, ERR_DOCKER,
		"the swarm is locked: 'azswarm unlock' gives it the key%s%s",
		f->unlock_why.kind != ERR_NONE ? "; the others do not: " : "",
		f->unlock_why.msg);
}
