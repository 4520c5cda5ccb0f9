/*
 * Faults on purpose.  A file holds a JSON array of rules and is read again
 * whenever it changed, so that a test can switch them while it runs:
 *
 *	{ "request": "PATCH *scaleset*", "skip": 1, "times": 2,
 *	  "status": 429, "code": "TooManyRequests", "retryAfter": 3 }
 *
 * "request" is compared with "METHOD TARGET", "operation" with the id (lower
 * case) of what an operation is about; * is any run of characters, case does
 * not matter.  "verb" narrows operations to what is done to machines
 * ("start", "reimage", ...).  "skip" many pass first, then "times" many are hit
 * (all, without it).
 *
 * A request is held up for "delay_ms".  With "late": true it is then carried
 * out all the same, and only its answer is another.  It gets
 *
 *	"status"	with "code", "message", "retryAfter" (seconds, or a date),
 *			"info" (its error's additionalInfo) and "body" (text, in
 *			place of JSON)
 *	"fields"	["Name: value", ...], also with its own answer
 *	"raw"		these bytes, whatever they are, and the connection closed
 *	"reset": true	a connection that is reset
 *	"truncate"	its answer, broken off after so many bytes of the body
 *	"trickle_ms"	its answer (or "raw"), a byte in so many milliseconds
 *
 * An operation begins after "delay_ms" (for ever, when that is long) and, with
 * "code" and "message", fails; with "cancel": true it is cancelled.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "http.h"

#define SLICE_MS 250

/* '*' is any run of characters, case does not matter. */
static bool glob(struct str pattern, struct str s)
{
	while (pattern.n > 0 && *pattern.p != '*') {
		if (s.n == 0 || to_lower(*s.p) != to_lower(*pattern.p))
			return false;
		pattern = str_skip(pattern, 1);
		s = str_skip(s, 1);
	}
	if (pattern.n == 0)
		return s.n == 0;
	while (pattern.n > 0 && *pattern.p == '*')
		pattern = str_skip(pattern, 1);
	for (;; s = str_skip(s, 1)) {
		if (glob(pattern, s))
			return true;
		if (s.n == 0)
			return false;
	}
}

/* Read the file if it is another than the last time. */
static void reload(struct emu *m)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	struct stat st;
	cJSON *doc;

	if (stat(m->faults_path, &st) < 0) {
		json_free(m->faults);
		m->faults = NULL;
		m->faults_mark = 0;
		return;
	}
	if (m->faults_mark == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec + st.st_size)
		return;
	m->faults_mark = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec + st.st_size;
	if (file_read(m->faults_path, &b, &e) == 0 &&
	    (doc = json_parse(buf_str(&b), m->faults_path, &e)) != NULL) {
		json_free(m->faults);
		m->faults = doc;
		emu_log(m, "faults: %d rules", cJSON_GetArraySize(doc));
	} else {
		emu_log(m, "faults: %s", e.msg);
	}
	buf_release(&b);
}

/* The first rule whose turn it is. */
static const cJSON *pick(struct emu *m, const char *kind, const char *what, const char *verb)
{
	const char *pattern, *rule_verb;
	int64_t seen, skip, times;
	cJSON *rule;

	reload(m);
	cJSON_ArrayForEach(rule, m->faults) {
		pattern = json_str_opt(rule, kind, NULL);
		rule_verb = json_str_opt(rule, "verb", NULL);
		if (pattern == NULL || !glob(str_of(pattern), str_of(what)) ||
		    (rule_verb != NULL && !str_is(rule_verb, verb)))
			continue;
		seen = json_int_opt(rule, "seen", 0);
		skip = json_int_opt(rule, "skip", 0);
		times = json_int_opt(rule, "times", INT32_MAX);
		json_put_int(rule, "seen", seen + 1);
		if (seen < skip || seen >= skip + times)
			continue;
		emu_log(m, "fault %.40s: %s %.300s", json_str_opt(rule, "name", "without a name"), kind, what);
		return rule;
	}
	return NULL;
}

cJSON *faults_request(struct emu *m, const struct http_head *h)
{
	struct buf what = BUF_INIT(HTTP_LINE_MAX);
	const cJSON *rule;
	cJSON *copy;

	buf_addf(&what, "%.*s %.*s", STR_ARG(h->method), STR_ARG(h->target));
	pthread_mutex_lock(&m->lock);
	rule = pick(m, "request", what.str, NULL);
	copy = rule != NULL ? cJSON_Duplicate(rule, true) : NULL;
	/* the server waits for this before it stops: Ctrl-C ends it here */
	for (unsigned left = (unsigned)json_int_opt(copy, "delay_ms", 0) % 600000, ms;
	     left > 0 && !interrupt_requested(); left -= ms) {
		ms = left < SLICE_MS ? left : SLICE_MS;
		if (op_sleep(m, ms) < 0)
			break;
	}
	pthread_mutex_unlock(&m->lock);
	buf_release(&what);
	return copy;
}

bool faults_send(struct emu *m, struct http_exchange *x, const cJSON *rule)
{
	struct str raw = str_of(json_str_opt(rule, "raw", NULL));
	unsigned ms = (unsigned)json_int_opt(rule, "trickle_ms", 0);
	size_t n = ms > 0 ? 1 : raw.n;

	if (json_bool_opt(rule, "reset", false))
		http_x_reset(x);
	else if (raw.p == NULL)
		return false;
	else
		http_x_abort(x);
	for (; raw.n > 0 && http_x_raw(x, str_head(raw, n)) == 0; raw = str_skip(raw, n))
		if (ms > 0 && faults_pause(m, ms) < 0)
			break;
	return true;
}

int faults_pause(struct emu *m, unsigned ms)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = op_sleep(m, ms);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

bool faults_operation(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *rule = pick(m, "operation", op->key, json_str_opt(op->args, "verb", NULL));
	cJSON *copy = rule != NULL ? cJSON_Duplicate(rule, true) : NULL;
	bool cancel = json_bool_opt(copy, "cancel", false);
	bool fails = copy != NULL && (cancel || json_get(copy, "code") != NULL);

	if (copy != NULL && op_sleep(m, (unsigned)json_int_opt(copy, "delay_ms", fails ? 300 : 0)) < 0)
		fails = true;
	op->cancel |= cancel;
	if (fails)
		fault_code(f, (unsigned)json_int_opt(copy, "status", 409),
			   json_str_opt(copy, "code", cancel ? "OperationPreempted" : "InternalExecutionError"), NULL,
			   json_str_opt(copy, "message", cancel ? "The operation has been preempted by another one." :
					"An internal execution error occurred. Please retry later."));
	json_free(copy);
	return fails;
}
