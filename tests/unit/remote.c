/* swarm/remote.c: which machine a name means, from the Engine's list of nodes.
 * What comes behind that is in sh/services, on real machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "swarm/remote.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

static char dir[] = "/tmp/azswarm-test-XXXXXX";

#define NODE(id, name, state, address) \
	"{\"ID\":\"" id "\",\"Version\":{\"Index\":1}," \
	"\"CreatedAt\":\"2026-11-23T04:55:00Z\",\"Spec\":{\"Role\":\"worker\"," \
	"\"Availability\":\"active\"},\"Description\":{\"Hostname\":\"" name \
	"\"}," \
	"\"Status\":{\"State\":\"" state "\",\"Addr\":\"" address "\"}}"

static const struct {
	const char *name, *node, *nodes, *address, *words;
} rows[] = {
	{ "a name", "a",
	  NODE("1", "a", "ready", "10.0.0.1") "," NODE("2", "b", "ready",
						       "10.0.0.2"),
	  "10.0.0.1", NULL },
	{ "an address", "10.0.0.2",
	  NODE("1", "a", "ready", "10.0.0.1") "," NODE("2", "b", "ready",
						       "10.0.0.2"),
	  "10.0.0.2", NULL },
	{ "one that came again after a reboot", "a",
	  NODE("1", "a", "down", "10.0.0.1") "," NODE("2", "a", "ready", "10.0.0.2"),
	  "10.0.0.2", NULL },
	{ "nobody", "c", NODE("1", "a", "ready", "10.0.0.1"), NULL,
	  "there is no node \"c\" that is Ready" },
	{ "one that is down", "a", NODE("1", "a", "down", "10.0.0.1"), NULL,
	  "there is no node \"a\" that is Ready" },
	{ "two of one name", "a",
	  NODE("1", "a", "ready", "10.0.0.1") "," NODE("2", "a", "ready",
						       "10.0.0.2"),
	  NULL, "there are several nodes \"a\"; give an address" },
	{ "one of the two, by its address", "10.0.0.1",
	  NODE("1", "a", "ready", "10.0.0.1") "," NODE("2", "a", "ready",
						       "10.0.0.2"),
	  "10.0.0.1", NULL },
};

static const char *nodes;

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	(void)ctx, (void)method, (void)body;
	if (strcmp(target, "/_ping") == 0) {
		r->body = "OK";
		return;
	}
	if (strcmp(target, "/v1.41/nodes") != 0)
		r->status = 404;
	snprintf(r->buf, sizeof(r->buf), "[%s]", nodes);
	r->body = r->buf;
}

static void run_row(struct docker *d, size_t i)
{
	struct remote_node node = { "", true };
	struct err e = ERR_INIT;
	int rc;

	nodes = rows[i].nodes;
	rc = remote_find(d, rows[i].node, &node, &e);
	if (rows[i].words == NULL)
		check_why(rows[i].name, rc < 0	     ? e.msg :
					node.manager ? "a manager" :
					strcmp(node.address, rows[i].address) != 0 ?
						       node.address :
						       "");
	else
		check_why(rows[i].name,
			  rc == 0 ? node.address :
			  e.kind != ERR_USAGE || strcmp(e.msg, rows[i].words) != 0 ?
				    e.msg :
				    "");
}

int main(void)
{
	static struct engine engine;
	struct err e = ERR_INIT;
	struct docker d;

	json_init();
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(engine.path, sizeof(engine.path), "%s/engine.sock", dir);
	engine.answer = answer;
	engine_start(&engine);
	docker_init_unix(&d, engine.path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&d, i);
	docker_release(&d);
	engine_stop(&engine);
	dir_remove(dir, &e);
	return check_failed();
}
