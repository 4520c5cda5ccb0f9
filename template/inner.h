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

/* Ours.  How deep a call in a call, a variable that names a variable, and the
 * like may go. */
#define DEPTH_MAX 100
/* Bytes and nodes made by one public function, all told: what keeps a short
 * template from doubling a string forty times. */
#define WORK_MAX (64u << 20)
/* Integers up to here are exact, for cJSON keeps a double. */
#define INTEGER_MAX (INT64_C(1) << 53)

/* ---- a template ---- */

/* A type of parameters and outputs. */
struct declared_type {
	const char *name;  /* as answers write it: "SecureString" */
	const char *value; /* what value_type() says of its values; NULL: any */
	bool secure;
};

/* A parameter or a variable. */
struct declaration {
	const char *name; /* in the document */
	const cJSON *def;
	const struct declared_type *type; /* of a parameter, else NULL */
	bool given;   /* a parameter's value came with the deployment */
	bool copy;    /* a variable made by a copy loop; def is the loop */
	bool busy;    /* being evaluated: meeting it again is a circle */
	cJSON *value; /* NULL: not evaluated so far */
};

struct declarations {
	struct declaration *all;
	size_t n;
};

struct resource; /* template.c's */

struct template
{
	const cJSON *doc;
	const struct template_scope *scope;
	char *group_id;
	bool symbolic;	     /* language version 2.0 */
	const char *profile; /* "apiProfile", or NULL */
	bool partial; /* parameters or the template itself are not all known */
	struct declarations parameters, variables;
	struct resource *res;
	size_t res_n;
	struct template_resource *pub; /* of all res, for others */
};

/* ---- the state of an evaluation ---- */

/* A loop that is being gone through; the chain lives on the stack. */
struct copy_loop {
	const struct copy_loop *up;
	const char *name; /* of copyIndex('name'); NULL has none */
	int64_t index;
	bool plain; /* copyIndex() without a name means this one */
};

/* A variable of a lambda that is being called; the chain lives on the stack. */
struct lambda_variable {
	const struct lambda_variable *up;
	char *name;
	const cJSON *value;
};

/* A user-defined function that is being called; its parameters are the only
 * ones that it sees. */
struct user_call {
	const cJSON *def;  /* of its parameters, an array */
	cJSON *const *arg; /* as many */
};

/* What the expression at work may use; not everything is allowed everywhere. */
enum eval_may {
	MAY_REFER = 1,	/* reference(), list*() */
	MAY_BE_NEW = 2, /* newGuid(), utcNow() */
	MAY_USE_VARIABLES = 4,
};

/* What Azure would be doing; it words errors differently in each. */
enum eval_stage { STAGE_VALIDATE, STAGE_DEPLOY, STAGE_OUTPUT };

struct eval {
	struct template *t; /* NULL: an expression by itself */
	struct err *e;
	enum eval_stage stage;
	unsigned depth;
	size_t work;		 /* spent of WORK_MAX */
	const char *kind, *name; /* at work on: "resource", "vnet" */
	struct buf path; /* "resources[2].properties.x", of the string at work */
	struct str text; /* the expression at work */
	unsigned may;	 /* of enum eval_may */
	bool dry;	 /* ask no callback, note who is referred to */
	bool unknown;	 /* part of the expression at work is not known yet */
	bool mark;	 /* what is not known becomes a cJSON_Raw */
	bool later;	 /* it failed for want of what will be known */
	size_t self;	 /* index of the resource at work, or SIZE_MAX */
	const struct copy_loop *loops;
	const struct lambda_variable *lambda_variables;
	const struct user_call *call; /* NULL: none */
};

#define EVAL_INIT \
	{ \
		.path = BUF_INIT(16384), .self = SIZE_MAX \
	}

/* ---- eval.c: expressions, and values with expressions in them ---- */

/* Sets the error unless one is set, in the words of the stage; NULL. */
cJSON *eval_fail(struct eval *ev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));
bool eval_failed(const struct eval *ev);
/* Account for n more bytes; false, with the error set, when it is too much. */
bool eval_spend(struct eval *ev, size_t n);

/* A value of the template with all its expressions evaluated.  A string that
 * cannot be known yet stays as it is; NULL is an error. */
cJSON *eval_value(struct eval *ev, const cJSON *v);
/* One member of such a value, the path extended by ".name". */
cJSON *eval_member(struct eval *ev, const cJSON *obj, const char *name);
/* The argument of a user-defined function, a copy.  NULL with the error set. */
cJSON *eval_user_parameter(struct eval *ev, struct str name);
/* Values that must be known: a string, a condition, the count of a copy loop.
 * False with the error set. */
bool eval_string(struct eval *ev, const cJSON *v, char **out);
bool eval_bool(struct eval *ev, const cJSON *v, bool *out);
bool eval_count(struct eval *ev, const cJSON *v, int64_t *out);

/* Make the path longer by ".name" or "[i]"; what they return is for
 * eval_path_back(). */
size_t eval_path_name(struct eval *ev, const char *name);
size_t eval_path_index(struct eval *ev, size_t i);
void eval_path_back(struct eval *ev, size_t was);

/* Call a lambda, which is a cJSON_Raw, with n values, at most three.  NULL is
 * an error or, without one, not known. */
cJSON *eval_lambda(struct eval *ev, const cJSON *lambda,
		   const cJSON *const *values, size_t n);
/* v.name or v[index]; takes v.  A missing one is an error unless quiet: then
 * it is NULL. */
cJSON *eval_access(struct eval *ev, cJSON *v, const cJSON *key, bool quiet);

/* ---- value.c: values ---- */

/* "Integer", as Azure's messages name types. */
const char *value_type(const cJSON *v);
/* Is it an integer, and which?  NULL is none. */
bool value_int(const cJSON *v, int64_t *n);
/* Characters of a string, items of an array, members of an object. */
int64_t value_length(const cJSON *v);
/*
 * What is not known yet, in a value, is a cJSON_Raw: the JSON of the string
 * that the template has there.  Documents from outside have none.  (The text
 * of a lambda, which is one, too, never begins with a quotation mark.)
 */
bool value_is_unknown(const cJSON *v);
bool value_has_unknown(const cJSON *v); /* that, or a part of it; NULL: no */
cJSON *value_unknown(const char *text);
/* Such strings as they are written; true when there was one.  v may be one. */
bool value_spell_unknown(cJSON *v);
/* As string() and concat() write a value. */
void value_add_text(struct buf *b, const cJSON *v);
/* Account for v, which is there already; false with the error set. */
bool value_spend(struct eval *ev, const cJSON *v);
/* A copy that is accounted for; NULL with the error set. */
cJSON *value_copy(struct eval *ev, const cJSON *v);
/* Deep equality, members in any order.  False, too, with the error set. */
bool value_equal(struct eval *ev, const cJSON *a, const cJSON *b);
/* The array has such an item.  False, too, with the error set. */
bool value_in(struct eval *ev, const cJSON *list, const cJSON *v);

/* ---- func.c: the functions of the language ---- */

/* A function that is called: its arguments, and what it makes of them. */
struct invocation {
	struct eval *ev;
	const char *name; /* as the template writes it */
	cJSON **arg;	  /* a function that keeps one puts NULL there */
	size_t n;
	struct buf text; /* for the text that comes out, see func_give_text() */
	bool unknown;	 /* a lambda's result is not known: nor is this */
};

/* What an argument may be, and how often: values of struct func's args. */
enum func_arg {
	STRING = 1,
	INTEGER = 2,
	BOOLEAN = 4,
	ARRAY = 8,
	OBJECT = 16,
	OTHER = 32, /* null, a number that is no integer */
	ANY = 63,   /* all of these */
	LAMBDA = 64,
	OPTIONAL = 128, /* may be left out */
	REPEATED = 256, /* the last one: as many as there are, at least
				 * one unless it is OPTIONAL, too */
};

#define FUNC_ARGS_MAX 5
struct func {
	const char *name;		  /* NULL behind the last of a table */
	uint16_t args[FUNC_ARGS_MAX + 1]; /* of enum func_arg; 0 ends them */
	/* NULL with the error set, or not known.  Arguments are there and of
	 * the types that args says. */
	cJSON *(*run)(struct invocation *inv);
};

extern const struct func func_cidr[], func_deployment[], func_list[],
	func_logic[], func_text[];
extern const struct func *const func_tables[]; /* all of them, then NULL */
/* listKeys(), listAccountSas(), ...: any name that no table has. */
extern const struct func func_list_any;

bool func_is_azures(struct str name); /* which Azure has, and we have not */
const struct func *func_find(struct str name); /* in any case; NULL if absent */
bool func_count_ok(const struct func *f, size_t n);
/* Check the types of the arguments, of which there is an accepted number, and
 * run the function.  All of them are known. */
cJSON *func_run(const struct func *f, struct invocation *inv);

/* What functions are written with.  Those that give a cJSON give NULL with the
 * error set. */
cJSON *func_refuse(struct invocation *inv, const char *why)
	__attribute__((cold)); /* "Unable to evaluate ...: WHY." */
cJSON *func_misplaced(struct invocation *inv) __attribute__((cold));
/* Arguments of which args says that they are strings or integers. */
struct str func_arg_text(const struct invocation *inv, size_t i);
int64_t func_arg_int(const struct invocation *inv, size_t i);
cJSON *func_arg_take(struct invocation *inv, size_t i); /* the caller's now */
cJSON *func_give_string(struct invocation *inv, struct str s);
cJSON *func_give_text(struct invocation *inv); /* what is in inv->text */
cJSON *func_give_int(struct invocation *inv, int64_t n);
cJSON *func_give_parsed(struct invocation *inv, struct str s); /* JSON */
/* v, or nothing when something failed or is not known; takes v. */
cJSON *func_give(struct invocation *inv, cJSON *v);
/* False with the error set. */
bool func_add_copy(struct invocation *inv, cJSON *list, const cJSON *v);

/* ---- text.c ---- */

int64_t text_length(struct str s);	    /* in characters */
size_t text_bytes(struct str s, int64_t n); /* of the first n characters */

/* ---- declared.c: parameters and variables ---- */

/* Take the parameters, those that are given in the form of template_open(),
 * and then the variables; evaluate them all, with the error set when one is
 * wrong. */
void declared_open_parameters(struct eval *ev, const cJSON *given);
void declared_open_variables(struct eval *ev);
/* Values by name, evaluated when first asked for.  NULL with the error set, or
 * not known. */
cJSON *declared_parameter(struct eval *ev, struct str name);
cJSON *declared_variable(struct eval *ev, struct str name);
/* The type that def, a `what` for messages, has; with the error set any. */
const struct declared_type *declared_type_of(struct eval *ev, const cJSON *def,
					     const char *what);
/* The value is what def, which has a type, allows, at any depth; the error says
 * of which part, beginning with name. */
void declared_check(struct eval *ev, const cJSON *def, const cJSON *v,
		    const char *name);
bool declared_fits(const struct declared_type *type, const cJSON *v);
void declared_burn(struct declarations *list);

/* ---- template.c: for the functions about the deployment ---- */

/*
 * What the argument of reference() or dependsOn means: the resource's id
 * (caller frees), and its index, SIZE_MAX when it is not of this template.
 * NULL when it is no id and no name of a resource here.
 */
char *template_resolve(const struct template *t, struct str text, size_t *index);
/* Language version 2.0: what a symbol, "name" or "name[2]", is; NULL: of none. */
const struct template_resource *template_symbol(const struct template *t,
						struct str text);
/* A symbol is a loop's; its copies one after the other, needed by ev->self. */
bool template_has_copies(const struct template *t, struct str symbol);
const struct template_resource *template_next_copy(struct eval *ev,
						   struct str symbol, size_t *i);
/* "apiProfile": a type's version in it; NULL: none that is known. */
const char *profile_version(const char *profile, const char *type);
bool profile_known(const char *profile);
/* ev->self needs resource i before it; noted in a dry run only. */
void template_add_need(struct eval *ev, size_t i);
/* For t NULL, too: then of nothing, all ids and names are "". */
const struct template_scope *template_scope_of(const struct template *t);
/* "/subscriptions/S/resourceGroups/G" */
const char *template_group_id(const struct template *t);
const char *template_api_version(const struct template *t, size_t i);

#endif
