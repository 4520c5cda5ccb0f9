/* docker/labels: what an operator wrote on a node, between two rows of one
 * machine, against an engine with a swarm of its own and a few nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docker/labels.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

#define ROWS 3

/* The engine's: what it was last given, as it was written. */
struct world {
	struct {
		const char *id, *host, *addr;
		bool gone;
		cJSON *labels;
		int64_t version;
	} row[ROWS];
	cJSON *spec; /* of the swarm */
	int64_t version;
	unsigned refuse; /* so many updates of the swarm, for another was faster */
	unsigned writes; /* of nodes */
	char wrong[256];
};

static struct world world = {
	.row = { { .id = "old1", .host = "agents000001", .addr = "10.77.16.5" },
		 { .id = "new1", .host = "agents000001", .addr = "10.77.16.5" },
		 { .id = "liar", .host = "agents000001", .addr = "10.77.16.6" } },
};

static bool version_is(const char *target, int64_t version)
{
	const char *v = strstr(target, "version=");

	return v != NULL && strtoll(v + 8, NULL, 10) == version;
}

static void answer_doc(struct engine_reply *r, cJSON *doc)
{
	struct buf b = BUF_INIT(sizeof(r->buf) - 1);

	json_print(doc, &b);
	memcpy(r->buf, b.str, b.n + 1);
	r->body = r->buf;
	buf_release(&b);
	json_free(doc);
}

static void answer_swarm(struct world *w, struct engine_reply *r)
{
	cJSON *doc = cJSON_CreateObject();

	json_add_int(json_add_obj(doc, "Version"), "Index", w->version);
	json_set(doc, "Spec", cJSON_Duplicate(w->spec, true));
	json_add_str(json_add_obj(doc, "JoinTokens"), "Worker", "SWMTKN-1-x");
	answer_doc(r, doc);
}

static void answer_node(struct world *w, size_t i, struct engine_reply *r)
{
	cJSON *doc = cJSON_CreateObject(), *spec;

	json_add_str(doc, "ID", w->row[i].id);
	json_add_int(json_add_obj(doc, "Version"), "Index", w->row[i].version);
	spec = json_add_obj(doc, "Spec");
	json_add_str(spec, "Role", "worker");
	json_add_str(spec, "Availability", "active");
	json_set(spec, "Labels", cJSON_Duplicate(w->row[i].labels, true));
	json_add_str(json_add_obj(doc, "Description"), "Hostname", w->row[i].host);
	spec = json_add_obj(doc, "Status");
	json_add_str(spec, "State", "ready");
	json_add_str(spec, "Addr", w->row[i].addr);
	answer_doc(r, doc);
}

static void take_swarm(struct world *w, const char *target, const char *body,
		       struct engine_reply *r)
{
	struct err e = ERR_INIT;

	if (w->refuse > 0 || !version_is(target, w->version)) {
		w->refuse -= w->refuse > 0;
		r->status = 500;
		r->body = "{\"message\":\"rpc error: code = Unknown desc = "
			  "update out of sequence\"}";
		return;
	}
	json_free(w->spec);
	w->spec = json_parse(str_of(body), "spec", &e);
	w->version++;
}

static void take_node(struct world *w, size_t i, const char *target,
		      const char *body, struct engine_reply *r)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(body), "spec", &e);

	if (!version_is(target, w->row[i].version)) {
		r->status = 500;
		return;
	}
	json_free(w->row[i].labels);
	w->row[i].labels = cJSON_Duplicate(json_get(doc, "Labels"), true);
	w->row[i].version++;
	w->writes++;
	json_free(doc);
}

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	struct world *w = ctx;
	bool post = strcmp(method, "POST") == 0;

	r->body = "{}";
	target = strncmp(target, "/v1.", 4) == 0 ? strchr(target + 1, '/') :
						   target;
	if (strcmp(target, "/_ping") == 0)
		return;
	if (strncmp(target, "/swarm/update", 13) == 0 && post) {
		take_swarm(w, target, body, r);
		return;
	}
	if (strcmp(target, "/swarm") == 0) {
		answer_swarm(w, r);
		return;
	}
	for (size_t i = 0; i < ROWS; i++) {
		if (strncmp(target, "/nodes/", 7) != 0 || w->row[i].gone ||
		    strncmp(target + 7, w->row[i].id, strlen(w->row[i].id)) != 0)
			continue;
		if (post)
			take_node(w, i, target, body, r);
		else
			answer_node(w, i, r);
		return;
	}
	if (strncmp(target, "/nodes/", 7) != 0)
		snprintf(w->wrong, sizeof(w->wrong), "%s %.200s", method, target);
	r->status = 404;
	r->body = "{\"message\":\"node not found\"}";
}

static struct engine engine = { .answer = answer, .ctx = &world };
static struct docker docker;

static cJSON *labels(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "labels", &e);

	if (doc == NULL)
		abort();
	return doc;
}

static void has(const char *name, const cJSON *doc, const char *text)
{
	cJSON *want = labels(text);
	struct buf b = BUF_INIT(8192);

	json_print(doc, &b);
	checkf(cJSON_Compare(doc, want, true), name, "%s, not %s", b.str, text);
	buf_release(&b);
	json_free(want);
}

static int keep(const char *id, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return docker_labels_keep(&docker, id, e);
}

/* To the rows that are not gone. */
static int give(struct err *e)
{
	struct docker_node nodes[ROWS];
	size_t n = 0;

	*e = (struct err)ERR_INIT;
	for (size_t i = 0; i < ROWS; i++)
		if (!world.row[i].gone &&
		    docker_node(&docker, world.row[i].id, &nodes[n++], e) < 0)
			return -1;
	return docker_labels_give(&docker, nodes, n, e);
}

static const char *kept(void)
{
	return json_str_opt(json_get(json_at(world.spec, "Labels"),
				     DOCKER_LABEL_KEPT),
			    "", "none");
}

int main(void)
{
	struct err e;
	int rc;

	json_init();
	snprintf(engine.path, sizeof(engine.path), "/tmp/labels-%d.sock",
		 (int)getpid());
	world.spec = labels("{\"Name\":\"default\",\"Labels\":{\"theirs\":\"1\"},"
			    "\"Raft\":{\"KeepOldSnapshots\":3}}");
	for (size_t i = 0; i < ROWS; i++)
		world.row[i].labels = labels("{}");
	engine_start(&engine);
	docker_init_unix(&docker, engine.path);

	check(keep("old1", &e) == 0 && world.version == 0,
	      "a row without labels: nothing is written", e.msg);
	check(keep("nobody", &e) == 0 && world.version == 0,
	      "a row that is gone: nothing is written", e.msg);
	json_free(world.row[0].labels);
	world.row[0].labels = labels("{\"azswarm.version\":\"1\"}");
	check(keep("old1", &e) == 0 && world.version == 0,
	      "labels of our own go with the row", e.msg);

	json_free(world.row[0].labels);
	world.row[0].labels = labels("{\"rack\":\"a1\",\"disk\":\"ssd\","
				     "\"azswarm.version\":\"1\"}");
	world.refuse = 2;
	check(keep("old1", &e) == 0 && world.version == 1,
	      "kept, although others wrote in between", e.msg);
	has("and nothing else of the swarm is another",
	    json_at(world.spec, "Raft"), "{\"KeepOldSnapshots\":3}");
	check(strcmp(json_str_opt(world.spec, "Labels.theirs", ""), "1") == 0,
	      "nor are labels of the swarm", "theirs");
	check(keep("old1", &e) == 0 && world.version == 1,
	      "kept twice is written once", e.msg);

	world.row[1].gone = true;
	check(give(&e) == 0 && world.writes == 0,
	      "not to the row they were of, nor to another address", e.msg);
	world.row[0].gone = true;
	world.row[1].gone = false;
	json_free(world.row[1].labels);
	world.row[1].labels = labels("{\"disk\":\"hdd\"}");
	rc = give(&e);
	check(rc == 0, "given to the machine's new row", e.msg);
	has("what it has already stays", world.row[1].labels,
	    "{\"disk\":\"hdd\",\"rack\":\"a1\"}");
	has("and another of that name gets none", world.row[2].labels, "{}");
	check(strcmp(kept(), "{}") == 0, "and nothing is kept any more", kept());
	check(give(&e) == 0 && world.writes == 1, "given once", e.msg);

	/* many machines that never come back */
	world.row[0].gone = false;
	for (int i = 0; i < DOCKER_KEPT_MAX + 5; i++) {
		char host[32];

		snprintf(host, sizeof(host), "gone%06d", i);
		world.row[0].host = host;
		if (keep("old1", &e) < 0)
			break;
	}
	check(e.kind == ERR_NONE && strstr(kept(), "gone000004") == NULL &&
		      strstr(kept(), "gone000005") != NULL,
	      "the oldest are forgotten", kept());
	{
		cJSON *many = cJSON_CreateObject();
		char value[3001];

		memset(value, 'v', 3000);
		value[3000] = '\0';
		json_add_str(many, "rack", value);
		json_free(world.row[0].labels);
		world.row[0].labels = many;
	}
	for (int i = 0; i < 30; i++) {
		char host[32];

		snprintf(host, sizeof(host), "long%06d", i);
		world.row[0].host = host;
		if (keep("old1", &e) < 0)
			break;
	}
	check(e.kind == ERR_NONE && strstr(kept(), "long000029") != NULL &&
		      strstr(kept(), "long000000") == NULL,
	      "and so they are when there is much of each", e.msg);
	world.refuse = 50;
	world.row[0].host = "agents000001";
	check(keep("old1", &e) < 0 && world.refuse == 45,
	      "it is not tried for ever", e.msg);
	check(world.wrong[0] == '\0', "nothing else was asked", world.wrong);

	docker_release(&docker);
	engine_stop(&engine);
	for (size_t i = 0; i < ROWS; i++)
		json_free(world.row[i].labels);
	json_free(world.spec);
	return check_failed();
}
