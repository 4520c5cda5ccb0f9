/*
 * deploy-stack: a compose file becomes services.  All of it is read, and
 * refused, before anything is changed; then come networks, configs and secrets,
 * then services, which are waited for together; and what they no longer use
 * goes when all of them have what is new.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/hash.h"
#include "swarm/keys.h"
#include "swarm/images.h"
#include "swarm/ports.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/service.h"
#include "swarm/stack.h"
#include "swarm/swarm.h"

#define FILE_MAX (1u << 20)
#define ENV_MAX (64u << 10)
#define EXIT_PENDING 5
/* the Engine's, of services, and of configs and secrets */
#define SERVICE_NAME_MAX 63
#define CONTENT_NAME_MAX 64
#define DEMO_FILE "stack/test-stack.yml"
#define MTU_OPTION "com.docker.network.driver.mtu"

/* ---- what is there ---- */

const cJSON *stack_named(const cJSON *list, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
		if (strcmp(json_text(item, "Name"), name) == 0)
			return item;
	return NULL;
}

bool stack_of(const cJSON *item, const char *stack)
{
	const cJSON *label = json_get(json_get(item, "Labels"), STACK_LABEL);

	return *stack != '\0' && strcmp(json_text(label, ""), stack) == 0;
}

const char *stack_service_name(const cJSON *service)
{
	return json_text(service, "Spec.Name");
}

struct reading {
	const char *stack;
	struct stack_has *has;
};

static int take_service(void *ctx, const cJSON *service, struct err *e)
{
	const struct reading *r = ctx;
	bool ours = stack_of(json_get(service, "Spec"), r->stack);

	(void)e;
	cJSON_AddItemToArray(ours ? r->has->services : r->has->others,
			     cJSON_Duplicate(service, true));
	return 0;
}

static void add_labels(cJSON *item, const cJSON *labels)
{
	cJSON_AddItemToObject(item, "Labels",
			      cJSON_IsObject(labels) ?
				      cJSON_Duplicate(labels, true) :
				      cJSON_CreateObject());
}

static int take_network(void *list, const cJSON *network, struct err *e)
{
	cJSON *item = cJSON_CreateObject();

	(void)e;
	json_add_str(item, "ID", json_text(network, "Id"));
	json_add_str(item, "Name", json_text(network, "Name"));
	json_add_str(item, "Scope", json_text(network, "Scope"));
	json_add_str(item, "Driver", json_text(network, "Driver"));
	json_add_bool(item, "Internal", json_bool_opt(network, "Internal", false));
	json_add_bool(item, "Attachable",
		      json_bool_opt(network, "Attachable", false));
	add_labels(item, json_get(network, "Labels"));
	cJSON_AddItemToArray(list, item);
	return 0;
}

/* The SHA-256 of what stands there in base64, hex. */
static void data_hash(const cJSON *spec, char hex[2 * SHA256_LEN + 1])
{
	struct buf raw = BUF_INIT(STACK_ANSWER_MAX), b = BUF_INIT(2 * SHA256_LEN);
	struct err ignored = ERR_INIT;
	uint8_t hash[SHA256_LEN];

	if (buf_add_unbase64(&raw, str_of(json_text(spec, "Data")), &ignored) ==
	    0) {
		sha256(raw.str, raw.n, hash);
		buf_add_hex(&b, hash, sizeof(hash));
	}
	snprintf(hex, 2 * SHA256_LEN + 1, "%s", b.str);
	buf_burn(&raw);
	buf_release(&b);
}

static int take_content(void *list, const cJSON *doc, struct err *e)
{
	const cJSON *spec = json_get(doc, "Spec");
	cJSON *item = cJSON_CreateObject();
	char hex[2 * SHA256_LEN + 1] = "";

	(void)e;
	if (json_get(spec, "Data") != NULL)
		data_hash(spec, hex);
	json_add_str(item, "ID", json_text(doc, "ID"));
	json_add_int(item, "Version", json_int_opt(doc, "Version.Index", 0));
	json_add_str(item, "Name", json_text(spec, "Name"));
	json_add_str(item, "Hash", hex);
	add_labels(item, json_get(spec, "Labels"));
	cJSON_AddItemToArray(list, item);
	return 0;
}

int stack_has_read(struct docker *d, const char *stack, struct stack_has *h,
		   struct err *e)
{
	struct reading r = { stack, h };

	*h = (struct stack_has){ cJSON_CreateArray(), cJSON_CreateArray(),
				 cJSON_CreateArray(), cJSON_CreateArray(),
				 cJSON_CreateArray() };
	d->most = STACK_ANSWER_MAX;
	return docker_each(d, "/services", take_service, &r, e) < 0 ||
			       docker_each(d, "/networks", take_network,
					   h->networks, e) < 0 ||
			       docker_each(d, "/configs", take_content,
					   h->configs, e) < 0 ||
			       docker_each(d, "/secrets", take_content,
					   h->secrets, e) < 0 ?
		       -1 :
		       0;
}

void stack_has_release(struct stack_has *h)
{
	json_burn(h->services);
	json_burn(h->others);
	json_free(h->networks);
	json_free(h->configs);
	json_free(h->secrets);
	*h = (struct stack_has){ 0 };
}

/* ---- the file ---- */

struct deploy {
	struct session *s;
	struct docker *d;
	struct compose c;
	struct stack_has has;
	char *ours; /* our own image, for the demo; NULL: a file of others */
	cJSON *variables; /* of .env beside the file; burned */
	cJSON *auths;	  /* X-Registry-Auth by the service's name; burned */
	cJSON *images; /* what was found out of each: Image, Platforms, auth; burned */
};

static void deploy_release(struct deploy *p)
{
	compose_release(&p->c);
	stack_has_release(&p->has);
	json_burn(p->variables);
	json_burn(p->auths);
	json_burn(p->images);
	free(p->ours);
}

/* What the demo's file asks for, else the environment, else .env beside the
 * file. */
static const char *variable(void *ctx, const char *name)
{
	struct deploy *p = ctx;
	const char *v = getenv(name);

	if (p->ours != NULL && strcmp(name, "AZSWARM_IMAGE") == 0)
		return p->ours;
	if (p->ours != NULL && strcmp(name, "REDIS_IMAGE") == 0)
		return settings_get(p->s->set, S_REDIS_IMAGE);
	if (compose_never(name))
		return NULL;
	return v != NULL ? v :
			   json_str_opt(json_get(p->variables, name), "", NULL);
}

static int env_line(struct deploy *p, struct str line, struct err *e)
{
	struct str name, value;
	char *key, *text;
	int rc = settings_split(line, &name, &value, e);

	if (rc <= 0)
		return rc;
	if (settings_unquote(&value, e) < 0)
		return -1;
	key = str_dup(name);
	text = str_dup(value);
	if (!compose_never(key))
		json_set(p->variables, key, cJSON_CreateString(text));
	burn_str(text);
	free(key);
	return 0;
}

/* path: of the compose file, or a name without a folder. */
static int read_env(struct deploy *p, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *env = xasprintf("%.*s.env", slash ? (int)(slash + 1 - path) : 0,
			      path);
	struct buf text = BUF_INIT(ENV_MAX);
	struct str rest, line;
	unsigned n = 0;
	int rc = 0;

	p->variables = cJSON_CreateObject();
	if (!file_exists(env))
		goto out;
	rc = file_read(env, &text, e);
	rest = buf_str(&text);
	while (rc == 0 && str_next(&rest, '\n', &line)) {
		n++;
		if ((rc = env_line(p, line, e)) < 0)
			err_in(e, "%s:%u", env, n);
	}
out:
	buf_burn(&text);
	free(env);
	return rc;
}

static int read_stdin(struct buf *text, struct err *e)
{
	char piece[4096];
	size_t n;

	while (!text->over && (n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		buf_add(text, piece, n);
	if (ferror(stdin))
		return err_sys(e, ERR_IO, "standard input");
	return buf_check(text, "standard input", e);
}

static int read_file(struct deploy *p, const char *path, const char *name,
		     struct err *e)
{
	struct compose_source from = { .path = path,
				       .stack = name,
				       .var = variable,
				       .ctx = p };
	struct buf text = BUF_INIT(FILE_MAX);
	int rc = -1;

	if (path == NULL) {
		from.path = DEMO_FILE;
		asset_get(DEMO_FILE, &text);
		from.text = buf_str(&text);
	} else if (strcmp(path, "-") == 0) {
		from.path = "stdin";
		if (read_stdin(&text, e) < 0)
			goto out;
		from.text = buf_str(&text);
	}
	if (path == NULL || read_env(p, from.path, e) == 0)
		rc = compose_read(&from, &p->c, e);
out:
	buf_burn(&text);
	return rc;
}

static void say_ignored(struct deploy *p)
{
	struct buf all = BUF_INIT(4096);
	const cJSON *what;

	cJSON_ArrayForEach(what, p->c.ignored)
		buf_addf(&all, "%s%s", all.n > 0 ? ", " : "", json_text(what, ""));
	if (all.n > 0)
		ui_say(p->s->ui, "Swarm does not look at %s", all.str);
	buf_release(&all);
}

/* ---- what would not go well ---- */

static int external(const cJSON *wanted, const cJSON *there, const char *type,
		    struct err *e)
{
	static const char *const everywhere[] = { "host", "none", "bridge",
						  "default" };
	const char *name = json_text(wanted, "Name");
	const cJSON *has = stack_named(there, name);

	if (!json_bool_opt(wanted, "External", false))
		return 0;
	if (strcmp(type, "network") == 0) {
		for (size_t i = 0; i < sizeof(everywhere) / sizeof(*everywhere);
		     i++)
			if (strcmp(name, everywhere[i]) == 0)
				return 0;
		if (has != NULL && !json_is(has, "Scope", "swarm"))
			return err_set(e, ERR_DATA,
				       "network %s is one of a master alone, and "
				       "external ones must be of the swarm: "
				       "'docker network create --driver overlay'",
				       name);
	}
	return has != NULL ?
		       0 :
		       err_set(e, ERR_DATA,
			       "%s %s is external in the file, and the swarm "
			       "has none of that name: make it first "
			       "('docker %s create', by 'azswarm docker-env')",
			       type, name, type);
}

/* What Swarm would say of it, but when networks and secrets are made already. */
static int check_name(const char *name, size_t most, const char *marks,
		      const char *type, struct err *e)
{
	size_t n = strlen(name);
	bool good = n > 0 && n <= most && is_alnum(name[0]) &&
		    is_alnum(name[n - 1]);

	for (size_t i = 0; good && i < n; i++)
		good = is_alnum(name[i]) || strchr(marks, name[i]) != NULL;
	return good ? 0 :
		      err_set(e, ERR_DATA,
			      "%s %s: Swarm takes letters, digits and \"%s\", a "
			      "letter or digit first and last, at most %zu in all",
			      type, name, marks, most);
}

/* A name that the file gave may be of another content already. */
static int named(const cJSON *wanted, const cJSON *there, const char *type,
		 struct err *e)
{
	const cJSON *has = stack_named(there, json_text(wanted, "Name"));
	char hash[2 * SHA256_LEN + 1];

	if (!json_bool_opt(wanted, "Named", false))
		return 0;
	if (check_name(json_text(wanted, "Name"), CONTENT_NAME_MAX, "_-.", type,
		       e) < 0)
		return -1;
	if (has == NULL || json_text(has, "Hash")[0] == '\0')
		return 0;
	data_hash(wanted, hash);
	return strcmp(hash, json_text(has, "Hash")) == 0 ?
		       0 :
		       err_set(e, ERR_DATA,
			       "%s %s is there with another content, and Swarm "
			       "changes none: leave 'name:' out, and it is named "
			       "by its content, or give it another",
			       type, json_text(wanted, "Name"));
}

static int check_list(const cJSON *wanted, const cJSON *there, const char *type,
		      struct err *e)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, wanted)
		if (external(item, there, type, e) < 0 ||
		    named(item, there, type, e) < 0)
			return -1;
	return 0;
}

static bool in_file(const struct deploy *p, const char *service)
{
	return stack_named(p->c.services, service) != NULL;
}

/* Of another stack, or of none: "a" with "b_c" has a service of the same name as
 * "a_b" with "c". */
static int not_ours(const char *type, const char *name, struct err *e)
{
	return err_set(e, ERR_DATA,
		       "%s %s is there and not of this stack; deploy under "
		       "another NAME, or remove that first",
		       type, name);
}

static int others_networks(const struct deploy *p, struct err *e)
{
	const cJSON *item, *has;

	cJSON_ArrayForEach(item, p->c.networks) {
		has = stack_named(p->has.networks, json_text(item, "Name"));
		if (has != NULL && !json_bool_opt(item, "External", false) &&
		    !stack_of(has, p->c.stack))
			return not_ours("network", json_text(item, "Name"), e);
	}
	return 0;
}

static const char *mode_of(const cJSON *spec)
{
	const cJSON *mode = json_get(spec, "Mode");

	return mode != NULL && mode->child != NULL ? mode->child->string : "";
}

/* One of the file's that is there has to be the stack's, and of its mode. */
static int check_same(const struct deploy *p, const cJSON *service, struct err *e)
{
	const char *name = stack_service_name(service);
	const cJSON *has = json_get(service, "Spec");

	if (!stack_of(has, p->c.stack))
		return not_ours("service", name, e);
	if (strcmp(mode_of(has), mode_of(stack_named(p->c.services, name))) != 0)
		return err_set(e, ERR_DATA,
			       "service %s is there with the mode %s, and Swarm "
			       "changes none: call it otherwise, or first remove "
			       "that ('docker service rm', by 'azswarm docker-env')",
			       name, mode_of(has));
	return 0;
}

/* A service that is there; the ports of one that stays are its own. */
static int check_there(const struct deploy *p, const cJSON *service, struct err *e)
{
	const char *name = stack_service_name(service);
	bool ours = stack_of(json_get(service, "Spec"), p->c.stack);
	const cJSON *mine;

	if (in_file(p, name))
		return check_same(p, service, e);
	if (p->s->prune && ours)
		return 0;
	cJSON_ArrayForEach(mine, p->c.services)
		if (service_port_clash(mine, json_get(service, "Spec"), e) < 0)
			return err_in(e, "service %s", json_text(mine, "Name"));
	return 0;
}

static int check_services(const struct deploy *p, struct err *e)
{
	const cJSON *a, *b;

	cJSON_ArrayForEach(a, p->c.services)
		if (check_name(json_text(a, "Name"), SERVICE_NAME_MAX, "_-",
			       "service", e) < 0)
			return -1;
	cJSON_ArrayForEach(a, p->c.services)
		for (b = a->next; b != NULL; b = b->next)
			if (service_port_clash(b, a, e) < 0)
				return err_in(e, "service %s",
					      json_text(b, "Name"));
	if (ports_refuse(p->c.services, e) < 0)
		return -1;
	cJSON_ArrayForEach(a, p->has.services)
		if (check_there(p, a, e) < 0)
			return -1;
	cJSON_ArrayForEach(a, p->has.others)
		if (check_there(p, a, e) < 0)
			return -1;
	return 0;
}

static int check(const struct deploy *p, struct err *e)
{
	return check_list(p->c.networks, p->has.networks, "network", e) < 0 ||
			       check_list(p->c.configs, p->has.configs,
					  "config", e) < 0 ||
			       check_list(p->c.secrets, p->has.secrets,
					  "secret", e) < 0 ||
			       others_networks(p, e) < 0 ||
			       check_services(p, e) < 0 ?
		       -1 :
		       0;
}

/* ---- images ---- */

static cJSON *container_of(cJSON *spec)
{
	return json_get_mut(json_get_mut(spec, "TaskTemplate"), "ContainerSpec");
}

/* The service that is there by that name; NULL: none. */
static const cJSON *there(const struct deploy *p, const char *name)
{
	const cJSON *service;

	cJSON_ArrayForEach(service, p->has.services)
		if (strcmp(stack_service_name(service), name) == 0)
			return service;
	return NULL;
}

static void set_platforms(cJSON *spec, const cJSON *platforms)
{
	json_set(docker_spec_part(json_get_mut(spec, "TaskTemplate"), "Placement"),
		 "Platforms", cJSON_Duplicate(platforms, true));
}

/* Where its registry does not answer: what runs under that name, by its
 * digest. */
static void keep_image(const struct deploy *p, cJSON *spec, const char *image)
{
	const cJSON *has = there(p, json_text(spec, "Name")),
		    *placement = json_at(has,
					 "Spec.TaskTemplate.Placement.Platforms");
	const char *runs = json_text(has, "Spec.TaskTemplate.ContainerSpec.Image");
	size_t n = strlen(image);

	if (strncmp(runs, image, n) != 0 || runs[n] != '@')
		return;
	json_set(container_of(spec), "Image", cJSON_CreateString(runs));
	if (placement != NULL)
		set_platforms(spec, placement);
}

/* Each image is asked for once.  NULL with e. */
static const cJSON *found(struct deploy *p, const char *image, struct err *e)
{
	const cJSON *known = json_get(p->images, image);
	cJSON *platforms = NULL, *one;
	char *full, *auth = NULL;

	if (known != NULL)
		return known;
	if (p->s->with_registry_auth && stack_auth(p->s, image, &auth, e) < 0)
		return NULL;
	p->d->auth = auth;
	full = service_image_of(p->s, p->d, image, &platforms);
	p->d->auth = NULL;
	one = json_add_obj(p->images, image);
	json_add_str(one, "Image", full);
	if (auth != NULL)
		json_add_str(one, "auth", auth);
	if (platforms != NULL)
		cJSON_AddItemToObject(one, "Platforms", platforms);
	burn_str(auth);
	free(full);
	return one;
}

static int resolve(struct deploy *p, cJSON *spec, const char *image, struct err *e)
{
	const cJSON *one = found(p, image, e);
	const char *full = json_text(one, "Image");

	if (one == NULL)
		return -1;
	json_set(container_of(spec), "Image", cJSON_CreateString(full));
	if (json_get(one, "auth") != NULL)
		json_add_str(p->auths, json_text(spec, "Name"),
			     json_text(one, "auth"));
	if (json_get(one, "Platforms") != NULL)
		set_platforms(spec, json_get(one, "Platforms"));
	if (service_digest(full) == NULL)
		keep_image(p, spec, full);
	return 0;
}

/* By its digest, so that every node runs the same bytes. */
static int pin(struct deploy *p, cJSON *spec, struct err *e)
{
	const char *image = json_text(container_of(spec), "Image");
	char *pinned = NULL;
	cJSON *platforms = NULL;
	int rc = -1;

	if (*image == '\0')
		return err_set(e, ERR_DATA,
			       "it has no image; Swarm builds none ('azswarm "
			       "push' brings one that was built here)");
	if (str_starts(str_of(image), STR(SERVICE_OURS ":")))
		return 0;
	if (p->s->push && push_if_local(p->s, image, &pinned, &platforms, e) < 0)
		goto out;
	if (pinned == NULL && images_pin(p->s, image, &pinned, &platforms, e) < 0)
		goto out;
	/* of what was not looked up here its registry is asked, ours too */
	if (strcmp(pinned, image) == 0) {
		rc = resolve(p, spec, pinned, e);
		goto out;
	}
	json_set(container_of(spec), "Image", cJSON_CreateString(pinned));
	if (platforms != NULL)
		set_platforms(spec, platforms);
	rc = 0;
out:
	json_free(platforms);
	free(pinned);
	return rc;
}

/* Is it one that nodes pull from the storage account? */
static bool is_pushed(cJSON *spec)
{
	struct str image = str_of(json_text(container_of(spec), "Image")),
		   ignored;

	return images_ours(image, &ignored) && !images_own(image);
}

static int pin_all(struct deploy *p, struct err *e)
{
	cJSON *spec;
	bool pushed = false;

	p->auths = cJSON_CreateObject();
	p->images = cJSON_CreateObject();
	cJSON_ArrayForEach(spec, p->c.services)
		if (pin(p, spec, e) < 0)
			return err_in(e, "service %s", json_text(spec, "Name"));
		else
			pushed |= is_pushed(spec);
	if (pushed)
		params_say_unread(p->s);
	return 0;
}

/* ---- only looking ---- */

/* Of what is there and has to stay as it is, what is not as the file has it, or
 * cannot be known. */
static void say_fixed(struct deploy *p)
{
	static const char *const fixed[] = { "Driver", "Internal", "Attachable" };
	const cJSON *item, *has;

	cJSON_ArrayForEach(item, p->c.networks) {
		has = stack_named(p->has.networks, json_text(item, "Name"));
		if (has == NULL || json_bool_opt(item, "External", false))
			continue;
		for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
			if (!cJSON_Compare(json_get(item, fixed[i]),
					   json_get(has, fixed[i]), true))
				ui_say(p->s->ui,
				       "network %s is there with another %s, which "
				       "Swarm does not change",
				       json_text(item, "Name"), fixed[i]);
	}
	cJSON_ArrayForEach(item, p->c.secrets)
		if (p->s->dry_run && json_bool_opt(item, "Named", false) &&
		    stack_named(p->has.secrets, json_text(item, "Name")) != NULL)
			ui_say(p->s->ui,
			       "secret %s is there; whether with these bytes, only "
			       "deploying tells, and refuses others",
			       json_text(item, "Name"));
}

static void new_ones(struct stack_rows *r, const cJSON *wanted,
		     const cJSON *has, const char *type)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, wanted)
		if (!json_bool_opt(item, "External", false) &&
		    stack_named(has, json_text(item, "Name")) == NULL)
			stack_row(r, STACK_CREATE, type,
				  json_text(item, "Name"), "", "", "");
}

static int dry_run(struct deploy *p, struct err *e)
{
	struct stack_rows r = { 0 };
	const cJSON *spec, *service;
	int rc;

	new_ones(&r, p->c.networks, p->has.networks, "network");
	new_ones(&r, p->c.configs, p->has.configs, "config");
	new_ones(&r, p->c.secrets, p->has.secrets, "secret");
	cJSON_ArrayForEach(spec, p->c.services) {
		const char *name = json_text(spec, "Name");

		if ((service = there(p, name)) != NULL)
			stack_diff(&r, service, spec, &p->has);
		else
			stack_row(&r, STACK_CREATE, "service", name, "", "", "");
	}
	cJSON_ArrayForEach(service, p->has.services)
		if (p->s->prune && !in_file(p, stack_service_name(service)))
			stack_row(&r, STACK_DELETE, "service",
				  stack_service_name(service), "", "", "");
	rc = stack_sweep(p->s, p->d, &p->c, p->s->prune, &r, e);
	if (rc == 0)
		rc = stack_rows_print(&r, p->s->ui, e);
	if (rc == 0 && r.n == 0)
		ui_say(p->s->ui, "stack %s is as the file has it", p->c.stack);
	if (rc == 0 && r.n > 0)
		p->s->exit_status = EXIT_PENDING;
	stack_rows_release(&r);
	return rc;
}

/* ---- making it so ---- */

static int prune(struct deploy *p, struct err *e)
{
	const cJSON *service;

	cJSON_ArrayForEach(service, p->has.services)
		if (!in_file(p, stack_service_name(service)) &&
		    service_remove(p->s, p->d, stack_service_name(service), e) < 0)
			return -1;
	return 0;
}

/* The body without what is ours in it. */
static cJSON *body_of(const cJSON *item)
{
	cJSON *body = cJSON_Duplicate(item, true);

	cJSON_DeleteItemFromObjectCaseSensitive(body, "Named");
	cJSON_DeleteItemFromObjectCaseSensitive(body, "External");
	return body;
}

/* Machines' networks are narrower than the Engine thinks. */
static void set_mtu(cJSON *body)
{
	cJSON *options;

	if (strcmp(json_str_opt(body, "Driver", "overlay"), "overlay") != 0)
		return;
	options = docker_spec_part(body, "Options");
	if (json_get(options, MTU_OPTION) == NULL)
		json_add_str(options, MTU_OPTION, LAYOUT_TEXT(LAYOUT_MTU));
}

static int make_one(struct deploy *p, const char *type, const cJSON *item,
		    struct err *e)
{
	char *path = xasprintf("/%ss/create", type);
	cJSON *body = body_of(item);
	int rc;

	if (strcmp(type, "network") == 0)
		set_mtu(body);
	rc = docker_call(p->d, "POST", path, body, NULL, e);
	if (rc == 0)
		ui_say(p->s->ui, "%s %s made", type, json_text(item, "Name"));
	json_burn(body);
	free(path);
	return rc < 0 ? err_in(e, "%s %s", type, json_text(item, "Name")) : 0;
}

static int make_list(struct deploy *p, const char *type, const cJSON *wanted,
		     const cJSON *has, struct err *e)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, wanted)
		if (!json_bool_opt(item, "External", false) &&
		    stack_named(has, json_text(item, "Name")) == NULL &&
		    make_one(p, type, item, e) < 0)
			return -1;
	return 0;
}

static int send_one(struct deploy *p, const cJSON *item, const cJSON *has,
		    struct err *e)
{
	char id[DOCKER_ID_MAX], *path;
	cJSON *body;
	int rc;

	if (docker_take_id(has, "ID", id, e) < 0)
		return err_in(e, "secret %s", json_text(item, "Name"));
	path = xasprintf("/secrets/%s/update?version=%lld", id,
			 (long long)json_int_opt(has, "Version", 0));
	body = body_of(item);
	rc = docker_call(p->d, "POST", path, body, NULL, e);
	json_burn(body);
	free(path);
	if (rc < 0 && p->d->status == 400)
		err_in(e, "it may be there with another content: leave "
			  "'name:' out, and it is named by its content");
	return rc < 0 ? err_in(e, "secret %s", json_text(item, "Name")) : 0;
}

/* Secrets whose names the file gave: nobody can read them back, so they are sent,
 * and an Engine that has other bytes refuses to change them. */
static int send_named(struct deploy *p, struct err *e)
{
	const cJSON *item, *has;

	cJSON_ArrayForEach(item, p->c.secrets) {
		has = stack_named(p->has.secrets, json_text(item, "Name"));
		if (has != NULL && json_bool_opt(item, "Named", false) &&
		    send_one(p, item, has, e) < 0)
			return -1;
	}
	return 0;
}

/* With what only the one that is there says. */
static cJSON *make_spec(void *ctx, const cJSON *old, struct err *e)
{
	cJSON *spec = cJSON_Duplicate(ctx, true);
	int64_t force = json_int_opt(old, "Spec.TaskTemplate.ForceUpdate", 0);

	(void)e;
	json_set(json_get_mut(spec, "TaskTemplate"), "ForceUpdate",
		 cJSON_CreateNumber((double)force));
	return spec;
}

static int put(struct deploy *p, cJSON *spec, struct err *e)
{
	const char *name = json_text(spec, "Name");
	int rc;

	p->d->auth = json_str_opt(json_get(p->auths, name), "", NULL);
	rc = service_put(p->s, p->d, name, make_spec, spec, e);
	p->d->auth = NULL;
	return rc;
}

/* Those that are there first: one of them may give up a port that a new one
 * takes. */
static int put_all(struct deploy *p, struct err *e)
{
	cJSON *spec;

	for (int is_new = 0; is_new <= 1; is_new++)
		cJSON_ArrayForEach(spec, p->c.services)
			if ((there(p, json_text(spec, "Name")) == NULL) == is_new &&
			    put(p, spec, e) < 0)
				return -1;
	return 0;
}

static int converge_all(struct deploy *p, struct err *e)
{
	char *label = xasprintf("%s=%s", STACK_LABEL, p->c.stack);
	int rc = service_converge_all(p->s, p->d, p->c.services, label, e);

	free(label);
	return rc;
}

static int make(struct deploy *p, struct err *e)
{
	int rc;

	if (send_named(p, e) < 0 || ports_open(p->s, p->c.services, e) < 0 ||
	    (p->s->prune && prune(p, e) < 0) ||
	    make_list(p, "network", p->c.networks, p->has.networks, e) < 0 ||
	    make_list(p, "config", p->c.configs, p->has.configs, e) < 0 ||
	    make_list(p, "secret", p->c.secrets, p->has.secrets, e) < 0)
		return -1;
	stack_has_release(&p->has);
	if (stack_has_read(p->d, p->c.stack, &p->has, e) < 0)
		return -1;
	stack_ids(&p->c, &p->has);
	if (put_all(p, e) < 0)
		return -1;
	/* an update that is not over may go back to what was */
	if (p->s->no_wait)
		return 0;
	rc = converge_all(p, e);
	if (rc == 0)
		rc = stack_sweep(p->s, p->d, &p->c, p->s->prune, NULL, e);
	return stack_ports_close(p->s, p->d, rc, e);
}

/* Where it is to be seen, behind the load balancer. */
static int print_urls(struct deploy *p, const struct remote *r, struct err *e)
{
	cJSON *urls = cJSON_CreateArray(), *numbers = cJSON_CreateArray();
	int rc = ports_reached(p->s, p->c.services, numbers, e);
	const cJSON *n;
	char *url;

	cJSON_ArrayForEach(n, numbers) {
		url = service_url(r->masters.balancer, n->valueint);
		json_add_str(urls, NULL, url);
		free(url);
	}
	if (rc == 0 && urls->child != NULL)
		rc = service_print_urls(p->s, urls, e);
	json_free(numbers);
	json_free(urls);
	return rc;
}

/* ---- the command ---- */

static int name_contents(struct deploy *p, struct err *e)
{
	uint8_t key[KEYS_BACKUP_LEN] = { 0 };
	int rc = 0;

	if (p->c.secrets != NULL && p->c.secrets->child != NULL)
		rc = keys_backup(key, e);
	if (rc == 0)
		stack_names(&p->c, key);
	burn(key, sizeof(key));
	return rc;
}

int cmd_deploy_stack(struct session *s, int argc, char **argv, struct err *e)
{
	const char *path = argc > 1 ? argv[1] : NULL,
		   *name = argc > 2 ? argv[2] : NULL;
	struct deploy p = { .s = s };
	struct remote r = { .s = s };
	int rc = -1;

	/* a file that is none needs no cluster to say so */
	if (path != NULL && read_file(&p, path, name, e) < 0)
		goto out;
	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) < 0)
		goto out;
	p.d = remote_docker(&r);
	if (path == NULL && ((p.ours = service_image_ours(s, p.d, e)) == NULL ||
			     read_file(&p, path, name, e) < 0))
		goto out;
	say_ignored(&p);
	if (name_contents(&p, e) < 0 ||
	    stack_has_read(p.d, p.c.stack, &p.has, e) < 0 || check(&p, e) < 0 ||
	    pin_all(&p, e) < 0)
		goto out;
	say_fixed(&p);
	if (s->dry_run) {
		stack_ids(&p.c, &p.has);
		rc = dry_run(&p, e);
	} else {
		rc = make(&p, e);
		if (rc == 0 && r.masters.balancer != NULL)
			rc = print_urls(&p, &r, e);
	}
out:
	remote_release(&r);
	deploy_release(&p);
	return rc;
}
