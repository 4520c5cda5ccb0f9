/*
 * A service of the file, as the body of POST /services/create.  Members are there
 * when docker's client would send them.
 *
 * Source: Docker Engine API, ServiceSpec; Compose file reference 3.13.
 */
#include <stdlib.h>
#include <string.h>

#include "compose/inner.h"

#define MODE_DEFAULT 0444 /* of a config's or a secret's file */

/* ---- small values ---- */

static void add_text(cJSON *to, const char *name, const struct node *n)
{
	if (n != NULL && n->text[0] != '\0')
		json_add_str(to, name, n->text);
}

static void add_yes(cJSON *to, const char *name, const struct node *n)
{
	if (n != NULL && n->yes)
		json_add_bool(to, name, true);
}

static void add_count(cJSON *to, const char *name, const struct node *n)
{
	if (n != NULL)
		json_add_int(to, name, n->whole);
}

/* A list, or a text that is a list of one. */
static void add_texts(cJSON *to, const char *name, const struct node *n)
{
	cJSON *list;

	if (n == NULL || (n->kind == NODE_LIST && n->n == 0))
		return;
	list = json_add_arr(to, name);
	if (n->kind == NODE_STRING)
		json_add_str(list, NULL, n->text);
	for (size_t i = 0; i < n->n; i++)
		json_add_str(list, NULL, n->item[i]->text);
}

static void add_pairs(cJSON *to, const char *name, const struct node *n)
{
	if (n != NULL && n->n > 0)
		pairs_convert(n, json_add_obj(to, name));
}

static int add_duration(const struct load *l, cJSON *to, const char *name,
			const struct node *n, bool zero_too, struct err *e)
{
	int64_t ns = 0;

	if (n == NULL)
		return 0;
	if (short_duration(l, n, &ns, e) < 0)
		return -1;
	if (ns != 0 || zero_too)
		json_add_int(to, name, ns);
	return 0;
}

static int add_words(const struct load *l, cJSON *to, const char *name,
		     const struct node *n, struct err *e)
{
	cJSON *words = cJSON_CreateArray();

	if (n != NULL && n->kind == NODE_STRING &&
	    short_words(l, n, words, e) < 0) {
		json_burn(words);
		return -1;
	}
	for (size_t i = 0; n != NULL && i < n->n; i++)
		json_add_str(words, NULL, n->item[i]->text);
	if (cJSON_GetArraySize(words) > 0)
		json_set(to, name, words);
	else
		json_free(words);
	return 0;
}

struct sorted {
	cJSON *item;
	const char *name;
	size_t at;
};

static int by_name(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d != 0 ? d : x->at < y->at ? -1 : 1;
}

/* By what member says, the rest as it was: the order of a file changes nothing. */
static void sort_by(cJSON *list, const char *member)
{
	size_t n = (size_t)cJSON_GetArraySize(list);
	struct sorted *all = xcalloc(n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++) {
		all[i].item = cJSON_DetachItemFromArray(list, 0);
		all[i].name = json_text(all[i].item, member);
		all[i].at = i;
	}
	qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, all[i].item);
	free(all);
}

/* ---- the container ---- */

/* host/name:tag@digest, as far as a mistake shows; the Engine parses it. */
struct image_name {
	struct str host; /* with its slash; empty: Docker Hub */
	struct str name;
	struct str rest; /* ":tag@digest" */
};

/* What is before the first slash is a host when no part of a name could be so. */
static void take_host(struct image_name *i)
{
	ptrdiff_t slash = str_chr(i->name, '/');
	struct str host = str_head(i->name, slash < 0 ? 0 : (size_t)slash);
	bool small = true;

	for (size_t k = 0; k < host.n; k++)
		small = small && to_lower(host.p[k]) == host.p[k];
	if (slash < 0 || (str_chr(host, '.') < 0 && str_chr(host, ':') < 0 &&
			  !str_eqz(host, "localhost") && small))
		return;
	i->host = str_head(i->name, (size_t)slash + 1);
	i->name = str_skip(i->name, (size_t)slash + 1);
	if (str_eqz(i->host, "docker.io/") || str_eqz(i->host, "index.docker.io/"))
		i->host = STR("");
}

static bool take_image(const char *image, struct image_name *i)
{
	struct str s = str_of(image), tag;
	ptrdiff_t at = str_chr(s, '@'), colon;
	size_t end = at < 0 ? s.n : (size_t)at;

	if (s.n == 0 || s.n > 1000 || str_visible(s, ' ', '"') != s.n)
		return false;
	*i = (struct image_name){ .host = STR(""), .name = str_head(s, end) };
	colon = str_rchr(i->name, ':');
	if (colon > str_rchr(i->name, '/')) {
		end = (size_t)colon;
		tag = str_skip(i->name, end + 1);
		if (tag.n == 0 || tag.n > 128 || !str_is_token(tag))
			return false;
		i->name = str_head(i->name, end);
	}
	i->rest = str_skip(s, end);
	take_host(i);
	if (i->host.n == 0 && str_starts(i->name, STR("library/")) &&
	    str_rchr(i->name, '/') == 7)
		i->name = str_skip(i->name, 8);
	for (size_t k = 0; k < i->name.n; k++)
		if (!is_digit(i->name.p[k]) &&
		    strchr("._-/", i->name.p[k]) == NULL &&
		    !(is_alpha(i->name.p[k]) &&
		      to_lower(i->name.p[k]) == i->name.p[k]))
			return false;
	return i->name.n > 0 && is_alnum(i->name.p[0]) &&
	       is_alnum(i->name.p[i->name.n - 1]);
}

/* The short name of it, with a tag: so docker sends it. */
static void put_image(const struct image_name *i, cJSON *spec)
{
	struct buf b = BUF_INIT(2000);

	buf_addstr(&b, i->host);
	buf_addstr(&b, i->name);
	if (i->rest.n == 0)
		buf_adds(&b, ":latest");
	buf_addstr(&b, i->rest);
	json_add_str(spec, "Image", b.str);
	buf_release(&b);
}

/* What the file calls it; what is only built has the name that docker compose gives
 * it.  Caller frees. */
static char *image_text(const struct load *l, const struct node *service)
{
	const struct node *image = node_get(service, "image");

	if (image != NULL)
		return xstrdup(image->text);
	if (node_get(service, "build") == NULL)
		return NULL;
	return xasprintf("%s-%s", l->c->stack, service->name);
}

static int add_image(struct load *l, const struct node *service, cJSON *spec,
		     struct err *e)
{
	const struct node *image = node_get(service, "image");
	char *text = image_text(l, service);
	struct image_name name;
	int rc = 0;

	if (text == NULL)
		rc = load_bad(l, service, e, "services.%s: has no image",
			      service->name);
	else if (!take_image(text, &name))
		rc = load_bad(l, image ? image : service, e,
			      "services.%s.image: is no name of an image: NAME, "
			      "NAME:TAG, HOST/NAME:TAG, in small letters",
			      service->name);
	else
		put_image(&name, spec);
	free(text);
	return rc;
}

static void add_host(cJSON *hosts, struct str name, struct str address)
{
	char *line;

	if (address.n > 2 && address.p[0] == '[' && address.p[address.n - 1] == ']')
		address = str_head(str_skip(address, 1), address.n - 2);
	line = xasprintf("%.*s %.*s", STR_ARG(address), STR_ARG(name));
	json_add_str(hosts, NULL, line);
	free(line);
}

/* "name:address" or "name=address"; a map's go by name. */
static void add_hosts(const struct node *n, cJSON *spec)
{
	char **line;
	cJSON *hosts;
	size_t lines = 0;

	if (n == NULL || n->n == 0)
		return;
	hosts = json_add_arr(spec, "Hosts");
	line = xcalloc(n->n, sizeof(*line));
	for (size_t i = 0; i < n->n; i++) {
		const struct node *host = n->item[i];
		char sep = strchr(host->text, '=') != NULL && host->name == NULL ?
				   '=' :
				   ':';

		if (host->kind != NODE_NULL)
			line[lines++] = host->name == NULL ?
						xasprintf("%c%s", sep, host->text) :
						xasprintf(":%s:%s", host->name,
							  host->text);
	}
	if (n->kind == NODE_MAP)
		qsort(line, lines, sizeof(*line), text_order);
	for (size_t i = 0; i < lines; i++) {
		struct str address = str_of(line[i] + 1), name;

		if (str_cut(&address, line[i][0], &name))
			add_host(hosts, name, address);
		free(line[i]);
	}
	free(line);
}

static void add_dns(const struct node *service, cJSON *spec)
{
	const struct node *dns = node_get(service, "dns"),
			  *search = node_get(service, "dns_search");
	cJSON *to;

	if (dns == NULL && search == NULL)
		return;
	to = json_add_obj(spec, "DNSConfig");
	add_texts(to, "Nameservers", dns);
	add_texts(to, "Search", search);
}

static int add_health(struct load *l, const struct node *service, cJSON *spec,
		      struct err *e)
{
	const struct node *h = node_get(service, "healthcheck"), *test, *retries;
	cJSON *to, *list;

	if (h == NULL)
		return 0;
	to = json_add_obj(spec, "Healthcheck");
	test = node_get(h, "test");
	if (node_get(h, "disable") != NULL && node_get(h, "disable")->yes) {
		if (test != NULL && (test->kind == NODE_STRING || test->n > 0))
			return load_bad(l, test, e,
					"services.%s.healthcheck: a test, and disable",
					service->name);
		json_add_str(json_add_arr(to, "Test"), NULL, "NONE");
		return 0;
	}
	if (test != NULL && test->kind == NODE_STRING) {
		list = json_add_arr(to, "Test");
		json_add_str(list, NULL, "CMD-SHELL");
		json_add_str(list, NULL, test->text);
	} else {
		add_texts(to, "Test", test);
	}
	retries = node_get(h, "retries");
	if (retries != NULL && retries->whole > 0)
		add_count(to, "Retries", retries);
	if (add_duration(l, to, "Interval", node_get(h, "interval"), false, e) < 0 ||
	    add_duration(l, to, "Timeout", node_get(h, "timeout"), false, e) < 0 ||
	    add_duration(l, to, "StartPeriod", node_get(h, "start_period"),
			 false, e) < 0)
		return -1;
	return add_duration(l, to, "StartInterval",
			    node_get(h, "start_interval"), false, e);
}

/* ---- capabilities ---- */

static char *capability(const char *given)
{
	struct str s = str_trim(str_of(given));
	bool whole = str_ieqz(s, "ALL") || str_ieqz(s, "RESET") ||
		     str_istarts(s, STR("CAP_"));
	char *name = xasprintf("%s%.*s", whole ? "" : "CAP_", STR_ARG(s));

	for (char *p = name; *p != '\0'; p++)
		*p = to_upper(*p);
	return name;
}

static bool has_text(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

/* Each once, in order; "ALL" stands for the rest. */
static size_t capabilities(const struct node *n, char **list)
{
	size_t many = 0;
	char *name;

	for (size_t i = 0; n != NULL && i < n->n; i++) {
		name = capability(n->item[i]->text);
		if (has_text(list, many, name))
			free(name);
		else
			list[many++] = name;
	}
	if (has_text(list, many, "ALL")) {
		while (many > 0)
			free(list[--many]);
		list[many++] = xstrdup("ALL");
	}
	qsort(list, many, sizeof(*list), text_order);
	return many;
}

/* RESET is of updates. */
static void list_capabilities(cJSON *spec, const char *name, char *const *list,
			      size_t n, char *const *but, size_t n_but)
{
	cJSON *to = NULL;

	for (size_t i = 0; i < n; i++) {
		if (has_text(but, n_but, list[i]) || strcmp(list[i], "RESET") == 0)
			continue;
		if (to == NULL)
			to = json_add_arr(spec, name);
		json_add_str(to, NULL, list[i]);
	}
}

static void add_capabilities(const struct node *service, cJSON *spec)
{
	const struct node *add = node_get(service, "cap_add"),
			  *drop = node_get(service, "cap_drop");
	char **added = xcalloc(add ? add->n + 1 : 1, sizeof(*added)),
	     **dropped = xcalloc(drop ? drop->n + 1 : 1, sizeof(*dropped));
	size_t n_added = capabilities(add, added),
	       n_dropped = capabilities(drop, dropped);

	list_capabilities(spec, "CapabilityAdd", added, n_added, NULL, 0);
	list_capabilities(spec, "CapabilityDrop", dropped, n_dropped, added,
			  n_added);
	for (size_t i = 0; i < n_added; i++)
		free(added[i]);
	for (size_t i = 0; i < n_dropped; i++)
		free(dropped[i]);
	free(added);
	free(dropped);
}

static int add_ulimits(struct load *l, const struct node *n, cJSON *spec,
		       struct err *e)
{
	cJSON *list, *to;

	if (n == NULL || n->n == 0)
		return 0;
	list = json_add_arr(spec, "Ulimits");
	for (size_t i = 0; i < n->n; i++) {
		const struct node *limit = n->item[i],
				  *soft = node_get(limit, "soft"),
				  *hard = node_get(limit, "hard");

		if (limit->kind == NODE_MAP && (soft == NULL || hard == NULL))
			return load_bad(l, limit, e,
					"ulimits.%s: wants soft and hard",
					limit->name);
		to = json_add_obj(list, NULL);
		json_add_str(to, "Name", limit->name);
		json_add_int(to, "Hard", hard ? hard->whole : limit->whole);
		json_add_int(to, "Soft", soft ? soft->whole : limit->whole);
	}
	sort_by(list, "Name");
	return 0;
}

/* ---- configs and secrets that it sees ---- */

/* Two cannot be one file. */
static bool has_target(const cJSON *refs, const char *target)
{
	const cJSON *ref;

	cJSON_ArrayForEach(ref, refs)
		if (str_is(json_text(ref, "File.Name"), target))
			return true;
	return false;
}

static int add_file(struct load *l, const struct node *n, const char *source,
		    cJSON *refs, cJSON *ref, struct err *e)
{
	const struct node *target = node_get(n, "target"),
			  *uid = node_get(n, "uid"), *gid = node_get(n, "gid"),
			  *mode = node_get(n, "mode");
	const char *name = target && target->text[0] ? target->text : source;
	cJSON *file;

	if (has_target(refs, name))
		return load_bad(l, n, e,
				"two of them are the file %s: give one a target",
				name);
	file = json_add_obj(ref, "File");
	json_add_str(file, "Name", name);
	json_add_str(file, "UID", uid && uid->text[0] ? uid->text : "0");
	json_add_str(file, "GID", gid && gid->text[0] ? gid->text : "0");
	json_add_int(file, "Mode", mode ? mode->whole : MODE_DEFAULT);
	return 0;
}

static int add_reference(struct load *l, const struct node *section,
			 const struct node *n, const char *what, cJSON *refs,
			 struct err *e)
{
	const struct node *source = n->kind == NODE_MAP ? node_get(n, "source") :
							  n,
			  *object;
	cJSON *ref;
	char *name;

	if (source == NULL)
		return load_bad(l, n, e, "a %s wants a source", what);
	object = node_find(section, source->text);
	if (object == NULL)
		return load_bad(l, n, e, "%s \"%s\" is not in the file's %ss",
				what, source->text, what);
	ref = json_add_obj(refs, NULL);
	if (add_file(l, n, source->text, refs, ref, e) < 0)
		return -1;
	name = object_name(l, object, object->name);
	json_add_str(ref, what[0] == 's' ? "SecretName" : "ConfigName", name);
	free(name);
	return 0;
}

static int add_secrets(struct load *l, const struct sections *s,
		       const struct node *service, cJSON *spec, struct err *e)
{
	const struct node *n = node_get(service, "secrets");
	cJSON *refs;

	if (n == NULL || n->n == 0)
		return 0;
	refs = json_add_arr(spec, "Secrets");
	for (size_t i = 0; i < n->n; i++)
		if (add_reference(l, s->secrets, n->item[i], "secret", refs, e) < 0)
			return -1;
	sort_by(refs, "SecretName");
	return 0;
}

/* With that of a credential specification, which no file shows. */
static int add_configs(struct load *l, const struct sections *s,
		       const struct node *service, cJSON *spec, struct err *e)
{
	const struct node *n = node_get(service, "configs"),
			  *c = node_get(node_get(service, "credential_spec"),
					"config"),
			  *object = NULL;
	cJSON *refs, *ref;
	char *name;

	if ((n == NULL || n->n == 0) && c == NULL)
		return 0;
	refs = json_add_arr(spec, "Configs");
	for (size_t i = 0; n != NULL && i < n->n; i++)
		if (add_reference(l, s->configs, n->item[i], "config", refs, e) < 0)
			return -1;
	if (c != NULL) {
		object = node_find(s->configs, c->text);
		if (object == NULL)
			return load_bad(l, c, e,
					"config \"%s\" is not in the file's configs",
					c->text);
		ref = json_add_obj(refs, NULL);
		json_add_obj(ref, "Runtime");
		name = object_name(l, object, object->name);
		json_add_str(ref, "ConfigName", name);
		free(name);
	}
	sort_by(refs, "ConfigName");
	return 0;
}

/* Config is a name here, where the Engine wants an ID. */
static int add_privileges(struct load *l, const struct sections *s,
			  const struct node *service, cJSON *spec, struct err *e)
{
	static const char *const members[][2] = { { "config", "Config" },
						  { "file", "File" },
						  { "registry", "Registry" } };
	const struct node *c = node_get(service, "credential_spec"), *n;
	cJSON *privileges = json_add_obj(spec, "Privileges"), *to;
	unsigned given = 0;
	char *name;

	if (c == NULL || c->n == 0)
		return 0;
	to = json_add_obj(privileges, "CredentialSpec");
	for (size_t i = 0; i < 3; i++) {
		n = node_get(c, members[i][0]);
		given += n != NULL && n->text[0] != '\0';
		if (n == NULL || i > 0) {
			json_add_str(to, members[i][1], n ? n->text : "");
			continue;
		}
		name = object_name(l, node_find(s->configs, n->text), n->text);
		json_add_str(to, "Config", name);
		free(name);
	}
	return given <= 1 ? 0 :
			    load_bad(l, c, e,
				     "credential_spec: one of config, file and "
				     "registry");
}

static int add_container(struct load *l, const struct sections *s,
			 const struct node *service, cJSON *task, struct err *e)
{
	cJSON *spec = json_add_obj(task, "ContainerSpec");
	const struct node *init = node_get(service, "init");

	if (add_image(l, service, spec, e) < 0 ||
	    add_words(l, spec, "Command", node_get(service, "entrypoint"), e) < 0 ||
	    add_words(l, spec, "Args", node_get(service, "command"), e) < 0 ||
	    env_convert(l, service, spec, e) < 0 ||
	    mounts_convert(l, s, service, spec, e) < 0 ||
	    add_health(l, service, spec, e) < 0 ||
	    add_secrets(l, s, service, spec, e) < 0 ||
	    add_configs(l, s, service, spec, e) < 0 ||
	    add_privileges(l, s, service, spec, e) < 0 ||
	    add_ulimits(l, node_get(service, "ulimits"), spec, e) < 0 ||
	    add_duration(l, spec, "StopGracePeriod",
			 node_get(service, "stop_grace_period"), true, e) < 0)
		return -1;
	labels_convert(l, node_get(service, "labels"), spec);
	add_text(spec, "Hostname", node_get(service, "hostname"));
	add_text(spec, "Dir", node_get(service, "working_dir"));
	add_text(spec, "User", node_get(service, "user"));
	add_text(spec, "StopSignal", node_get(service, "stop_signal"));
	add_text(spec, "Isolation", node_get(service, "isolation"));
	add_yes(spec, "TTY", node_get(service, "tty"));
	add_yes(spec, "OpenStdin", node_get(service, "stdin_open"));
	add_yes(spec, "ReadOnly", node_get(service, "read_only"));
	if (init != NULL)
		json_add_bool(spec, "Init", init->yes);
	add_hosts(node_get(service, "extra_hosts"), spec);
	add_dns(service, spec);
	add_pairs(spec, "Sysctls", node_get(service, "sysctls"));
	add_capabilities(service, spec);
	return 0;
}

/* ---- the task ---- */

static int add_limits(struct load *l, const struct node *n, const char *name,
		      cJSON *to, struct err *e)
{
	const struct node *cpus = node_get(n, "cpus"),
			  *memory = node_get(n, "memory"),
			  *pids = node_get(n, "pids"),
			  *generic = node_get(n, "generic_resources");
	int64_t v = 0;
	cJSON *limits, *list;

	if (n == NULL)
		return 0;
	limits = json_add_obj(to, name);
	if (cpus != NULL && cpus->text[0] != '\0') {
		if (short_cpus(l, cpus, &v, e) < 0)
			return -1;
		if (v > 0)
			json_add_int(limits, "NanoCPUs", v);
	}
	if (memory != NULL) {
		if (short_size(l, memory, &v, e) < 0)
			return -1;
		if (v > 0)
			json_add_int(limits, "MemoryBytes", v);
	}
	if (pids != NULL && pids->whole != 0)
		add_count(limits, "Pids", pids);
	list = generic && generic->n > 0 ?
		       json_add_arr(limits, "GenericResources") :
		       NULL;
	for (size_t i = 0; list != NULL && i < generic->n; i++) {
		const struct node *spec = node_get(generic->item[i],
						   "discrete_resource_spec");
		cJSON *item = json_add_obj(list, NULL);

		if (spec == NULL)
			continue;
		item = json_add_obj(item, "DiscreteResourceSpec");
		add_text(item, "Kind", node_get(spec, "kind"));
		add_count(item, "Value", node_get(spec, "value"));
	}
	return 0;
}

static int add_policy(struct load *l, const struct node *n, cJSON *to,
		      struct err *e)
{
	cJSON *policy = json_add_obj(to, "RestartPolicy");

	add_text(policy, "Condition", node_get(n, "condition"));
	add_count(policy, "MaxAttempts", node_get(n, "max_attempts"));
	if (add_duration(l, policy, "Delay", node_get(n, "delay"), true, e) < 0)
		return -1;
	return add_duration(l, policy, "Window", node_get(n, "window"), true, e);
}

/* "on-failure:3": the older way to say it, which docker still takes. */
static int add_restart(struct load *l, const struct node *n, cJSON *to,
		       struct err *e)
{
	struct str attempts = str_of(n->text), word = attempts;
	bool has = str_cut(&attempts, ':', &word);
	uint64_t times = 0;
	cJSON *policy;

	if (word.n == 0 || str_eqz(word, "no"))
		return 0;
	if ((has && !str_num(attempts, 1000000, &times)) ||
	    (!str_eqz(word, "always") && !str_eqz(word, "unless-stopped") &&
	     !str_eqz(word, "on-failure")))
		return load_bad(l, n, e,
				"restart: is no, always, unless-stopped, on-failure "
				"or on-failure:TIMES");
	policy = json_add_obj(to, "RestartPolicy");
	json_add_str(policy, "Condition",
		     str_eqz(word, "on-failure") ? "on-failure" : "any");
	if (times > 0 || str_eqz(word, "on-failure"))
		json_add_int(policy, "MaxAttempts", (int64_t)times);
	return 0;
}

static void add_placement(const struct node *n, cJSON *task)
{
	const struct node *spread = node_get(n, "preferences"),
			  *most = node_get(n, "max_replicas_per_node"), *by;
	cJSON *to = json_add_obj(task, "Placement"), *list;

	add_texts(to, "Constraints", node_get(n, "constraints"));
	if (most != NULL && most->whole > 0)
		add_count(to, "MaxReplicas", most);
	list = spread && spread->n > 0 ? json_add_arr(to, "Preferences") : NULL;
	for (size_t i = 0; list != NULL && i < spread->n; i++) {
		by = node_get(spread->item[i], "spread");
		json_add_str(json_add_obj(json_add_obj(list, NULL), "Spread"),
			     "SpreadDescriptor", by ? by->text : "");
	}
}

static bool is_special(const char *network)
{
	return strcmp(network, "host") == 0 || strcmp(network, "bridge") == 0 ||
	       strcmp(network, "none") == 0 || strcmp(network, "default") == 0 ||
	       strncmp(network, "container:", 10) == 0;
}

static int add_network(struct load *l, const struct sections *s,
		       const struct node *service, const struct node *n,
		       const char *key, cJSON *list, struct err *e)
{
	const struct node *network = node_find(s->networks, key),
			  *own = n != NULL && n->kind == NODE_MAP ? n : NULL;
	cJSON *to, *aliases;
	char *name;

	if (network == NULL && strcmp(key, "default") != 0)
		return load_bad(l, n, e,
				"services.%s: network \"%s\" is not in the file's "
				"networks",
				service->name, key);
	name = object_name(l, network, key);
	to = json_add_obj(list, NULL);
	json_add_str(to, "Target", name);
	add_texts(to, "Aliases", node_get(own, "aliases"));
	if (!is_special(name)) {
		aliases = json_get_mut(to, "Aliases");
		if (aliases == NULL)
			aliases = json_add_arr(to, "Aliases");
		json_add_str(aliases, NULL, service->name);
	}
	add_pairs(to, "DriverOpts", node_get(own, "driver_opts"));
	free(name);
	return 0;
}

static int add_networks(struct load *l, const struct sections *s,
			const struct node *service, cJSON *task, struct err *e)
{
	const struct node *n = node_get(service, "networks");
	cJSON *list = json_add_arr(task, "Networks");

	if (n == NULL || n->n == 0)
		return add_network(l, s, service, NULL, "default", list, e);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->item[i];

		if (add_network(l, s, service, item,
				n->kind == NODE_MAP ? item->name : item->text,
				list, e) < 0)
			return -1;
	}
	sort_by(list, "Target");
	return 0;
}

static void add_logging(const struct node *n, cJSON *task)
{
	cJSON *to;

	if (n == NULL)
		return;
	to = json_add_obj(task, "LogDriver");
	add_text(to, "Name", node_get(n, "driver"));
	add_pairs(to, "Options", node_get(n, "options"));
}

static int add_task(struct load *l, const struct sections *s,
		    const struct node *service, cJSON *body, struct err *e)
{
	cJSON *task = json_add_obj(body, "TaskTemplate"), *resources;
	const struct node *deploy = node_get(service, "deploy"),
			  *wants = node_get(deploy, "resources"),
			  *policy = node_get(deploy, "restart_policy"),
			  *restart = node_get(service, "restart");

	if (add_container(l, s, service, task, e) < 0)
		return -1;
	resources = json_add_obj(task, "Resources");
	if (add_limits(l, node_get(wants, "limits"), "Limits", resources, e) < 0 ||
	    add_limits(l, node_get(wants, "reservations"), "Reservations",
		       resources, e) < 0)
		return -1;
	if (policy != NULL && add_policy(l, policy, task, e) < 0)
		return -1;
	if (policy == NULL && restart != NULL &&
	    add_restart(l, restart, task, e) < 0)
		return -1;
	add_placement(node_get(deploy, "placement"), task);
	if (add_networks(l, s, service, task, e) < 0)
		return -1;
	add_logging(node_get(service, "logging"), task);
	json_add_int(task, "ForceUpdate", 0);
	return 0;
}

/* ---- the service ---- */

static int add_mode(struct load *l, const struct node *service, cJSON *body,
		    struct err *e)
{
	static const char *const modes[][2] = {
		{ "replicated", "Replicated" },
		{ "global", "Global" },
		{ "replicated-job", "ReplicatedJob" },
		{ "global-job", "GlobalJob" },
	};
	const struct node *deploy = node_get(service, "deploy"),
			  *given = node_get(deploy, "mode"),
			  *replicas = node_get(deploy, "replicas");
	size_t i = 0, n = sizeof(modes) / sizeof(*modes);
	cJSON *to;

	while (given != NULL && given->text[0] != '\0' && i < n &&
	       strcmp(given->text, modes[i][0]) != 0)
		i++;
	if (i == n)
		return load_bad(l, given, e,
				"services.%s.deploy.mode: is replicated, global, "
				"replicated-job or global-job",
				service->name);
	if (replicas != NULL && modes[i][0][0] == 'g')
		return load_bad(l, replicas, e,
				"services.%s.deploy.replicas: a global service has "
				"one on each node",
				service->name);
	to = json_add_obj(json_add_obj(body, "Mode"), modes[i][1]);
	if (i == 2)
		add_count(to, "MaxConcurrent", replicas);
	add_count(to, i == 2 ? "TotalCompletions" : "Replicas", replicas);
	return 0;
}

static int add_update(struct load *l, const struct node *n, const char *name,
		      cJSON *body, struct err *e)
{
	const struct node *parallel = node_get(n, "parallelism"),
			  *ratio = node_get(n, "max_failure_ratio"),
			  *order = node_get(n, "order");
	cJSON *to;

	if (n == NULL)
		return 0;
	if (order != NULL && strcmp(order->text, "start-first") != 0 &&
	    strcmp(order->text, "stop-first") != 0)
		return load_bad(l, order, e,
				"order: is start-first or stop-first");
	to = json_add_obj(body, name);
	json_add_int(to, "Parallelism", parallel ? parallel->whole : 1);
	add_text(to, "FailureAction", node_get(n, "failure_action"));
	cJSON_AddNumberToObject(to, "MaxFailureRatio", ratio ? ratio->real : 0);
	json_add_str(to, "Order", order ? order->text : "");
	if (add_duration(l, to, "Delay", node_get(n, "delay"), false, e) < 0)
		return -1;
	return add_duration(l, to, "Monitor", node_get(n, "monitor"), false, e);
}

static int long_port(struct load *l, const struct node *n, cJSON *ports,
		     struct err *e)
{
	const struct node *target = node_get(n, "target"),
			  *published = node_get(n, "published");
	cJSON *port = json_add_obj(ports, NULL);

	if (target == NULL || target->whole == 0 || target->whole > 65535 ||
	    (published != NULL && published->whole > 65535))
		return load_bad(l, n, e,
				"a port wants a target, and may have published, of 1 "
				"to 65535");
	add_text(port, "Protocol", node_get(n, "protocol"));
	add_count(port, "TargetPort", target);
	if (published != NULL && published->whole > 0)
		add_count(port, "PublishedPort", published);
	add_text(port, "PublishMode", node_get(n, "mode"));
	return 0;
}

static int add_endpoint(struct load *l, const struct node *service, cJSON *body,
			struct err *e)
{
	const struct node *mode = node_get(node_get(service, "deploy"),
					   "endpoint_mode"),
			  *ports = node_get(service, "ports");
	cJSON *to = json_add_obj(body, "EndpointSpec"), *list;

	if (mode != NULL && mode->text[0] != '\0') {
		for (char *p = mode->text; *p != '\0'; p++)
			*p = to_lower(*p);
		json_add_str(to, "Mode", mode->text);
	}
	if (ports == NULL || ports->n == 0)
		return 0;
	list = json_add_arr(to, "Ports");
	for (size_t i = 0; i < ports->n; i++) {
		const struct node *n = ports->item[i];

		if ((n->kind == NODE_MAP ?
			     long_port(l, n, list, e) :
			     short_port(l, n, service->name, list, e)) < 0)
			return -1;
	}
	return 0;
}

int service_convert(struct load *l, const struct sections *s,
		    const struct node *service, struct err *e)
{
	const struct node *deploy = node_get(service, "deploy");
	cJSON *body = json_add_obj(l->c->services, NULL);
	char *name = load_scope(l, service->name), *image;

	json_add_str(body, "Name", name);
	free(name);
	labels_convert(l, node_get(deploy, "labels"), body);
	if (add_task(l, s, service, body, e) < 0 ||
	    add_mode(l, service, body, e) < 0 ||
	    add_update(l, node_get(deploy, "update_config"), "UpdateConfig",
		       body, e) < 0 ||
	    add_update(l, node_get(deploy, "rollback_config"), "RollbackConfig",
		       body, e) < 0 ||
	    add_endpoint(l, service, body, e) < 0)
		return -1;
	image = image_text(l, service);
	json_set(json_get_mut(body, "Labels"), "com.docker.stack.image",
		 cJSON_CreateString(image));
	free(image);
	return 0;
}
