/* node/timeline: what happened between two readings of the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "node/timeline.h"
#include "tests/check.h"

static void element(struct monitor_view *v, const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "test", &e);

	if (doc == NULL)
		check_give_up("a reading", "%s", e.msg);
	/* by what only each of them has */
	if (json_get(doc, "DesiredState") != NULL)
		monitor_view_task(v, doc, &e);
	else if (json_get(doc, "Description") != NULL)
		monitor_view_node(v, doc, &e);
	else
		monitor_view_service(v, doc, &e);
	json_free(doc);
}

/* Elements, a line each, tasks first. */
static void reading(struct monitor_view *v, int64_t now, const char *lines)
{
	struct str rest = str_of(lines), line;

	monitor_view_init(v, now);
	while (str_next(&rest, '\n', &line)) {
		char *text = str_dup(line);

		if (line.n > 0)
			element(v, text);
		free(text);
	}
}

#define NODE(id, name, state, more) \
	"{\"ID\":\"" id "\",\"Description\":{\"Hostname\":\"" name \
	"\"},\"Status\":{\"State\":\"" state \
	"\"},\"Spec\":{\"Availability\":\"" more "}}"
#define A NODE("a", "a1", "ready", "active\"")
#define LABEL(name, value) \
	"active\",\"Labels\":{\"azswarm." name "\":\"" value "\"}"
#define WAY(stage, by) \
	NODE("a", "a1", "ready", \
	     LABEL("evict", stage " since=1 until=2 limit=3 by=" by))
#define SERVICE(n, more) \
	"{\"ID\":\"s\",\"Spec\":{\"Name\":\"web\",\"Mode\":{\"Replicated\":{\"Replicas\":" n \
	"}}}" more "}"
#define GLOBAL \
	"{\"ID\":\"g\",\"Spec\":{\"Name\":\"tool\",\"Mode\":{\"Global\":{}}}}"
#define TASK(id, service) \
	"{\"ID\":\"" id "\",\"ServiceID\":\"" service \
	"\",\"NodeID\":\"a\",\"DesiredState\":\"running\",\"Status\":{\"State\":\"running\"}}\n"

/* Two readings, and the kinds, names and words of what happened. */
static const struct {
	const char *name, *was, *now, *what;
} cases[] = {
	{ "nothing", A, A, "" },
	{ "a node joins", "", A, "joined a1 joined the swarm; " },
	{ "and leaves", A, "", "left a1 left the swarm; " },
	{ "another takes its place", A, NODE("b", "a1", "ready", "active\""),
	  "joined a1 joined the swarm; left a1 left the swarm; " },
	{ "the list has another order",
	  A "\n" NODE("b", "b1", "ready", "active\""),
	  NODE("b", "b1", "ready", "active\"") "\n" A, "" },
	{ "down", A, NODE("a", "a1", "down", "active\""), "down a1 is down; " },
	{ "ready again", NODE("a", "a1", "down", "active\""), A,
	  "ready a1 is ready; " },
	{ "drained", A, NODE("a", "a1", "ready", "drain\""),
	  "drained a1 is drained: it takes no tasks; " },
	{ "paused", A, NODE("a", "a1", "ready", "pause\""),
	  "paused a1 takes no new tasks; " },
	{ "active again", NODE("a", "a1", "ready", "drain\""), A,
	  "active a1 takes tasks again; " },
	{ "asked to leave", A, WAY("asked", "operator"),
	  "evicted a1 waits for its turn to leave (the operator wants it); " },
	{ "quiet", WAY("asked", "event"), WAY("quiet", "event"),
	  "evicted a1 leaves: the load balancer lets go of it (Azure announced it); "
	  "" },
	{ "draining", WAY("quiet", "shutdown"), WAY("drain", "shutdown"),
	  "evicted a1 leaves: its tasks begin elsewhere (the machine goes down); " },
	{ "out", WAY("drain", "operator"), WAY("out", "operator"),
	  "evicted a1 is out: nothing is missed here (the operator wants it); " },
	{ "the same stage, by another", WAY("drain", "operator"),
	  WAY("drain", "shutdown"), "" },
	{ "it stays", WAY("out", "operator"), A,
	  "returned a1 stays: its way out is over; " },
	{ "a label that is none", A,
	  NODE("a", "a1", "ready", LABEL("evict", "drain by=evil")), "" },
	{ "a task is moved", TASK("t", "s") A "\n" SERVICE("1", ""),
	  TASK("t", "s") NODE("a", "a1", "ready",
			      LABEL("stop", "t")) "\n" SERVICE("1", ""),
	  "rebalanced a1 a task of web ends here, to begin on another node; " },
	{ "one that nobody "
	  "knows",
	  A, NODE("a", "a1", "ready", LABEL("stop", "x")),
	  "rebalanced a1 a task ends here, to begin on another node; " },
	{ "a manager, and it leads", A,
	  "{\"ID\":\"a\",\"Description\":{\"Hostname\":\"a1\"},"
	  "\"Status\":{\"State\":\"ready\"},"
	  "\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\"},"
	  "\"ManagerStatus\":{\"Leader\":true}}",
	  "promoted a1 is a manager now; leader a1 leads the swarm now; " },
	{ "a node without a name", "", NODE("a", "", "ready", "active\""),
	  "joined a joined the swarm; " },
	{ "a name that would turn the line around", "",
	  NODE("a", "x\xe2\x80\xae\\u001b[2Jy", "ready", "active\""),
	  "joined x??[2Jy joined the swarm; " },
	{ "a service is made", A, A "\n" SERVICE("2", ""),
	  "made web service made; " },
	{ "and removed, though a task of it is left",
	  TASK("t", "s") SERVICE("1", ""), TASK("t", "s"),
	  "removed web service removed; " },
	{ "and made again", TASK("t", "s"), TASK("t", "s") SERVICE("1", ""),
	  "made web service made; " },
	{ "scaled", SERVICE("2", ""), SERVICE("5", ""),
	  "scaled web from 2 to 5 tasks; " },
	{ "a global one follows the nodes", TASK("t", "g") GLOBAL,
	  TASK("t", "g") TASK("u", "g") GLOBAL, "" },
	{ "updated", SERVICE("2", ""),
	  SERVICE("2", ",\"UpdateStatus\":{\"State\":\"rollback_completed\"}"),
	  "update web update: rollback_completed; " },
	{ "a task fails", SERVICE("1", ""),
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"DesiredState\":\"shutdown\","
	  "\"Status\":{\"State\":\"failed\","
	  "\"Err\":\"non-zero exit (1)\","
	  "\"Timestamp\":\"2026-11-23T05:00:00Z\"}}\n" SERVICE("1", ""),
	  "failed web non-zero exit (1); " },
};

#define NOW 1795410000 /* 2026-11-23T05:00:00Z */

static void tell(const struct timeline *t, struct buf *out)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	const cJSON *one;
	cJSON *doc;

	timeline_write(t, 0, &b);
	doc = json_parse(buf_str(&b), "the timeline", &e);
	cJSON_ArrayForEach(one, doc)
		buf_addf(out, "%s %s %s; ", json_text(one, "kind"),
			 json_text(one, "who"), json_text(one, "text"));
	if (doc == NULL)
		buf_adds(out, e.msg);
	json_free(doc);
	buf_release(&b);
}

static void two_readings(void)
{
	struct timeline *t = xmalloc(sizeof(*t));

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct monitor_view was, now;
		struct buf b = BUF_INIT(4096);

		memset(t, 0, sizeof(*t));
		reading(&was, NOW - 5, cases[i].was);
		reading(&now, NOW, cases[i].now);
		timeline_take(t, &was, &now);
		tell(t, &b);
		check_same(b.str, cases[i].what, cases[i].name);
		monitor_view_release(&was);
		monitor_view_release(&now);
		buf_release(&b);
	}
	free(t);
}

static void kept(void)
{
	struct timeline *t = xcalloc(1, sizeof(*t));
	struct monitor_view none, was, now;
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	cJSON *doc;

	monitor_view_init(&none, 0);
	reading(&was, NOW, A);
	reading(&now, NOW + 1, NODE("a", "a1", "down", "active\""));
	timeline_take(t, NULL, &was);
	timeline_take(t, &none, &was);
	checkf(t->n == 0, "the first reading is no news", "%llu",
	       (unsigned long long)t->n);
	timeline_write(t, 0, &b);
	check_same(b.str, "[]", "and an empty list");
	for (int i = 0; i < 300; i++)
		timeline_take(t, i % 2 == 0 ? &was : &now,
			      i % 2 == 0 ? &now : &was);
	buf_reset(&b);
	timeline_write(t, 298, &b);
	check_same(b.str,
		   "[{\"n\":299,\"at\":1795410001,\"kind\":\"down\","
		   "\"who\":\"a1\",\"text\":\"is down\"},"
		   "{\"n\":300,\"at\":1795410000,\"kind\":\"ready\","
		   "\"who\":\"a1\",\"text\":\"is ready\"}]",
		   "what came after a number");
	buf_reset(&b);
	timeline_write(t, 300, &b);
	check_same(b.str, "[]", "nothing came after the last");
	buf_reset(&b);
	timeline_write(t, 0, &b);
	doc = json_parse(buf_str(&b), "test", &e);
	checkf(cJSON_GetArraySize(doc) == 200 &&
		       json_int_opt(doc, "[0].n", 0) == 101,
	       "the last two hundred are kept", "%d from %lld",
	       cJSON_GetArraySize(doc), (long long)json_int_opt(doc, "[0].n", 0));
	json_free(doc);
	monitor_view_release(&none);
	monitor_view_release(&was);
	monitor_view_release(&now);
	buf_release(&b);
	free(t);
}

int main(void)
{
	json_init();
	two_readings();
	kept();
	return check_failed();
}
