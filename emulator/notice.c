/* Scheduled events: raised, answered, over; see notice.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "emulator/arm/vmss.h"
#include "emulator/faults.h"
#include "emulator/notice.h"
#include "emulator/ops.h"
#include "emulator/store.h"

#define HEARD_S (24 * 3600) /* a question turns events on for so long */
#define LISTENS_S 300	    /* who asked since listens */

static const struct kind {
	const char *type, *source, *text;
	int duration_s;	   /* -1: until it is over */
	unsigned notice_s; /* documented minimum; of Terminate its default */
} kinds[] = {
	[NOTICE_DELETE] = { "Terminate", "User", "", -1, 300 },
	[NOTICE_RESTART] = { "Reboot", "User",
			     "Virtual machine is going to be restarted as "
			     "requested by authorized user.",
			     -1, 900 },
	[NOTICE_REDEPLOY] = { "Redeploy", "User",
			      "Virtual machine is going to be redeployed as "
			      "requested by authorized user.",
			      -1, 600 },
	[NOTICE_EVICTION] = { "Preempt", "Platform", "", -1, 30 },
	[NOTICE_FREEZE] = { "Freeze", "Platform",
			    "Virtual machine is being paused because of a "
			    "memory-preserving Live Migration operation.",
			    5, 900 },
	[NOTICE_REBOOT] = { "Reboot", "Platform",
			    "Host server is undergoing maintenance.", -1, 900 },
	[NOTICE_MOVE] = { "Redeploy", "Platform",
			  "The host of this virtual machine is going to "
			  "be replaced.",
			  -1, 600 },
};

/* Who sees each other's events: a set, an availability set, or one machine. */
static char *scope_of(struct emu *m, const struct entry *n)
{
	struct entry *set = vmss_of(m, n);
	const char *group = json_str_opt(n->doc,
					 "properties.availabilitySet.id", NULL);

	return set != NULL   ? xstrdup(set->key) :
	       group != NULL ? emu_lower(group) :
			       xstrdup(n->key);
}

static bool asked_within(const struct entry *n, int64_t s)
{
	return unix_time() - json_int_opt(n->hide, "asked", 0) <= s;
}

/* Is that announced to n?  Then *notice_s is made shorter where its set says so. */
static bool is_told(struct emu *m, enum notice_why why, const struct entry *n,
		    unsigned *notice_s)
{
	const cJSON *events = vmss_model(m, n, "events");
	int64_t s;

	if (!json_is(n->hide, "power", "running"))
		return false;
	if (why == NOTICE_RESTART || why == NOTICE_REDEPLOY)
		return asked_within(n, LISTENS_S);
	if (why != NOTICE_DELETE)
		return true;
	if (!json_bool_opt(events, "terminateNotificationProfile.enable", false) ||
	    vmss_is_spot(m, n))
		return false;
	s = json_duration_s(events,
			    "terminateNotificationProfile.notBeforeTimeout", 300);
	*notice_s = s < *notice_s ? (unsigned)s : *notice_s;
	return true;
}

static bool waits(struct emu *m, int64_t number)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, m->events)
		if (json_int_opt(v, "notice", 0) == number &&
		    !json_bool_opt(v, "approved", false))
			return true;
	return false;
}

static bool is_there(struct emu *m, int64_t number)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, m->events)
		if (json_int_opt(v, "notice", 0) == number)
			return true;
	return false;
}

static void raise(struct emu *m, enum notice_why why, const struct entry *n,
		  int64_t number, unsigned notice_s)
{
	const struct kind *k = &kinds[why];
	char *scope = scope_of(m, n), before[32];
	bool unheard = why == NOTICE_DELETE &&
		       faults_setting(m, "heard_only", 0) != 0 &&
		       !asked_within(n, HEARD_S);

	time_http(unix_time() + notice_s, before);
	json_push(m->events, "@event", n->key, scope, number, (int)why, unheard,
		  k->type, json_text(n->doc, "name"), before, k->text,
		  k->source, k->duration_s);
	m->incarnation++;
	emu_log(m, "event %s for %s, in %u s", k->type, n->key, notice_s);
	free(scope);
}

static void start(struct emu *m, int64_t number)
{
	cJSON *v;

	cJSON_ArrayForEach(v, m->events) {
		if (json_int_opt(v, "notice", 0) != number)
			continue;
		json_put_str(json_get_mut(v, "event"), "EventStatus", "Started");
		json_put_str(json_get_mut(v, "event"), "NotBefore", "");
		emu_log(m, "event %s for %s: %s",
			json_text(v, "event.EventType"), json_text(v, "key"),
			json_bool_opt(v, "approved", false) ? "approved" :
							      "nobody answered");
	}
	m->incarnation++;
	store_changed(m);
}

int64_t notice_give(struct emu *m, enum notice_why why, const cJSON *keys,
		    unsigned notice_s)
{
	unsigned s = kinds[why].notice_s;
	unsigned most = (unsigned)faults_setting(m, "notice_s", m->o.terminate_s);
	int64_t number, end;
	bool told = false;
	struct entry *n;
	const cJSON *k;

	/* on paper there is nobody to tell */
	if (m->netns == NULL)
		return 0;
	s = s < most ? s : most;
	s = notice_s > 0 ? notice_s : s;
	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL)
			told = is_told(m, why, n, &s) || told;
	if (!told)
		return 0;
	number = ++m->notices;
	end = now_ms() + (int64_t)s * 1000;
	cJSON_ArrayForEach(k, keys) {
		unsigned own = s;

		if ((n = store_find(m, k->valuestring)) != NULL &&
		    is_told(m, why, n, &own))
			raise(m, why, n, number, s);
	}
	store_changed(m);
	while (waits(m, number) && now_ms() < end && op_wait(m, 500) == 0)
		;
	if (m->stopping || !is_there(m, number))
		return -1;
	start(m, number);
	return number;
}

/* Those of that number, or of that machine (and reason, unless -1). */
static void drop(struct emu *m, int64_t number, const char *key, int why,
		 const char *word)
{
	cJSON *v, *next;

	for (v = m->events->child; v != NULL; v = next) {
		next = v->next;
		if (key != NULL ? !json_is(v, "key", key) :
				  json_int_opt(v, "notice", 0) != number)
			continue;
		if (why >= 0 && (json_int_opt(v, "why", -1) != why ||
				 !json_is(v, "event.EventStatus", "Scheduled")))
			continue;
		emu_log(m, "event %s for %s: %s", json_text(v, "event.EventType"),
			json_text(v, "key"), word);
		json_free(cJSON_DetachItemViaPointer(m->events, v));
		m->incarnation++;
	}
	store_changed(m);
}

void notice_over(struct emu *m, int64_t number)
{
	if (number > 0)
		drop(m, number, NULL, -1, "over");
}

void notice_withdraw(struct emu *m, enum notice_why why, const char *key)
{
	drop(m, 0, key, (int)why, "cancelled");
}

void notice_forget(struct emu *m, const char *key)
{
	drop(m, 0, key, -1, "over");
}

/* ---- the machines' side ---- */

cJSON *notice_document(struct emu *m, struct entry *n)
{
	char *scope = scope_of(m, n);
	cJSON *out = json_fmt("{'DocumentIncarnation':%l,'Events':[]}",
			      (int64_t)m->incarnation);
	const cJSON *v;

	json_put_int(n->hide, "asked", unix_time());
	cJSON_ArrayForEach(v, m->events)
		if (json_is(v, "scope", scope))
			cJSON_AddItemToArray(json_get_mut(out, "Events"),
					     cJSON_Duplicate(json_get(v, "event"),
							     true));
	free(scope);
	return out;
}

bool notice_approve(struct emu *m, struct entry *n, const cJSON *doc)
{
	const cJSON *q, *list = json_get(doc, "StartRequests");
	char *scope = scope_of(m, n);
	bool ok = cJSON_GetArraySize(list) > 0;
	cJSON *v;

	json_put_int(n->hide, "asked", unix_time());
	cJSON_ArrayForEach(q, list) {
		bool found = false;

		cJSON_ArrayForEach(v, m->events)
			if (json_is(v, "scope", scope) &&
			    json_is(v, "event.EventId", json_text(q, "EventId"))) {
				json_set(v, "approved", cJSON_CreateTrue());
				found = true;
			}
		ok = ok && found;
	}
	free(scope);
	store_changed(m);
	return ok;
}
