/*
 * A swarm as its engine's API tells it, for a backup; and what `restore` does
 * through that API once the state is in place, or in place of the state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/work.h"
#include "swarm/backup.h"
#include "swarm/swarm.h"

#define LOOK_MS 1000
#define ENGINE_MS 10000
#define OURS "azswarm."
#define LABELS_AT_ONCE 3 /* of struct docker_node_change's */

/* ---- an engine that comes back ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	(void)tls, (void)host, (void)port;
	return ssh_channel_opened(ssh_unix(ctx, DOCKER_SOCKET, e), deadline_ms, e);
}

void refit_engine(struct docker *d, struct session *s, struct ssh *ssh)
{
	docker_release(d);
	docker_init(d, (struct http_dialer){ dial, ssh });
	d->http.watch = trace_watch(&s->trace, TRACE_SWARM);
}

/* Without its majority it does not answer in time, though it is unlocked. */
static int unlock(struct docker *d, struct str key, struct err *e)
{
	char *z = str_dup(key);
	int rc = docker_unlock(d, z, e);

	burn_str(z);
	if (rc < 0 && d->status == 0 && e->kind != ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
	return rc < 0 ? err_in(e, "unlocking the swarm") : 0;
}

int refit_wait_engine(struct docker *d, struct str key, int64_t limit_ms,
		      struct docker_info *info, struct err *e)
{
	int64_t began = now_ms();

	for (;;) {
		struct err once = ERR_INIT;

		if (docker_info(d, info, &once) == 0) {
			if (info->state != DOCKER_SWARM_LOCKED)
				return 0;
			if (key.n == 0)
				return err_set(e, ERR_DOCKER,
					       "its swarm is locked, and the key "
					       "is not known here");
			if (unlock(d, key, e) < 0)
				return -1;
			return docker_info(d, info, e);
		}
		if (now_ms() - began > limit_ms || once.kind == ERR_INTR) {
			*e = once;
			return -1;
		}
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			return -1;
	}
}

int refit_wait_swarm(struct docker *d, struct str key, int64_t limit_ms,
		     struct err *e)
{
	int64_t began = now_ms();
	struct docker_info info;

	if (refit_wait_engine(d, key, limit_ms, &info, e) < 0)
		return -1;
	for (;;) {
		struct err once = ERR_INIT;
		struct docker_node self;

		/* without a leader there is no such answer */
		if (docker_node(d, info.node_id, &self, &once) == 0)
			return 0;
		if (now_ms() - began > limit_ms || once.kind == ERR_INTR) {
			*e = once;
			return err_in(e, "its swarm");
		}
		if (sleep_until(now_ms() + LOOK_MS, e) < 0 ||
		    docker_info(d, &info, e) < 0)
			return -1;
	}
}

/* ---- what there is ---- */

/* What we ourselves say of a row goes with the row. */
static cJSON *labels_of(const cJSON *node)
{
	cJSON *labels = cJSON_CreateObject();
	const cJSON *l;

	cJSON_ArrayForEach(l, json_at(node, "Spec.Labels"))
		if (!str_starts(str_of(l->string), STR(OURS)))
			json_add_str(labels, l->string, json_str_opt(l, "", ""));
	return labels;
}

static int take_node(void *ctx, const cJSON *item, struct err *e)
{
	cJSON *node = cJSON_CreateObject();
	struct docker_node n;

	cJSON_AddItemToArray(ctx, node);
	if (docker_node_read(item, &n, e) < 0)
		return -1;
	json_add_str(node, "hostname", n.hostname);
	json_add_str(node, "role", n.manager ? "manager" : "worker");
	json_add_str(node, "availability",
		     docker_availability_name(n.leaving ? n.before :
							  n.availability));
	json_set(node, "labels", labels_of(item));
	return 0;
}

static int take_item(void *ctx, const cJSON *item, struct err *e)
{
	(void)e;
	cJSON_AddItemToArray(ctx, cJSON_Duplicate(item, true));
	return 0;
}

int refit_describe(struct docker *d, cJSON **doc, struct err *e)
{
	static const struct {
		const char *name, *path;
		int (*take)(void *ctx, const cJSON *item, struct err *e);
	} lists[] = {
		{ "nodes", "/nodes", take_node },
		{ "services", "/services", take_item },
		{ "networks",
		  "/networks?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D",
		  take_item },
		{ "secrets", "/secrets", take_item },
		{ "configs", "/configs", take_item },
	};

	*doc = cJSON_CreateObject();
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (docker_each(d, lists[i].path, lists[i].take,
				json_add_arr(*doc, lists[i].name), e) < 0)
			return err_in(e, "%s", lists[i].name);
	return 0;
}

/* ---- nodes ---- */

static int label_node(struct docker *d, const char *id, const cJSON *want,
		      struct err *e)
{
	const char *availability = json_str_opt(want, "availability", "active");
	const cJSON *l = json_get(want, "labels");

	l = l != NULL ? l->child : NULL;
	do {
		struct docker_node_change c = { .availability = availability };

		for (size_t i = 0; i < LABELS_AT_ONCE && l != NULL; i++) {
			c.labels[i].name = l->string;
			c.labels[i].value = json_str_opt(l, "", "");
			l = l->next;
		}
		if (docker_node_update(d, id, &c, e) < 0)
			return -1;
	} while (l != NULL);
	return 0;
}

/* The Ready one of that name; a manager's before a worker's, which may call
 * itself anything. */
static const struct docker_node *ready_one(const struct docker_node *nodes,
					   size_t n, const char *name)
{
	const struct docker_node *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (nodes[i].state == DOCKER_NODE_READY &&
		    strcmp(nodes[i].hostname, name) == 0 &&
		    (best == NULL || nodes[i].manager))
			best = &nodes[i];
	return best;
}

int refit_labels(struct docker *d, const cJSON *cluster, struct buf *absent,
		 struct err *e)
{
	struct docker_node *nodes = NULL;
	const cJSON *want, *l;
	int rc;
	size_t n;

	rc = docker_nodes(d, &nodes, &n, e);
	cJSON_ArrayForEach(want, json_get(cluster, "nodes")) {
		const char *name = json_str_opt(want, "hostname", "");
		const struct docker_node *node =
			rc == 0 ? ready_one(nodes, n, name) : NULL;

		if (node != NULL) {
			rc = label_node(d, node->id, want, e);
			continue;
		}
		cJSON_ArrayForEach(l, json_get(want, "labels"))
			buf_addf(absent, "%s%s: %s=%s", absent->n > 0 ? ", " : "",
				 name, l->string, json_str_opt(l, "", ""));
	}
	free(nodes);
	return rc < 0 ? err_in(e, "labels of nodes") : 0;
}

int refit_rows(struct docker *d, const char *self, size_t *removed, struct err *e)
{
	struct docker_node *nodes = NULL;
	int rc;
	size_t n;

	*removed = 0;
	rc = docker_nodes(d, &nodes, &n, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (strcmp(nodes[i].id, self) == 0 ||
		    nodes[i].state == DOCKER_NODE_READY)
			continue;
		rc = docker_node_remove(d, nodes[i].id, true, e);
		(*removed)++;
	}
	free(nodes);
	return rc < 0 ? err_in(e, "rows of machines that are gone") : 0;
}

/* ---- anew, without the state ---- */

static void name_lacking(struct buf *lacking, const char *what, const char *name)
{
	buf_addf(lacking, "%s%s%s", lacking->n > 0 ? ", " : "", what, name);
}

/* Make one; *id (may be NULL) gets the engine's answer, an "ID" or "Id". */
static int create(struct docker *d, const char *path, const cJSON *body,
		  char id[DOCKER_ID_MAX], struct err *e)
{
	cJSON *answer = NULL;
	int rc = docker_call(d, "POST", path, body, &answer, e);

	snprintf(id, DOCKER_ID_MAX, "%s",
		 json_str_opt(json_get_i(answer, "id"), "", ""));
	json_free(answer);
	return rc;
}

/* What is asked for, of what the engine tells. */
static cJSON *network_body(const cJSON *network)
{
	static const char *const same[] = { "Name",    "Driver",   "EnableIPv6",
					    "IPAM",    "Internal", "Attachable",
					    "Options", "Labels",   "Scope" };
	cJSON *body = cJSON_CreateObject();

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (json_get(network, same[i]) != NULL)
			json_set(body, same[i],
				 cJSON_Duplicate(json_get(network, same[i]),
						 true));
	/* which the engine chose, and chooses */
	cJSON_DeleteItemFromObjectCaseSensitive(
		json_get_mut(body, "Options"),
		"com.docker.network.driver.overlay.vxlanid_list");
	return body;
}

static int make_networks(struct docker *d, const cJSON *cluster, cJSON *ids,
			 struct err *e)
{
	const cJSON *n;
	int rc = 0;

	cJSON_ArrayForEach(n, json_get(cluster, "networks")) {
		char id[DOCKER_ID_MAX];
		cJSON *body;

		if (rc < 0 || json_bool_opt(n, "Ingress", false))
			continue;
		body = network_body(n);
		rc = create(d, "/networks/create", body, id, e);
		json_add_str(ids, json_str_opt(n, "Id", ""), id);
		json_free(body);
	}
	return rc < 0 ? err_in(e, "networks") : 0;
}

static int make_configs(struct docker *d, const cJSON *cluster, cJSON *ids,
			struct err *e)
{
	const cJSON *c;
	int rc = 0;

	cJSON_ArrayForEach(c, json_get(cluster, "configs")) {
		char id[DOCKER_ID_MAX];

		if (rc < 0)
			continue;
		rc = create(d, "/configs/create", json_get(c, "Spec"), id, e);
		json_add_str(ids, json_str_opt(c, "ID", ""), id);
	}
	return rc < 0 ? err_in(e, "configs") : 0;
}

/* Each member called name in the items of list, from the old ID to the new. */
static void new_ids(cJSON *list, const char *name, const cJSON *ids)
{
	cJSON *item;

	cJSON_ArrayForEach(item, list) {
		const char *id = json_str_opt(
			json_get(ids, json_str_opt(item, name, "")), "", "");

		if (*id != '\0')
			json_set(item, name, cJSON_CreateString(id));
	}
}

static int make_service(struct docker *d, const cJSON *service,
			const cJSON *ids, struct buf *lacking, struct err *e)
{
	const char *name = json_str_opt(service, "Spec.Name", "?");
	cJSON *spec = cJSON_Duplicate(json_get(service, "Spec"), true), *task,
	      *box;
	char id[DOCKER_ID_MAX];
	int rc = 0;

	task = json_get_mut(spec, "TaskTemplate");
	box = json_get_mut(task, "ContainerSpec");
	if (cJSON_GetArraySize(json_get(box, "Secrets")) > 0) {
		name_lacking(lacking, "service ", name);
	} else {
		new_ids(json_get_mut(task, "Networks"), "Target", ids);
		new_ids(json_get_mut(spec, "Networks"), "Target", ids);
		new_ids(json_get_mut(box, "Configs"), "ConfigID", ids);
		rc = create(d, "/services/create", spec, id, e);
	}
	json_burn(spec);
	return rc < 0 ? err_in(e, "service %s", name) : 0;
}

int refit_recreate(struct docker *d, const cJSON *cluster, struct buf *lacking,
		   struct err *e)
{
	cJSON *ids = cJSON_CreateObject();
	const cJSON *one;
	int rc = 0;

	cJSON_ArrayForEach(one, json_get(cluster, "secrets"))
		name_lacking(lacking, "secret ",
			     json_str_opt(one, "Spec.Name", "?"));
	if (make_networks(d, cluster, ids, e) < 0 ||
	    make_configs(d, cluster, ids, e) < 0)
		rc = -1;
	cJSON_ArrayForEach(one, json_get(cluster, "services")) {
		struct err once = ERR_INIT;

		if (rc == 0 && make_service(d, one, ids, lacking, &once) < 0)
			name_lacking(lacking, "", once.msg);
	}
	json_free(ids);
	return rc;
}

/* ---- what runs ---- */

static int look_at_services(struct docker *d, struct buf *lacking, struct err *e)
{
	struct docker_work w = { 0 };
	int rc = docker_work_services(d, &w, e);

	buf_reset(lacking);
	for (size_t i = 0; rc == 0 && i < w.n_services; i++)
		if (!w.services[i].job &&
		    w.services[i].running < w.services[i].desired)
			buf_addf(lacking, "%s%s (%lld of %lld)",
				 lacking->n > 0 ? ", " : "", w.services[i].name,
				 (long long)w.services[i].running,
				 (long long)w.services[i].desired);
	docker_work_release(&w);
	return rc;
}

int refit_services(struct session *s, struct docker *d, int64_t limit_ms,
		   struct buf *lacking, struct err *e)
{
	int64_t began = now_ms();
	int rc;

	d->timeout_ms = ENGINE_MS;
	while ((rc = look_at_services(d, lacking, e)) == 0 && lacking->n > 0 &&
	       now_ms() - began < limit_ms) {
		ui_waiting(s->ui, "the services to run", now_ms() - began,
			   now_ms());
		if ((rc = sleep_until(now_ms() + LOOK_MS, e)) < 0)
			break;
	}
	ui_clear(s->ui);
	d->timeout_ms = DOCKER_TIMEOUT_MS;
	return rc;
}
