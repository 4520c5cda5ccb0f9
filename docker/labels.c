/*
 * Labels between two rows of one machine; see labels.h.
 *
 * DOCKER_LABEL_KEPT is a JSON object: host name -> {"id": the row that they were
 * of, "address": its, "labels": {name: value}}.
 */
#include "docker/labels.h"

#include <string.h>

#define OURS "azswarm."
#define KEPT_MAX (64u << 10)
#define PATH_MAX_N 256

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

/* spec: of the swarm. */
static cJSON *kept_read(const cJSON *spec)
{
	struct err ignored = ERR_INIT;
	const char *text = json_str_opt(
		json_get(json_get(spec, "Labels"), DOCKER_LABEL_KEPT), "", "");
	cJSON *kept = *text == '\0' ? NULL :
				      json_parse(str_of(text),
						 DOCKER_LABEL_KEPT, &ignored);

	if (cJSON_IsObject(kept))
		return kept;
	json_free(kept);
	return cJSON_CreateObject();
}

/* Engines keep the labels that there are when they are given none, hence "{}". */
static int kept_put(cJSON *spec, const cJSON *kept, struct err *e)
{
	struct buf text = BUF_INIT(KEPT_MAX);
	int rc;

	json_print(kept, &text);
	rc = buf_check(&text, "kept labels", e);
	if (rc == 0)
		json_set(docker_spec_part(spec, "Labels"), DOCKER_LABEL_KEPT,
			 cJSON_CreateString(text.str));
	buf_release(&text);
	return rc;
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

struct keeping {
	const char *host;
	const cJSON *entry;
};

static int change_kept(const void *ctx, cJSON *spec, struct err *e)
{
	const struct keeping *k = ctx;
	cJSON *kept = kept_read(spec);
	int rc = 0;

	if (!cJSON_Compare(json_get(kept, k->host), k->entry, true)) {
		cJSON_DeleteItemFromObjectCaseSensitive(kept, k->host);
		while (cJSON_GetArraySize(kept) >= DOCKER_KEPT_MAX)
			cJSON_DeleteItemFromArray(kept, 0);
		json_set(kept, k->host, cJSON_Duplicate(k->entry, true));
		while (!fits(kept) && cJSON_GetArraySize(kept) > 1)
			cJSON_DeleteItemFromArray(kept, 0);
		rc = kept_put(spec, kept, e) < 0 ? -1 : 1;
	}
	json_free(kept);
	return rc;
}

int docker_labels_keep(struct docker *d, const char *id, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	struct docker_node row;
	cJSON *node, *labels, *entry = NULL;
	int rc = 0;

	docker_node_path(&path, id);
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
		rc = docker_spec_update(d, "/swarm", change_kept,
					&(struct keeping){ row.hostname, entry },
					e);
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

/* Those of ctx that are not there. */
static int change_lacking(const void *ctx, cJSON *spec, struct err *e)
{
	cJSON *there = docker_spec_part(spec, "Labels");
	const cJSON *l;
	int lacks = 0;

	(void)e;
	cJSON_ArrayForEach(l, (const cJSON *)ctx) {
		if (!cJSON_IsString(l) || json_get(there, l->string) != NULL)
			continue;
		json_add_str(there, l->string, l->valuestring);
		lacks = 1;
	}
	return lacks;
}

static int give(struct docker *d, const char *id, const cJSON *labels,
		struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	int rc;

	docker_node_path(&path, id);
	rc = docker_spec_update(d, path.str, change_lacking, labels, e);
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
	kept = kept_read(json_get(swarm, "Spec"));
	for (entry = kept->child; rc == 0 && entry != NULL; entry = next) {
		next = entry->next;
		if ((to = heir(entry, nodes, n)) == NULL)
			continue;
		rc = give(d, to->id, json_get(entry, "labels"), e);
		if (rc == 0) {
			json_free(cJSON_DetachItemViaPointer(kept, entry));
			given = true;
		}
	}
	/* what somebody else keeps meanwhile is not to be lost: the next time */
	if (given && rc == 0) {
		rc = kept_put(json_get_mut(swarm, "Spec"), kept, e);
		if (rc == 0)
			rc = docker_spec_write(d, "/swarm", swarm, "", e);
		if (rc < 0 && err_is(e, DOCKER_OUT_OF_SEQUENCE)) {
			err_clear(e);
			rc = 0;
		}
	}
	json_free(kept);
	json_burn(swarm);
	return rc < 0 ? err_in(e, "giving labels back") : 0;
}
