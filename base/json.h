#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <cJSON.h>

#include "base/buf.h"

/*
 * JSON documents over cJSON.  This is the one door: others include this
 * header and may use the cJSON type and its constructors; they look things up with the
 * functions below.  Names compare exactly unless the function says _i.
 * A path is dotted names and [i], e.g. "properties.outputs[0].value"; names that hold dots
 * need json_get.
 */
/* Parse a whole document (UTF-8 BOM skipped, trailing white space allowed,
 * nothing else behind it).  Strictly RFC 8259, and no "\u0000", no broken
 * UTF-8, at most 128 levels deep.  NULL with e set ("WHAT: not JSON at byte
 * N"). */
cJSON *json_parse(struct str text, const char *what, struct err *e);
/* Compact text appended to b; whole numbers below 1e18 without exponent. */
void json_print(const cJSON *doc, struct buf *b);
void json_print_pretty(const cJSON *doc, struct buf *b);
void json_print_crlf(const cJSON *doc,
		     struct buf *b); /* the same, as Windows ends lines */

const cJSON *json_get(const cJSON *obj, const char *name); /* NULL if absent */
const cJSON *json_get_i(const cJSON *obj, const char *name); /* ASCII case folded */
cJSON *json_get_mut(cJSON *obj, const char *name);
const cJSON *json_at(const cJSON *doc, const char *path); /* NULL if absent */

/* Values by path.  The _opt forms return the default when the path is absent
 * or null or has another type; the others set e, naming path and what was
 * found ("properties.count: expected a number, found a string"). */
const char *json_str(const cJSON *doc, const char *path, struct err *e);
const char *json_str_opt(const cJSON *doc, const char *path, const char *dflt);
const char *json_text(const cJSON *doc, const char *path); /* "" by default */
/* The text there is this word, in any case; NULL is equal to nothing. */
bool json_is(const cJSON *doc, const char *path, const char *word);
/* Of an array of things with a "name", the one of that name, in any case; NULL:
 * none. */
cJSON *json_named(const cJSON *arr, const char *name);
/* A text of less than size bytes into to; ERR_DATA when it is longer. */
int json_take(const cJSON *doc, const char *path, char *to, size_t size,
	      struct err *e);
int json_int(const cJSON *doc, const char *path, int64_t min, int64_t max,
	     int64_t *v, struct err *e);
int64_t json_int_opt(const cJSON *doc, const char *path, int64_t dflt);
bool json_bool_opt(const cJSON *doc, const char *path, bool dflt);
const cJSON *json_arr(const cJSON *doc, const char *path, struct err *e);
const cJSON *json_obj(const cJSON *doc, const char *path, struct err *e);

/* Are there more levels of arrays and objects than that?  A text has none.
 * NULL: no. */
bool json_deeper(const cJSON *doc, unsigned levels);

/* What v is, for messages: "a string", "null"; NULL is "nothing". */
const char *json_type(const cJSON *v);

/* Builders: add to obj and return the new item.  A NULL name adds to an
 * array. */
cJSON *json_add_str(cJSON *obj, const char *name, const char *v);
cJSON *json_add_strn(cJSON *obj, const char *name, struct str v);
cJSON *json_add_int(cJSON *obj, const char *name, int64_t v);
cJSON *json_add_bool(cJSON *obj, const char *name, bool v);
cJSON *json_add_obj(cJSON *obj, const char *name);
cJSON *json_add_arr(cJSON *obj, const char *name);
/* Replace or add; takes v.  Does nothing else when obj is no object. */
void json_set(cJSON *obj, const char *name, cJSON *v);
/* Remove every member that is null, at any depth; items of arrays stay. */
void json_strip_nulls(cJSON *doc);
void json_free(cJSON *doc); /* NULL does nothing */
/* Zero every string of the document, then free it. */
void json_burn(cJSON *doc);

/* Installs xmalloc into cJSON, so that a NULL from a parse means syntax.  Called once by main
 * and by test programs. */
void json_init(void);

#endif
