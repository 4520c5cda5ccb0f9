#ifndef COMPOSE_INNER_H
#define COMPOSE_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compose/compose.h"

/* ---- YAML: yaml.c ---- */

#define YAML_TEXT_MAX (1u << 20) /* of a file */
#define YAML_DEPTH_MAX 32	 /* lists and maps in each other */
#define YAML_NODES_MAX 50000	 /* once aliases are what they stand for */
#define YAML_ITEMS_MAX 4096	 /* of one list or map */
#define YAML_ANCHORS_MAX 1000
#define YAML_SCALARS_MAX (8u << 20) /* bytes of all scalars, likewise */

enum node_kind {
	NODE_NULL = 1 << 0,
	NODE_BOOL = 1 << 1,
	NODE_INT = 1 << 2,
	NODE_FLOAT = 1 << 3,
	NODE_STRING = 1 << 4,
	NODE_LIST = 1 << 5,
	NODE_MAP = 1 << 6,
};

struct node {
	enum node_kind kind;
	unsigned line, column; /* from 1; in a map, of its name */
	char *name;	       /* in a map */
	/* Of a scalar, as docker prints it: a number is decimal.  Else NULL. */
	char *text;
	bool yes;	    /* NODE_BOOL */
	int64_t whole;	    /* NODE_INT; INT64_MAX where it is larger, too */
	double real;	    /* NODE_FLOAT, NODE_INT */
	struct node **item; /* of a list or map, in the text's order */
	size_t n;
};

/*
 * The first document of text, aliases and merge keys resolved: a tree of its own.
 * *rest is the line of the next document, 0: there is none.  name stands in
 * messages, NAME:LINE:COLUMN.  NULL: ERR_DATA.
 *
 * Source: YAML 1.1 as libyaml reads it; scalars by the core schema of YAML 1.2, with
 * 1.1's octal 0644, as docker's parser has it; yaml.org/type/merge.html.
 */
struct node *yaml_read(struct str text, const char *name, unsigned *rest,
		       struct err *e);
void node_free(struct node *n); /* burns what it held */
/* What n is, for messages: "a string", "a list". */
const char *node_kind_name(unsigned kinds, struct buf *b);
/* The member of a map; NULL where there is none, and of the second also where it is
 * null. */
struct node *node_find(const struct node *map, const char *name);
struct node *node_get(const struct node *map, const char *name);

/* ---- what all parts share ---- */

#define LOAD_FILES_MAX (32u << 20)
#define LOAD_PORTS_MAX 20000

struct load {
	const struct compose_source *from;
	struct compose *c;
	char *dir;	/* absolute: what relative paths are of */
	size_t scalars; /* bytes that came by substitution, */
	size_t files;	/* from the files that it names, */
	size_t ports;	/* and what ranges of ports became */
};

/* ERR_DATA, with file, line and column of n before it. */
int load_bad(const struct load *l, const struct node *n, struct err *e,
	     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Add to what is not looked at, once. */
void load_ignored(struct load *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What ${name} is, NULL: nothing that may be told. */
const char *load_var(struct load *l, const char *name);
/* "stack_name" of "name". */
char *load_scope(const struct load *l, const char *name);
/* Relative to the file's folder, and without "." and "..". */
char *load_path(const struct load *l, const char *path);
/* A regular file of at most b->max bytes, and all of them of LOAD_FILES_MAX; n is what
 * names it. */
int load_file(struct load *l, const struct node *n, const char *path,
	      struct buf *b, struct err *e);

/* ---- substitution: vars.c ---- */

/* $V and its kin in a string; *changed when there was any. */
int vars_expand(struct load *l, const struct node *n, const char *where,
		struct buf *out, bool *changed, struct err *e);

/* ---- what a file may say: schema.c ---- */

/* Substitutes, casts, and refuses what Swarm and we do not know. */
int schema_apply(struct load *l, struct node *root, struct err *e);

/* ---- the short forms: short.c ---- */

/* "80", "8080:80/udp", "3000-3005:3000-3005": Engine's PortConfigs. */
int short_port(struct load *l, const struct node *n, const char *service,
	       cJSON *ports, struct err *e);
/* "data:/data:ro", as the long form says it. */
struct short_volume {
	char *type, *source, *target, *propagation;
	bool read_only, nocopy;
};
int short_volume(const struct load *l, const struct node *n,
		 struct short_volume *v, struct err *e);
void short_volume_release(struct short_volume *v);
/* Words as a shell has them: quotes, backslashes and comments, nothing else. */
int short_words(const struct load *l, const struct node *n, cJSON *words,
		struct err *e);
/* "1h30m5s500ms", in nanoseconds. */
int short_duration(const struct load *l, const struct node *n, int64_t *ns,
		   struct err *e);
/* "512m", "1.5GiB", or a number, in bytes. */
int short_size(const struct load *l, const struct node *n, int64_t *bytes,
	       struct err *e);
/* "0.25", in 1e-9 of a processor. */
int short_cpus(const struct load *l, const struct node *n, int64_t *nano,
	       struct err *e);

/* ---- services: service.c, mount.c ---- */

/* The file's sections, which services refer to. */
struct sections {
	const struct node *networks, *volumes, *configs, *secrets;
};
/* The body of POST /services/create of one. */
int service_convert(struct load *l, const struct sections *s,
		    const struct node *service, struct err *e);
int mounts_convert(struct load *l, const struct sections *s,
		   const struct node *service, cJSON *spec, struct err *e);
int env_convert(struct load *l, const struct node *service, cJSON *spec,
		struct err *e);
/* The name by which the Engine knows section.key: own, external, or of the
 * stack. */
char *object_name(const struct load *l, const struct node *object,
		  const char *key);
bool object_external(const struct node *object);
/* Pairs of a map or of a list of "A=B", to texts. */
void pairs_convert(const struct node *n, cJSON *to);
/* Labels, with the one by which a stack's are known. */
void labels_convert(const struct load *l, const struct node *labels, cJSON *to);
/* Of texts, for qsort(). */
int text_order(const void *a, const void *b);

#endif
