/*
 * What a node asks the helper about its own row of the node table, and the
 * operator about anybody's: how it stands, its way out and back.  The leader's
 * keeper does what is written here (evictor.h).
 */
#include "node/helper.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/plain.h"
#include "node/lacks.h"

#define TABLE_AGE_MS 2000 /* answers may be as old */
#define READERS_MAX 24	  /* callers that wait for the engine */
#define HEALTH_MS 3000	  /* one question to an agent's probe */

/* Whether h has a table that was read age_ms before asked_ms or later, and
 * nothing was written since; with the lock. */
static bool has_table(const struct helper *h, int64_t asked_ms, int64_t age_ms)
{
	return h->nodes_ms > h->wrote_ms && asked_ms - h->nodes_ms <= age_ms;
}

static int read_table(struct helper *h, struct err *e)
{
	struct docker_node *nodes;
	struct docker d;
	int64_t began = now_ms();
	size_t n;
	int rc;

	helper_engine(h, &d);
	rc = docker_nodes(&d, &nodes, &n, e);
	docker_release(&d);
	pthread_mutex_lock(&h->lock);
	if (rc == 0)
		helper_publish(h, nodes, n, began);
	return rc;
}

/*
 * The table, at most age_ms old, and the lock.  -1 with e; unlock afterwards
 * in any case.  The lock is not held while the engine is asked: an answer of
 * health must not wait for it.
 */
static int table_lock(struct helper *h, int64_t age_ms, struct err *e)
{
	int64_t asked = now_ms();
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	if (!h->active)
		return err_set(e, ERR_DOCKER, HELPER_NO_SWARM);
	if (has_table(h, asked, age_ms))
		return 0;
	if (atomic_fetch_add(&h->readers, 1) >= READERS_MAX) {
		atomic_fetch_sub(&h->readers, 1);
		return err_set(e, ERR_DOCKER,
			       "Docker is slow, and many wait for it already");
	}
	pthread_mutex_unlock(&h->lock);
	/* one reader for all who wait */
	pthread_mutex_lock(&h->reading);
	pthread_mutex_lock(&h->lock);
	if (!has_table(h, asked, age_ms)) {
		pthread_mutex_unlock(&h->lock);
		rc = read_table(h, e);
	}
	pthread_mutex_unlock(&h->reading);
	atomic_fetch_sub(&h->readers, 1);
	return rc;
}

static void table_unlock(struct helper *h)
{
	pthread_mutex_unlock(&h->lock);
}

/* Whether a name rather means a than another row that has it: a manager, for a
 * worker's name is its own word; then who is Ready, then the newer. */
static bool named_before(const struct docker_node *a,
			 const struct docker_node *than)
{
	bool a_ready = a->state == DOCKER_NODE_READY,
	     b_ready = than->state == DOCKER_NODE_READY;

	if (a->manager != than->manager)
		return a->manager;
	return a_ready != b_ready ? a_ready : docker_newer(a, than);
}

/* A row by its ID; by name, too, when that is allowed. */
static bool row_named(const struct helper *h, struct str word, bool by_name,
		      struct docker_node *node)
{
	const struct docker_node *best = NULL;

	for (size_t i = 0; i < h->n_nodes; i++) {
		const struct docker_node *one = &h->nodes[i];

		if (str_eqz(word, one->id)) {
			best = one;
			break;
		}
		if (!by_name || !str_eqz(word, one->hostname))
			continue;
		if (best == NULL || named_before(one, best))
			best = one;
	}
	if (best != NULL)
		*node = *best;
	return best != NULL;
}

/*
 * The row that the path names, if it is the caller's own; otherwise the
 * answer is given here.  The shared secret says that the caller is a node of
 * the cluster; name and address say which.
 */
static bool own_row(struct helper_call *c, int64_t age_ms,
		    struct docker_node *node, size_t *n_nodes)
{
	struct helper *h = c->h;
	struct err e = ERR_INIT;
	/* a node whose engine has lost its ID may look at what has its name */
	bool by_name = c->local || (str_eqz(http_x_head(c->x)->method, "GET") &&
				    str_eqz(c->rest, c->caller.name));
	bool found_it = false;
	char text[200];
	struct buf why = BUF_INIT(sizeof(text));
	unsigned status = 404;

	if (!c->local && !helper_speaks_for(c))
		return false;
	/* who is not in a table from memory may have just joined */
	for (;; age_ms = 0) {
		if (table_lock(h, age_ms, &e) < 0) {
			table_unlock(h);
			helper_answer_err(c->x, &e);
			return false;
		}
		found_it = row_named(h, c->rest, by_name, node);
		if (found_it || age_ms == 0)
			break;
		table_unlock(h);
	}
	if (n_nodes != NULL)
		*n_nodes = h->n_nodes;
	table_unlock(h);
	if (!found_it) {
		buf_addf(&why, "no such node in this swarm");
	} else if (c->local) {
		/* who may use this socket may do so for everybody */
	} else if (strcmp(node->hostname, c->caller.name) != 0) {
		status = 403;
		buf_addf(&why, "that node is %s, not %s", node->hostname,
			 c->caller.name);
	} else if (strcmp(node->addr, c->addr) != 0 && node->addr[0] != '\0') {
		status = 403;
		buf_addf(&why, "node %s is at %s, and you call from %s",
			 node->hostname, node->addr, c->addr);
	}
	if (why.n > 0) {
		cJSON *doc = cJSON_CreateObject();

		if (status == 403) {
			helper_count(h, HELPER_COUNT_REFUSED);
			daemon_say("refused %s at %s: %s", c->caller.name,
				   c->addr, why.str);
		}
		json_add_str(doc, "error", why.str);
		helper_add_life(h, doc);
		helper_answer_doc(c->x, status, doc);
	}
	found_it = why.n == 0;
	buf_release(&why);
	return found_it;
}

/* How far the node is on its way out; nothing when it is not. */
static void add_way(cJSON *doc, const struct docker_node *node)
{
	struct evict ev;

	if (!evict_read(str_of(node->evict), &ev))
		return;
	json_add_str(doc, "stage", evict_stage_name(ev.stage));
	json_add_str(doc, "by", evict_by_name(ev.by));
	json_add_int(doc, "since_s", ev.since_s);
	json_add_int(doc, "until_s", ev.until_s);
	json_add_bool(doc, "cut", ev.cut);
}

static bool is_version(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && strchr("._-+~", s.p[i]) == NULL)
			return false;
	return s.n > 0;
}

/* A parameter of letters, digits and what versions have besides; "" else. */
static const char *word_param(const struct helper_call *c, const char *name,
			      struct buf *word)
{
	return http_x_param(c->x, name, word) && !word->over &&
			       is_version(buf_str(word)) ?
		       word->str :
		       "";
}

/*
 * The node says what version of this program it has, which files, and what it
 * goes without.  In its row, where every manager and the operator see it, that
 * is written when it is something else.  Agents before 0.2 say nothing, and
 * what was written of a later one is taken back.
 */
static void note(struct helper_call *c, const struct docker_node *node)
{
	struct buf version = BUF_INIT(sizeof(node->program) - 1),
		   files = BUF_INIT(sizeof(node->files) - 1),
		   lacks = BUF_INIT(LACKS_TEXT_MAX);
	const char *says = word_param(c, "version", &version),
		   *has = word_param(c, "files", &files);
	struct docker_node_change change;
	char label[LACKS_TEXT_MAX];
	struct err e = ERR_INIT;
	struct docker d;
	bool other;

	http_x_param(c->x, "lacks", &lacks);
	other = lacks_change(node, lacks_read(buf_str(&lacks)), label, &change);
	change.labels[1].name = DOCKER_LABEL_PROGRAM;
	change.labels[1].value = *says != '\0' ? says : NULL;
	change.labels[2].name = DOCKER_LABEL_FILES;
	change.labels[2].value = *has != '\0' ? has : NULL;
	if (!c->local && (other || strcmp(says, node->program) != 0 ||
			  strcmp(has, node->files) != 0)) {
		helper_engine(c->h, &d);
		/* who asks again in seconds says it again */
		if (docker_node_update(&d, node->id, &change, &e) < 0)
			daemon_say("what %s says of itself: %s", node->hostname,
				   e.msg);
		else
			helper_wrote(c->h);
		docker_release(&d);
	}
	buf_release(&version);
	buf_release(&files);
	buf_release(&lacks);
}

void helper_do_node(struct helper_call *c)
{
	struct docker_node node;
	struct evict ev;
	unsigned probe_s;
	size_t n;
	cJSON *doc;

	if (!own_row(c, TABLE_AGE_MS, &node, &n))
		return;
	probe_s = c->h->config.probe_s;
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	json_add_str(doc, "hostname", node.hostname);
	json_add_str(doc, "role", node.manager ? "manager" : "worker");
	json_add_str(doc, "state", docker_node_state_name(node.state));
	json_add_str(doc, "availability",
		     docker_availability_name(node.availability));
	/* all that agents before 0.2 look at: they take it for a machine that
	 * goes down, and join as another node */
	json_add_bool(doc, "leaving",
		      node.leaving && (!evict_read(str_of(node.evict), &ev) ||
				       ev.by == EVICT_BY_SHUTDOWN));
	add_way(doc, &node);
	if (node.stop[0] != '\0')
		json_add_str(doc, "stop", node.stop);
	if (node.lacks[0] != '\0')
		json_add_str(doc, "lacks", node.lacks);
	/* five a second are asked for by all nodes together, and none asks more
	 * often than the load balancer */
	json_add_int(doc, "ask_again_s",
		     n / 5 < probe_s ? probe_s :
		     n / 5 > 60	     ? 60 :
				       (int64_t)(n / 5));
	helper_add_life(c->h, doc);
	helper_answer_doc(c->x, 200, doc);
	note(c, &node);
}

/* Query parameter as a number of seconds; 0 when it is not there. */
static unsigned seconds_param(const struct http_exchange *x, const char *name)
{
	struct buf b = BUF_INIT(16);
	uint64_t v = 0;

	if (!http_x_param(x, name, &b) ||
	    !str_num(buf_str(&b), EVICT_LIMIT_MAX_S, &v))
		v = 0;
	buf_release(&b);
	return (unsigned)v;
}

/* Who wants it: our own socket is the operator's, a machine says why. */
static enum evict_by asked_by(const struct helper_call *c)
{
	enum evict_by by = EVICT_BY_SHUTDOWN;
	struct buf b = BUF_INIT(16);

	if (c->local)
		return EVICT_BY_OPERATOR;
	if (http_x_param(c->x, "by", &b) && evict_by_read(buf_str(&b), &by) &&
	    by == EVICT_BY_OPERATOR)
		by = EVICT_BY_EVENT;
	buf_release(&b);
	return by;
}

static void answer_way(struct helper_call *c, const struct docker_node *node,
		       struct buf *names)
{
	cJSON *doc = cJSON_CreateObject(), *list;
	struct evict_load load;
	struct str rest, line;

	json_add_str(doc, "id", node->id);
	json_add_str(doc, "hostname", node->hostname);
	json_add_str(doc, "state", docker_node_state_name(node->state));
	json_add_str(doc, "availability",
		     docker_availability_name(node->availability));
	add_way(doc, node);
	if (evictor_load(&c->h->evictor, node->id, &load)) {
		json_add_int(doc, "tasks", load.here);
		json_add_int(doc, "missing", load.missing);
	}
	if (names != NULL) {
		list = json_add_arr(doc, "noticed");
		rest = buf_str(names);
		while (str_next(&rest, '\n', &line))
			if (line.n > 0)
				json_add_strn(list, NULL, line);
	}
	helper_answer_doc(c->x, 200, doc);
}

/* What the node has to lose, a line each. */
static int what_is_lost(struct docker *d, const struct docker_node *node,
			struct buf *names, struct err *e)
{
	struct docker_work work;
	struct docker_node *nodes = NULL;
	struct evict_load load;
	size_t n;
	int rc = docker_work_read(d, &work, e);

	if (rc == 0 && (rc = docker_nodes(d, &nodes, &n, e)) == 0)
		evict_load(&work, nodes, n, node, &load, names);
	free(nodes);
	docker_work_release(&work);
	return rc;
}

void helper_do_evict(struct helper_call *c)
{
	struct buf names = BUF_INIT(32u << 10), text = BUF_INIT(EVICT_TEXT_MAX);
	struct evict ev, old;
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	helper_engine(c->h, &d);
	ev = evict_begin(asked_by(c), seconds_param(c->x, "limit"), unix_time());
	/* one that goes anyway waits for no turn, and is unhealthy already; but a
	 * manager that is asked to go waits for the others to be enough */
	if (ev.by == EVICT_BY_SHUTDOWN ||
	    (ev.by == EVICT_BY_EVENT && !node.manager))
		ev.stage = EVICT_QUIET;
	if (evict_read(str_of(node.evict), &old))
		ev = evict_join(&old, &ev);
	if (c->local && what_is_lost(&d, &node, &names, &e) < 0) {
		helper_answer_err(c->x, &e);
	} else if (evictor_set(&d, &node, &ev, NULL, &e) < 0) {
		helper_answer_err(c->x, &e);
	} else {
		helper_count(c->h, HELPER_COUNT_DRAINS);
		daemon_say("node %s (%s) is to go, for the %s", node.hostname,
			   node.id, evict_by_name(ev.by));
		evict_write(&ev, &text);
		memcpy(node.evict, text.str, text.n + 1);
		helper_wrote(c->h);
		answer_way(c, &node, c->local ? &names : NULL);
	}
	docker_release(&d);
	buf_release(&names);
	buf_release(&text);
}

void helper_do_evict_progress(struct helper_call *c)
{
	struct docker_node node;

	if (own_row(c, TABLE_AGE_MS, &node, NULL))
		answer_way(c, &node, NULL);
}

void helper_do_return(struct helper_call *c)
{
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	helper_engine(c->h, &d);
	if (evictor_return(&d, &node, &e) < 0) {
		helper_answer_err(c->x, &e);
	} else {
		daemon_say("node %s (%s) stays: back into service",
			   node.hostname, node.id);
		node.evict[0] = '\0';
		if (node.leaving)
			node.availability = node.before;
		helper_wrote(c->h);
		answer_way(c, &node, NULL);
	}
	docker_release(&d);
}

/* ---- for the operator, on the unix socket ---- */

void helper_do_nodes(struct helper_call *c)
{
	struct helper *h = c->h;
	cJSON *list, *row;
	struct err e = ERR_INIT;

	/* few ask here, and what they decide by it is to be so */
	if (table_lock(h, 0, &e) < 0) {
		table_unlock(h);
		helper_answer_err(c->x, &e);
		return;
	}
	list = cJSON_CreateArray();
	for (size_t i = 0; i < h->n_nodes; i++) {
		const struct docker_node *node = &h->nodes[i];

		row = json_add_obj(list, NULL);
		json_add_str(row, "id", node->id);
		json_add_str(row, "hostname", node->hostname);
		json_add_str(row, "address", node->addr);
		json_add_str(row, "created", node->created);
		json_add_str(row, "role", node->manager ? "manager" : "worker");
		json_add_bool(row, "leader", node->leader);
		json_add_bool(row, "reachable", node->reachable);
		json_add_str(row, "state", docker_node_state_name(node->state));
		json_add_str(row, "availability",
			     docker_availability_name(node->availability));
		add_way(row, node);
	}
	table_unlock(h);
	helper_answer_doc(c->x, 200, list);
}

void helper_do_health(struct helper_call *c)
{
	struct docker_node node;
	struct err e = ERR_INIT;
	unsigned status = 0;
	cJSON *doc;

	if (!own_row(c, TABLE_AGE_MS, &node, NULL))
		return;
	plain_exchange("GET", node.addr, c->h->config.health_port, "/healthz",
		       NULL, STR_NULL, now_ms() + HEALTH_MS, &status, NULL, &e);
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	json_add_str(doc, "state", docker_node_state_name(node.state));
	json_add_str(doc, "availability",
		     docker_availability_name(node.availability));
	json_add_int(doc, "status", status);
	if (status == 0)
		json_add_str(doc, "why", e.msg);
	json_add_int(doc, "probe_s", c->h->config.probe_s);
	helper_answer_doc(c->x, 200, doc);
}

void helper_do_stop(struct helper_call *c)
{
	struct buf task = BUF_INIT(31);
	struct docker_node_change change = { .labels = { { DOCKER_LABEL_STOP,
							   NULL } } };
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	if (!http_x_param(c->x, "task", &task) || task.over) {
		helper_answer_error(c->x, 400, "task: which one?");
		buf_release(&task);
		return;
	}
	/* none: what was asked for is done, or not wanted any more */
	if (task.n > 0)
		change.labels[0].value = task.str;
	helper_engine(c->h, &d);
	if (docker_node_update(&d, node.id, &change, &e) < 0) {
		helper_answer_err(c->x, &e);
	} else {
		helper_wrote(c->h);
		answer_way(c, &node, NULL);
	}
	docker_release(&d);
	buf_release(&task);
}

void helper_do_left(struct helper_call *c)
{
	struct docker_node node;
	cJSON *doc;

	if (!own_row(c, 0, &node, NULL))
		return;
	if (!node.leaving) {
		helper_answer_error(c->x, 409,
				    "that node never said that it goes");
		return;
	}
	pthread_mutex_lock(&c->h->lock);
	table_left(&c->h->table, node.id);
	pthread_mutex_unlock(&c->h->lock);
	daemon_say("node %s (%s) has left", node.hostname, node.id);
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	helper_wrote(c->h);
	helper_answer_doc(c->x, 200, doc);
}
