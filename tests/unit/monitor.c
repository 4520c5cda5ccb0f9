/* node/monitor: what becomes of the engine's nodes, services and tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/monitor.h"
#include "tests/check.h"

#define NOW 1795410000 /* 2026-11-23T05:00:00Z */

typedef int reader(void *view, const cJSON *item, struct err *e);

static const struct {
	const char *name;
	reader *read;
	const char *in, *out; /* an element, what it becomes; "" is nothing */
	bool restless;
} cases[] = {
	{ "a task that runs", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"Slot\":2,\"NodeID\":\"n\",\"Status\":{\"State\":"
	  "\"running\"},\"DesiredState\":\"running\",\"Spec\":{\"ContainerSpec\":{\"Env\":[\"A=b\"]}}}",
	  "{\"id\":\"t\",\"service\":\"s\",\"slot\":2,\"node\":\"n\",\"state\":\"running\"}",
	  false },
	{ "one that waits, and why", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"Slot\":1,\"Status\":{\"State\":\"pending\",\"Err\":"
	  "\"no suitable node\"},\"DesiredState\":\"running\"}",
	  "{\"id\":\"t\",\"service\":\"s\",\"slot\":1,\"node\":\"\",\"state\":\"pending\",\"why\":"
	  "\"no suitable node\"}",
	  true },
	{ "one that shall not run, and does", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"Slot\":1,\"NodeID\":\"n\",\"Status\":{\"State\":"
	  "\"running\"},\"DesiredState\":\"shutdown\"}",
	  "{\"id\":\"t\",\"service\":\"s\",\"slot\":1,\"node\":\"n\",\"state\":\"stopping\"}",
	  true },
	{ "history", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"Slot\":1,\"NodeID\":\"n\",\"Status\":{\"State\":"
	  "\"shutdown\"},\"DesiredState\":\"shutdown\"}",
	  "", false },
	{ "a task of a job, done", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"s\",\"NodeID\":\"n\",\"Status\":{\"State\":\"complete\"},"
	  "\"DesiredState\":\"complete\"}",
	  "", false },
	{ "a task of no service", monitor_view_task,
	  "{\"ID\":\"t\",\"Status\":{\"State\":\"running\"}}", "", false },
	{ "a service with an ID too long", monitor_view_task,
	  "{\"ID\":\"t\",\"ServiceID\":\"0123456789012345678901234567890123456789\"}",
	  "", false },
	{ "names that break out of JSON", monitor_view_task,
	  "{\"ID\":\"\\\"}],\",\"ServiceID\":\"</script>\",\"Status\":{\"State\":\"running\"},"
	  "\"DesiredState\":\"running\"}",
	  "{\"id\":\"\\\"}],\",\"service\":\"</script>\",\"slot\":0,\"node\":\"\",\"state\":\"running\"}",
	  false },
	{ "fields of other types", monitor_view_task,
	  "{\"ID\":7,\"ServiceID\":\"s\",\"Slot\":\"x\",\"NodeID\":{},\"Status\":[],\"DesiredState\":null}",
	  "{\"id\":\"\",\"service\":\"s\",\"slot\":0,\"node\":\"\",\"state\":\"stopping\"}",
	  true },

	{ "a worker", monitor_view_node,
	  "{\"ID\":\"n\",\"Spec\":{\"Role\":\"worker\",\"Availability\":\"drain\",\"Labels\":{\"secret\":"
	  "\"x\"}},\"Description\":{\"Hostname\":\"a1\",\"Engine\":{\"EngineVersion\":\"29.2.1\"},"
	  "\"Resources\":{\"NanoCPUs\":2000000000,\"MemoryBytes\":1024}},\"Status\":{\"State\":\"ready\","
	  "\"Addr\":\"10.77.16.4\"}}",
	  "{\"id\":\"n\",\"name\":\"a1\",\"role\":\"worker\",\"leader\":false,\"reachability\":\"\","
	  "\"state\":\"ready\",\"availability\":\"drain\",\"address\":\"10.77.16.4\",\"engine\":"
	  "\"29.2.1\",\"memory\":1024,\"cpus\":2}",
	  false },
	{ "a leader that calls itself 0.0.0.0", monitor_view_node,
	  "{\"ID\":\"n\",\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\"},\"Status\":{"
	  "\"State\":\"ready\",\"Addr\":\"0.0.0.0\"},\"ManagerStatus\":{\"Leader\":true,"
	  "\"Reachability\":\"reachable\",\"Addr\":\"10.77.0.10:2377\"}}",
	  "{\"id\":\"n\",\"name\":\"\",\"role\":\"manager\",\"leader\":true,\"reachability\":"
	  "\"reachable\",\"state\":\"ready\",\"availability\":\"active\",\"address\":\"10.77.0.10\","
	  "\"engine\":\"\",\"memory\":0,\"cpus\":0}",
	  false },
	{ "a node that is down", monitor_view_node,
	  "{\"ID\":\"n\",\"Status\":{\"State\":\"down\"}}",
	  "{\"id\":\"n\",\"name\":\"\",\"role\":\"\",\"leader\":false,\"reachability\":\"\",\"state\":"
	  "\"down\",\"availability\":\"\",\"address\":\"\",\"engine\":\"\",\"memory\":0,\"cpus\":0}",
	  true },

	{ "a service", monitor_view_service,
	  "{\"ID\":\"s\",\"Spec\":{\"Name\":\"web\",\"Mode\":{\"Replicated\":{\"Replicas\":3}},"
	  "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"r/azswarm:1@sha256:00\",\"Env\":[\"P=w\"]}}},"
	  "\"Endpoint\":{\"Ports\":[{\"PublishedPort\":80},{\"PublishedPort\":0},{\"PublishedPort\":99999},"
	  "{\"PublishedPort\":443}]},\"UpdateStatus\":{\"State\":\"updating\"}}",
	  "{\"id\":\"s\",\"name\":\"web\",\"mode\":\"replicated\",\"desired\":3,\"running\":0,\"image\":"
	  "\"r/azswarm:1\",\"update\":\"updating\",\"ports\":[80,443]}",
	  false },
	{ "a service with more than any can have", monitor_view_service,
	  "{\"ID\":\"s\",\"Spec\":{\"Mode\":{\"Replicated\":{\"Replicas\":99999999999}}}}",
	  "{\"id\":\"s\",\"name\":\"\",\"mode\":\"replicated\",\"desired\":20000,\"running\":0,\"image\":"
	  "\"\",\"update\":\"\",\"ports\":[]}",
	  false },
	{ "a job", monitor_view_service,
	  "{\"ID\":\"s\",\"Spec\":{\"Mode\":{\"GlobalJob\":{}}}}",
	  "{\"id\":\"s\",\"name\":\"\",\"mode\":\"job\",\"desired\":0,\"running\":0,\"image\":\"\","
	  "\"update\":\"\",\"ports\":[]}",
	  false },
};

static void elements(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		cJSON *doc = json_parse(str_of(cases[i].in), cases[i].name, &e),
		      *back;
		struct buf all = BUF_INIT(65536);
		struct monitor_view v;
		const struct buf *got;

		monitor_view_init(&v, NOW);
		if (doc == NULL || cases[i].read(&v, doc, &e) < 0) {
			check(false, cases[i].name, e.msg);
		} else {
			got = cases[i].read == monitor_view_task ?
				      &v.tasks.text :
			      cases[i].read == monitor_view_node ?
				      &v.nodes.text :
				      &v.services_rows.text;
			/* an answer is one document, whatever was put into it */
			monitor_view_write(&v, "a \"title\"", "", &all);
			back = json_parse(buf_str(&all), "state", &e);
			check(strcmp(got->str, cases[i].out) == 0 &&
				      v.restless == cases[i].restless &&
				      back != NULL,
			      cases[i].name, got->str);
			json_free(back);
		}
		monitor_view_release(&v);
		buf_release(&all);
		json_free(doc);
	}
}

/* Failures: the newest, and only while it is news. */
static void feed(struct monitor_view *v, reader *r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void feed(struct monitor_view *v, reader *r, const char *fmt, ...)
{
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	cJSON *doc = json_parse(buf_str(&b), "test", &e);

	if (doc == NULL || r(v, doc, &e) < 0)
		check(false, "feeding", e.msg);
	json_free(doc);
	buf_release(&b);
}

static void together(void)
{
	static const char failed[] =
		"{\"ID\":\"f\",\"ServiceID\":\"s\",\"DesiredState\":\"shutdown\","
		"\"Status\":{\"State\":\"failed\",\"Err\":\"%s\",\"Timestamp\":\"2026-11-23T0%sZ\"}}";
	static const char runs[] =
		"{\"ID\":\"%d\",\"ServiceID\":\"%s\",\"Status\":{\"State\":\"running\"},"
		"\"DesiredState\":\"running\"}";
	struct monitor_view v;

	monitor_view_init(&v, NOW);
	feed(&v, monitor_view_task, failed, "newer", "4:59:00.123456789");
	feed(&v, monitor_view_task, failed, "older", "4:58:00");
	feed(&v, monitor_view_task, failed, "no time", "x");
	for (int i = 0; i < 3; i++)
		feed(&v, monitor_view_task, runs, i, "s");
	feed(&v, monitor_view_task, runs, 9, "other");
	feed(&v, monitor_view_service,
	     "{\"ID\":\"s\",\"Spec\":{\"Name\":\"web\",\"Mode\":{\"Global\":{}}}}");
	check(strstr(v.services_rows.text.str,
		     "\"mode\":\"global\","
		     "\"desired\":3,\"running\":3,") != NULL &&
		      strstr(v.services_rows.text.str,
			     "\"failure\":\"newer\"") != NULL,
	      "counts, and the newest failure", v.services_rows.text.str);
	monitor_view_release(&v);

	monitor_view_init(&v, NOW);
	feed(&v, monitor_view_task, failed, "yesterday's", "4:54:59");
	feed(&v, monitor_view_service, "{\"ID\":\"s\"}");
	check(strstr(v.services_rows.text.str, "failure") == NULL,
	      "an old failure is no news", v.services_rows.text.str);
	monitor_view_release(&v);
}

/*
 * A page that is told changes knows as much as one that is told the whole:
 * rows come, go and differ by chance, are told in another order and now and then
 * twice, and what a page makes of the changes is held against the whole.
 */
static unsigned chance(unsigned n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

static void some_view(struct monitor_view *v, unsigned round)
{
	static const char *const ids[] = { "a", "b\\\"", "c\\\\", "},{",
					   "",	"f",	 "g",	  "h" };
	const char *states[] = { "running", "pending" };

	monitor_view_init(v, NOW);
	for (unsigned i = chance(3); i < 8 && round % 7 != 0; i++) {
		if (chance(4) == 0)
			continue;
		feed(v, monitor_view_task,
		     "{\"ID\":\"%s\",\"ServiceID\":\"s\",\"Slot\":%u,\"Status\":{\"State\":\"%s\"},"
		     "\"DesiredState\":\"running\"}",
		     ids[i], chance(2), states[chance(2)]);
		if (chance(3) == 0)
			feed(v, monitor_view_node,
			     "{\"ID\":\"%s\",\"Status\":{\"State\":\"ready\"}}",
			     ids[7 - i]);
		if (chance(8) == 0)
			i = chance(i + 1);
	}
	feed(v, monitor_view_service,
	     "{\"ID\":\"s\",\"Spec\":{\"Name\":\"%u\"}}", chance(2));
}

/* As the page keeps them: by their ids, of two the last. */
static void keep_row(cJSON *table, const cJSON *row)
{
	const char *id = json_str_opt(row, "id", "?");

	cJSON_DeleteItemFromObjectCaseSensitive(table, id);
	cJSON_AddItemToObject(table, id, cJSON_Duplicate(row, true));
}

static const char *const tables[] = { "nodes", "services", "tasks" };

static cJSON *page_of(const cJSON *whole)
{
	cJSON *page = cJSON_CreateObject();
	const cJSON *row;

	for (size_t i = 0; i < 3; i++) {
		cJSON *table = cJSON_AddObjectToObject(page, tables[i]);

		cJSON_ArrayForEach(row, json_get(whole, tables[i]))
			keep_row(table, row);
	}
	return page;
}

static void page_changes(cJSON *page, const cJSON *change)
{
	const cJSON *it;

	for (size_t i = 0; i < 3; i++) {
		cJSON *table = cJSON_GetObjectItem(page, tables[i]);
		const cJSON *told = json_get(change, tables[i]);

		cJSON_ArrayForEach(it, json_get(told, "gone"))
			cJSON_DeleteItemFromObjectCaseSensitive(table,
								it->valuestring);
		cJSON_ArrayForEach(it, json_get(told, "rows"))
			keep_row(table, it);
	}
}

static cJSON *document(const struct buf *b)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(buf_str(b), "document", &e);

	if (doc == NULL)
		check(false, "what is told is JSON", e.msg);
	return doc;
}

static void changes(void)
{
	struct monitor_view was;
	struct buf b = BUF_INIT(65536);
	cJSON *page, *doc, *fresh;
	unsigned told = 0, wrong = 0;

	monitor_view_init(&was, NOW);
	monitor_view_write(&was, "T", "", &b);
	doc = document(&b);
	page = page_of(doc);
	json_free(doc);
	for (unsigned round = 1; round < 2000; round++) {
		struct monitor_view now;

		some_view(&now, round);
		buf_reset(&b);
		monitor_view_change(&was, &now, "T", "", &b);
		doc = document(&b);
		told += (unsigned)cJSON_GetArraySize(json_at(doc, "tasks.rows"));
		page_changes(page, doc);
		json_free(doc);
		buf_reset(&b);
		monitor_view_write(&now, "T", "", &b);
		doc = document(&b);
		fresh = page_of(doc);
		wrong += !cJSON_Compare(page, fresh, true);
		json_free(fresh);
		json_free(doc);
		/* what is as it was is not told */
		buf_reset(&b);
		monitor_view_change(&now, &now, "T", "", &b);
		wrong += strcmp(b.str,
				"{\"title\":\"T\",\"error\":\"\","
				"\"nodes\":{\"gone\":[],\"rows\":[]},"
				"\"services\":{\"gone\":[],\"rows\":[]},"
				"\"tasks\":{\"gone\":[],\"rows\":[]}}") != 0;
		monitor_view_release(&was);
		was = now;
	}
	check(wrong == 0 && told > 1000, "changes make the whole", b.str);
	json_free(page);
	monitor_view_release(&was);
	buf_release(&b);
}

static void many(void)
{
	struct monitor_view v;
	struct err e = ERR_INIT;
	cJSON *task = json_parse(STR("{\"ID\":\"t\",\"ServiceID\":\"s\",\"Status\":{\"State\":\"running\"},"
				     "\"DesiredState\":\"running\"}"),
				 "test", &e),
	      *other;
	int n = 0;

	monitor_view_init(&v, NOW);
	while (n < 30000 && monitor_view_task(&v, task, &e) == 0)
		n++;
	check(n == MONITOR_TASKS_MAX &&
		      strstr(e.msg, "more than 20000 tasks") != NULL,
	      "as many tasks as may be", e.msg);
	monitor_view_release(&v);

	monitor_view_init(&v, NOW);
	err_clear(&e);
	for (n = 0; n < 3000; n++) {
		char id[16];

		snprintf(id, sizeof(id), "s%d", n);
		other = cJSON_Duplicate(task, true);
		json_set(other, "ServiceID", cJSON_CreateString(id));
		if (monitor_view_task(&v, other, &e) < 0)
			break;
		json_free(other);
	}
	char got[64];

	snprintf(got, sizeof(got), "%zu", v.n_services);
	check(n == 3000 && v.n_services == 2000 && v.n_tasks == 2000,
	      "as many services as may be", got);
	monitor_view_release(&v);
	json_free(task);
}

/* Hosts that a request may have, with "a.test master0 B.Test" for names. */
static const struct {
	const char *host;
	bool ours;
} hosts[] = {
	{ "localhost", true },
	{ "localhost:8080", true },
	{ "LocalHost:1", true },
	{ "localhost.", true },
	{ "127.0.0.1", true },
	{ "127.0.0.1:9080", true },
	{ "10.77.0.10:8080", true },
	{ "20.1.2.3", true },
	{ "[::1]", true },
	{ "[::1]:8080", true },
	{ "[2001:db8::1]:8080", true },
	{ "a.test", true },
	{ "A.TEST:8080", true },
	{ "a.test.:8080", true },
	{ "b.test", true },
	{ "master0:8080", true },
	/* names that somebody may have bent to our address */
	{ "evil.example", false },
	{ "evil.example:8080", false },
	{ "x.a.test", false },
	{ "a.test.evil.example", false },
	{ "localhost.evil.example", false },
	{ "evil.localhost", false },
	{ "127.0.0.1.evil.example", false },
	{ "127.0.0.1.nip.io:8080", false },
	{ "127.1", false }, /* a resolver's matter, not an address */
	{ "0x7f000001", false },
	{ "2130706433", false },
	{ "::1", false },
	{ "[::1", false },
	{ "[127.0.0.1]", false },
	{ "[localhost]", false },
	{ "[::1]x", false },
	{ "[::1]:x", false },
	{ "localhost:", false },
	{ "localhost:8080:8080", false },
	{ "localhost:99999", false },
	{ "a.test master0", false },
	{ "user@localhost", false },
	{ " ", false },
	{ ".", false },
	{ ":8080", false },
	{ "", false },
};

static void for_whom(void)
{
	static const char names[] = "a.test master0 B.Test ";

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		struct str host = str_of(hosts[i].host);
		char name[100];

		snprintf(name, sizeof(name), "a request to \"%.60s\"", host.p);
		check(monitor_is_host(host, names) == hosts[i].ours, name,
		      hosts[i].ours ? "is not for us" : "is for us");
	}
	check(!monitor_is_host(STR("evil.example"), "") &&
		      !monitor_is_host(STR("evil.example"), NULL) &&
		      !monitor_is_host(STR("127.0.0.1\0x"), ""),
	      "without names, and with a NUL", "is for us");
}

static void nothing(void)
{
	struct buf b = BUF_INIT(4096);

	monitor_view_write(NULL, "T", "not \"read\" yet", &b);
	check(strcmp(b.str,
		     "{\"title\":\"T\",\"error\":\"not \\\"read\\\" "
		     "yet\",\"nodes\":[],\"services\":[],\"tasks\":[]}") == 0,
	      "before anything was read", b.str);
	buf_release(&b);
}

int main(void)
{
	json_init();
	elements();
	together();
	changes();
	many();
	nothing();
	for_whom();
	return check_failed();
}
