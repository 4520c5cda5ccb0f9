#include "swarm/marker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "swarm/blob.h"
#include "swarm/remote.h"

#define LIFE_MAX 64
#define CHANGED "MarkerChanged"

char *marker_blob(const struct session *s, const char *life)
{
	return xasprintf(BLOB_CONTAINER "/cluster-%s-%s",
			 settings_get(s->set, S_COMPUTE_GROUP), life);
}

/* ---- its life ---- */

/* It becomes a part of a URL. */
static bool life_ok(const char *v)
{
	size_t n = strlen(v);

	return n > 0 && n <= LIFE_MAX &&
	       strspn(v, "0123456789abcdefghijklmnopqrstuvwxyz") == n;
}

static const char *tag_of(const cJSON *vm)
{
	return json_str_opt(json_get(json_get(vm, "tags"), MARKER_TAG), "", "");
}

struct masters_seen {
	char *life;
	bool any;
};

/* What the masters carry that are there. */
static int look_at_masters(struct session *s, struct masters_seen *seen,
			   struct err *e)
{
	const cJSON *first = remote_first_machine(s, e);

	*seen = (struct masters_seen){ 0 };
	if (first == NULL)
		return -1;
	seen->any = !cJSON_IsNull(first);
	if (life_ok(tag_of(first)))
		seen->life = xstrdup(tag_of(first));
	return 0;
}

/* What parameters/ has; NULL: none.  Caller frees. */
static char *life_of_parameters(void)
{
	cJSON *doc = params_there();
	const char *v = json_str_opt(json_at(doc, "parameters.life"), "value", "");
	char *life = life_ok(v) ? xstrdup(v) : NULL;

	json_burn(doc);
	return life;
}

int marker_life(struct session *s, char **life, struct err *e)
{
	struct masters_seen seen;
	int rc = look_at_masters(s, &seen, e);

	*life = seen.life != NULL || rc < 0 ? seen.life : life_of_parameters();
	return rc;
}

static char *new_life(void)
{
	struct buf hex = BUF_INIT(32);
	uint8_t id[8];

	random_bytes(id, sizeof(id));
	buf_add_hex(&hex, id, sizeof(id));
	return buf_detach(&hex);
}

int marker_life_next(struct session *s, char **life, struct err *e)
{
	struct masters_seen seen;
	bool founded = false;
	struct marker m;

	*life = NULL;
	if (look_at_masters(s, &seen, e) < 0)
		return -1;
	*life = seen.life != NULL ? seen.life : life_of_parameters();
	if (*life != NULL && !seen.any) {
		if (marker_look(s, *life, &m, &founded, NULL, e) < 0)
			return -1;
		if (founded) {
			free(*life);
			*life = NULL;
		}
	}
	if (*life == NULL)
		*life = new_life();
	return 0;
}

/* ---- the blob ---- */

/* Its name in the container. */
static const char *name_in(const char *blob)
{
	return blob + strlen(BLOB_CONTAINER) + 1;
}

static int ask(struct session *s, const char *life, struct blob_ask q,
	       struct http_response *r, struct err *e)
{
	char *blob = marker_blob(s, life);
	int rc;

	q.name = name_in(blob);
	q.idempotent = true;
	http_response_init(r, 64u << 10);
	rc = blob_ask(s, &q, r, e);
	free(blob);
	return rc < 0 ? err_in(e, "the cluster's marker") : 0;
}

static int refused(const struct http_response *r, struct err *e)
{
	storage_refusal(r, RETRY_BLOB, e);
	return err_in(e, "the cluster's marker");
}

int marker_look(struct session *s, const char *life, struct marker *m,
		bool *there, char *etag, struct err *e)
{
	struct http_response r;
	int rc = ask(s, life, (struct blob_ask){ .method = "GET" }, &r, e);

	*there = false;
	if (rc == 0 && r.head.status == 200) {
		*there = true;
		if (etag != NULL)
			snprintf(etag, MARKER_ETAG_MAX, "%.*s",
				 STR_ARG(http_field(&r.head, "etag")));
		rc = marker_parse(buf_str(&r.body), m, e);
	} else if (rc == 0 && r.head.status != 404) {
		rc = refused(&r, e);
	}
	http_response_release(&r);
	return rc;
}

static bool is_there(struct session *s, const char *life, const struct marker *m)
{
	struct err ignored = ERR_INIT;
	struct marker now;
	bool there;

	return marker_look(s, life, &now, &there, NULL, &ignored) == 0 &&
	       there && strcmp(now.founder, m->founder) == 0;
}

int marker_write(struct session *s, const char *life, const struct marker *m,
		 const char *etag, struct err *e)
{
	char *condition = xasprintf(etag == NULL ? "If-None-Match: *" :
						   "If-Match: %s",
				    etag);
	const char *fields[] = { "x-ms-blob-type: BlockBlob",
				 "Content-Type: application/json", condition,
				 NULL };
	struct buf text = BUF_INIT(MARKER_MAX);
	struct http_response r;
	int rc;

	marker_print(m, &text);
	rc = ask(s, life,
		 (struct blob_ask){ .method = "PUT",
				    .fields = fields,
				    .body = buf_str(&text) },
		 &r, e);
	if (rc == 0 && (r.head.status == 409 || r.head.status == 412))
		/* or by us: the answer was lost, and it was sent again */
		rc = is_there(s, life, m) ?
			     0 :
			     err_refused(e, ERR_AZURE, CHANGED, "",
					 "the cluster's marker was written by somebody "
					 "else just now");
	else if (rc == 0 && r.head.status != 201)
		rc = refused(&r, e);
	http_response_release(&r);
	buf_release(&text);
	free(condition);
	return rc;
}

static int no_life(struct err *e)
{
	return err_set(e, ERR_DATA,
		       "the cluster has no marker, and no name for one; 'azswarm "
		       "params' gives it that");
}

int marker_known(struct session *s, bool *there, struct err *e)
{
	struct marker m;
	char *life = NULL;
	int rc = marker_life(s, &life, e);

	if (rc == 0)
		rc = life == NULL ? no_life(e) :
				    marker_look(s, life, &m, there, NULL, e);
	free(life);
	return rc;
}

int marker_raise(struct session *s, const char *cluster, const char *by,
		 unsigned *generation, struct err *e)
{
	char *life, etag[MARKER_ETAG_MAX];
	struct marker old, m;
	bool there;
	int rc = -1;

	if (marker_life(s, &life, e) < 0)
		return -1;
	if (life == NULL) {
		no_life(e);
		goto out;
	}
	if (marker_look(s, life, &old, &there, etag, e) < 0)
		goto out;
	marker_init(&m, by);
	/* who founded is nobody's word any more */
	m.generation = there ? old.generation + 1 : 2;
	snprintf(m.cluster, sizeof(m.cluster), "%s", cluster);
	if ((rc = marker_write(s, life, &m, there ? etag : NULL, e)) == 0)
		*generation = m.generation;
out:
	free(life);
	return rc;
}

int marker_forget(struct session *s, struct err *e)
{
	char *life = life_of_parameters();
	struct http_response r;
	int rc;

	if (life == NULL)
		return 0;
	if (storage_of(s, e) == NULL) {
		free(life);
		if (e->kind != ERR_DATA)
			return -1;
		err_clear(e); /* gone with its account */
		return 0;
	}
	rc = ask(s, life, (struct blob_ask){ .method = "DELETE" }, &r, e);
	if (rc == 0 && r.head.status != 202 && r.head.status != 404)
		rc = refused(&r, e);
	http_response_release(&r);
	free(life);
	return rc;
}

int marker_fresh(struct session *s, const cJSON *parameters, struct err *e)
{
	const char *life = json_str_opt(json_get(parameters, "life"), "value", "");
	const cJSON *fresh = json_at(parameters, "newMasters.value");
	struct err once = ERR_INIT;
	bool founded = false;
	struct marker m;

	if (!life_ok(life) ||
	    cJSON_GetArraySize(fresh) !=
		    json_int_opt(json_get(parameters, "masterCount"), "value", 1))
		return 0;
	if (marker_look(s, life, &m, &founded, NULL, &once) < 0) {
		if (once.kind == ERR_INTR) {
			*e = once;
			return -1;
		}
		ui_say(s->ui, "whether a swarm has been founded is not known: %s",
		       once.msg);
		return 0;
	}
	return !founded ?
		       0 :
		       err_set(e, ERR_DATA,
			       "the swarm of these parameters has been founded "
			       "before, by %s, and its masters are gone; 'azswarm "
			       "params' begins a new one, and 'azswarm restore' "
			       "puts a backup into that",
			       m.by);
}
