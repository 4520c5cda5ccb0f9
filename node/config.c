/*
 * node.json: what a machine knows about its cluster before it is a node.  One
 * table says what it may hold; the reader and the writer follow it.
 */
#include "node/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "docker/docker.h"
#include "node/evict.h"

#define CONFIG_MAX (64u << 10)

enum kind {
	ROLE,	 /* "manager" or "worker" */
	MASTERS, /* a list of numeric addresses */
	SECRET,	 /* 32 bytes, 64 hexadecimal digits */
	TEXT,
	ADDRESS, /* a numeric one, as text */
	FLAG,	 /* true or false */
	NUMBER,	 /* an unsigned */
	SECONDS, /* milliseconds in an int64_t */
};

/* In the order in which they are written. */
static const struct field {
	const char *key;
	enum kind kind;
	size_t at, size;  /* in struct node_config */
	int64_t min, max; /* of NUMBER and SECONDS */
	const char *text; /* defaults; NULL and 0: "" and 0 */
	int64_t number;
} fields[] = {
#define IN(member) \
	offsetof(struct node_config, member), \
		sizeof(((struct node_config *)0)->member)
	{ "role", ROLE, IN(manager), 0, 0, NULL, 0 },
	{ "masters", MASTERS, IN(masters), 0, 0, NULL, 0 },
	{ "helper_pin", SECRET, IN(pin), 0, 0, NULL, 0 },
	{ "worker_secret", SECRET, IN(worker_secret), 0, 0, NULL, 0 },
	/* a manager's only; see has_manager_secret */
	{ "manager_secret", SECRET, IN(manager_secret), 0, 0, NULL, 0 },
	{ "secrets_other", SECRET, IN(others), 0, 0, NULL, 0 },
	{ "default_addr_pool", TEXT, IN(addr_pool), 0, 0, NULL, 0 },
	{ "ingress_subnet", TEXT, IN(ingress), 0, 0, NULL, 0 },
	{ "mtu", NUMBER, IN(mtu), 576, 65535, NULL, 0 },
	{ "rebalance", FLAG, IN(rebalance), 0, 0, NULL, 0 },
	{ "share_unlock_key", FLAG, IN(share_unlock_key), 0, 0, NULL, 0 },
	{ "image_list", TEXT, IN(image_list), 0, 0, NULL, 0 },
	{ "marker_url", TEXT, IN(marker_url), 0, 0, NULL, 0 },
	{ "images_url", TEXT, IN(images_url), 0, 0, NULL, 0 },
	{ "docker_socket", TEXT, IN(docker_socket), 0, 0, DOCKER_SOCKET, 0 },
	{ "listen", ADDRESS, IN(listen), 0, 0, "0.0.0.0", 0 },
	{ "helper_port", NUMBER, IN(helper_port), 1, 65535, NULL,
	  LAYOUT_HELPER_PORT },
	{ "health_port", NUMBER, IN(health_port), 1, 65535, NULL,
	  LAYOUT_HEALTH_PORT },
	{ "rate", NUMBER, IN(rate), 1, 100000, NULL, 5 },
	{ "grace_s", SECONDS, IN(grace_ms), 1, 86400, NULL, 120 },
	{ "leave_s", SECONDS, IN(leave_ms), 1, 86400, NULL, 90 },
	/* the load balancer asks every 5 s and believes the second refusal */
	{ "settle_s", SECONDS, IN(settle_ms), 0, 30, NULL, 11 },
	/* as cluster.json has it, and Azure no shorter */
	{ "probe_s", NUMBER, IN(probe_s), 1, 15, NULL, EVICT_PROBE_S },
	{ "metadata_host", TEXT, IN(metadata_host), 0, 0, LAYOUT_METADATA_HOST, 0 },
	{ "metadata_port", NUMBER, IN(metadata_port), 1, 65535, NULL, 80 },
	{ "helper_socket", TEXT, IN(helper_socket), 0, 0, LAYOUT_HELPER_SOCKET, 0 },
	{ "run_dir", TEXT, IN(run_dir), 0, 0, NULL, 0 },
	{ "state_dir", TEXT, IN(state_dir), 0, 0, NULL, 0 },
	{ "helper_key", TEXT, IN(key_path), 0, 0, NULL, 0 },
	{ "share_key", TEXT, IN(share_key), 0, 0, NULL, 0 },
	{ "share_dir", TEXT, IN(share_dir), 0, 0, LAYOUT_SHARE, 0 },
	{ "docker_root", TEXT, IN(docker_root), 0, 0, LAYOUT_DOCKER_ROOT, 0 },
#undef IN
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool is_address(const char *s)
{
	uint8_t a[16];

	return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* ---- a number in its place ---- */

static int64_t get_number(const struct node_config *c, const struct field *f)
{
	const char *at = (const char *)c + f->at;
	unsigned v;
	int64_t ms;

	if (f->kind == NUMBER) {
		memcpy(&v, at, sizeof(v));
		return v;
	}
	memcpy(&ms, at, sizeof(ms));
	return ms / 1000;
}

static void set_number(struct node_config *c, const struct field *f, int64_t n)
{
	char *at = (char *)c + f->at;
	unsigned v = (unsigned)n;
	int64_t ms = n * 1000;

	if (f->kind == NUMBER)
		memcpy(at, &v, sizeof(v));
	else
		memcpy(at, &ms, sizeof(ms));
}

void node_config_init(struct node_config *c)
{
	*c = (struct node_config){ 0 };
	for (const struct field *f = fields; f < fields + N_FIELDS; f++) {
		if (f->text != NULL)
			memcpy((char *)c + f->at, f->text, strlen(f->text) + 1);
		if (f->number != 0)
			set_number(c, f, f->number);
	}
}

/* ---- writing ---- */

static void write_masters(const struct node_config *c, const struct field *f,
			  cJSON *doc)
{
	cJSON *list = json_add_arr(doc, f->key);

	for (unsigned i = 0; i < c->n_masters; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(c->masters[i]));
}

static bool has_secret(const struct node_config *c, const struct field *f)
{
	if (f->at == offsetof(struct node_config, others))
		return c->has_others;
	return f->at != offsetof(struct node_config, manager_secret) ||
	       c->has_manager_secret;
}

static void write_secret(const struct node_config *c, const struct field *f,
			 cJSON *doc)
{
	struct buf hex = BUF_INIT(2 * f->size);

	if (has_secret(c, f)) {
		buf_add_hex(&hex, (const char *)c + f->at, f->size);
		json_add_str(doc, f->key, hex.str);
	}
	buf_burn(&hex);
}

void node_config_write(const struct node_config *c, struct buf *out)
{
	cJSON *doc = cJSON_CreateObject();

	for (const struct field *f = fields; f < fields + N_FIELDS; f++) {
		const char *text = (const char *)c + f->at;

		switch (f->kind) {
		case ROLE:
			json_add_str(doc, f->key,
				     c->manager ? "manager" : "worker");
			break;
		case MASTERS:
			write_masters(c, f, doc);
			break;
		case SECRET:
			write_secret(c, f, doc);
			break;
		case TEXT:
		case ADDRESS:
			if (strcmp(text, f->text != NULL ? f->text : "") != 0)
				json_add_str(doc, f->key, text);
			break;
		case FLAG:
			if (*(const bool *)text)
				json_add_bool(doc, f->key, true);
			break;
		case NUMBER:
		case SECONDS:
			if (get_number(c, f) != f->number)
				json_add_int(doc, f->key, get_number(c, f));
			break;
		}
	}
	json_print(doc, out);
	json_burn(doc);
}

/* ---- reading ---- */

static int read_role(struct node_config *c, const struct field *f,
		     const cJSON *doc, struct err *e)
{
	const char *v = json_str(doc, f->key, e);

	if (v == NULL)
		return -1;
	c->manager = strcmp(v, "manager") == 0;
	if (!c->manager && strcmp(v, "worker") != 0)
		return err_set(e, ERR_DATA,
			       "%s: \"%s\" is neither manager nor worker",
			       f->key, v);
	return 0;
}

static int read_masters(struct node_config *c, const struct field *f,
			const cJSON *doc, struct err *e)
{
	const cJSON *list = json_arr(doc, f->key, e), *m;

	if (list == NULL)
		return -1;
	cJSON_ArrayForEach(m, list) {
		const char *a = json_str_opt(m, "", "");

		if (c->n_masters == LAYOUT_MASTERS_MAX)
			return err_set(e, ERR_DATA, "%s: more than %d", f->key,
				       LAYOUT_MASTERS_MAX);
		if (strlen(a) >= sizeof(c->masters[0]) || !is_address(a))
			return err_set(e, ERR_DATA,
				       "%s[%u]: expected a numeric address",
				       f->key, c->n_masters);
		memcpy(c->masters[c->n_masters++], a, strlen(a) + 1);
	}
	return c->n_masters > 0 ? 0 : err_set(e, ERR_DATA, "%s: none", f->key);
}

static int read_secret(struct node_config *c, const struct field *f,
		       const cJSON *doc, struct err *e)
{
	struct buf b = BUF_INIT(f->size);
	struct err why = ERR_INIT;
	const char *v;
	int rc = 0;

	if (f->at == offsetof(struct node_config, manager_secret))
		c->has_manager_secret = c->manager ||
					json_at(doc, f->key) != NULL;
	if (f->at == offsetof(struct node_config, others))
		c->has_others = json_at(doc, f->key) != NULL;
	if (!has_secret(c, f))
		return 0;
	if ((v = json_str(doc, f->key, e)) == NULL)
		return -1;
	/* the value may be a secret: it is not shown */
	if (strlen(v) != 2 * f->size ||
	    buf_add_unhex(&b, str_of(v), &why) < 0 || b.n != f->size)
		rc = err_set(e, ERR_DATA, "%s: expected %zu hexadecimal digits",
			     f->key, 2 * f->size);
	else
		memcpy((char *)c + f->at, b.str, f->size);
	buf_burn(&b);
	return rc;
}

static int read_text(struct node_config *c, const struct field *f,
		     const cJSON *doc, struct err *e)
{
	const char *v;

	if (json_get(doc, f->key) == NULL)
		return 0;
	v = json_str(doc, f->key, e);
	if (v == NULL)
		return -1;
	if (strlen(v) >= f->size)
		return err_set(e, ERR_DATA, "%s: longer than %zu characters",
			       f->key, f->size - 1);
	if (f->kind == ADDRESS && !is_address(v))
		return err_set(e, ERR_DATA, "%s: expected a numeric address",
			       f->key);
	memcpy((char *)c + f->at, v, strlen(v) + 1);
	return 0;
}

static int read_flag(struct node_config *c, const struct field *f,
		     const cJSON *doc, struct err *e)
{
	const cJSON *v = json_at(doc, f->key);
	bool on = cJSON_IsTrue(v);

	if (v != NULL && !cJSON_IsBool(v))
		return err_set(e, ERR_DATA, "%s: expected true or false", f->key);
	memcpy((char *)c + f->at, &on, sizeof(on));
	return 0;
}

static int read_number(struct node_config *c, const struct field *f,
		       const cJSON *doc, struct err *e)
{
	int64_t v;

	if (json_at(doc, f->key) == NULL)
		return 0;
	if (json_int(doc, f->key, f->min, f->max, &v, e) < 0)
		return -1;
	set_number(c, f, v);
	return 0;
}

static int read_field(struct node_config *c, const struct field *f,
		      const cJSON *doc, struct err *e)
{
	switch (f->kind) {
	case ROLE:
		return read_role(c, f, doc, e);
	case MASTERS:
		return read_masters(c, f, doc, e);
	case SECRET:
		return read_secret(c, f, doc, e);
	case TEXT:
	case ADDRESS:
		return read_text(c, f, doc, e);
	case FLAG:
		return read_flag(c, f, doc, e);
	case NUMBER:
	case SECONDS:
		return read_number(c, f, doc, e);
	}
	return 0;
}

/* A path that is not said is that of a file beside node.json. */
static int beside(char *to, size_t size, const char *path, const char *key,
		  const char *name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	int folder = slash == NULL ? 0 : (int)(slash - path) + 1;

	if (*to == '\0' &&
	    snprintf(to, size, "%.*s%s", folder, path, name) >= (int)size)
		return err_set(e, ERR_DATA, "%s: longer than %zu characters",
			       key, size - 1);
	return 0;
}

/* A folder that is not said is the one that systemd made for the service. */
static int from_systemd(char *to, size_t size, const char *key,
			const char *variable, const char *dflt, struct err *e)
{
	const char *dir = getenv(variable);

	if (dir == NULL || *dir != '/')
		dir = dflt;
	if (*to == '\0' && snprintf(to, size, "%s", dir) >= (int)size)
		return err_set(e, ERR_DATA, "%s: longer than %zu characters",
			       key, size - 1);
	return 0;
}

/* The paths that are not said, from where node.json is and from systemd. */
static int fill_paths(struct node_config *c, const char *path, struct err *e)
{
	if (from_systemd(c->run_dir, sizeof(c->run_dir), "run_dir",
			 "RUNTIME_DIRECTORY", LAYOUT_AGENT_RUN, e) < 0 ||
	    from_systemd(c->state_dir, sizeof(c->state_dir), "state_dir",
			 "STATE_DIRECTORY",
			 c->manager ? LAYOUT_HELPER_STATE : LAYOUT_AGENT_STATE,
			 e) < 0)
		return -1;
	if (beside(c->key_path, sizeof(c->key_path), path, "helper_key",
		   LAYOUT_HELPER_KEY, e) < 0)
		return -1;
	return beside(c->share_key, sizeof(c->share_key), path, "share_key",
		      LAYOUT_SHARE_KEY, e);
}

static int private_file(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, ERR_IO, "stat");
	if ((st.st_mode & 077) != 0)
		return err_set(
			e, ERR_DATA,
			"others may read it, and it holds secrets: chmod 0600");
	return 0;
}

int node_config_read(struct node_config *c, const char *path, struct err *e)
{
	struct buf b = BUF_INIT(CONFIG_MAX);
	cJSON *doc = NULL;
	int rc = -1;

	node_config_init(c);
	if (private_file(path, e) < 0 || file_read(path, &b, e) < 0)
		goto out;
	doc = json_parse(buf_str(&b), "node configuration", e);
	if (doc == NULL)
		goto out;
	for (const struct field *f = fields; f < fields + N_FIELDS; f++)
		if (read_field(c, f, doc, e) < 0)
			goto out;
	if (c->has_manager_secret &&
	    memcmp(c->manager_secret, c->worker_secret, NODE_SECRET_LEN) == 0) {
		err_set(e, ERR_DATA, "manager_secret: the same as worker_secret");
		goto out;
	}
	rc = fill_paths(c, path, e);
out:
	if (rc < 0) {
		err_in(e, "%s", path);
		node_config_burn(c);
	}
	json_burn(doc);
	buf_burn(&b);
	return rc;
}

void node_config_burn(struct node_config *c)
{
	burn(c, sizeof(*c));
}
