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
#define FIRST_MS 150000
#define USUAL_MS 10000
#define GOING_MS 2000
#define STAYS_MS 60000
#define BACKOFF_MAX_MS 10000 /* a Preempt is announced 30 s before */
#define ASK_MS 12000
#define ASK_MIN_MS 1000
#define LEFT_MS 3000
#define ENGINE_MS 15000
/* kept of the time that there is, for leaving and for telling Azure */
#define KEEP_S 3

static const char *const imds_fields[] = { "Metadata: true", NULL };

/* ---- the way out ---- */

/* Ask a helper about this node: 0 when one answered, whatever it says. */
static int ask_helper(struct imds *m, const char *method, const char *path,
		      const char *query, int64_t limit_ms, unsigned *status,
		      char stage[16], struct err *e)
{
	char *target = xasprintf("%s%s%s", path, m->node_id, query);
	cJSON *doc = NULL;
	int rc = ask(&m->ask, method, target, false, now_ms() + limit_ms,
		     status, &doc, NULL, e);

	if (rc == 0) {
		snprintf(stage, 16, "%s", json_str_opt(doc, "stage", ""));
		if (*status != 200)
			err_set(e, ERR_DOCKER, "%s: %s (%u)", path,
				json_str_opt(doc, "error", http_reason(*status)),
				*status);
	}
	json_free(doc);
	free(target);
	return rc;
}

static int engine_info(const struct imds *m, struct docker *d,
		       struct docker_info *info, struct err *e)
{
	docker_init_unix(d, m->config->docker_socket);
	d->timeout_ms = ENGINE_MS;
	return docker_info(d, info, e);
}

/* Milliseconds until all that is left is leaving; -1: not known. */
static int64_t time_left(const struct imds *m)
{
	int64_t left = m->deadline_ms - KEEP_S * 1000 - now_ms();

	return m->deadline_ms == 0 ? -1 : left > 0 ? left : 0;
}

/* No question takes longer than there is time. */
static int64_t ask_limit(const struct imds *m)
{
	int64_t left = time_left(m);

	return left < 0 || left > ASK_MS ? ASK_MS :
	       left > ASK_MIN_MS	 ? left :
					   ASK_MIN_MS;
}

/* Ask for the way out.  *outside: this machine is in no swarm. */
static int begin(struct imds *m, bool *outside, struct err *e)
{
	int64_t left = time_left(m), limit = EVICT_LIMIT_S;
	struct docker_info info = { 0 };
	unsigned status = 0;
	struct docker d;
	char query[64], stage[16];
	int rc;

	*outside = false;
	if (left >= 0 && left / 1000 - EVICT_QUIET_S < limit)
		limit = left / 1000 - EVICT_QUIET_S;
	snprintf(query, sizeof(query), "?by=event&limit=%lld",
		 (long long)(limit < 5 ? 5 : limit));
	rc = engine_info(m, &d, &info, e);
	docker_release(&d);
	if (rc < 0)
		return -1;
	memcpy(m->node_id, info.node_id, sizeof(m->node_id));
	ask_know(&m->ask, &info.known);
	if (info.state == DOCKER_SWARM_INACTIVE || m->node_id[0] == '\0') {
		*outside = true;
		return 0;
	}
	rc = ask_helper(m, "POST", "/evict/", query, ask_limit(m), &status,
			stage, e);
	return rc < 0 || status != 200 ? -1 : 0;
}

/* Out, as a worker: it leaves the swarm, so that nobody waits for it. */
static void leave(struct imds *m)
{
	struct docker_info info = { 0 };
	struct err e = ERR_INIT, told = ERR_INIT;
	unsigned status;
	struct docker d;
	char stage[16];

	if (engine_info(m, &d, &info, &e) == 0 &&
	    info.state != DOCKER_SWARM_INACTIVE && !info.manager &&
	    !m->config->manager && docker_swarm_leave(&d, false, &e) == 0) {
		/* not known yet when there was no time for a way out */
		memcpy(m->node_id, info.node_id, sizeof(m->node_id));
		daemon_say("left the swarm, was node %s", m->node_id);
		/* it finds out by itself as well */
		ask_helper(m, "POST", "/left/", "", LEFT_MS, &status, stage,
			   &told);
	}
	docker_release(&d);
	if (e.kind != ERR_NONE)
		daemon_say("leaving the swarm: %s", e.msg);
}

/* Do the managers say that nothing is missed here any more?  Where they do
 * not know of a way out, it is begun (again). */
static bool is_out(struct imds *m, struct err *e)
{
	char stage[16] = "";
	unsigned status = 0;
	bool outside = false;

	if (m->node_id[0] != '\0') {
		if (ask_helper(m, "GET", "/evict/", "", ask_limit(m), &status,
			       stage, e) < 0)
			return false;
		if (strcmp(stage, "out") == 0 || status == 404)
			return true;
		if (status != 200 || *stage != '\0')
			return false;
	}
	begin(m, &outside, e);
	return outside;
}

/* Without an answer in time it goes all the same. */
static void look_way(struct imds *m, struct err *e)
{
	bool out = false;

	if (time_left(m) != 0 && !(out = is_out(m, e)))
		return;
	daemon_say("out of service%s",
		   out ? "" : ": no time is left, tasks may still be here");
	leave(m);
	m->way = EVENTS_GONE;
}

static void go(struct imds *m, const struct events_verdict *v)
{
	daemon_say("Azure announces: %s%s", event_type_name(v->type),
		   v->seconds_left < 0	? "" :
		   v->seconds_left == 0 ? ", now" :
					  ", soon");
	/* unhealthy first, whoever answers */
	atomic_store(&m->away, true);
	m->node_id[0] = '\0';
	m->way = EVENTS_GOING;
}

/* Not before the managers know it: a node that is drained is of no use. */
static void come_back(struct imds *m, struct err *e)
{
	struct docker_info info = { 0 };
	unsigned status = 200;
	struct docker d;
	char stage[16];
	int rc = m->node_id[0] == '\0' ? 0 : engine_info(m, &d, &info, e);

	if (m->node_id[0] != '\0')
		docker_release(&d);
	if (rc == 0 && m->node_id[0] != '\0' &&
	    strcmp(info.node_id, m->node_id) == 0)
		rc = ask_helper(m, "POST", "/return/", "", ASK_MS, &status,
				stage, e);
	if (rc < 0 || status >= 500)
		return;
	daemon_say("what Azure announced does not happen: back into service");
	m->way = EVENTS_IN_SERVICE;
	m->n_approved = 0;
	m->begun = false;
	memset(m->approved, 0, sizeof(m->approved));
	atomic_store(&m->away, false);
}

static void keep_approved(struct imds *m, const char id[64])
{
	if (m->n_approved == EVENTS_MAX) {
		memmove(m->approved[0], m->approved[1],
			(EVENTS_MAX - 1) * sizeof(m->approved[0]));
		m->n_approved--;
	}
	memcpy(m->approved[m->n_approved++], id, sizeof(m->approved[0]));
}

static void approve(struct imds *m, const struct events_verdict *v, struct err *e)
{
	static const char *const fields[] = {
		"Metadata: true",
		"Content-Type: application/json",
		NULL,
	};
	struct buf body = BUF_INIT(EVENTS_DOC_MAX);
	cJSON *doc = events_approval(v);
	unsigned status = 0;

	json_print(doc, &body);
	if (plain_exchange("POST", m->config->metadata_host,
			   m->config->metadata_port, API_EVENTS, fields,
			   buf_str(&body), now_ms() + m->times.usual, &status,
			   NULL, e) < 0) {
		err_in(e, "telling Azure that it may go on");
	} else if (status != 200) {
		err_set(e, ERR_PROTO, "telling Azure that it may go on: %s (%u)",
			http_reason(status), status);
	} else {
		daemon_say("Azure may go on: %s", event_type_name(v->type));
		m->begun = true;
		for (size_t i = 0; i < v->n_approve; i++)
			keep_approved(m, v->approve[i]->id);
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
	int rc = get(m, API_NAME, m->times.usual, &answer, e);
	struct str name = str_trim(buf_str(&answer));

	if (rc == 0 && name.n == 0)
		rc = err_set(e, ERR_PROTO, "this machine has no name");
	if (rc == 0) {
		memcpy(m->machine, name.p, name.n);
		m->machine[name.n] = '\0';
	}
	buf_release(&answer);
	return rc < 0 ? err_in(e, "the machine's name") : 0;
}

static void act(struct imds *m, const struct events *ev, struct err *e)
{
	struct events_verdict v = events_decide(ev, m->way, m->approved,
						unix_time());

	for (size_t i = 0; i < ev->n; i++)
		m->begun |= ev->list[i].started &&
			    ev->list[i].type != EVENT_FREEZE;
	if (v.what != EVENTS_COME_BACK)
		m->quiet_since_ms = 0;
	else if (m->quiet_since_ms == 0)
		m->quiet_since_ms = now_ms();
	/* what is announced may become more urgent */
	m->deadline_ms = v.seconds_left < 0 ? 0 :
					      now_ms() + v.seconds_left * 1000;
	switch (v.what) {
	case EVENTS_NOTHING:
		break;
	case EVENTS_GO:
		go(m, &v);
		break;
	case EVENTS_APPROVE:
		approve(m, &v, e);
		break;
	case EVENTS_COME_BACK:
		/* one that has begun is listed no more when it happens */
		if (!m->begun || now_ms() - m->quiet_since_ms >= m->times.stays)
			come_back(m, e);
		break;
	}
}

/* 0 when there was an answer, also with something in e to complain about. */
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
		act(m, &ev, e);
		if (odd > 0)
			err_set(e, ERR_PROTO,
				"%u events that are not understood", odd);
		rc = 0;
	}
	json_free(doc);
	buf_release(&answer);
	return rc;
}

static int64_t look_limit(const struct imds *m, unsigned failures)
{
	int64_t limit = m->times.usual << (failures < 5 ? failures : 5);

	if (m->way == EVENTS_GOING)
		return m->times.going;
	return m->answered && limit < m->times.first ? limit : m->times.first;
}

static int64_t look_pause(const struct imds *m, unsigned failures)
{
	int64_t pause = m->times.look << (failures < 5 ? failures : 5);

	if (m->way != EVENTS_IN_SERVICE)
		return m->times.look;
	return pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS;
}

static void *watch(void *ctx)
{
	struct imds *m = ctx;
	struct complaint complaint = { 0 };
	unsigned failures = 0;

	while (!interrupt_requested()) {
		struct err e = ERR_INIT, going = ERR_INIT, stopped = ERR_INIT;
		int rc = m->machine[0] == '\0' ? look_name(m, &e) : 0;

		if (rc == 0)
			rc = look(m, look_limit(m, failures), &e);
		if (interrupt_requested())
			break;
		m->answered |= rc == 0;
		failures = rc < 0 ? failures + 1 : 0;
		/* what was begun goes on, whether anybody answers or not */
		if (m->way == EVENTS_GOING)
			look_way(m, &going);
		if (interrupt_requested())
			break;
		if (e.kind != ERR_NONE)
			err_in(&e, "scheduled events");
		else if (going.kind != ERR_NONE)
			err_in(&going, "taking this node out of service");
		daemon_complain(&complaint,
				e.kind != ERR_NONE     ? e.msg :
				going.kind != ERR_NONE ? going.msg :
							 "",
				now_ms());
		if (sleep_until(now_ms() + look_pause(m, failures), &stopped) < 0)
			break;
	}
	return NULL;
}

void imds_init(struct imds *m, const struct node_config *c)
{
	*m = (struct imds){
		.config = c,
		.times = { .look = LOOK_MS,
			   .first = FIRST_MS,
			   .usual = USUAL_MS,
			   .going = GOING_MS,
			   .stays = STAYS_MS },
	};
}

int imds_start(struct imds *m, struct err *e)
{
	if (m->config->metadata_host[0] == '\0')
		return 0;
	if (ask_init(&m->ask, m->config, e) < 0)
		return -1;
	m->runs = pthread_create(&m->thread, NULL, watch, m) == 0;
	if (m->runs)
		return 0;
	ask_release(&m->ask);
	return err_set(e, ERR_IO, "no thread to watch for events with");
}

void imds_stop(struct imds *m)
{
	if (!m->runs)
		return;
	pthread_join(m->thread, NULL);
	ask_release(&m->ask);
	m->runs = false;
}
