/*
 * The environment of a service: its files, then its own, then what those leave to
 * the variables that are there.
 *
 * Source: Compose Specification, "environment" and "env_file".
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "compose/inner.h"

#define ENV_FILE_MAX (1u << 20)
#define ENV_MAX 4096

/* In all[]: a text, or null where only the name is given. */
static void put(struct load *l, cJSON *all, const char *name, const char *value)
{
	const char *there = NULL;

	if (value == NULL || value[0] == '\0')
		there = load_var(l, name);
	if (there != NULL)
		value = there;
	json_set(all, name,
		 value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

static int put_line(struct load *l, const struct node *n, struct str line,
		    unsigned number, cJSON *all, struct err *e)
{
	struct str value = line, name = STR_NULL;
	bool has_value;
	char *z;

	while (value.n > 0 && strchr(" \t\v\f", value.p[0]) != NULL)
		value = str_skip(value, 1);
	if (value.n == 0 || value.p[0] == '#')
		return 0;
	has_value = str_cut(&value, '=', &name);
	if (!has_value)
		name = value;
	if (name.n == 0 || str_chr(name, ' ') >= 0 || str_chr(name, '\t') >= 0)
		return load_bad(l, n, e,
				"%s: line %u is no NAME=value, nor a comment",
				n->text, number);
	if (cJSON_GetArraySize(all) >= ENV_MAX)
		return load_bad(l, n, e, "more than %d variables", ENV_MAX);
	z = str_dup(name);
	if (has_value) {
		char *text = str_dup(value);

		put(l, all, z, text);
		burn_str(text);
	} else if (load_var(l, z) != NULL) {
		put(l, all, z, NULL);
	}
	free(z);
	return 0;
}

static bool there(const struct load *l, const char *path)
{
	char *whole = load_path(l, path);
	bool yes = file_exists(whole);

	free(whole);
	return yes;
}

static int put_file(struct load *l, const struct node *n, cJSON *all,
		    struct err *e)
{
	const struct node *path = n->kind == NODE_MAP ? node_get(n, "path") : n,
			  *required = n->kind == NODE_MAP ?
					      node_get(n, "required") :
					      NULL;
	struct buf b = BUF_INIT(ENV_FILE_MAX);
	struct str text, line;
	unsigned number = 0;
	int rc = 0;

	if (path == NULL)
		return load_bad(l, n, e, "env_file wants a path");
	if (required != NULL && !required->yes && !there(l, path->text))
		return 0;
	rc = load_file(l, path, path->text, &b, e);
	text = buf_str(&b);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	while (rc == 0 && str_next(&text, '\n', &line)) {
		number++;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (memchr(line.p, '\0', line.n) != NULL)
			rc = load_bad(l, n, e, "%s: line %u has a NUL in it",
				      path->text, number);
		else
			rc = put_line(l, path, line, number, all, e);
	}
	buf_burn(&b);
	return rc;
}

static int put_files(struct load *l, const struct node *files, cJSON *all,
		     struct err *e)
{
	if (files == NULL)
		return 0;
	if (files->kind == NODE_STRING)
		return put_file(l, files, all, e);
	for (size_t i = 0; i < files->n; i++)
		if (put_file(l, files->item[i], all, e) < 0)
			return -1;
	return 0;
}

static int put_own(struct load *l, const struct node *own, cJSON *all,
		   struct err *e)
{
	for (size_t i = 0; own != NULL && i < own->n; i++) {
		const struct node *n = own->item[i];
		struct str value = str_of(n->text), name = STR_NULL;
		char *z;

		if (own->kind == NODE_MAP) {
			put(l, all, n->name,
			    n->kind == NODE_NULL ? NULL : n->text);
			continue;
		}
		if (n->text[0] == '=' || n->text[0] == '\0')
			return load_bad(l, n, e, "a variable without a name");
		z = str_cut(&value, '=', &name) ? str_dup(name) :
						  xstrdup(n->text);
		put(l, all, z, name.p != NULL ? value.p : NULL);
		free(z);
	}
	return 0;
}

/* "A=b", by name. */
static void list(const cJSON *all, cJSON *spec)
{
	size_t n = 0, size = (size_t)cJSON_GetArraySize(all);
	char **text = xcalloc(size + 1, sizeof(*text));
	const cJSON *v;
	cJSON *env;

	cJSON_ArrayForEach(v, all)
		text[n++] = cJSON_IsString(v) ?
				    xasprintf("%s=%s", v->string, v->valuestring) :
				    xstrdup(v->string);
	qsort(text, n, sizeof(*text), text_order);
	env = n == 0 ? NULL : json_add_arr(spec, "Env");
	for (size_t i = 0; i < n; i++) {
		json_add_str(env, NULL, text[i]);
		burn_str(text[i]);
	}
	free(text);
}

int env_convert(struct load *l, const struct node *service, cJSON *spec,
		struct err *e)
{
	cJSON *all = cJSON_CreateObject();
	int rc = put_files(l, node_get(service, "env_file"), all, e);

	if (rc == 0)
		rc = put_own(l, node_get(service, "environment"), all, e);
	if (rc == 0)
		list(all, spec);
	json_burn(all);
	return rc;
}
