/*
 * The front of the room: a file in, bodies for the Engine out.  Names and files are
 * looked after here, and the sections that are no services.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "compose/inner.h"

#define STACK_NAME_MAX 63
#define CONFIG_MAX 1024000 /* bytes, as Swarm takes them */
#define SECRET_MAX 512000
#define IGNORED_MAX 500

/* ---- what all parts share ---- */

int load_bad(const struct load *l, const struct node *n, struct err *e,
	     const char *fmt, ...)
{
	struct buf b = BUF_INIT(sizeof(e->msg));
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&b, fmt, ap);
	va_end(ap);
	err_set(e, ERR_DATA, "%s:%u:%u: %s", l->from->path, n->line, n->column,
		b.str);
	buf_release(&b);
	return -1;
}

void load_ignored(struct load *l, const char *fmt, ...)
{
	struct buf b = BUF_INIT(1000);
	const cJSON *item;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&b, fmt, ap);
	va_end(ap);
	cJSON_ArrayForEach(item, l->c->ignored)
		if (str_is(item->valuestring, b.str))
			break;
	if (item == NULL && cJSON_GetArraySize(l->c->ignored) < IGNORED_MAX)
		json_add_str(l->c->ignored, NULL, b.str);
	buf_release(&b);
}

bool compose_never(const char *name)
{
	return strncmp(name, "AZURE_", 6) == 0 || strncmp(name, "ARM_", 4) == 0 ||
	       strncmp(name, "ACTIONS_", 8) == 0;
}

const char *load_var(struct load *l, const char *name)
{
	if (!compose_never(name))
		return l->from->var ? l->from->var(l->from->ctx, name) : NULL;
	load_ignored(l, "%s: what an operator signs in with goes to no service",
		     name);
	return NULL;
}

char *load_scope(const struct load *l, const char *name)
{
	return xasprintf("%s_%s", l->c->stack, name);
}

/* "." and ".." taken out, by the text alone. */
static void path_add(struct buf *b, struct str path)
{
	struct str part;

	while (str_next(&path, '/', &part)) {
		if (part.n == 0 || str_eqz(part, "."))
			continue;
		if (str_eqz(part, "..")) {
			ptrdiff_t at = str_rchr(buf_str(b), '/');

			buf_truncate(b, at > 0 ? (size_t)at : 0);
			continue;
		}
		buf_addc(b, '/');
		buf_addstr(b, part);
	}
}

static char *path_join(const char *dir, const char *path)
{
	struct buf b = BUF_INIT(2 * YAML_TEXT_MAX);

	if (path[0] != '/')
		path_add(&b, str_of(dir));
	path_add(&b, str_of(path));
	if (b.n == 0)
		buf_addc(&b, '/');
	return buf_detach(&b);
}

char *load_path(const struct load *l, const char *path)
{
	return path_join(l->dir, path);
}

int load_file(struct load *l, const struct node *n, const char *path,
	      struct buf *b, struct err *e)
{
	struct err why = ERR_INIT;
	char *whole = load_path(l, path);
	int rc = file_read_regular(whole, b, &why);

	free(whole);
	l->files += b->n;
	if (rc == 0 && l->files > LOAD_FILES_MAX)
		return load_bad(l, n, e,
				"the files are larger than 32 MiB in all");
	return rc == 0 ? 0 : load_bad(l, n, e, "%s", why.msg);
}

/* ---- the stack's name ---- */

static bool is_stack_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > STACK_NAME_MAX || !is_alnum(name[0]))
		return false;
	for (; *name != '\0'; name++)
		if (!is_alnum(*name) && strchr("_.-", *name) == NULL)
			return false;
	return true;
}

/* As docker compose makes one of a folder's. */
static char *name_of_dir(const char *dir)
{
	struct str base = str_of(dir);
	struct buf b = BUF_INIT(STACK_NAME_MAX);
	ptrdiff_t at = str_rchr(base, '/');

	base = str_skip(base, (size_t)(at + 1));
	for (size_t i = 0; i < base.n; i++) {
		char c = to_lower(base.p[i]);

		if (is_alnum(c) || (b.n > 0 && (c == '-' || c == '_')))
			buf_addc(&b, c);
	}
	return buf_detach(&b);
}

static int take_stack_name(struct load *l, const struct node *root, struct err *e)
{
	const struct node *given = node_get(root, "name");

	if (l->from->stack != NULL)
		l->c->stack = xstrdup(l->from->stack);
	else
		l->c->stack = given ? xstrdup(given->text) : name_of_dir(l->dir);
	if (is_stack_name(l->c->stack))
		return 0;
	if (l->from->stack == NULL && given != NULL)
		return load_bad(l, given, e,
				"a stack's name is of letters, digits, '.', '_' "
				"and '-', at most 63");
	return err_set(e, ERR_DATA,
		       "%s: \"%s\" is no name for a stack: letters, digits, '.', "
		       "'_' and '-', at most 63; give one behind the file, or "
		       "write name: in it",
		       l->from->path, l->c->stack);
}

/* ---- objects ---- */

bool object_external(const struct node *object)
{
	const struct node *external = node_get(object, "external");

	return external != NULL && (external->kind == NODE_MAP || external->yes);
}

static const struct node *given_name(const struct node *object)
{
	const struct node *name = node_get(object, "name");

	if (name == NULL || name->text[0] == '\0')
		name = node_get(node_get(object, "external"), "name");
	return name == NULL || name->text[0] == '\0' ? NULL : name;
}

char *object_name(const struct load *l, const struct node *object, const char *key)
{
	const struct node *name = given_name(object);

	if (name != NULL)
		return xstrdup(name->text);
	return object_external(object) ? xstrdup(key) : load_scope(l, key);
}

void pairs_convert(const struct node *n, cJSON *to)
{
	for (size_t i = 0; n != NULL && i < n->n; i++) {
		struct str value = str_of(n->item[i]->text), name = STR_NULL;
		char *key;

		if (n->kind == NODE_MAP) {
			json_set(to, n->item[i]->name,
				 cJSON_CreateString(n->item[i]->kind == NODE_NULL ?
							    "" :
							    n->item[i]->text));
			continue;
		}
		if (!str_cut(&value, '=', &name)) {
			name = value;
			value = STR("");
		}
		key = str_dup(name);
		json_set(to, key, cJSON_CreateString(value.p));
		free(key);
	}
}

int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void labels_convert(const struct load *l, const struct node *labels, cJSON *to)
{
	cJSON *all = json_add_obj(to, "Labels");

	pairs_convert(labels, all);
	json_set(all, "com.docker.stack.namespace",
		 cJSON_CreateString(l->c->stack));
}

static cJSON *add_external(cJSON *list, const char *name)
{
	cJSON *body = json_add_obj(list, NULL);

	json_add_str(body, "Name", name);
	json_add_bool(body, "External", true);
	return body;
}

/* ---- networks ---- */

static bool service_is_on(const struct node *service, const char *network)
{
	const struct node *on = node_get(service, "networks");

	if (on == NULL || on->n == 0)
		return strcmp(network, "default") == 0;
	for (size_t i = 0; i < on->n; i++)
		if (strcmp(on->kind == NODE_MAP ? on->item[i]->name :
						  on->item[i]->text,
			   network) == 0)
			return true;
	return false;
}

static bool network_used(const struct node *services, const char *network)
{
	for (size_t i = 0; services != NULL && i < services->n; i++)
		if (service_is_on(services->item[i], network))
			return true;
	return false;
}

static void add_text(cJSON *to, const char *name, const struct node *n)
{
	if (n != NULL)
		json_add_str(to, name, n->text);
}

static void add_ipam(const struct node *ipam, cJSON *body)
{
	const struct node *pools = node_get(ipam, "config"),
			  *driver = node_get(ipam, "driver"),
			  *options = node_get(ipam, "options");
	cJSON *to, *list;

	if (driver == NULL && options == NULL && (pools == NULL || pools->n == 0))
		return;
	to = json_add_obj(body, "IPAM");
	json_add_str(to, "Driver", driver ? driver->text : "");
	if (options != NULL)
		pairs_convert(options, json_add_obj(to, "Options"));
	list = pools == NULL || pools->n == 0 ? NULL : json_add_arr(to, "Config");
	for (size_t i = 0; list != NULL && i < pools->n; i++) {
		cJSON *pool = json_add_obj(list, NULL);

		add_text(pool, "Subnet", node_get(pools->item[i], "subnet"));
		add_text(pool, "IPRange", node_get(pools->item[i], "ip_range"));
		add_text(pool, "Gateway", node_get(pools->item[i], "gateway"));
	}
}

static void add_yes(cJSON *to, const char *name, const struct node *n)
{
	json_add_bool(to, name, n != NULL && n->yes);
}

/* network may be NULL: the default one, of which the file says nothing. */
static void network_convert(struct load *l, const struct node *network,
			    const char *key)
{
	char *name = object_name(l, network, key);
	const struct node *driver = node_get(network, "driver"),
			  *options = node_get(network, "driver_opts");
	cJSON *body;

	if (object_external(network)) {
		add_external(l->c->networks, name);
		free(name);
		return;
	}
	body = json_add_obj(l->c->networks, NULL);
	json_add_str(body, "Name", name);
	json_add_str(body, "Driver",
		     driver && driver->text[0] ? driver->text : "overlay");
	add_ipam(node_get(network, "ipam"), body);
	add_yes(body, "Internal", node_get(network, "internal"));
	add_yes(body, "Attachable", node_get(network, "attachable"));
	if (options != NULL)
		pairs_convert(options, json_add_obj(body, "Options"));
	labels_convert(l, node_get(network, "labels"), body);
	free(name);
}

static int external_alone(struct load *l, const struct node *object, struct err *e)
{
	static const char *const others[] = { "file",	     "content",
					      "environment", "driver",
					      "driver_opts", "labels" };

	if (!object_external(object))
		return 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (node_get(object, others[i]) != NULL)
			return load_bad(l, node_get(object, others[i]), e,
					"%s is external: what is there already has "
					"no %s here",
					object->name, others[i]);
	if (node_get(object, "name") != NULL &&
	    node_get(node_get(object, "external"), "name") != NULL)
		return load_bad(l, object, e,
				"%s has two names; leave external.name",
				object->name);
	return 0;
}

static void networks_convert(struct load *l, const struct node *networks,
			     const struct node *services)
{
	for (size_t i = 0; networks != NULL && i < networks->n; i++) {
		const struct node *n = networks->item[i];

		if (network_used(services, n->name))
			network_convert(l, n, n->name);
	}
	if (node_find(networks, "default") == NULL &&
	    network_used(services, "default"))
		network_convert(l, NULL, "default");
}

/* ---- configs and secrets ---- */

static int data_of(struct load *l, const struct node *object, struct buf *data,
		   struct err *e)
{
	const struct node *file = node_get(object, "file"),
			  *content = node_get(object, "content"),
			  *variable = node_get(object, "environment");
	const char *value;

	if ((file != NULL) + (content != NULL) + (variable != NULL) != 1)
		return load_bad(l, object, e,
				"%s: wants one of file, content, environment and "
				"external",
				object->name);
	if (file != NULL)
		return load_file(l, file, file->text, data, e);
	value = content ? content->text : load_var(l, variable->text);
	if (value == NULL)
		return load_bad(l, variable, e, "%s: %s is not set",
				object->name, variable->text);
	buf_adds(data, value);
	return data->over ? load_bad(l, object, e, "%s is larger than %zu bytes",
				     object->name, data->max) :
			    0;
}

static void add_driver(cJSON *body, const char *name, const struct node *driver,
		       const struct node *options)
{
	cJSON *to;

	if (driver == NULL || driver->text[0] == '\0')
		return;
	to = json_add_obj(body, name);
	json_add_str(to, "Name", driver->text);
	if (options != NULL)
		pairs_convert(options, json_add_obj(to, "Options"));
}

static int object_convert(struct load *l, const struct node *object, size_t max,
			  cJSON *list, struct err *e)
{
	const struct node *driver = node_get(object, "driver");
	struct buf data = BUF_INIT(max), text = BUF_INIT(max * 2);
	char *name = object_name(l, object, object->name);
	cJSON *body;
	int rc = external_alone(l, object, e);

	if (rc == 0 && driver == NULL && !object_external(object))
		rc = data_of(l, object, &data, e);
	if (rc == 0 && object_external(object)) {
		add_external(list, name);
	} else if (rc == 0) {
		body = json_add_obj(list, NULL);
		json_add_str(body, "Name", name);
		if (given_name(object) != NULL)
			json_add_bool(body, "Named", true);
		labels_convert(l, node_get(object, "labels"), body);
		buf_add_base64(&text, data.str, data.n);
		if (driver == NULL)
			json_add_str(body, "Data", text.str);
		add_driver(body, "Driver", driver,
			   node_get(object, "driver_opts"));
		add_driver(body, "Templating",
			   node_get(object, "template_driver"), NULL);
	}
	free(name);
	buf_burn(&data);
	buf_burn(&text);
	return rc;
}

static int objects_convert(struct load *l, const struct node *section,
			   size_t max, cJSON *list, struct err *e)
{
	for (size_t i = 0; section != NULL && i < section->n; i++)
		if (object_convert(l, section->item[i], max, list, e) < 0)
			return -1;
	return 0;
}

/* ---- the whole ---- */

static int convert(struct load *l, const struct node *root, struct err *e)
{
	struct sections s = {
		.networks = node_get(root, "networks"),
		.volumes = node_get(root, "volumes"),
		.configs = node_get(root, "configs"),
		.secrets = node_get(root, "secrets"),
	};
	const struct node *services = node_get(root, "services");

	for (size_t i = 0; s.networks != NULL && i < s.networks->n; i++)
		if (external_alone(l, s.networks->item[i], e) < 0)
			return -1;
	for (size_t i = 0; s.volumes != NULL && i < s.volumes->n; i++)
		if (external_alone(l, s.volumes->item[i], e) < 0)
			return -1;
	networks_convert(l, s.networks, services);
	if (objects_convert(l, s.secrets, SECRET_MAX, l->c->secrets, e) < 0 ||
	    objects_convert(l, s.configs, CONFIG_MAX, l->c->configs, e) < 0)
		return -1;
	for (size_t i = 0; services != NULL && i < services->n; i++)
		if (service_convert(l, &s, services->item[i], e) < 0)
			return -1;
	return 0;
}

/* Version 2 is another format, in which the same words mean other things. */
static int check_version(const struct load *l, const struct node *root,
			 struct err *e)
{
	const struct node *version = node_get(root, "version");
	struct str text = str_of(version ? version->text : ""), major = text;

	str_cut(&text, '.', &major);
	if (major.n == 0 || str_eqz(major, "3"))
		return 0;
	return load_bad(l, version, e,
			"version %s is not taken: 3, or none, is what Swarm has",
			version->text);
}

static int read_tree(struct load *l, struct node **root, struct err *e)
{
	struct buf b = BUF_INIT(YAML_TEXT_MAX);
	struct str text = l->from->text;
	unsigned rest = 0;
	int rc = 0;

	if (text.p == NULL) {
		/* which may be a pipe: it was named by who waits */
		rc = file_read(l->from->path, &b, e);
		text = buf_str(&b);
	}
	if (rc == 0)
		*root = yaml_read(text, l->from->path, &rest, e);
	if (rest > 0)
		load_ignored(l, "what follows --- on line %u", rest);
	buf_burn(&b);
	return *root == NULL ? -1 : 0;
}

/* The folder of the file, from the root. */
static int find_dir(struct load *l, struct err *e)
{
	char cwd[PATH_MAX], *dir = xstrdup(l->from->path), *slash;

	if (getcwd(cwd, sizeof(cwd)) == NULL) {
		free(dir);
		return err_sys(e, ERR_IO, "the folder that this runs in");
	}
	slash = strrchr(dir, '/');
	if (slash == dir)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	l->dir = path_join(cwd, slash != NULL ? dir : ".");
	free(dir);
	return 0;
}

int compose_read(const struct compose_source *from, struct compose *c,
		 struct err *e)
{
	struct load l = { .from = from, .c = c };
	struct node *root = NULL;
	int rc = -1;

	*c = (struct compose){ 0 };
	c->networks = cJSON_CreateArray();
	c->configs = cJSON_CreateArray();
	c->secrets = cJSON_CreateArray();
	c->services = cJSON_CreateArray();
	c->ignored = cJSON_CreateArray();
	if (find_dir(&l, e) == 0 && read_tree(&l, &root, e) == 0 &&
	    schema_apply(&l, root, e) == 0 && check_version(&l, root, e) == 0 &&
	    take_stack_name(&l, root, e) == 0)
		rc = convert(&l, root, e);
	node_free(root);
	free(l.dir);
	return rc;
}

void compose_release(struct compose *c)
{
	cJSON *all[] = { c->networks, c->configs, c->secrets, c->services,
			 c->ignored };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		json_burn(all[i]);
	free(c->stack);
	*c = (struct compose){ 0 };
}
