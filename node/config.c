/*
 * node.json: what a machine knows about its cluster before it is a node.
 */
#include "node/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

#define CONFIG_MAX (64u << 10)

static bool is_address(const char *s)
{
	uint8_t a[16];

	return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

static int text(const cJSON *doc, const char *key, const char *dflt, char *to, size_t size,
		struct err *e)
{
	const char *v = json_str_opt(doc, key, dflt);

	if (strlen(v) >= size)
		return err_set(e, ERR_DATA, "%s: longer than %zu characters", key, size - 1);
	memcpy(to, v, strlen(v) + 1);
	return 0;
}

static int number(const cJSON *doc, const char *key, int64_t dflt, int64_t min, int64_t max,
		  int64_t *v, struct err *e)
{
	*v = dflt;
	if (json_at(doc, key) == NULL)
		return 0;
	return json_int(doc, key, min, max, v, e);
}

static int hex32(const cJSON *doc, const char *key, uint8_t out[32], struct err *e)
{
	const char *v = json_str(doc, key, e);
	struct buf b = BUF_INIT(32);
	struct err why = ERR_INIT;
	int rc = 0;

	if (v == NULL)
		return -1;
	/* the value may be a secret: it is not shown */
	if (strlen(v) != 64 || buf_add_unhex(&b, str_of(v), &why) < 0 || b.n != 32)
		rc = err_set(e, ERR_DATA, "%s: expected 64 hexadecimal digits", key);
	else
		memcpy(out, b.str, 32);
	buf_burn(&b);
	return rc;
}

static int masters(const cJSON *doc, struct node_config *c, struct err *e)
{
	const cJSON *list = json_arr(doc, "masters", e), *m;

	if (list == NULL)
		return -1;
	cJSON_ArrayForEach(m, list) {
		const char *a = json_str_opt(m, "", "");

		if (c->n_masters == NODE_MASTERS_MAX)
			return err_set(e, ERR_DATA, "masters: more than %d", NODE_MASTERS_MAX);
		if (strlen(a) >= sizeof(c->masters[0]) || !is_address(a))
			return err_set(e, ERR_DATA, "masters[%u]: expected a numeric address",
				       c->n_masters);
		memcpy(c->masters[c->n_masters++], a, strlen(a) + 1);
	}
	if (c->n_masters == 0)
		return err_set(e, ERR_DATA, "masters: none");
	return 0;
}

static int role(const cJSON *doc, struct node_config *c, struct err *e)
{
	const char *v = json_str(doc, "role", e);

	if (v == NULL)
		return -1;
	c->manager = strcmp(v, "manager") == 0;
	if (!c->manager && strcmp(v, "worker") != 0)
		return err_set(e, ERR_DATA, "role: \"%s\" is neither manager nor worker", v);
	return 0;
}

static int secrets(const cJSON *doc, struct node_config *c, struct err *e)
{
	if (hex32(doc, "helper_pin", c->pin, e) < 0 ||
	    hex32(doc, "worker_secret", c->worker_secret, e) < 0)
		return -1;
	c->has_manager_secret = c->manager || json_at(doc, "manager_secret") != NULL;
	if (!c->has_manager_secret)
		return 0;
	if (hex32(doc, "manager_secret", c->manager_secret, e) < 0)
		return -1;
	if (memcmp(c->manager_secret, c->worker_secret, NODE_SECRET_LEN) == 0)
		return err_set(e, ERR_DATA, "manager_secret: the same as worker_secret");
	return 0;
}

static int ports_and_times(const cJSON *doc, struct node_config *c, struct err *e)
{
	int64_t v;

	if (number(doc, "mtu", 0, 576, 65535, &v, e) < 0)
		return -1;
	c->mtu = (unsigned)v;
	if (number(doc, "helper_port", 1337, 1, 65535, &v, e) < 0)
		return -1;
	c->helper_port = (unsigned)v;
	if (number(doc, "health_port", 1338, 1, 65535, &v, e) < 0)
		return -1;
	c->health_port = (unsigned)v;
	if (number(doc, "rate", 5, 1, 100000, &v, e) < 0)
		return -1;
	c->rate = (unsigned)v;
	if (number(doc, "grace_s", 120, 1, 86400, &v, e) < 0)
		return -1;
	c->grace_ms = v * 1000;
	if (number(doc, "leave_s", 90, 1, 86400, &v, e) < 0)
		return -1;
	c->leave_ms = v * 1000;
	/* the load balancer asks every 5 s and believes the second refusal */
	if (number(doc, "settle_s", 11, 0, 30, &v, e) < 0)
		return -1;
	c->settle_ms = v * 1000;
	return 0;
}

static int paths(const cJSON *doc, struct node_config *c, const char *path, struct err *e)
{
	const char *run = getenv("RUNTIME_DIRECTORY");	/* systemd's */
	const char *slash = strrchr(path, '/');
	char *key = xasprintf("%.*shelper.key", slash == NULL ? 0 : (int)(slash - path) + 1, path);
	int rc = -1;

	if (run == NULL || *run != '/')
		run = "/run/swarm-agent";
	if (text(doc, "default_addr_pool", "", c->addr_pool, sizeof(c->addr_pool), e) == 0 &&
	    text(doc, "ingress_subnet", "", c->ingress, sizeof(c->ingress), e) == 0 &&
	    text(doc, "docker_socket", "/var/run/docker.sock", c->docker_socket,
		 sizeof(c->docker_socket), e) == 0 &&
	    text(doc, "listen", "0.0.0.0", c->listen, sizeof(c->listen), e) == 0 &&
	    text(doc, "run_dir", run, c->run_dir, sizeof(c->run_dir), e) == 0 &&
	    text(doc, "helper_key", key, c->key_path, sizeof(c->key_path), e) == 0)
		rc = 0;
	free(key);
	return rc;
}

static int private_file(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, ERR_IO, "stat");
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_DATA, "others may read it, and it holds secrets: chmod 0600");
	return 0;
}

int node_config_read(struct node_config *c, const char *path, struct err *e)
{
	struct buf b = BUF_INIT(CONFIG_MAX);
	cJSON *doc = NULL;
	int rc = -1;

	*c = (struct node_config){ 0 };
	if (private_file(path, e) < 0 || file_read(path, &b, e) < 0)
		goto out;
	doc = json_parse(buf_str(&b), "node configuration", e);
	if (doc == NULL)
		goto out;
	if (role(doc, c, e) < 0 || masters(doc, c, e) < 0 || secrets(doc, c, e) < 0 ||
	    ports_and_times(doc, c, e) < 0 || paths(doc, c, path, e) < 0)
		goto out;
	if (!is_address(c->listen)) {
		err_set(e, ERR_DATA, "listen: expected a numeric address");
		goto out;
	}
	rc = 0;
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
