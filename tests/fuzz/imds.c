/*
 * What Azure announces to a machine.  The input's first line is
 *
 *	d		the rest is a document of scheduled events
 *	w WHO SECONDS	the watcher, for so long; the rest is blocks of peers.h
 *
 * where WHO is w for a worker, m for a master.  Nothing is approved that was
 * not announced, or before the machine is out of service; what is approved is
 * an ID and no more; a master never leaves its swarm for it.
 */
#include "tests/fuzz/node.h"

#include "node/imds.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MACHINE "agents_1"

static bool is_master;
static const struct imds *watched;

/* {"StartRequests":[{"EventId":"..."}]}: as short as it is allowed to be. */
static void good_approval(struct str text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(text, "approval", &e);
	const cJSON *list = json_get(doc, "StartRequests"), *one;
	size_t n = 0;

	must(cJSON_IsArray(list));
	cJSON_ArrayForEach(one, list) {
		const char *id = json_str_opt(one, "EventId", "");

		must(*id != '\0' && strlen(id) < 64);
		for (; *id != '\0'; id++)
			must(is_alnum(*id) || *id == '-');
		n++;
	}
	must(n > 0 && n <= EVENTS_MAX);
	json_free(doc);
}

static void asked(char who, struct str verb, struct str path, struct str body)
{
	for (size_t i = 0; i < path.n; i++)
		must((unsigned char)path.p[i] > ' ' &&
		     (unsigned char)path.p[i] < 0x7f);
	if (who == 'e' && is_master)
		must(str_find(path, STR("/swarm/leave")) < 0);
	/* nobody is asked to go, or told that it went, but when something was
	 * announced; and then the load balancer has been told first */
	if (!str_eqz(verb, "GET"))
		must(watched->way != EVENTS_IN_SERVICE &&
		     atomic_load(&watched->away));
	if (who == 'm' && str_eqz(verb, "POST")) {
		must(watched->way == EVENTS_GONE);
		good_approval(body);
	}
}

static unsigned usual(char who, struct str verb, struct str path, struct buf *body)
{
	if (who == 'e')
		return engine_usual(verb, path, body);
	if (who == 'm')
		buf_adds(body,
			 str_find(path, STR("/name?")) >= 0 ?
				 MACHINE :
				 "{\"DocumentIncarnation\":1,\"Events\":[]}");
	else if (str_starts(path, STR("/nonce")))
		buf_addf(body, "{\"nonce\":\"%0*d\"}", AUTH_NONCE_HEX, 0);
	else
		buf_adds(body, "{\"stage\":\"out\"}");
	return 200;
}

/* ---- a document ---- */

static void good_verdict(const struct events *ev, enum events_way way)
{
	char approved[EVENTS_MAX][64] = { 0 };
	struct events_verdict v;
	struct buf text = BUF_INIT(EVENTS_DOC_MAX);
	cJSON *doc;
	bool goes = false;

	for (size_t i = 0; i < ev->n; i++)
		goes |= ev->list[i].type != EVENT_FREEZE;
	if (ev->n > 0)
		memcpy(approved[3], ev->list[0].id, sizeof(approved[3]));
	v = events_decide(ev, way, approved, unix_time());
	must(v.seconds_left >= -1);
	must(goes || v.what == EVENTS_NOTHING || v.what == EVENTS_COME_BACK);
	must(v.what != EVENTS_GO || (goes && way == EVENTS_IN_SERVICE));
	must(v.what != EVENTS_APPROVE || way == EVENTS_GONE);
	for (size_t i = 0; i < v.n_approve; i++)
		must(!v.approve[i]->started &&
		     strcmp(v.approve[i]->id, approved[3]) != 0);
	doc = events_approval(&v);
	json_print(doc, &text);
	if (v.n_approve > 0)
		good_approval(buf_str(&text));
	json_free(doc);
	buf_release(&text);
}

static void document(struct str in)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(in, "scheduled events", &e);
	struct events ev;
	unsigned odd;

	if (doc == NULL)
		return;
	if (events_read(doc, MACHINE, &ev, &odd, &e) == 0) {
		must(ev.n <= EVENTS_MAX);
		for (size_t i = 0; i < ev.n; i++)
			must(event_type_name(ev.list[i].type)[0] != '\0');
		good_verdict(&ev, EVENTS_IN_SERVICE);
		good_verdict(&ev, EVENTS_GOING);
		good_verdict(&ev, EVENTS_GONE);
	} else {
		must(e.msg[0] != '\0');
	}
	json_free(doc);
}

/* ---- the watcher ---- */

static void machine(unsigned seconds)
{
	struct node_config config;
	struct err e = ERR_INIT;
	struct imds m;

	node_machine(&config, is_master);
	imds_init(&m, &config);
	must(ask_init(&m.ask, &config, &e) == 0);
	watched = &m;
	peers.end_ms = now_ms() + (int64_t)seconds * 1000;
	watch(&m);
	must(m.n_approved <= EVENTS_MAX);
	must((m.way == EVENTS_IN_SERVICE) == !atomic_load(&m.away));
	watched = NULL;
	ask_release(&m.ask);
	node_config_burn(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, line = STR_NULL;
	uint64_t seconds = 0;

	json_init();
	str_next(&in, '\n', &line);
	if (line.n == 0 || line.p[0] != 'w') {
		peers_begin(STR_NULL);
		document(in);
		return 0;
	}
	is_master = line.n > 2 && line.p[2] == 'm';
	if (!str_num(str_skip(line, 4), 200, &seconds))
		seconds = 5;
	engine_self = is_master ? "n0" : "n1";
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	machine((unsigned)seconds);
	return 0;
}
