/*
 * The Docker Engine API as a client: calls, lists, the swarm and its nodes.
 * Knows nothing of who joins whom and when (node/ does), and nothing of how
 * the engine is reached.  Names and shapes are those of the Engine API
 * reference, 1.40 and later.
 */
#include "docker/docker.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/split.h"
#include "docker/inner.h"

#define ANSWER_MAX (1u << 20)
#define ITEM_MAX (256u << 10)
#define PATH_MAX_N 2048
#define AUTH_MAX (32u << 10)
#define UPDATE_TRIES 5
#define ENDLESS_MS (INT64_C(366) * 86400000)
#define INGRESS_STEP_MS 300

/* How large an answer, a request or an element of a list may be. */
static size_t most(const struct docker *d, size_t usual)
{
	return d->most != 0 ? d->most : usual;
}

/* ---- reaching it ---- */

static struct stream *dial_unix(void *ctx, bool tls, const char *host,
				unsigned port, int64_t deadline_ms, struct err *e)
{
	struct docker *d = ctx;
	int fd;

	(void)tls;
	(void)host;
	(void)port;
	fd = unix_connect(d->path, deadline_ms, e);
	return fd < 0 ? NULL : stream_of_fd(fd);
}

void docker_init(struct docker *d, struct http_dialer dialer)
{
	*d = (struct docker){ .timeout_ms = DOCKER_TIMEOUT_MS,
			      .silence_ms = DOCKER_SILENCE_MS };
	http_client_init(&d->http, dialer, "azswarm");
}

void docker_init_unix(struct docker *d, const char *path)
{
	docker_init(d, (struct http_dialer){ dial_unix, d });
	d->path = path;
}

void docker_release(struct docker *d)
{
	http_client_release(&d->http);
}

/* ---- one exchange ---- */

/*
 * The code of an error that the engine has only a text for.  This one is
 * SwarmKit's, a gRPC error that comes through with 500 from old engines and
 * with 400 or 409 from newer ones, so that the status does not tell either.
 */
static const char *code_of(const char *message)
{
	return str_find(str_of(message), STR("update out of sequence")) < 0 ?
		       "" :
		       DOCKER_OUT_OF_SEQUENCE;
}

/* {"message": "..."} as our error. */
int docker_refused(const char *method, const char *path, unsigned status,
		   struct str body, struct err *e)
{
	struct err ignored = ERR_INIT;
	cJSON *doc = json_parse(body, "answer", &ignored);
	const char *why = json_str_opt(doc, "message", "");
	ptrdiff_t query = str_chr(str_of(path), '?');

	err_refused(e, ERR_DOCKER, code_of(why), "", "Docker %s %.*s: %s (%u)",
		    method, query < 0 ? (int)strlen(path) : (int)query, path,
		    *why != '\0' ? why : http_reason(status), status);
	json_free(doc);
	return -1;
}

int docker_exchange(struct docker *d, const struct docker_ask *a,
		    struct http_response *r, struct err *e)
{
	const char *fields[4] = { NULL };
	size_t n = 0;
	struct buf url = BUF_INIT(PATH_MAX_N), auth = BUF_INIT(AUTH_MAX);
	struct http_request q = {
		.method = a->method,
		.fields = fields,
		.body = a->body,
		.deadline_ms = a->endless ? IO_FOREVER : now_ms() + d->timeout_ms,
		.idle_ms = a->silent != NULL ? d->silence_ms :
			   a->endless	     ? ENDLESS_MS :
					       d->timeout_ms,
		.silent = a->silent,
		.silent_ctx = a->ctx,
	};
	int rc = -1;

	d->status = 0;
	if (a->body.p != NULL || a->taken != NULL)
		fields[n++] = "Content-Type: application/json";
	if (a->taken != NULL)
		fields[n++] = "Upgrade: tcp";
	if (d->auth != NULL) {
		buf_addf(&auth, "X-Registry-Auth: %s", d->auth);
		fields[n++] = auth.str;
	}
	buf_adds(&url, "http://docker");
	if (d->api != 0)
		buf_addf(&url, "/v1.%u", d->api);
	buf_adds(&url, a->path);
	if (buf_check(&url, "request to Docker", e) < 0 ||
	    buf_check(&auth, "credentials for a registry", e) < 0)
		goto out;
	q.url = url.str;
	if (http_take_over(&d->http, &q, r, a->taken, e) < 0) {
		err_in(e, "Docker Engine");
		goto out;
	}
	d->status = r->head.status;
	rc = 0;
out:
	buf_burn(&auth);
	buf_release(&url);
	return rc;
}

static int exchange(struct docker *d, const char *method, const char *path,
		    struct str body, struct http_response *r, struct err *e)
{
	struct docker_ask a = { .method = method, .path = path, .body = body };

	return docker_exchange(d, &a, r, e);
}

/* "1.41" of the Api-Version field. */
static int settle(struct docker *d, struct str version, struct err *e)
{
	struct str s = version;
	uint64_t major, minor;

	if (!str_dec(&s, 9, &major) || s.n == 0 || s.p[0] != '.')
		return err_set(
			e, ERR_PROTO,
			"Docker Engine: no API version in its answer to a ping");
	s = str_skip(s, 1);
	if (!str_num(s, 9999, &minor))
		return err_set(e, ERR_PROTO, "Docker Engine: API version \"%.*s\"",
			       STR_ARG(version));
	if (major != 1 || minor < DOCKER_API_MIN)
		return err_set(e, ERR_DOCKER,
			       "Docker Engine speaks API %.*s, 1.%d is the oldest that "
			       "will do (Docker 19.03)",
			       STR_ARG(version), DOCKER_API_MIN);
	d->api = minor < DOCKER_API_MAX ? (unsigned)minor : DOCKER_API_MAX;
	return 0;
}

int docker_hello(struct docker *d, struct err *e)
{
	struct http_response r;
	int rc;

	http_response_init(&r, 4096);
	d->api = 0;
	rc = exchange(d, "GET", "/_ping", STR_NULL, &r, e);
	if (rc == 0 && r.head.status != 200)
		rc = docker_refused("GET", "/_ping", r.head.status,
				    buf_str(&r.body), e);
	if (rc == 0)
		rc = settle(d, http_field(&r.head, "Api-Version"), e);
	http_response_release(&r);
	return rc;
}

static int call_text(struct docker *d, const char *method, const char *path,
		     struct str body, cJSON **doc, struct err *e)
{
	struct http_response r;
	struct str text;
	int rc = -1;

	http_response_init(&r, most(d, ANSWER_MAX));
	if (exchange(d, method, path, body, &r, e) < 0)
		goto out;
	text = str_trim(buf_str(&r.body));
	if (r.head.status < 200 || r.head.status > 299) {
		docker_refused(method, path, r.head.status, text, e);
		goto out;
	}
	if (doc != NULL && text.n != 0) {
		*doc = json_parse(text, "Docker's answer", e);
		if (*doc == NULL)
			goto out;
	}
	rc = 0;
out:
	buf_burn(&r.body); /* may hold join tokens */
	http_response_release(&r);
	return rc;
}

int docker_call(struct docker *d, const char *method, const char *path,
		const cJSON *body, cJSON **doc, struct err *e)
{
	struct buf text = BUF_INIT(most(d, ANSWER_MAX));
	int rc = -1;

	if (doc != NULL)
		*doc = NULL;
	if (d->api == 0 && docker_hello(d, e) < 0)
		return -1;
	if (body != NULL)
		json_print(body, &text);
	if (buf_check(&text, "request to Docker", e) == 0)
		rc = call_text(d, method, path,
			       body == NULL ? STR_NULL : buf_str(&text), doc, e);
	buf_burn(&text);
	return rc;
}

cJSON *docker_get(struct docker *d, const char *path, struct err *e)
{
	cJSON *doc = NULL;

	if (docker_call(d, "GET", path, NULL, &doc, e) < 0)
		return NULL;
	if (doc == NULL)
		err_set(e, ERR_PROTO, "Docker GET %s: an empty answer", path);
	return doc;
}

int docker_spec_write(struct docker *d, const char *path, const cJSON *doc,
		      const char *query, struct err *e)
{
	const cJSON *spec = NULL;
	int64_t version;
	char *to;
	int rc;

	if (json_int(doc, "Version.Index", 0, INT64_MAX, &version, e) < 0 ||
	    (spec = json_obj(doc, "Spec", e)) == NULL)
		return -1;
	to = xasprintf("%s/update?version=%lld%s", path, (long long)version,
		       query);
	rc = docker_call(d, "POST", to, spec, NULL, e);
	free(to);
	return rc;
}

int docker_spec_update(struct docker *d, const char *path,
		       int (*change)(const void *ctx, cJSON *spec, struct err *e),
		       const void *ctx, struct err *e)
{
	for (int i = 1;; i++) {
		cJSON *doc = docker_get(d, path, e);
		int rc = -1;

		if (doc != NULL && json_obj(doc, "Spec", e) != NULL)
			rc = change(ctx, json_get_mut(doc, "Spec"), e);
		if (rc > 0)
			rc = docker_spec_write(d, path, doc, "", e);
		json_burn(doc); /* a swarm's comes with its join tokens */
		if (rc == 0 || i == UPDATE_TRIES ||
		    !err_is(e, DOCKER_OUT_OF_SEQUENCE))
			return rc;
		err_clear(e);
	}
}

cJSON *docker_spec_part(cJSON *spec, const char *name)
{
	if (!cJSON_IsObject(json_get(spec, name)))
		json_set(spec, name, cJSON_CreateObject());
	return json_get_mut(spec, name);
}

/* ---- answers that are not kept in memory ---- */

struct download {
	const struct http_response *r;
	int (*take)(void *ctx, struct str piece, struct err *e);
	void *ctx;
	struct buf refusal;
};

static int download_piece(void *ctx, struct str piece, struct err *e)
{
	struct download *l = ctx;

	if (l->r->head.status == 200)
		return l->take(l->ctx, piece, e);
	buf_addstr(&l->refusal, piece);
	return 0;
}

int docker_pieces(struct docker *d, const struct docker_ask *a,
		  int (*take)(void *ctx, struct str piece, struct err *e),
		  void *ctx, struct err *e)
{
	struct http_response r;
	struct download l = { .r = &r,
			      .take = take,
			      .ctx = ctx,
			      .refusal = BUF_INIT(ITEM_MAX) };
	int rc = -1;

	if (d->api == 0 && docker_hello(d, e) < 0)
		return -1;
	http_response_init(&r, 0);
	r.on_body = download_piece;
	r.ctx = &l;
	if (docker_exchange(d, a, &r, e) == 0)
		rc = r.head.status == 200 ?
			     0 :
			     docker_refused(a->method, a->path, r.head.status,
					    buf_str(&l.refusal), e);
	buf_release(&l.refusal);
	http_response_release(&r);
	return rc;
}

int docker_download(struct docker *d, const char *path,
		    int (*take)(void *ctx, struct str piece, struct err *e),
		    void *ctx, struct err *e)
{
	struct docker_ask a = { .method = "GET", .path = path };

	return docker_pieces(d, &a, take, ctx, e);
}

/* ---- lists, one element at a time ---- */

static int list_piece(void *split, struct str piece, struct err *e)
{
	return json_split_add(split, piece, e);
}

int docker_each(struct docker *d, const char *path,
		int (*each)(void *ctx, const cJSON *item, struct err *e),
		void *ctx, struct err *e)
{
	struct json_split split = {
		.what = "Docker's list",
		.each = each,
		.ctx = ctx,
		.item_max = most(d, ITEM_MAX),
		.rest = BUF_INIT(2), /* "[]" */
	};
	int rc;

	json_split_reset(&split);
	rc = docker_download(d, path, list_piece, &split, e);
	if (rc == 0 && !split.ended)
		rc = err_set(e, ERR_PROTO, "Docker GET %s: the list has no end",
			     path);
	json_split_release(&split);
	return rc;
}

void docker_filter(struct buf *path, const char *key, const char *value)
{
	struct buf text = BUF_INIT(PATH_MAX_N);

	buf_adds(&text, "{\"");
	buf_add_json(&text, str_of(key));
	buf_adds(&text, "\":[\"");
	buf_add_json(&text, str_of(value));
	buf_adds(&text, "\"]}");
	buf_adds(path, "?filters=");
	buf_add_pct(path, buf_str(&text));
	buf_release(&text);
}

/* ---- words ---- */

struct word {
	const char *text;
	int value;
};

static const struct word swarm_states[] = {
	{ "unknown", DOCKER_SWARM_UNKNOWN },
	{ "inactive", DOCKER_SWARM_INACTIVE },
	{ "pending", DOCKER_SWARM_PENDING },
	{ "active", DOCKER_SWARM_ACTIVE },
	{ "error", DOCKER_SWARM_ERROR },
	{ "locked", DOCKER_SWARM_LOCKED },
	{ NULL, 0 },
};
static const struct word node_states[] = {
	{ "unknown", DOCKER_NODE_UNKNOWN },
	{ "down", DOCKER_NODE_DOWN },
	{ "ready", DOCKER_NODE_READY },
	{ "disconnected", DOCKER_NODE_DISCONNECTED },
	{ NULL, 0 },
};
static const struct word availabilities[] = {
	{ "active", DOCKER_ACTIVE },
	{ "pause", DOCKER_PAUSE },
	{ "drain", DOCKER_DRAIN },
	{ NULL, 0 },
};

/* The first of the table when the word is not in it. */
static int word_value(const struct word *w, const char *text)
{
	for (size_t i = 0; w[i].text != NULL; i++)
		if (strcmp(w[i].text, text) == 0)
			return w[i].value;
	return w[0].value;
}

static const char *word_text(const struct word *w, int value)
{
	for (size_t i = 0; w[i].text != NULL; i++)
		if (w[i].value == value)
			return w[i].text;
	return w[0].text;
}

const char *docker_swarm_state_name(enum docker_swarm_state s)
{
	return word_text(swarm_states, (int)s);
}

const char *docker_node_state_name(enum docker_node_state s)
{
	return word_text(node_states, (int)s);
}

const char *docker_availability_name(enum docker_availability a)
{
	return word_text(availabilities, (int)a);
}

/* Copy text that is only shown or compared; what does not fit is cut. */
static void copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

/* IDs go into paths and must be whole. */
static int copy_id(char *to, size_t size, const char *from, struct err *e)
{
	size_t n = strlen(from);

	if (n >= size)
		return err_set(e, ERR_PROTO, "Docker: an ID of %zu characters", n);
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(from[i]))
			return err_set(e, ERR_PROTO, "Docker: \"%s\" is no ID",
				       from);
	memcpy(to, from, n + 1);
	return 0;
}

int docker_take_id(const cJSON *doc, const char *path, char to[DOCKER_ID_MAX],
		   struct err *e)
{
	const char *id = json_str(doc, path, e);

	if (id == NULL || copy_id(to, DOCKER_ID_MAX, id, e) < 0)
		return -1;
	return *id != '\0' ? 0 :
			     err_set(e, ERR_PROTO, "Docker: %s is empty", path);
}

/* ---- the engine and its swarm ---- */

static void copy_host(char *to, size_t size, const char *addr)
{
	struct str host = str_head(str_host(str_of(addr)), size - 1);

	if (host.n > 0)
		memcpy(to, host.p, host.n);
	to[host.n] = '\0';
}

/* Names would have to be looked up, and nobody has one here. */
static void take_managers(const cJSON *list, struct docker_managers *m)
{
	const cJSON *one;
	uint8_t bytes[16];

	cJSON_ArrayForEach(one, list) {
		char *to = m->addr[m->n];

		copy_host(to, sizeof(m->addr[0]), json_str_opt(one, "Addr", ""));
		if (inet_pton(AF_INET, to, bytes) != 1 &&
		    inet_pton(AF_INET6, to, bytes) != 1)
			continue;
		if (++m->n == DOCKER_MANAGERS_MAX)
			break;
	}
}

int docker_info(struct docker *d, struct docker_info *info, struct err *e)
{
	cJSON *doc = docker_get(d, "/info", e);
	const cJSON *s;
	int rc = -1;

	*info = (struct docker_info){ 0 };
	if (doc == NULL)
		return -1;
	s = json_obj(doc, "Swarm", e);
	if (s == NULL)
		goto out;
	info->state = (enum docker_swarm_state)word_value(
		swarm_states, json_str_opt(s, "LocalNodeState", ""));
	info->manager = json_bool_opt(s, "ControlAvailable", false);
	info->nodes = json_int_opt(s, "Nodes", 0);
	info->managers = json_int_opt(s, "Managers", 0);
	take_managers(json_at(s, "RemoteManagers"), &info->known);
	copy(info->hostname, sizeof(info->hostname),
	     json_str_opt(doc, "Name", ""));
	copy(info->version, sizeof(info->version),
	     json_str_opt(doc, "ServerVersion", ""));
	copy(info->root, sizeof(info->root),
	     json_str_opt(doc, "DockerRootDir", "/var/lib/docker"));
	copy(info->error, sizeof(info->error), json_str_opt(s, "Error", ""));
	if (copy_id(info->node_id, sizeof(info->node_id),
		    json_str_opt(s, "NodeID", ""), e) < 0 ||
	    copy_id(info->cluster_id, sizeof(info->cluster_id),
		    json_str_opt(s, "Cluster.ID", ""), e) < 0)
		goto out;
	rc = 0;
out:
	json_free(doc);
	return rc;
}

/* On every address, where other engines look for it. */
static void add_listen(cJSON *doc)
{
	char *text = xasprintf("0.0.0.0:%d", DOCKER_PORT_MANAGER);

	json_add_str(doc, "ListenAddr", text);
	free(text);
}

int docker_swarm_init(struct docker *d, const struct docker_init_spec *s,
		      struct err *e)
{
	cJSON *doc = cJSON_CreateObject(), *answer = NULL, *spec;
	int rc;

	if (s->listen != NULL)
		json_add_str(doc, "ListenAddr", s->listen);
	else
		add_listen(doc);
	if (s->advertise != NULL)
		json_add_str(doc, "AdvertiseAddr", s->advertise);
	if (s->data_path_port != 0)
		json_add_int(doc, "DataPathPort", s->data_path_port);
	if (s->addr_pool != NULL) {
		cJSON_AddItemToArray(json_add_arr(doc, "DefaultAddrPool"),
				     cJSON_CreateString(s->addr_pool));
		json_add_int(doc, "SubnetSize", 24);
	}
	json_add_bool(doc, "ForceNewCluster", s->force_new_cluster);
	spec = json_add_obj(doc, "Spec");
	if (s->keep_snapshots > 0)
		json_add_int(json_add_obj(spec, "Raft"), "KeepOldSnapshots",
			     s->keep_snapshots);
	rc = docker_call(d, "POST", "/swarm/init", doc, &answer, e);
	json_free(answer);
	json_free(doc);
	return rc;
}

int docker_swarm_join(struct docker *d, const char *advertise,
		      const char *remote, const char *token, struct err *e)
{
	cJSON *doc = cJSON_CreateObject();
	int rc;

	add_listen(doc);
	if (advertise != NULL)
		json_add_str(doc, "AdvertiseAddr", advertise);
	cJSON_AddItemToArray(json_add_arr(doc, "RemoteAddrs"),
			     cJSON_CreateString(remote));
	json_add_str(doc, "JoinToken", token);
	rc = docker_call(d, "POST", "/swarm/join", doc, NULL, e);
	json_burn(doc);
	return rc;
}

int docker_swarm_leave(struct docker *d, bool force, struct err *e)
{
	return docker_call(d, "POST",
			   force ? "/swarm/leave?force=1" : "/swarm/leave",
			   NULL, NULL, e);
}

int docker_swarm_token(struct docker *d, bool manager, struct buf *out,
		       struct err *e)
{
	cJSON *doc = docker_get(d, "/swarm", e);
	const char *token;

	if (doc == NULL)
		return -1;
	token = json_str(doc,
			 manager ? "JoinTokens.Manager" : "JoinTokens.Worker", e);
	if (token != NULL)
		buf_adds(out, token);
	json_burn(doc);
	return token == NULL ? -1 : 0;
}

int docker_swarm_rotate(struct docker *d, struct err *e)
{
	cJSON *doc = docker_get(d, "/swarm", e);
	int rc;

	if (doc == NULL)
		return -1;
	rc = docker_spec_write(d, "/swarm", doc,
			       "&rotateWorkerToken=true&rotateManagerToken=true",
			       e);
	json_burn(doc);
	return rc;
}

#define AUTOLOCK "Spec.EncryptionConfig.AutoLockManagers"

int docker_autolock(struct docker *d, bool *on, struct err *e)
{
	cJSON *doc = docker_get(d, "/swarm", e);

	if (doc == NULL)
		return -1;
	*on = json_bool_opt(doc, AUTOLOCK, false);
	json_burn(doc);
	return 0;
}

static int change_autolock(const void *on, cJSON *spec, struct err *e)
{
	(void)e;
	json_set(docker_spec_part(spec, "EncryptionConfig"), "AutoLockManagers",
		 cJSON_CreateBool(*(const bool *)on));
	return 1;
}

int docker_autolock_set(struct docker *d, bool on, struct err *e)
{
	return docker_spec_update(d, "/swarm", change_autolock, &on, e);
}

int docker_unlock_key(struct docker *d, struct buf *out, struct err *e)
{
	cJSON *doc = docker_get(d, "/swarm/unlockkey", e);

	if (doc == NULL)
		return -1;
	buf_adds(out, json_str_opt(doc, "UnlockKey", ""));
	json_burn(doc);
	return 0;
}

int docker_unlock(struct docker *d, const char *key, struct err *e)
{
	cJSON *doc = cJSON_CreateObject();
	int rc;

	json_add_str(doc, "UnlockKey", key);
	rc = docker_call(d, "POST", "/swarm/unlock", doc, NULL, e);
	json_burn(doc);
	return rc;
}

/* ---- nodes ---- */

int docker_node_read(const cJSON *doc, struct docker_node *node, struct err *e)
{
	const char *id = json_str(doc, "ID", e);
	const cJSON *labels = json_at(doc, "Spec.Labels"), *leaving;

	*node = (struct docker_node){ 0 };
	if (id == NULL || copy_id(node->id, sizeof(node->id), id, e) < 0)
		return -1;
	copy(node->hostname, sizeof(node->hostname),
	     json_str_opt(doc, "Description.Hostname", ""));
	copy(node->addr, sizeof(node->addr), json_str_opt(doc, "Status.Addr", ""));
	/* a manager's own row may say 0.0.0.0 where it listens */
	if (node->addr[0] == '\0' || strcmp(node->addr, "0.0.0.0") == 0)
		copy_host(node->addr, sizeof(node->addr),
			  json_str_opt(doc, "ManagerStatus.Addr", ""));
	copy(node->created, sizeof(node->created),
	     json_str_opt(doc, "CreatedAt", ""));
	node->state = (enum docker_node_state)word_value(
		node_states, json_str_opt(doc, "Status.State", ""));
	node->availability = (enum docker_availability)word_value(
		availabilities, json_str_opt(doc, "Spec.Availability", ""));
	node->raft = json_at(doc, "ManagerStatus") != NULL;
	node->manager = node->raft || strcmp(json_str_opt(doc, "Spec.Role", ""),
					     "manager") == 0;
	node->leader = json_bool_opt(doc, "ManagerStatus.Leader", false);
	node->reachable =
		strcmp(json_str_opt(doc, "ManagerStatus.Reachability", ""),
		       "reachable") == 0;
	leaving = json_get(labels, DOCKER_LABEL_LEAVING);
	node->leaving = leaving != NULL;
	node->before = (enum docker_availability)word_value(
		availabilities, json_str_opt(leaving, "", ""));
	copy(node->evict, sizeof(node->evict),
	     json_str_opt(json_get(labels, DOCKER_LABEL_EVICT), "", ""));
	copy(node->stop, sizeof(node->stop),
	     json_str_opt(json_get(labels, DOCKER_LABEL_STOP), "", ""));
	copy(node->program, sizeof(node->program),
	     json_str_opt(json_get(labels, DOCKER_LABEL_PROGRAM), "", ""));
	copy(node->lacks, sizeof(node->lacks),
	     json_str_opt(json_get(labels, DOCKER_LABEL_LACKS), "", ""));
	copy(node->files, sizeof(node->files),
	     json_str_opt(json_get(labels, DOCKER_LABEL_FILES), "", ""));
	copy(node->engine, sizeof(node->engine),
	     json_str_opt(doc, "Description.Engine.EngineVersion", ""));
	return 0;
}

struct node_list {
	struct docker_node *nodes;
	size_t n, room;
};

static int node_take(void *ctx, const cJSON *item, struct err *e)
{
	struct node_list *l = ctx;

	if (l->n == DOCKER_NODES_MAX)
		return err_set(e, ERR_DOCKER, "more than %d nodes",
			       DOCKER_NODES_MAX);
	if (l->n == l->room) {
		l->room = l->room == 0 ? 16 : l->room * 2;
		l->nodes = xrealloc(l->nodes, l->room * sizeof(*l->nodes));
	}
	return docker_node_read(item, &l->nodes[l->n++], e);
}

int docker_nodes(struct docker *d, struct docker_node **nodes, size_t *n,
		 struct err *e)
{
	struct node_list l = { 0 };

	*nodes = NULL;
	*n = 0;
	if (docker_each(d, "/nodes", node_take, &l, e) < 0) {
		free(l.nodes);
		return -1;
	}
	*nodes = l.nodes;
	*n = l.n;
	return 0;
}

void docker_node_path(struct buf *path, const char *id)
{
	buf_adds(path, "/nodes/");
	buf_add_pct(path, str_of(id));
}

int docker_node(struct docker *d, const char *id, struct docker_node *node,
		struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	cJSON *doc;
	int rc = -1;

	docker_node_path(&path, id);
	doc = docker_get(d, path.str, e);
	if (doc != NULL)
		rc = docker_node_read(doc, node, e);
	json_free(doc);
	buf_release(&path);
	return rc;
}

/*
 * The engine writes RFC 3339 in UTC and leaves out zeros at the end of the
 * fraction, so the text compares once the Z is gone.
 */
bool docker_newer(const struct docker_node *a, const struct docker_node *b)
{
	struct str x = str_of(a->created), y = str_of(b->created);

	if (str_ends(x, STR("Z")))
		x.n--;
	if (str_ends(y, STR("Z")))
		y.n--;
	return str_cmp(x, y) > 0;
}

bool docker_supersedes(const struct docker_node *a, const struct docker_node *b)
{
	return a->state == DOCKER_NODE_READY && a->manager == b->manager &&
	       b->hostname[0] != '\0' && b->addr[0] != '\0' &&
	       strcmp(a->hostname, b->hostname) == 0 &&
	       strcmp(a->addr, b->addr) == 0 && docker_newer(a, b);
}

static void change_labels(cJSON *spec, const struct docker_node_change *c)
{
	cJSON *labels = docker_spec_part(spec, "Labels");

	for (size_t i = 0; c->labels[i].name != NULL; i++) {
		const char *name = c->labels[i].name, *value = c->labels[i].value;

		if (value != NULL)
			json_set(labels, name, cJSON_CreateString(value));
		else
			cJSON_DeleteItemFromObjectCaseSensitive(labels, name);
	}
}

static int change_node(const void *ctx, cJSON *spec, struct err *e)
{
	const struct docker_node_change *c = ctx;

	(void)e;
	if (c->availability != NULL &&
	    (c->from == NULL || json_is(spec, "Availability", c->from)))
		json_set(spec, "Availability",
			 cJSON_CreateString(c->availability));
	if (c->role != NULL)
		json_set(spec, "Role", cJSON_CreateString(c->role));
	if (c->labels[0].name != NULL)
		change_labels(spec, c);
	return 1;
}

int docker_node_update(struct docker *d, const char *id,
		       const struct docker_node_change *c, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	int rc;

	docker_node_path(&path, id);
	rc = docker_spec_update(d, path.str, change_node, c, e);
	buf_release(&path);
	return rc;
}

int docker_node_remove(struct docker *d, const char *id, bool force, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	int rc;

	docker_node_path(&path, id);
	buf_adds(&path, force ? "?force=1" : "");
	rc = docker_call(d, "DELETE", path.str, NULL, NULL, e);
	buf_release(&path);
	return rc;
}

/* ---- tasks, containers, networks ---- */

static int stop_item(void *ctx, const cJSON *item, struct err *e)
{
	struct buf *id = ctx;

	(void)e;
	buf_reset(id);
	buf_adds(id, json_str_opt(item, "Id", ""));
	return 0;
}

int docker_task_stop(struct docker *d, const char *task, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N), id = BUF_INIT(DOCKER_ID_MAX);
	char *label = xasprintf("com.docker.swarm.task.id=%s", task);
	int rc;

	buf_adds(&path, "/containers/json");
	docker_filter(&path, "label", label);
	rc = docker_each(d, path.str, stop_item, &id, e);
	if (rc == 0 && id.n > 0 && !id.over) {
		buf_reset(&path);
		buf_adds(&path, "/containers/");
		buf_add_pct(&path, buf_str(&id));
		buf_adds(&path, "/stop");
		rc = docker_call(d, "POST", path.str, NULL, NULL, e);
	}
	free(label);
	buf_release(&id);
	buf_release(&path);
	return rc;
}

#define MTU_OPTION "com.docker.network.driver.mtu"

/* doc goes. */
static int network_create(struct docker *d, cJSON *doc, unsigned mtu,
			  struct err *e)
{
	struct buf b = BUF_INIT(16);
	cJSON *answer = NULL;
	int rc;

	if (mtu != 0) {
		buf_addf(&b, "%u", mtu);
		json_add_str(json_at(doc, "Options") != NULL ?
				     json_get_mut(doc, "Options") :
				     json_add_obj(doc, "Options"),
			     MTU_OPTION, b.str);
	}
	rc = docker_call(d, "POST", "/networks/create", doc, &answer, e);
	buf_release(&b);
	json_free(answer);
	json_free(doc);
	return rc;
}

/* As its options say it; "" when they do not. */
static const char *network_mtu(const cJSON *doc)
{
	return json_str_opt(json_get(json_get(doc, "Options"), MTU_OPTION), "",
			    "");
}

#define GATEWAY "/networks/docker_gwbridge"

/* What the engine itself gives it, and the MTU. */
static int gateway_create(struct docker *d, unsigned mtu, struct err *e)
{
	cJSON *doc = cJSON_CreateObject(), *options;

	json_add_str(doc, "Name", "docker_gwbridge");
	json_add_str(doc, "Driver", "bridge");
	options = json_add_obj(doc, "Options");
	json_add_str(options, "com.docker.network.bridge.name", "docker_gwbridge");
	json_add_str(options, "com.docker.network.bridge.enable_icc", "false");
	json_add_str(options, "com.docker.network.bridge.enable_ip_masquerade",
		     "true");
	return network_create(d, doc, mtu, e);
}

int docker_gateway(struct docker *d, unsigned mtu, struct err *e)
{
	cJSON *doc = docker_get(d, GATEWAY, e);
	bool there = doc != NULL, chosen = *network_mtu(doc) != '\0';

	json_free(doc);
	if (chosen)
		return 0;
	if (!there && d->status != 404)
		return -1;
	err_clear(e);
	if (there && docker_call(d, "DELETE", GATEWAY, NULL, NULL, e) < 0)
		return -1;
	return gateway_create(d, mtu, e);
}

static int ingress_create(struct docker *d, const char *subnet, unsigned mtu,
			  struct err *e)
{
	cJSON *doc = cJSON_CreateObject(), *ipam;

	json_add_str(doc, "Name", "ingress");
	json_add_str(doc, "Driver", "overlay");
	json_add_bool(doc, "Ingress", true);
	ipam = cJSON_CreateObject();
	json_add_str(ipam, "Subnet", subnet);
	cJSON_AddItemToArray(json_add_arr(json_add_obj(doc, "IPAM"), "Config"),
			     ipam);
	return network_create(d, doc, mtu, e);
}

/* 1: there and as wanted, 0: there and different, or -1; d->status 404: not there. */
static int ingress_look(struct docker *d, const char *subnet, unsigned mtu,
			struct err *e)
{
	cJSON *doc = docker_get(d, "/networks/ingress", e);
	struct str has;
	uint64_t n = 0;
	bool same;

	if (doc == NULL)
		return -1;
	same = strcmp(json_str_opt(doc, "IPAM.Config[0].Subnet", ""), subnet) == 0;
	if (mtu != 0) {
		has = str_of(network_mtu(doc));
		same = same && str_num(has, 65535, &n) && n == mtu;
	}
	json_free(doc);
	return same;
}

int docker_ingress(struct docker *d, const char *subnet, unsigned mtu,
		   int64_t deadline_ms, bool *changed, struct err *e)
{
	int rc = ingress_look(d, subnet, mtu, e);

	if (changed != NULL)
		*changed = false;
	if (rc > 0)
		return 0;
	if (rc < 0 && d->status != 404)
		return -1;
	err_clear(e);
	if (rc == 0 &&
	    docker_call(d, "DELETE", "/networks/ingress", NULL, NULL, e) < 0 &&
	    d->status != 404)
		return -1;
	err_clear(e);
	while (ingress_create(d, subnet, mtu, e) < 0) {
		struct err over = ERR_INIT;

		/* the old one is still being taken down */
		if (d->status != 409 && d->status != 403)
			return -1;
		if (now_ms() + INGRESS_STEP_MS > deadline_ms)
			return err_in(
				e,
				"the ingress network was removed and not made again");
		err_clear(e);
		if (sleep_until(now_ms() + INGRESS_STEP_MS, &over) < 0) {
			*e = over;
			return -1;
		}
	}
	if (changed != NULL)
		*changed = true;
	return 0;
}
