/* time: 120
 * The agent as a process of its own: its engine and its manager's are made
 * up, the helper between them is the real one. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "node/config.h"
#include "node/daemon.h"
#include "tests/unit/swarm.h"

static int failures;
static struct world world;
static struct swarm manager = { .state = "inactive" }, worker = { .state = "inactive", .of = &manager };
static char host[65];
static pid_t helper_pid, agent_pid;

static void result(const char *name, bool good, const char *got)
{
	if (good)
		printf("ok agent %s\n", name);
	else
		printf("not ok agent %s: got \"%s\"\n", name, got);
	failures += !good;
}

/* GET path at the agent, by hand; the status, and the whole answer. */
static unsigned ask_agent(const char *request, char *out, size_t size)
{
	struct err e = ERR_INIT;
	int fd = tcp_connect("127.0.0.1", world.health_port, now_ms() + 1000, &e);
	size_t n = 0;

	out[0] = '\0';
	if (fd < 0)
		return 0;
	fcntl(fd, F_SETFL, 0);
	if (!engine_send(fd, request, strlen(request))) {
		close(fd);
		return 0;
	}
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t k;

		if (poll(&p, 1, 3000) <= 0 || (k = recv(fd, out + n, size - 1 - n, 0)) <= 0)
			break;
		n += (size_t)k;
		out[n] = '\0';
	}
	close(fd);
	return n > 12 ? (unsigned)strtoul(out + 9, NULL, 10) : 0;
}

static bool health(unsigned status, const char *words)
{
	char text[4096];
	unsigned got = ask_agent("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text,
				 sizeof(text));

	return got == status && strstr(text, words) != NULL;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static unsigned done(struct swarm *s, const char *what)
{
	unsigned n;

	swarm_lock(s);
	n = count(s->calls, what);
	swarm_unlock(s);
	return n;
}

static struct row *own_row(void)
{
	return swarm_row(&manager, worker.node_id);
}

/* ---- cases ---- */

static void joining(void)
{
	int64_t began;

	agent_pid = world_run(&world, "w1", "agent");
	result("unhealthy without an engine", WITHIN(5000, health(503, "Docker does not answer")), "not");
	began = now_ms();
	swarm_start(&worker, world.dir, "w1");
	result("joins when its engine answers", WITHIN(5000, done(&worker, "join\n") == 1), worker.calls);
	result("within 2 s", now_ms() - began < 2000, "later");
	result("healthy when a helper says that it is ready", WITHIN(5000, health(200, "\"status\":\"ok\"")),
	       "not");
	usleep(1500000);
	result("joins once", done(&worker, "join\n") == 1 && done(&worker, "leave") == 0, worker.calls);
}

static void answers(void)
{
	char text[4096];

	result("another path", ask_agent("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text,
	       sizeof(text)) == 404, text);
	result("another method", ask_agent("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
	       "Connection: close\r\n\r\n", text, sizeof(text)) == 405, text);
	result("a HEAD has no body", ask_agent("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	       text, sizeof(text)) == 200 && strstr(text, "\r\n\r\n") != NULL &&
	       strstr(text, "status\"") == NULL, text);
	result("HTTP/1.0, as load balancers speak it", ask_agent("GET /healthz HTTP/1.0\r\n\r\n", text,
	       sizeof(text)) == 200, text);
	result("nonsense", ask_agent("\x16\x03\x01 hello\r\n\r\n", text, sizeof(text)) != 200, text);
	result("and goes on", health(200, "ok"), "not");
}

static void drained(void)
{
	swarm_lock(&manager);
	strcpy(own_row()->availability, "drain");
	swarm_unlock(&manager);
	result("a drained node is unhealthy", WITHIN(12000, health(503, "drained or paused")), "not");
	swarm_lock(&manager);
	strcpy(own_row()->availability, "active");
	strcpy(own_row()->state, "disconnected");
	swarm_unlock(&manager);
	result("one that the managers do not see, too", WITHIN(12000, health(503, "do not see")), "not");
	swarm_lock(&manager);
	strcpy(own_row()->state, "ready");
	swarm_unlock(&manager);
	result("and healthy again", WITHIN(12000, health(200, "ok")), "not");
	result("and has never left for that", done(&worker, "leave") == 0, worker.calls);
}

static void removed(void)
{
	swarm_lock(&manager);
	own_row()->id[0] = '\0';
	swarm_unlock(&manager);
	result("a node that was removed leaves by force and joins again",
	       WITHIN(20000, done(&worker, "join\n") == 2) && done(&worker, "leave by force") == 1,
	       worker.calls);
	result("and is healthy", WITHIN(8000, health(200, "ok")), "not");
}

static void restarted(void)
{
	result("ends on SIGTERM, without a leak", world_stop(agent_pid) == 0, "not");
	result("which is no reason to leave", done(&worker, "leave") == 1, worker.calls);
	agent_pid = world_run(&world, "w1", "agent");
	result("started again, it is healthy", WITHIN(8000, health(200, "ok")), "not");
	usleep(1500000);
	result("in the same swarm", done(&worker, "leave") == 1 && done(&worker, "join\n") == 2, worker.calls);
}

/* What the run directory says is gone after a boot. */
static void booted(void)
{
	struct err e = ERR_INIT;
	char path[128];

	world_stop(agent_pid);
	snprintf(path, sizeof(path), "%s/run-w1", world.dir);
	dir_remove(path, &e);
	agent_pid = world_run(&world, "w1", "agent");
	result("after a boot it leaves the stale swarm and joins",
	       WITHIN(10000, done(&worker, "join\n") == 3) && done(&worker, "leave by force") == 2,
	       worker.calls);
	result("and says why", world_said(&world, "w1", "from before the machine was started"), "not");
	result("the old row is gone", WITHIN(15000, done(&manager, "remove ") == 1), manager.calls);
	result("healthy after a boot", WITHIN(8000, health(200, "ok")), "not");
}

static void helper_away(void)
{
	world_stop(helper_pid);
	sleep(7);	/* longer than it takes to ask again */
	result("stays healthy while no helper answers", health(200, "ok"), "not");
	result("and in its swarm", done(&worker, "leave") == 2, worker.calls);
	helper_pid = world_run(&world, "m0", "helper");
	result("the helper is back", WITHIN(5000, world_said(&world, "m0", "helper: stopped")), "not");
}

static void join_refused(void)
{
	unsigned joins = done(&worker, "join\n");
	int64_t began;

	swarm_lock(&worker);
	worker.refuse_join = true;
	strcpy(worker.state, "inactive");
	worker.node_id[0] = '\0';
	swarm_unlock(&worker);
	result("a join that is refused is told", WITHIN(8000, world_said(&world, "w1",
	       "joining the swarm of 127.0.0.1:2377: Docker POST /swarm/join: cannot join (503)")), "not");
	result("unhealthy meanwhile", health(503, "not in a swarm yet"), "not");
	began = now_ms();
	swarm_lock(&worker);
	worker.refuse_join = false;
	swarm_unlock(&worker);
	result("and tried again, not before 2 s", WITHIN(30000, done(&worker, "join\n") == joins + 1) &&
	       now_ms() - began > 700, worker.calls);
	result("with success", WITHIN(8000, health(200, "ok")), "not");
}

/* The containers go one after the other; leaving waits for the last. */
static void leaving(void)
{
	int64_t began = now_ms();
	unsigned left = done(&worker, "leave\n"), removed_before = done(&manager, "remove ");
	pid_t pid;

	swarm_lock(&worker);
	worker.containers = 2;
	swarm_unlock(&worker);
	swarm_lock(&manager);
	own_row()->tasks = 1;
	swarm_unlock(&manager);
	pid = world_run(&world, "w1", "leave");
	result("unhealthy at once", WITHIN(1000, health(503, "\"status\":\"leaving\"")), "not");
	result("drained", WITHIN(3000, done(&manager, "drain active") == 1), manager.calls);
	sleep(2);
	result("waits for its containers", done(&worker, "leave\n") == left, worker.calls);
	swarm_lock(&worker);
	worker.containers = 0;
	swarm_unlock(&worker);
	sleep(1);
	result("and for what the swarm still has on it", done(&worker, "leave\n") == left, worker.calls);
	swarm_lock(&manager);
	own_row()->tasks = 0;
	swarm_unlock(&manager);
	result("then leaves, without force", world_wait(pid, 20000) == 0 &&
	       done(&worker, "leave\n") == left + 1 && now_ms() - began > 3000, worker.calls);
	result("tells the helper", WITHIN(2000, world_said(&world, "m0", "has left")), "not");
	result("its row goes", WITHIN(8000, done(&manager, "remove ") == removed_before + 1),
	       manager.calls);
	sleep(2);
	result("the agent stays out", health(503, "leaving") && strcmp(worker.state, "inactive") == 0, "not");
	result("leaving twice is no error", world_wait(world_run(&world, "w1", "leave"), 10000) == 0 &&
	       world_said(&world, "w1", "in no swarm"), "it is");
	world_stop(agent_pid);
	agent_pid = world_run(&world, "w1", "agent");
	result("a started agent joins", WITHIN(8000, health(200, "ok")), "not");
}

/* Nobody to ask, tasks that never end: still within the bound. */
static void leaving_alone(void)
{
	int64_t began = now_ms();

	world_stop(helper_pid);
	swarm_lock(&worker);
	worker.containers = 5;
	swarm_unlock(&worker);
	result("leaves without a helper", world_wait(world_run(&world, "w1", "leave"), 55000) == 0 &&
	       strcmp(worker.state, "inactive") == 0, worker.calls);
	result("at once: nobody moves its tasks", now_ms() - began < 15000, "later");
	result("and says so", world_said(&world, "w1", "agent leave: not drained: helper at 127.0.0.1"), "not");
	world_stop(agent_pid);
}

static void no_engine(void)
{
	int64_t began = now_ms();

	engine_stop(&worker.engine);
	result("leaving without an engine fails", world_wait(world_run(&world, "w1", "leave"), 20000) == 1,
	       "no");
	result("soon, and says why", now_ms() - began < 10000 &&
	       world_said(&world, "w1", "failed: agent leave: Docker Engine: "), "not");
}

/* A manager, by its configuration or by its engine's word, stays. */
static void managers_stay(void)
{
	struct swarm promoted = { .state = "active", .manager = true, .node_id = "node1" };

	swarm_add(&promoted, host, "127.0.0.1", true);
	swarm_start(&promoted, world.dir, "promoted");
	world_config(&world, "master", "manager", promoted.engine.path, "");
	world_config(&world, "promoted", "worker", promoted.engine.path, "");
	result("a master does not leave", world_wait(world_run(&world, "master", "leave"), 5000) == 0 &&
	       world_said(&world, "master", "a manager stays in the swarm") && promoted.calls[0] == '\0',
	       promoted.calls);
	result("nor does a worker that was made a manager",
	       world_wait(world_run(&world, "promoted", "leave"), 5000) == 0 &&
	       world_said(&world, "promoted", "a manager stays in the swarm") && promoted.calls[0] == '\0',
	       promoted.calls);
	agent_pid = world_run(&world, "master", "agent");
	result("a master's health is its own table's", WITHIN(5000, health(200, "ok")), "not");
	swarm_lock(&promoted);
	strcpy(promoted.rows[0].availability, "drain");
	swarm_unlock(&promoted);
	result("drained, it is unhealthy", WITHIN(12000, health(503, "drained or paused")), "not");
	swarm_lock(&promoted);
	promoted.manager = false;
	strcpy(promoted.state, "inactive");
	swarm_unlock(&promoted);
	result("in no swarm, it waits for its helper", WITHIN(12000, health(503, "not in a swarm yet")), "not");
	sleep(2);
	result("and touches nothing", promoted.calls[0] == '\0', promoted.calls);
	world_stop(agent_pid);
	engine_stop(&promoted.engine);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	char path[160];

	world_main(argc, argv);
	world_begin(&world);
	if (daemon_own_name(host, &e) < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/m0.sock", world.dir);
	world_config(&world, "m0", "manager", path, ",\"rate\":1000");
	snprintf(path, sizeof(path), "%s/w1.sock", world.dir);
	world_config(&world, "w1", "worker", path, ",\"settle_s\":1");
	swarm_start(&manager, world.dir, "m0");
	helper_pid = world_run(&world, "m0", "helper");
	result("a helper has a swarm", WITHIN(5000, world_said(&world, "m0", "founded a swarm")),
	       manager.calls);
	usleep(300000);
	joining();
	answers();
	drained();
	removed();
	restarted();
	booted();
	helper_away();
	join_refused();
	leaving();
	leaving_alone();
	no_engine();
	managers_stay();
	result("nothing was asked of an engine that it does not have", !swarm_did(&manager, "unexpected") &&
	       !swarm_did(&worker, "unexpected"), manager.calls);
	if (failures > 0) {
		world_show(&world, "m0");
		world_show(&world, "w1");
	}
	engine_stop(&manager.engine);
	world_end(&world);
	return failures > 0;
}
