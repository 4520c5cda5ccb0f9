/* docker/: the Engine API against an engine that follows a script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/docker.h"
#include "docker/work.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

/* ---- the script ---- */

struct exchange {
	const char *method, *target;
	const char *body; /* what the request's body must hold, NULL: anything */
	unsigned status;
	const char *answer;
	const char *fields;
	bool hang_up, cut;
};
struct script {
	const struct exchange *list;
	size_t n, at;
	size_t piece;
	int delay_ms;
	char wrong[512];
};

static void by_script(void *ctx, const char *method, const char *target,
		      const char *body, struct engine_reply *r)
{
	struct script *s = ctx;
	const struct exchange *x;

	if (s->at == s->n) {
		snprintf(s->wrong, sizeof(s->wrong), "unexpected %s %s", method,
			 target);
		r->status = 500;
		return;
	}
	x = &s->list[s->at++];
	if (strcmp(method, x->method) != 0 || strcmp(target, x->target) != 0 ||
	    (x->body != NULL && strstr(body, x->body) == NULL))
		snprintf(s->wrong, sizeof(s->wrong), "%s %s %s", method, target,
			 body);
	r->status = x->status;
	r->body = x->answer;
	r->fields = x->fields;
	r->hang_up = x->hang_up;
	r->cut = x->cut;
	r->piece = x->status == 204 ? 0 : s->piece;
	r->delay_ms = s->delay_ms;
}

static struct engine engine = { .answer = by_script };
static struct script script;
static struct docker docker;
static struct err err;

static void begin(const struct exchange *list, size_t n, size_t piece)
{
	script = (struct script){ .list = list, .n = n, .piece = piece };
	engine.ctx = &script;
	err = (struct err)ERR_INIT;
	docker_init_unix(&docker, engine.path);
	docker.timeout_ms = 5000;
}

/* words NULL: rc must be 0; otherwise -1 with these words. */
static void finish(const char *name, int rc, const char *words, bool more)
{
	bool good = more && script.at == script.n && script.wrong[0] == '\0' &&
		    (words == NULL ? rc == 0 && err.kind == ERR_NONE :
				     rc < 0 && strstr(err.msg, words) != NULL);

	check(good, name, script.wrong[0] != '\0' ? script.wrong : err.msg);
	docker_release(&docker);
}

/* The call first, what it left behind afterwards. */
#define end(name, call, words, more) \
	do { \
		int rc_ = (call); \
		finish(name, rc_, words, more); \
	} while (0)
#define N(list) (sizeof(list) / sizeof((list)[0]))
#define PING \
	{ \
		"GET", "/_ping", NULL, 200, "OK", NULL, false, false \
	}
#define V "/v1.41"

/* ---- versions ---- */

static void versions(void)
{
	static const struct {
		const char *name, *fields;
		const char *words;
		unsigned api;
	} rows[] = {
		{ "an older engine", NULL, NULL, 41 },
		{ "no version", "Server: x\r\n", "no API version", 0 },
		{ "the oldest that will do", "Api-Version: 1.40\r\n", NULL, 40 },
		{ "Engine 29", "Api-Version: 1.52\r\n", NULL, DOCKER_API_MAX },
		{ "an engine of years to come", "Api-Version: 1.99\r\n", NULL,
		  DOCKER_API_MAX },
		{ "too old", "Api-Version: 1.39\r\n", "1.40 is the oldest", 0 },
		{ "not a version", "Api-Version: one\r\n", "no API version", 0 },
		{ "half a version", "Api-Version: 1.\r\n", "API version \"1.\"",
		  0 },
		{ "version two", "Api-Version: 2.0\r\n", "speaks API 2.0", 0 },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct exchange list[] = { PING };

		list[0].fields = rows[i].fields;
		begin(list, 1, 0);
		end(rows[i].name, docker_hello(&docker, &err), rows[i].words,
		    docker.api == rows[i].api);
	}
}

static void refusals(void)
{
	static const struct exchange said[] = {
		PING,
		{ "GET", V "/x?filters=a", NULL, 409,
		  "{\"message\":\"it is\\u0007 so\"}", NULL, 0, 0 },
	};
	static const struct exchange silent[] = {
		PING,
		{ "GET", V "/x", NULL, 500, "<html>", NULL, 0, 0 },
	};
	static const struct exchange down[] = {
		{ "GET", "/_ping", NULL, 503, "{\"message\":\"starting\"}",
		  NULL, 0, 0 },
	};
	static const struct exchange garbage[] = {
		PING,
		{ "GET", V "/x", NULL, 200, "{\"a\":", NULL, 0, 0 },
	};
	static const struct exchange cut[] = {
		PING,
		{ "GET", V "/x", NULL, 200, "{\"a\":\"0123456789\"}", NULL, 0,
		  true },
	};
	static const struct exchange hung[] = {
		PING,
		{ "POST", V "/x", NULL, 200, "", NULL, true, false },
	};
	cJSON *doc;

	begin(said, N(said), 0);
	end("the engine's own words",
	    docker_call(&docker, "GET", "/x?filters=a", NULL, &doc, &err),
	    "Docker GET /x: it is? so (409)",
	    docker.status == 409 && err.kind == ERR_DOCKER);
	begin(silent, N(silent), 0);
	end("a refusal without words",
	    docker_call(&docker, "GET", "/x", NULL, &doc, &err),
	    "Internal Server Error (500)", docker.status == 500);
	begin(down, N(down), 0);
	end("a ping that is refused",
	    docker_call(&docker, "GET", "/x", NULL, &doc, &err),
	    "starting (503)", docker.status == 503);
	begin(garbage, N(garbage), 0);
	end("an answer that is not JSON",
	    docker_call(&docker, "GET", "/x", NULL, &doc, &err),
	    "Docker's answer: not JSON", true);
	begin(cut, N(cut), 0);
	end("an answer cut short",
	    docker_call(&docker, "GET", "/x", NULL, &doc, &err),
	    "Docker Engine", docker.status == 0);
	begin(hung, N(hung), 0);
	end("no answer to a POST: not sent twice",
	    docker_call(&docker, "POST", "/x", NULL, &doc, &err),
	    "Docker Engine", docker.status == 0);
}

static void unreachable(void)
{
	static const struct exchange slow[] = { PING };

	begin(NULL, 0, 0);
	docker.path = "/nonexistent/docker.sock";
	end("no socket", docker_hello(&docker, &err),
	    "/nonexistent/docker.sock", docker.status == 0);
	begin(slow, N(slow), 0);
	script.delay_ms = 800;
	docker.timeout_ms = 200;
	end("an engine that does not answer in time", docker_hello(&docker, &err),
	    "Docker Engine", err.kind == ERR_TIMEOUT);
	usleep(900000);
}

/* ---- lists ---- */

struct seen {
	char ids[256];
	int stop_at;
	int n;
};

static int see(void *ctx, const cJSON *item, struct err *e)
{
	struct seen *s = ctx;

	if (++s->n == s->stop_at)
		return err_set(e, ERR_DATA, "enough");
	strncat(s->ids, json_str_opt(item, "ID", "?"),
		sizeof(s->ids) - strlen(s->ids) - 2);
	strcat(s->ids, ";");
	return 0;
}

static void lists(void)
{
	static const struct {
		const char *name, *text, *ids, *words;
		int stop_at;
	} rows[] = {
		{ "none", "[]", "", NULL, 0 },
		{ "none, with blanks", " [ \n ] \n", "", NULL, 0 },
		{ "one", "[{\"ID\":\"a\"}]", "a;", NULL, 0 },
		{ "brackets, commas and quotes inside of strings",
		  "[{\"ID\":\"a]},\\\"[{\",\"x\":[1,[2],{\"y\":[]}]} , {\"ID\":\"b\\\\\"}]\n",
		  "a]},\"[{;b\\;", NULL, 0 },
		{ "plain values", "[1,\"x\",null]", "?;?;?;", NULL, 0 },
		{ "stopped on the way",
		  "[{\"ID\":\"a\"},{\"ID\":\"b\"},{\"ID\":\"c\"}]", "a;",
		  "enough", 2 },
		{ "an object", "{\"message\":\"hello\"}", "",
		  "something else than a list", 0 },
		{ "nothing", "", "", "the list has no end", 0 },
		{ "no end", "[{\"ID\":\"a\"},", "a;", "the list has no end", 0 },
		{ "an empty element", "[{\"ID\":\"a\"},,]", "a;", "not JSON", 0 },
		{ "a comma too many", "[{\"ID\":\"a\"},]", "a;", "", 0 },
		{ "a bracket too many", "[]]", "", "something else than a list",
		  0 },
		{ "two lists", "[][]", "", "something else than a list", 0 },
		{ "brackets that do not fit", "[{\"ID\":\"a\"]]", "",
		  "not JSON", 0 },
	};

	for (size_t i = 0; i < N(rows); i++) {
		/* whole, and in pieces of every size: where they are cut must not matter */
		for (size_t piece = 0; piece < strlen(rows[i].text) + 1; piece++) {
			const struct exchange list[] = {
				PING,
				{ "GET", V "/nodes", NULL, 200, rows[i].text,
				  NULL, 0, 0 },
			};
			struct seen s = { .stop_at = rows[i].stop_at };
			char name[128];
			int rc;

			begin(list, N(list), piece);
			rc = docker_each(&docker, "/nodes", see, &s, &err);
			snprintf(name, sizeof(name), "list: %s, in pieces of %zu",
				 rows[i].name, piece);
			if (rows[i].words != NULL && *rows[i].words == '\0')
				rc = 0, err_clear(&err);
			if (piece == 0 || strcmp(s.ids, rows[i].ids) != 0 ||
			    (rc < 0) != (rows[i].words != NULL &&
					 *rows[i].words != '\0'))
				end(name, rc,
				    rows[i].words != NULL &&
						    *rows[i].words == '\0' ?
					    NULL :
					    rows[i].words,
				    strcmp(s.ids, rows[i].ids) == 0);
			else
				docker_release(&docker);
		}
	}
}

static void list_bounds(void)
{
	size_t n = 300 << 10;
	char *text = malloc(n + 8);
	struct exchange list[] = { PING,
				   { "GET", V "/nodes", NULL, 200, text, NULL,
				     0, 0 } };
	static const struct exchange no[] = {
		PING,
		{ "GET", V "/nodes", NULL, 503,
		  "{\"message\":\"not a swarm manager\"}", NULL, 0, 0 },
	};
	struct seen s = { 0 };

	memset(text, 'x', n);
	memcpy(text, "[\"", 2);
	strcpy(text + n, "\"]");
	begin(list, N(list), 4096);
	end("an element of 300 KiB",
	    docker_each(&docker, "/nodes", see, &s, &err),
	    "an element of Docker's list is larger than", true);
	free(text);
	begin(no, N(no), 3);
	end("a refusal instead of a list",
	    docker_each(&docker, "/nodes", see, &s, &err),
	    "not a swarm manager (503)", docker.status == 503);
}

/* ---- the swarm ---- */

static void info(void)
{
	static const struct exchange manager[] = {
		PING,
		{ "GET", V "/info", NULL, 200,
		  "{\"Name\":\"master0\",\"ServerVersion\":\"20.10.24\","
		  "\"DockerRootDir\":\"/data/docker\",\"Swarm\":{\"NodeID\":\"esy4\","
		  "\"NodeAddr\":\"10.77.0.10\",\"LocalNodeState\":\"active\",\"ControlAvailable\":true,"
		  "\"Error\":\"\",\"Nodes\":3,\"Managers\":1,\"Cluster\":{\"ID\":\"olwi\"}}}",
		  NULL, 0, 0 },
	};
	static const struct exchange outside[] = {
		PING,
		{ "GET", V "/info", NULL, 200,
		  "{\"Name\":\"a\",\"Swarm\":{\"NodeID\":\"\","
		  "\"LocalNodeState\":\"inactive\",\"ControlAvailable\":false,\"Error\":\"\","
		  "\"RemoteManagers\":null}}",
		  NULL, 0, 0 },
	};
	static const struct exchange odd[] = {
		PING,
		{ "GET", V "/info", NULL, 200,
		  "{\"Swarm\":{\"NodeID\":\"../../x\"}}", NULL, 0, 0 },
	};
	static const struct exchange none[] = {
		PING,
		{ "GET", V "/info", NULL, 200, "{}", NULL, 0, 0 },
	};
	/* hostile: names, no address, more than there is room for */
	static const struct exchange remotes[] = {
		PING,
		{ "GET", V "/info", NULL, 200,
		  "{\"Swarm\":{\"LocalNodeState\":\"active\",\"RemoteManagers\":["
		  "{\"NodeID\":\"a\",\"Addr\":\"10.77.0.11:2377\"},{\"Addr\":\"[fd00::1]:2377\"},"
		  "{\"Addr\":\"evil.example:2377\"},{\"Addr\":7},{},null,\"10.0.0.9\","
		  "{\"Addr\":\"10.0.0.1:1\"},{\"Addr\":\"10.0.0.2:1\"},{\"Addr\":\"10.0.0.3:1\"},"
		  "{\"Addr\":\"10.0.0.4:1\"},{\"Addr\":\"10.0.0.5:1\"},{\"Addr\":\"10.0.0.6:1\"},"
		  "{\"Addr\":\"10.0.0.7:1\"}]}}",
		  NULL, 0, 0 },
	};
	struct docker_info i;
	int rc;

	begin(remotes, N(remotes), 0);
	rc = docker_info(&docker, &i, &err);
	end("where managers are", rc, NULL,
	    i.known.n == DOCKER_MANAGERS_MAX &&
		    strcmp(i.known.addr[0], "10.77.0.11") == 0 &&
		    strcmp(i.known.addr[1], "fd00::1") == 0 &&
		    strcmp(i.known.addr[2], "10.0.0.1") == 0 &&
		    strcmp(i.known.addr[7], "10.0.0.6") == 0);
	begin(manager, N(manager), 5);
	rc = docker_info(&docker, &i, &err);
	end("a manager's info", rc, NULL,
	    i.state == DOCKER_SWARM_ACTIVE && i.manager && i.nodes == 3 &&
		    strcmp(i.node_id, "esy4") == 0 &&
		    strcmp(i.cluster_id, "olwi") == 0 &&
		    strcmp(i.hostname, "master0") == 0 &&
		    strcmp(i.root, "/data/docker") == 0);
	begin(outside, N(outside), 0);
	rc = docker_info(&docker, &i, &err);
	end("outside of any swarm", rc, NULL,
	    i.state == DOCKER_SWARM_INACTIVE && !i.manager && i.known.n == 0 &&
		    i.node_id[0] == '\0');
	begin(odd, N(odd), 0);
	end("an ID that is a path", docker_info(&docker, &i, &err), "is no ID",
	    true);
	begin(none, N(none), 0);
	end("info without a swarm", docker_info(&docker, &i, &err), "Swarm", true);
}

static void swarm(void)
{
	static const struct exchange init[] = {
		PING,
		{ "POST", V "/swarm/init",
		  "{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":"
		  "\"10.77.0.10\",\"DefaultAddrPool\":[\"10.192.0.0/12\"],\"SubnetSize\":24,"
		  "\"ForceNewCluster\":false,\"Spec\":{\"Raft\":{\"KeepOldSnapshots\":3}}}",
		  200, "\"esy4\"\n", NULL, 0, 0 },
	};
	static const struct exchange again[] = {
		PING,
		{ "POST", V "/swarm/init", NULL, 503,
		  "{\"message\":\"This node is already part of a swarm.\"}",
		  NULL, 0, 0 },
	};
	static const struct exchange join[] = {
		PING,
		{ "POST", V "/swarm/join",
		  "{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":"
		  "\"10.77.16.4\",\"RemoteAddrs\":[\"10.77.0.10:2377\"],\"JoinToken\":\"SWMTKN-1-x\"}",
		  200, "", NULL, 0, 0 },
	};
	static const struct exchange leave[] = {
		PING,
		{ "POST", V "/swarm/leave", NULL, 200, "", NULL, 0, 0 },
		{ "POST", V "/swarm/leave?force=1", NULL, 200, "", NULL, 0, 0 },
	};
	static const struct exchange tokens[] = {
		PING,
		{ "GET", V "/swarm", NULL, 200,
		  "{\"JoinTokens\":{\"Worker\":\"w-t\",\"Manager\":\"m-t\"}}",
		  NULL, 0, 0 },
		{ "GET", V "/swarm", NULL, 200,
		  "{\"JoinTokens\":{\"Worker\":\"w-t\",\"Manager\":\"m-t\"}}",
		  NULL, 0, 0 },
	};
	static const struct docker_init_spec spec = {
		.advertise = "10.77.0.10",
		.addr_pool = "10.192.0.0/12",
		.keep_snapshots = 3,
	};
	static const struct exchange rotate[] = {
		PING,
		{ "GET", V "/swarm", NULL, 200,
		  "{\"Version\":{\"Index\":11},\"Spec\":{\"Name\":\"default\"},"
		  "\"JoinTokens\":{\"Worker\":\"w-t\",\"Manager\":\"m-t\"}}",
		  NULL, 0, 0 },
		{ "POST",
		  V "/swarm/update?version=11&rotateWorkerToken=true"
		    "&rotateManagerToken=true",
		  "{\"Name\":\"default\"}", 200, "", NULL, 0, 0 },
	};
	struct buf t = BUF_INIT(100);
	int rc;

	begin(init, N(init), 0);
	end("init", docker_swarm_init(&docker, &spec, &err), NULL, true);
	begin(again, N(again), 0);
	end("init twice", docker_swarm_init(&docker, &spec, &err),
	    "already part of a swarm", docker.status == 503);
	begin(join, N(join), 0);
	end("join",
	    docker_swarm_join(&docker, "10.77.16.4", "10.77.0.10:2377",
			      "SWMTKN-1-x", &err),
	    NULL, true);
	begin(leave, N(leave), 0);
	rc = docker_swarm_leave(&docker, false, &err);
	end("leave, with and without force",
	    rc < 0 ? rc : docker_swarm_leave(&docker, true, &err), NULL,
	    docker.http.connections == 1);
	begin(tokens, N(tokens), 0);
	rc = docker_swarm_token(&docker, false, &t, &err);
	buf_addc(&t, ' ');
	end("tokens by role",
	    rc < 0 ? rc : docker_swarm_token(&docker, true, &t, &err), NULL,
	    strcmp(t.str, "w-t m-t") == 0);
	buf_burn(&t);
	begin(rotate, N(rotate), 0);
	end("new tokens", docker_swarm_rotate(&docker, &err), NULL, true);
}

static void autolock(void)
{
#define SWARM(lock) \
	"{\"ID\":\"c\",\"Version\":{\"Index\":11},\"Spec\":{\"Name\":\"default\"," \
	"\"CAConfig\":{\"NodeCertExpiry\":7776000000000000}," \
	"\"EncryptionConfig\":{\"AutoLockManagers\":" lock "}}," \
	"\"JoinTokens\":{\"Worker\":\"w\"}}"
#define SPEC(lock) \
	"{\"Name\":\"default\",\"CAConfig\":{\"NodeCertExpiry\":7776000000000000}," \
	"\"EncryptionConfig\":{\"AutoLockManagers\":" lock "}}"
	static const struct exchange on[] = {
		PING,
		{ "GET", V "/swarm", NULL, 200, SWARM("false"), NULL, 0, 0 },
		{ "POST", V "/swarm/update?version=11", SPEC("true"), 500,
		  "{\"message\":\"rpc error: update out of sequence\"}", NULL,
		  0, 0 },
		{ "GET", V "/swarm", NULL, 200, SWARM("false"), NULL, 0, 0 },
		{ "POST", V "/swarm/update?version=11", SPEC("true"), 200, "",
		  NULL, 0, 0 },
		{ "GET", V "/swarm", NULL, 200, SWARM("true"), NULL, 0, 0 },
	};
	static const struct exchange unlock[] = {
		PING,
		{ "GET", V "/swarm/unlockkey", NULL, 200,
		  "{\"UnlockKey\":\"SWMKEY-1-x\"}", NULL, 0, 0 },
		{ "POST", V "/swarm/unlock", "{\"UnlockKey\":\"SWMKEY-1-x\"}",
		  200, "", NULL, 0, 0 },
		{ "POST", V "/swarm/unlock", "{\"UnlockKey\":\"y\"}", 401,
		  "{\"message\":\"swarm could not be unlocked: invalid key "
		  "provided\"}",
		  NULL, 0, 0 },
	};
	struct buf key = BUF_INIT(100);
	bool is = false;
	int rc;

	begin(on, N(on), 0);
	rc = docker_autolock_set(&docker, true, &err);
	end("autolock: the rest of the swarm's settings stays",
	    rc < 0 ? rc : docker_autolock(&docker, &is, &err), NULL, is);
	begin(unlock, N(unlock), 0);
	rc = docker_unlock_key(&docker, &key, &err);
	if (rc == 0)
		rc = docker_unlock(&docker, key.str, &err);
	check(rc == 0, "unlock: with the key that it tells", err.msg);
	end("unlock: another key", docker_unlock(&docker, "y", &err),
	    "invalid key provided", true);
	buf_burn(&key);
}

/* ---- nodes ---- */

#define ROW(id, version, avail, labels) \
	"{\"ID\":\"" id "\",\"Version\":{\"Index\":" version \
	"},\"CreatedAt\":\"2026-11-23T04:55:21.32Z\"," \
	"\"Spec\":{\"Labels\":{" labels \
	"},\"Role\":\"worker\",\"Availability\":\"" avail "\"}," \
	"\"Description\":{\"Hostname\":\"n1\",\"Engine\":{\"Plugins\":[{\"Type\":\"Log\"}]}}," \
	"\"Status\":{\"State\":\"ready\",\"Addr\":\"10.77.0.11\"}}"
#define MANAGER_ROW \
	"{\"ID\":\"m0\",\"Version\":{\"Index\":12},\"CreatedAt\":\"2026-11-23T04:54:47Z\"," \
	"\"Spec\":{\"Labels\":{},\"Role\":\"manager\",\"Availability\":\"active\"}," \
	"\"Description\":{\"Hostname\":\"n0\"},\"Status\":{\"State\":\"down\",\"Addr\":\"10.77.0.10\"}," \
	"\"ManagerStatus\":{\"Leader\":true,\"Reachability\":\"reachable\",\"Addr\":\"10.77.0.10:2377\"}}"

static void nodes(void)
{
	static const struct exchange list[] = {
		PING,
		{ "GET", V "/nodes", NULL, 200,
		  "[" ROW("w1", "20", "drain",
			  "\"azswarm.leaving\":\"pause\"") "," MANAGER_ROW "]\n",
		  NULL, 0, 0 },
	};
	static const struct exchange one[] = {
		PING,
		{ "GET", V "/nodes/self", NULL, 200, MANAGER_ROW, NULL, 0, 0 },
	};
	static const struct exchange missing[] = {
		PING,
		{ "GET", V "/nodes/a%2F..%2Fb", NULL, 404,
		  "{\"message\":\"node a/../b not found\"}", NULL, 0, 0 },
	};
	struct docker_node *n, m;
	size_t count;
	int rc;

	begin(list, N(list), 11);
	rc = docker_nodes(&docker, &n, &count, &err);
	end("the node list", rc, NULL,
	    count == 2 && strcmp(n[0].id, "w1") == 0 &&
		    strcmp(n[0].hostname, "n1") == 0 &&
		    strcmp(n[0].addr, "10.77.0.11") == 0 &&
		    n[0].state == DOCKER_NODE_READY &&
		    n[0].availability == DOCKER_DRAIN && n[0].leaving &&
		    n[0].before == DOCKER_PAUSE && !n[0].manager &&
		    n[1].manager && n[1].leader && n[1].reachable &&
		    n[1].state == DOCKER_NODE_DOWN && !n[1].leaving &&
		    n[1].availability == DOCKER_ACTIVE);
	free(n);
	begin(one, N(one), 0);
	rc = docker_node(&docker, "self", &m, &err);
	end("one node", rc, NULL, strcmp(m.id, "m0") == 0 && m.manager);
	begin(missing, N(missing), 0);
	end("a node that is not there, in a path made safe",
	    docker_node(&docker, "a/../b", &m, &err),
	    "node a/../b not found (404)", docker.status == 404);
}

#define SEQUENCE \
	"{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}"

static void updates(void)
{
	static const struct exchange plain[] = {
		PING,
		{ "GET", V "/nodes/w1", NULL, 200,
		  ROW("w1", "20", "active", "\"a\":\"b\""), NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=20",
		  "{\"Labels\":{\"a\":\"b\",\"azswarm.leaving\":"
		  "\"active\"},\"Role\":\"worker\",\"Availability\":\"drain\"}",
		  200, "", NULL, 0, 0 },
	};
	static const struct exchange label_off[] = {
		PING,
		{ "GET", V "/nodes/w1", NULL, 200,
		  ROW("w1", "21", "drain",
		      "\"azswarm.leaving\":"
		      "\"active\""),
		  NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=21",
		  "{\"Labels\":{},\"Role\":\"worker\","
		  "\"Availability\":\"active\"}",
		  200, "", NULL, 0, 0 },
	};
	static const struct exchange drained[] = {
		PING,
		{ "GET", V "/nodes/w1", NULL, 200, ROW("w1", "22", "drain", ""),
		  NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=22",
		  "\"Availability\":\"drain\"", 200, "", NULL, 0, 0 },
	};
	static const struct exchange raced[] = {
		PING,
		{ "GET", V "/nodes/w1", NULL, 200,
		  ROW("w1", "20", "active", ""), NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=20", NULL, 500, SEQUENCE,
		  NULL, 0, 0 },
		{ "GET", V "/nodes/w1", NULL, 200,
		  ROW("w1", "22", "active", ""), NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=22",
		  "\"Availability\":\"pause\"", 200, "", NULL, 0, 0 },
	};
	static const struct exchange refused[] = {
		PING,
		{ "GET", V "/nodes/w1", NULL, 200,
		  ROW("w1", "20", "active", ""), NULL, 0, 0 },
		{ "POST", V "/nodes/w1/update?version=20", NULL, 400,
		  "{\"message\":\"can't demote the last manager\"}", NULL, 0, 0 },
	};
	static const struct docker_node_change drain = {
		.availability = "drain", .labels = { { DOCKER_LABEL_LEAVING, "active" } },
	}, back = {
		.availability = "active", .labels = { { DOCKER_LABEL_LEAVING, NULL } },
	}, rest = { .availability = "pause" }, demote = { .role = "worker" },
	  wake = { .availability = "active", .from = "pause" };
	struct exchange for_ever[1 + 2 * 5] = { PING };

	begin(plain, N(plain), 0);
	end("a change keeps the rest",
	    docker_node_update(&docker, "w1", &drain, &err), NULL, true);
	begin(label_off, N(label_off), 0);
	end("a label removed", docker_node_update(&docker, "w1", &back, &err),
	    NULL, true);
	begin(raced, N(raced), 0);
	end("somebody wrote in between",
	    docker_node_update(&docker, "w1", &rest, &err), NULL, true);
	begin(drained, N(drained), 0);
	end("drained by somebody, since it was seen paused",
	    docker_node_update(&docker, "w1", &wake, &err), NULL, true);
	begin(refused, N(refused), 0);
	end("refused once and for all",
	    docker_node_update(&docker, "w1", &demote, &err),
	    "can't demote the last manager", true);
	for (size_t i = 1; i < N(for_ever); i += 2) {
		for_ever[i] = plain[1];
		for_ever[i + 1] = raced[2];
	}
	begin(for_ever, N(for_ever), 0);
	end("somebody always writes in between: five tries",
	    docker_node_update(&docker, "w1", &drain, &err),
	    "update out of sequence", true);
}

static void removal(void)
{
	static const struct exchange list[] = {
		PING,
		{ "DELETE", V "/nodes/w1", NULL, 200, "", NULL, 0, 0 },
		{ "DELETE", V "/nodes/m0?force=1", NULL, 400,
		  "{\"message\":\"rpc error: code = "
		  "FailedPrecondition desc = node m0 is a cluster manager\"}",
		  NULL, 0, 0 },
	};
	int rc;

	begin(list, N(list), 0);
	rc = docker_node_remove(&docker, "w1", false, &err);
	end("remove a node, and one that may not be",
	    rc < 0 ? 0 : docker_node_remove(&docker, "m0", true, &err),
	    "is a cluster manager", true);
}

/* ---- tasks, containers, networks ---- */

#define TASK(id, state) \
	"{\"ID\":\"" id "\",\"ServiceID\":\"s1\",\"NodeID\":\"w1\"," \
	"\"DesiredState\":\"running\",\"Status\":{\"State\":\"" state "\"}}"

static void tasks(void)
{
	static const struct exchange list[] = {
		PING,
		{ "GET", V "/services", NULL, 200,
		  "[{\"ID\":\"s1\",\"Spec\":{\"Name\":\"web\",\"Mode\":{\"Replicated\":{\"Replicas\":3}}}}]",
		  NULL, 0, 0 },
		{ "GET", V "/tasks", NULL, 200,
		  "[" TASK("1", "running") "," TASK("2", "shutdown") "," TASK("3", "preparing") "," TASK(
			  "4",
			  "failed") "," TASK("5",
					     "complete") "," TASK("6",
								  "rejected") "," TASK("7",
										       "orphaned") "," TASK("8",
													    "remove") "]",
		  NULL, 0, 0 },
	};
	struct docker_work w;
	unsigned here = 0, running = 0;
	int rc;

	begin(list, N(list), 0);
	rc = docker_work_read(&docker, &w, &err);
	for (size_t i = 0; i < w.n_tasks; i++) {
		here += !w.tasks[i].ended && strcmp(w.tasks[i].node, "w1") == 0;
		running += w.tasks[i].running && w.tasks[i].wanted;
	}
	end("tasks that have not ended, and those that run", rc, NULL,
	    w.n_services == 1 && w.n_tasks == 8 && here == 2 && running == 1 &&
		    !docker_service_whole(&w, &w.services[0]));
	docker_work_release(&w);
}

static void counted(void)
{
	static const struct exchange list[] = {
		PING,
		{ "GET", V "/services?status=true", NULL, 200,
		  "[{\"ID\":\"s1\",\"Spec\":{\"Name\":\"web\",\"Mode\":{\"Global\":{}}},"
		  "\"ServiceStatus\":{\"RunningTasks\":2,\"DesiredTasks\":3,\"CompletedTasks\":0}},"
		  "{\"ID\":\"s2\",\"Spec\":{\"Name\":\"old\",\"Mode\":{\"Global\":{}}}}]",
		  NULL, 0, 0 },
	};
	struct docker_work w;
	int rc;

	begin(list, N(list), 0);
	rc = docker_work_services(&docker, &w, &err);
	end("services, and how many of their tasks run", rc, NULL,
	    w.n_services == 2 && w.n_tasks == 0 && w.services[0].running == 2 &&
		    w.services[0].desired == 3 && w.services[1].running == -1 &&
		    w.services[1].desired == -1);
	docker_work_release(&w);
}

static void task_stop(void)
{
	static const struct exchange list[] = {
		PING,
		{ "GET",
		  V "/containers/json?filters=%7B%22label%22%3A%5B%22com.docker.swarm.task.id%3Dt1"
		    "%22%5D%7D",
		  NULL, 200, "[{\"Id\":\"c1\"}]", NULL, 0, 0 },
		{ "POST", V "/containers/c1/stop", NULL, 204, "", NULL, 0, 0 },
		{ "GET",
		  V "/containers/json?filters=%7B%22label%22%3A%5B%22com.docker.swarm.task.id%3Dt2"
		    "%22%5D%7D",
		  NULL, 200, "[]", NULL, 0, 0 },
	};
	int rc;

	begin(list, N(list), 0);
	rc = docker_task_stop(&docker, "t1", &err);
	end("stop a task's container, and one that is not here",
	    rc < 0 ? rc : docker_task_stop(&docker, "t2", &err), NULL, true);
}

#define INGRESS(subnet, options) \
	"{\"Name\":\"ingress\",\"IPAM\":{\"Config\":[{\"Subnet\":\"" subnet \
	"\"}]},\"Ingress\":true,\"Options\":{" options "}}"
#define MTU(n) "\"com.docker.network.driver.mtu\":\"" n "\""
#define WANTED \
	"\"Driver\":\"overlay\",\"Ingress\":true,\"IPAM\":{\"Config\":[{\"Subnet\":" \
	"\"10.208.0.0/20\"}]},\"Options\":{" MTU("1400") "}}"
#define GET_INGRESS(status, text) \
	{ \
		"GET", V "/networks/ingress", NULL, status, text, NULL, 0, 0 \
	}
#define EXISTS "{\"message\":\"network with name ingress already exists\"}"

static void ingress(void)
{
	static const struct exchange fine[] = {
		PING,
		GET_INGRESS(200, INGRESS("10.208.0.0/20", MTU("1400"))),
	};
	static const struct exchange other[] = {
		PING,
		GET_INGRESS(200, INGRESS("10.192.0.0/24", "")),
		{ "DELETE", V "/networks/ingress", NULL, 204, "", NULL, 0, 0 },
		{ "POST", V "/networks/create", WANTED, 409, EXISTS, NULL, 0, 0 },
		{ "POST", V "/networks/create", WANTED, 409, EXISTS, NULL, 0, 0 },
		{ "POST", V "/networks/create", WANTED, 201,
		  "{\"Id\":\"0mfk\",\"Warning\":\"\"}", NULL, 0, 0 },
	};
	static const struct exchange mtu[] = {
		PING,
		GET_INGRESS(200, INGRESS("10.208.0.0/20", MTU("1450"))),
		{ "DELETE", V "/networks/ingress", NULL, 200, "", NULL, 0, 0 },
		{ "POST", V "/networks/create", WANTED, 201,
		  "{\"Id\":\"0mfk\"}", NULL, 0, 0 },
	};
	static const struct exchange missing[] = {
		PING,
		GET_INGRESS(404, "{\"message\":\"network ingress not found\"}"),
		{ "POST", V "/networks/create", WANTED, 201,
		  "{\"Id\":\"0mfk\"}", NULL, 0, 0 },
	};
	static const struct exchange in_use[] = {
		PING,
		GET_INGRESS(200, INGRESS("10.192.0.0/24", "")),
		{ "DELETE", V "/networks/ingress", NULL, 403,
		  "{\"message\":\"ingress network cannot be removed because service web depends on it\"}",
		  NULL, 0, 0 },
	};
	struct exchange stays[8] = {
		PING,
		GET_INGRESS(200, INGRESS("10.192.0.0/24", "")),
		{ "DELETE", V "/networks/ingress", NULL, 204, "", NULL, 0, 0 },
	};
	bool changed = true;
	int rc;

	begin(fine, N(fine), 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400,
			    now_ms() + CHECK_PATIENCE_MS, &changed, &err);
	end("ingress as wanted", rc, NULL, !changed);
	begin(other, N(other), 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400,
			    now_ms() + CHECK_PATIENCE_MS, &changed, &err);
	end("ingress made anew once the old one is gone", rc, NULL, changed);
	begin(mtu, N(mtu), 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400,
			    now_ms() + CHECK_PATIENCE_MS, &changed, &err);
	end("ingress with another MTU", rc, NULL, changed);
	begin(missing, N(missing), 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400,
			    now_ms() + CHECK_PATIENCE_MS, &changed, &err);
	end("no ingress", rc, NULL, changed);
	begin(in_use, N(in_use), 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400,
			    now_ms() + CHECK_PATIENCE_MS, &changed, &err);
	end("ingress in use", rc, "because service web depends on it", !changed);
	for (size_t i = 3; i < N(stays); i++)
		stays[i] = other[3];
	begin(stays, 6, 0);
	rc = docker_ingress(&docker, "10.208.0.0/20", 1400, now_ms() + 700,
			    &changed, &err);
	end("ingress that never goes", rc, "was removed and not made again",
	    !changed);
}

int main(void)
{
	json_init();
	snprintf(engine.path, sizeof(engine.path),
		 "/tmp/azswarm-test-docker-%d.sock", (int)getpid());
	engine_start(&engine);
	versions();
	refusals();
	lists();
	list_bounds();
	info();
	swarm();
	autolock();
	nodes();
	updates();
	removal();
	tasks();
	counted();
	task_stop();
	ingress();
	unreachable();
	engine_stop(&engine);
	return check_failed();
}
