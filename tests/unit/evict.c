/* node/evict: the label, the stages, turns, and what a node has to lose. */
#include "tests/check.h"

#include "base/json.h"
#include "node/evict.h"

#define T0 1764430000

/* ---- the label ---- */

static void test_label(void)
{
	static const struct {
		const char *name, *text;
		bool good;
	} rows[] = {
		{ "label", "quiet since=5 until=9 limit=120 by=event", true },
		{ "label cut short by a limit",
		  "out since=5 until=9 limit=1 by=shutdown cut", true },
		{ "label of a later version",
		  "drain since=5 until=9 limit=1 by=operator more=7", true },
		{ "label empty", "", false },
		{ "label of no stage",
		  "none since=5 until=9 limit=1 by=operator", false },
		{ "label with an unknown stage",
		  "gone since=5 until=9 limit=1 by=operator", false },
		{ "label without times", "quiet by=operator", false },
		{ "label with a negative time",
		  "quiet since=-5 until=9 limit=1", false },
		{ "label with a time that wraps",
		  "quiet since=99999999999999999999 until=9 limit=1", false },
		{ "label of nobody we know",
		  "quiet since=5 until=9 limit=1 by=me", false },
		{ "label with a word", "quiet since=5 until=9 limit=1 now", false },
		{ "label with two blanks", "quiet  since=5 until=9 limit=1",
		  false },
	};
	struct evict ev, again;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool good = evict_read(str_of(rows[i].text), &ev);

		checkf(good == rows[i].good && good == (ev.stage != EVICT_NONE),
		       rows[i].name, "%staken", good ? "" : "not ");
	}
	evict_read(STR("quiet since=5 until=9 limit=999999999 by=operator"), &ev);
	checkf(ev.limit_s == EVICT_LIMIT_MAX_S, "label with too long a limit",
	       "%u", ev.limit_s);
	for (int s = EVICT_ASKED; s <= EVICT_OUT; s++) {
		struct buf b = BUF_INIT(EVICT_TEXT_MAX);

		ev = evict_begin((enum evict_by)(s % 3), 30, T0);
		ev.stage = (enum evict_stage)s;
		ev.cut = s % 2 == 0;
		evict_write(&ev, &b);
		checkf(!b.over && evict_read(buf_str(&b), &again) &&
			       again.stage == ev.stage && again.by == ev.by &&
			       again.since_s == ev.since_s &&
			       again.until_s == ev.until_s &&
			       again.limit_s == ev.limit_s && again.cut == ev.cut,
		       evict_stage_name(ev.stage), "read again: %s", b.str);
		buf_release(&b);
	}
}

/* ---- from stage to stage ---- */

static void test_steps(void)
{
	static const struct {
		const char *name;
		enum evict_stage stage;
		int64_t after_s; /* since the stage began */
		struct evict_facts facts;
		enum evict_step want;
		enum evict_stage to;
		bool cut;
	} rows[] = {
		{ "asked waits for its turn",
		  EVICT_ASKED,
		  200,
		  { .ready = true },
		  EVICT_STAY,
		  0,
		  false },
		{ "quiet: the agent does not know yet",
		  EVICT_QUIET,
		  74,
		  { .ready = true },
		  EVICT_STAY,
		  0,
		  false },
		{ "quiet: the load balancer has not let go",
		  EVICT_QUIET,
		  20,
		  { .ready = true, .quiet_s = T0 + 6 },
		  EVICT_STAY,
		  0,
		  false },
		{ "quiet: it has",
		  EVICT_QUIET,
		  21,
		  { .ready = true, .quiet_s = T0 + 6 },
		  EVICT_MOVE,
		  EVICT_DRAIN,
		  false },
		{ "quiet: a load balancer that asks more often has not",
		  EVICT_QUIET,
		  11,
		  { .ready = true, .probe_s = 2, .quiet_s = T0 + 6 },
		  EVICT_STAY,
		  0,
		  false },
		{ "quiet: a load balancer that asks more often has",
		  EVICT_QUIET,
		  12,
		  { .ready = true, .probe_s = 2, .quiet_s = T0 + 6 },
		  EVICT_MOVE,
		  EVICT_DRAIN,
		  false },
		{ "quiet: a machine that is not reached",
		  EVICT_QUIET,
		  75,
		  { .ready = true },
		  EVICT_MOVE,
		  EVICT_DRAIN,
		  true },
		{ "quiet: told late",
		  EVICT_QUIET,
		  75,
		  { .ready = true, .quiet_s = T0 + 70 },
		  EVICT_STAY,
		  0,
		  false },
		{ "drain: tasks are here",
		  EVICT_DRAIN,
		  5,
		  { .ready = true, .here = 1 },
		  EVICT_STAY,
		  0,
		  false },
		{ "drain: tasks are missing elsewhere",
		  EVICT_DRAIN,
		  5,
		  { .ready = true, .missing = 1 },
		  EVICT_STAY,
		  0,
		  false },
		{ "drain: all is elsewhere",
		  EVICT_DRAIN,
		  1,
		  { .ready = true },
		  EVICT_MOVE,
		  EVICT_OUT,
		  false },
		{ "drain: the limit has passed",
		  EVICT_DRAIN,
		  120,
		  { .ready = true, .here = 1 },
		  EVICT_MOVE,
		  EVICT_OUT,
		  true },
		{ "drain: just before",
		  EVICT_DRAIN,
		  119,
		  { .ready = true, .here = 1 },
		  EVICT_STAY,
		  0,
		  false },
		{ "out: nothing to do",
		  EVICT_OUT,
		  500,
		  { .ready = true },
		  EVICT_STAY,
		  0,
		  false },
		{ "out: its time is up",
		  EVICT_OUT,
		  EVICT_TELL_S + EVICT_LIMIT_S + EVICT_HOLD_S,
		  { .ready = true },
		  EVICT_RETURN,
		  0,
		  false },
		{ "out: its time is up, and it is Down",
		  EVICT_OUT,
		  EVICT_TELL_S + EVICT_LIMIT_S + EVICT_HOLD_S,
		  { .ready = false },
		  EVICT_STAY,
		  0,
		  false },
		{ "asked: its time is up",
		  EVICT_ASKED,
		  EVICT_TELL_S + EVICT_LIMIT_S + EVICT_HOLD_S,
		  { .ready = true },
		  EVICT_RETURN,
		  0,
		  false },
		{ "none: nothing ever",
		  EVICT_NONE,
		  99999,
		  { .ready = true },
		  EVICT_STAY,
		  0,
		  false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evict ev = evict_begin(EVICT_BY_OPERATOR, 0, T0),
			     next = { 0 };
		enum evict_step step;

		ev.stage = rows[i].stage;
		step = evict_next(&ev, &rows[i].facts, T0 + rows[i].after_s,
				  &next);
		checkf(step == rows[i].want &&
			       (step != EVICT_MOVE ||
				(next.stage == rows[i].to &&
				 next.cut == rows[i].cut &&
				 next.since_s == T0 + rows[i].after_s &&
				 next.until_s == ev.until_s)),
		       rows[i].name, "step %d to %s%s", (int)step,
		       evict_stage_name(next.stage), next.cut ? ", cut" : "");
	}
}

/* The operator's limit is never shorter than what the services were promised,
 * and the node is not brought back before it has passed. */
static void test_grace(void)
{
	static const struct {
		const char *name;
		enum evict_by by;
		unsigned grace_s, limit_s;
	} rows[] = {
		{ "grace: shorter than the limit", EVICT_BY_OPERATOR, 10, 120 },
		{ "grace: just as long", EVICT_BY_OPERATOR, 105, 120 },
		{ "grace: longer", EVICT_BY_OPERATOR, 300, 315 },
		{ "grace: for ever", EVICT_BY_OPERATOR, 86400, EVICT_LIMIT_MAX_S },
		{ "grace: a machine that goes has what it has",
		  EVICT_BY_SHUTDOWN, 300, 120 },
		{ "grace: so it is with an event", EVICT_BY_EVENT, 300, 120 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evict ev = evict_begin(rows[i].by, 0, T0), next = { 0 };
		struct evict_facts f = { .ready = true,
					 .quiet_s = T0,
					 .here = 1,
					 .grace_s = rows[i].grace_s };
		enum evict_step step;

		ev.stage = EVICT_QUIET;
		step = evict_next(&ev, &f, T0 + 60, &next);
		checkf(step == EVICT_MOVE && next.stage == EVICT_DRAIN &&
			       next.limit_s == rows[i].limit_s &&
			       next.until_s >= T0 + 60 + (int64_t)rows[i].limit_s &&
			       next.until_s >= ev.until_s,
		       rows[i].name, "limit %u, until +%lld", next.limit_s,
		       (long long)(next.until_s - T0));
		/* to the last second of it, and no longer */
		checkf(evict_next(&next, &f, T0 + 60 + rows[i].limit_s - 1,
				  &ev) == EVICT_STAY,
		       rows[i].name, "moved early");
		checkf(evict_next(&next, &f, T0 + 60 + rows[i].limit_s, &ev) ==
				       EVICT_MOVE &&
			       ev.stage == EVICT_OUT && ev.cut,
		       rows[i].name, "not out in time");
	}
}

/* ---- a second one ---- */

static void test_joining(void)
{
	static const struct {
		const char *name;
		enum evict_stage old_stage;
		enum evict_by old_by, by;
		enum evict_stage want;
		enum evict_by want_by;
		int64_t since;	/* 1: of the first, 500: of the second */
		unsigned limit; /* the first's is 300, the second's 100 */
	} rows[] = {
		{ "join: the operator once more", EVICT_DRAIN, EVICT_BY_OPERATOR,
		  EVICT_BY_OPERATOR, EVICT_DRAIN, EVICT_BY_OPERATOR, 1, 300 },
		{ "join: waiting, once more", EVICT_ASKED, EVICT_BY_OPERATOR,
		  EVICT_BY_OPERATOR, EVICT_ASKED, EVICT_BY_OPERATOR, 1, 300 },
		{ "join: a shutdown takes over who waits", EVICT_ASKED,
		  EVICT_BY_OPERATOR, EVICT_BY_SHUTDOWN, EVICT_QUIET,
		  EVICT_BY_SHUTDOWN, 500, 100 },
		{ "join: a shutdown takes over a drain, with its own time",
		  EVICT_DRAIN, EVICT_BY_OPERATOR, EVICT_BY_SHUTDOWN,
		  EVICT_DRAIN, EVICT_BY_SHUTDOWN, 500, 100 },
		{ "join: a shutdown of one that is out", EVICT_OUT,
		  EVICT_BY_OPERATOR, EVICT_BY_SHUTDOWN, EVICT_OUT,
		  EVICT_BY_SHUTDOWN, 500, 100 },
		{ "join: a shutdown after an event", EVICT_OUT, EVICT_BY_EVENT,
		  EVICT_BY_SHUTDOWN, EVICT_OUT, EVICT_BY_SHUTDOWN, 500, 100 },
		{ "join: the operator cannot hold up a shutdown", EVICT_QUIET,
		  EVICT_BY_SHUTDOWN, EVICT_BY_OPERATOR, EVICT_QUIET,
		  EVICT_BY_SHUTDOWN, 1, 300 },
		{ "join: nor an event", EVICT_DRAIN, EVICT_BY_EVENT,
		  EVICT_BY_OPERATOR, EVICT_DRAIN, EVICT_BY_EVENT, 1, 300 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evict old = evict_begin(rows[i].old_by, 300, T0 + 1);
		struct evict ev = evict_begin(rows[i].by, 100, T0 + 500), both;

		old.stage = rows[i].old_stage;
		if (ev.by != EVICT_BY_OPERATOR)
			ev.stage = EVICT_QUIET;
		both = evict_join(&old, &ev);
		checkf(both.stage == rows[i].want && both.by == rows[i].want_by &&
			       both.since_s == T0 + rows[i].since &&
			       both.limit_s == rows[i].limit &&
			       both.until_s > both.since_s + both.limit_s,
		       rows[i].name, "%s by %s since +%lld limit %u",
		       evict_stage_name(both.stage), evict_by_name(both.by),
		       (long long)(both.since_s - T0), both.limit_s);
	}
}

static void test_granted(void)
{
	struct evict ev = evict_begin(EVICT_BY_OPERATOR, 200, T0);
	struct evict next = evict_granted(&ev, T0 + 1000);

	checkf(next.stage == EVICT_QUIET && next.since_s == T0 + 1000 &&
		       next.limit_s == 200 &&
		       next.until_s ==
			       T0 + 1000 + EVICT_TELL_S + 200 + EVICT_HOLD_S,
	       "turns: whose turn comes late has all of its time",
	       "until +%lld", (long long)(next.until_s - T0));
}

/* ---- turns ---- */

static void test_turns(void)
{
	/* a letter per node: s serves; A asks (operator), L asks and is the last
	 * one of a service; E, D asks because of an event, a shutdown; Q is quiet.
	 * Managers: m serves, u is not reached, a asks, e because of an event, q is
	 * quiet.  Earlier letters have asked earlier. */
	static const struct {
		const char *name, *nodes;
		int want; /* -1: nobody */
	} rows[] = {
		{ "turns: nobody asks", "ssss", -1 },
		{ "turns: the first always may", "sA", 1 },
		{ "turns: of two the one that waits longer", "ssAA", 2 },
		{ "turns: a quarter of four is one", "sssQA", -1 },
		{ "turns: a quarter of eight is two", "ssssssQA", 7 },
		{ "turns: and not three", "sssssQQA", -1 },
		{ "turns: a shutdown waits for nobody", "sQD", 2 },
		{ "turns: nor does an event", "QQE", 2 },
		{ "turns: one manager at a time", "ssssssssssmmqa", -1 },
		{ "turns: an agent beside a manager", "ssssssssssqA", 11 },
		{ "turns: the only manager may", "ssa", 2 },
		{ "turns: a manager of three", "mma", 2 },
		{ "turns: not while another one is away", "mua", -1 },
		{ "turns: a manager of five, one away", "mmmua", 4 },
		{ "turns: not with two away", "mmuua", -1 },
		{ "turns: one that is away itself, of three", "mmu", -1 },
		{ "turns: nor when Azure announces it", "mue", -1 },
		{ "turns: an announced manager, the others are enough", "mme", 2 },
		{ "turns: two announced managers, one goes", "mmqee", -1 },
		{ "turns: the last one of a service, alone", "ssL", 2 },
		{ "turns: the last one of a service, beside another",
		  "ssssssQL", -1 },
		{ "turns: what is announced goes first", "ssAE", 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evict_turn t[16] = { 0 };
		size_t n = strlen(rows[i].nodes), got;

		for (size_t k = 0; k < n; k++) {
			char c = rows[i].nodes[k];
			bool asks = strchr("AaLEeD", c) != NULL;

			t[k].manager = strchr("muaeq", c) != NULL;
			t[k].reachable = t[k].manager && c != 'u';
			t[k].serving = c == 's' || c == 'm' || asks;
			t[k].last = c == 'L';
			if (asks || c == 'Q' || c == 'q')
				t[k].evict = evict_begin(
					c == 'E' || c == 'e' ? EVICT_BY_EVENT :
					c == 'D' ? EVICT_BY_SHUTDOWN :
						   EVICT_BY_OPERATOR,
					0, T0 + (int64_t)k);
			if (c == 'Q' || c == 'q')
				t[k].evict.stage = EVICT_QUIET;
		}
		got = evict_grant(t, n);
		checkf(got == (rows[i].want < 0 ? n : (size_t)rows[i].want),
		       rows[i].name, "%zu of %zu", got, n);
	}
}

/* ---- what the services say ---- */

static const char services[] =
	"[{'ID':'web','Spec':{'Name':'web','Mode':{'Replicated':{'Replicas':4}}}},"
	"{'ID':'one','Spec':{'Name':'one','Mode':{'Replicated':{'Replicas':1}},'TaskTemplate':"
	"{'ContainerSpec':{'StopGracePeriod':60000000000}}}},"
	"{'ID':'all','Spec':{'Name':'all','Mode':{'Global':{}}}},"
	"{'ID':'db','Spec':{'Name':'db','Mode':{'Replicated':{'Replicas':1}},'TaskTemplate':"
	"{'Placement':{'Constraints':['node.hostname == a']},'ContainerSpec':{'Mounts':[{'Type':'volume'}]}}}},"
	"{'ID':'far','Spec':{'Name':'far','Mode':{'Replicated':{'Replicas':9}},"
	"'Labels':{'azswarm.rebalance':'false'}}}]";
static const char tasks[] =
	"[{'ID':'1','ServiceID':'web','NodeID':'ida','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'2','ServiceID':'web','NodeID':'ida','DesiredState':'shutdown','Status':{'State':'running'}},"
	"{'ID':'3','ServiceID':'web','NodeID':'idb','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'4','ServiceID':'web','NodeID':'idb','DesiredState':'running','Status':{'State':'starting'}},"
	"{'ID':'5','ServiceID':'one','NodeID':'ida','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'6','ServiceID':'all','NodeID':'ida','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'7','ServiceID':'db','NodeID':'ida','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'8','ServiceID':'far','NodeID':'idb','DesiredState':'running','Status':{'State':'running'}},"
	"{'ID':'9','ServiceID':'web','NodeID':'idb','DesiredState':'shutdown','Status':{'State':'shutdown'}}]";

static cJSON *parse(const char *quoted)
{
	struct buf b = BUF_INIT(16u << 10);
	struct err e = ERR_INIT;
	cJSON *doc;

	for (; *quoted != '\0'; quoted++)
		buf_addc(&b, *quoted == '\'' ? '"' : *quoted);
	doc = json_parse(buf_str(&b), "test", &e);
	buf_release(&b);
	if (doc == NULL)
		check_give_up("the test's own documents", "%s", e.msg);
	return doc;
}

static void read_work(struct docker_work *w)
{
	cJSON *s = parse(services), *t = parse(tasks);
	const cJSON *v;
	struct err e = ERR_INIT;

	*w = (struct docker_work){ 0 };
	w->services = xcalloc(16, sizeof(*w->services));
	w->tasks = xcalloc(16, sizeof(*w->tasks));
	cJSON_ArrayForEach(v, s)
		if (docker_service_read(v, &w->services[w->n_services++], &e) < 0)
			check_give_up("services", "%s", e.msg);
	cJSON_ArrayForEach(v, t)
		if (docker_task_read(v, &w->tasks[w->n_tasks++], &e) < 0)
			check_give_up("tasks", "%s", e.msg);
	json_free(s);
	json_free(t);
}

static void test_load(void)
{
	struct docker_node nodes[3] = {
		{ .id = "ida", .hostname = "a", .state = DOCKER_NODE_READY },
		{ .id = "idb", .hostname = "b", .state = DOCKER_NODE_READY },
		{ .id = "idc", .hostname = "c", .state = DOCKER_NODE_DOWN },
	};
	struct buf names = BUF_INIT(4096);
	struct docker_work w;
	struct evict_load l;

	read_work(&w);
	evict_load(&w, nodes, 3, &nodes[0], &l, &names);
	checkf(l.here == 5, "load: tasks that have not ended", "%u", l.here);
	/* web lacks 3 of 4 elsewhere, one its only one; db may run nowhere
	 * else and far has nothing here: neither is waited for */
	checkf(l.missing == 4, "load: what is missing elsewhere", "%u", l.missing);
	checkf(l.grace_s == 60, "load: the longest stop grace period", "%u",
	       l.grace_s);
	check_same(names.str,
		   "one has one task: it is down for as long as it takes to begin elsewhere\n"
		   "all runs once on every node: not on a until it is back\n"
		   "db has nowhere to go: what runs on a is down until it is back\n",
		   "load: what will be noticed");
	nodes[1].availability = DOCKER_DRAIN;
	buf_truncate(&names, 0);
	evict_load(&w, nodes, 3, &nodes[0], &l, &names);
	check(strstr(names.str, "web has nowhere to go") != NULL &&
		      strstr(names.str, "one has nowhere to go") != NULL,
	      "load: a drained node takes nothing", names.str);
	checkf(l.missing == 0, "load: what has nowhere to go is not waited for",
	       "%u", l.missing);
	evict_load(&w, nodes, 3, &nodes[2], &l, NULL);
	checkf(l.here == 0 && l.missing == 0, "load: of a node with nothing",
	       "%u %u", l.here, l.missing);
	check(!w.services[4].balance && w.services[0].balance,
	      "services: azswarm.rebalance=false", "");
	buf_release(&names);
	docker_work_release(&w);
}

int main(void)
{
	json_init();
	test_label();
	test_steps();
	test_grace();
	test_joining();
	test_granted();
	test_turns();
	test_load();
	return check_failed();
}
