/*
 * Scheduled events, read and decided.  A document says what is planned for
 * any machine of the set; only what names ours counts, and nothing but an
 * event that takes the machine away makes it leave.
 */
#include "node/events.h"

#include <string.h>

#include "base/time.h"

static const char *const types[] = {
	[EVENT_FREEZE] = "Freeze",	 [EVENT_REBOOT] = "Reboot",
	[EVENT_REDEPLOY] = "Redeploy",	 [EVENT_PREEMPT] = "Preempt",
	[EVENT_TERMINATE] = "Terminate",
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

const char *event_type_name(enum event_type t)
{
	return types[t];
}

static bool names(const cJSON *item, const char *machine)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, json_get(item, "Resources"))
		if (str_ieqz(str_of(json_str_opt(r, "", "")), machine))
			return true;
	return false;
}

/* Azure writes the RFC 9110 form; ISO 8601 occurs. */
static int64_t time_of(const char *text)
{
	int64_t t;

	if (time_parse_http(str_of(text), &t) || time_parse_iso(str_of(text), &t))
		return t;
	return 0;
}

/* False: not an event that we could answer. */
static bool read_event(const cJSON *item, struct event *ev)
{
	struct str id = str_of(json_str_opt(item, "EventId", ""));
	struct str status = str_of(json_str_opt(item, "EventStatus", ""));
	struct str type = str_of(json_str_opt(item, "EventType", ""));
	size_t t = 0;

	*ev = (struct event){ 0 };
	while (t < N_TYPES && !str_ieqz(type, types[t]))
		t++;
	if (t == N_TYPES || id.n == 0 || id.n >= sizeof(ev->id))
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!is_alnum(id.p[i]) && id.p[i] != '-')
			return false;
	ev->started = str_ieqz(status, "Started");
	if (!ev->started && !str_ieqz(status, "Scheduled"))
		return false;
	memcpy(ev->id, id.p, id.n);
	ev->type = (enum event_type)t;
	ev->not_before_s = time_of(json_str_opt(item, "NotBefore", ""));
	return true;
}

int events_read(const cJSON *doc, const char *machine, struct events *ev,
		unsigned *odd, struct err *e)
{
	const cJSON *list = json_arr(doc, "Events", e), *item;

	*ev = (struct events){ 0 };
	*odd = 0;
	if (list == NULL)
		return err_in(e, "scheduled events");
	cJSON_ArrayForEach(item, list) {
		if (!names(item, machine))
			continue;
		if (ev->n == EVENTS_MAX || !read_event(item, &ev->list[ev->n]))
			++*odd;
		else
			ev->n++;
	}
	return 0;
}

static bool in_list(char ids[EVENTS_MAX][64], const char *id)
{
	for (size_t i = 0; i < EVENTS_MAX; i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static int64_t left(const struct event *ev, int64_t now_s)
{
	if (ev->started)
		return 0;
	if (ev->not_before_s == 0)
		return -1;
	return ev->not_before_s > now_s ? ev->not_before_s - now_s : 0;
}

struct events_verdict events_decide(const struct events *ev, enum events_way way,
				    char approved[EVENTS_MAX][64], int64_t now_s)
{
	struct events_verdict v = { .what = EVENTS_NOTHING, .seconds_left = -1 };
	size_t leaving = 0;

	for (size_t i = 0; i < ev->n; i++) {
		const struct event *one = &ev->list[i];
		int64_t s = left(one, now_s);

		if (one->type == EVENT_FREEZE)
			continue;
		if (leaving++ == 0 ||
		    (s >= 0 && (v.seconds_left < 0 || s < v.seconds_left))) {
			v.type = one->type;
			v.seconds_left = s;
		}
		if (!one->started && !in_list(approved, one->id))
			v.approve[v.n_approve++] = one;
	}
	if (leaving == 0)
		v.what = way == EVENTS_IN_SERVICE ? EVENTS_NOTHING :
						    EVENTS_COME_BACK;
	else if (way == EVENTS_IN_SERVICE)
		v.what = EVENTS_GO;
	else if (way == EVENTS_GONE && v.n_approve > 0)
		v.what = EVENTS_APPROVE;
	return v;
}

cJSON *events_approval(const struct events_verdict *v)
{
	cJSON *doc = cJSON_CreateObject();
	cJSON *list = json_add_arr(doc, "StartRequests");

	for (size_t i = 0; i < v->n_approve; i++)
		json_add_str(json_add_obj(list, NULL), "EventId",
			     v->approve[i]->id);
	return doc;
}
