/*
 * The engine of peers.h when the input has nothing for it to say: a manager,
 * or a worker, of a swarm with a row of every kind in its table.  It forgets
 * what it is told.
 */
#ifndef TESTS_FUZZ_ENGINE_H
#define TESTS_FUZZ_ENGINE_H

#include "tests/fuzz/peers.h"

#define ENGINE_WORKER_TOKEN "SWMTKN-1-worker"
#define ENGINE_MANAGER_TOKEN "SWMTKN-1-manager"

/* Whose engine it is: "n0" leads the managers, "n1" is a worker. */
static const char *engine_self = "n0";

static const struct engine_row {
	const char *id, *name, *addr, *role, *state, *availability, *labels;
} engine_rows[] = {
	{ "n0", "m0", "10.0.0.10", "manager", "ready", "active", "" },
	{ "n1", "w1", "10.0.0.21", "worker", "ready", "active", "" },
	{ "n2", "w2", "10.0.0.22", "worker", "ready", "active",
	  "\"azswarm.evict\":\"quiet since=1700000000 until=1700001200 "
	  "limit=120 by=operator\","
	  "\"azswarm.leaving\":\"active\"" },
	{ "n3", "w3", "10.0.0.23", "worker", "down", "active", "" },
	{ "n4", "w4", "10.0.0.24", "worker", "ready", "drain",
	  "\"azswarm.evict\":\"out since=1700000000 until=1700000900 "
	  "limit=120 by=event\","
	  "\"azswarm.leaving\":\"pause\"" },
	{ "n5", "w1", "10.0.0.25", "worker", "ready", "active",
	  "\"azswarm.stop\":\"t1\",\"azswarm.evict\":\"asked since=1700000000 "
	  "until=1700001200 limit=60 by=operator\"" },
};
#define ENGINE_ROWS (sizeof(engine_rows) / sizeof(engine_rows[0]))

static inline void engine_row(const struct engine_row *r, struct buf *b)
{
	buf_addf(b,
		 "{\"ID\":\"%s\",\"Version\":{\"Index\":7},"
		 "\"CreatedAt\":\"2024-01-02T03:04:05.%sZ\","
		 "\"Spec\":{\"Role\":\"%s\",\"Availability\":\"%s\","
		 "\"Labels\":{%s}},"
		 "\"Description\":{\"Hostname\":\"%s\"},"
		 "\"Status\":{\"State\":\"%s\",\"Addr\":\"%s\"}",
		 r->id, r->id + 1, r->role, r->availability, r->labels, r->name,
		 r->state, r->addr);
	if (strcmp(r->role, "manager") == 0)
		buf_addf(b,
			 ",\"ManagerStatus\":{\"Leader\":true,"
			 "\"Reachability\":\"reachable\",\"Addr\":\"%s:2377\"}",
			 r->addr);
	buf_adds(b, "}");
}

static inline void usual_info(struct buf *b)
{
	bool manager = strcmp(engine_self, "n0") == 0;

	buf_addf(b,
		 "{\"Name\":\"x\",\"ServerVersion\":\"27.0.1\",\"Swarm\":{"
		 "\"LocalNodeState\":\"active\",\"ControlAvailable\":%s,"
		 "\"NodeID\":\"%s\",\"Cluster\":{\"ID\":\"cl1\"}}}",
		 manager ? "true" : "false", engine_self);
}

/* [{...}], or the one behind "/nodes/". */
static inline unsigned engine_nodes(struct str path, struct buf *b)
{
	struct str id = str_skip(path, sizeof("/nodes/") - 1);

	buf_adds(b, path.n == 6 ? "[" : "");
	for (size_t i = 0; i < ENGINE_ROWS; i++) {
		if (path.n != 6 && !str_eqz(id, engine_rows[i].id))
			continue;
		buf_adds(b, path.n == 6 && i > 0 ? "," : "");
		engine_row(&engine_rows[i], b);
	}
	if (path.n != 6 && b->n == 0) {
		buf_adds(b, "{\"message\":\"no such node\"}");
		return 404;
	}
	buf_adds(b, path.n == 6 ? "]" : "");
	return 200;
}

static inline unsigned engine_usual(struct str method, struct str target,
				    struct buf *b)
{
	static const struct {
		const char *path, *text;
	} rest[] = {
		{ "/swarm", "{\"JoinTokens\":{\"Worker\":\"" ENGINE_WORKER_TOKEN
			    "\",\"Manager\":\"" ENGINE_MANAGER_TOKEN "\"}}" },
		{ "/services", "[{\"ID\":\"s1\",\"Spec\":{\"Name\":\"web\","
			       "\"Mode\":{\"Replicated\":{\"Replicas\":3}}}},"
			       "{\"ID\":\"s2\",\"Spec\":{\"Name\":\"all\","
			       "\"Mode\":{\"Global\":{}}}}]" },
		{ "/tasks", "[{\"ID\":\"t1\",\"ServiceID\":\"s1\","
			    "\"NodeID\":\"n1\",\"DesiredState\":\"running\","
			    "\"Status\":{\"State\":\"running\"}},"
			    "{\"ID\":\"t2\",\"ServiceID\":\"s1\","
			    "\"NodeID\":\"n2\",\"DesiredState\":\"running\","
			    "\"Status\":{\"State\":\"running\"}},"
			    "{\"ID\":\"t3\",\"ServiceID\":\"s2\","
			    "\"NodeID\":\"n2\",\"DesiredState\":\"shutdown\","
			    "\"Status\":{\"State\":\"running\"}}]" },
		{ "/containers/json", "[{\"Id\":\"c1\"}]" },
		{ "/networks/ingress",
		  "{\"IPAM\":{\"Config\":[{\"Subnet\":\"10.208.0.0/20\"}]}}" },
	};
	struct str path = target;

	/* behind "/v1.44" */
	if (str_starts(path, STR("/v1.")))
		path = str_skip(path,
				(size_t)(str_chr(str_skip(path, 1), '/') + 1));
	if (str_chr(path, '?') >= 0)
		path = str_head(path, (size_t)str_chr(path, '?'));
	if (!str_eqz(method, "GET")) {
		buf_adds(b, "{}");
		return 200;
	}
	if (str_eqz(path, "/info")) {
		usual_info(b);
		return 200;
	}
	if (str_eqz(path, "/nodes") || str_starts(path, STR("/nodes/")))
		return engine_nodes(path, b);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		if (str_eqz(path, rest[i].path)) {
			buf_adds(b, rest[i].text);
			return 200;
		}
	buf_adds(b, "{\"message\":\"page not found\"}");
	return 404;
}

#endif
