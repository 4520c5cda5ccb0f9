/*
 * The registry's HTTP: /v2/, tags, manifests and blobs of our own image, of the
 * version before it, and of what was pushed.
 * Knows paths and headers; image.c and pushed.c know the bytes.
 */
#include "node/registry.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/run.h"
#include "http.h"
#include "node/daemon.h"
#include "node/layout.h"
#include "node/pushed.h"

/* An engine takes three in all; with containerd's image store six an image, of
 * which those that are through stay open: twenty images at once. */
#define CONNS_MAX 128
#define CONNS_PEER_MAX 120
#define IDLE_MS 30000
#define AGAIN_MS 5000
#define BEFORE_MS 5000 /* of the version before, to say which it is */
#define PIECE (16u << 10)
#define TEXT_MAX 1024
#define LIST_MAX (1u << 20)
#define RANGE_MAX 80 /* "bytes 0-9/10", with three numbers */

#define VERSION_FIELD "Docker-Distribution-Api-Version: registry/2.0"
#define NAME_PATH "/v2/" LAYOUT_IMAGE "/"

static void answer(struct http_exchange *x, unsigned status, const char *type,
		   const char *extra, struct str body)
{
	char *content = xasprintf("Content-Type: %s", type);
	const char *fields[] = { content, VERSION_FIELD, extra, NULL };

	http_x_answer(x, status, fields, body);
	free(content);
}

static void refuse(struct http_exchange *x, unsigned status, const char *code,
		   const char *text, const char *extra)
{
	struct buf b = BUF_INIT(2 * TEXT_MAX);

	buf_addf(&b, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
	buf_add_json_string(&b, str_head(str_of(text), TEXT_MAX));
	buf_adds(&b, "}]}\n");
	answer(x, status, "application/json", extra, buf_str(&b));
	buf_release(&b);
}

/* ---- blobs ---- */

/*
 * One range of a blob, RFC 9110 section 14: 206, 416, or 200 for what is no
 * single range of bytes and hence ignored.
 */
static unsigned take_range(struct str field, uint64_t length, uint64_t *from,
			   uint64_t *n)
{
	struct str first, last;
	uint64_t a, b;

	*from = 0;
	*n = length;
	if (!str_istarts(field, STR("bytes=")))
		return 200;
	last = str_trim(str_skip(field, 6));
	if (!str_cut(&last, '-', &first))
		return 200;
	if (first.n == 0) {
		/* the last so many; a blob is never empty */
		if (!str_num(last, UINT64_MAX, &b))
			return 200;
		*n = b < length ? b : length;
		*from = length - *n;
		return b == 0 ? 416 : 206;
	}
	if (!str_num(first, UINT64_MAX, &a) ||
	    (last.n != 0 && (!str_num(last, UINT64_MAX, &b) || b < a)))
		return 200;
	if (a >= length)
		return 416;
	*from = a;
	*n = (last.n == 0 || b >= length ? length - 1 : b) - a + 1;
	return 206;
}

static int send_blob(const struct image *img, const struct image_blob *b,
		     struct http_exchange *x, uint64_t from, uint64_t n,
		     struct err *e)
{
	char piece[PIECE];
	ssize_t got;

	for (; n > 0; n -= (uint64_t)got, from += (uint64_t)got) {
		got = image_read(img, b, from, piece,
				 n < PIECE ? (size_t)n : PIECE, e);
		if (got <= 0 ||
		    http_x_send(x, (struct str){ piece, (size_t)got }, e) < 0)
			return -1;
	}
	return 0;
}

/* The head of an answer of 200 or 206, with n bytes to come, or all of one of
 * 416.  range: its Content-Range, "" without. */
static int begin_blob(struct http_exchange *x, unsigned status, const char *digest,
		      const char *range, uint64_t n, struct err *e)
{
	char *name = xasprintf("Docker-Content-Digest: %s", digest),
	     *etag = xasprintf("ETag: \"%s\"", digest),
	     *part = *range == '\0' ? NULL :
				      xasprintf("Content-Range: %s", range);
	const char *fields[] = { "Content-Type: application/octet-stream",
				 VERSION_FIELD,
				 "Accept-Ranges: bytes",
				 name,
				 etag,
				 part,
				 NULL };
	int rc = 0;

	if (status == 416)
		refuse(x, 416, "SIZE_INVALID", "the range is not in the blob",
		       part);
	else
		rc = http_x_begin(x, status, fields, n, e);
	free(name);
	free(etag);
	free(part);
	return rc;
}

static void blob(const struct image *img, const struct image_blob *b,
		 struct http_exchange *x)
{
	bool head = str_eqz(http_x_head(x)->method, "HEAD");
	char range[RANGE_MAX] = "";
	struct err e = ERR_INIT;
	uint64_t from, n;
	unsigned status = take_range(http_field(http_x_head(x), "range"),
				     b->length, &from, &n);

	if (status == 416)
		snprintf(range, sizeof(range), "bytes */%llu",
			 (unsigned long long)b->length);
	else if (status == 206)
		snprintf(range, sizeof(range), "bytes %llu-%llu/%llu",
			 (unsigned long long)from,
			 (unsigned long long)(from + n - 1),
			 (unsigned long long)b->length);
	/* short of the announced length the connection breaks off: nobody
	 * takes half a blob for a whole one */
	if (begin_blob(x, status, b->digest, range, n, &e) == 0 &&
	    status != 416 && (head || send_blob(img, b, x, from, n, &e) == 0))
		http_x_end(x, &e);
	if (e.kind == ERR_IO)
		daemon_say("registry: %s", e.msg);
}

static void blobs(const struct image *img, struct str digest,
		  struct http_exchange *x)
{
	for (; img != NULL; img = img->before) {
		const struct image_blob *const all[] = { &img->layer, &img->config,
							 &img->docker,
							 &img->oci, &img->list };

		for (size_t i = 0; i < 5; i++)
			if (str_eqz(digest, all[i]->digest)) {
				blob(img, all[i], x);
				return;
			}
	}
	refuse(x, 404, "BLOB_UNKNOWN", "this registry has no such blob", NULL);
}

/* ---- manifests and tags ---- */

static bool accepts(struct http_exchange *x, const char *type)
{
	struct str field, one, word;

	for (size_t i = 0;
	     (field = http_field_n(http_x_head(x), "accept", i)).p != NULL; i++)
		while (str_next(&field, ',', &word)) {
			/* preferences (";q=") do not matter between two of a kind */
			if (!str_cut(&word, ';', &one))
				one = word;
			if (str_ieqz(str_trim(one), type))
				return true;
		}
	return false;
}

/* What goes by that name in one image; NULL: nothing. */
static const struct image_blob *manifest_of(const struct image *img,
					    struct str name, bool latest,
					    struct http_exchange *x)
{
	/* one that is not there has no digest, and no name is empty */
	if (name.n > 0 && str_eqz(name, img->list.digest))
		return &img->list;
	if (str_eqz(name, img->oci.digest))
		return &img->oci;
	if (str_eqz(name, img->docker.digest))
		return &img->docker;
	if (!str_eqz(name, img->version) && !(latest && str_eqz(name, "latest")))
		return NULL;
	if (img->list.length > 0 && accepts(x, IMAGE_TYPE_LIST))
		return &img->list;
	/* every engine knows Docker's own kind; others may not */
	return accepts(x, IMAGE_TYPE_OCI) && !accepts(x, IMAGE_TYPE_DOCKER) ?
		       &img->oci :
		       &img->docker;
}

static void manifest(const struct image *img, struct str name,
		     struct http_exchange *x)
{
	const struct image_blob *m = manifest_of(img, name, true, x);
	char *digest;

	while (m == NULL && (img = img->before) != NULL)
		m = manifest_of(img, name, false, x);
	if (m == NULL) {
		refuse(x, 404, "MANIFEST_UNKNOWN",
		       "this registry has no such tag or digest", NULL);
		return;
	}
	digest = xasprintf("Docker-Content-Digest: %s", m->digest);
	answer(x, 200,
	       m == &img->list ? IMAGE_TYPE_LIST :
	       m == &img->oci  ? IMAGE_TYPE_OCI :
				 IMAGE_TYPE_DOCKER,
	       digest, m->text);
	free(digest);
}

#define TAGS_MAX 3

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of them, which are sorted, that are behind `last`, at most `n`. */
static void answer_list(struct http_exchange *x, const char *path,
			const char *begin, const char *const *all, size_t n_all)
{
	struct buf b = BUF_INIT(LIST_MAX), last = BUF_INIT(DOCKER_REF_NAME_MAX),
		   count = BUF_INIT(32);
	char *link = NULL;
	uint64_t n = n_all;
	const char *sep = "";

	if (http_x_param(x, "n", &count) &&
	    !str_num(buf_str(&count), UINT32_MAX, &n))
		n = n_all;
	http_x_param(x, "last", &last);
	buf_adds(&b, begin);
	for (size_t i = 0; i < n_all; i++) {
		if (strcmp(all[i], last.str) <= 0 ||
		    (i > 0 && strcmp(all[i], all[i - 1]) == 0))
			continue;
		if (n-- == 0) {
			if (i > 0)
				link = xasprintf("Link: <%s?n=%s&last=%s>; "
						 "rel=\"next\"",
						 path, count.str, all[i - 1]);
			break;
		}
		buf_addf(&b, "%s\"%s\"", sep, all[i]);
		sep = ",";
	}
	buf_adds(&b, "]}\n");
	answer(x, 200, "application/json", link, buf_str(&b));
	free(link);
	buf_release(&b);
	buf_release(&last);
	buf_release(&count);
}

static void tags(const struct image *img, struct http_exchange *x)
{
	const char *all[TAGS_MAX] = { "latest", img->version,
				      img->before != NULL ? img->before->version :
							    img->version };

	qsort(all, TAGS_MAX, sizeof(*all), by_text);
	answer_list(x, NAME_PATH "tags/list",
		    "{\"name\":\"" LAYOUT_IMAGE "\",\"tags\":[", all, TAGS_MAX);
}

/* ---- what was pushed ---- */

/* got is not PUSHED_FOUND, and why says what is the matter: it is told the engine,
 * and *e when it concerns others. */
static void refuse_pushed(struct http_exchange *x, enum pushed got,
			  const char *unknown, const struct err *why,
			  struct err *e)
{
	if (got == PUSHED_NONE) {
		refuse(x, 404, unknown, why->msg, NULL);
		return;
	}
	*e = *why;
	/* of what is answered with 4xx, engines show the text */
	if (got == PUSHED_DENIED)
		refuse(x, 403, "DENIED", why->msg, NULL);
	else
		refuse(x, 503, "UNAVAILABLE", why->msg, NULL);
}

static void pushed_manifest_answer(const char *url, struct str name,
				   struct str ref, struct http_exchange *x,
				   struct err *e)
{
	struct pushed_manifest m;
	struct err why = ERR_INIT;
	enum pushed got = pushed_manifest(url, name, ref, &m, &why);
	char *digest;

	if (got == PUSHED_FOUND) {
		digest = xasprintf("Docker-Content-Digest: %s", m.digest);
		answer(x, 200, m.type, digest, buf_str(&m.text));
		free(digest);
	} else {
		refuse_pushed(x, got, "MANIFEST_UNKNOWN", &why, e);
	}
	pushed_release(&m);
}

/* A blob on its way. */
struct sending {
	struct http_exchange *x;
	const char *digest;
	bool begun;
};

static int relay_head(void *ctx, unsigned status, uint64_t length,
		      const char *range, struct err *e)
{
	struct sending *y = ctx;

	y->begun = true;
	return begin_blob(y->x, status, y->digest, range, length, e);
}

static int relay_piece(void *ctx, struct str piece, struct err *e)
{
	return http_x_send(((struct sending *)ctx)->x, piece, e);
}

static void pushed_blob_answer(const char *url, struct str digest,
			       struct http_exchange *x, struct err *e)
{
	const struct http_head *h = http_x_head(x);
	char *text = str_dup(digest);
	struct sending y = { .x = x, .digest = text };
	const struct pushed_sink sink = { relay_head, relay_piece, &y };
	struct err why = ERR_INIT;
	enum pushed got = pushed_blob(url, digest, http_field(h, "range"),
				      str_eqz(h->method, "HEAD"), &sink, &why);

	/* short of the announced length the connection breaks off */
	if (got == PUSHED_FOUND && http_x_status(x) != 416)
		http_x_end(x, &why);
	else if (!y.begun)
		refuse_pushed(x, got, "BLOB_UNKNOWN", &why, e);
	else if (why.kind != ERR_NONE)
		*e = why;
	free(text);
}

/* The tags of name; p NULL: the names, of which ours is one. */
static void pushed_list_answer(const char *url, struct str name,
			       struct http_exchange *x, struct err *e)
{
	bool tags = name.p != NULL;
	char *path = tags ? xasprintf("/v2/%.*s/tags/list", STR_ARG(name)) :
			    xstrdup("/v2/_catalog"),
	     *begin = tags ? xasprintf("{\"name\":\"%.*s\",\"tags\":[",
				       STR_ARG(name)) :
			     xstrdup("{\"repositories\":[");
	struct err why = ERR_INIT;
	struct pushed_list l = { 0 };
	enum pushed got = tags || *url != '\0' ?
				  pushed_list(url, name, &l, &why) :
				  PUSHED_FOUND;

	if (got == PUSHED_FOUND && !tags)
		pushed_list_add(&l, STR(LAYOUT_IMAGE));
	if (got != PUSHED_FOUND)
		refuse_pushed(x, got, "NAME_UNKNOWN", &why, e);
	else if (l.n == 0)
		refuse(x, 404, "NAME_UNKNOWN",
		       "nothing of that name was pushed to this cluster", NULL);
	else
		answer_list(x, path, begin, (const char *const *)l.name, l.n);
	pushed_list_release(&l);
	free(path);
	free(begin);
}

/* "NAME/manifests/REF", "NAME/blobs/DIGEST", "NAME/tags/list", where NAME may
 * have slashes and be called like what is behind it. */
static void pushed_answer(const char *url, struct str path,
			  struct http_exchange *x, struct err *e)
{
	ptrdiff_t last = str_rchr(path, '/');
	struct str name = str_head(path, last < 0 ? 0 : (size_t)last);
	struct str ref = str_skip(path, name.n + 1), kind;

	last = str_rchr(name, '/');
	kind = str_skip(name, (size_t)(last + 1));
	name = str_head(name, last < 0 ? 0 : (size_t)last);
	if (!docker_ref_is_name(name) || str_eqz(name, LAYOUT_IMAGE))
		refuse(x, 404, "NAME_UNKNOWN", "that is no name of an image",
		       NULL);
	else if (str_eqz(kind, "manifests") &&
		 (docker_ref_is_tag(ref) || docker_ref_is_digest(ref)))
		pushed_manifest_answer(url, name, ref, x, e);
	else if (str_eqz(kind, "manifests"))
		refuse(x, 404, "MANIFEST_UNKNOWN", "that is no tag or digest",
		       NULL);
	else if (str_eqz(kind, "blobs") && docker_ref_is_digest(ref))
		pushed_blob_answer(url, ref, x, e);
	else if (str_eqz(kind, "blobs"))
		refuse(x, 404, "BLOB_UNKNOWN", "that is no digest", NULL);
	else if (str_eqz(kind, "tags") && str_eqz(ref, "list"))
		pushed_list_answer(url, name, x, e);
	else
		refuse(x, 404, "UNSUPPORTED", "no such path", NULL);
}

/* Our own image's. */
static void own_answer(const struct image *img, struct str path,
		       struct http_exchange *x)
{
	if (str_starts(path, STR("manifests/")))
		manifest(img, str_skip(path, 10), x);
	else if (str_starts(path, STR("blobs/")))
		blobs(img, str_skip(path, 6), x);
	else if (str_eqz(path, "tags/list"))
		tags(img, x);
	else
		refuse(x, 404, "UNSUPPORTED", "no such path", NULL);
}

void registry_handle(const struct image *img, const char *pushed,
		     struct http_exchange *x, struct err *e)
{
	struct str path = http_x_path(x), method = http_x_head(x)->method;

	if (!str_eqz(method, "GET") && !str_eqz(method, "HEAD"))
		refuse(x, 405, "UNSUPPORTED",
		       "this registry can only be pulled from",
		       "Allow: GET, HEAD");
	else if (str_eqz(path, "/v2/") || str_eqz(path, "/v2"))
		answer(x, 200, "application/json", NULL, STR("{}\n"));
	else if (str_eqz(path, "/v2/_catalog"))
		pushed_list_answer(pushed, STR_NULL, x, e);
	else if (str_starts(path, STR(NAME_PATH)))
		own_answer(img, str_skip(path, sizeof(NAME_PATH) - 1), x);
	else if (str_starts(path, STR("/v2/")))
		pushed_answer(pushed, str_skip(path, 4), x, e);
	else
		refuse(x, 404, "NAME_UNKNOWN", "no such path", NULL);
}

/* ---- the thread ---- */

struct registry {
	pthread_t thread;
	const char *path, *version, *list, *before, *pushed;
	unsigned port;
	int stop_fd;
	struct image image, old;
	pthread_mutex_t lock; /* for what follows */
	char trouble[REGISTRY_TROUBLE_MAX];
	struct complaint complaint; /* about what was pushed */
};

static void set_trouble(struct registry *r, const char *text)
{
	struct str s = str_head(str_of(text), sizeof(r->trouble) - 1);

	s = str_whole(s);
	pthread_mutex_lock(&r->lock);
	memcpy(r->trouble, s.p, s.n);
	r->trouble[s.n] = '\0';
	pthread_mutex_unlock(&r->lock);
}

void registry_trouble(struct registry *r, char out[REGISTRY_TROUBLE_MAX])
{
	if (r == NULL) {
		memcpy(out, "not started", sizeof("not started"));
		return;
	}
	pthread_mutex_lock(&r->lock);
	memcpy(out, r->trouble, REGISTRY_TROUBLE_MAX);
	pthread_mutex_unlock(&r->lock);
}

static void registry_request(void *ctx, struct http_exchange *x)
{
	struct registry *r = ctx;
	struct err e = ERR_INIT;

	registry_handle(&r->image, r->pushed, x, &e);
	if (e.kind == ERR_NONE)
		return;
	err_in(&e, "registry");
	pthread_mutex_lock(&r->lock);
	daemon_complain(&r->complaint, e.msg, now_ms());
	pthread_mutex_unlock(&r->lock);
}

/* The version before, by what it says of itself: tasks that were pinned to it
 * may begin here still. */
static void take_before(struct registry *r)
{
	const char *const argv[] = { r->before, "version", NULL };
	struct buf out = BUF_INIT(TEXT_MAX);
	struct str line = STR_NULL, word, version = STR_NULL;
	struct err e = ERR_INIT;
	char *tag = NULL;
	int status = -1;

	if (r->before == NULL || access(r->before, X_OK) < 0)
		return;
	if (run_program(argv, NULL, &out, now_ms() + BEFORE_MS, &status, &e) == 0 &&
	    status == 0) {
		line = str_head(buf_str(&out), strcspn(out.str, "\n"));
		str_next(&line, ' ', &word);
		str_next(&line, ' ', &version);
	}
	tag = str_dup(version);
	if (version.n > 0 &&
	    image_init(&r->old, r->before, ELF_OWN, tag, &e) == 0) {
		r->image.before = &r->old;
		daemon_say("registry: and %s, %s", tag, r->old.docker.digest);
	}
	free(tag);
	buf_release(&out);
}

static int registry_serve(struct registry *r, struct err *e)
{
	struct http_server s = {
		.stop_fd = r->stop_fd,
		.max_conns = CONNS_MAX,
		.max_per_peer = CONNS_PEER_MAX,
		.max_waiting = CONNS_MAX,
		.body_max = 64u << 10,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.handle = registry_request,
		.ctx = r,
		.stack = 128u << 10,
	};
	unsigned port = r->port;
	int rc = -1;

	r->old = (struct image){ .fd = -1 };
	if (image_init(&r->image, r->path, ELF_OWN, r->version, e) < 0)
		goto out;
	if (*r->list != '\0' && !image_join(&r->image, str_of(r->list)))
		daemon_say("registry: the list of images in node.json is not of "
			   "this program, which is offered alone");
	errno = 0;
	s.listen_fd = tcp_listen(LAYOUT_REGISTRY_HOST, &port, NULL, e);
	if (s.listen_fd < 0) {
		if (errno == EADDRINUSE)
			err_in(e, "another program has our port, so "
				  "this engine gets no image of ours");
		goto out;
	}
	take_before(r);
	set_trouble(r, "");
	daemon_say("registry: " LAYOUT_REGISTRY_HOST ":%u/" LAYOUT_IMAGE
		   ":%s is %s",
		   port, r->version, r->image.docker.digest);
	rc = http_serve(&s, e);
	close(s.listen_fd);
out:
	image_release(&r->old);
	image_release(&r->image);
	return rc;
}

static void *run(void *ctx)
{
	struct registry *r = ctx;
	struct complaint complaint = { 0 };

	for (;;) {
		struct err e = ERR_INIT, ignored = ERR_INIT;

		if (registry_serve(r, &e) == 0 || e.kind == ERR_INTR)
			return NULL;
		set_trouble(r, e.msg);
		err_in(&e, "registry");
		daemon_complain(&complaint, e.msg, now_ms());
		/* a stop ends the wait */
		if (fd_wait(r->stop_fd, POLLIN, now_ms() + AGAIN_MS, &ignored) ==
			    0 ||
		    ignored.kind == ERR_INTR)
			return NULL;
	}
}

struct registry *registry_start(const char *path, const char *version,
				const char *list, const char *before,
				const char *pushed, unsigned port)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->path = path;
	r->version = version;
	r->list = list;
	r->before = before;
	r->pushed = pushed;
	r->port = port == 0 ? LAYOUT_REGISTRY_PORT : port;
	pthread_mutex_init(&r->lock, NULL);
	r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->stop_fd < 0 || pthread_create(&r->thread, NULL, run, r) != 0) {
		daemon_say("registry: no thread or descriptor for it; "
			   "this node has no images of ours");
		if (r->stop_fd >= 0)
			close(r->stop_fd);
		pthread_mutex_destroy(&r->lock);
		free(r);
		return NULL;
	}
	return r;
}

void registry_stop(struct registry *r)
{
	const uint64_t one = 1;

	if (r == NULL)
		return;
	while (write(r->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	close(r->stop_fd);
	free(r);
}
