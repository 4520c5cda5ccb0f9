/*
 * node/events: documents of the metadata service, and a machine's way through
 * them.  The scenarios are those of Microsoft's mock server for scheduled
 * events, in its documents' shape: each is played with all machines told.
 */
#include "tests/check.h"

#include "node/events.h"

#define T0 1784480400 /* Sun, 19 Jul 2026 17:00:00 GMT */
#define ME "agents_3"

static cJSON *parse(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "test", &e);

	if (doc == NULL)
		check_give_up("the test's own documents", "%s: %s", e.msg, text);
	return doc;
}

/* One event in the service's form.  status NULL: an empty list. */
static cJSON *document(const char *id, const char *type, const char *status,
		       const char *resources, const char *not_before)
{
	struct buf b = BUF_INIT(8192);
	cJSON *doc;

	buf_adds(&b, "{\"DocumentIncarnation\":7,\"Events\":[");
	if (status != NULL)
		buf_addf(&b,
			 "{\"EventId\":\"%s\",\"EventStatus\":\"%s\",\"EventType\":\"%s\","
			 "\"ResourceType\":\"VirtualMachine\",\"Resources\":[%s],"
			 "\"NotBefore\":\"%s\",\"Description\":\"x\","
			 "\"EventSource\":\"Platform\",\"DurationInSeconds\":-1}",
			 id, status, type, resources, not_before);
	buf_adds(&b, "]}");
	doc = parse(b.str);
	buf_release(&b);
	return doc;
}

/* ---- reading ---- */

static void test_reading(void)
{
	static const struct {
		const char *name, *id, *type, *status, *resources, *when;
		unsigned n, odd;
		int64_t not_before;
	} rows[] = {
		{ "read: an event for us", "a-1", "Terminate", "Scheduled",
		  "\"agents_3\"", "Sun, 19 Jul 2026 17:05:00 GMT", 1, 0,
		  T0 + 300 },
		{ "read: the time in ISO 8601", "a-1", "Reboot", "Scheduled",
		  "\"agents_3\"", "2026-07-19T17:05:00Z", 1, 0, T0 + 300 },
		{ "read: no time", "a-1", "Reboot", "Started", "\"agents_3\"",
		  "", 1, 0, 0 },
		{ "read: a time that is none", "a-1", "Reboot", "Scheduled",
		  "\"agents_3\"", "soon", 1, 0, 0 },
		{ "read: one of several machines", "a-1", "Freeze", "Scheduled",
		  "\"agents_1\",\"AGENTS_3\"", "", 1, 0, 0 },
		{ "read: another machine's", "a-1", "Terminate", "Scheduled",
		  "\"agents_33\"", "", 0, 0, 0 },
		{ "read: a set's name is not ours", "a-1", "Terminate",
		  "Scheduled", "\"agents\"", "", 0, 0, 0 },
		{ "read: nobody's", "a-1", "Terminate", "Scheduled", "", "", 0,
		  0, 0 },
		{ "read: resources that are no texts", "a-1", "Terminate",
		  "Scheduled", "3,null,{}", "", 0, 0, 0 },
		{ "read: a type that is not known", "a-1", "Explode",
		  "Scheduled", "\"agents_3\"", "", 0, 1, 0 },
		{ "read: a status that is not known", "a-1", "Reboot",
		  "Perhaps", "\"agents_3\"", "", 0, 1, 0 },
		{ "read: without an id", "", "Reboot", "Scheduled",
		  "\"agents_3\"", "", 0, 1, 0 },
		{ "read: an id that is no id", "a b", "Reboot", "Scheduled",
		  "\"agents_3\"", "", 0, 1, 0 },
		{ "read: an id that is too long",
		  "0123456789012345678901234567890123456789012345678901234567890123",
		  "Reboot", "Scheduled", "\"agents_3\"", "", 0, 1, 0 },
	};
	struct err e = ERR_INIT;
	struct events ev;
	unsigned odd;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cJSON *doc = document(rows[i].id, rows[i].type, rows[i].status,
				      rows[i].resources, rows[i].when);
		int rc = events_read(doc, ME, &ev, &odd, &e);

		checkf(rc == 0 && ev.n == rows[i].n && odd == rows[i].odd &&
			       (ev.n == 0 ||
				ev.list[0].not_before_s == rows[i].not_before),
		       rows[i].name, "%d, %zu events, %u odd, at %lld", rc,
		       ev.n, odd, (long long)ev.list[0].not_before_s);
		json_free(doc);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const bad[] = { "{}", "{\"Events\":{}}", "[]" };
		cJSON *doc = parse(bad[i]);

		err_clear(&e);
		checkf(events_read(doc, ME, &ev, &odd, &e) < 0 && ev.n == 0 &&
			       strstr(e.msg, "scheduled events") != NULL,
		       "read: no such document", "%s: %s", bad[i], e.msg);
		json_free(doc);
	}
}

static void test_many(void)
{
	struct buf b = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	struct events ev;
	unsigned odd;
	cJSON *doc;

	buf_adds(&b, "{\"Events\":[");
	for (int i = 0; i < 40; i++)
		buf_addf(&b,
			 "%s{\"EventId\":\"e%d\",\"EventStatus\":\"Scheduled\",\"EventType\":"
			 "\"Freeze\",\"Resources\":[\"" ME "\"]}",
			 i > 0 ? "," : "", i);
	buf_adds(&b, "]}");
	doc = parse(b.str);
	events_read(doc, ME, &ev, &odd, &e);
	checkf(ev.n == EVENTS_MAX && odd == 40 - EVENTS_MAX,
	       "read: more than there can be", "%zu and %u", ev.n, odd);
	json_free(doc);
	buf_release(&b);
}

/* ---- scenarios ---- */

/* What is told, one letter a look: s scheduled, t started, - nothing there,
 * . the service did not answer.  The machine is out two looks after it began
 * to go.  What it does, one letter each: g goes, a approves, b comes back. */
static const struct {
	const char *name, *type, *told, *does;
} scenarios[] = {
	{ "scenario: live migration", "Freeze", "ssstt--", "......." },
	{ "scenario: user reboot", "Reboot", "sssst--", "g.a..b." },
	{ "scenario: host agent maintenance", "Freeze", "ssstt--", "......." },
	{ "scenario: redeploy", "Redeploy", "ssssttt", "g.a...." },
	{ "scenario: user redeploy", "Redeploy", "ssss", "g.a." },
	{ "scenario: canceled maintenance", "Freeze", "sss---", "......" },
	{ "scenario: terminate", "Terminate", "ssss", "g.a." },
	{ "scenario: preempt", "Preempt", "ssst", "g.a." },
	{ "scenario: canceled on the way out", "Reboot", "s---", "gb.." },
	{ "scenario: started before we looked", "Terminate", "tttt", "g..." },
	{ "scenario: the service is away in between", "Reboot", "ss..s", "g...a" },
	{ "scenario: away before it was told", "Reboot", "..-..", "....." },
	{ "scenario: it comes back later", "Terminate", "s--sss", "gb.g.a" },
};

static void play(size_t i)
{
	char approved[EVENTS_MAX][64] = { 0 }, does[64] = "";
	enum events_way way = EVENTS_IN_SERVICE;
	int going = 0;

	for (size_t k = 0; scenarios[i].told[k] != '\0'; k++) {
		char c = scenarios[i].told[k];
		struct events_verdict v;
		struct err e = ERR_INIT;
		struct events ev;
		unsigned odd;
		cJSON *doc;

		if (way == EVENTS_GOING && ++going >= 2)
			way = EVENTS_GONE;
		does[k] = '.';
		if (c == '.')
			continue;
		doc = document("id-1", scenarios[i].type,
			       c == 's' ? "Scheduled" :
			       c == 't' ? "Started" :
					  NULL,
			       "\"other\",\"" ME "\"", "");
		events_read(doc, ME, &ev, &odd, &e);
		v = events_decide(&ev, way, approved, T0);
		switch (v.what) {
		case EVENTS_NOTHING:
			break;
		case EVENTS_GO:
			does[k] = 'g';
			way = EVENTS_GOING;
			going = 0;
			break;
		case EVENTS_APPROVE:
			does[k] = 'a';
			memcpy(approved[0], v.approve[0]->id, sizeof(approved[0]));
			break;
		case EVENTS_COME_BACK:
			does[k] = 'b';
			way = EVENTS_IN_SERVICE;
			break;
		}
		json_free(doc);
	}
	check_same(does, scenarios[i].does, scenarios[i].name);
}

/* ---- several at once ---- */

static void test_several(void)
{
	struct events ev = {
		.list = { { .id = "a", .type = EVENT_FREEZE, .not_before_s = T0 + 1 },
			  { .id = "b", .type = EVENT_REBOOT, .not_before_s = T0 + 900 },
			  { .id = "c", .type = EVENT_PREEMPT, .not_before_s = T0 + 30 },
			  { .id = "d", .type = EVENT_REDEPLOY } },
		.n = 4,
	};
	char approved[EVENTS_MAX][64] = { "b" };
	struct events_verdict v = events_decide(&ev, EVENTS_IN_SERVICE,
						approved, T0);
	struct buf b = BUF_INIT(1024);
	cJSON *doc;

	checkf(v.what == EVENTS_GO && v.type == EVENT_PREEMPT &&
		       v.seconds_left == 30,
	       "several: the most urgent decides", "%d %s %lld", (int)v.what,
	       event_type_name(v.type), (long long)v.seconds_left);
	v = events_decide(&ev, EVENTS_GONE, approved, T0 + 40);
	checkf(v.seconds_left == 0, "several: late is late", "%lld",
	       (long long)v.seconds_left);
	doc = events_approval(&v);
	json_print(doc, &b);
	check_same(b.str,
		   "{\"StartRequests\":[{\"EventId\":\"c\"},{\"EventId\":\"d\"}]}",
		   "several: all are approved that were not, and no freeze");
	json_free(doc);
	buf_release(&b);
}

int main(void)
{
	json_init();
	test_reading();
	test_many();
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		play(i);
	test_several();
	return check_failed();
}
