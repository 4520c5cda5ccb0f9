/* time: 300
 * The agent as a process of its own: its engine and its manager's are made
 * up, the helper between them is the real one. */
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "http.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/evict.h"
#include "tests/check.h"
#include "tests/unit/swarm.h"

static struct world world;
static struct swarm manager = { .state = "inactive" },
		    worker = { .state = "inactive", .of = &manager };
static char host[65];
static pid_t helper_pid, agent_pid;

/* GET path at the agent, by hand; the status, and the whole answer. */
static unsigned ask_agent(const char *request, char *out, size_t size)
{
	struct err e = ERR_INIT;
	int fd = tcp_connect("127.0.0.1", world.health_port, now_ms() + 20000, &e);
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

		if (poll(&p, 1, 3000) <= 0 ||
		    (k = recv(fd, out + n, size - 1 - n, 0)) <= 0)
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
	unsigned got = ask_agent(
		"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		text, sizeof(text));

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
	check(WITHIN(5000, health(503, "Docker does not answer")),
	      "unhealthy without an engine", "not");
	began = now_ms();
	swarm_start(&worker, world.dir, "w1");
	check(WITHIN(5000, done(&worker, "join\n") == 1),
	      "joins when its engine answers", worker.calls);
	check(now_ms() - began < 6000, "soon", "later");
	check(WITHIN(5000, health(200, "\"status\":\"ok\"")),
	      "healthy when a helper says that it is ready", "not");
	check(WITHIN(12000, done(&manager, "version ") == 1),
	      "its version is in its row", manager.calls);
	check(WITHIN(2000, strlen(own_row()->files) == 16),
	      "and which files make its machine", manager.calls);
	check(strstr(worker.gateway,
		     "\"com.docker.network.driver.mtu\":\"1400\"") != NULL &&
		      strstr(manager.gateway, "mtu\":\"1400\"") != NULL,
	      "what containers reach the world by has the network's MTU",
	      worker.gateway);
	usleep(1500000);
	check(done(&worker, "join\n") == 1 && done(&worker, "leave") == 0,
	      "joins once", worker.calls);
}

static void answers(void)
{
	char text[4096];

	check(ask_agent("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			text, sizeof(text)) == 404,
	      "another path", text);
	check(ask_agent("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
			"Connection: close\r\n\r\n",
			text, sizeof(text)) == 405,
	      "another method", text);
	check(ask_agent("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			text, sizeof(text)) == 200 &&
		      strstr(text, "\r\n\r\n") != NULL &&
		      strstr(text, "status\"") == NULL,
	      "a HEAD has no body", text);
	check(ask_agent("GET /healthz HTTP/1.0\r\n\r\n", text, sizeof(text)) == 200,
	      "HTTP/1.0, as load balancers speak it", text);
	check(ask_agent("GET /figures HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			text, sizeof(text)) == 200 &&
		      strstr(text, "{\"at_ms\":") != NULL &&
		      strstr(text, ",\"cpu_ms\":") != NULL,
	      "figures, to a master", text);
	check(ask_agent("POST /figures HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
			"Connection: close\r\n\r\n",
			text, sizeof(text)) == 404,
	      "by GET only", text);
	check(ask_agent("\x16\x03\x01 hello\r\n\r\n", text, sizeof(text)) != 200,
	      "nonsense", text);
	check(health(200, "ok"), "and goes on", "not");
}

static void drained(void)
{
	swarm_lock(&manager);
	strcpy(own_row()->availability, "drain");
	swarm_unlock(&manager);
	check(WITHIN(12000, health(503, "drained or paused")),
	      "a drained node is unhealthy", "not");
	swarm_lock(&manager);
	strcpy(own_row()->availability, "active");
	strcpy(own_row()->state, "disconnected");
	swarm_unlock(&manager);
	sleep(8); /* longer than it takes to ask again */
	check(health(200, "ok"),
	      "one that the managers doubt is healthy for a while: all are doubted "
	      "when a manager restarts",
	      "not");
	swarm_lock(&manager);
	strcpy(own_row()->state, "ready");
	swarm_unlock(&manager);
	check(WITHIN(12000, health(200, "ok")), "and healthy again", "not");
	check(done(&worker, "leave") == 0, "and has never left for that",
	      worker.calls);
}

static void removed(void)
{
	swarm_lock(&manager);
	own_row()->id[0] = '\0';
	swarm_unlock(&manager);
	check(WITHIN(20000, done(&worker, "join\n") == 2) &&
		      done(&worker, "leave by force") == 1,
	      "a node that was removed leaves by force and joins again",
	      worker.calls);
	check(WITHIN(8000, health(200, "ok")), "and is healthy", "not");
}

static void restarted(void)
{
	char name[128];
	int fd;

	check(world_stop(agent_pid) == 0, "ends on SIGTERM, without a leak",
	      "not");
	check(done(&worker, "leave") == 1, "which is no reason to leave",
	      worker.calls);
	snprintf(name, sizeof(name), "%s/notify", world.dir);
	fd = notify_socket(name);
	agent_pid = world_run(&world, "w1", "agent");
	unsetenv("NOTIFY_SOCKET");
	check(WITHIN(8000, health(200, "ok")), "started again, it is healthy",
	      "not");
	check(notified(fd, "READY=1") && notified(fd, "STATUS=in the swarm"),
	      "and systemd is told that it is in the swarm", "not");
	close(fd);
	usleep(1500000);
	check(done(&worker, "leave") == 1 && done(&worker, "join\n") == 2,
	      "in the same swarm", worker.calls);
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
	check(WITHIN(10000, done(&worker, "join\n") == 3) &&
		      done(&worker, "leave by force") == 2,
	      "after a boot it leaves the stale swarm and joins", worker.calls);
	check(world_said(&world, "w1", "from before the machine was started"),
	      "and says why", "not");
	check(WITHIN(15000, done(&manager, "remove ") == 1),
	      "the old row is gone", manager.calls);
	check(WITHIN(8000, health(200, "ok")), "healthy after a boot", "not");
}

static void helper_away(void)
{
	world_stop(helper_pid);
	sleep(7); /* longer than it takes to ask again */
	check(health(200, "ok"), "stays healthy while no helper answers", "not");
	check(done(&worker, "leave") == 2, "and in its swarm", worker.calls);
	helper_pid = world_run(&world, "m0", "helper");
	check(WITHIN(5000, world_said(&world, "m0", "helper: stopped")),
	      "the helper is back", "not");
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
	check(WITHIN(8000,
		     world_said(&world, "w1",
				"joining the swarm of 127.0.0.1:2377: Docker POST /swarm/join: cannot join (503)")),
	      "a join that is refused is told", "not");
	check(health(503, "not in a swarm yet"), "unhealthy meanwhile", "not");
	began = now_ms();
	swarm_lock(&worker);
	worker.refuse_join = false;
	swarm_unlock(&worker);
	check(WITHIN(30000, done(&worker, "join\n") == joins + 1) &&
		      now_ms() - began > 700,
	      "and tried again, not before 2 s", worker.calls);
	check(WITHIN(8000, health(200, "ok")), "with success", "not");
}

/* An engine that hangs takes connections and answers none. */
static void hung(void)
{
	worker.hang_ms = 40000;
	/* well within the half minute that other exchanges have */
	check(WITHIN(4900, health(503, "Docker does not answer")),
	      "an engine that hangs is not called well", "it is");
	worker.hang_ms = 0;
	check(WITHIN(8000, health(200, "ok")), "until it answers again", "not");
}

/* A machine that was away for so long that its certificate ran out: the engine
 * is in a swarm, by its word, and has no ID. */
static void expired(void)
{
	unsigned joins = done(&worker, "join\n"),
		 left = done(&worker, "leave by force");

	swarm_lock(&manager);
	strcpy(own_row()->state, "down");
	swarm_unlock(&manager);
	swarm_lock(&worker);
	strcpy(worker.state, "error");
	strcpy(worker.error, "certificate has expired");
	worker.node_id[0] = '\0';
	swarm_unlock(&worker);
	check(WITHIN(8000, health(503, "the engine's swarm state is error")),
	      "an engine in an error is told", "not");
	check(WITHIN(8000,
		     world_said(&world, "w1",
				"swarm is \"error\": certificate has expired")),
	      "with its own word", "not");
	check(done(&worker, "leave by force") == left, "and not left at once",
	      worker.calls);
	check(WITHIN(40000, done(&worker, "join\n") == joins + 1) &&
		      done(&worker, "leave by force") == left + 1,
	      "then it is left by force, and joins", worker.calls);
	worker.error[0] = '\0';
	check(WITHIN(8000, health(200, "ok")), "and is well", "not");
}

static bool rooms; /* the agent's engine has a file system of its own */

static void resize(const char *options)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/docker", world.dir);
	if (mount("none", path, "tmpfs", MS_REMOUNT, options) < 0)
		abort();
}

static void room_begin(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/docker", world.dir);
	rooms = mkdir(path, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("none", path, "tmpfs", 0, "size=2g") == 0;
}

static void room_end(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/docker", world.dir);
	if (rooms)
		umount2(path, MNT_DETACH);
}

static void no_room(void)
{
	if (!rooms) {
		check_skip("a disk that fills", "no mounts here");
		return;
	}
	resize("size=900m");
	check(WITHIN(30000, done(&manager, "lacks ") == 1) &&
		      strstr(manager.calls, "room,paused|pause\n") != NULL,
	      "a node with next to no room is paused", manager.calls);
	check(WITHIN(12000, health(200, "\"room\":\"next to none")),
	      "and says so, and is well for those that use what runs there",
	      "not");
	sleep(7); /* longer than it takes to ask again */
	check(health(200, "\"status\":\"ok\""), "for longer than a moment", "not");
	resize("size=100m");
	check(WITHIN(15000, health(503, "no room where Docker keeps its data")),
	      "with none it is not", "it is");
	resize("size=2g");
	check(WITHIN(30000, done(&manager, "lacks ") == 2) &&
		      strstr(manager.calls, " |active\n") != NULL,
	      "active again when there is some", manager.calls);
	check(WITHIN(12000, health(200, "\"status\":\"ok\"")), "and well", "not");
}

/* Also when the managers never said a word before. */
static void evicted(void)
{
	unsigned left = done(&worker, "leave");

	swarm_lock(&manager);
	snprintf(own_row()->evict, sizeof(own_row()->evict),
		 "asked since=%lld until=%lld limit=60 by=operator",
		 (long long)unix_time(), (long long)unix_time() + 600);
	/* a second one is on its way, so this one waits */
	snprintf(swarm_add(&manager, "other", "10.1.2.3", false)->evict,
		 sizeof(own_row()->evict),
		 "out since=%lld until=%lld limit=60 by=operator",
		 (long long)unix_time(), (long long)unix_time() + 600);
	swarm_unlock(&manager);
	sleep(8);
	check(health(200, "ok"), "who waits for his turn is healthy", "not");
	swarm_lock(&manager);
	for (int i = 0; i < ROWS; i++)
		if (strcmp(manager.rows[i].hostname, "other") == 0)
			manager.rows[i].id[0] = '\0';
	swarm_unlock(&manager);
	check(WITHIN(20000, health(503, "leaving")), "on his turn he is not",
	      "he is");
	check(WITHIN(25000, done(&manager, "drain active|drain ") > 0),
	      "and is drained when the probe has "
	      "failed for long enough",
	      manager.calls);
	swarm_lock(&manager);
	strcpy(own_row()->evict, "");
	strcpy(own_row()->leaving, "");
	strcpy(own_row()->availability, "active");
	strcpy(own_row()->stop, "t7");
	swarm_unlock(&manager);
	check(WITHIN(12000, health(200, "ok")), "healthy when returned", "not");
	check(WITHIN(12000, done(&worker, "container ct7/stop") == 1),
	      "stops a task that is wanted elsewhere", worker.calls);
	sleep(6);
	check(done(&worker, "container ct7/stop") == 1, "once", worker.calls);
	check(done(&worker, "leave") == left, "and never leaves for any of it",
	      worker.calls);
	swarm_lock(&manager);
	strcpy(own_row()->stop, "");
	swarm_unlock(&manager);
}

/* ---- a stranger at the node's own address ---- */

struct stranger {
	pthread_t thread;
	atomic_bool enough;
	int silent[8];
	unsigned refused;
};

static struct stream *dial(void *ctx, bool tls, const char *to, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int fd = tcp_connect(to, port, deadline_ms, e);

	(void)tls;
	return fd < 0 ? NULL : tls_connect(fd, to, ctx, deadline_ms, e);
}

/* Ten requests a second, without a secret. */
static void *bad_requests(void *arg)
{
	struct stranger *s = arg;
	struct buf pin = BUF_INIT(32);
	struct err e = ERR_INIT;
	struct http_client c;
	struct tls_trust *t;
	char url[64];

	if (buf_add_unhex(&pin, str_of(world.pin), &e) < 0)
		abort();
	t = tls_trust_pin((const uint8_t *)pin.str);
	http_client_init(&c, (struct http_dialer){ dial, t }, "stranger");
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/join/worker",
		 world.helper_port);
	while (!s->enough) {
		struct http_request q = { .method = "GET",
					  .url = url,
					  .deadline_ms = now_ms() + 2000 };
		struct http_response r;

		http_response_init(&r, 4096);
		if (http_exchange(&c, &q, &r, &e) == 0)
			s->refused += r.head.status == 401 ||
				      r.head.status == 429;
		err_clear(&e);
		http_response_release(&r);
		usleep(100000);
	}
	http_client_release(&c);
	tls_trust_free(t);
	buf_release(&pin);
	return NULL;
}

/* And eight connections that say nothing. */
static void stranger_begin(struct stranger *s)
{
	struct err e = ERR_INIT;

	*s = (struct stranger){ .refused = 0 };
	for (int i = 0; i < 8; i++)
		s->silent[i] = tcp_connect("127.0.0.1", world.helper_port,
					   now_ms() + CHECK_PATIENCE_MS, &e);
	pthread_create(&s->thread, NULL, bad_requests, s);
}

static void stranger_end(struct stranger *s)
{
	s->enough = true;
	pthread_join(s->thread, NULL);
	for (int i = 0; i < 8; i++)
		close(s->silent[i]);
	checkf(s->refused > 10, "a stranger was there all the time", "%u times",
	       s->refused);
}

/* Leaving waits until the managers miss nothing here, whatever strangers at
 * the same address do. */
static void leaving(void)
{
	struct stranger stranger;
	int64_t began;
	unsigned left = done(&worker, "leave\n"),
		 removed_before = done(&manager, "remove ");
	unsigned drained_before = done(&manager, "drain active|drain ");
	pid_t pid;

	swarm_lock(&manager);
	own_row()->tasks = 1;
	swarm_unlock(&manager);
	stranger_begin(&stranger);
	sleep(4); /* what strangers may at once is used up */
	began = now_ms();
	pid = world_run(&world, "w1", "leave");
	check(WITHIN(1000, health(503, "\"status\":\"leaving\"")),
	      "unhealthy at once", "not");
	check(WITHIN(3000, done(&manager, "active active|quiet ") > 0),
	      "asks for its way out", manager.calls);
	sleep(5);
	check(done(&manager, "drain active|drain ") == drained_before,
	      "which does not begin with a drain", manager.calls);
	check(WITHIN(20000, done(&manager, "drain active|drain ") ==
				    drained_before + 1),
	      "drained when the load balancer has let go", manager.calls);
	sleep(3);
	check(done(&worker, "leave\n") == left,
	      "waits for what the swarm still has on it", worker.calls);
	swarm_lock(&manager);
	own_row()->tasks = 0;
	swarm_unlock(&manager);
	check(world_wait(pid, 60000) == 0 && done(&worker, "leave\n") == left + 1 &&
		      now_ms() - began > EVICT_QUIET_S * 1000,
	      "then leaves, without force", worker.calls);
	check(WITHIN(2000, world_said(&world, "m0", "has left")),
	      "tells the helper", "not");
	stranger_end(&stranger);
	check(WITHIN(8000, done(&manager, "remove ") == removed_before + 1),
	      "its row goes", manager.calls);
	sleep(2);
	check(health(503, "leaving") && strcmp(worker.state, "inactive") == 0,
	      "the agent stays out", "not");
	check(world_wait(world_run(&world, "w1", "leave"), 60000) == 0 &&
		      world_said(&world, "w1", "in no swarm"),
	      "leaving twice is no error", "it is");
	world_stop(agent_pid);
	agent_pid = world_run(&world, "w1", "agent");
	check(WITHIN(8000, health(200, "ok")), "a started agent joins", "not");
}

/* The masters go in the middle: it does not wait for them. */
static void leaving_masters(void)
{
	pid_t pid = world_run(&world, "w1", "leave");
	int64_t began;

	check(WITHIN(5000, world_said(&world, "w1", "agent leave: quiet, after")),
	      "on its way", "not");
	kill(helper_pid, SIGKILL);
	world_wait(helper_pid, 5000);
	began = now_ms();
	check(world_wait(pid, 60000) == 0 && strcmp(worker.state, "inactive") == 0,
	      "leaves when the masters go in the middle of it", worker.calls);
	check(now_ms() - began < 40000, "soon", "later");
	world_stop(agent_pid);
	helper_pid = world_run(&world, "m0", "helper");
	agent_pid = world_run(&world, "w1", "agent");
	check(WITHIN(12000, health(200, "ok")), "and joins when they are back",
	      "not");
}

/* Nobody to ask, tasks that never end: still within the bound. */
static void leaving_alone(void)
{
	int64_t began = now_ms();

	world_stop(helper_pid);
	swarm_lock(&manager);
	own_row()->tasks = 5;
	swarm_unlock(&manager);
	check(world_wait(world_run(&world, "w1", "leave"), 55000) == 0 &&
		      strcmp(worker.state, "inactive") == 0,
	      "leaves without a helper", worker.calls);
	check(now_ms() - began < 25000, "at once: nobody moves its tasks",
	      "later");
	check(world_said(&world, "w1",
			 "agent leave: not drained: helper at 127.0.0.1"),
	      "and says so", "not");
	world_stop(agent_pid);
}

static void no_engine(void)
{
	int64_t began = now_ms();

	engine_stop(&worker.engine);
	check(world_wait(world_run(&world, "w1", "leave"), 60000) == 1,
	      "leaving without an engine fails", "no");
	check(now_ms() - began < 30000 &&
		      world_said(&world, "w1",
				 "failed: agent leave: Docker Engine: "),
	      "soon, and says why", "not");
}

/* A manager, by its configuration or by its engine's word, stays. */
static void managers_stay(void)
{
	struct swarm promoted = { .state = "active",
				  .manager = true,
				  .node_id = "node1" };

	swarm_add(&promoted, host, "127.0.0.1", true);
	swarm_start(&promoted, world.dir, "promoted");
	world_config(&world, "master", "manager", promoted.engine.path,
		     ",\"settle_s\":1,\"rate\":1000");
	world_config(&world, "promoted", "worker", promoted.engine.path,
		     ",\"settle_s\":1");
	check(world_wait(world_run(&world, "master", "leave"), 30000) == 0 &&
		      world_said(&world, "master", "a manager stays in the swarm") &&
		      promoted.calls[0] == '\0',
	      "a master does not leave", promoted.calls);
	check(world_wait(world_run(&world, "promoted", "leave"), 30000) == 0 &&
		      world_said(&world, "promoted",
				 "a manager stays in the swarm") &&
		      promoted.calls[0] == '\0',
	      "nor does a worker that was made a manager", promoted.calls);
	agent_pid = world_run(&world, "master", "agent");
	check(WITHIN(5000, health(200, "ok")),
	      "a master's health is its own table's", "not");
	swarm_lock(&promoted);
	strcpy(promoted.rows[0].availability, "drain");
	swarm_unlock(&promoted);
	check(WITHIN(12000, health(503, "drained or paused")),
	      "drained, it is unhealthy", "not");
	swarm_lock(&promoted);
	promoted.manager = false;
	strcpy(promoted.state, "inactive");
	swarm_unlock(&promoted);
	check(WITHIN(12000, health(503, "not in a swarm yet")),
	      "in no swarm, it waits for its helper", "not");
	sleep(2);
	check(count(promoted.calls, "\n") == 1 &&
		      strstr(promoted.calls, " test\n") != NULL &&
		      strncmp(promoted.calls, "version ", 8) == 0,
	      "and touches nothing but the version in its row", promoted.calls);
	world_stop(agent_pid);

	/* a reboot takes its tasks along the way out, and it comes back by itself */
	swarm_lock(&promoted);
	promoted.manager = true;
	strcpy(promoted.state, "active");
	strcpy(promoted.rows[0].availability, "pause");
	swarm_unlock(&promoted);
	helper_pid = world_run(&world, "master", "helper");
	check(WITHIN(8000, world_said(&world, "master", "helper: answering")),
	      "its helper runs", "not");
	check(world_wait(world_run(&world, "master", "leave"), 90000) == 0 &&
		      done(&promoted, "pause pause|quiet ") > 0 &&
		      done(&promoted, "drain pause|out ") == 1 &&
		      done(&promoted, "leave") == 0,
	      "a master that goes down is drained first", promoted.calls);
	agent_pid = world_run(&world, "master", "agent");
	check(WITHIN(12000, done(&promoted, "pause ||") == 1),
	      "and up again it is as it was before", promoted.calls);
	swarm_lock(&promoted);
	strcpy(promoted.rows[0].availability, "drain");
	strcpy(promoted.rows[0].leaving, "active");
	snprintf(promoted.rows[0].evict, sizeof(promoted.rows[0].evict),
		 "out since=%lld until=%lld limit=60 by=event",
		 (long long)unix_time(), (long long)unix_time() + 600);
	swarm_unlock(&promoted);
	check(done(&promoted, "version ") == 1,
	      "a master writes its version itself, once", promoted.calls);
	check(WITHIN(20000, done(&promoted, "active ||") == 1),
	      "so is one that Azure took away without a shutdown",
	      promoted.calls);
	check(WITHIN(12000, health(200, "ok")), "and healthy", "not");
	world_stop(agent_pid);
	world_stop(helper_pid);
	engine_stop(&promoted.engine);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	char path[160], more[160];

	world_main(argc, argv);
	world_begin(&world);
	if (daemon_own_name(host, &e) < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/m0.sock", world.dir);
	world_config(&world, "m0", "manager", path, "");
	snprintf(path, sizeof(path), "%s/w1.sock", world.dir);
	room_begin();
	snprintf(more, sizeof(more),
		 ",\"settle_s\":1,\"docker_root\":\"%s/docker\"", world.dir);
	world_config(&world, "w1", "worker", path, more);
	swarm_start(&manager, world.dir, "m0");
	helper_pid = world_run(&world, "m0", "helper");
	check(WITHIN(5000, world_said(&world, "m0", "founded a swarm")),
	      "a helper has a swarm", manager.calls);
	usleep(300000);
	joining();
	answers();
	drained();
	removed();
	restarted();
	booted();
	helper_away();
	join_refused();
	hung();
	expired();
	no_room();
	evicted();
	leaving();
	leaving_masters();
	leaving_alone();
	no_engine();
	managers_stay();
	check(!swarm_did(&manager, "unexpected") &&
		      !swarm_did(&worker, "unexpected"),
	      "nothing was asked of an engine that it does not have",
	      manager.calls);
	if (check_failed()) {
		world_show(&world, "m0");
		world_show(&world, "w1");
	}
	engine_stop(&manager.engine);
	room_end();
	world_end(&world);
	return check_failed();
}
