/* time: 150
 * A master whose swarm has lost it, or that never came to be in it: it leaves
 * what it is in and joins again, and only then.  Three of them at once, for each
 * waits most of its time. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "node/config.h"
#include "node/daemon.h"
#include "node/life.h"
#include "tests/check.h"
#include "tests/unit/swarm.h"

static struct world world;
static struct swarm keeper = { .state = "inactive" };
/* whom the keeper does not know any more, whom it knows, whose join never ends */
static struct swarm lost = { .state = "inactive", .of = &keeper },
		    kept = { .state = "inactive", .of = &keeper },
		    stalled = { .state = "inactive", .of = &keeper };

static pid_t run(struct swarm *s, const char *name, const char *addr)
{
	swarm_start(s, world.dir, name);
	world_master(&world, name, addr, s->engine.path, "");
	return world_run(&world, name, "helper");
}

/* What it has on its disk: in that swarm, as that node. */
static bool is_in(const char *name, const char *cluster, bool node)
{
	struct err e = ERR_INIT;
	struct life l;
	char dir[200];

	snprintf(dir, sizeof(dir), "%s/state-%s", world.dir, name);
	return life_load(dir, &l, &e) == 0 && strcmp(l.cluster, cluster) == 0 &&
	       l.generation == 1 && (l.node[0] != '\0') == node;
}

static unsigned joins(struct swarm *s)
{
	unsigned n = 0;

	swarm_lock(s);
	for (const char *p = s->calls; (p = strstr(p, "join\n")) != NULL; p++)
		n++;
	swarm_unlock(s);
	return n;
}

/* Its engine does not find its swarm, and does not tell as whom it looks. */
static void loses(struct swarm *s, bool row_stays)
{
	struct row *row;

	swarm_lock(s);
	swarm_lock(&keeper);
	row = swarm_row(&keeper, s->node_id);
	if (row != NULL && !row_stays)
		row->id[0] = '\0';
	swarm_unlock(&keeper);
	strcpy(s->state, "error");
	s->manager = false;
	s->node_id[0] = '\0';
	swarm_unlock(s);
}

int main(int argc, char **argv)
{
	struct row *row;
	int64_t began, noticed, moved;
	pid_t pid[4];

	world_main(argc, argv);
	world_begin(&world);
	swarm_start(&keeper, world.dir, "m0");
	world_config(&world, "m0", "manager", keeper.engine.path,
		     ",\"rate\":1000");
	pid[0] = world_run(&world, "m0", "helper");
	check(WITHIN(5000, is_in("m0", "cl1", true)), "a swarm", keeper.calls);
	stalled.stall_join = true;
	pid[1] = run(&lost, "lost", "127.0.0.2");
	pid[2] = run(&kept, "kept", "127.0.0.3");
	pid[3] = run(&stalled, "stalled", "127.0.0.4");
	check(WITHIN(5000,
		     is_in("lost", "cl1", true) && is_in("kept", "cl1", true)),
	      "two masters join it, and know as whom", lost.calls);
	check(WITHIN(5000, is_in("stalled", "cl1", false)),
	      "the third knows what it was to join", "not");

	swarm_lock(&keeper);
	row = swarm_row(&keeper, kept.node_id);
	if (row != NULL)
		strcpy(row->program, "1.2");
	swarm_unlock(&keeper);
	began = now_ms();
	loses(&lost, false);
	loses(&kept, true);
	check(WITHIN(15000, world_said(&world, "lost", "swarm is \"error\"")),
	      "its engine has lost its swarm", "not");
	noticed = now_ms();
	while (now_ms() - began < 20000)
		usleep(100000);
	check(!swarm_did(&lost, "leave") && !swarm_did(&stalled, "leave"),
	      "nothing is left in a hurry", lost.calls);
	check(WITHIN(40000, swarm_did(&lost, "leave by force")),
	      "the managers know it no more: it leaves", lost.calls);
	check(now_ms() - noticed >= 26000,
	      "when they have said so twice, later", "at once");
	/* from now on they refuse the other, which is no word on its row */
	swarm_lock(&keeper);
	if (row != NULL)
		strcpy(row->addr, "127.0.0.9");
	swarm_unlock(&keeper);
	moved = now_ms();
	check(WITHIN(15000, joins(&lost) == 2 && is_in("lost", "cl1", true)),
	      "and joins again", lost.calls);
	check(world_said(&world, "lost", "do not know this node any more: leaving"),
	      "and says why", "not");

	swarm_lock(&stalled);
	stalled.stall_join = false;
	swarm_unlock(&stalled);
	check(WITHIN(60000, joins(&stalled) == 1) &&
		      swarm_did(&stalled, "leave by force"),
	      "one that does not end is begun again", stalled.calls);
	check(world_said(&world, "stalled", "for another try to join it"),
	      "which is said", "not");
	check(WITHIN(15000, is_in("stalled", "cl1", true)),
	      "and then it knows as whom", "not");
	while (now_ms() - moved < 25000)
		usleep(100000);
	check(world_said(&world, "m0", "is at 127.0.0.9, and you call from"),
	      "one is refused", "not");
	check(!swarm_did(&kept, "leave") && joins(&kept) == 1,
	      "whom they still know stays, however long", kept.calls);
	swarm_lock(&keeper);
	check(row != NULL && strcmp(row->program, "1.2") == 0,
	      "and what its row says of it is not taken back", keeper.calls);
	swarm_unlock(&keeper);

	for (int i = 3; i >= 0; i--)
		check(world_stop(pid[i]) == 0, "ends well, without a leak", "not");
	if (check_failed())
		for (int i = 0; i < 4; i++)
			world_show(&world,
				   (const char *const[]){ "m0", "lost", "kept",
							  "stalled" }[i]);
	engine_stop(&lost.engine);
	engine_stop(&kept.engine);
	engine_stop(&stalled.engine);
	engine_stop(&keeper.engine);
	world_end(&world);
	return check_failed();
}
