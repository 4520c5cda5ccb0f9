/*
 * The timeline: two readings are held against each other.
 */
#include "node/timeline.h"

#include <stdio.h>
#include <string.h>

#include "node/evict.h"

__attribute__((format(printf, 5, 6))) static void
happened(struct timeline *t, const struct monitor_view *v, const char *kind,
	 const char *who, const char *fmt, ...)
{
	struct timeline_event *one = &t->events[t->n++ % TIMELINE_MAX];
	va_list ap;

	*one = (struct timeline_event){ .at = v->now, .kind = kind };
	snprintf(one->who, sizeof(one->who), "%s", who);
	va_start(ap, fmt);
	vsnprintf(one->text, sizeof(one->text), fmt, ap);
	va_end(ap);
}

/* ---- nodes ------------------------------------------------------------------- */

/* Lists mostly have the same order, so the place is tried first. */
static const struct docker_node *node_in(const struct monitor_view *v,
					 const char *id, size_t place)
{
	if (place < v->n_table && strcmp(v->table[place].id, id) == 0)
		return &v->table[place];
	for (size_t i = 0; i < v->n_table; i++)
		if (strcmp(v->table[i].id, id) == 0)
			return &v->table[i];
	return NULL;
}

static const char *name_of(const struct docker_node *n)
{
	return n->hostname[0] != '\0' ? n->hostname : n->id;
}

static void way_out(struct timeline *t, const struct monitor_view *v,
		    const struct docker_node *was, const struct docker_node *now)
{
	static const char *const words[] = {
		[EVICT_ASKED] = "waits for its turn to leave",
		[EVICT_QUIET] = "leaves: the load balancer lets go of it",
		[EVICT_DRAIN] = "leaves: its tasks begin elsewhere",
		[EVICT_OUT] = "is out: nothing is missed here",
	};
	static const char *const whose[] = {
		[EVICT_BY_OPERATOR] = "the operator wants it",
		[EVICT_BY_EVENT] = "Azure announced it",
		[EVICT_BY_SHUTDOWN] = "the machine goes down",
	};
	struct evict before, ev;

	evict_read(str_of(was->evict), &before);
	evict_read(str_of(now->evict), &ev);
	if (ev.stage == before.stage)
		return;
	if (ev.stage == EVICT_NONE) {
		happened(t, v, "returned", name_of(now),
			 "stays: its way out is over");
		return;
	}
	happened(t, v, "evicted", name_of(now), "%s (%s)", words[ev.stage],
		 whose[ev.by]);
}

/* The helper has a task stopped so that it begins on another node. */
static void moved(struct timeline *t, const struct monitor_view *was,
		  const struct monitor_view *v, const struct docker_node *node)
{
	const char *service = "";

	for (size_t i = 0; i < was->n_list; i++)
		if (strcmp(was->list[i].id, node->stop) == 0)
			service = was->services[was->list[i].service].name;
	happened(t, v, "rebalanced", name_of(node),
		 "a task%s%s ends here, to begin on another node",
		 *service != '\0' ? " of " : "", service);
}

static void node_changed(struct timeline *t, const struct monitor_view *was_view,
			 const struct monitor_view *v,
			 const struct docker_node *was,
			 const struct docker_node *now)
{
	static const char *const kinds[] = {
		[DOCKER_ACTIVE] = "active",
		[DOCKER_PAUSE] = "paused",
		[DOCKER_DRAIN] = "drained",
	};
	static const char *const words[] = {
		[DOCKER_ACTIVE] = "takes tasks again",
		[DOCKER_PAUSE] = "takes no new tasks",
		[DOCKER_DRAIN] = "is drained: it takes no tasks",
	};

	if (now->state != was->state)
		happened(t, v, docker_node_state_name(now->state), name_of(now),
			 "is %s", docker_node_state_name(now->state));
	way_out(t, v, was, now);
	if (now->availability != was->availability)
		happened(t, v, kinds[now->availability], name_of(now), "%s",
			 words[now->availability]);
	if (now->manager != was->manager)
		happened(t, v, now->manager ? "promoted" : "demoted",
			 name_of(now), "is a %s now",
			 now->manager ? "manager" : "worker");
	if (now->leader && !was->leader)
		happened(t, v, "leader", name_of(now), "leads the swarm now");
	if (now->stop[0] != '\0' && strcmp(now->stop, was->stop) != 0)
		moved(t, was_view, v, now);
}

/* ---- services ---------------------------------------------------------------- */

static const struct monitor_view_service *service_in(const struct monitor_view *v,
						     const char *id)
{
	for (size_t i = 0; i < v->n_services; i++)
		if (strcmp(v->services[i].id, id) == 0)
			return v->services[i].name[0] != '\0' ? &v->services[i] :
								NULL;
	return NULL;
}

static void service_changed(struct timeline *t, const struct monitor_view *v,
			    const struct monitor_view_service *was,
			    const struct monitor_view_service *now)
{
	/* of a global one it follows the nodes, which have their own lines */
	if (now->replicated && now->desired != was->desired)
		happened(t, v, "scaled", now->name, "from %u to %u tasks",
			 was->desired, now->desired);
	if (now->update[0] != '\0' && strcmp(now->update, was->update) != 0)
		happened(t, v, "update", now->name, "update: %s", now->update);
	if (now->failed_at > was->failed_at)
		happened(t, v, "failed", now->name, "%s", now->failure);
}

void timeline_take(struct timeline *t, const struct monitor_view *was,
		   const struct monitor_view *now)
{
	const struct monitor_view_service *service;

	if (was == NULL || was->now == 0)
		return;
	for (size_t i = 0; i < now->n_table; i++) {
		const struct docker_node *n = &now->table[i],
					 *o = node_in(was, n->id, i);

		if (o == NULL)
			happened(t, now, "joined", name_of(n), "joined the swarm");
		else
			node_changed(t, was, now, o, n);
	}
	for (size_t i = 0; i < was->n_table; i++)
		if (node_in(now, was->table[i].id, i) == NULL)
			happened(t, now, "left", name_of(&was->table[i]),
				 "left the swarm");
	for (size_t i = 0; i < now->n_services; i++) {
		if (now->services[i].name[0] == '\0')
			continue; /* only its tasks are left */
		service = service_in(was, now->services[i].id);
		if (service == NULL)
			happened(t, now, "made", now->services[i].name,
				 "service made");
		else
			service_changed(t, now, service, &now->services[i]);
	}
	for (size_t i = 0; i < was->n_services; i++)
		if (was->services[i].name[0] != '\0' &&
		    service_in(now, was->services[i].id) == NULL)
			happened(t, now, "removed", was->services[i].name,
				 "service removed");
}

/* ---- as JSON ------------------------------------------------------------------ */

static void text(struct buf *out, const char *name, const char *v)
{
	struct buf clean = BUF_INIT(strlen(v));

	buf_add_clean(&clean, str_whole(str_of(v)));
	buf_addf(out, ",\"%s\":\"", name);
	buf_add_json(out, buf_str(&clean));
	buf_addc(out, '"');
	buf_release(&clean);
}

void timeline_write(const struct timeline *t, uint64_t seen, struct buf *out)
{
	const char *sep = "";

	if (seen > t->n || t->n - seen > TIMELINE_MAX)
		seen = t->n > TIMELINE_MAX ? t->n - TIMELINE_MAX : 0;
	buf_addc(out, '[');
	for (uint64_t i = seen; i < t->n; i++) {
		const struct timeline_event *one = &t->events[i % TIMELINE_MAX];

		buf_addf(out, "%s{\"n\":%llu,\"at\":%lld,\"kind\":\"%s\"", sep,
			 (unsigned long long)(i + 1), (long long)one->at,
			 one->kind);
		text(out, "who", one->who);
		text(out, "text", one->text);
		buf_addc(out, '}');
		sep = ",";
	}
	buf_addc(out, ']');
}
