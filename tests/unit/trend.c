/* node/trend: points out of counters, for ten minutes and no longer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "node/trend.h"
#include "tests/check.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* the half that is kept */
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void packed(void)
{
	int64_t worst = 0;
	char why[120] = "";

	for (int64_t v = 0; v < (int64_t)1 << 40; v += 1 + v / 977) {
		int64_t got = trend_unpack(trend_pack(v)),
			off = got < v ? v - got : got - v;

		if (off > v / 1000 && *why == '\0')
			snprintf(why, sizeof(why), "%lld became %lld",
				 (long long)v, (long long)got);
		worst = off > worst ? off : worst;
	}
	check_why("a point is exact to a thousandth", why);
	check(worst > 0, "and rounded, when it is large", "never");
	check(trend_pack(-1) == TREND_NONE && trend_pack(INT64_MIN) == TREND_NONE &&
		      trend_unpack(TREND_NONE) == -1,
	      "a gap stays one", "no");
	checkf(trend_pack(INT64_MAX) != TREND_NONE &&
		       trend_unpack(trend_pack(INT64_MAX)) == (int64_t)2047 << 30,
	       "too much is the most", "%lld",
	       (long long)trend_unpack(trend_pack(INT64_MAX)));
}

/* ---- a swarm of two nodes, a service and two tasks --------------------------- */

static struct monitor_view view;

static void swarm(bool second_node)
{
	static const char task[] =
		"{\"ID\":\"%s\",\"ServiceID\":\"web\",\"Slot\":1,"
		"\"NodeID\":\"%s\",\"DesiredState\":\"running\","
		"\"Status\":{\"State\":\"running\","
		"\"ContainerStatus\":{\"ContainerID\":\"%s%s\"}}}";
	static const struct {
		const char *id, *node, *container;
	} tasks[] = { { "t1", "n1", A }, { "t2", "n2", B } };
	struct err e = ERR_INIT;
	char text[400];
	cJSON *doc;

	monitor_view_init(&view, 1000);
	for (int i = 0; i < 1 + second_node; i++) {
		snprintf(text, sizeof(text), task, tasks[i].id, tasks[i].node,
			 tasks[i].container, tasks[i].container);
		doc = json_parse(str_of(text), "test", &e);
		monitor_view_task(&view, doc, &e);
		json_free(doc);
		snprintf(text, sizeof(text),
			 "{\"ID\":\"n%d\","
			 "\"Description\":{\"Hostname\":\"h%d\"},"
			 "\"Status\":{\"State\":\"ready\","
			 "\"Addr\":\"10.0.0.%d\"}}",
			 i + 1, i + 1, i + 1);
		doc = json_parse(str_of(text), "test", &e);
		monitor_view_node(&view, doc, &e);
		json_free(doc);
	}
	doc = json_parse(STR("{\"ID\":\"web\",\"Spec\":{\"Name\":\"web\","
			     "\"Mode\":{\"Replicated\":{\"Replicas\":2}}}}"),
			 "test", &e);
	monitor_view_service(&view, doc, &e);
	json_free(doc);
	if (e.kind != ERR_NONE || view.n_table != 1u + second_node)
		check_give_up("a swarm", "%s", e.msg);
}

static struct figures told; /* by a node with one container */

static struct figures *tells(int64_t at_ms, int64_t cpu_ms, int64_t memory,
			     int64_t rx, int64_t tx, const char *container,
			     int64_t container_cpu_ms)
{
	told = (struct figures){ .at_ms = at_ms,
				 .node = { cpu_ms, memory, rx, tx },
				 .n_containers = 1 };
	snprintf(told.containers[0].id, sizeof(told.containers[0].id), "%s%s",
		 container, container);
	told.containers[0].counts = (struct figures_counts){ container_cpu_ms,
							     2048, 7, -1 };
	return &told;
}

static void now_is(const struct trends *t, const char *want, const char *name)
{
	struct buf b = BUF_INIT(64u << 10);

	trends_write_now(t, &b);
	check_same(b.str, want, name);
	buf_release(&b);
}

static void all_is(const struct trends *t, const char *id, const char *want,
		   const char *name)
{
	struct buf b = BUF_INIT(64u << 10);

	trends_write(t, str_of(id), &b);
	check_same(b.str, want, name);
	buf_release(&b);
}

#define STEP(n, at) "{\"n\":" #n ",\"at\":" #at ",\"step\":10,"

static void steps(void)
{
	struct trends *t = trends_new();

	swarm(true);
	trends_begin(t, &view, 1000);
	trends_node(t, "n1", tells(5000, 100, 1048576, 0, 0, A, 10));
	trends_end(t);
	now_is(t,
	       STEP(1, 1000) "\"now\":{\"n1\":[null,1024,null,null,1],"
			     "\"n2\":[null,null,null,null,1],"
			     "\"t1\":[null,2,null,null,null],"
			     "\"t2\":[null,null,null,null,null],"
			     "\"web\":[null,2,null,null,2]}}",
	       "first there is no rate, and all are told");

	/* ten seconds, of which five of one processor; a tenth in the task */
	trends_begin(t, &view, 1010);
	trends_node(t, "n1", tells(15000, 5100, 1048576, 20000, 500, A, 1010));
	trends_node(t, "n2", tells(77, 1, 1024, 1, 1, B, 1));
	trends_end(t);
	now_is(t,
	       STEP(2, 1010) "\"now\":{\"n1\":[500,1024,2000,50,1],"
			     "\"n2\":[null,1,null,null,1],"
			     "\"t1\":[100,2,0,null,null],\"t2\":[null,2,null,"
			     "null,null],"
			     "\"web\":[100,4,0,null,2]}}",
	       "rates, and a service is the sum of its tasks");

	trends_begin(t, &view, 1020);
	trends_node(t, "n1", tells(25000, 10100, 1048576, 40000, 1000, A, 2010));
	trends_node(t, "n2", tells(10077, 301, 1024, 1, 1, B, 301));
	trends_end(t);
	now_is(t,
	       STEP(3, 1020) "\"now\":{\"n2\":[30,1,0,0,1],\"t2\":[30,2,0,null,"
			     "null],"
			     "\"web\":[130,4,0,null,2]}}",
	       "what is as before is not told");
	all_is(t, "",
	       STEP(3, 1020) "\"series\":{\"n1\":[[null,500,500],[1024,1024,1024],"
			     "[null,2000,2000],[null,50,50],[1,1,1]],"
			     "\"n2\":[[null,null,30],[null,1,1],[null,null,0],"
			     "[null,null,0],[1,1,1]],"
			     "\"t1\":[[100],[2],[0],[null],[null]],\"t2\":[[30],"
			     "[2],[0],[null],[null]],"
			     "\"web\":[[null,100,130],[2,4,4],[null,0,0],[null,"
			     "null,null],[2,2,2]]}}",
	       "all of nodes and services, and the newest of tasks");
	all_is(t, "t1",
	       STEP(3, 1020) "\"series\":{\"t1\":[[null,100,100],[2,2,2],[null,"
			     "0,0],[null,null,null],[null,null,null]]}}",
	       "all of a task");
	all_is(t, "nobody", STEP(3, 1020) "\"series\":{}}", "nobody");

	/* a machine that was started anew, and one that is silent */
	trends_begin(t, &view, 1030);
	trends_node(t, "n1", tells(100, 3, 1048576, 1, 1, A, 3));
	trends_end(t);
	all_is(t, "n1",
	       STEP(4, 1030) "\"series\":{\"n1\":[[null,500,500,null],[1024,"
			     "1024,1024,1024],[null,2000,2000,null],[null,50,50,null],[1,1,1,"
			     "1]]}}",
	       "counters that went back are a gap");
	all_is(t, "n2",
	       STEP(4, 1030) "\"series\":{\"n2\":[[null,null,30,null],[null,1,"
			     "1,null],[null,null,0,null],[null,null,0,null],[1,1,1,1]]}}",
	       "silence is a gap");
	monitor_view_release(&view);

	/* who is gone is forgotten, who comes again begins anew */
	swarm(false);
	trends_begin(t, &view, 1040);
	trends_end(t);
	all_is(t, "n2", STEP(5, 1040) "\"series\":{}}", "gone, and forgotten");
	monitor_view_release(&view);
	swarm(true);
	trends_begin(t, &view, 1050);
	trends_node(t, "n2", tells(20077, 601, 1024, 1, 1, B, 601));
	trends_end(t);
	all_is(t, "n2",
	       STEP(6, 1050) "\"series\":{\"n2\":[[null,null,null,null,null,"
			     "null],[null,null,null,null,null,1],[null,null,null,null,null,"
			     "null],[null,null,null,null,null,null],[null,null,null,null,"
			     "null,1]]}}",
	       "come again, and without a past");

	/* too long ago, or at the same time: no rate */
	trends_begin(t, &view, 1200);
	trends_node(t, "n2", tells(20077 + 60001, 9601, 1024, 1, 1, B, 601));
	trends_end(t);
	now_is(t, STEP(7, 1200) "\"now\":{}}",
	       "counters a minute apart say nothing");
	trends_begin(t, &view, 1210);
	trends_node(t, "n2", tells(20077 + 60001, 9999, 1024, 1, 1, B, 601));
	trends_end(t);
	now_is(t, STEP(8, 1210) "\"now\":{}}", "nor do those of the same time");
	trends_begin(t, &view, 1220);
	all_is(t, "t2",
	       STEP(8, 1210) "\"series\":{\"t2\":[[null,null,null,null,null,null,"
			     "null,null],"
			     "[null,null,null,null,null,2,2,2],[null,null,null,"
			     "null,null,null,null,null],"
			     "[null,null,null,null,null,null,null,null],[null,"
			     "null,null,null,null,null,null,null]]}}",
	       "a step under way does not show");
	monitor_view_release(&view);
	trends_free(t);
}

static void lies(void)
{
	struct trends *t = trends_new();

	swarm(true);
	for (int i = 0; i < 2; i++) {
		trends_begin(t, &view, 1000 + 10 * i);
		/* n2 speaks of n1's task, and of somebody who is not there */
		trends_node(t, "n2",
			    tells(1 + i * 10000, i * FIGURES_VALUE_MAX,
				  FIGURES_VALUE_MAX, 0, i * FIGURES_VALUE_MAX,
				  A, i * 99999));
		trends_node(t, "n3", tells(1 + i * 10000, 1, 1, 1, 1, B, 1));
		trends_node(t, "web", tells(1 + i * 10000, 1, 1, 1, 1, B, 1));
		trends_end(t);
	}
	all_is(t, "t1",
	       STEP(2, 1010) "\"series\":{\"t1\":[[null,null],[null,null],"
			     "[null,null],[null,null],[null,null]]}}",
	       "a node speaks for itself only");
	all_is(t, "web",
	       STEP(2, 1010) "\"series\":{\"web\":[[null,null],[null,null],"
			     "[null,null],[null,null],[2,2]]}}",
	       "and for no service");
	all_is(t, "n2",
	       STEP(2, 1010) "\"series\":{\"n2\":[[null,1000448],"
			     "[2197949513728,2197949513728],[null,0],[null,2197949513728],[1,"
			     "1]]}}",
	       "the largest numbers are as large as may be");

	/* less than before, by so little that it would round to nothing */
	for (int i = 0; i < 2; i++) {
		trends_begin(t, &view, 1020);
		trends_node(t, "n1",
			    tells(1 + i * 10000, 1, 1024, 5 - i, 1, A, 1));
		trends_end(t);
	}
	now_is(t,
	       STEP(4, 1020) "\"now\":{\"n1\":[0,1,null,0,1],\"t1\":[0,2,0,null,null],"
			     "\"web\":[0,2,0,null,2]}}",
	       "a counter that went back a little is a gap");

	/* twice silent: asked every sixth step */
	{
		char asked[16] = "";

		for (int i = 0; i < 14; i++) {
			trends_begin(t, &view, 1000);
			if (trends_wants(t, "n1")) {
				strcat(asked, "x");
				trends_missed(t, "n1");
			} else {
				strcat(asked, ".");
			}
			trends_end(t);
		}
		check_same(asked, "xx.....x.....x",
			   "one that is silent is asked seldom");
	}
	trends_node(t, "n1", tells(1, 1, 1, 1, 1, A, 1));
	check(trends_wants(t, "n1") && !trends_wants(t, "n3"),
	      "and again when it has answered", "no");
	monitor_view_release(&view);
	trends_free(t);
}

/* As much as the monitor takes: what of it is kept, and for how long. */
static void many(void)
{
	struct trends *t = trends_new();
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(64u << 10);
	cJSON *doc;

	swarm(true);
	for (int i = 0; i < 130; i++) {
		trends_begin(t, &view, i);
		trends_node(t, "n1",
			    tells(1 + i * 10000, i * (i - 1) / 2 * 10, 0, 0, 0,
				  A, 0));
		trends_end(t);
	}
	trends_write(t, STR("n1"), &b);
	doc = json_parse(buf_str(&b), "test", &e);
	/* ten more milliseconds in each step of ten seconds */
	checkf(cJSON_GetArraySize(json_at(doc, "series.n1[0]")) == 60 &&
		       json_int_opt(doc, "series.n1[0][0]", -1) == 69 &&
		       json_int_opt(doc, "series.n1[0][59]", -1) == 128,
	       "sixty points, the oldest first", "%s", b.str);
	json_free(doc);
	buf_release(&b);
	monitor_view_release(&view);
	trends_free(t);
}

int main(void)
{
	json_init();
	packed();
	steps();
	lies();
	many();
	return check_failed();
}
