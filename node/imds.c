/* Scheduled events, asked for and answered; see imds.h. */
#include "node/imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/docker.h"
#include "http/plain.h"
#include "node/daemon.h"
#include "node/evict.h"

#define API_EVENTS "/metadata/scheduledevents?api-version=2020-07-01"
#define API_NAME \
	"/metadata/instance/compute/name?api-version=2021-02-01&format=text"
#define LOOK_MS 1000
#define FIRST_MS 150000 /* the answer that turns the feature on */
#define USUAL_MS 10000
#define BACKOFF_MAX_MS 30000
#define ASK_MS 12000
#define ENGINE_MS 15000
/* kept of the time that there is, for leaving and for telling Azure */
#define KEEP_S 3
/* after an approval the machine goes; one that is still here after as long
 * without an event stays */
#define STAYS_S 60

static const char *const imds_fields[] = { "Metadata: true", NULL };

/* ---- the way out ---- */

static int ask_helper(struct imds *m, const char *method, const char *path,
		      const char *query, char stage[16], struct err *e)
{
	char *target = xasprintf("%s%s%s", path, m->node_id, query);
	cJSON *doc = NULL;
	unsigned status;
	int rc = ask(&m->ask, method, target, false, now_ms() + ASK_MS, &status,
		     &doc, NULL, e);

	if (rc == 0 && status != 200)
		rc = err_set(e, ERR_DOCKER, "%s: %s (%u)", path,
			     json_str_opt(doc, "error", http_reason(status)),
			     status);
	if (rc == 0 && stage != NULL)
		snprintf(stage, 16, "%s", json_str_opt(doc, "stage", ""));
	json_free(doc);
	free(target);
	return rc;
}

static int engine_info(struct imds *m, struct docker *d,
		       struct docker_info *info, struct err *e)
{
	docker_init_unix(d, m->config->docker_socket);
	d->timeout_ms = ENGINE_MS;
	return docker_info(d, info, e);
}

/* Begin.  Also when no helper answers: then the load balancer lets go, and
 * the rest has to be done without a drain. */
static void go(struct imds *m, const struct events_verdict *v)
{
	struct docker_info info = { 0 };
	struct err e = ERR_INIT;
	struct docker d;
	char query[64];
	int64_t limit = v->seconds_left < 0 ?
				EVICT_LIMIT_S :
				v->seconds_left - EVICT_QUIET_S - KEEP_S;

	daemon_say("Azure announces: %s%s", event_type_name(v->type),
	    v->seconds_left < 0	 ? "" :
	    v->seconds_left == 0 ? ", now" :
				   ", soon");
	atomic_store(&m->away, true);
	m->way = EVENTS_GOING;
	m->deadline_ms = v->seconds_left < 0 ? 0 :
					       now_ms() + v->seconds_left * 1000;
	limit = limit < 5 ? 5 : limit > EVICT_LIMIT_S ? EVICT_LIMIT_S : limit;
	snprintf(query, sizeof(query), "?by=event&limit=%lld", (long long)limit);
	if (engine_info(m, &d, &info, &e) == 0) {
		memcpy(m->node_id, info.node_id, sizeof(m->node_id));
		if (m->node_id[0] != '\0')
			ask_helper(m, "POST", "/evict/", query, NULL, &e);
	}
	docker_release(&d);
	if (e.kind != ERR_NONE)
		daemon_say("taking this node out of service: %s", e.msg);
}

/* Out, as a worker: it leaves the swarm, so that nobody waits for it. */
static void leave(struct imds *m)
{
	struct docker_info info = { 0 };
	struct err e = ERR_INIT;
	struct docker d;

	if (engine_info(m, &d, &info, &e) == 0 &&
	    info.state != DOCKER_SWARM_INACTIVE && !info.manager &&
	    !m->config->manager && docker_swarm_leave(&d, false, &e) == 0) {
		daemon_say("left the swarm, was node %s", m->node_id);
		ask_helper(m, "POST", "/left/", "", NULL, &e);
	}
	docker_release(&d);
	if (e.kind != ERR_NONE)
		daemon_say("leaving the swarm: %s", e.msg);
}

/* How far is it?  Without an answer in time it goes all the same. */
static void look_way(struct imds *m)
{
	struct err e = ERR_INIT;
	char stage[16] = "";
	bool late = m->deadline_ms != 0 &&
		    now_ms() >= m->deadline_ms - KEEP_S * 1000;

	if (m->node_id[0] != '\0' &&
	    ask_helper(m, "GET", "/evict/", "", stage, &e) < 0 && !late)
		return;
	if (strcmp(stage, "out") != 0 && m->node_id[0] != '\0' && !late)
		return;
	daemon_say("out of service%s", late && strcmp(stage, "out") != 0 ?
					": no time is left, tasks are still here" :
					"");
	leave(m);
	m->way = EVENTS_GONE;
}

static void come_back(struct imds *m)
{
	struct docker_info info = { 0 };
	struct err e = ERR_INIT;
	struct docker d;

	daemon_say("what Azure announced does not happen: back into service");
	if (engine_info(m, &d, &info, &e) == 0 &&
	    strcmp(info.node_id, m->node_id) == 0 && m->node_id[0] != '\0')
		ask_helper(m, "POST", "/return/", "", NULL, &e);
	docker_release(&d);
	if (e.kind != ERR_NONE)
		daemon_say("coming back into service: %s", e.msg);
	m->way = EVENTS_IN_SERVICE;
	m->n_approved = 0;
	memset(m->approved, 0, sizeof(m->approved));
	atomic_store(&m->away, false);
}

static void approve(struct imds *m, const struct events_verdict *v)
{
	static const char *const fields[] = {
		"Metadata: true",
		"Content-Type: application/json",
		NULL,
	};
	struct buf body = BUF_INIT(EVENTS_DOC_MAX);
	cJSON *doc = events_approval(v);
	struct err e = ERR_INIT;
	unsigned status = 0;

	json_print(doc, &body);
	if (plain_exchange("POST", m->config->metadata_host,
			   m->config->metadata_port, API_EVENTS, fields,
			   buf_str(&body), now_ms() + USUAL_MS, &status, NULL,
			   &e) == 0 &&
	    status == 200) {
		daemon_say("Azure may go on: %s", event_type_name(v->type));
		for (size_t i = 0;
		     i < v->n_approve && m->n_approved < EVENTS_MAX; i++)
			memcpy(m->approved[m->n_approved++], v->approve[i]->id,
			       sizeof(m->approved[0]));
	} else {
		daemon_say("telling Azure that it may go on: %s (%u)",
		    e.kind != ERR_NONE ? e.msg : http_reason(status), status);
	}
	json_free(doc);
	buf_release(&body);
}

/* ---- looking ---- */

static int get(struct imds *m, const char *target, int64_t limit_ms,
	       struct buf *answer, struct err *e)
{
	unsigned status = 0;

	if (plain_exchange("GET", m->config->metadata_host,
			   m->config->metadata_port, target, imds_fields,
			   STR_NULL, now_ms() + limit_ms, &status, answer, e) < 0)
		return -1;
	if (status != 200)
		return err_set(e, ERR_PROTO, "HTTP %u", status);
	return buf_check(answer, "the answer", e);
}

static int look_name(struct imds *m, struct err *e)
{
	struct buf answer = BUF_INIT(sizeof(m->machine) - 1);
	int rc = get(m, API_NAME, USUAL_MS, &answer, e);

	if (rc == 0 && answer.n == 0)
		rc = err_set(e, ERR_PROTO, "this machine has no name");
	if (rc == 0)
		memcpy(m->machine, answer.str, answer.n + 1);
	buf_release(&answer);
	return rc < 0 ? err_in(e, "the machine's name") : 0;
}

static void act(struct imds *m, const struct events *ev)
{
	struct events_verdict v = events_decide(ev, m->way, m->approved,
						unix_time());

	if (v.what != EVENTS_COME_BACK)
		m->quiet_since_s = 0;
	else if (m->quiet_since_s == 0)
		m->quiet_since_s = unix_time();
	switch (v.what) {
	case EVENTS_NOTHING:
		break;
	case EVENTS_GO:
		go(m, &v);
		break;
	case EVENTS_APPROVE:
		approve(m, &v);
		break;
	case EVENTS_COME_BACK:
		if (m->n_approved == 0 || unix_time() - m->quiet_since_s >= STAYS_S)
			come_back(m);
		break;
	}
}

static int look(struct imds *m, int64_t limit_ms, struct err *e)
{
	struct buf answer = BUF_INIT(EVENTS_DOC_MAX);
	struct events ev;
	unsigned odd;
	cJSON *doc = NULL;
	int rc = -1;

	if (get(m, API_EVENTS, limit_ms, &answer, e) == 0 &&
	    (doc = json_parse(buf_str(&answer), "scheduled events", e)) != NULL &&
	    events_read(doc, m->machine, &ev, &odd, e) == 0) {
		act(m, &ev);
		rc = odd == 0 ?
			     0 :
			     err_set(e, ERR_PROTO,
				     "%u events that are not understood", odd);
	}
	json_free(doc);
	buf_release(&answer);
	return rc;
}

static void *watch(void *ctx)
{
	struct imds *m = ctx;
	struct complaint complaint = { 0 };
	unsigned failures = 0;
	bool first = true;

	while (!interrupt_requested()) {
		struct err e = ERR_INIT, stopped = ERR_INIT;
		int64_t pause = LOOK_MS;
		int rc = m->machine[0] == '\0' ? look_name(m, &e) : 0;

		if (rc == 0)
			rc = look(m, first ? FIRST_MS : USUAL_MS, &e);
		if (interrupt_requested())
			break;
		/* what was begun goes on, whether anybody answers or not */
		if (m->way == EVENTS_GOING)
			look_way(m);
		first = rc < 0;
		failures = rc < 0 ? failures + 1 : 0;
		if (failures > 0 && m->way == EVENTS_IN_SERVICE)
			pause = failures < 5 ? LOOK_MS << failures :
					       BACKOFF_MAX_MS;
		if (rc < 0)
			err_in(&e, "metadata service");
		daemon_complain(&complaint, rc < 0 ? e.msg : "", now_ms());
		if (sleep_until(now_ms() + pause, &stopped) < 0)
			break;
	}
	return NULL;
}

int imds_start(struct imds *m, const struct node_config *c, struct err *e)
{
	*m = (struct imds){ .config = c };
	if (c->metadata_host[0] == '\0')
		return 0;
	if (ask_init(&m->ask, c, e) < 0)
		return -1;
	m->runs = pthread_create(&m->thread, NULL, watch, m) == 0;
	return m->runs ?
		       0 :
		       err_set(e, ERR_IO, "no thread to watch for events with");
}

void imds_stop(struct imds *m)
{
	if (m->runs)
		pthread_join(m->thread, NULL);
	ask_release(&m->ask);
}
