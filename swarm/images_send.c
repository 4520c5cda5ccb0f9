/*
 * An image on its way into storage: what is there stays there, small blobs go
 * in one request, large ones in blocks, several at once.  What a block holds is
 * in its id, so that one which is there already, of a push that was cut off,
 * need not be sent again.
 *
 * All is read once before, for its digest, and held against that reading when
 * it is sent: a file that changes meanwhile leaves nothing behind that is
 * called by a digest which it does not have.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/images.h"
#include "swarm/swarm.h"

#define WORKERS_MAX 4
#define STACK (256u << 10)
#define PIECE (64u << 10)
#define SEND_MS 600000 /* for a block */
#define DRAW_MS 250
#define ID_RAW (4 + SHA256_LEN)
#define ID_MAX 64
#define ANSWER_MAX (64u << 10)

struct part {
	uint64_t at; /* in the archive */
	uint32_t n;
	bool there;
	uint8_t sum[SHA256_LEN];
};

/* A blob that is missing. */
struct one {
	const struct images_blob *b;
	bool anew; /* what is there under its name is not it */
	struct part *parts;
	size_t n_parts, next, left; /* left: not there yet */
};

struct sending {
	struct session *s;
	const struct images_plan *p;
	char what[64];
	struct one *ones;
	size_t n, at; /* at: the one whose parts are given out */
	uint64_t done, total;
	int64_t drawn_ms;
	pthread_mutex_t lock; /* of all of this, and of what is told */
	bool stopped;
	struct err e; /* the first */
	struct http_watch watch;
	const struct http_watch *inner; /* the session's */
};

/* ---- what several threads share ---- */

/* What is asked is told by one at a time. */
static int watch_before(void *ctx, const struct http_request *q, struct err *e)
{
	struct sending *g = ctx;
	int rc;

	pthread_mutex_lock(&g->lock);
	rc = g->inner->before(g->inner->ctx, q, e);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static void watch_after(void *ctx, const struct http_request *q,
			const struct http_response *r, int64_t ms,
			const struct err *why)
{
	struct sending *g = ctx;

	pthread_mutex_lock(&g->lock);
	g->inner->after(g->inner->ctx, q, r, ms, why);
	pthread_mutex_unlock(&g->lock);
}

/* The others end what they are at, and begin nothing. */
static void stop(struct sending *g, const struct err *why)
{
	pthread_mutex_lock(&g->lock);
	if (!g->stopped)
		g->e = *why;
	g->stopped = true;
	pthread_mutex_unlock(&g->lock);
}

static bool is_stopped(struct sending *g)
{
	bool stopped;

	pthread_mutex_lock(&g->lock);
	stopped = g->stopped;
	pthread_mutex_unlock(&g->lock);
	return stopped;
}

/* So many more have gone, or, below zero, have gone for nothing. */
static void moved(struct sending *g, int64_t n)
{
	int64_t now = now_ms();

	pthread_mutex_lock(&g->lock);
	g->done += (uint64_t)n;
	if (now - g->drawn_ms >= DRAW_MS) {
		g->drawn_ms = now;
		ui_progress(g->s->ui, g->what, g->done, g->total, now);
	}
	pthread_mutex_unlock(&g->lock);
}

/* ---- one request ---- */

/* A part while it is sent. */
struct flow {
	struct sending *g;
	const struct part *part;
	uint32_t at;
	struct sha256_state sum;
};

static ssize_t flow_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct flow *f = ctx;
	uint32_t left = f->part->n - f->at;
	uint8_t sum[SHA256_LEN];

	if (n > left)
		n = left;
	if (tar_take(f->g->p->tar.fd, f->part->at + f->at, p, n, e) < 0)
		return -1;
	sha256_add(&f->sum, p, n);
	f->at += (uint32_t)n;
	moved(f->g, (int64_t)n);
	if (f->at < f->part->n)
		return (ssize_t)n;
	/* before the last of it is out, so that it never becomes whole */
	sha256_done(&f->sum, sum);
	return memcmp(sum, f->part->sum, SHA256_LEN) == 0 ?
		       (ssize_t)n :
		       err_set(e, ERR_DATA,
			       "the archive has changed while it was read");
}

static void part_id(const struct one *one, size_t i, struct buf *id)
{
	uint8_t raw[ID_RAW];

	for (size_t k = 0; k < 4; k++)
		raw[k] = (uint8_t)(i >> 8 * (3 - k));
	memcpy(raw + 4, one->parts[i].sum, SHA256_LEN);
	buf_add_base64(id, raw, sizeof(raw));
}

/* Wait for the next try, unless it does not pass, or somebody else has
 * failed. */
static int again(struct sending *g, unsigned tries, struct err *e)
{
	int64_t wait_ms = http_retry_ms(RETRY_UPLOAD, tries, NULL, e), until;

	if (wait_ms < 0 || is_stopped(g))
		return -1;
	err_clear(e);
	until = now_ms() + wait_ms;
	while (now_ms() < until)
		if (is_stopped(g))
			return err_set(e, ERR_NET, "stopped");
		else if (sleep_until(now_ms() + (until - now_ms() < DRAW_MS ?
							 until - now_ms() :
							 DRAW_MS),
				     e) < 0)
			return -1;
	return 0;
}

/* Somebody else has put there what we would have. */
static bool is_there(const struct http_response *r)
{
	return (r->head.status == 409 &&
		str_eqz(blob_code(r), "BlobAlreadyExists")) ||
	       (r->head.status == 412 && str_eqz(blob_code(r), "ConditionNotMet"));
}

static int put(struct sending *g, struct http_client *http,
	       const struct blob_ask *q, struct err *e)
{
	struct http_response r;
	int rc;

	http_response_init(&r, ANSWER_MAX);
	rc = blob_ask_once(g->s, http, q, &r, e);
	if (rc == 0 && r.head.status != 201 && !is_there(&r))
		rc = storage_refusal(&r, RETRY_UPLOAD, e);
	http_response_release(&r);
	return rc;
}

static char *type_field(const struct images_blob *b)
{
	return xasprintf("x-ms-blob-content-type: %s", b->type);
}

static int put_part(struct sending *g, struct http_client *http,
		    const struct one *one, size_t i, struct err *e)
{
	const struct part *part = &one->parts[i];
	char name[IMAGES_BLOB_NAME_MAX], *type = type_field(one->b);
	const char *fields[4] = { NULL };
	struct buf id = BUF_INIT(ID_MAX), query = BUF_INIT(256);
	struct blob_ask q = { .method = "PUT",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .fields = fields,
			      .body_read = flow_read,
			      .body_length = part->n,
			      .limit_ms = SEND_MS };
	int rc;

	images_blob_name(one->b->digest, name);
	if (one->n_parts > 1) {
		part_id(one, i, &id);
		buf_adds(&query, "comp=block&blockid=");
		buf_add_pct(&query, buf_str(&id));
		q.query = query.str;
	} else {
		fields[0] = "x-ms-blob-type: BlockBlob";
		fields[1] = type;
		fields[2] = one->anew ? NULL : "If-None-Match: *";
	}
	for (unsigned tries = 1;; tries++) {
		struct flow f = { .g = g, .part = part };

		sha256_start(&f.sum);
		q.body_ctx = &f;
		if (part->n == 0) { /* a body of none has no reader */
			q.body_read = NULL;
			q.body = STR("");
		}
		if ((rc = put(g, http, &q, e)) == 0)
			break;
		moved(g, -(int64_t)f.at);
		if (again(g, tries, e) < 0)
			break;
	}
	free(type);
	buf_release(&id);
	buf_release(&query);
	return rc;
}

/* All blocks are there: that is the blob. */
static int commit(struct sending *g, struct http_client *http,
		  const struct one *one, struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX], *type = type_field(one->b);
	const char *fields[] = { type, one->anew ? NULL : "If-None-Match: *",
				 NULL };
	struct buf list = BUF_INIT(BLOB_ANSWER_MAX);
	struct blob_ask q = { .method = "PUT",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .query = "comp=blocklist",
			      .fields = fields,
			      .idempotent = true };
	int rc;

	images_blob_name(one->b->digest, name);
	buf_adds(&list, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
	for (size_t i = 0; i < one->n_parts; i++) {
		buf_adds(&list, "<Latest>");
		part_id(one, i, &list);
		buf_adds(&list, "</Latest>");
	}
	buf_adds(&list, "</BlockList>");
	rc = buf_check(&list, "the list of its blocks", e);
	q.body = buf_str(&list);
	for (unsigned tries = 1; rc == 0; tries++) {
		if (put(g, http, &q, e) == 0)
			break;
		rc = again(g, tries, e);
	}
	free(type);
	buf_release(&list);
	return rc;
}

/* ---- the workers ---- */

/* The next part that nobody has; false: there is none, or it is over. */
static bool next_part(struct sending *g, struct one **one, size_t *i)
{
	bool found = false;

	pthread_mutex_lock(&g->lock);
	while (!g->stopped && !found && g->at < g->n) {
		*one = &g->ones[g->at];
		*i = (*one)->next++;
		if (*i >= (*one)->n_parts)
			g->at++;
		else
			found = !(*one)->parts[*i].there;
	}
	pthread_mutex_unlock(&g->lock);
	return found;
}

static void work(struct sending *g, struct http_client *http)
{
	struct err e = ERR_INIT;
	struct one *one;
	size_t i;

	while (next_part(g, &one, &i)) {
		bool whole;

		if (put_part(g, http, one, i, &e) < 0) {
			stop(g, &e);
			return;
		}
		pthread_mutex_lock(&g->lock);
		whole = --one->left == 0 && one->n_parts > 1;
		pthread_mutex_unlock(&g->lock);
		if (whole && commit(g, http, one, &e) < 0) {
			stop(g, &e);
			return;
		}
	}
}

struct worker {
	struct sending *g;
	pthread_t thread;
	struct http_client http;
	bool runs;
};

static void *work_alone(void *arg)
{
	struct worker *w = arg;

	work(w->g, &w->http);
	return NULL;
}

static void hire(struct worker *w, struct sending *g)
{
	pthread_attr_t attr;

	w->g = g;
	http_client_init(&w->http, dial_azure(&g->s->dial), NULL);
	w->http.watch = g->inner != NULL ? &g->watch : NULL;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	w->runs = pthread_create(&w->thread, &attr, work_alone, w) == 0;
	pthread_attr_destroy(&attr);
}

static void send_parts(struct sending *g, size_t workers)
{
	struct worker others[WORKERS_MAX - 1] = { 0 };
	size_t n = workers - 1;

	g->inner = g->s->data.watch;
	g->watch = (struct http_watch){ watch_before, watch_after, g };
	if (g->inner != NULL)
		g->s->data.watch = &g->watch;
	for (size_t i = 0; i < n; i++)
		hire(&others[i], g);
	work(g, &g->s->data);
	for (size_t i = 0; i < n; i++) {
		if (others[i].runs)
			pthread_join(others[i].thread, NULL);
		http_client_release(&others[i].http);
	}
	g->s->data.watch = g->inner;
}

/* ---- what is missing ---- */

/* Its digest, and those of its parts. */
static int measure(struct sending *g, struct one *one, struct err *e)
{
	const struct images_blob *b = one->b;
	struct sha256_state all, part;
	char digest[IMAGE_DIGEST_MAX];
	char *piece = xmalloc(PIECE);
	int rc = 0;

	one->n_parts = b->size == 0 ? 1 :
				      (size_t)((b->size + IMAGES_BLOCK - 1) /
					       IMAGES_BLOCK);
	one->left = one->n_parts;
	one->parts = xcalloc(one->n_parts, sizeof(*one->parts));
	sha256_start(&all);
	for (size_t i = 0; rc == 0 && i < one->n_parts; i++) {
		struct part *t = &one->parts[i];
		uint64_t left = b->size - i * (uint64_t)IMAGES_BLOCK;

		t->at = b->at + i * (uint64_t)IMAGES_BLOCK;
		t->n = left < IMAGES_BLOCK ? (uint32_t)left : IMAGES_BLOCK;
		sha256_start(&part);
		for (uint32_t at = 0; rc == 0 && at < t->n; at += PIECE) {
			size_t n = t->n - at < PIECE ? t->n - at : PIECE;

			rc = tar_take(g->p->tar.fd, t->at + at, piece, n, e);
			sha256_add(&all, piece, n);
			sha256_add(&part, piece, n);
		}
		sha256_done(&part, t->sum);
		if (rc == 0 && interrupt_requested())
			rc = err_set(e, ERR_INTR, "interrupted");
	}
	image_digest_done(&all, digest);
	if (rc == 0 && strcmp(digest, b->digest) != 0)
		rc = err_set(e, ERR_DATA,
			     "%s is not what its digest says, so nothing of the "
			     "image is there",
			     b->digest);
	free(piece);
	return rc;
}

static void mark_there(struct sending *g, struct one *one, struct str xml)
{
	struct buf id = BUF_INIT(ID_MAX + 16);

	for (size_t i = 0; i < one->n_parts; i++) {
		buf_reset(&id);
		buf_adds(&id, "<Name>");
		part_id(one, i, &id);
		buf_adds(&id, "</Name>");
		if (str_find(xml, buf_str(&id)) < 0)
			continue;
		one->parts[i].there = true;
		one->left--;
		g->done += one->parts[i].n;
	}
	buf_release(&id);
	/* a list is wanted all the same, and the last part brings it about */
	if (one->left == 0) {
		one->parts[one->n_parts - 1].there = false;
		one->left = 1;
		g->done -= one->parts[one->n_parts - 1].n;
	}
}

/* The blocks that a push before this one has left. */
static int look_for_parts(struct sending *g, struct one *one, struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX];
	struct blob_ask q = { .method = "GET",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .query = "comp=blocklist&blocklisttype=uncommitted",
			      .idempotent = true };
	struct http_response r;
	int rc;

	images_blob_name(one->b->digest, name);
	http_response_init(&r, BLOB_ANSWER_MAX);
	rc = blob_ask(g->s, &q, &r, e);
	if (rc == 0 && r.head.status == 200)
		mark_there(g, one, buf_str(&r.body));
	else if (rc == 0 && r.head.status != 404)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	return rc;
}

/* Is that blob there?  1: yes; 0: no, *anew: what is there is another. */
static int look_for(struct sending *g, const struct images_blob *b, bool *anew,
		    struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX];
	struct blob_ask q = { .method = "HEAD",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .idempotent = true };
	struct http_response r;
	uint64_t size;
	int rc;

	*anew = false;
	images_blob_name(b->digest, name);
	http_response_init(&r, ANSWER_MAX);
	rc = blob_ask(g->s, &q, &r, e);
	if (rc == 0 && r.head.status == 200) {
		rc = str_num(http_field(&r.head, "content-length"), UINT64_MAX,
			     &size) &&
		     size == b->size;
		*anew = rc == 0;
	} else if (rc == 0 && r.head.status == 404) {
		if (str_eqz(blob_code(&r), "ContainerNotFound"))
			rc = storage_container(g->s, LAYOUT_IMAGES, e);
	} else if (rc == 0) {
		rc = storage_refusal(&r, RETRY_BLOB, e);
	}
	http_response_release(&r);
	return rc;
}

static int find_missing(struct sending *g, struct err *e)
{
	const struct images_plan *p = g->p;

	g->ones = xcalloc(p->n_blobs + 1, sizeof(*g->ones));
	for (size_t i = 0; i < p->n_blobs; i++) {
		struct one *one = &g->ones[g->n];
		int there = look_for(g, &p->blobs[i], &one->anew, e);

		if (there < 0)
			return -1;
		if (there > 0)
			continue;
		one->b = &p->blobs[i];
		g->total += one->b->size;
		g->n++;
	}
	/* what is wrong with one of them is known before any of it is sent */
	for (size_t i = 0; i < g->n; i++)
		if (measure(g, &g->ones[i], e) < 0)
			return -1;
	for (size_t i = 0; i < g->n; i++)
		if (g->ones[i].n_parts > 1 &&
		    look_for_parts(g, &g->ones[i], e) < 0)
			return -1;
	return 0;
}

/* ---- what it is called ---- */

static int put_text(struct session *s, const char *name,
		    const char *const *fields, struct str text, struct err *e)
{
	struct blob_ask q = { .method = "PUT",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .fields = fields,
			      .body = text,
			      .idempotent = true };
	struct http_response r;
	int rc;

	http_response_init(&r, ANSWER_MAX);
	rc = blob_ask(s, &q, &r, e);
	if (rc == 0 && r.head.status != 201)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	return rc;
}

static int put_manifests(struct session *s, const struct images_plan *p,
			 struct err *e)
{
	for (size_t i = 0; i < p->n_manifests; i++) {
		const struct images_blob *b = &p->manifests[i];
		char name[IMAGES_BLOB_NAME_MAX], *type = type_field(b);
		/* what somebody else has put in its place does not stay */
		const char *fields[] = { "x-ms-blob-type: BlockBlob", type, NULL };
		int rc;

		images_blob_name(b->digest, name);
		rc = put_text(s, name, fields, buf_str(&b->text), e);
		free(type);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int put_tag(struct session *s, const struct images_plan *p,
		   const struct images_name *n, const char *proof, struct err *e)
{
	const struct images_blob *root = &p->manifests[p->n_manifests - 1];
	char name[IMAGES_BLOB_NAME_MAX];
	char *type = type_field(root);
	char *size = xasprintf("x-ms-meta-size: %llu",
			       (unsigned long long)p->size);
	char *platforms = xasprintf("x-ms-meta-platforms: %s", p->platforms.str);
	char *digest = xasprintf("x-ms-meta-digest: %s", root->digest);
	char *proven = xasprintf("x-ms-meta-proof: %s", proof);
	const char *fields[] = { "x-ms-blob-type: BlockBlob",
				 type,
				 size,
				 digest,
				 proven,
				 p->platforms.n > 0 ? platforms : NULL,
				 NULL };
	int rc;

	images_tag_name(n, name);
	rc = put_text(s, name, fields, buf_str(&root->text), e);
	free(type);
	free(size);
	free(platforms);
	free(digest);
	free(proven);
	return rc;
}

/* ---- all of it ---- */

static size_t workers_for(const struct sending *g)
{
	uint64_t left = g->total - g->done;
	size_t n = (size_t)((left + IMAGES_BLOCK - 1) / IMAGES_BLOCK);

	/* one connection will do for what is soon done, and shows in order what
	 * would be sent */
	return n < 1 || g->s->trace.print ? 1 :
	       n > WORKERS_MAX		  ? WORKERS_MAX :
					    n;
}

int images_send(struct session *s, const struct images_plan *p,
		const struct images_name *n, const char *proof, uint64_t *sent,
		struct err *e)
{
	struct sending g = { .s = s, .p = p, .lock = PTHREAD_MUTEX_INITIALIZER };
	uint64_t before;
	int rc;

	*sent = 0;
	snprintf(g.what, sizeof(g.what), "pushing %.32s:%.16s", n->name, n->tag);
	rc = find_missing(&g, e);
	before = g.done;
	if (rc == 0 && g.n > 0) {
		send_parts(&g, workers_for(&g));
		ui_clear(s->ui);
		if (g.stopped) {
			*e = g.e;
			rc = -1;
		}
		if (g.stopped && g.done > 0 && !s->trace.print)
			ui_say(s->ui,
			       "%.1f of %.1f MiB are there; the same command "
			       "goes on from there",
			       (double)g.done / (1 << 20),
			       (double)g.total / (1 << 20));
	}
	if (rc == 0)
		rc = put_manifests(s, p, e);
	if (rc == 0)
		rc = put_tag(s, p, n, proof, e);
	*sent = g.done - before;
	for (size_t i = 0; i < g.n; i++)
		free(g.ones[i].parts);
	free(g.ones);
	pthread_mutex_destroy(&g.lock);
	return rc;
}
