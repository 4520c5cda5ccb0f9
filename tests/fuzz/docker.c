/*
 * Any bytes as an engine's answers.  The first line says what it is asked, a
 * letter a call; the rest are blocks of peers.h.  Whatever it says, a call
 * that fails says why, and what a good one gives is safe to put into a path
 * and to decide by.
 */
#include "tests/fuzz/engine.h"

#include "docker/work.h"
#include "node/evict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned usual(char who, struct str verb, struct str path, struct buf *body)
{
	must(who == 'e');
	return engine_usual(verb, path, body);
}

/* No request that says two things: what was an ID is one word of its path. */
static void asked(char who, struct str verb, struct str path, struct str body)
{
	(void)who, (void)body;
	must(verb.n > 0 && path.n > 1 && path.p[0] == '/');
	for (size_t i = 0; i < path.n; i++)
		must((unsigned char)path.p[i] > ' ' &&
		     (unsigned char)path.p[i] < 0x7f);
	must(str_find(path, STR("/../")) < 0);
}

static void good_id(const char *id)
{
	for (; *id != '\0'; id++)
		must(is_alnum(*id));
}

static void good_node(const struct docker_node *n)
{
	good_id(n->id);
	must(docker_node_state_name(n->state)[0] != '\0' &&
	     docker_availability_name(n->availability)[0] != '\0');
}

static int nodes(struct docker *d, struct err *e)
{
	struct docker_node *list;
	size_t n;
	int rc = docker_nodes(d, &list, &n, e);

	must(rc == 0 || list == NULL);
	for (size_t i = 0; rc == 0 && i < n; i++)
		good_node(&list[i]);
	free(list);
	return rc;
}

/* What follows from a list of work for each node that is in it. */
static void decide(const struct docker_work *w, const struct docker_node *list,
		   size_t n)
{
	struct buf names = BUF_INIT(32u << 10);
	struct docker_surplus s;
	struct evict_load load;
	struct evict ev;

	for (size_t i = 0; i < w->n_services; i++)
		if (docker_work_surplus(w, list, n, &w->services[i], &s))
			must(s.from != s.to && s.task != NULL &&
			     strcmp(s.task->node, s.from->id) == 0);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&names);
		evict_load(w, list, n, &list[i], &load, &names);
		must(load.here <= w->n_tasks);
		evict_read(str_of(list[i].evict), &ev);
	}
	buf_release(&names);
}

static int work(struct docker *d, struct err *e)
{
	struct docker_node *list = NULL;
	struct docker_work w;
	size_t n = 0;
	int rc = docker_work_read(d, &w, e);

	if (rc == 0 && (rc = docker_nodes(d, &list, &n, e)) == 0)
		decide(&w, list, n);
	docker_work_release(&w);
	free(list);
	return rc;
}

static int info(struct docker *d, struct err *e)
{
	struct docker_info i;
	int rc = docker_info(d, &i, e);

	good_id(i.node_id);
	good_id(i.cluster_id);
	must(docker_swarm_state_name(i.state)[0] != '\0');
	return rc;
}

static int update(struct docker *d, struct err *e)
{
	const struct docker_node_change change = {
		.availability = "drain",
		.role = "worker",
		.labels = { { DOCKER_LABEL_EVICT, "x" },
			    { DOCKER_LABEL_STOP, NULL } },
	};

	return docker_node_update(d, "n1", &change, e);
}

static int join_and_leave(struct docker *d, struct err *e)
{
	const struct docker_init_spec spec = { .advertise = "10.0.0.1" };

	if (docker_swarm_init(d, &spec, e) < 0 ||
	    docker_swarm_leave(d, true, e) < 0)
		return -1;
	return docker_swarm_join(d, NULL, "10.0.0.2:2377", "token", e);
}

static int token(struct docker *d, struct err *e)
{
	struct buf out = BUF_INIT(256);
	int rc = docker_swarm_token(d, true, &out, e);

	must(rc == 0 || out.n == 0);
	buf_burn(&out);
	return rc;
}

static int one(struct docker *d, char what, struct err *e)
{
	struct docker_node node;
	bool changed;
	int rc;

	switch (what) {
	case 'i':
		return info(d, e);
	case 'n':
		return nodes(d, e);
	case 'o':
		rc = docker_node(d, "self", &node, e);
		if (rc == 0)
			good_node(&node);
		return rc;
	case 'w':
		return work(d, e);
	case 't':
		return token(d, e);
	case 'u':
		return update(d, e);
	case 's':
		return docker_task_stop(d, "t1", e);
	case 'g':
		return docker_ingress(d, "10.208.0.0/20", 1400, now_ms() + 3000,
				      &changed, e);
	case 'j':
		return join_and_leave(d, e);
	default:
		return docker_hello(d, e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, calls = STR_NULL;
	struct docker d;

	json_init();
	str_next(&in, '\n', &calls);
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	docker_init_unix(&d, "/nowhere");
	for (size_t i = 0; i < calls.n && i < 8; i++) {
		struct err e = ERR_INIT;
		int rc = one(&d, calls.p[i], &e);

		must((rc == 0) == (e.kind == ERR_NONE));
		must(rc == 0 || e.msg[0] != '\0');
	}
	docker_release(&d);
	return 0;
}
