/*
 * What a deployment would change, property by property: a service as the file
 * has it beside the one that is there.  Both are brought to one form first, for
 * the Engine writes down what it does by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "swarm/stack.h"

#define TEXT_MAX 4096
#define SHOWN_MAX 200

static const struct {
	const char *word, *color;
	char symbol;
} changes[] = {
	[STACK_CREATE] = { "create", "32", '+' },
	[STACK_MODIFY] = { "modify", "33", '~' },
	[STACK_DELETE] = { "delete", "31", '-' },
};

void stack_row(struct stack_rows *r, enum stack_change c, const char *type,
	       const char *name, const char *property, const char *before,
	       const char *after)
{
	const char *cells[] = { changes[c].word, type,	 name,
				property,	 before, after };
	cJSON *row = cJSON_CreateArray();

	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		struct buf clean = BUF_INIT(2 * TEXT_MAX);

		buf_add_clean(&clean, str_head(str_of(cells[i]), TEXT_MAX));
		json_add_str(row, NULL, clean.str);
		buf_release(&clean);
	}
	if (r->list == NULL)
		r->list = cJSON_CreateArray();
	cJSON_AddItemToArray(r->list, row);
	r->n++;
}

void stack_rows_release(struct stack_rows *r)
{
	json_free(r->list);
	*r = (struct stack_rows){ 0 };
}

/* ---- one form ---- */

/* What the Engine does when nothing is said, and may write down. */
static const struct {
	const char *path, *name, *value;
} defaults[] = {
	{ "TaskTemplate", "Runtime", "container" },
	{ "TaskTemplate.ContainerSpec", "Isolation", "default" },
	{ "TaskTemplate.RestartPolicy", "Condition", "any" },
	{ "UpdateConfig", "FailureAction", "pause" },
	{ "UpdateConfig", "Order", "stop-first" },
	{ "RollbackConfig", "FailureAction", "pause" },
	{ "RollbackConfig", "Order", "stop-first" },
	{ "EndpointSpec", "Mode", "vip" },
};

static cJSON *at_mut(cJSON *doc, const char *path)
{
	struct str rest = str_of(path), word;

	while (doc != NULL && str_next(&rest, '.', &word)) {
		char *name = str_dup(word);

		doc = json_get_mut(doc, name);
		free(name);
	}
	return doc;
}

static void drop_defaults(cJSON *spec)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
		cJSON *at = at_mut(spec, defaults[i].path);

		if (json_is(at, defaults[i].name, defaults[i].value))
			cJSON_DeleteItemFromObjectCaseSensitive(at,
								defaults[i].name);
	}
}

/* Where nothing is said the Engine does not take 0, but one task at a time, 5
 * and 10 s: "all at once" and "at once" are something. */
static bool is_zero_said(const cJSON *in, const cJSON *v)
{
	static const struct {
		const char *in, *name;
	} said[] = {
		{ "ContainerSpec", "StopGracePeriod" },
		{ "RestartPolicy", "Delay" },
		{ "UpdateConfig", "Parallelism" },
		{ "RollbackConfig", "Parallelism" },
	};

	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++)
		if (in->string != NULL && strcmp(in->string, said[i].in) == 0 &&
		    strcmp(v->string, said[i].name) == 0)
			return true;
	return false;
}

/* A member of an object that says nothing, and so is the same as none: but for
 * "Init", of which no is not nothing. */
static bool is_nothing(const cJSON *in, const cJSON *v)
{
	return cJSON_IsNull(v) ||
	       ((cJSON_IsObject(v) || cJSON_IsArray(v)) && v->child == NULL) ||
	       (cJSON_IsString(v) && v->valuestring[0] == '\0') ||
	       (cJSON_IsNumber(v) && v->valuedouble == 0 && !is_zero_said(in, v)) ||
	       (cJSON_IsFalse(v) && strcmp(v->string, "Init") != 0);
}

/* Of a whole document that json_parse() made, or compose_read(): not deep. */
static void drop_nothing(cJSON *v)
{
	cJSON *child = v->child, *next;

	for (; child != NULL; child = next) {
		next = child->next;
		if (cJSON_IsObject(child) || cJSON_IsArray(child))
			drop_nothing(child);
		if (cJSON_IsObject(v) && is_nothing(v, child))
			cJSON_Delete(cJSON_DetachItemViaPointer(v, child));
	}
}

/* Networks by their names, for the Engine has written down their IDs. */
static void name_networks(cJSON *task, const cJSON *networks)
{
	cJSON *use;
	const cJSON *n;

	cJSON_ArrayForEach(use, json_get_mut(task, "Networks"))
		cJSON_ArrayForEach(n, networks)
			if (strcmp(json_text(use, "Target"),
				   json_text(n, "ID")) == 0) {
				json_set(use, "Target",
					 cJSON_CreateString(json_text(n, "Name")));
				break;
			}
}

static void drop_ids(cJSON *container, const char *list, const char *id)
{
	cJSON *use;

	cJSON_ArrayForEach(use, json_get_mut(container, list))
		cJSON_DeleteItemFromObjectCaseSensitive(use, id);
}

static cJSON *one_form(const cJSON *spec, const struct stack_has *all)
{
	cJSON *s = cJSON_Duplicate(spec, true), *task, *container,
	      *mode = cJSON_DetachItemFromObjectCaseSensitive(s, "Mode");

	task = json_get_mut(s, "TaskTemplate");
	container = json_get_mut(task, "ContainerSpec");
	name_networks(task, all->networks);
	drop_ids(container, "Configs", "ConfigID");
	drop_ids(container, "Secrets", "SecretID");
	cJSON_DeleteItemFromObjectCaseSensitive(task, "ForceUpdate");
	drop_defaults(s);
	drop_nothing(s);
	if (cJSON_IsObject(json_get(mode, "Replicated")) &&
	    !cJSON_IsNumber(json_at(mode, "Replicated.Replicas")))
		json_set(json_get_mut(mode, "Replicated"), "Replicas",
			 cJSON_CreateNumber(1));
	if (mode != NULL)
		cJSON_AddItemToObject(s, "Mode", mode);
	return s;
}

/* ---- two of that form ---- */

struct walk {
	struct stack_rows *rows;
	const char *name; /* the service's */
};

/* Whether its value is for nobody to see: a variable, a label or an option that
 * is called like what it holds. */
static bool hushed_name(const char *path)
{
	static const char *const words[] = { "*pass*",	  "*secret*",
					     "*token*",	  "*key*",
					     "*auth*",	  "*credential*",
					     "*private*", "*pwd*" };
	struct str at = str_of(path);
	ptrdiff_t env = str_find(at, STR(".Env.")),
		  labels = str_find(at, STR("Labels.")),
		  options = str_find(at, STR("Options."));

	if (env < 0 && labels < 0 && options < 0)
		return false;
	at = str_skip(at, (size_t)(env >= 0    ? env + 5 :
				   labels >= 0 ? labels + 7 :
						 options + 8));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_glob(str_of(words[i]), at))
			return true;
	return false;
}

/* "https://user:password@host", "username=u,password=p", wherever that stands. */
static bool hushed_value(const cJSON *v)
{
	static const char *const words[] = { "*pass=*",	  "*password=*",
					     "*passwd=*", "*pwd=*",
					     "*secret=*", "*token=*",
					     "*key=*" };
	struct str s = str_of(json_text(v, "")), left;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_glob(str_of(words[i]), s))
			return true;
	while (str_cut(&s, '@', &left)) {
		ptrdiff_t at = str_find(left, STR("://"));

		if (at >= 0 && str_chr(str_skip(left, (size_t)at + 3), ':') >= 0)
			return true;
	}
	return false;
}

/* A value as a person reads it, cut where it is long. */
static void show(const cJSON *v, const char *path, struct buf *out)
{
	if (v == NULL)
		return;
	if (hushed_name(path) || hushed_value(v)) {
		buf_adds(out, "(not shown)");
		return;
	}
	if (cJSON_IsString(v))
		buf_adds(out, v->valuestring);
	else
		json_print(v, out);
	if (out->n > SHOWN_MAX) {
		buf_truncate(out, SHOWN_MAX);
		buf_truncate(out, str_whole(buf_str(out)).n);
		buf_adds(out, "...");
	}
}

static void row(struct walk *w, const char *path, const cJSON *a, const cJSON *b)
{
	struct buf before = BUF_INIT(STACK_ANSWER_MAX),
		   after = BUF_INIT(STACK_ANSWER_MAX);

	show(a, path, &before);
	show(b, path, &after);
	stack_row(w->rows,
		  a == NULL ? STACK_CREATE :
		  b == NULL ? STACK_DELETE :
			      STACK_MODIFY,
		  "service", w->name, path, before.str, after.str);
	buf_release(&before);
	buf_release(&after);
}

static void walk(struct walk *w, const char *path, const cJSON *a, const cJSON *b);

static void walk_members(struct walk *w, const char *path, const cJSON *a,
			 const cJSON *b)
{
	const cJSON *v;
	char *deeper;

	cJSON_ArrayForEach(v, a) {
		deeper = xasprintf("%s%s%s", path, *path ? "." : "", v->string);
		walk(w, deeper, v, json_get(b, v->string));
		free(deeper);
	}
	cJSON_ArrayForEach(v, b) {
		if (json_get(a, v->string) != NULL)
			continue;
		deeper = xasprintf("%s%s%s", path, *path ? "." : "", v->string);
		walk(w, deeper, NULL, v);
		free(deeper);
	}
}

static void walk_items(struct walk *w, const char *path, const cJSON *a,
		       const cJSON *b)
{
	int n = cJSON_GetArraySize(a), m = cJSON_GetArraySize(b);

	for (int i = 0; i < n || i < m; i++) {
		char *deeper = xasprintf("%s[%d]", path, i);

		walk(w, deeper, i < n ? cJSON_GetArrayItem(a, i) : NULL,
		     i < m ? cJSON_GetArrayItem(b, i) : NULL);
		free(deeper);
	}
}

/* "NAME=value" as members of an object, "NAME" as one without. */
static cJSON *variables(const cJSON *list)
{
	cJSON *all = cJSON_CreateObject();
	const cJSON *v;

	cJSON_ArrayForEach(v, list) {
		struct str value = str_of(json_text(v, "")), name = value;
		bool has = str_cut(&value, '=', &name);
		char *key = str_dup(name);

		json_set(all, key,
			 has ? cJSON_CreateString(value.p) : cJSON_CreateTrue());
		free(key);
	}
	return all;
}

static void walk_variables(struct walk *w, const char *path, const cJSON *a,
			   const cJSON *b)
{
	cJSON *x = variables(a), *y = variables(b);

	walk_members(w, path, x, y);
	json_free(x);
	json_free(y);
}

static void walk(struct walk *w, const char *path, const cJSON *a, const cJSON *b)
{
	bool objects = cJSON_IsObject(a != NULL ? a : b),
	     arrays = cJSON_IsArray(a != NULL ? a : b);

	if (a != NULL && b != NULL &&
	    (cJSON_Compare(a, b, true) || objects != cJSON_IsObject(b) ||
	     arrays != cJSON_IsArray(b))) {
		if (!cJSON_Compare(a, b, true))
			row(w, path, a, b);
	} else if (objects && (a != NULL ? a : b)->child != NULL) {
		walk_members(w, path, a, b);
	} else if (arrays && str_ends(str_of(path), STR(".Env"))) {
		walk_variables(w, path, a, b);
	} else if (arrays) {
		walk_items(w, path, a, b);
	} else {
		row(w, path, a, b);
	}
}

void stack_diff(struct stack_rows *r, const cJSON *has, const cJSON *spec,
		const struct stack_has *all)
{
	cJSON *a = one_form(json_get(has, "Spec"), all), *b = one_form(spec, all);
	struct walk w = { r, stack_service_name(has) };

	walk(&w, "", a, b);
	json_free(a);
	json_free(b);
}

/* ---- printing ---- */

/* "~ service NAME", and below it "    ~ PROPERTY: BEFORE -> AFTER". */
static void print_row(const cJSON *row, const char *last, struct ui *ui)
{
	const char *cell[6];
	char symbol = '~';
	const char *color = changes[STACK_MODIFY].color;

	for (int i = 0; i < 6; i++)
		cell[i] = json_text(cJSON_GetArrayItem(row, i), "");
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		if (strcmp(cell[0], changes[i].word) == 0) {
			symbol = changes[i].symbol;
			color = changes[i].color;
		}
	if (cell[3][0] != '\0' && strcmp(last, cell[2]) != 0)
		fprintf(ui->out, "~ %s %s\n", cell[1], cell[2]);
	if (ui->color_out)
		fprintf(ui->out, "\033[%sm", color);
	if (cell[3][0] == '\0')
		fprintf(ui->out, "%c %s %s", symbol, cell[1], cell[2]);
	else
		fprintf(ui->out, "    %c %s: %s%s%s", symbol, cell[3], cell[4],
			cell[4][0] != '\0' && cell[5][0] != '\0' ? " -> " : "",
			cell[5]);
	fputs(ui->color_out ? "\033[0m\n" : "\n", ui->out);
}

static int print_listing(const struct stack_rows *r, struct ui *ui, struct err *e)
{
	static const char *const columns[] = { "change",   "type",   "name",
					       "property", "before", "after",
					       NULL };
	const cJSON *row, *cell;
	struct listing t;
	int rc;

	listing_init(&t, columns);
	cJSON_ArrayForEach(row, r->list) {
		listing_row(&t);
		cJSON_ArrayForEach(cell, row)
			listing_cell(&t, "%s", cell->valuestring);
	}
	rc = listing_print(&t, ui, e);
	listing_release(&t);
	return rc;
}

int stack_rows_print(const struct stack_rows *r, struct ui *ui, struct err *e)
{
	const char *last = "";
	const cJSON *row;

	ui_clear(ui);
	if (ui->format != UI_TABLE)
		return print_listing(r, ui, e);
	cJSON_ArrayForEach(row, r->list) {
		print_row(row, last, ui);
		last = json_text(cJSON_GetArrayItem(row, 2), "");
	}
	if (fflush(ui->out) != 0) /* what is said next comes after it */
		return err_sys(e, ERR_IO, "standard output");
	return 0;
}
