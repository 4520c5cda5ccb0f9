/*
 * The node table's rules.  A node is known by its ID: names come again after
 * every reboot.  Down is the engine's word for some 15 s without a heartbeat,
 * which a busy network can do to a healthy machine; and removing a node
 * blocks its certificate, so that it can only come back as another one.
 * Hence the grace, and for a manager no end of it: its place in raft is its
 * own until another machine has taken it, or the operator has given it away.
 */
#include "node/table.h"

#include "node/evict.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, int64_t grace_ms, int64_t leave_ms)
{
	*t = (struct table){ .grace_ms = grace_ms, .leave_ms = leave_ms };
}

void table_release(struct table *t)
{
	free(t->rows);
	*t = (struct table){ 0 };
}

static struct table_memory *find(struct table *t, const char *id)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].id, id) == 0)
			return &t->rows[i];
	return NULL;
}

static struct table_memory *recall(struct table *t, const char *id)
{
	struct table_memory *m = find(t, id);

	if (m == NULL) {
		t->rows = xrealloc(t->rows, (t->n + 1) * sizeof(*t->rows));
		m = &t->rows[t->n++];
		*m = (struct table_memory){ 0 };
		memcpy(m->id, id, strlen(id) + 1);
	}
	m->seen = true;
	return m;
}

static void forget_unseen(struct table *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (!t->rows[i].seen)
			continue;
		t->rows[kept] = t->rows[i];
		t->rows[kept++].seen = false;
	}
	t->n = kept;
}

void table_left(struct table *t, const char *id)
{
	struct table_memory *m = find(t, id);

	if (m != NULL)
		m->left = true;
}

static bool superseded(const struct docker_node *nodes, size_t n,
		       const struct docker_node *old)
{
	for (size_t i = 0; i < n; i++)
		if (docker_supersedes(&nodes[i], old))
			return true;
	return false;
}

static enum table_why down_why(const struct table *t,
			       const struct docker_node *nodes, size_t n,
			       const struct docker_node *node,
			       const struct table_memory *m, int64_t now_ms)
{
	if (superseded(nodes, n, node))
		return TABLE_SUPERSEDED;
	/* it is a worker now, and what it was demoted for is so still */
	if (m->demoted && !node->manager)
		return m->demoted_for;
	/* a manager that goes down comes back as the same one */
	if ((node->leaving || m->left) && !node->manager)
		return TABLE_ANNOUNCED;
	/* a manager by its role alone is what a swarm begun anew by force keeps of
	 * the others, and nobody can come back as that */
	if (!node->raft && now_ms - m->down_since_ms >= t->grace_ms)
		return TABLE_DOWN_TOO_LONG;
	return TABLE_NO_REASON;
}

/*
 * A manager may be demoted while the others that raft reaches are a majority of
 * all, which they must be anyway to write that down.  Whether it reaches that
 * one says nothing: at its address is the machine that has taken its place.
 */
static bool may_demote(const struct docker_node *nodes, size_t n,
		       const struct docker_node *m)
{
	size_t members = 0, others = 0;

	for (size_t i = 0; i < n; i++) {
		members += nodes[i].raft;
		others += nodes[i].raft && nodes[i].reachable && &nodes[i] != m;
	}
	return !m->leader && others > members / 2;
}

/* Since when something has been so; never 0, which says that it is not. */
static void since(int64_t *t, bool so, int64_t now_ms)
{
	if (!so)
		*t = 0;
	else if (*t == 0)
		*t = now_ms > 0 ? now_ms : 1;
}

void table_decide(struct table *t, const struct docker_node *nodes, size_t n,
		  int64_t now_ms, struct table_verdict *v)
{
	bool demoted = false;

	for (size_t i = 0; i < n; i++) {
		const struct docker_node *node = &nodes[i];
		struct table_memory *m = recall(t, node->id);
		struct evict way;

		v[i] = (struct table_verdict){ TABLE_KEEP, TABLE_NO_REASON };
		/* who came back after all is missed again like anybody */
		if (node->state == DOCKER_NODE_READY && !node->leaving)
			m->left = false;
		since(&m->down_since_ms, node->state == DOCKER_NODE_DOWN, now_ms);
		since(&m->leaving_since_ms, node->leaving, now_ms);
		m->demoted = m->demoted && node->state == DOCKER_NODE_DOWN;
		/*
		 * Marked by a helper before 0.2, or with a way out that nobody
		 * can read: who has one is brought back by that.  One that
		 * says it has left gets as long again to go Down.
		 */
		if (node->state == DOCKER_NODE_READY && node->leaving &&
		    !evict_read(str_of(node->evict), &way) &&
		    now_ms - m->leaving_since_ms >= (m->left ? 2 : 1) * t->leave_ms)
			v[i] = (struct table_verdict){ TABLE_RESTORE,
						       TABLE_STAYED };
		if (node->state != DOCKER_NODE_DOWN)
			continue;
		v[i].why = down_why(t, nodes, n, node, m, now_ms);
		if (v[i].why == TABLE_NO_REASON)
			continue;
		if (!node->raft) {
			v[i].action = TABLE_REMOVE;
		} else if (!demoted && may_demote(nodes, n, node)) {
			v[i].action = TABLE_DEMOTE;
			m->demoted_for = v[i].why;
			m->demoted = demoted = true;
		} else {
			v[i].why = TABLE_QUORUM;
		}
	}
	forget_unseen(t);
}

bool table_is_kept(bool manager, int64_t good_ms, int64_t now_ms)
{
	return manager && good_ms != 0 && now_ms - good_ms < TABLE_FRESH_MS;
}

const char *table_why_text(enum table_why w)
{
	static const char *const text[] = {
		[TABLE_NO_REASON] = "no reason",
		[TABLE_DOWN_TOO_LONG] = "down for longer than the grace period",
		[TABLE_SUPERSEDED] =
			"a newer node of that name, role and address is ready",
		[TABLE_ANNOUNCED] = "it said that it goes, and went",
		[TABLE_QUORUM] = "demoting it now could cost the majority",
		[TABLE_STAYED] = "it said that it goes, and is still here",
	};

	return text[w];
}
