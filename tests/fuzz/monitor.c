/*
 * The monitor: what an engine says becomes a page's state, and somebody looks
 * at it.  The input is what the watcher says, up to a line "--", then blocks
 * of peers.h.  The state is JSON whatever the engine said, nothing of it
 * but the fields that are shown comes out, and looking asks the engine nothing.
 */
#include "tests/fuzz/node.h"

#include "node/monitor.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool serving;

static unsigned usual(char who, struct str verb, struct str path, struct buf *body)
{
	must(who == 'e');
	return engine_usual(verb, path, body);
}

static void asked(char who, struct str verb, struct str path, struct str body)
{
	(void)who, (void)path, (void)body;
	must(!serving && str_eqz(verb, "GET"));
}

static void good_state(const struct monitor *m)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(m->state->text, "state", &e);

	must(doc != NULL && cJSON_IsArray(json_get(doc, "nodes")) &&
	     cJSON_IsArray(json_get(doc, "services")) &&
	     cJSON_IsArray(json_get(doc, "tasks")));
	json_free(doc);
}

static void look(struct monitor *m)
{
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		must(read_engine(m, &e) == 0 || e.msg[0] != '\0');
		publish(m, e.msg);
		good_state(m);
	}
}

static void listen_once(struct monitor *m)
{
	struct err e = ERR_INIT;
	struct docker d;

	docker_init_unix(&d, m->socket);
	d.timeout_ms = ENGINE_MS;
	must(follow_events(m, &d, &e) == 0 || e.msg[0] != '\0');
	docker_release(&d);
}

static void serve(struct monitor *m, struct str said)
{
	/* whoever watches gets the state, and then the end */
	m->stopping = true;
	serving = true;
	serve_lines(monitor_handle, m, IDLE_MS, said);
	serving = false;
	must(m->watchers == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };
	struct str said = peers_first(&in);
	struct monitor *m = xcalloc(1, sizeof(*m));

	json_init();
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	monitor_view_init(&m->view, 0);
	docker_init_unix(&m->docker, m->socket);
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memcpy(m->title, "T", 2);
	look(m);
	listen_once(m);
	serve(m, said);
	close(m->wake_fd);
	docker_release(&m->docker);
	monitor_view_release(&m->view);
	state_drop(m->state);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return 0;
}
