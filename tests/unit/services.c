/* Changing services over an Engine that has its own mind: what is tried again,
 * and what an update comes to.  How the Engine is reached is not looked at
 * here, so swarm/remote.c has a double. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "node/image.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/service.h"
#include "swarm/swarm.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

#define ALWAYS 99
#define VERSION 20u

static char dir[] = "/tmp/azswarm-test-XXXXXX";

enum offer { OWN, OWN_OCI, FOREIGN, FOREIGN_OCI, BOTH, OTHER, NOTHING };

static const struct row {
	const char *name;
	int (*run)(struct session *s, int argc, char **argv, struct err *e);
	const char *word;    /* the argument, NULL: none */
	unsigned overtaken;  /* that many updates come too late */
	const char *refusal; /* of every other */
	const char *state; /* UpdateStatus of the service afterwards, NULL: none */
	unsigned updates; /* asked for, in the end */
	enum err_kind kind;
	const char *words;
	enum offer offer; /* what the master's registry has as our image */
} rows[] = {
	{ "scale-service", cmd_scale_service, "3", 0, NULL, NULL, 1, ERR_NONE,
	  "", OWN },
	{ "an update that is done", cmd_scale_service, "3", 0, NULL,
	  "completed", 1, ERR_NONE, "", OWN },
	{ "somebody else was faster", cmd_scale_service, "3", 1, NULL, NULL, 2,
	  ERR_NONE, "", OWN },
	{ "four times", cmd_scale_service, "3", 4, NULL, NULL, 5, ERR_NONE, "",
	  OWN },
	{ "always", cmd_scale_service, "3", ALWAYS, NULL, NULL, 5, ERR_DOCKER,
	  "service replicated: somebody else keeps changing it", OWN },
	{ "another refusal is the end", cmd_scale_service, "3", 0,
	  "no such thing", NULL, 1, ERR_DOCKER, "service replicated: ", OWN },
	{ "deployed, and somebody else was faster", cmd_deploy_replicated_service,
	  NULL, 1, NULL, NULL, 2, ERR_NONE, "", OWN },
	{ "deployed, and somebody else always is",
	  cmd_deploy_replicated_service, NULL, ALWAYS, NULL, NULL, 5, ERR_DOCKER,
	  "service replicated: somebody else keeps changing it", OWN },
	/* all tasks run in these, but not those that were asked for */
	{ "an update that is paused", cmd_scale_service, "3", 0, NULL, "paused", 1,
	  ERR_DOCKER, "service replicated: its update is paused: because", OWN },
	{ "an update that is rolled back", cmd_scale_service, "3", 0, NULL,
	  "rollback_started", 1, ERR_DOCKER,
	  "service replicated: its update is rollback_completed: because", OWN },
	{ "one that was rolled back", cmd_scale_service, "3", 0, NULL,
	  "rollback_completed", 1, ERR_DOCKER,
	  "service replicated: its update is rollback_completed: because", OWN },
	{ "one that could not be", cmd_deploy_replicated_service, NULL, 0, NULL,
	  "rollback_paused", 1, ERR_DOCKER,
	  "service replicated: its update is rollback_paused: because", OWN },
	/* our own image: what this program is, whatever answers on its port */
	{ "the image of OCI's kind is ours, too", cmd_deploy_replicated_service,
	  NULL, 0, NULL, NULL, 1, ERR_NONE, "", OWN_OCI },
	/* and what it is for the other kind of processor, when its file is here */
	{ "masters of the other kind", cmd_deploy_replicated_service, NULL, 0,
	  NULL, NULL, 1, ERR_NONE, "", FOREIGN },
	{ "the same of OCI's kind", cmd_deploy_replicated_service, NULL, 0,
	  NULL, NULL, 1, ERR_NONE, "", FOREIGN_OCI },
	{ "machines of both kinds", cmd_deploy_replicated_service, NULL, 0,
	  NULL, NULL, 1, ERR_NONE, "", BOTH },
	{ "another image under our name", cmd_deploy_replicated_service, NULL,
	  0, NULL, NULL, 0, ERR_DATA,
	  "service replicated: the master offers "
	  "127.0.0.1:1339/azswarm:test@sha256:0, and this program is sha256:",
	  OTHER },
	{ "the same for an update", cmd_update_service, NULL, 0, NULL, NULL, 0,
	  ERR_DATA, "or port 1339 there is not our agent's", OTHER },
	{ "the same for the monitor", cmd_deploy_monitor, NULL, 0, NULL, NULL,
	  0, ERR_DATA, "service monitor: the master offers ", OTHER },
	{ "no such image there", cmd_deploy_replicated_service, NULL, 0, NULL,
	  NULL, 0, ERR_DOCKER,
	  "registry of the master's own agent, asked for this program, test: ",
	  NOTHING },
};

/* ---- the Engine ---- */

struct world {
	struct engine engine;
	const struct row *row;
	const char *id; /* of its service */
	unsigned version, updates;
	unsigned backs; /* looks that found it on the way back */
	int64_t replicas;
	unsigned failing;	 /* so many looks find that a task has failed */
	unsigned failure;	 /* how many have */
	char strange[256];	 /* that it does not have */
	char image[256];	 /* of the last update */
	char made[4096];	 /* the service that was made last */
	unsigned gone;		 /* monitors that were removed */
	const char *runs;	 /* the image of those that are there */
	const struct verdict *v; /* NULL: as its row says */
	const struct together *g;
	unsigned look;
	int64_t now;	  /* of the clock */
	unsigned asked;	  /* by those that wait together */
	char waited[512]; /* for what, at the first look */
};

/* What a service comes to, by what the Engine says of it look after look. */
#define AT "2026-11-23T05:"
#define TASK(where, at, desired, state, why) \
	"{" where ",\"CreatedAt\":\"" AT at "Z\",\"DesiredState\":\"" desired \
	"\",\"Status\":{\"State\":\"" state "\",\"Timestamp\":\"" AT at \
	"Z\",\"Err\":\"" why "\"}},"
#define SLOT(n) "\"Slot\":" n
#define RUNS(n, at) TASK(SLOT(n), at, "running", "running", "")
#define FAILED(n, at) TASK(SLOT(n), at, "shutdown", "failed", "exit (5)")
#define DONE(n, at) TASK(SLOT(n), at, "shutdown", "complete", "")
#define READY(n, at) TASK(SLOT(n), at, "ready", "ready", "")
#define PENDING(n, at) \
	TASK(SLOT(n), at, "running", "pending", "no suitable node")
#define ON(node) "\"NodeID\":\"" node "\""
#define ON_A(desired, state) TASK(ON("a"), "01:00", desired, state, "")
#define A_RUNS ON_A("running", "running")
#define A_FAILED TASK(ON("a"), "01:00", "shutdown", "failed", "exit (5)")
#define A_READY TASK(ON("a"), "01:03", "ready", "ready", "")
#define B_RUNS TASK(ON("b"), "00:20", "running", "running", "")
#define NODE(id, availability) NODE_AS("worker", id, availability)
#define NODE_AS(role, id, availability) \
	"{\"ID\":\"" id "\",\"CreatedAt\":\"" AT \
	"00:00Z\",\"Spec\":{\"Role\":\"" role \
	"\",\"Availability\":\"" availability \
	"\"},\"Description\":{\"Hostname\":\"" id \
	"\"},\"Status\":{\"State\":\"ready\",\"Addr\":\"192.0.2.1\"}}"
#define A NODE("a", "active")
#define A_AND_B A "," NODE("b", "active")
#define MASTER NODE_AS("manager", "m", "active")
#define B_PAUSED A "," NODE("b", "pause")
#define REPLICAS(n) "\"Mode\":{\"Replicated\":{\"Replicas\":" n "}}"
#define JOB(n) "\"Mode\":{\"ReplicatedJob\":{\"TotalCompletions\":" n "}}"
#define GLOBAL "\"Mode\":{\"Global\":{}}"
#define GLOBAL_JOB "\"Mode\":{\"GlobalJob\":{}}"
#define WHERE(constraints) \
	",\"TaskTemplate\":{\"Placement\":{\"Constraints\":[" constraints "]}}"
#define SOME WHERE("\"node.role==worker\"")
#define ONCE ",\"TaskTemplate\":{\"RestartPolicy\":{\"Condition\":\"none\"}}"
#define SOME_ONCE \
	",\"TaskTemplate\":{\"Placement\":{\"Constraints\":[\"node.role==worker\"]}," \
	"\"RestartPolicy\":{\"Condition\":\"none\"}}"
#define MONITOR ",\"UpdateConfig\":{\"Monitor\":10000000000}"
#define BEFORE ",\"PreviousSpec\":{}"
#define UPDATE(state) \
	",\"UpdateStatus\":{\"State\":\"" state "\",\"StartedAt\":\"" AT \
	"01:00Z\",\"Message\":\"because\"}"
#define LOOKS_MAX 40

static const struct verdict {
	const char *name;
	const char *spec, *more; /* of the service; what it has beside that */
	const char *nodes;
	const char *tasks[4]; /* at a look; the last are those of all others */
	unsigned looks;	      /* until the end; LOOKS_MAX: there is none */
	enum err_kind kind;
	const char *words; /* of what is said, or of the error */
} verdicts[] = {
	{ "a constrained global service whose tasks fail again and again",
	  GLOBAL SOME,
	  "",
	  A,
	  { A_FAILED A_READY },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "a task failed: exit (5) (web.a)" },
	{ "that on one node of two",
	  GLOBAL SOME,
	  "",
	  A_AND_B,
	  { A_FAILED A_READY B_RUNS },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "" },
	{ "and one that may end there",
	  GLOBAL SOME_ONCE,
	  "",
	  A_AND_B,
	  { A_FAILED B_RUNS },
	  5,
	  ERR_DOCKER,
	  "its task web.a failed: exit (5)" },
	{ "a constrained global job runs",
	  GLOBAL_JOB SOME,
	  "",
	  A,
	  { ON_A("complete", "running") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "" },
	{ "and completes",
	  GLOBAL_JOB SOME,
	  "",
	  A,
	  { ON_A("complete", "running"), ON_A("complete", "complete") },
	  4,
	  ERR_NONE,
	  "1 of 1 tasks have completed" },
	{ "no node meets its constraints",
	  GLOBAL SOME,
	  "",
	  A,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "no node that takes tasks meets its constraints (node.role==worker)" },
	{ "it is for agents, and there are none",
	  GLOBAL SOME,
	  "",
	  MASTER,
	  { "" },
	  3,
	  ERR_NONE,
	  "service web: no agent takes tasks now (node.role==worker); its tasks "
	  "begin when one does\n" },
	{ "or none that takes tasks",
	  GLOBAL WHERE("\"Node.Role != manager \",\"node.hostname!=agents000001\""),
	  "",
	  MASTER "," NODE("b", "pause"),
	  { "" },
	  3,
	  ERR_NONE,
	  "no agent takes tasks now (Node.Role != manager , node.hostname" },
	{ "until one comes",
	  GLOBAL SOME,
	  UPDATE("completed"),
	  MASTER "," A,
	  { "", "", A_RUNS },
	  5,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "a label that no agent has, and there are none",
	  GLOBAL WHERE("\"node.labels.ssd==true\",\"node.role==worker\""),
	  "",
	  MASTER,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "meets its constraints (node.labels.ssd==true, node.role==worker)" },
	{ "the same the other way round",
	  GLOBAL WHERE("\"node.role==worker\",\"node.labels.ssd==true\""),
	  "",
	  MASTER,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "meets its constraints (node.role==worker, node.labels.ssd==true)" },
	{ "a role that is none",
	  GLOBAL WHERE("\"node.role==wroker\""),
	  "",
	  MASTER,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "no node that takes tasks meets its constraints (node.role==wroker)" },
	{ "no constraint at all",
	  GLOBAL WHERE("\"worker\""),
	  "",
	  MASTER,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "no node that takes tasks meets its constraints (worker)" },
	{ "a system that agents have not",
	  GLOBAL WHERE("\"node.platform.os==windows\""),
	  "",
	  MASTER,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "no node that takes tasks meets its constraints (node.platform.os" },
	{ "not for agents",
	  GLOBAL WHERE("\"node.role!=worker\""),
	  "",
	  A,
	  { "" },
	  30,
	  ERR_DOCKER,
	  "no node that takes tasks meets its constraints (node.role!=worker)" },
	{ "a job for agents, and there are none",
	  GLOBAL_JOB SOME,
	  "",
	  MASTER,
	  { "" },
	  3,
	  ERR_NONE,
	  "no agent takes tasks now" },
	{ "no node takes tasks",
	  GLOBAL,
	  "",
	  NODE("b", "pause"),
	  { B_RUNS },
	  30,
	  ERR_DOCKER,
	  "no node takes tasks" },
	{ "a node that is paused has one of before",
	  GLOBAL,
	  UPDATE("completed"),
	  B_PAUSED,
	  { A_RUNS B_RUNS },
	  3,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "which is none for another that failed",
	  GLOBAL ONCE,
	  "",
	  B_PAUSED,
	  { A_FAILED B_RUNS },
	  5,
	  ERR_DOCKER,
	  "its task web.a failed: exit (5)" },
	{ "a new service is watched",
	  REPLICAS("1"),
	  "",
	  "",
	  { RUNS("1", "01:00") },
	  6,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "for as long as it says",
	  REPLICAS("1") MONITOR,
	  "",
	  "",
	  { RUNS("1", "01:00") },
	  11,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "the same again was",
	  REPLICAS("1"),
	  BEFORE,
	  "",
	  { RUNS("1", "00:20") },
	  3,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "an update was, by Swarm",
	  REPLICAS("1"),
	  UPDATE("completed"),
	  "",
	  { RUNS("1", "01:00") },
	  3,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "a failure between two looks",
	  REPLICAS("1"),
	  "",
	  "",
	  { RUNS("1", "01:00"), RUNS("1", "01:00"), RUNS("1", "01:00"),
	    FAILED("1", "01:00") RUNS("1", "01:05") },
	  10,
	  ERR_NONE,
	  "a task failed: exit (5) (web.1)" },
	{ "tasks of a job that failed once each",
	  JOB("5"),
	  "",
	  "",
	  { FAILED("0", "01:00") FAILED("1", "01:00") FAILED("2", "01:00")
		    FAILED("3", "01:00") FAILED("4", "01:00"),
	    DONE("0", "01:05") DONE("1", "01:05") DONE("2", "01:05")
		    DONE("3", "01:05") DONE("4", "01:05") },
	  4,
	  ERR_NONE,
	  "5 of 5 tasks have completed" },
	{ "one that failed often, and completes in the end",
	  JOB("1"),
	  "",
	  "",
	  { FAILED("0", "01:00") FAILED("0", "01:01") FAILED("0", "01:02")
		    FAILED("0", "01:03") FAILED("0", "01:04") DONE("0", "01:05") },
	  4,
	  ERR_NONE,
	  "1 of 1 tasks have completed" },
	{ "when another still runs",
	  JOB("2"),
	  "",
	  "",
	  { FAILED("0", "01:00") FAILED("0", "01:01") FAILED("0", "01:02")
		    FAILED("0", "01:03") FAILED("0", "01:04") DONE("0", "01:05") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "" },
	{ "one that goes on failing, beside one that is done",
	  JOB("2"),
	  "",
	  "",
	  { FAILED("0", "01:00") FAILED("0", "01:01") FAILED("0", "01:02")
		    FAILED("0", "01:03") FAILED("0", "01:04") DONE("1", "01:05") },
	  1,
	  ERR_DOCKER,
	  "its tasks failed 5 times" },
	{ "a task of before the service got its addresses",
	  REPLICAS("1"),
	  "",
	  "",
	  { PENDING("1", "00:20") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "a task failed: no suitable node (web.1)" },
	{ "one that waits since before",
	  REPLICAS("1"),
	  BEFORE,
	  "",
	  { PENDING("1", "00:20") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "a task failed: no suitable node (web.1)" },
	{ "one that ends, and is to run",
	  REPLICAS("1"),
	  "",
	  "",
	  { DONE("1", "01:00") READY("1", "01:05") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "a task failed: it ended with exit 0, and is begun again (web.1)" },
	{ "one that was stopped with its node",
	  REPLICAS("1") ONCE,
	  BEFORE,
	  "",
	  { TASK(SLOT("1"), "00:20", "shutdown", "shutdown", "") },
	  5,
	  ERR_DOCKER,
	  "its task web.1 was stopped; by its restart_policy no other is begun" },
	{ "an update whose task ends, as it may",
	  REPLICAS("1") ONCE,
	  UPDATE("paused"),
	  "",
	  { DONE("1", "01:01") },
	  3,
	  ERR_NONE,
	  "0 of 1 tasks run, 1 have completed" },
	{ "one that has not begun any",
	  REPLICAS("1") ONCE,
	  UPDATE("paused"),
	  "",
	  { DONE("1", "00:20") },
	  1,
	  ERR_DOCKER,
	  "its update is paused: because" },
	{ "one that goes back for it",
	  REPLICAS("1") ONCE,
	  UPDATE("rollback_completed"),
	  "",
	  { DONE("1", "01:01") },
	  1,
	  ERR_DOCKER,
	  "because; a task that ends within the update's monitor" },
	{ "fewer: those that run are kept",
	  REPLICAS("1") ONCE,
	  "",
	  "",
	  { TASK(SLOT("1"), "01:00", "remove", "failed", "exit (5)")
		    RUNS("3", "01:00") },
	  6,
	  ERR_NONE,
	  "1 of 1 tasks run" },
	{ "or waited for",
	  REPLICAS("1") ONCE,
	  "",
	  "",
	  { TASK(SLOT("1"), "01:00", "remove", "failed", "exit (5)")
		    PENDING("3", "01:00") },
	  LOOKS_MAX,
	  ERR_TIMEOUT,
	  "a task failed: no suitable node (web.3)" },
	{ "one of them that failed is missing",
	  REPLICAS("1") ONCE,
	  "",
	  "",
	  { FAILED("3", "01:00") },
	  5,
	  ERR_DOCKER,
	  "its task web.3 failed" },
};
#define AT_LOOKS (sizeof(verdicts->tasks) / sizeof(*verdicts->tasks))

/* Services of one stack, looked at together. */
#define TOGETHER 3
#define HEALTHY_LATE \
	",\"TaskTemplate\":{\"ContainerSpec\":{\"Healthcheck\":" \
	"{\"StartPeriod\":1200000000000}}}"
#define STUCK \
	{ \
		"a", REPLICAS("1"), "", \
		{ \
			PENDING("1", "01:00") \
		} \
	}

static const struct together {
	const char *name;
	struct {
		const char *name, *spec, *more; /* spec NULL: it is not there */
		const char *tasks[4];		/* at a look, as above */
	} of[TOGETHER];
	unsigned looks, requests; /* of all looks */
	int64_t pause_ms;	  /* between two of them */
	enum err_kind kind;
	const char *error;
	const char *said; /* all of it, but the failures of tasks */
} togethers[] = {
	{ "new ones are watched at one time",
	  { { "a", REPLICAS("1"), "", { RUNS("1", "01:00") } },
	    { "b", REPLICAS("2"), "", { RUNS("1", "01:00") RUNS("2", "01:00") } },
	    { "c", REPLICAS("1"), "", { RUNS("1", "01:00") } } },
	  6,
	  12,
	  1000,
	  ERR_NONE,
	  "",
	  "service a: 1 of 1 tasks run\nservice b: 2 of 2 tasks run\n"
	  "service c: 1 of 1 tasks run\n" },
	{ "each from when its own tasks run",
	  { { "a", REPLICAS("1"), "", { "", RUNS("1", "01:00") } },
	    { "b", REPLICAS("1"), "", { RUNS("1", "01:00") } },
	    { "c", REPLICAS("1"), UPDATE("completed"), { RUNS("1", "01:00") } } },
	  7,
	  14,
	  1000,
	  ERR_NONE,
	  "",
	  "service c: 1 of 1 tasks run\nservice b: 1 of 1 tasks run\n"
	  "service a: 1 of 1 tasks run\n" },
	{ "the nodes are asked for once",
	  { { "a", GLOBAL, "", { A_RUNS } }, { "b", GLOBAL, "", { A_RUNS } } },
	  6,
	  18,
	  1000,
	  ERR_NONE,
	  "",
	  "service a: 1 of 1 tasks run\nservice b: 1 of 1 tasks run\n" },
	{ "one that fails is told at once, and others are waited for",
	  { { "a", REPLICAS("1"), UPDATE("paused"), { RUNS("1", "01:00") } },
	    { "b", REPLICAS("1"), "", { RUNS("1", "01:00") } } },
	  6,
	  12,
	  1000,
	  ERR_DOCKER,
	  "service a: its update is paused: because",
	  "service a: its update is paused: because\n"
	  "service b: 1 of 1 tasks run\n" },
	{ "of two that fail the last is the error",
	  { { "a", REPLICAS("1") ONCE, "", { FAILED("1", "01:00") } },
	    { "b", REPLICAS("1"), UPDATE("paused"), { RUNS("1", "01:00") } } },
	  5,
	  10,
	  1000,
	  ERR_DOCKER,
	  "service a: its task a.1 failed: exit (5)",
	  "service b: its update is paused: because\n" },
	{ "what breaks the wait off is the error",
	  { { "a", REPLICAS("1") ONCE, "", { FAILED("1", "01:00") } },
	    { "b", REPLICAS("1"), "", { RUNS("1", "01:00") } },
	    { "c", REPLICAS("1"), UPDATE("updating"), { RUNS("1", "01:00") } } },
	  LOOKS_MAX,
	  2 * LOOKS_MAX,
	  1000,
	  ERR_TIMEOUT,
	  "service c: 1 of 1 tasks run",
	  "service a: its task a.1 failed: exit (5); by its restart_policy no "
	  "other is begun\nservice b: 1 of 1 tasks run\n" },
	{ "one that is not there",
	  { { "a", NULL, "", { "" } },
	    { "b", REPLICAS("1"), UPDATE("completed"), { RUNS("1", "01:00") } } },
	  3,
	  6,
	  1000,
	  ERR_DOCKER,
	  "service a: is gone",
	  "service a: is gone\nservice b: 1 of 1 tasks run\n" },
	{ "nothing moves for five minutes",
	  { STUCK, { "b", REPLICAS("1"), "", { "" } } },
	  3,
	  6,
	  151000,
	  ERR_TIMEOUT,
	  "service b: 0 of 1 tasks run, and nothing has moved for 5 minutes",
	  "service a: 0 of 1 tasks run, and nothing has moved for 5 minutes; "
	  "the last that failed: no suitable node\n" },
	{ "one of them moves, and the others may wait for that",
	  { STUCK,
	    { "b",
	      REPLICAS("2"),
	      UPDATE("completed"),
	      { "", RUNS("1", "01:00"), RUNS("1", "01:00") RUNS("2", "01:00") } } },
	  5,
	  10,
	  200000,
	  ERR_TIMEOUT,
	  "service a: 0 of 1 tasks run, and nothing has moved for 5 minutes",
	  "service b: 2 of 2 tasks run\n" },
	{ "or may take longer to be healthy",
	  { STUCK, { "b", REPLICAS("1") HEALTHY_LATE, "", { "" } } },
	  4,
	  8,
	  600000,
	  ERR_TIMEOUT,
	  "service b: 0 of 1 tasks run, and nothing has moved for 25 minutes",
	  "service a: 0 of 1 tasks run, and nothing has moved for 25 minutes; "
	  "the last that failed: no suitable node\n" },
	{ "one that may yet come is the error",
	  { STUCK, { "b", REPLICAS("1"), UPDATE("rollback_started"), { "" } } },
	  3,
	  6,
	  151000,
	  ERR_TIMEOUT,
	  "service a: 0 of 1 tasks run, and nothing has moved for 5 minutes",
	  "service b: its update is rolled back: because\n"
	  "service a: 0 of 1 tasks run, and nothing has moved for 5 minutes; "
	  "the last that failed: no suitable node\n"
	  "service b: its update is rollback_started: because\n" },
};

static struct image own, foreign;
static char both[IMAGE_DIGEST_MAX]; /* the digest of a list of the two */
static char foreign_path[64];

/* This program's note, as main.c writes it, and a file for the other kind of
 * processor that has the same. */
struct note {
	uint32_t owner_size, build_size, type;
	char owner[8], build[8];
};
static const struct note note
	__attribute__((section(ELF_NOTE_SECTION), used, aligned(4))) = {
		8, 8, ELF_NOTE_BUILD, ELF_NOTE_OWNER, "1.0 abcd"
	};

static void write_foreign(struct err *e)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr ph;
		struct note note;
	} f = {
		.h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				    ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_DYN,
		       .e_machine = ELF_OWN == ELF_X86_64 ? EM_AARCH64 : EM_X86_64,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1 },
		.ph = { .p_type = PT_NOTE,
			.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.p_filesz = sizeof(struct note) },
		.note = note,
	};
	struct image *amd = ELF_OWN == ELF_X86_64 ? &own : &foreign;
	struct image *arm = ELF_OWN == ELF_X86_64 ? &foreign : &own;
	char *list;

	snprintf(foreign_path, sizeof(foreign_path), "%s/foreign", dir);
	if (file_write(foreign_path, (struct str){ (char *)&f, sizeof(f) },
		       0644, e) < 0 ||
	    image_init(&foreign, foreign_path, !ELF_OWN, "test", e) < 0)
		abort();
	list = xasprintf(
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\","
		"\"manifests\":[{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
		"\"size\":%zu,\"digest\":\"%s\",\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}},"
		"{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
		"\"size\":%zu,\"digest\":\"%s\",\"platform\":{\"architecture\":\"arm64\",\"variant\":\"v8\",\"os\":\"linux\"}}]}",
		amd->docker.text.n, amd->docker.digest, arm->docker.text.n,
		arm->docker.digest);
	image_digest(str_of(list), both);
	free(list);
}

static const char *digest_offered(enum offer offer)
{
	switch (offer) {
	case OWN:
		return own.docker.digest;
	case OWN_OCI:
		return own.oci.digest;
	case FOREIGN:
		return foreign.docker.digest;
	case FOREIGN_OCI:
		return foreign.oci.digest;
	case BOTH:
		return both;
	case OTHER:
	case NOTHING:
		break;
	}
	return "sha256:0";
}

/* What is deployed then. */
static const char *digest_wanted(enum offer offer)
{
	return offer == OWN_OCI	    ? own.docker.digest :
	       offer == FOREIGN_OCI ? foreign.docker.digest :
				      digest_offered(offer);
}

static void update(struct world *w, const char *target, const char *body,
		   struct engine_reply *r)
{
	char want[64];
	struct err e = ERR_INIT;
	cJSON *spec;

	w->updates++;
	snprintf(want, sizeof(want), "/services/sv1/update?version=%u",
		 w->version);
	if (strcmp(target, want) != 0)
		snprintf(w->strange, sizeof(w->strange), "%.200s", target);
	r->status = 500;
	if (w->updates <= w->row->overtaken) {
		w->version++;
		r->body = "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}";
	} else if (w->row->refusal != NULL) {
		snprintf(r->buf, sizeof(r->buf), "{\"message\":\"%s\"}",
			 w->row->refusal);
		r->body = r->buf;
	} else {
		spec = json_parse(str_of(body), "update", &e);
		w->replicas = json_int_opt(spec, "Mode.Replicated.Replicas", 0);
		snprintf(w->image, sizeof(w->image), "%s",
			 json_str_opt(spec, "TaskTemplate.ContainerSpec.Image",
				      ""));
		json_free(spec);
		r->status = 200;
		r->body = "{}";
	}
}

#define NAMED(name, image) \
	"{\"Spec\":{\"Name\":\"" name "\",\"TaskTemplate\":" \
	"{\"ContainerSpec\":{\"Image\":\"" image "\"}}}}"

static void offer(struct world *w, struct engine_reply *r)
{
	const char *digest = digest_offered(w->row->offer);

	if (w->row->offer == NOTHING) {
		r->status = 404;
		r->body = "{\"message\":\"manifest unknown\"}";
		return;
	}
	snprintf(r->buf, sizeof(r->buf), "{\"Descriptor\":{\"digest\":\"%s\"}}",
		 digest);
}

/* Those whose names begin as one of ours; one that only begins so is always
 * somebody else's. */
static void named(const struct world *w, struct engine_reply *r)
{
	static const char *const names[] = { "replicated", "global", "monitor" };
	size_t n = (size_t)snprintf(r->buf, sizeof(r->buf),
				    "[" NAMED("monitoring", "prom/prometheus"));

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		n += (size_t)snprintf(r->buf + n, sizeof(r->buf) - n,
				      "," NAMED("%s", "%s"), names[i], w->runs);
	strcpy(r->buf + n, "]");
}

static bool answer_look(struct world *w, const char *target,
			struct engine_reply *r)
{
	const struct verdict *v = w->v;
	size_t look = w->look < AT_LOOKS ? w->look : AT_LOOKS - 1;

	if (strcmp(target, "/services/web") == 0) {
		snprintf(r->buf, sizeof(r->buf),
			 "{\"ID\":\"sv1\",\"Version\":{\"Index\":20},"
			 "\"CreatedAt\":\"" AT "00:10Z\",\"UpdatedAt\":\"" AT
			 "00:30Z\",\"Spec\":{\"Name\":\"web\",%s}%s}",
			 v->spec, v->more);
	} else if (strcmp(target, "/nodes") == 0) {
		snprintf(r->buf, sizeof(r->buf), "[%s]", v->nodes);
	} else if (strncmp(target, "/tasks?", 7) == 0) {
		w->look++;
		while (v->tasks[look] == NULL)
			look--;
		snprintf(r->buf, sizeof(r->buf), "[%s", v->tasks[look]);
		/* instead of the comma behind the last one */
		strcpy(r->buf + strlen(r->buf) - (r->buf[1] != '\0'), "]");
	} else {
		return false;
	}
	return true;
}

/* Tasks, as those of the service that has that ID. */
static void add_tasks(struct buf *b, const char *tasks, const char *id)
{
	int depth = 0;

	for (; *tasks != '\0'; tasks++) {
		buf_add(b, tasks, 1);
		if (*tasks == '{' && depth++ == 0)
			buf_addf(b, "\"ServiceID\":\"%s\",", id);
		depth -= *tasks == '}';
	}
}

/* All of a label, and one that the file has no more. */
static bool answer_together(struct world *w, const char *target,
			    struct engine_reply *r)
{
	const char *label = "?filters=%7B%22label%22%3A%5B%22k%3Dv%22%5D%7D";
	bool tasks = strncmp(target, "/tasks?", 7) == 0;
	struct buf b = BUF_INIT(sizeof(r->buf) - 1);

	w->asked++;
	if (strcmp(target, "/nodes") == 0) {
		r->body = "[" A "]";
		return true;
	}
	if (strcmp(target + strcspn(target, "?"), label) != 0)
		return false;
	for (size_t i = 0; i < TOGETHER && w->g->of[i].name != NULL; i++) {
		size_t look = w->look < AT_LOOKS ? w->look : AT_LOOKS - 1;
		char id[8];

		snprintf(id, sizeof(id), "sv%zu", i);
		while (w->g->of[i].tasks[look] == NULL)
			look--;
		if (w->g->of[i].spec == NULL)
			continue;
		if (tasks)
			add_tasks(&b, w->g->of[i].tasks[look], id);
		else
			buf_addf(&b,
				 "{\"ID\":\"%s\",\"CreatedAt\":\"" AT
				 "00:10Z\",\"UpdatedAt\":\"" AT
				 "00:30Z\",\"Spec\":{\"Name\":\"%s\",%s}%s},",
				 id, w->g->of[i].name, w->g->of[i].spec,
				 w->g->of[i].more);
	}
	if (tasks)
		add_tasks(&b, FAILED("1", "01:20") RUNS("1", "01:21"), "old");
	else
		buf_adds(&b, "{\"ID\":\"old\",\"Spec\":{\"Name\":\"old\"}},");
	w->look += tasks;
	/* without the last comma */
	snprintf(r->buf, sizeof(r->buf), "[%.*s]", (int)b.n - 1, b.str);
	buf_release(&b);
	return true;
}

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	struct world *w = ctx;
	const char *state = w->row->state;
	size_t n = 1;

	if (strncmp(target, "/v1.", 4) == 0)
		target += strcspn(target + 1, "/") + 1;
	r->body = r->buf;
	if (strcmp(target, "/_ping") == 0) {
		r->body = "OK";
	} else if ((w->v != NULL && answer_look(w, target, r)) ||
		   (w->g != NULL && answer_together(w, target, r))) {
		;
	} else if (strcmp(target, "/services") == 0) {
		r->body = "[]";
	} else if (strncmp(target, "/services?filters=", 18) == 0) {
		named(w, r);
	} else if (strcmp(target,
			  "/distribution/127.0.0.1:1339/azswarm:test/json") == 0) {
		offer(w, r);
	} else if (strcmp(target, "/services/replicated") == 0) {
		n = (size_t)snprintf(
			r->buf, sizeof(r->buf),
			"{\"ID\":\"%s\",\"Version\":{\"Index\":%u},"
			"\"UpdatedAt\":\"2026-11-23T04:55:00Z\",\"Spec\":{\"Name\":\"replicated\","
			"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"%s\"}},"
			"\"Mode\":{\"Replicated\":{\"Replicas\":%d}}}",
			w->id, w->version, w->runs, (int)w->replicas);
		if (state != NULL && strcmp(state, "rollback_started") == 0 &&
		    ++w->backs > 2)
			state = "rollback_completed";
		if (state != NULL)
			n += (size_t)snprintf(
				r->buf + n, sizeof(r->buf) - n,
				",\"UpdateStatus\":"
				"{\"State\":\"%s\",\"Message\":\"because\"}",
				state);
		strcpy(r->buf + n, "}");
	} else if (strcmp(method, "DELETE") == 0 &&
		   strcmp(target, "/services/monitor") == 0) {
		w->gone++;
		r->body = "{}";
	} else if (strcmp(target, "/services/monitor") == 0) {
		r->status = 404;
		r->body = "{\"message\":\"service monitor not found\"}";
	} else if (strcmp(target, "/services/create") == 0) {
		snprintf(w->made, sizeof(w->made), "%s", body);
		r->status = 201;
		r->body = "{\"ID\":\"sv2\"}";
	} else if (strcmp(method, "POST") == 0 &&
		   strncmp(target, "/services/sv1/", 14) == 0) {
		update(w, target, body, r);
	} else if (strncmp(target, "/tasks?", 7) == 0 && w->failing > 0) {
		/* the last one is another */
		w->failing--;
		w->failure++;
		snprintf(r->buf, sizeof(r->buf),
			 "[{\"DesiredState\":\"running\",\"CreatedAt\":\"2026-11-23T04:56:00Z\","
			 "\"Status\":{\"State\":\"rejected\",\"Timestamp\":\"2026-11-23T04:56:%02uZ\","
			 "\"Err\":\"%s /tmp/mount%u: no\"}}]",
			 w->failure, w->failing == 0 ? "looking at" : "mounting",
			 w->failure * 7919);
	} else if (strncmp(target, "/tasks?", 7) == 0) {
		strcpy(r->buf, "[");
		for (int64_t i = 0; i < w->replicas; i++)
			strcat(r->buf,
			       i > 0 ? ",{\"DesiredState\":\"running\",\"Status\":{\"State\":\"running\"}}" :
				       "{\"DesiredState\":\"running\",\"Status\":{\"State\":\"running\"}}");
		strcat(r->buf, "]");
	} else {
		r->status = 404;
		r->body = "{\"message\":\"page not found\"}";
		snprintf(w->strange, sizeof(w->strange), "%.10s %.200s", method,
			 target);
	}
}

/* ---- swarm/remote.c, without SSH ---- */

static const char *socket_of_engine;

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	(void)limit_ms, (void)e;
	*r = (struct remote){ .s = s,
			      .masters.fqdns = BUF_INIT(64),
			      .masters.n = 1,
			      .masters.address[0] = xstrdup("192.0.2.7"),
			      .masters.balancer = xstrdup("192.0.2.8"),
			      .has_docker = true };
	buf_adds(&r->masters.fqdns, "a.test b.test ");
	docker_init_unix(&r->docker, socket_of_engine);
	return 0;
}

void remote_release(struct remote *r)
{
	docker_release(&r->docker);
	buf_release(&r->masters.fqdns);
	free(r->masters.address[0]);
	free(r->masters.balancer);
}

/* Nothing here was pushed, or is to be. */
int images_pin(struct session *s, const char *image, char **pinned,
	       cJSON **platforms, struct err *e)
{
	(void)s, (void)image, (void)pinned, (void)platforms, (void)e;
	abort();
}

int push_if_local(struct session *s, const char *image, char **pinned,
		  cJSON **platforms, struct err *e)
{
	(void)s, (void)image, (void)pinned, (void)platforms, (void)e;
	abort();
}

/* Nothing here is opened that anybody is asked about. */
int swarm_agree(struct session *s, const char *what, struct err *e)
{
	(void)s, (void)what, (void)e;
	abort();
}

int deployment_let_end(struct session *s, struct err *e)
{
	(void)s, (void)e;
	abort();
}

void params_say_unread(struct session *s)
{
	(void)s;
	abort();
}

struct docker *remote_docker(struct remote *r)
{
	return &r->docker;
}

/* ---- rows ---- */

static int64_t no_time(void *ctx)
{
	(void)ctx;
	return 0;
}

static int no_wait(void *ctx, int64_t until_ms, const char *what,
		   int64_t since_ms, struct err *e)
{
	(void)ctx, (void)until_ms, (void)what, (void)since_ms, (void)e;
	return 0;
}

static int wait_looks(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	struct world *w = ctx;

	(void)until_ms, (void)since_ms;
	return w->look < LOOKS_MAX ? 0 : err_set(e, ERR_TIMEOUT, "%s", what);
}

static void run_verdict(struct world *w, const struct verdict *v)
{
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct docker d;
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t out_n;
	int rc;

	pthread_mutex_lock(&w->engine.lock);
	w->v = v;
	w->look = 0;
	pthread_mutex_unlock(&w->engine.lock);
	ui.out = ui.err = open_memstream(&out, &out_n);
	settings_init(&set);
	s.az.clock = (struct azure_clock){ no_time, wait_looks, w };
	docker_init_unix(&d, socket_of_engine);
	rc = service_converge(&s, &d, "web", &e);
	docker_release(&d);
	fclose(ui.out);
	if (rc != (v->kind == ERR_NONE ? 0 : -1) || e.kind != v->kind ||
	    w->look != v->looks ||
	    strstr(v->kind == ERR_DOCKER ? e.msg : out, v->words) == NULL)
		buf_addf(&why, "rc %d, kind %d, %u looks, \"%s\"; it said: %s",
			 rc, e.kind, w->look, e.msg, out);
	check_why(v->name, why.str);
	w->v = NULL;
	free(out);
	settings_release(&set);
	buf_release(&why);
}

static int64_t clock_now(void *ctx)
{
	struct world *w = ctx;

	return w->now;
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	struct world *w = ctx;

	if (w->look == 1)
		snprintf(w->waited, sizeof(w->waited), "%s", what);
	w->now += w->g->pause_ms;
	return wait_looks(ctx, until_ms, what, since_ms, e);
}

/* What was said, without the failures of tasks. */
static void verdicts_of(char *out)
{
	char *to = out, *end;

	for (; (end = strchr(out, '\n')) != NULL; out = end + 1) {
		*end = '\0';
		if (strstr(out, ": a task failed: ") != NULL)
			continue;
		memmove(to, out, (size_t)(end - out));
		to += end - out;
		*to++ = '\n';
	}
	*to = '\0';
}

static void run_together(struct world *w, const struct together *g)
{
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	cJSON *specs = cJSON_CreateArray();
	struct docker d;
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t out_n;
	int rc;

	for (size_t i = 0; i < TOGETHER && g->of[i].name != NULL; i++) {
		cJSON *spec = cJSON_CreateObject();

		json_add_str(spec, "Name", g->of[i].name);
		cJSON_AddItemToArray(specs, spec);
	}
	docker_init_unix(&d, socket_of_engine);
	docker_hello(&d, &e);
	pthread_mutex_lock(&w->engine.lock);
	w->g = g;
	w->look = w->asked = 0;
	w->now = 1000;
	w->strange[0] = '\0';
	pthread_mutex_unlock(&w->engine.lock);
	ui.out = ui.err = open_memstream(&out, &out_n);
	settings_init(&set);
	s.az.clock = (struct azure_clock){ clock_now, clock_wait, w };
	rc = service_converge_all(&s, &d, specs, "k=v", &e);
	docker_release(&d);
	fclose(ui.out);
	verdicts_of(out);
	if (rc != (g->kind == ERR_NONE ? 0 : -1) || e.kind != g->kind ||
	    strncmp(e.msg, g->error, strlen(g->error)) != 0)
		buf_addf(&why, "rc %d, kind %d, \"%s\"", rc, e.kind, e.msg);
	else if (w->look != g->looks || w->asked != g->requests)
		buf_addf(&why, "%u looks, %u requests", w->look, w->asked);
	else if (strcmp(out, g->said) != 0)
		buf_addf(&why, "it said: %s", out);
	else if (w->strange[0] != '\0')
		buf_addf(&why, "strange: %s", w->strange);
	check_why(g->name, why.str);
	w->g = NULL;
	json_free(specs);
	free(out);
	settings_release(&set);
	buf_release(&why);
}

static void run_row(struct world *w, const struct row *row)
{
	char command[] = "command", word[16] = "",
	     *argv[] = { command, word, NULL };
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	bool deploys;
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t out_n;
	int rc;

	pthread_mutex_lock(&w->engine.lock);
	w->row = row;
	w->version = VERSION;
	w->updates = w->backs = 0;
	w->replicas = 1;
	w->strange[0] = w->image[0] = '\0';
	pthread_mutex_unlock(&w->engine.lock);
	ui.out = ui.err = open_memstream(&out, &out_n);
	settings_init(&set);
	settings_set(&set, S_PROGRAM, foreign_path, "test");
	s.az.clock = (struct azure_clock){ no_time, no_wait, NULL };
	snprintf(word, sizeof(word), "%s", row->word ? row->word : "");
	rc = row->run(&s, row->word ? 2 : 1, argv, &e);
	fclose(ui.out);
	deploys = row->run == cmd_deploy_replicated_service ||
		  row->run == cmd_deploy_stack;
	if (rc != (row->kind == ERR_NONE ? 0 : -1) || e.kind != row->kind ||
	    strstr(e.msg, row->words) == NULL)
		buf_addf(&why, "rc %d, kind %d, \"%s\"; it said: %s", rc,
			 e.kind, e.msg, out);
	else if (w->updates != row->updates)
		buf_addf(&why, "%u updates, not %u", w->updates, row->updates);
	else if (row->run == cmd_deploy_replicated_service && rc == 0 &&
		 !str_ends(str_of(w->image), str_of(digest_wanted(row->offer))))
		buf_addf(&why, "%s was deployed", w->image);
	else if (deploys != str_ends(str_of(out), STR("\nhttp://192.0.2.8/\n")) &&
		 rc == 0)
		buf_addf(&why, "what it said ends otherwise: %s", out);
	else if (w->strange[0] != '\0')
		buf_addf(&why, "strange: %s", w->strange);
	check_why(row->name, why.str);
	free(out);
	settings_release(&set);
	buf_release(&why);
}

/* What would be another request with that ID in its path is not asked. */
static void strange_id(struct world *w)
{
	static const struct row row = {
		.name = "an ID that is a path",
		.run = cmd_scale_service,
		.word = "3",
		.kind = ERR_PROTO,
		.words = "service replicated: Docker: \"sv1/../sv2\" is no ID",
	};

	w->id = "sv1/../sv2";
	run_row(w, &row);
	w->id = "sv1";
}

/* A failure that comes again and again, each time with other numbers. */
static void failures(struct world *w)
{
	static const struct row row = { .offer = OWN };
	char command[] = "scale-service", word[] = "3",
	     *argv[] = { command, word, NULL }, *out = NULL;
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct err e = ERR_INIT;
	size_t out_n, told = 0;

	pthread_mutex_lock(&w->engine.lock);
	w->row = &row;
	w->version = VERSION;
	w->failing = 6;
	pthread_mutex_unlock(&w->engine.lock);
	ui.out = ui.err = open_memstream(&out, &out_n);
	settings_init(&set);
	s.az.clock = (struct azure_clock){ no_time, no_wait, NULL };
	check(cmd_scale_service(&s, 2, argv, &e) == 0, "failures that pass",
	      e.msg);
	fclose(ui.out);
	for (const char *p = out; (p = strstr(p, "a task failed: ")) != NULL; p++)
		told++;
	check(told == 2 &&
		      strstr(out, "service replicated: a task failed: mounting "
				  "/tmp/mount7919: no (replicated)\n") != NULL &&
		      strstr(out, "a task failed: looking at /tmp/") != NULL,
	      "the same one is told once, although its numbers differ", out);
	check(strstr(out, "that failure came 5 times\n") != NULL,
	      "and how often it came", out);
	free(out);
	settings_release(&set);
}

/* Public, the monitor is told what Azure calls the cluster; else nobody may
 * call it anything. */
static void monitor_names(struct world *w)
{
	static const struct {
		const char *open, *listen, *names; /* names NULL: none */
		const char *url;
	} cases[] = {
		{ "false", "\"LISTEN=127.0.0.1\"", NULL, "" },
		{ "true", "\"LISTEN=0.0.0.0\"", "\"NAMES=a.test b.test \"",
		  "http://192.0.2.7:8080/\n" },
	};
	char command[] = "deploy-monitor", *argv[] = { command, NULL };

	w->row = rows;
	for (size_t i = 0; i < 2; i++) {
		struct settings set;
		char *out = NULL;
		size_t out_n;
		struct ui ui = { .quiet = true,
				 .out = open_memstream(&out, &out_n) };
		struct session s = { .set = &set,
				     .ui = &ui,
				     .version = "test",
				     .no_wait = true };
		struct err e = ERR_INIT;
		const char *names;
		int rc;

		settings_init(&set);
		settings_set(&set, S_MONITOR_PUBLIC, cases[i].open, "test");
		rc = cmd_deploy_monitor(&s, 1, argv, &e);
		fclose(ui.out);
		check(strcmp(out, cases[i].url) == 0,
		      i == 0 ? "the monitor, for us: no address of it" :
			       "for everybody: its address",
		      out);
		free(out);
		names = strstr(w->made, "\"NAMES=");
		check(rc == 0 && strstr(w->made, cases[i].listen) != NULL &&
			      (cases[i].names == NULL ?
				       names == NULL :
				       names != NULL &&
					       strstr(w->made, cases[i].names) ==
						       names),
		      i == 0 ? "the monitor, for us" : "for everybody",
		      rc < 0 ? e.msg : w->made);
		settings_release(&set);
	}
}

/* A service of the name that we would give ours, and somebody else's. */
static void strangers(struct world *w)
{
	static const struct {
		const char *name, *service;
		int (*run)(struct session *s, int argc, char **argv,
			   struct err *e);
	} cases[] = {
		{ "deploy-replicated-service", "replicated",
		  cmd_deploy_replicated_service },
		{ "deploy-global-service", "global", cmd_deploy_global_service },
		{ "deploy-monitor", "monitor", cmd_deploy_monitor },
		{ "scale-service", "replicated", cmd_scale_service },
		{ "update-service", "replicated", cmd_update_service },
		{ "destroy-service", "replicated", cmd_destroy_service },
		{ "destroy-global-service", "global", cmd_destroy_global_service },
		{ "kill-monitor", "monitor", cmd_kill_monitor },
	};
	static const char ours[] = "127.0.0.1:1339/azswarm:0.1.0@sha256:0";
	static const char *const images[] = { "prom/prometheus:v2",
					      "127.0.0.1:1339/azswarm2:1", ours };
	static const struct row row = { .offer = OWN };
	size_t all = sizeof(cases) / sizeof(*cases);

	w->row = &row;
	for (size_t i = 0; i < sizeof(images) / sizeof(*images) * all; i++) {
		char command[] = "command", word[] = "3",
		     *argv[] = { command, word, NULL }, *out = NULL;
		const char *image = images[i / all];
		size_t at = i % all, out_n;
		struct settings set;
		struct ui ui = { .out = open_memstream(&out, &out_n) };
		struct session s = { .set = &set,
				     .ui = &ui,
				     .version = "test",
				     .no_wait = true };
		struct buf words = BUF_INIT(512);
		char *name = xasprintf("%s: %s", cases[at].name, image);
		struct err e = ERR_INIT;

		ui.err = ui.out;
		w->version = VERSION;
		w->updates = w->gone = 0;
		w->made[0] = w->strange[0] = '\0';
		w->runs = image;
		settings_init(&set);
		buf_addf(&words,
			 "service %s: somebody else made it: its image is \"%s\"",
			 cases[at].service, image);
		/* of those of ours that one which needs no Azure */
		if (image != ours) {
			cases[at].run(&s, 2, argv, &e);
			check(e.kind == ERR_DATA &&
				      str_starts(str_of(e.msg), buf_str(&words)) &&
				      w->updates == 0 && w->gone == 0 &&
				      w->made[0] == '\0' && w->strange[0] == '\0',
			      name, e.kind ? e.msg : "no error");
		} else if (cases[at].run == cmd_kill_monitor) {
			check(cases[at].run(&s, 1, argv, &e) == 0 && w->gone == 1,
			      name, e.msg);
		}
		fclose(ui.out);
		free(out);
		free(name);
		buf_release(&words);
		settings_release(&set);
	}
	w->runs = ours;
}

int main(void)
{
	static struct world w;
	struct err e = ERR_INIT;

	json_init();
	if (mkdtemp(dir) == NULL ||
	    image_init(&own, "/proc/self/exe", ELF_OWN, "test", &e) < 0)
		abort();
	write_foreign(&e);
	snprintf(w.engine.path, sizeof(w.engine.path), "%s/engine.sock", dir);
	w.engine.answer = answer;
	w.engine.ctx = &w;
	w.row = rows;
	w.id = "sv1";
	w.runs = "127.0.0.1:1339/azswarm:0.1.0@sha256:0";
	engine_start(&w.engine);
	socket_of_engine = w.engine.path;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&w, &rows[i]);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		run_verdict(&w, &verdicts[i]);
	for (size_t i = 0; i < sizeof(togethers) / sizeof(*togethers); i++)
		run_together(&w, &togethers[i]);
	check(strcmp(w.waited, "2 services: a 0 of 1, b 0 of 1") == 0,
	      "what is waited for is said of all", w.waited);
	strange_id(&w);
	failures(&w);
	monitor_names(&w);
	strangers(&w);
	engine_stop(&w.engine);
	image_release(&own);
	image_release(&foreign);
	dir_remove(dir, &e);
	return check_failed();
}
