/*
 * The one way out, decided.  See evict.h for the stages; this file reads and
 * writes the label that keeps them, takes a node from one to the next, and
 * tells what a node has to lose.
 */
#include "node/evict.h"

#include <string.h>

static const char *const stages[] = {
	[EVICT_NONE] = "none",	 [EVICT_ASKED] = "asked",
	[EVICT_QUIET] = "quiet", [EVICT_DRAIN] = "drain",
	[EVICT_OUT] = "out",
};
static const char *const whose[] = {
	[EVICT_BY_OPERATOR] = "operator",
	[EVICT_BY_EVENT] = "event",
	[EVICT_BY_SHUTDOWN] = "shutdown",
};

const char *evict_stage_name(enum evict_stage s)
{
	return stages[s];
}

const char *evict_by_name(enum evict_by by)
{
	return whose[by];
}

/* Which of n words it is; -1: none. */
static int word_index(const char *const *words, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++)
		if (str_eqz(word, words[i]))
			return (int)i;
	return -1;
}

bool evict_by_read(struct str name, enum evict_by *by)
{
	int i = word_index(whose, sizeof(whose) / sizeof(whose[0]), name);

	if (i >= 0)
		*by = (enum evict_by)i;
	return i >= 0;
}

/* ---- the label ---- */

static bool read_field(struct str field, struct evict *ev)
{
	struct str name;
	uint64_t v;

	if (str_eqz(field, "cut")) {
		ev->cut = true;
		return true;
	}
	if (!str_cut(&field, '=', &name))
		return false;
	if (str_eqz(name, "by"))
		return evict_by_read(field, &ev->by);
	if (!str_num(field, INT32_MAX * (uint64_t)8, &v))
		return false;
	if (str_eqz(name, "since"))
		ev->since_s = (int64_t)v;
	else if (str_eqz(name, "until"))
		ev->until_s = (int64_t)v;
	else if (str_eqz(name, "limit"))
		ev->limit_s = v > EVICT_LIMIT_MAX_S ? EVICT_LIMIT_MAX_S :
						      (unsigned)v;
	/* what a later version adds is not ours to judge */
	return true;
}

bool evict_read(struct str text, struct evict *ev)
{
	struct str word;
	int stage;

	*ev = (struct evict){ 0 };
	if (text.n > EVICT_TEXT_MAX || !str_next(&text, ' ', &word))
		return false;
	stage = word_index(stages, sizeof(stages) / sizeof(stages[0]), word);
	if (stage <= EVICT_NONE)
		return false;
	ev->stage = (enum evict_stage)stage;
	while (str_next(&text, ' ', &word))
		if (!read_field(word, ev))
			goto bad;
	if (ev->since_s != 0 && ev->until_s != 0 && ev->limit_s != 0)
		return true;
bad:
	*ev = (struct evict){ 0 };
	return false;
}

void evict_write(const struct evict *ev, struct buf *b)
{
	buf_addf(b, "%s since=%lld until=%lld limit=%u by=%s%s",
		 stages[ev->stage], (long long)ev->since_s, (long long)ev->until_s,
		 ev->limit_s, whose[ev->by], ev->cut ? " cut" : "");
}

/* ---- from stage to stage ---- */

struct evict evict_begin(enum evict_by by, unsigned limit_s, int64_t now_s)
{
	unsigned limit = limit_s == 0		     ? EVICT_LIMIT_S :
			 limit_s > EVICT_LIMIT_MAX_S ? EVICT_LIMIT_MAX_S :
						       limit_s;

	return (struct evict){
		.stage = EVICT_ASKED,
		.by = by,
		.since_s = now_s,
		.until_s = now_s + EVICT_TELL_S + limit + EVICT_HOLD_S,
		.limit_s = limit,
	};
}

struct evict evict_join(const struct evict *old, const struct evict *ev)
{
	struct evict both = *ev;

	if (ev->by == EVICT_BY_OPERATOR && old->by != EVICT_BY_OPERATOR)
		return *old;
	if (old->stage > both.stage)
		both.stage = old->stage;
	both.cut = old->cut;
	if (ev->by != EVICT_BY_OPERATOR)
		return both;
	both.since_s = old->since_s;
	if (old->limit_s > both.limit_s)
		both.limit_s = old->limit_s;
	if (old->until_s > both.until_s)
		both.until_s = old->until_s;
	return both;
}

struct evict evict_granted(const struct evict *ev, int64_t now_s)
{
	struct evict next = evict_begin(ev->by, ev->limit_s, now_s);

	next.stage = EVICT_QUIET;
	return next;
}

static enum evict_step move(const struct evict *ev, enum evict_stage to,
			    bool cut, int64_t now_s, struct evict *next)
{
	*next = *ev;
	next->stage = to;
	next->since_s = now_s;
	next->cut |= cut;
	return EVICT_MOVE;
}

/* Nobody is cut short who was promised more, if the operator is who asks: a
 * machine that goes has the time that it has. */
static enum evict_step drain(const struct evict *ev, const struct evict_facts *f,
			     bool cut, int64_t now_s, struct evict *next)
{
	unsigned limit = f->grace_s > EVICT_LIMIT_MAX_S - EVICT_GRACE_MORE_S ?
				 EVICT_LIMIT_MAX_S :
				 f->grace_s + EVICT_GRACE_MORE_S;

	move(ev, EVICT_DRAIN, cut, now_s, next);
	if (ev->by != EVICT_BY_OPERATOR)
		return EVICT_MOVE;
	if (next->limit_s < limit)
		next->limit_s = limit;
	if (next->until_s < now_s + next->limit_s + EVICT_HOLD_S)
		next->until_s = now_s + next->limit_s + EVICT_HOLD_S;
	return EVICT_MOVE;
}

enum evict_step evict_next(const struct evict *ev, const struct evict_facts *f,
			   int64_t now_s, struct evict *next)
{
	int64_t there_s = now_s - ev->since_s;
	unsigned quiet_s = f->probe_s == 0 ? EVICT_QUIET_S :
					     EVICT_QUIET_PROBES * f->probe_s;

	if (ev->stage == EVICT_NONE)
		return EVICT_STAY;
	/* one that is Down is the node table's business */
	if (now_s >= ev->until_s)
		return f->ready ? EVICT_RETURN : EVICT_STAY;
	switch (ev->stage) {
	case EVICT_QUIET:
		if (f->quiet_s != 0 && now_s - f->quiet_s >= quiet_s)
			return drain(ev, f, false, now_s, next);
		if (f->quiet_s == 0 && there_s >= EVICT_TELL_S)
			return drain(ev, f, true, now_s, next);
		return EVICT_STAY;
	case EVICT_DRAIN:
		if (f->here == 0 && f->missing == 0)
			return move(ev, EVICT_OUT, false, now_s, next);
		if (there_s >= ev->limit_s)
			return move(ev, EVICT_OUT, true, now_s, next);
		return EVICT_STAY;
	case EVICT_NONE:
	case EVICT_ASKED:
	case EVICT_OUT:
		break;
	}
	return EVICT_STAY;
}

/* Those that are on their way, and the managers. */
struct standing {
	size_t serving, going;
	size_t managers, managers_going, managers_reachable;
};

static struct standing stand(const struct evict_turn *turns, size_t n)
{
	struct standing s = { 0 };

	for (size_t i = 0; i < n; i++) {
		bool on_its_way = turns[i].evict.stage > EVICT_ASKED;

		s.serving += turns[i].serving;
		s.going += on_its_way;
		s.managers += turns[i].manager;
		s.managers_going += on_its_way && turns[i].manager;
		s.managers_reachable += turns[i].manager && turns[i].reachable;
	}
	return s;
}

static bool may_begin(const struct evict_turn *t, const struct standing *s)
{
	if (t->evict.by == EVICT_BY_SHUTDOWN)
		return true;
	if (t->manager && s->managers > 1 &&
	    (s->managers_going > 0 ||
	     s->managers_reachable - t->reachable <= s->managers / 2))
		return false;
	if (t->evict.by == EVICT_BY_EVENT)
		return true;
	return s->going == 0 ||
	       ((s->going + 1) * 4 <= s->serving + s->going && !t->last);
}

size_t evict_grant(const struct evict_turn *turns, size_t n)
{
	struct standing s = stand(turns, n);
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		const struct evict *ev = &turns[i].evict;

		if (ev->stage != EVICT_ASKED || !may_begin(&turns[i], &s))
			continue;
		/* one that goes anyway is before all that may wait */
		if (ev->by != EVICT_BY_OPERATOR)
			return i;
		if (best == n || ev->since_s < turns[best].evict.since_s)
			best = i;
	}
	return best;
}

/* ---- what the services say ---- */

/* Other nodes that may run it. */
static size_t others_for(const struct docker_service *s,
			 const struct docker_node *nodes, size_t n_nodes,
			 const struct docker_node *node)
{
	size_t others = 0;

	for (size_t i = 0; i < n_nodes; i++)
		others += strcmp(nodes[i].id, node->id) != 0 &&
			  docker_service_may_run(s, &nodes[i]);
	return others;
}

static void say_nowhere(const struct docker_service *s,
			const struct docker_node *node, size_t others,
			struct buf *names)
{
	if (s->global)
		buf_addf(names,
			 "%s runs once on every node: not on %s until it is back\n",
			 s->name, node->hostname);
	else if (others == 0)
		buf_addf(names,
			 "%s has nowhere to go: what runs on %s is down until it is back\n",
			 s->name, node->hostname);
	else if (s->replicas == 1)
		buf_addf(names,
			 "%s has one task: it is down for as long as it takes to begin elsewhere\n",
			 s->name);
	else if (s->bound)
		buf_addf(names, "%s has a volume: what is in %s's does not move\n",
			 s->name, node->hostname);
}

void evict_load(const struct docker_work *w, const struct docker_node *nodes,
		size_t n_nodes, const struct docker_node *node,
		struct evict_load *load, struct buf *names)
{
	*load = (struct evict_load){ 0 };
	for (size_t i = 0; i < w->n_services; i++) {
		const struct docker_service *s = &w->services[i];
		size_t others = others_for(s, nodes, n_nodes, node);
		unsigned here = 0, elsewhere = 0;
		bool known = false;

		for (size_t k = 0; k < w->n_tasks; k++) {
			const struct docker_task *t = &w->tasks[k];

			if (strcmp(t->service, s->id) != 0)
				continue;
			if (strcmp(t->node, node->id) == 0) {
				known = true;
				here += !t->ended;
			} else {
				elsewhere += t->wanted && t->running;
			}
		}
		if (here > 0 && s->grace_s > load->grace_s)
			load->grace_s = s->grace_s;
		load->here += here;
		/* for what has nowhere to go nobody waits */
		if (known && others > 0 && !s->global && !s->job &&
		    elsewhere < s->replicas)
			load->missing += (unsigned)(s->replicas - elsewhere);
		if (here > 0 && names != NULL && !s->job)
			say_nowhere(s, node, others, names);
	}
}
