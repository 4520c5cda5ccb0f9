/*
 * Labels between two rows of one machine; see labels.h.
 *
 * DOCKER_LABEL_KEPT is a JSON object: host name -> {"id": the row that they were
 * of, "address": its, "labels": {name: value}}.
 */
#include "docker/labels.h"

#include <string.h>

#define OURS "azswarm."
#define TRIES 5
#define KEPT_MAX (64u << 10)
#define PATH_MAX_N 256

static void node_path(struct buf *path, const char *id)
{
	buf_adds(path, "/nodes/");
	buf_add_pct(path, str_of(id));
}

/* The operator's of a node's; NULL: none. */
static cJSON *own_labels(const cJSON *node)
{
	cJSON *own = NULL;
	const cJSON *l;

	cJSON_ArrayForEach(l, json_at(node, "Spec.Labels")) {
		if (!cJSON_IsString(l) || str_starts(str_of(l->string), STR(OURS)))
			continue;
		if (own == NULL)
			own = cJSON_CreateObject();
		json_add_str(own, l->string, l->valuestring);
	}
	return own;
}

/* ---- what is kept ---- */

static cJSON *kept_read(const cJSON *swarm)
{
	struct err ignored = ERR_INIT;
	const char *text = json_str_opt(json_get(json_at(swarm, "Spec.Labels"),
						 DOCKER_LABEL_KEPT),
					"", "");
	cJSON *kept = *text == '\0' ? NULL :
				      json_parse(str_of(text),
						 DOCKER_LABEL_KEPT, &ignored);

	if (cJSON_IsObject(kept))
		return kept;
	json_free(kept);
	return cJSON_CreateObject();
}

/* swarm: as it was read; the engine refuses when it is another by now.  Engines
 * keep the labels that there are when they are given none, hence "{}". */
static int kept_write(struct docker *d, cJSON *swarm, const cJSON *kept,
		      struct err *e)
{
	struct buf text = BUF_INIT(KEPT_MAX), path = BUF_INIT(PATH_MAX_N);
	cJSON *spec = json_get_mut(swarm, "Spec"), *labels;
	int64_t version;
	int rc = -1;

	if (json_int(swarm, "Version.Index", 0, INT64_MAX, &version, e) < 0 ||
	    json_obj(swarm, "Spec", e) == NULL)
		return -1;
	labels = json_get_mut(spec, "Labels");
	if (!cJSON_IsObject(labels)) {
		json_set(spec, "Labels", cJSON_CreateObject());
		labels = json_get_mut(spec, "Labels");
	}
	json_print(kept, &text);
	buf_addf(&path, "/swarm/update?version=%lld", (long long)version);
	if (buf_check(&text, "kept labels", e) == 0) {
		json_set(labels, DOCKER_LABEL_KEPT, cJSON_CreateString(text.str));
		rc = docker_call(d, "POST", path.str, spec, NULL, e);
	}
	buf_release(&text);
	buf_release(&path);
	return rc;
}

/* Whether it has to be done again, because somebody else wrote in between. */
static bool again(int rc, int *tries, struct err *e)
{
	if (rc == 0 || !err_is(e, DOCKER_OUT_OF_SEQUENCE) || ++*tries == TRIES)
		return false;
	err_clear(e);
	return true;
}

/* ---- keeping ---- */

static cJSON *entry_of(const struct docker_node *node, cJSON *labels)
{
	cJSON *entry = cJSON_CreateObject();

	json_add_str(entry, "id", node->id);
	json_add_str(entry, "address", node->addr);
	json_set(entry, "labels", labels);
	return entry;
}

static bool fits(const cJSON *kept)
{
	struct buf text = BUF_INIT(KEPT_MAX);
	bool so;

	json_print(kept, &text);
	so = !text.over;
	buf_release(&text);
	return so;
}

static int keep_once(struct docker *d, const char *key, const cJSON *entry,
		     struct err *e)
{
	cJSON *swarm = docker_get(d, "/swarm", e), *kept;
	int rc = 0;

	if (swarm == NULL)
		return -1;
	kept = kept_read(swarm);
	if (!cJSON_Compare(json_get(kept, key), entry, true)) {
		cJSON_DeleteItemFromObjectCaseSensitive(kept, key);
		while (cJSON_GetArraySize(kept) >= DOCKER_KEPT_MAX)
			cJSON_DeleteItemFromArray(kept, 0);
		json_set(kept, key, cJSON_Duplicate(entry, true));
		while (!fits(kept) && cJSON_GetArraySize(kept) > 1)
			cJSON_DeleteItemFromArray(kept, 0);
		rc = kept_write(d, swarm, kept, e);
	}
	json_free(kept);
	json_burn(swarm); /* with the join tokens */
	return rc;
}

int docker_labels_keep(struct docker *d, const char *id, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	struct docker_node row;
	cJSON *node, *labels, *entry = NULL;
	int rc = 0, tries = 0;

	node_path(&path, id);
	node = docker_get(d, path.str, e);
	labels = own_labels(node);
	if (node == NULL) {
		rc = d->status == 404 ? 0 : -1;
		if (rc == 0)
			err_clear(e);
	} else if (labels != NULL && docker_node_read(node, &row, e) < 0) {
		json_free(labels);
		rc = -1;
	} else if (labels != NULL) {
		entry = entry_of(&row, labels);
		do
			rc = keep_once(d, row.hostname, entry, e);
		while (again(rc, &tries, e));
	}
	json_free(entry);
	json_free(node);
	buf_release(&path);
	return rc < 0 ? err_in(e, "keeping the labels of node %s", id) : 0;
}

/* ---- giving ---- */

/* The node that an entry is for now; NULL: it is not there yet.  A name alone
 * is what any worker may say of itself, hence the address. */
static const struct docker_node *heir(const cJSON *entry,
				      const struct docker_node *nodes, size_t n)
{
	const char *address = json_str_opt(entry, "address", "");

	for (size_t i = 0; i < n; i++)
		if (nodes[i].state == DOCKER_NODE_READY &&
		    strcmp(nodes[i].hostname, entry->string) == 0 &&
		    *address != '\0' && strcmp(nodes[i].addr, address) == 0 &&
		    strcmp(json_str_opt(entry, "id", ""), nodes[i].id) != 0)
			return &nodes[i];
	return NULL;
}

static int give_once(struct docker *d, const char *id, const cJSON *labels,
		     struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	cJSON *doc, *spec, *there;
	const cJSON *l;
	bool lacks = false;
	int64_t version;
	int rc = -1;

	node_path(&path, id);
	doc = docker_get(d, path.str, e);
	if (doc == NULL ||
	    json_int(doc, "Version.Index", 0, INT64_MAX, &version, e) < 0 ||
	    json_obj(doc, "Spec", e) == NULL)
		goto out;
	spec = json_get_mut(doc, "Spec");
	if (!cJSON_IsObject(json_get(spec, "Labels")))
		json_set(spec, "Labels", cJSON_CreateObject());
	there = json_get_mut(spec, "Labels");
	cJSON_ArrayForEach(l, labels) {
		if (!cJSON_IsString(l) || json_get(there, l->string) != NULL)
			continue;
		json_add_str(there, l->string, l->valuestring);
		lacks = true;
	}
	buf_addf(&path, "/update?version=%lld", (long long)version);
	rc = lacks ? docker_call(d, "POST", path.str, spec, NULL, e) : 0;
out:
	json_free(doc);
	buf_release(&path);
	return rc;
}

int docker_labels_give(struct docker *d, const struct docker_node *nodes,
		       size_t n, struct err *e)
{
	cJSON *swarm = docker_get(d, "/swarm", e), *kept, *entry, *next;
	const struct docker_node *to;
	bool given = false;
	int rc = 0;

	if (swarm == NULL)
		return -1;
	kept = kept_read(swarm);
	for (entry = kept->child; rc == 0 && entry != NULL; entry = next) {
		int tries = 0;

		next = entry->next;
		if ((to = heir(entry, nodes, n)) == NULL)
			continue;
		do
			rc = give_once(d, to->id, json_get(entry, "labels"), e);
		while (again(rc, &tries, e));
		if (rc == 0) {
			json_free(cJSON_DetachItemViaPointer(kept, entry));
			given = true;
		}
	}
	/* what somebody else keeps meanwhile is not to be lost: the next time */
	if (given && rc == 0 && kept_write(d, swarm, kept, e) < 0) {
		if (err_is(e, DOCKER_OUT_OF_SEQUENCE))
			err_clear(e);
		else
			rc = -1;
	}
	json_free(kept);
	json_burn(swarm);
	return rc < 0 ? err_in(e, "giving labels back") : 0;
}
