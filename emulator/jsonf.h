#ifndef EMULATOR_JSONF_H
#define EMULATOR_JSONF_H

#include "base/json.h"

/* Documents written as they look, and what is done to them. */

void json_now(char out[40]); /* with seven digits, as Azure writes it */
/*
 * A document from a template in which ' stands for ".  %s text (NULL: null),
 * %d int, %l int64_t, %b bool, %j a document (copied; NULL: null), %t the
 * time, as text, %U a new unique id (these two take no argument).  Texts are
 * escaped; between quotes, '/x/%s', a text is part of the text around it.
 * "@NAME" is a template of assets/azure/shapes, where the larger ones are.  A
 * template that is no JSON is our mistake.
 */
cJSON *json_fmt(const char *fmt, ...);
/* The same, appended to an array. */
#define json_push(arr, ...) cJSON_AddItemToArray(arr, json_fmt(__VA_ARGS__))
/* What assets/azure/shapes has under that name; without it, our mistake. */
struct str json_shape(const char *name);
cJSON *json_array_of(cJSON *item); /* takes it */
/* RFC 7396: patch into doc; null removes. */
void json_merge(cJSON *doc, const cJSON *patch);
/* The object of that name in obj (any case), made when it is missing. */
cJSON *json_sub(cJSON *obj, const char *name);
/* Add what obj lacks of such a document, at any depth of objects. */
void json_defaults(cJSON *obj, const char *fmt, ...);
void json_drop(cJSON *obj, const char *name);
void json_put_int(cJSON *obj, const char *name, int64_t v);
/* Replace a string member. */
void json_put_str(cJSON *obj, const char *name, const char *v);
/* Seconds of "PT1H5M30S" at that path; dflt when there is none, or it is no duration. */
int64_t json_duration_s(const cJSON *doc, const char *path, int64_t dflt);

#endif
