#ifndef TEMPLATE_INNER_H
#define TEMPLATE_INNER_H

#include "template/template.h"

/* What the files of the template language share. */

/* Azure's limits ("Best practices for templates"). */
#define EXPRESSION_MAX 24576
#define PARAMETERS_MAX 256
#define VARIABLES_MAX 512
#define OUTPUTS_MAX 64
#define RESOURCES_MAX 800
#define COPIES_MAX 800
#define RESOURCE_BYTES_MAX (1u << 20)
#define TEMPLATE_BYTES_MAX (4u << 20)

/* Ours: a call inside a call, a variable that names a variable, ... */
#define DEPTH_MAX 100
/* Bytes and nodes made by one public function, all told: what keeps a short
 * template from doubling a string forty times. */
#define WORK_MAX (64u << 20)

/* ---- a copy loop, a lambda variable: chains on the stack --------------- */

struct loop {
	const struct loop *up;
	const char *name;	/* of copyIndex('name'); NULL has none */
	int64_t index;
	bool plain;		/* copyIndex() means this one */
};

struct binding {
	const struct binding *up;
	char *name;
	const cJSON *value;
};

enum {
	MAY_REFER = 1,		/* reference(), list*() */
	MAY_BE_NEW = 2,		/* newGuid(), utcNow() */
	MAY_USE_VARIABLES = 4,
};

/* In whose words an error is told. */
enum stage { STAGE_VALIDATE, STAGE_DEPLOY, STAGE_OUTPUT };

struct eval {
	struct template *t;	/* NULL: an expression by itself */
	struct err *e;
	enum stage stage;
	unsigned depth;
	size_t work;
	const char *kind, *name;	/* "resource", "vnet" */
	struct buf path;	/* "resources[2].properties.x", of the string at work */
	struct str text;	/* the expression at work */
	unsigned may;
	bool dry;		/* ask no callback, note who is referred to */
	bool unknown;		/* part of the expression at work is not known yet */
	size_t self;		/* the resource at work */
	const struct loop *loops;
	const struct binding *bound;
};

#define EVAL_INIT { .path = BUF_INIT(16384), .self = SIZE_MAX }

/* ---- template_eval.c ----------------------------------------------------- */

/* Sets the error unless one is set, in the words of the stage; NULL. */
cJSON *fail(struct eval *ev, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
bool failed(const struct eval *ev);
/* Account for n more bytes; false, with the error set, when it is too much. */
bool spend(struct eval *ev, size_t n);
/* A copy that is accounted for; NULL with the error set. */
cJSON *copy_of(struct eval *ev, const cJSON *v);
/* "Integer", as Azure's messages name types. */
const char *type_name(const cJSON *v);
bool is_int(const cJSON *v, int64_t *n);

/* A value of the template with all its expressions evaluated.  A string that
 * cannot be known yet stays as it is; NULL is an error. */
cJSON *eval_value(struct eval *ev, const cJSON *v);
/* One member of such a value, the path extended by ".name". */
cJSON *eval_member(struct eval *ev, const cJSON *obj, const char *name);
/* The same, and it must be known and a string (a count, a condition).  False
 * with the error set. */
bool eval_string(struct eval *ev, const cJSON *v, char **out);
bool eval_bool(struct eval *ev, const cJSON *v, bool *out);
bool eval_count(struct eval *ev, const cJSON *v, int64_t *out);

/* Longer by ".name" or "[i]"; the return value is for path_back(). */
size_t path_name(struct eval *ev, const char *name);
size_t path_index(struct eval *ev, size_t i);
void path_back(struct eval *ev, size_t was);

/* Call a lambda (a cJSON_Raw that lambda() made) with n values. */
cJSON *eval_lambda(struct eval *ev, const cJSON *lambda, const cJSON *const *values, size_t n);
/* v.name or v[index]; takes v.  A missing one is an error unless quiet, then NULL. */
cJSON *eval_access(struct eval *ev, cJSON *v, const cJSON *key, bool quiet);

/* ---- template_func.c ------------------------------------------------------ */

struct call {
	struct eval *ev;
	const char *name;	/* as the template writes it */
	cJSON **v;		/* arguments; a function that keeps one puts NULL there */
	size_t n;
	struct buf b;		/* for the text that comes out, see new_text() */
	bool unknown;		/* what a lambda gives is not known: nor is the result */
	int how;		/* the table's, for functions that share their code */
};

struct func {
	char name[23];
	/* Types of the arguments: s string, i integer, b boolean, a array,
	 * o object, c string or array, x string, array or object, l lambda,
	 * v any value.  What follows ? may be left out; + (at least one) and * repeat
	 * what is before. */
	char args[7];
	int8_t how;		/* which of the functions that share run() */
	cJSON *(*run)(struct call *c);
};

/* For `how`. */
enum { FIRST, LAST };

/* Those of template_text.c are in a table of their own; an empty name ends both. */
extern const struct func funcs[], text_funcs[];

const struct func *func_find(struct str name);
/* Deep equality, members in any order; accounted for.  False, too, when failed(). */
bool same(struct eval *ev, const cJSON *a, const cJSON *b);
/* Arguments are in place: check and run.  v[i] NULL is not known. */
cJSON *func_run(const struct func *f, struct call *c);
bool func_count_ok(const struct func *f, size_t n);

/* What functions are written with.  Those that give a cJSON give NULL with
 * the error set. */
cJSON *refuse(struct call *c, const char *why)	/* "Unable to evaluate ...: WHY." */
	__attribute__((cold));
cJSON *misplaced(struct call *c) __attribute__((cold));
struct str arg_text(const struct call *c, size_t i);	/* that it is one was checked */
int64_t arg_int(const struct call *c, size_t i);
cJSON *arg_take(struct call *c, size_t i);		/* no longer the call's */
cJSON *new_string(struct call *c, struct str s);
cJSON *new_text(struct call *c);			/* what is in c->b */
cJSON *new_int(struct call *c, int64_t n);
cJSON *new_parsed(struct call *c, struct str s);	/* JSON */
cJSON *unless_failed(struct call *c, cJSON *v);		/* v, or nothing; nor when unknown */
bool add_copy(struct call *c, cJSON *list, const cJSON *v);
void add_text(struct buf *b, const cJSON *v);		/* as string() writes it */
int64_t count_chars(struct str s);
size_t chars(struct str s, int64_t n);			/* bytes of the first n characters */

/* ---- template.c ------------------------------------------------------------ */

/* Values by name, evaluated when first asked for. */
cJSON *template_parameter(struct eval *ev, struct str name);
cJSON *template_variable(struct eval *ev, struct str name);
/*
 * What the argument of reference() or dependsOn means: the resource's id
 * (caller frees), and its index, SIZE_MAX when it is not of this template.
 * NULL when it is no id and no name of a resource here.
 */
char *template_resolve(const struct template *t, struct str text, size_t *index);
/* ev->self needs resource i before it. */
void template_needs(struct eval *ev, size_t i);
const struct template_scope *template_scope(const struct template *t);
/* "/subscriptions/S/resourceGroups/G" */
const char *template_base(const struct template *t);
const char *template_api_version(const struct template *t, size_t i);

#endif
