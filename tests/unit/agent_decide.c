/* node/agent: when an agent joins, leaves, and calls its node healthy. */
#include <stdio.h>
#include <string.h>

#include "node/agent.h"
#include "tests/check.h"

#define INACTIVE DOCKER_SWARM_INACTIVE
#define PENDING DOCKER_SWARM_PENDING
#define ACTIVE DOCKER_SWARM_ACTIVE
#define ERROR DOCKER_SWARM_ERROR
#define LOCKED DOCKER_SWARM_LOCKED

/* A node that is as it should be; a row says what differs. */
#define FINE \
	.engine = true, .state = ACTIVE, .node_id = "n1", .joined_id = "n1", \
	.heard = true, .says = AGENT_SAYS_NODE, .says_ready = true, \
	.says_active = true

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const struct {
	const char *name;
	struct agent_view v;
	enum agent_step step;
	const char *why;    /* of the step */
	const char *health; /* words of the answer; "ok" is 200 */
} rows[] = {
	{ "as it should be", { FINE }, AGENT_STAY, "", "ok" },
	{ "confirmed once", { FINE, .confirmed = true }, AGENT_STAY, "", "ok" },
	{ "confirmed, doubted for 59 s",
	  { FINE, .confirmed = true, .says_ready = false, .doubted_ms = 59999 },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "confirmed, doubted for a minute",
	  { FINE, .confirmed = true, .says_ready = false, .doubted_ms = 60000 },
	  AGENT_STAY,
	  "",
	  "have not seen this node ready for a minute" },
	{ "confirmed, no helper answers",
	  { FINE, .confirmed = true, .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "confirmed, pending for 19 s",
	  { FINE, .confirmed = true, .state = PENDING, .unsettled_ms = 19999 },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "confirmed, pending for 59 s, no helper answers",
	  { FINE, .confirmed = true, .state = PENDING, .unsettled_ms = 59999,
	    .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "confirmed, pending for a minute, no helper answers",
	  { FINE, .confirmed = true, .state = PENDING, .unsettled_ms = 60000,
	    .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "out of its swarm for a minute" },
	{ "confirmed, then in no swarm",
	  { FINE, .confirmed = true, .state = INACTIVE, .node_id = "" },
	  AGENT_JOIN,
	  "",
	  "not in a swarm yet" },
	{ "confirmed, then removed",
	  { FINE, .confirmed = true, .says = AGENT_SAYS_UNKNOWN },
	  AGENT_LEAVE,
	  "does not know this node any more",
	  "does not know this node" },
	{ "confirmed, no Docker",
	  { FINE, .confirmed = true, .engine = false },
	  AGENT_STAY,
	  "",
	  "Docker does not answer" },
	{ "confirmed, its disk is full",
	  { FINE, .confirmed = true, .full = true },
	  AGENT_STAY,
	  "",
	  "no room where Docker keeps its data" },
	{ "confirmed, drained by a person",
	  { FINE, .confirmed = true, .says_active = false },
	  AGENT_STAY,
	  "",
	  "drained or paused" },
	{ "its disk is full",
	  { FINE, .full = true },
	  AGENT_STAY,
	  "",
	  "no room where Docker keeps" },
	/* waiting for its turn is no leaving: says_leaving begins with quiet */
	{ "asked to go, not its turn",
	  { FINE, .confirmed = true, .says_own = false },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "on its way for the operator",
	  { FINE, .confirmed = true, .says_leaving = true },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "out for the operator",
	  { FINE, .confirmed = true, .says_leaving = true, .says_active = false },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "on its way because of an event",
	  { FINE, .confirmed = true, .says_leaving = true, .says_own = true,
	    .says_active = false },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "a master that had gone down, up again",
	  { FINE, .master = true, .manager = true, .says_manager = true,
	    .says_leaving = true, .says_down = true, .says_own = true },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "no Docker",
	  { FINE, .engine = false },
	  AGENT_STAY,
	  "",
	  "Docker does not answer" },
	{ "in no swarm",
	  { FINE, .state = INACTIVE, .node_id = "", .says = AGENT_SAYS_NOTHING },
	  AGENT_JOIN,
	  "",
	  "not in a swarm yet" },
	{ "in no swarm, after one",
	  { FINE, .state = INACTIVE, .node_id = "" },
	  AGENT_JOIN,
	  "",
	  "not in a swarm yet" },
	{ "in no swarm, a leave runs",
	  { FINE, .state = INACTIVE, .node_id = "", .leave_runs = true },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "a leave runs", { FINE, .leave_runs = true }, AGENT_STAY, "", "leaving" },
	{ "a leave runs, from before the boot",
	  { FINE, .joined_id = "", .leave_runs = true },
	  AGENT_STAY,
	  "",
	  "leaving" },
	{ "from before the boot",
	  { FINE, .joined_id = "" },
	  AGENT_LEAVE,
	  "before the machine was started",
	  "ok" },
	{ "another than this boot's",
	  { FINE, .joined_id = "n0" },
	  AGENT_LEAVE,
	  "before the machine was started",
	  "ok" },
	{ "from before the boot, no helper answers",
	  { FINE, .joined_id = "", .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "no manager has said yet" },
	{ "from before the boot, still finding its way",
	  { FINE, .joined_id = "", .state = PENDING },
	  AGENT_LEAVE,
	  "before the machine was started",
	  "not in a swarm yet" },
	{ "removed from the table",
	  { FINE, .says = AGENT_SAYS_UNKNOWN },
	  AGENT_LEAVE,
	  "does not know this node any more",
	  "the swarm does not know this node" },
	{ "removed, and pending",
	  { FINE, .says = AGENT_SAYS_UNKNOWN, .state = PENDING },
	  AGENT_LEAVE,
	  "does not know this node any more",
	  "the swarm does not know this node" },
	{ "removed, by a helper of another swarm, or of none",
	  { FINE, .says = AGENT_SAYS_UNKNOWN, .heard = false },
	  AGENT_STAY,
	  "",
	  "the swarm does not know this node" },
	{ "from before the boot, no helper of its swarm answers",
	  { FINE, .joined_id = "", .heard = false },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "pending for too long, and its master has gone since",
	  { FINE, .state = PENDING, .unsettled_ms = 900000, .heard = false },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "the swarm was begun anew without it",
	  { FINE, .confirmed = true, .says_ready = false, .moved = true },
	  AGENT_LEAVE,
	  "begun anew without this node",
	  "ok" },
	{ "begun anew, and nobody has a place for it now",
	  { FINE, .confirmed = true, .moved = true, .heard = false },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "no helper answers",
	  { FINE, .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "no manager has said yet" },
	{ "pending for a moment",
	  { FINE, .state = PENDING, .unsettled_ms = 19999 },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "pending for too long",
	  { FINE, .state = PENDING, .unsettled_ms = 20000 },
	  AGENT_LEAVE,
	  "does not find its way",
	  "not in a swarm yet" },
	{ "pending, no helper answers",
	  { FINE, .state = PENDING, .unsettled_ms = 900000,
	    .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "an error for too long",
	  { FINE, .state = ERROR, .unsettled_ms = 20000 },
	  AGENT_LEAVE,
	  "does not find its way",
	  "not in a swarm yet" },
	{ "an error, its ID gone, no helper answers",
	  { FINE, .state = ERROR, .node_id = "", .unsettled_ms = 900000,
	    .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet: the engine's swarm state is error" },
	{ "an error, its ID gone, a worker by its name",
	  { FINE, .state = ERROR, .node_id = "", .unsettled_ms = 20000,
	    .says_ready = false },
	  AGENT_LEAVE,
	  "does not find its way",
	  "the engine's swarm state is error" },
	{ "an error, its ID gone, its row, too",
	  { FINE, .state = ERROR, .node_id = "", .unsettled_ms = 20000,
	    .says = AGENT_SAYS_UNKNOWN },
	  AGENT_LEAVE,
	  "does not know this node any more",
	  "does not know this node" },
	{ "an error, its ID gone, a manager by its name",
	  { FINE, .state = ERROR, .node_id = "", .unsettled_ms = 900000,
	    .says_ready = false, .says_manager = true },
	  AGENT_STAY,
	  "",
	  "the engine's swarm state is error" },
	{ "a master in an error",
	  { FINE, .master = true, .state = ERROR, .node_id = "",
	    .unsettled_ms = 900000, .says = AGENT_SAYS_NOTHING },
	  AGENT_STAY,
	  "",
	  "the engine's swarm state is error" },
	{ "no room and no share, but neither full",
	  { FINE, .lacks = 3 },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "drained by a person",
	  { FINE, .says_active = false },
	  AGENT_STAY,
	  "",
	  "drained or paused" },
	{ "not ready for the managers",
	  { FINE, .says_ready = false },
	  AGENT_STAY,
	  "",
	  "do not see this node ready" },
	{ "said that it goes, and runs",
	  { FINE, .says_leaving = true, .says_down = true, .says_own = true,
	    .says_active = false },
	  AGENT_LEAVE,
	  "had said that it goes",
	  "leaving" },
	{ "made a manager by a person",
	  { FINE, .manager = true, .says_manager = true },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "made a manager, rebooted",
	  { FINE, .says_manager = true, .joined_id = "", .state = PENDING,
	    .unsettled_ms = 900000 },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "made a manager, its word alone",
	  { FINE, .manager = true, .joined_id = "", .says = AGENT_SAYS_UNKNOWN },
	  AGENT_STAY,
	  "",
	  "the swarm does not know this node" },
	{ "a locked manager",
	  { FINE, .says_manager = true, .state = LOCKED, .unsettled_ms = 900000 },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "a master in no swarm",
	  { FINE, .master = true, .state = INACTIVE, .node_id = "" },
	  AGENT_STAY,
	  "",
	  "not in a swarm yet" },
	{ "a master from before the boot",
	  { FINE, .master = true, .manager = true, .joined_id = "",
	    .says_manager = true },
	  AGENT_STAY,
	  "",
	  "ok" },
	{ "a master that is starting",
	  { FINE, .master = true, .joined_id = "", .state = PENDING,
	    .unsettled_ms = 900000, .says = AGENT_SAYS_UNKNOWN },
	  AGENT_STAY,
	  "",
	  "the swarm does not know this node" },
	{ "a drained master",
	  { FINE, .master = true, .manager = true, .says_manager = true,
	    .says_active = false },
	  AGENT_STAY,
	  "",
	  "drained or paused" },
};
#pragma GCC diagnostic pop

static void one(size_t i)
{
	const char *why = NULL, *health = NULL;
	enum agent_step step = agent_decide(&rows[i].v, &why);
	bool healthy = agent_healthy(&rows[i].v, &health);
	bool good = step == rows[i].step && strstr(why, rows[i].why) != NULL &&
		    strstr(health, rows[i].health) != NULL &&
		    healthy == (strcmp(rows[i].health, "ok") == 0);
	char got[256];

	/* a step without a reason is none that a person can follow */
	good = good && (step != AGENT_LEAVE || *why != '\0');
	snprintf(got, sizeof(got), "step %d, %s, %s", (int)step, why, health);
	check(good, rows[i].name, got);
}

static void backoff(void)
{
	bool spread = false;

	check(agent_backoff_ms(0) == 2000, "the first wait is 2 s", "another");
	for (unsigned n = 0; n < 300; n++) {
		int64_t ms = agent_backoff_ms(n),
			bound = n < 4 ? 2000L << n : 30000;

		if (ms < 2000 || ms > bound) {
			check(false, "waits stay within their bounds",
			      "one outside");
			return;
		}
		spread = spread || ms != agent_backoff_ms(n);
	}
	check(true, "waits stay within their bounds", "");
	check(spread, "and differ", "all the same");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(i);
	backoff();
	return check_failed();
}
