/* node/spread: what the leader's helper moves when REBALANCE is auto. */
#include "tests/check.h"

#include "node/spread.h"

#define S 1000

static struct docker_node nodes[4];
static size_t n_nodes;
static struct docker_service services[2];
static struct docker_task tasks[16];
static struct docker_work work = { .services = services, .tasks = tasks };
static struct spread spread;

/* A service of n tasks: "aab" is two on a, one on b. */
static void service(const char *id, const char *on)
{
	struct docker_service *s = &services[work.n_services++];

	*s = (struct docker_service){ .balance = true, .replicas = strlen(on) };
	snprintf(s->id, sizeof(s->id), "%s", id);
	snprintf(s->name, sizeof(s->name), "%s", id);
	for (; *on != '\0'; on++) {
		struct docker_task *t = &tasks[work.n_tasks];

		*t = (struct docker_task){ .wanted = true, .running = true };
		snprintf(t->id, sizeof(t->id), "%s%zu", id, work.n_tasks++);
		snprintf(t->service, sizeof(t->service), "%s", id);
		snprintf(t->node, sizeof(t->node), "%c", *on);
	}
}

static void begin(size_t n)
{
	spread = (struct spread){ 0 };
	work.n_services = work.n_tasks = 0;
	n_nodes = n;
	for (size_t i = 0; i < 4; i++) {
		nodes[i] = (struct docker_node){ .state = DOCKER_NODE_READY };
		nodes[i].id[0] = nodes[i].hostname[0] = (char)('a' + i);
	}
}

static bool wants(int64_t s)
{
	return spread_wants(&spread, nodes, n_nodes, s * S);
}

/* "", "stop ID", "clear NODE", "late NODE" */
static const char *next(int64_t s)
{
	static char text[64];
	struct spread_step step = { .what = SPREAD_NONE };

	if (wants(s))
		step = spread_next(&spread, nodes, n_nodes, &work, s * S);
	text[0] = '\0';
	if (step.what == SPREAD_STOP)
		snprintf(text, sizeof(text), "stop %s", step.task->id);
	else if (step.what == SPREAD_CLEAR)
		snprintf(text, sizeof(text), "%s %s",
			 step.late ? "late" : "clear", step.node->id);
	return text;
}

/* The engine moved a task; the label is ours to write, so it is the test's. */
static void moved(size_t task, const char *node)
{
	struct docker_task *t = &tasks[work.n_tasks];

	*t = tasks[task];
	tasks[task].wanted = tasks[task].running = false;
	tasks[task].ended = true;
	snprintf(t->id, sizeof(t->id), "new%zu", work.n_tasks++);
	snprintf(t->node, sizeof(t->node), "%s", node);
}

static void test_move(void)
{
	begin(2);
	service("web", "aaabbb");
	check_same(next(0), "", "move: nothing at once");
	check_same(next(31), "", "move: nothing that is even");
	check(!wants(32), "move: even is not looked at again", "");
	n_nodes = 3;
	check_same(next(40), "", "move: a node that has just come");
	check_same(next(69), "", "move: not before it has been there 30 s");
	check_same(next(70), "stop web2", "move: one from the fullest");
	nodes[0].stop[0] = 'w';
	snprintf(nodes[0].stop, sizeof(nodes[0].stop), "web2");
	check_same(next(72), "", "move: it still runs");
	tasks[2].running = tasks[2].wanted = false;
	check_same(next(74), "", "move: the service lacks one");
	tasks[2].running = tasks[2].wanted = true;
	moved(2, "c");
	check_same(next(76), "clear a", "move: it runs elsewhere");
	nodes[0].stop[0] = '\0';
	check_same(next(78), "stop web5", "move: the next");
	snprintf(nodes[1].stop, sizeof(nodes[1].stop), "web5");
	moved(5, "c");
	check_same(next(80), "clear b", "move: that, too");
	nodes[1].stop[0] = '\0';
	check_same(next(82), "", "move: done");
	check(!wants(84), "move: and quiet again", "");
}

static void test_guards(void)
{
	begin(3);
	service("web", "aaaa");
	nodes[1].leaving = true;
	next(0);
	nodes[1].leaving = false;
	check_same(next(31), "", "guards: a node that came back is new");
	services[0].balance = false;
	check_same(next(62), "", "guards: azswarm.rebalance=false");
	begin(3);
	service("web", "aaaa");
	services[0].replicas = 5;
	next(0);
	check_same(next(31), "", "guards: a service that lacks one");
	check(wants(32), "guards: is looked at again", "");
	services[0].replicas = 4;
	check_same(next(33), "stop web3", "guards: and moved when it has it");
}

static void test_bounds(void)
{
	begin(2);
	service("web", "aaaa");
	next(0);
	check_same(next(31), "stop web3", "bounds: begun");
	moved(3, "a");
	check_same(next(33), "", "bounds: it began where it was, no label");
	check_same(next(35), "", "bounds: that service is given up");
	check(!wants(37), "bounds: and not looked at", "");
	n_nodes = 3;
	next(40);
	check_same(next(71), "stop new4", "bounds: until the nodes are others");
	snprintf(nodes[0].stop, sizeof(nodes[0].stop), "new4");
	check_same(next(370), "", "bounds: it has five minutes");
	check_same(next(371), "late a", "bounds: not more");
}

static void test_foreign(void)
{
	begin(2);
	service("web", "aaab");
	next(0);
	snprintf(nodes[0].stop, sizeof(nodes[0].stop), "web0");
	check_same(next(40), "", "foreign: a move of somebody else is waited for");
	moved(0, "b");
	check_same(next(42), "clear a", "foreign: and cleared when it is over");
	nodes[0].stop[0] = '\0';
	check_same(next(44), "", "foreign: even now");
	snprintf(nodes[1].stop, sizeof(nodes[1].stop), "nobody");
	check_same(next(46), "clear b", "foreign: of a task that is not there");
}

int main(void)
{
	test_move();
	test_guards();
	test_bounds();
	test_foreign();
	return check_failed();
}
