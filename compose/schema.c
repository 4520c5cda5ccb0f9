/*
 * What a compose file may say, and where: a table of each map's members.  Variables
 * are substituted on the way, and what they made becomes the kind that is wanted
 * there.  What the Engine makes of values is not known here.
 *
 * Source: Compose file reference 3.13, and the Compose Specification where that is
 * newer: build and depends_on as maps, numbers as texts and texts as numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "compose/inner.h"

enum rule_flags {
	IGNORED = 1 << 0, /* Swarm does not look at it: named, not looked into */
	OPEN = 1 << 1,	 /* members that are not known are ignored, and named */
	UNIQUE = 1 << 2, /* no item is there twice */
	NAMES = 1 << 3,	 /* members are named as services are */
	NEGATIVE = 1 << 4, /* may be below 0 */
	REFUSED = 1 << 5,  /* and what is written instead */
};

#define WHOLE_MAX 1000000000000000 /* every one below is a double, too */
#define NAME_SHOWN 200		   /* bytes of a name in messages */

/*
 * Rules refer to each other by numbers, for a pointer is relocated in every process of
 * this program, and most of those run on nodes, which read no compose files.
 */
#define TABLES(X) \
	X(a_text) \
	X(a_scalar) \
	X(options) \
	X(update_members) \
	X(limit_members) \
	X(discrete_members) \
	X(generic_members) \
	X(generic_item) \
	X(reservation_members) \
	X(resource_members) \
	X(restart_members) \
	X(preference_members) \
	X(preference_item) \
	X(placement_members) \
	X(deploy_members) \
	X(health_members) \
	X(file_members) \
	X(file_item) \
	X(env_file_members) \
	X(env_file_item) \
	X(port_members) \
	X(port_item) \
	X(bind_members) \
	X(volume_members) \
	X(image_members) \
	X(tmpfs_members) \
	X(no_members) \
	X(mount_members) \
	X(mount_item) \
	X(attachment_members) \
	X(attachment) \
	X(logging_members) \
	X(credential_members) \
	X(ulimit_members) \
	X(ulimit) \
	X(service_members) \
	X(external_members) \
	X(pool_members) \
	X(pool_item) \
	X(ipam_members) \
	X(network_members) \
	X(own_volume_members) \
	X(secret_members) \
	X(config_members) \
	X(file_sections) \
	X(each_service) \
	X(each_network) \
	X(each_volume) \
	X(each_secret) \
	X(each_config)
#define TABLE_NUMBER(name) OF_##name,
enum table { OF_NONE, TABLES(TABLE_NUMBER) };

enum instead { OR_ANCHOR, WRITTEN_OUT, OWN_VOLUMES, BOTH_SERVICES, LIMITS };

struct rule {
	char name[24]; /* "*": any other; "": the end */
	uint16_t kinds;
	uint8_t flags;
	uint8_t members; /* of a map: enum table */
	uint8_t item;	 /* of a list: the first of that */
	uint8_t instead; /* of what is REFUSED: enum instead */
};

/* ---- the table ---- */

#define ANY 0 /* kinds: not looked at */
#define SCALAR (NODE_STRING | NODE_INT | NODE_FLOAT | NODE_BOOL | NODE_NULL)
#define NUMBER (NODE_INT | NODE_FLOAT)

#define TEXT(n) \
	{ \
		.name = n, .kinds = NODE_STRING \
	}
#define YES_NO(n) \
	{ \
		.name = n, .kinds = NODE_BOOL \
	}
#define COUNT(n) \
	{ \
		.name = n, .kinds = NODE_INT \
	}
#define REAL(n) \
	{ \
		.name = n, .kinds = NUMBER \
	}
/* with or without a unit */
#define SIZE(n) \
	{ \
		.name = n, .kinds = NODE_STRING | NUMBER \
	}
#define MEMBERS(n, m) \
	{ \
		.name = n, .kinds = NODE_MAP, .members = OF_##m \
	}
#define LIST(n, i) \
	{ \
		.name = n, .kinds = NODE_LIST, .item = OF_##i \
	}
#define TEXTS(n) \
	{ \
		.name = n, .kinds = NODE_LIST, .item = OF_a_text, .flags = UNIQUE \
	}
#define TEXT_OR_TEXTS(n) \
	{ \
		.name = n, .kinds = NODE_STRING | NODE_LIST, .item = OF_a_text \
	}
/* A map, or a list of "A=B" */
#define PAIRS(n) \
	{ \
		.name = n, .kinds = NODE_MAP | NODE_LIST, \
		.members = OF_a_scalar, .item = OF_a_text, .flags = UNIQUE \
	}
#define NOT_SWARM(n) \
	{ \
		.name = n, .flags = IGNORED \
	}
#define NEVER(n, what) \
	{ \
		.name = n, .flags = REFUSED, .instead = what \
	}
#define END \
	{ \
		.name = "" \
	}

static const struct rule a_text[] = { TEXT("*"), END };
static const struct rule a_scalar[] = { { .name = "*", .kinds = SCALAR }, END };
static const struct rule options[] = {
	{ .name = "*", .kinds = NODE_STRING | NUMBER | NODE_BOOL },
	END
};
#define OPTIONS(n) MEMBERS(n, options)

static const struct rule update_members[] = {
	COUNT("parallelism"),
	TEXT("delay"),
	TEXT("failure_action"),
	TEXT("monitor"),
	TEXT("order"),
	REAL("max_failure_ratio"),
	END,
};

static const struct rule limit_members[] = {
	SIZE("cpus"),
	SIZE("memory"),
	{ .name = "pids", .kinds = NODE_INT, .flags = NEGATIVE },
	END,
};

static const struct rule discrete_members[] = { TEXT("kind"), COUNT("value"),
						END };
static const struct rule generic_members[] = {
	MEMBERS("discrete_resource_spec", discrete_members), END
};
static const struct rule generic_item[] = { MEMBERS("*", generic_members), END };
static const struct rule reservation_members[] = {
	SIZE("cpus"),
	SIZE("memory"),
	LIST("generic_resources", generic_item),
	NOT_SWARM("devices"),
	END,
};
static const struct rule resource_members[] = {
	MEMBERS("limits", limit_members),
	MEMBERS("reservations", reservation_members),
	END,
};

static const struct rule restart_members[] = {
	TEXT("condition"), TEXT("delay"), COUNT("max_attempts"),
	TEXT("window"),	   END,
};

static const struct rule preference_members[] = { TEXT("spread"), END };
static const struct rule preference_item[] = { MEMBERS("*", preference_members),
					       END };
static const struct rule placement_members[] = {
	LIST("constraints", a_text),
	LIST("preferences", preference_item),
	COUNT("max_replicas_per_node"),
	END,
};

static const struct rule deploy_members[] = {
	TEXT("mode"),
	TEXT("endpoint_mode"),
	COUNT("replicas"),
	PAIRS("labels"),
	MEMBERS("update_config", update_members),
	MEMBERS("rollback_config", update_members),
	MEMBERS("resources", resource_members),
	MEMBERS("restart_policy", restart_members),
	MEMBERS("placement", placement_members),
	END,
};

static const struct rule health_members[] = {
	YES_NO("disable"),     TEXT("interval"),
	COUNT("retries"),      TEXT("timeout"),
	TEXT("start_period"),  TEXT("start_interval"),
	TEXT_OR_TEXTS("test"), END,
};

static const struct rule file_members[] = {
	TEXT("source"), TEXT("target"), SIZE("uid"),
	SIZE("gid"),	COUNT("mode"),	END,
};
static const struct rule file_item[] = { { .name = "*",
					   .kinds = NODE_STRING | NODE_MAP,
					   .flags = OPEN,
					   .members = OF_file_members },
					 END };

static const struct rule env_file_members[] = {
	TEXT("path"),
	YES_NO("required"),
	NOT_SWARM("format"),
	END,
};
static const struct rule env_file_item[] = { { .name = "*",
					       .kinds = NODE_STRING | NODE_MAP,
					       .members = OF_env_file_members },
					     END };

static const struct rule port_members[] = {
	TEXT("mode"),
	COUNT("target"),
	COUNT("published"),
	TEXT("protocol"),
	NOT_SWARM("name"),
	NOT_SWARM("host_ip"),
	NOT_SWARM("app_protocol"),
	END,
};
static const struct rule port_item[] = { { .name = "*",
					   .kinds = NODE_STRING | NODE_INT |
						    NODE_MAP,
					   .members = OF_port_members },
					 END };

static const struct rule bind_members[] = { TEXT("propagation"), END };
static const struct rule volume_members[] = { YES_NO("nocopy"), TEXT("subpath"),
					      END };
static const struct rule image_members[] = { TEXT("subpath"), END };
static const struct rule tmpfs_members[] = { SIZE("size"), END };
static const struct rule no_members[] = { END };
#define OPEN_MEMBERS(n, m) \
	{ \
		.name = n, .kinds = NODE_MAP, .flags = OPEN, .members = OF_##m \
	}
static const struct rule mount_members[] = {
	TEXT("type"),
	TEXT("source"),
	TEXT("target"),
	YES_NO("read_only"),
	TEXT("consistency"),
	OPEN_MEMBERS("bind", bind_members),
	OPEN_MEMBERS("volume", volume_members),
	OPEN_MEMBERS("image", image_members),
	OPEN_MEMBERS("tmpfs", tmpfs_members),
	OPEN_MEMBERS("cluster", no_members),
	END,
};
static const struct rule mount_item[] = { { .name = "*",
					    .kinds = NODE_STRING | NODE_MAP,
					    .members = OF_mount_members },
					  END };

static const struct rule attachment_members[] = {
	TEXTS("aliases"),
	OPTIONS("driver_opts"),
	NOT_SWARM("ipv4_address"),
	NOT_SWARM("ipv6_address"),
	NOT_SWARM("link_local_ips"),
	NOT_SWARM("mac_address"),
	NOT_SWARM("priority"),
	NOT_SWARM("gw_priority"),
	NOT_SWARM("interface_name"),
	END,
};
static const struct rule attachment[] = { { .name = "*",
					    .kinds = NODE_MAP | NODE_NULL,
					    .members = OF_attachment_members },
					  END };

static const struct rule logging_members[] = {
	TEXT("driver"),
	MEMBERS("options", a_scalar),
	END,
};

static const struct rule credential_members[] = {
	TEXT("config"),
	TEXT("file"),
	TEXT("registry"),
	END,
};

static const struct rule ulimit_members[] = {
	{ .name = "soft", .kinds = NODE_INT, .flags = NEGATIVE },
	{ .name = "hard", .kinds = NODE_INT, .flags = NEGATIVE },
	END,
};
static const struct rule ulimit[] = { { .name = "*",
					.kinds = NODE_INT | NODE_MAP,
					.flags = NEGATIVE,
					.members = OF_ulimit_members },
				      END };

static const struct rule service_members[] = {
	/* what Swarm has */
	TEXT("image"),
	TEXT_OR_TEXTS("command"),
	TEXT_OR_TEXTS("entrypoint"),
	PAIRS("environment"),
	{ .name = "env_file",
	  .kinds = NODE_STRING | NODE_LIST,
	  .item = OF_env_file_item },
	{ .name = "ports", .kinds = NODE_LIST, .flags = UNIQUE, .item = OF_port_item },
	{ .name = "networks",
	  .kinds = NODE_LIST | NODE_MAP,
	  .flags = UNIQUE | NAMES,
	  .item = OF_a_text,
	  .members = OF_attachment },
	LIST("volumes", mount_item),
	LIST("configs", file_item),
	LIST("secrets", file_item),
	PAIRS("labels"),
	TEXT("hostname"),
	TEXT("user"),
	TEXT("working_dir"),
	YES_NO("tty"),
	YES_NO("stdin_open"),
	YES_NO("read_only"),
	YES_NO("init"),
	TEXTS("cap_add"),
	TEXTS("cap_drop"),
	PAIRS("sysctls"),
	MEMBERS("ulimits", ulimit),
	PAIRS("extra_hosts"),
	TEXT_OR_TEXTS("dns"),
	TEXT_OR_TEXTS("dns_search"),
	TEXT("stop_signal"),
	TEXT("stop_grace_period"),
	TEXT("isolation"),
	MEMBERS("credential_spec", credential_members),
	MEMBERS("healthcheck", health_members),
	MEMBERS("logging", logging_members),
	{ .name = "deploy",
	  .kinds = NODE_MAP | NODE_NULL,
	  .members = OF_deploy_members },
	TEXT("restart"),
	NOT_SWARM("build"),
	/* what it has not, as docker's own list has it, */
	NOT_SWARM("cgroup_parent"),
	NOT_SWARM("cgroupns_mode"),
	NOT_SWARM("container_name"),
	NOT_SWARM("depends_on"),
	NOT_SWARM("devices"),
	NOT_SWARM("domainname"),
	NOT_SWARM("expose"),
	NOT_SWARM("external_links"),
	NOT_SWARM("ipc"),
	NOT_SWARM("links"),
	NOT_SWARM("mac_address"),
	NOT_SWARM("network_mode"),
	NOT_SWARM("oom_score_adj"),
	NOT_SWARM("pid"),
	NOT_SWARM("privileged"),
	NOT_SWARM("security_opt"),
	NOT_SWARM("shm_size"),
	NOT_SWARM("tmpfs"),
	NOT_SWARM("userns_mode"),
	/* and of the Compose Specification what docker stack does not know */
	NOT_SWARM("annotations"),
	NOT_SWARM("attach"),
	NOT_SWARM("blkio_config"),
	NOT_SWARM("cgroup"),
	NOT_SWARM("cpu_count"),
	NOT_SWARM("cpu_percent"),
	NOT_SWARM("cpu_period"),
	NOT_SWARM("cpu_rt_period"),
	NOT_SWARM("cpu_rt_runtime"),
	NOT_SWARM("cpus"),
	NOT_SWARM("develop"),
	NOT_SWARM("device_cgroup_rules"),
	NOT_SWARM("dns_opt"),
	NOT_SWARM("gpus"),
	NOT_SWARM("group_add"),
	NOT_SWARM("mem_reservation"),
	NOT_SWARM("mem_swappiness"),
	NOT_SWARM("oom_kill_disable"),
	NOT_SWARM("pids_limit"),
	NOT_SWARM("platform"),
	NOT_SWARM("post_start"),
	NOT_SWARM("pre_stop"),
	NOT_SWARM("profiles"),
	NOT_SWARM("pull_policy"),
	NOT_SWARM("runtime"),
	NOT_SWARM("scale"),
	NOT_SWARM("storage_opt"),
	NOT_SWARM("uts"),
	/* what would be something else without it */
	NEVER("extends", OR_ANCHOR),
	NEVER("volume_driver", OWN_VOLUMES),
	NEVER("volumes_from", BOTH_SERVICES),
	NEVER("cpu_quota", LIMITS),
	NEVER("cpu_shares", LIMITS),
	NEVER("cpuset", LIMITS),
	NEVER("mem_limit", LIMITS),
	NEVER("memswap_limit", LIMITS),
	END,
};

static const struct rule external_members[] = { TEXT("name"), END };
#define EXTERNAL \
	{ \
		.name = "external", .kinds = NODE_BOOL | NODE_MAP, \
		.members = OF_external_members \
	}

static const struct rule pool_members[] = {
	TEXT("subnet"),
	TEXT("gateway"),
	TEXT("ip_range"),
	NOT_SWARM("aux_addresses"),
	END,
};
static const struct rule pool_item[] = { MEMBERS("*", pool_members), END };
static const struct rule ipam_members[] = {
	TEXT("driver"),
	LIST("config", pool_item),
	OPTIONS("options"),
	END,
};
static const struct rule network_members[] = {
	TEXT("name"),
	TEXT("driver"),
	OPTIONS("driver_opts"),
	MEMBERS("ipam", ipam_members),
	EXTERNAL,
	YES_NO("internal"),
	YES_NO("attachable"),
	PAIRS("labels"),
	NOT_SWARM("enable_ipv4"),
	NOT_SWARM("enable_ipv6"),
	END,
};

static const struct rule own_volume_members[] = {
	TEXT("name"), TEXT("driver"),  OPTIONS("driver_opts"),
	EXTERNAL,     PAIRS("labels"), END,
};

static const struct rule secret_members[] = {
	TEXT("name"),
	TEXT("file"),
	EXTERNAL,
	PAIRS("labels"),
	TEXT("driver"),
	OPTIONS("driver_opts"),
	TEXT("environment"),
	TEXT("template_driver"),
	END,
};
static const struct rule config_members[] = {
	TEXT("name"),
	TEXT("file"),
	EXTERNAL,
	PAIRS("labels"),
	TEXT("content"),
	TEXT("environment"),
	TEXT("template_driver"),
	END,
};

#define EACH(n, kind, m) \
	static const struct rule n[] = { \
		{ .name = "*", .kinds = kind, .members = OF_##m }, \
		END \
	}
EACH(each_service, NODE_MAP, service_members);
EACH(each_network, NODE_MAP | NODE_NULL, network_members);
EACH(each_volume, NODE_MAP | NODE_NULL, own_volume_members);
EACH(each_secret, NODE_MAP, secret_members);
EACH(each_config, NODE_MAP, config_members);

#define SECTION(n, m) \
	{ \
		.name = n, .kinds = NODE_MAP, .flags = NAMES, .members = OF_##m \
	}
static const struct rule file_sections[] = {
	{ .name = "version", .kinds = NODE_STRING | NUMBER },
	TEXT("name"),
	SECTION("services", each_service),
	SECTION("networks", each_network),
	SECTION("volumes", each_volume),
	SECTION("secrets", each_secret),
	SECTION("configs", each_config),
	NEVER("include", WRITTEN_OUT),
	NOT_SWARM("models"),
	END,
};
static const struct rule whole_file = MEMBERS("", file_sections);

#define TABLE_ROW(name) [OF_##name] = name,
static const struct rule *const tables[] = { TABLES(TABLE_ROW) };

static const char *const insteads[] = {
	[OR_ANCHOR] = "write out what it would bring, or use an anchor",
	[WRITTEN_OUT] = "write out what it would bring",
	[OWN_VOLUMES] = "name the driver in the file's own volumes",
	[BOTH_SERVICES] = "name the volume in both services",
	[LIMITS] = "write deploy.resources.limits in its place",
};

/* ---- holding a file against it ---- */

struct walk {
	struct load *l;
	struct buf path; /* services.web.ports[0] */
	struct err *e;
};

static int apply(struct walk *w, struct node *n, const struct rule *r);

/* "web: ports.host_ip" of services.web.ports[0].host_ip */
static void ignore(struct walk *w)
{
	struct str path = buf_str(&w->path), service, section;
	struct buf b = BUF_INIT(400);

	if (str_cut(&path, '.', &section) && str_eqz(section, "services") &&
	    str_cut(&path, '.', &service))
		buf_addf(&b, "%.*s: ", STR_ARG(service));
	else
		path = buf_str(&w->path);
	for (; path.n > 0; path = str_skip(path, 1)) {
		if (path.p[0] == '[')
			while (path.n > 1 && path.p[0] != ']')
				path = str_skip(path, 1);
		else
			buf_addc(&b, path.p[0]);
	}
	load_ignored(w->l, "%s", b.str);
	buf_release(&b);
}

static const struct rule *member_rule(const struct rule *members, const char *name)
{
	const struct rule *r = members;

	for (; r->name[0] != '\0'; r++)
		if (strcmp(r->name, name) == 0 || strcmp(r->name, "*") == 0)
			return r;
	return NULL;
}

static int unknown(struct walk *w, const struct node *n, const struct rule *members)
{
	const char *nearest = NULL;
	size_t len = strlen(n->name);
	unsigned best = len < 4 ? 2 : (unsigned)len / 4 + 2;

	for (const struct rule *r = members; r->name[0] != '\0'; r++) {
		unsigned d = str_distance(n->name, r->name);

		if (d < best && !(r->flags & (IGNORED | REFUSED))) {
			best = d;
			nearest = r->name;
		}
	}
	return load_bad(w->l, n, w->e,
			"%s: a compose file has no such thing here%s%s%s",
			w->path.str, nearest ? "; did you mean " : "",
			nearest ? nearest : "", nearest ? "?" : "");
}

static bool is_name(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!is_alnum(*p) && strchr("._-", *p) == NULL)
			return false;
	return *name != '\0';
}

static int apply_member(struct walk *w, struct node *n, const struct rule *map)
{
	const struct rule *r;
	size_t before = w->path.n;
	int rc = 0;

	if (strncmp(n->name, "x-", 2) == 0 &&
	    strcmp(tables[map->members]->name, "*") != 0)
		return 0;
	buf_addf(&w->path, "%s%.*s", before > 0 ? "." : "", NAME_SHOWN, n->name);
	r = member_rule(tables[map->members], n->name);
	if (r == NULL && (map->flags & OPEN))
		ignore(w);
	else if (r == NULL)
		rc = unknown(w, n, tables[map->members]);
	else if ((map->flags & NAMES) && strcmp(r->name, "*") == 0 &&
		 !is_name(n->name))
		rc = load_bad(w->l, n, w->e,
			      "%s: a name is of letters, digits, '.', '_' and '-'",
			      w->path.str);
	else
		rc = apply(w, n, r);
	buf_truncate(&w->path, before);
	return rc;
}

static bool same(const struct node *a, const struct node *b)
{
	if (a->kind != b->kind || a->n != b->n ||
	    (a->name != NULL && strcmp(a->name, b->name) != 0) ||
	    (a->text != NULL && strcmp(a->text, b->text) != 0))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same(a->item[i], b->item[i]))
			return false;
	return true;
}

static int apply_item(struct walk *w, struct node *list, size_t i,
		      const struct rule *r)
{
	size_t before = w->path.n;
	int rc;

	buf_addf(&w->path, "[%zu]", i);
	rc = apply(w, list->item[i], tables[r->item]);
	for (size_t j = 0; rc == 0 && (r->flags & UNIQUE) && j < i; j++)
		if (same(list->item[i], list->item[j]))
			rc = load_bad(w->l, list->item[i], w->e,
				      "%s: is there twice, first on line %u",
				      w->path.str, list->item[j]->line);
	buf_truncate(&w->path, before);
	return rc;
}

/* A text as what is wanted in its place, where it is one. */
static void cast(struct node *n, unsigned kinds)
{
	static const char *const yes = "y yes true on", *const no = "n no false off";
	struct str text = str_of(n->text), left = text;
	bool minus = left.n > 0 && left.p[0] == '-';
	uint64_t v;
	char *end;

	if ((kinds & NODE_BOOL) &&
	    (str_listed(yes, n->text) || str_listed(no, n->text))) {
		n->kind = NODE_BOOL;
		n->yes = str_listed(yes, n->text);
		return;
	}
	if (minus || (left.n > 0 && left.p[0] == '+'))
		left = str_skip(left, 1);
	if ((kinds & NODE_INT) && str_num(left, WHOLE_MAX, &v)) {
		n->kind = NODE_INT;
		n->whole = minus ? -(int64_t)v : (int64_t)v;
		n->real = (double)n->whole;
	} else if ((kinds & NODE_FLOAT) && left.n > 0 && left.n < 40 &&
		   strspn(left.p, "0123456789.eE+-") == left.n) {
		double real = strtod(n->text, &end);

		if (*end == '\0') {
			n->kind = NODE_FLOAT;
			n->real = real;
		}
	}
}

static int substitute(struct walk *w, struct node *n)
{
	struct buf b = BUF_INIT(YAML_TEXT_MAX);
	bool changed = false;
	int rc;

	if (strchr(n->text, '$') == NULL)
		return 0;
	rc = vars_expand(w->l, n, w->path.str, &b, &changed, w->e);
	w->l->scalars += b.n;
	if (rc == 0 && w->l->scalars > YAML_SCALARS_MAX)
		rc = load_bad(w->l, n, w->e,
			      "the file is too large with its variables");
	if (rc == 0 && changed) {
		burn_str(n->text);
		n->text = buf_detach(&b);
	}
	buf_burn(&b);
	return rc;
}

static int wrong_kind(struct walk *w, const struct node *n, const struct rule *r)
{
	struct buf want = BUF_INIT(200), got = BUF_INIT(200);
	bool quotes = (r->kinds & NODE_STRING) && (n->kind & SCALAR) &&
		      n->kind != NODE_NULL;

	load_bad(w->l, n, w->e, "%s: expected %s, found %s%s",
		 w->path.n > 0 ? w->path.str : "the file",
		 node_kind_name(r->kinds & ~(unsigned)NODE_NULL, &want),
		 node_kind_name(n->kind, &got),
		 quotes ? ": put it in quotes" : "");
	buf_release(&want);
	buf_release(&got);
	return -1;
}

static int apply_number(struct walk *w, const struct node *n, const struct rule *r)
{
	double low = r->flags & NEGATIVE ? -(double)WHOLE_MAX : 0;

	if (n->real >= low && n->real <= (double)WHOLE_MAX)
		return 0;
	return load_bad(w->l, n, w->e, "%s: is %s", w->path.str,
			n->real < low ? "below 0" : "too large a number");
}

static int apply(struct walk *w, struct node *n, const struct rule *r)
{
	if (r->flags & REFUSED)
		return load_bad(w->l, n, w->e, "%s: is not taken; %s",
				w->path.str, insteads[r->instead]);
	if (r->flags & IGNORED) {
		ignore(w);
		return 0;
	}
	if (n->kind == NODE_STRING) {
		if (substitute(w, n) < 0)
			return -1;
		if (!(r->kinds & NODE_STRING))
			cast(n, r->kinds);
	}
	if (!(n->kind & r->kinds) &&
	    !(n->kind == NODE_INT && (r->kinds & NODE_FLOAT)))
		return wrong_kind(w, n, r);
	if ((n->kind & NUMBER) && !(r->kinds & NODE_STRING))
		return apply_number(w, n, r);
	for (size_t i = 0; i < n->n; i++) {
		int rc = n->kind == NODE_MAP ? apply_member(w, n->item[i], r) :
					       apply_item(w, n, i, r);

		if (rc < 0)
			return -1;
	}
	return 0;
}

int schema_apply(struct load *l, struct node *root, struct err *e)
{
	struct walk w = { .l = l, .path = BUF_INIT(2000), .e = e };
	int rc = apply(&w, root, &whole_file);

	buf_release(&w.path);
	return rc;
}
