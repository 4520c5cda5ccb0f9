/* swarm/masters.h: which master may be away for a while, by the rows of an engine
 * that is a double: a letter each, M a manager that can be reached, x one that
 * cannot, W a worker, D a manager by its role alone. */
#include "base/buf.h"
#include "base/err.h"
#include "swarm/masters.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

static char dir[] = "/tmp/azswarm-test-XXXXXX";
static struct engine engine;
static const char *rows;

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	int n = 0;

	(void)ctx, (void)method, (void)target, (void)body;
	r->body = r->buf;
	for (int i = 0; rows[i] != '\0'; i++)
		n += snprintf(
			r->buf + n, sizeof(r->buf) - (size_t)n,
			"%s{\"ID\":\"n%d\",\"Version\":{\"Index\":1},"
			"\"Spec\":{\"Role\":\"%s\",\"Availability\":\"active\","
			"\"Labels\":{}},\"Description\":{\"Hostname\":\"master%d\"},"
			"\"Status\":{\"State\":\"ready\",\"Addr\":\"10.77.16.4\"}"
			"%s%s%s}",
			i == 0 ? "[" : ",", i,
			rows[i] == 'W' ? "worker" : "manager", i,
			strchr("Mx", rows[i]) ?
				",\"ManagerStatus\":{\"Leader\":false,\"Reachability\":\"" :
				"",
			rows[i] == 'M' ? "reachable" :
			rows[i] == 'x' ? "unreachable" :
					 "",
			strchr("Mx", rows[i]) ?
				"\",\"Addr\":\"10.77.16.4:2377\"}" :
				"");
	snprintf(r->buf + n, sizeof(r->buf) - (size_t)n, "]");
}

/* master0 is the one in question */
static const struct {
	const char *name, *rows;
	const char *why; /* NULL: it may */
} cases[] = {
	{ "the only one", "MWW", NULL },
	{ "one of three", "MMMW", NULL },
	{ "one of three, and another is away", "MMxW",
	  "while it is away 1 of 3 managers could be reached" },
	{ "one of three that is away itself", "xMM", NULL },
	{ "one of two", "MM", "no majority" },
	{ "one of five, and another is away", "MMMMx", NULL },
	{ "one of five, and two others are away", "MMMxx",
	  "while it is away 2 of 5 managers could be reached, no majority; "
	  "first the one that is away: master3, master4" },
	{ "a row that is a manager by its role alone does not count", "MMMD",
	  NULL },
};

int main(void)
{
	struct docker d;

	json_init();
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(engine.path, sizeof(engine.path), "%s/docker.sock", dir);
	engine.answer = answer;
	engine_start(&engine);
	docker_init_unix(&d, engine.path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		int rc;

		rows = cases[i].rows;
		rc = masters_spare(&d, "master0", &e);
		checkf(cases[i].why == NULL ?
			       rc == 0 :
			       rc < 0 && strstr(e.msg, cases[i].why) != NULL,
		       cases[i].name, "%d %s", rc, e.msg);
	}
	docker_release(&d);
	engine_stop(&engine);
	rmdir(dir);
	return check_failed();
}
