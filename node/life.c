/*
 * What a machine remembers of its cluster's life, the marker of that life in the
 * storage account, and the rules of both.
 *
 * Put Blob with If-None-Match: * by a signed URL that may create and read makes
 * the marker once.  Who has lost is told in three ways: 409 BlobAlreadyExists,
 * 412 ConditionNotMet, and 403 UnauthorizedBlobOverwrite, for such a URL may not
 * write over anything.  Everything else says nothing about the marker.
 *
 * Source: "Put Blob", "Blob service error codes", "Specifying conditional
 * headers for Blob service operations" (learn.microsoft.com).
 */
#include "node/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/time.h"
#include "node/blobs.h"

#define FILE_MAX 2048
#define ANSWER_MAX \
	8192 /* of the storage account: errors are longer than markers */
#define FOUNDING_S 60 /* so long a founder may take */

/* ---- on our own disk ---- */

int life_load(const char *dir, struct life *l, struct err *e)
{
	char *path = xasprintf("%s/" LIFE_FILE, dir);
	struct buf b = BUF_INIT(FILE_MAX);
	cJSON *doc = NULL;
	int64_t generation = 0;
	int rc = -1;

	*l = (struct life){ 0 };
	if (!file_exists(path)) {
		rc = 0;
		goto out;
	}
	if (file_read(path, &b, e) < 0 ||
	    (doc = json_parse(buf_str(&b), "state", e)) == NULL ||
	    json_take(doc, "founder", l->founder, sizeof(l->founder), e) < 0 ||
	    json_take(doc, "cluster", l->cluster, sizeof(l->cluster), e) < 0 ||
	    json_take(doc, "node", l->node, sizeof(l->node), e) < 0 ||
	    json_int(doc, "generation", 0, MARKER_GENERATIONS, &generation, e) < 0)
		goto out;
	l->founded = json_bool_opt(doc, "founded", false);
	l->generation = (unsigned)generation;
	rc = 0;
out:
	/* half of it would be believed */
	if (rc < 0) {
		*l = (struct life){ 0 };
		err_in(e, "%s", path);
	}
	json_free(doc);
	buf_release(&b);
	free(path);
	return rc;
}

int life_save(const char *dir, const struct life *l, struct err *e)
{
	char *path = xasprintf("%s/" LIFE_FILE, dir);
	struct buf b = BUF_INIT(FILE_MAX);
	cJSON *doc = cJSON_CreateObject();
	int rc;

	json_add_str(doc, "founder", l->founder);
	json_add_bool(doc, "founded", l->founded);
	json_add_str(doc, "cluster", l->cluster);
	json_add_str(doc, "node", l->node);
	json_add_int(doc, "generation", l->generation);
	json_print(doc, &b);
	json_free(doc);
	rc = dir_make(dir, 0700, e) < 0 ||
			     file_write(path, buf_str(&b), 0600, e) < 0 ?
		     -1 :
		     0;
	buf_release(&b);
	free(path);
	return rc;
}

/* ---- in the storage account ---- */

/* One exchange.  The status, with the service's own name for it in code; 0 with
 * e. */
static unsigned storage(const char *method, const char *url,
			const char *const *fields, struct str body,
			char code[BLOBS_CODE_MAX], struct buf *answer,
			struct err *e)
{
	struct blobs b;
	struct http_request q = {
		.method = method,
		.url = url,
		.fields = fields,
		.body = body,
		.deadline_ms = now_ms() + LIFE_STORAGE_MS,
		.idle_ms = LIFE_STORAGE_MS,
	};
	struct http_response r;
	unsigned status = 0;

	code[0] = '\0';
	http_response_init(&r, ANSWER_MAX);
	if (blobs_init(&b, e) == 0 && http_exchange(&b.http, &q, &r, e) == 0) {
		status = r.head.status;
		blobs_code(&r.head, code);
		buf_addstr(answer, buf_str(&r.body));
	}
	http_response_release(&r);
	blobs_release(&b);
	return status;
}

enum life_known life_look(const char *url, struct marker *m, struct err *e)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	enum life_known known = LIFE_UNKNOWN;
	char code[BLOBS_CODE_MAX];
	unsigned status = storage("GET", url, NULL, STR_NULL, code, &text, e);

	/* a container that is not there is no answer about what was in it */
	if (status == 404 && strcmp(code, "BlobNotFound") == 0)
		known = LIFE_NONE;
	else if (status == 200 &&
		 marker_parse(str_trim(buf_str(&text)), m, e) == 0)
		known = LIFE_MARKED;
	else if (status != 0 && status != 200)
		blobs_refused(status, code, e);
	if (known == LIFE_UNKNOWN)
		err_in(e, "the cluster's marker cannot be read");
	buf_release(&text);
	return known;
}

enum life_made life_make(const char *url, const struct marker *m, struct err *e)
{
	static const char *const fields[] = {
		"x-ms-blob-type: BlockBlob",
		"Content-Type: application/json",
		"If-None-Match: *",
		NULL,
	};
	struct buf text = BUF_INIT(MARKER_MAX), answer = BUF_INIT(ANSWER_MAX);
	enum life_made made = LIFE_NOT_TOLD;
	char code[BLOBS_CODE_MAX];
	unsigned status;

	marker_print(m, &text);
	status = storage("PUT", url, fields, buf_str(&text), code, &answer, e);
	if (status == 201)
		made = LIFE_MADE;
	else if (status == 412 ||
		 (status == 409 && strcmp(code, "BlobAlreadyExists") == 0) ||
		 (status == 403 && strcmp(code, "UnauthorizedBlobOverwrite") == 0))
		made = LIFE_TAKEN;
	else if (status != 0)
		blobs_refused(status, code, e);
	if (made == LIFE_NOT_TOLD)
		err_in(e, "the cluster's marker cannot be made");
	buf_release(&text);
	buf_release(&answer);
	return made;
}

/* ---- deciding ---- */

enum life_step life_step(const struct life *l, enum life_known known,
			 const struct marker *m)
{
	bool had_one = l->founded || l->cluster[0] != '\0';

	if (known == LIFE_UNKNOWN || had_one)
		return LIFE_WAIT;
	if (known == LIFE_NONE)
		return LIFE_MARK;
	return l->founder[0] != '\0' && m->generation == 1 &&
			       strcmp(m->founder, l->founder) == 0 ?
		       LIFE_FOUND :
		       LIFE_WAIT;
}

void life_why(const struct life *l, enum life_known known, const struct marker *m,
	      unsigned masters, int64_t now_s, struct buf *out)
{
	bool ours = l->founded || l->cluster[0] != '\0';
	char at[32];

	if (known == LIFE_NONE) {
		buf_adds(out, "this master has been in a swarm, and the marker of "
			      "that is gone from the storage account");
	} else if (m->generation == 1 && now_s - m->at < FOUNDING_S) {
		buf_addf(out, "%s founds the swarm", m->by);
		return;
	} else {
		time_iso(m->at, at);
		buf_addf(out, "the swarm was %s by %s at %s, and %s",
			 m->generation > 1 ? "begun anew" : "founded", m->by, at,
			 masters > 1 ? "no other master answers that has it" :
			 ours	     ? "this machine is in it no more" :
				       "this machine is not the one that had it");
	}
	buf_adds(out, ".  Founding another would lose its services, secrets and "
		      "configs for good, so this waits: for ");
	if (masters > 1)
		buf_adds(out, "a master that has it, for 'azswarm recover --from "
			      "MASTER' to go on with one that is left, or for ");
	buf_adds(out, "'azswarm restore FILE', which brings back what 'azswarm "
		      "backup' kept.  What agents run goes on running");
}

/* "master0" and the like: a machine's name, and not an operator's. */
static bool is_master(const char *by)
{
	struct str s = str_of(by);
	uint64_t n;

	if (!str_starts(s, STR("master")))
		return false;
	s = str_skip(s, 6);
	return str_num(s, 99, &n);
}

bool life_means(const struct marker *m, const char *cluster, const char *name,
		bool alone)
{
	if (m->cluster[0] == '\0' || strcmp(m->cluster, cluster) != 0)
		return false;
	return strcmp(m->by, name) == 0 || (alone && !is_master(m->by));
}

struct life_told life_told_of(const cJSON *doc)
{
	return (struct life_told){
		json_str_opt(doc, "cluster", ""),
		(unsigned)json_int_opt(doc, "generation", 0),
	};
}

bool life_is_before(const struct life_told *t, const struct marker *m,
		    struct err *e)
{
	if (m->generation <= 1 || t->generation >= m->generation)
		return false;
	err_set(e, ERR_DOCKER,
		"the swarm was begun anew by %s, and the master that answers does not know it yet",
		m->by);
	return true;
}

enum life_verdict life_weigh(const struct life *l, const struct life_told *t)
{
	if (t->generation != 0 && l->generation != 0 &&
	    t->generation != l->generation)
		return t->generation > l->generation ? LIFE_NEWER : LIFE_OTHER;
	if (t->cluster[0] != '\0' && l->cluster[0] != '\0' &&
	    strcmp(t->cluster, l->cluster) != 0)
		return LIFE_OTHER;
	return LIFE_SAME;
}

bool life_proves(const struct life *l, const struct life_told *t,
		 const struct marker *m)
{
	return m->generation > l->generation && m->generation == t->generation &&
	       (m->cluster[0] == '\0' || t->cluster[0] == '\0' ||
		strcmp(m->cluster, t->cluster) == 0);
}

void life_add_query(const struct life *l, const struct marker *m,
		    struct buf *target)
{
	bool newer = m->generation > 1 && m->generation > l->generation;

	if (!newer && l->generation == 0)
		return;
	buf_adds(target,
		 strchr(target->str, '?') != NULL ? "&cluster=" : "?cluster=");
	buf_add_pct(target, str_of(newer ? m->cluster : l->cluster));
	buf_addf(target, "&generation=%u", newer ? m->generation : l->generation);
}
