/*
 * The monitor: what an engine says becomes a page's state, and somebody looks
 * at it.  The input is what the watcher says, up to a line "--", then blocks
 * of peers.h; every node's agent tells as figures what the watcher says, too.
 * The state is JSON whatever the engine said, nothing of it but the fields that
 * are shown comes out, and looking asks the engine nothing.
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
	if (m->change == NULL)
		return;
	doc = json_parse(m->change->text, "change", &e);
	must(doc != NULL && m->change->text.n <= m->state->text.n &&
	     cJSON_IsArray(json_at(doc, "nodes.gone")) &&
	     cJSON_IsArray(json_at(doc, "services.rows")) &&
	     cJSON_IsArray(json_at(doc, "tasks.rows")));
	json_free(doc);
}

static void good_json(struct buf *b)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(buf_str(b), "news", &e);

	must(doc != NULL && !b->over);
	json_free(doc);
	buf_release(b);
}

static void figured(struct monitor *m, struct str said)
{
	struct buf now = BUF_INIT(MONITOR_STATE_MAX),
		   all = BUF_INIT(MONITOR_STATE_MAX),
		   events = BUF_INIT(HAPPENED_MAX);
	struct figures *f = xmalloc(sizeof(*f));
	struct err e = ERR_INIT;
	bool told = figures_parse(said, f, &e) == 0;

	trends_begin(m->trends, &m->view, unix_time());
	for (size_t i = 0; i < m->view.n_table && told; i++)
		trends_node(m->trends, m->view.table[i].id, f);
	trends_end(m->trends);
	trends_write_now(m->trends, &now);
	trends_write(m->trends, STR(""), &all);
	timeline_write(&m->timeline, 0, &events);
	good_json(&now);
	good_json(&all);
	good_json(&events);
	free(f);
}

/* Who has been told all but the last change is told that, others the whole. */
static void good_news(struct monitor *m, uint64_t behind)
{
	struct news n = {
		.happened = BUF_INIT(HAPPENED_MAX),
		.version = m->version - behind,
	};

	m->stopping = true; /* nobody is waited for */
	news_next(m, &n);
	m->stopping = false;
	must(n.state != NULL && n.version == m->version);
	must(n.whole ? n.state == m->state :
		       behind == 1 && m->version > 1 && n.state == m->change);
	must(!n.whole || behind != 1 || m->version == 1 || m->change == NULL);
	state_drop(n.state);
	state_drop(n.figures);
	buf_release(&n.happened);
}

static void look_twice(struct monitor *m, struct str said)
{
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		look(m, &e);
		must(e.kind != ERR_INTR);
		good_state(m);
		good_news(m, 1);
		good_news(m, m->version);
		good_news(m, -(uint64_t)7); /* of another monitor */
		figured(m, said);
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
	pthread_mutex_init(&m->trends_lock, NULL);
	m->trends = trends_new();
	monitor_view_init(&m->view, 0);
	docker_init_unix(&m->docker, m->socket);
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memcpy(m->title, "T", 2);
	look_twice(m, said);
	listen_once(m);
	serve(m, said);
	close(m->wake_fd);
	docker_release(&m->docker);
	monitor_view_release(&m->view);
	state_drop(m->state);
	state_drop(m->change);
	trends_free(m->trends);
	pthread_mutex_destroy(&m->trends_lock);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return 0;
}
