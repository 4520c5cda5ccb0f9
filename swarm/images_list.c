/*
 * What was pushed: images, images rm, and what a service is to name.
 *
 * A tag is a blob that says which manifest it is, and whoever has the account's
 * key (machines do, where they mount a share) can write another one there.  So
 * with each goes a proof, and what has none is nobody's image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "docker/work.h"
#include "swarm/images.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

#define PAGE 500 /* of a list */
#define PAGES_MAX 1000
#define TAGS_MAX 10000
#define MARKS_MAX 200000
#define YOUNG_S 3600 /* a push may be on its way */
#define PLATFORMS_MAX 256
#define ANSWER_MAX (64u << 10)

/* ---- whose a tag is ---- */

int images_proof(const struct images_name *n, const char *digest,
		 char out[IMAGES_PROOF_MAX], struct err *e)
{
	char *text = xasprintf("azswarm image\n%s:%s\n%s", n->name, n->tag,
			       digest);
	struct buf hex = BUF_INIT(IMAGES_PROOF_MAX);
	uint8_t key[KEYS_BACKUP_LEN], sum[SHA256_LEN];
	int rc = keys_backup(key, e);

	if (rc == 0) {
		hmac_sha256(key, sizeof(key), text, strlen(text), sum);
		buf_add_hex(&hex, sum, sizeof(sum));
		snprintf(out, IMAGES_PROOF_MAX, "%s", hex.str);
	}
	burn(key, sizeof(key));
	buf_release(&hex);
	free(text);
	return rc;
}

static bool proves(const struct images_name *n, const char *digest,
		   struct str proof, struct err *e)
{
	char own[IMAGES_PROOF_MAX];

	return images_proof(n, digest, own, e) == 0 && proof.n == strlen(own) &&
	       same_bytes(own, proof.p, proof.n);
}

static int not_pushed(const struct images_name *n, struct err *e)
{
	return err_refused(
		e, ERR_DATA, "NotPushed", "",
		"there is no image %s:%s in the storage account; 'azswarm "
		"push %s:%s' puts it there, 'azswarm images' shows what is",
		n->name, n->tag, n->name, n->tag);
}

/* The bytes that a tag is; its digest. */
static int read_tag(struct session *s, const struct images_name *n,
		    struct http_response *r, char digest[IMAGE_DIGEST_MAX],
		    struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX];
	struct blob_ask q = { .method = "GET",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .idempotent = true };

	images_tag_name(n, name);
	if (blob_ask(s, &q, r, e) < 0)
		return -1;
	if (r->head.status == 404)
		return not_pushed(n, e);
	if (r->head.status != 200)
		return storage_refusal(r, RETRY_BLOB, e);
	image_digest(buf_str(&r->body), digest);
	return 0;
}

int images_pin(struct session *s, const char *image, char **pinned,
	       cJSON **platforms, struct err *e)
{
	char digest[IMAGE_DIGEST_MAX];
	struct http_response r;
	struct images_name n;
	struct str ignored;
	int rc = -1;

	*pinned = NULL;
	*platforms = NULL;
	if (!images_ours(str_of(image), &ignored) ||
	    images_own(str_of(image)) || strchr(image, '@') != NULL) {
		*pinned = xstrdup(image);
		return 0;
	}
	if (images_name(image, &n, e) < 0)
		return -1;
	http_response_init(&r, IMAGES_TEXT_MAX);
	if (read_tag(s, &n, &r, digest, e) < 0)
		goto out;
	if (!proves(&n, digest, http_field(&r.head, "x-ms-meta-proof"), e)) {
		err_set(e, ERR_DATA,
			"%s:%s in the storage account is not what was pushed with "
			"these keys/; 'azswarm push %s:%s' puts it right",
			n.name, n.tag, n.name, n.tag);
		goto out;
	}
	*pinned = xasprintf(LAYOUT_REGISTRY "%s:%s@%s", n.name, n.tag, digest);
	*platforms = images_platforms(http_field(&r.head, "x-ms-meta-platforms"));
	rc = 0;
out:
	http_response_release(&r);
	return rc;
}

/* ---- what is there ---- */

struct tag {
	struct images_name n;
	char digest[IMAGE_DIGEST_MAX], proof[IMAGES_PROOF_MAX];
	char platforms[PLATFORMS_MAX];
	uint64_t size;
	int64_t when;
};
struct tags {
	struct tag *tags;
	size_t n;
};

/* A blob of a list, as it stands there. */
struct listed {
	struct str name, metadata;
	uint64_t size;
	int64_t when;
};

static void take_text(struct str xml, const char *name, char *to, size_t size)
{
	struct str text = STR_NULL;

	blob_element(xml, name, &text);
	snprintf(to, size, "%.*s", STR_ARG(text));
}

/* What cannot be read is not passed over: what is not known to be wanted
 * goes. */
static int take_one(struct str xml, struct listed *b, struct err *e)
{
	struct str text;
	ptrdiff_t at;

	if (!blob_element(xml, "Name", &b->name) ||
	    !blob_element(xml, "Content-Length", &text) ||
	    !str_num(text, INT64_MAX, &b->size) ||
	    !blob_element(xml, "Last-Modified", &text) ||
	    !time_parse_http(text, &b->when))
		return err_set(e, ERR_PROTO,
			       "a list of blobs with one that is not understood");
	if ((at = str_find(xml, STR("<Metadata>"))) >= 0)
		b->metadata = str_skip(xml, (size_t)at);
	return 0;
}

/* One page; *marker gets where the next begins, "" at the end. */
static int take_page(struct str xml,
		     int (*each)(void *ctx, const struct listed *b, struct err *e),
		     void *ctx, char marker[BLOB_ELEMENT_MAX + 1], struct err *e)
{
	struct str next = STR("");
	ptrdiff_t at, to;

	if (str_find(xml, STR("</EnumerationResults>")) < 0 ||
	    (str_find(xml, STR("<NextMarker>")) >= 0 &&
	     str_find(xml, STR("<NextMarker></NextMarker>")) < 0 &&
	     !blob_element(xml, "NextMarker", &next)))
		return err_set(e, ERR_PROTO,
			       "a list of blobs that is not understood");
	snprintf(marker, BLOB_ELEMENT_MAX + 1, "%.*s", STR_ARG(next));
	while ((at = str_find(xml, STR("<Blob>"))) >= 0) {
		struct listed b = { .metadata = STR("") };

		xml = str_skip(xml, (size_t)at);
		to = str_find(xml, STR("</Blob>"));
		if (take_one(str_head(xml, to < 0 ? 0 : (size_t)to), &b, e) < 0 ||
		    each(ctx, &b, e) < 0)
			return -1;
		xml = str_skip(xml, (size_t)to);
	}
	return 0;
}

static int each_blob(struct session *s, const char *prefix,
		     int (*each)(void *ctx, const struct listed *b, struct err *e),
		     void *ctx, struct err *e)
{
	char marker[BLOB_ELEMENT_MAX + 1] = "";
	int rc = 0, pages = 0;

	do {
		struct buf query = BUF_INIT(4096);
		struct blob_ask q = { .method = "GET",
				      .container = LAYOUT_IMAGES,
				      .idempotent = true };
		struct http_response r;

		buf_addf(&query,
			 "restype=container&comp=list&include=metadata&maxresults=%d"
			 "&prefix=%s",
			 PAGE, prefix);
		if (*marker != '\0') {
			buf_adds(&query, "&marker=");
			buf_add_pct(&query, str_of(marker));
		}
		q.query = query.str;
		http_response_init(&r, BLOB_ANSWER_MAX);
		rc = blob_ask(s, &q, &r, e);
		*marker = '\0';
		if (rc == 0 && r.head.status == 200)
			rc = take_page(buf_str(&r.body), each, ctx, marker, e);
		else if (rc == 0 && r.head.status != 404) /* no container yet */
			rc = storage_refusal(&r, RETRY_BLOB, e);
		http_response_release(&r);
		buf_release(&query);
	} while (rc == 0 && *marker != '\0' && ++pages < PAGES_MAX);
	return rc == 0 && *marker != '\0' ?
		       err_set(e, ERR_DATA, "more than %d blobs are there",
			       PAGE * PAGES_MAX) :
		       rc;
}

static int take_tag(void *ctx, const struct listed *b, struct err *e)
{
	struct tags *t = ctx;
	struct str name = str_skip(b->name, strlen(LAYOUT_IMAGES_MANIFEST)), size;
	ptrdiff_t slash = str_rchr(name, '/');
	char *typed;
	struct err ignored = ERR_INIT;
	struct tag tag = { .when = b->when };
	int rc;

	if (slash < 0)
		return 0;
	typed = xasprintf("%.*s:%.*s", STR_ARG(str_head(name, (size_t)slash)),
			  STR_ARG(str_skip(name, (size_t)slash + 1)));
	rc = images_name(typed, &tag.n, &ignored);
	free(typed);
	if (rc < 0) /* nobody pushed that */
		return 0;
	if (t->n == TAGS_MAX)
		return err_set(e, ERR_DATA, "more than %d images are there",
			       TAGS_MAX);
	take_text(b->metadata, "digest", tag.digest, sizeof(tag.digest));
	take_text(b->metadata, "proof", tag.proof, sizeof(tag.proof));
	take_text(b->metadata, "platforms", tag.platforms, sizeof(tag.platforms));
	if (blob_element(b->metadata, "size", &size))
		str_num(size, INT64_MAX, &tag.size);
	if (t->n % 64 == 0)
		t->tags = xrealloc(t->tags, (t->n + 64) * sizeof(*t->tags));
	t->tags[t->n++] = tag;
	return 0;
}

/* ---- who uses it ---- */

struct use {
	char *service, *image;
};
struct uses {
	struct use *uses;
	size_t n;
	bool known;
	struct err why; /* when not */
};

static void add_use(struct uses *u, const cJSON *service, const char *spec)
{
	char path[64];
	const char *image;
	struct str ignored;

	snprintf(path, sizeof(path), "%s.TaskTemplate.ContainerSpec.Image", spec);
	image = json_str_opt(service, path, "");
	if (!images_ours(str_of(image), &ignored))
		return;
	u->uses = xrealloc(u->uses, (u->n + 1) * sizeof(*u->uses));
	u->uses[u->n++] = (struct use){
		xstrdup(json_str_opt(service, "Spec.Name", "?")), xstrdup(image)
	};
}

static int take_service(void *ctx, const cJSON *service, struct err *e)
{
	(void)e;
	add_use(ctx, service, "Spec");
	/* what an update that fails goes back to */
	add_use(ctx, service, "PreviousSpec");
	return 0;
}

/* Where there is no cluster, or one on paper, no service uses anything. */
static void read_uses(struct session *s, struct uses *u)
{
	const cJSON *first = remote_first_machine(s, &u->why);
	struct remote r = { 0 };

	if (first == NULL)
		return;
	u->known = cJSON_IsNull(first);
	if (u->known)
		return;
	u->known = remote_open_for(s, &r, remote_engine, NULL, &u->why) == 0 &&
		   docker_each(remote_docker(&r), "/services", take_service, u,
			       &u->why) == 0;
	u->known |= strcmp(u->why.msg, REMOTE_PAPER) == 0;
	remote_release(&r);
}

static void uses_release(struct uses *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->uses[i].service);
		free(u->uses[i].image);
	}
	free(u->uses);
}

/* "" of an image that names none. */
static const char *digest_of(const char *image)
{
	const char *at = strchr(image, '@');

	return at != NULL && docker_ref_is_digest(str_of(at + 1)) ? at + 1 : "";
}

/* By its name and tag, or as what that tag is. */
static bool is_used(const struct use *u, const struct tag *t)
{
	return images_same(&t->n, str_of(u->image)) ||
	       (*t->digest != '\0' && strcmp(digest_of(u->image), t->digest) == 0);
}

static void add_services(const struct uses *u, const struct tag *t, struct buf *out)
{
	for (size_t i = 0; i < u->n; i++) {
		bool before = false;

		for (size_t k = 0; k < i; k++)
			before |= is_used(&u->uses[k], t) &&
				  strcmp(u->uses[k].service,
					 u->uses[i].service) == 0;
		if (!before && is_used(&u->uses[i], t))
			buf_addf(out, "%s%s", out->n > 0 ? " " : "",
				 u->uses[i].service);
	}
}

/* ---- images ---- */

static void add_row(struct session *s, struct listing *l, const struct tag *t,
		    const struct uses *u)
{
	struct err why = ERR_INIT;
	bool own = proves(&t->n, t->digest, str_of(t->proof), &why);
	struct buf services = BUF_INIT(4096);
	char when[32];

	time_iso(t->when, when);
	if (u->known)
		add_services(u, t, &services);
	else
		buf_adds(&services, "?");
	listing_row(l);
	listing_cell(l, "%s", t->n.name);
	listing_cell(l, "%s", t->n.tag);
	listing_cell(l, s->ui->format == UI_TABLE ? "%.19s" : "%s", t->digest);
	listing_cell(l, "%.1f", (double)t->size / (1 << 20));
	listing_cell(l, "%s", when);
	listing_cell(l, "%s", t->platforms);
	listing_cell(l, "%s", services.str);
	buf_release(&services);
	if (!own && why.kind == ERR_NONE)
		ui_say(s->ui,
		       "%s:%s is not what was pushed with these keys/: no service "
		       "is given it; push it again, or 'azswarm images rm %s:%s'",
		       t->n.name, t->n.tag, t->n.name, t->n.tag);
}

static int list_images(struct session *s, const char *name, struct err *e)
{
	static const char *const columns[] = { "name",	   "tag",
					       "digest",   "mib",
					       "pushed",   "platforms",
					       "services", NULL };
	struct tags t = { 0 };
	struct uses u = { 0 };
	struct listing l;
	int rc = each_blob(s, LAYOUT_IMAGES_MANIFEST, take_tag, &t, e);

	listing_init(&l, columns);
	if (rc == 0 && t.n > 0)
		read_uses(s, &u);
	for (size_t i = 0; i < t.n; i++)
		if (name == NULL || strcmp(name, t.tags[i].n.name) == 0)
			add_row(s, &l, &t.tags[i], &u);
	if (rc == 0)
		rc = listing_print(&l, s->ui, e);
	if (rc == 0 && t.n == 0)
		ui_say(s->ui,
		       "no image was pushed yet; 'azswarm push NAME' does it");
	if (rc == 0 && t.n > 0 && !u.known)
		ui_say(s->ui, "which services use them is not known: %s",
		       u.why.msg);
	listing_release(&l);
	uses_release(&u);
	free(t.tags);
	return rc;
}

/* ---- images rm ---- */

/* What is still wanted, by digest. */
struct marks {
	struct session *s;
	char (*digests)[IMAGE_DIGEST_MAX];
	size_t n;
};

static bool is_marked(const struct marks *m, const char *digest)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->digests[i], digest) == 0)
			return true;
	return false;
}

/* 1: it is a new one. */
static int mark(struct marks *m, const char *digest, struct err *e)
{
	if (is_marked(m, digest))
		return 0;
	if (m->n == MARKS_MAX)
		return err_set(e, ERR_DATA, "more than %d blobs are in use",
			       MARKS_MAX);
	if (m->n % 256 == 0)
		m->digests = xrealloc(m->digests,
				      (m->n + 256) * sizeof(*m->digests));
	snprintf(m->digests[m->n++], IMAGE_DIGEST_MAX, "%s", digest);
	return 1;
}

static int mark_manifest(struct marks *m, const char *digest, unsigned depth,
			 struct err *e);

/* What it names: an index its manifests, a manifest its config and layers. */
static int mark_parts(struct marks *m, struct str text, unsigned depth,
		      struct err *e)
{
	const char *type = NULL;
	bool index = false;
	cJSON *doc = images_document(text, &type, &index, e);
	struct images_part part;
	const cJSON *one;
	int rc = doc == NULL ? -1 : 0;

	if (rc == 0 && !index)
		rc = images_part(json_get(doc, "config"), &part, e) < 0 ||
				     mark(m, part.digest, e) < 0 ?
			     -1 :
			     0;
	cJSON_ArrayForEach(one, json_get(doc, index ? "manifests" : "layers")) {
		if (rc == 0)
			rc = images_part(one, &part, e);
		if (rc == 0 && index)
			rc = mark_manifest(m, part.digest, depth + 1, e);
		else if (rc == 0)
			rc = mark(m, part.digest, e) < 0 ? -1 : 0;
	}
	json_free(doc);
	return rc;
}

/* By its digest; one that is not there names nothing. */
static int mark_manifest(struct marks *m, const char *digest, unsigned depth,
			 struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX];
	struct blob_ask q = { .method = "GET",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .idempotent = true };
	struct http_response r;
	int rc = mark(m, digest, e);

	if (rc <= 0)
		return rc;
	if (depth > 4)
		return err_set(e, ERR_DATA, "an index in an index, too deep");
	images_blob_name(digest, name);
	http_response_init(&r, IMAGES_TEXT_MAX);
	rc = blob_ask(m->s, &q, &r, e);
	if (rc == 0 && r.head.status == 200)
		rc = mark_parts(m, buf_str(&r.body), depth, e);
	else if (rc == 0 && r.head.status != 404)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	return rc < 0 ? err_in(e, "%s", digest) : 0;
}

/* What a tag says it is, and what it is: whoever wrote it. */
static int mark_tag(struct marks *m, const struct tag *t, struct err *e)
{
	char digest[IMAGE_DIGEST_MAX];
	struct http_response r;
	int rc;

	http_response_init(&r, IMAGES_TEXT_MAX);
	rc = read_tag(m->s, &t->n, &r, digest, e);
	if (rc == 0 && mark(m, digest, e) < 0)
		rc = -1;
	if (rc == 0)
		rc = mark_parts(m, buf_str(&r.body), 0, e);
	http_response_release(&r);
	return rc < 0 ? err_in(e, "%s:%s", t->n.name, t->n.tag) : 0;
}

struct sweep {
	struct marks *marks;
	int64_t now;
	size_t n;
	uint64_t size;
	/* names of those that go */
	char (*gone)[IMAGE_DIGEST_MAX];
};

static int look_at_blob(void *ctx, const struct listed *b, struct err *e)
{
	struct sweep *w = ctx;
	struct str hex = str_skip(b->name, strlen(LAYOUT_IMAGES_BLOB));
	char digest[IMAGE_DIGEST_MAX];

	snprintf(digest, sizeof(digest), "sha256:%.*s", STR_ARG(hex));
	if (!docker_ref_is_digest(str_of(digest)) ||
	    is_marked(w->marks, digest) || w->now - b->when < YOUNG_S)
		return 0;
	if (w->n == MARKS_MAX)
		return err_set(e, ERR_DATA, "more than %d blobs are to go",
			       MARKS_MAX);
	if (w->n % 256 == 0)
		w->gone = xrealloc(w->gone, (w->n + 256) * sizeof(*w->gone));
	snprintf(w->gone[w->n++], IMAGE_DIGEST_MAX, "%s", digest);
	w->size += b->size;
	return 0;
}

static int delete_blob(struct session *s, const char *name, struct err *e)
{
	struct blob_ask q = { .method = "DELETE",
			      .container = LAYOUT_IMAGES,
			      .name = name,
			      .idempotent = true };
	struct http_response r;
	int rc;

	http_response_init(&r, ANSWER_MAX);
	rc = blob_ask(s, &q, &r, e);
	if (rc == 0 && r.head.status != 202 && r.head.status != 404)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	http_response_release(&r);
	return rc;
}

/* All that no tag and no service wants. */
static int sweep(struct session *s, const struct tags *t, const struct uses *u,
		 struct err *e)
{
	struct marks m = { .s = s };
	struct sweep w = { .marks = &m, .now = unix_time() };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->n; i++)
		rc = mark_tag(&m, &t->tags[i], e);
	for (size_t i = 0; rc == 0 && i < u->n; i++)
		if (*digest_of(u->uses[i].image) != '\0')
			rc = mark_manifest(&m, digest_of(u->uses[i].image), 0, e);
	if (rc == 0)
		rc = each_blob(s, LAYOUT_IMAGES_BLOB, look_at_blob, &w, e);
	for (size_t i = 0; rc == 0 && i < w.n; i++) {
		char name[IMAGES_BLOB_NAME_MAX];

		images_blob_name(w.gone[i], name);
		rc = delete_blob(s, name, e);
	}
	if (rc == 0 && w.n > 0)
		ui_say(s->ui,
		       "%zu blobs that nothing refers to are gone, %.1f MiB",
		       w.n, (double)w.size / (1 << 20));
	free(m.digests);
	free(w.gone);
	return rc < 0 ? err_in(e, "what nothing refers to") : 0;
}

/* Whether nothing runs it, and it is meant. */
static int may_remove(struct session *s, const struct tag *t,
		      const struct uses *u, struct err *e)
{
	struct buf services = BUF_INIT(4096);
	char *what;
	int rc = 0;

	if (!u->known)
		return err_set(e, ERR_DATA,
			       "%s:%s: whether a service uses it is not known: %s",
			       t->n.name, t->n.tag, u->why.msg);
	add_services(u, t, &services);
	if (services.n > 0)
		rc = err_set(e, ERR_DATA,
			     "%s:%s: %s uses it, or did before its last update",
			     t->n.name, t->n.tag, services.str);
	buf_release(&services);
	if (rc < 0 || s->yes)
		return rc;
	what = xasprintf("remove %s:%s", t->n.name, t->n.tag);
	rc = swarm_agree(s, what, e);
	free(what);
	return rc;
}

/* One that is not there is removed: what it left behind may not be. */
static int remove_image(struct session *s, const char *typed, struct err *e)
{
	char name[IMAGES_BLOB_NAME_MAX];
	struct images_name n;
	struct tags t = { 0 };
	struct uses u = { 0 };
	size_t at = 0;
	int rc = -1;

	if (images_name(typed, &n, e) < 0 ||
	    each_blob(s, LAYOUT_IMAGES_MANIFEST, take_tag, &t, e) < 0)
		goto out;
	while (at < t.n && (strcmp(t.tags[at].n.name, n.name) != 0 ||
			    strcmp(t.tags[at].n.tag, n.tag) != 0))
		at++;
	read_uses(s, &u);
	images_tag_name(&n, name);
	if (at < t.n && (may_remove(s, &t.tags[at], &u, e) < 0 ||
			 delete_blob(s, name, e) < 0))
		goto out;
	ui_say(s->ui, "%s:%s %s", n.name, n.tag,
	       at < t.n ? "removed" : "is not there");
	if (at < t.n)
		t.tags[at] = t.tags[--t.n];
	rc = u.known ? sweep(s, &t, &u, e) : 0;
out:
	uses_release(&u);
	free(t.tags);
	return rc;
}

int cmd_images(struct session *s, int argc, char **argv, struct err *e)
{
	if (s->prune && argc == 1) {
		if (s->dry_run)
			lock_disarm(s);
		return images_prune_nodes(s, e);
	}
	if (s->prune || s->dry_run)
		return err_set(e, ERR_USAGE,
			       "images: --prune is of all nodes, and --dry-run of "
			       "that");
	if (argc > 1 && strcmp(argv[1], "rm") == 0)
		return argc == 3 ? remove_image(s, argv[2], e) :
				   err_set(e, ERR_USAGE,
					   "images rm: expected NAME[:TAG]");
	if (argc > 2)
		return err_set(e, ERR_USAGE,
			       "images: expected NAME, or rm NAME[:TAG]");
	lock_disarm(s);
	return list_images(s, argc > 1 ? argv[1] : NULL, e);
}
