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

/* ---- no master works ---- */

#define AT(...) \
	{ \
		__VA_ARGS__ \
	}
static const struct {
	const char *name;
	size_t n;
	enum remote_at at[3];
	const char *words;
} whys[] = {
	{ "none: locked goes before all", 3,
	  AT(REMOTE_SILENT, REMOTE_LOCKED, REMOTE_LEADERLESS),
	  "no master works (master0: does not answer, master1: its swarm is "
	  "locked, master2: the swarm has no leader); 'azswarm unlock' unlocks it" },
	{ "none: the majority is away", 3,
	  AT(REMOTE_SILENT, REMOTE_NO_ENGINE, REMOTE_LEADERLESS),
	  "no master works (master0: does not answer, master1: Docker does not "
	  "answer, master2: the swarm has no leader); it has one again when most "
	  "masters are back; if they are lost, 'azswarm recover --from master2'" },
	{ "none: all are off", 3, AT(REMOTE_SILENT, REMOTE_SILENT, REMOTE_SILENT),
	  "no master works (master0: does not answer, master1: does not answer, "
	  "master2: does not answer); 'azswarm status' shows whether they run, "
	  "'azswarm doctor' more" },
	{ "none: thrown out", 3, AT(REMOTE_LOST, REMOTE_SILENT, REMOTE_WORKER),
	  "no master works (master0: its engine does not find its swarm, master1: "
	  "does not answer, master2: its engine is a worker); it has one "
	  "again when most masters are back; if they are lost, 'azswarm recover "
	  "--from master0'" },
	{ "none: the only one was lost", 1, AT(REMOTE_OUTSIDE),
	  "master0: its engine is in no swarm; one that was just made forms it "
	  "soon; of one that was lost, 'azswarm restore FILE' brings back what it "
	  "had" },
	{ "none: the only one's engine", 1, AT(REMOTE_NO_ENGINE),
	  "master0: Docker does not answer; 'azswarm ssh MASTER' and 'journalctl "
	  "-u docker -u swarm-helper' there say more" },
};

static void run_why(size_t i)
{
	static char master[3][8] = { "master0", "master1", "master2" };
	struct remote r = { .masters.n = whys[i].n };
	struct err e = ERR_INIT;

	for (size_t k = 0; k < whys[i].n; k++) {
		r.masters.name[k] = master[k];
		r.at[k] = whys[i].at[k];
	}
	remote_why(&r, &e);
	check(strcmp(e.msg, whys[i].words) == 0 && remote_is_away(&e),
	      whys[i].name, e.msg);
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
	for (size_t i = 0; i < sizeof(whys) / sizeof(*whys); i++)
		run_why(i);
	docker_release(&d);
	engine_stop(&engine);
	dir_remove(dir, &e);
	return check_failed();
}
