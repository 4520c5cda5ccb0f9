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
 * An operation begins after "delay_ms" and, with "code" and "message", fails;
 * with "cancel": true it is cancelled.
 *
 * Rules that name neither are settings.  Of sign-in: "mfa": true wants a second
 * factor, a device code is good for "device_s" seconds.  Of scheduled events:
 * no machine has more than "notice_s" seconds' notice, and with "heard_only":
 * true a deletion does not wait for one that never asked (notice.h).  Of the
 * subscription: with "new": true its resource providers have to be registered
 * first, as since the emulator's start they were not; "addresses" is its quota
 * of public addresses in a region, and it may not have what fits "restricted",
 * LOCATION/SIZE (several rules, several patterns).
 *
 * The table below is all of it: what is not in there is refused.  When the
 * emulator starts, a bad file is an error; while it runs, the log says what is
 * wrong and the rules from before stay.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "emulator/faults.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"

#define SLICE_MS 250
#define FAIL_MS 300	    /* how long an operation takes to fail */
#define DELAY_MAX_MS 600000 /* of any wait: no test waits longer */

/* ---- what there is ---- */

/* What a rule with the key is about. */
enum about { ANY, REQUEST, OPERATION, SETTING };

enum value { TEXT = 1, NUMBER = 2, FLAG = 4, LIST = 8 };

/* When a key acts; those that only choose, or are part of another, do not. */
enum stage {
	NEVER,
	BEFORE,	 /* before the request is carried out, the operation begun */
	INSTEAD, /* of the request's own answer */
	BESIDE,	 /* what it has, and more */
	PACE,	 /* how its bytes go out */
	BYTES,	 /* instead of any answer */
	END,	 /* of an operation */
};

/* What is at hand at the stage; the rest is NULL. */
struct scene {
	struct emu *m;
	struct request *r;	  /* INSTEAD, BESIDE */
	struct http_exchange *x;  /* BYTES */
	struct faults_pace *pace; /* PACE */
	struct op *op;		  /* END, with */
	struct fault *f;
	bool over; /* the emulator stops */
};

static void hold(struct scene *s, const cJSON *rule);
static void put_status(struct scene *s, const cJSON *rule);
static void add_fields(struct scene *s, const cJSON *rule);
static void send_raw(struct scene *s, const cJSON *rule);
static void send_reset(struct scene *s, const cJSON *rule);
static void cut(struct scene *s, const cJSON *rule);
static void drip(struct scene *s, const cJSON *rule);
static void fail_op(struct scene *s, const cJSON *rule);
static void cancel_op(struct scene *s, const cJSON *rule);

static const struct kind {
	const char *name;
	enum about about;
	unsigned value; /* enum value; of numbers */
	int64_t min, max;
	const char *with; /* says nothing without this one; NULL: it does */
	enum stage stage;
	void (*act)(struct scene *s, const cJSON *rule);
} kinds[] = {
	/* name        about      value          of numbers       with      stage    act */
	{ "name", ANY, TEXT, 0, 0, NULL, NEVER, NULL },
	{ "request", REQUEST, TEXT, 0, 0, NULL, NEVER, NULL },
	{ "operation", OPERATION, TEXT, 0, 0, NULL, NEVER, NULL },
	{ "verb", OPERATION, TEXT, 0, 0, NULL, NEVER, NULL },
	{ "skip", ANY, NUMBER, 0, INT32_MAX, NULL, NEVER, NULL },
	{ "times", ANY, NUMBER, 0, INT32_MAX, NULL, NEVER, NULL },
	{ "delay_ms", ANY, NUMBER, 0, DELAY_MAX_MS, NULL, BEFORE, hold },
	{ "late", REQUEST, FLAG, 0, 0, NULL, NEVER, NULL },
	{ "status", REQUEST, NUMBER, 200, 599, NULL, INSTEAD, put_status },
	{ "code", REQUEST, TEXT, 0, 0, "status", NEVER, NULL },
	{ "message", REQUEST, TEXT, 0, 0, "status", NEVER, NULL },
	{ "retryAfter", REQUEST, TEXT | NUMBER, 0, INT32_MAX, "status", NEVER,
	  NULL },
	{ "info", REQUEST, LIST, 0, 0, "status", NEVER, NULL },
	{ "body", REQUEST, TEXT, 0, 0, "status", NEVER, NULL },
	{ "fields", REQUEST, LIST, 0, 0, NULL, BESIDE, add_fields },
	{ "truncate", REQUEST, NUMBER, 0, INT32_MAX, NULL, PACE, cut },
	{ "trickle_ms", REQUEST, NUMBER, 0, DELAY_MAX_MS, NULL, PACE, drip },
	{ "reset", REQUEST, FLAG, 0, 0, NULL, BYTES, send_reset },
	{ "raw", REQUEST, TEXT, 0, 0, NULL, BYTES, send_raw },
	{ "cancel", OPERATION, FLAG, 0, 0, NULL, END, cancel_op },
	{ "code", OPERATION, TEXT, 0, 0, NULL, END, fail_op },
	{ "message", OPERATION, TEXT, 0, 0, NULL, NEVER, NULL },
	{ "status", OPERATION, NUMBER, 400, 599, NULL, NEVER, NULL },
	{ "mfa", SETTING, FLAG, 0, 0, NULL, NEVER, NULL },
	{ "device_s", SETTING, NUMBER, 0, INT32_MAX, NULL, NEVER, NULL },
	{ "notice_s", SETTING, NUMBER, 1, 900, NULL, NEVER, NULL },
	{ "heard_only", SETTING, FLAG, 0, 0, NULL, NEVER, NULL },
	{ "new", SETTING, FLAG, 0, 0, NULL, NEVER, NULL },
	{ "addresses", SETTING, NUMBER, 0, INT32_MAX, NULL, NEVER, NULL },
	{ "restricted", SETTING, TEXT, 0, 0, NULL, NEVER, NULL },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* "x": false is as good as nothing. */
static bool says(const cJSON *rule, const char *name)
{
	const cJSON *v = json_get(rule, name);

	return v != NULL && !cJSON_IsFalse(v);
}

static bool acts(const struct kind *k, enum stage stage, const cJSON *rule)
{
	return k->stage == stage && says(rule, k->name);
}

/* Whatever the rule does at that stage.  How many keys did. */
static unsigned act(enum stage stage, struct scene *s, const cJSON *rule)
{
	unsigned n = 0;

	for (size_t i = 0; i < N_KINDS; i++)
		if (acts(&kinds[i], stage, rule)) {
			kinds[i].act(s, rule);
			n++;
		}
	return n;
}

/* ---- the file ---- */

static bool fits(const struct kind *k, enum about about)
{
	return k->about == ANY || k->about == about;
}

static const struct kind *kind_of(const char *name, enum about about)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0 && fits(&kinds[i], about))
			return &kinds[i];
	return NULL;
}

/* The names that a rule of that sort may have, for messages. */
static void known(enum about about, struct buf *b)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (fits(&kinds[i], about))
			buf_addf(b, "%s%s", b->n > 0 ? ", " : "", kinds[i].name);
}

static int check_value(const struct kind *k, const cJSON *rule, const cJSON *v,
		       struct err *e)
{
	const cJSON *item;
	int64_t n;

	if ((k->value & NUMBER) && (cJSON_IsNumber(v) || k->value == NUMBER))
		return json_int(rule, k->name, k->min, k->max, &n, e);
	if (k->value & TEXT)
		return json_str(rule, k->name, e) != NULL ? 0 : -1;
	if (k->value == FLAG && cJSON_IsBool(v))
		return 0;
	if (k->value == FLAG)
		return err_set(e, ERR_DATA, "%s: expected true or false, found %s",
			       k->name, json_type(v));
	if (json_arr(rule, k->name, e) == NULL)
		return -1;
	cJSON_ArrayForEach(item, v)
		if (k->stage == BESIDE && !cJSON_IsString(item))
			return err_set(e, ERR_DATA,
				       "%s: expected strings, found %s",
				       k->name, json_type(item));
	return 0;
}

static int check_key(enum about about, const cJSON *rule, const cJSON *v,
		     struct err *e)
{
	const struct kind *k = kind_of(v->string, about);
	struct buf names = BUF_INIT(1024);

	if (k == NULL) {
		known(about, &names);
		err_set(e, ERR_DATA, "\"%.100s\" is none of %s", v->string,
			names.str);
		buf_release(&names);
		return -1;
	}
	if (k->with != NULL && !says(rule, k->with))
		return err_set(e, ERR_DATA, "\"%s\" says nothing without \"%s\"",
			       k->name, k->with);
	return check_value(k, rule, v, e);
}

static int check_rule(const cJSON *rule, struct err *e)
{
	bool request = json_get(rule, "request") != NULL;
	bool operation = json_get(rule, "operation") != NULL, set = false;
	enum about about = request ? REQUEST : operation ? OPERATION : SETTING;
	const cJSON *v;

	if (!cJSON_IsObject(rule))
		return err_set(e, ERR_DATA, "expected an object, found %s",
			       json_type(rule));
	if (request && operation)
		return err_set(e, ERR_DATA,
			       "it is about a request or about an operation, "
			       "not both");
	cJSON_ArrayForEach(v, rule)
		if (check_key(about, rule, v, e) < 0)
			return -1;
	for (size_t i = 0; i < N_KINDS; i++)
		set = set || (kinds[i].about == SETTING &&
			      json_get(rule, kinds[i].name) != NULL);
	if (about == SETTING && !set)
		return err_set(e, ERR_DATA,
			       "there is neither \"request\" nor \"operation\"");
	return 0;
}

static int check(const cJSON *doc, struct err *e)
{
	const char *name;
	const cJSON *rule;
	unsigned i = 1;

	if (!cJSON_IsArray(doc))
		return err_set(e, ERR_DATA, "expected an array of rules, found %s",
			       json_type(doc));
	cJSON_ArrayForEach(rule, doc) {
		if (check_rule(rule, e) < 0) {
			name = json_str_opt(rule, "name", NULL);
			if (name != NULL)
				return err_in(e, "rule %u (%.40s)", i, name);
			return err_in(e, "rule %u", i);
		}
		i++;
	}
	return 0;
}

/* NULL with e. */
static cJSON *read_rules(const char *path, struct err *e)
{
	struct buf b = BUF_INIT(1u << 20);
	cJSON *doc = NULL;

	if (file_read(path, &b, e) == 0 &&
	    (doc = json_parse(buf_str(&b), path, e)) != NULL &&
	    check(doc, e) < 0) {
		err_in(e, "%s", path);
		json_free(doc);
		doc = NULL;
	}
	buf_release(&b);
	return doc;
}

int faults_load(struct emu *m, struct err *e)
{
	struct stat st;
	int64_t mark;
	cJSON *doc;

	if (stat(m->faults_path, &st) < 0) {
		json_free(m->faults);
		m->faults = NULL;
		m->faults_mark = 0;
		return 0;
	}
	mark = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec +
	       st.st_size;
	if (m->faults_mark == mark)
		return 0;
	m->faults_mark = mark;
	if ((doc = read_rules(m->faults_path, e)) == NULL)
		return -1;
	json_free(m->faults);
	m->faults = doc;
	emu_log(m, "faults: %d rules", cJSON_GetArraySize(doc));
	return 0;
}

static void reload(struct emu *m)
{
	struct err e = ERR_INIT;

	if (faults_load(m, &e) < 0)
		emu_log(m, "faults: %s; the %d rules from before stay", e.msg,
			cJSON_GetArraySize(m->faults));
}

int64_t faults_setting(struct emu *m, const char *name, int64_t dflt)
{
	const cJSON *rule;

	cJSON_ArrayForEach(rule, m->faults)
		dflt = json_bool_opt(rule, name, false) ?
			       1 :
			       json_int_opt(rule, name, dflt);
	return dflt;
}

bool faults_fits(struct emu *m, const char *name, const char *what)
{
	const char *pattern;
	const cJSON *rule;

	cJSON_ArrayForEach(rule, m->faults) {
		pattern = json_str_opt(rule, name, NULL);
		if (pattern != NULL && str_glob(str_of(pattern), str_of(what)))
			return true;
	}
	return false;
}

/* ---- requests ---- */

/* The first rule whose turn it is. */
static const cJSON *pick(struct emu *m, const char *kind, const char *what,
			 const char *verb)
{
	const char *pattern, *rule_verb;
	int64_t seen, skip, times;
	cJSON *rule;

	reload(m);
	cJSON_ArrayForEach(rule, m->faults) {
		pattern = json_str_opt(rule, kind, NULL);
		rule_verb = json_str_opt(rule, "verb", NULL);
		if (pattern == NULL || !str_glob(str_of(pattern), str_of(what)) ||
		    (rule_verb != NULL && !str_is(rule_verb, verb)))
			continue;
		seen = json_int_opt(rule, "seen", 0);
		skip = json_int_opt(rule, "skip", 0);
		times = json_int_opt(rule, "times", INT32_MAX);
		json_put_int(rule, "seen", seen + 1);
		if (seen < skip || seen >= skip + times)
			continue;
		emu_log(m, "fault %.40s: %s %.300s",
			json_str_opt(rule, "name", "without a name"), kind, what);
		return rule;
	}
	return NULL;
}

/* In slices: the server waits for this before it stops, and Ctrl-C ends it here. */
static void hold(struct scene *s, const cJSON *rule)
{
	unsigned ms;

	for (unsigned left = (unsigned)json_int_opt(rule, "delay_ms", 0);
	     left > 0 && !s->over && !interrupt_requested(); left -= ms) {
		ms = left < SLICE_MS ? left : SLICE_MS;
		s->over = op_sleep(s->m, ms) < 0;
	}
}

cJSON *faults_request(struct emu *m, const struct http_head *h)
{
	struct buf what = BUF_INIT(HTTP_LINE_MAX);
	struct scene s = { .m = m };
	const cJSON *rule;
	cJSON *copy;

	buf_addstr(&what, h->method);
	buf_addc(&what, ' ');
	buf_addstr(&what, h->target);
	pthread_mutex_lock(&m->lock);
	rule = pick(m, "request", what.str, NULL);
	copy = rule != NULL ? cJSON_Duplicate(rule, true) : NULL;
	act(BEFORE, &s, copy);
	pthread_mutex_unlock(&m->lock);
	buf_release(&what);
	return copy;
}

/* Is its answer not the request's own? */
static bool instead(const cJSON *rule)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (acts(&kinds[i], INSTEAD, rule) || acts(&kinds[i], BYTES, rule))
			return true;
	return false;
}

bool faults_carried_out(const cJSON *rule)
{
	return says(rule, "late") || !instead(rule);
}

static void put_status(struct scene *s, const cJSON *rule)
{
	const cJSON *after = json_get(rule, "retryAfter"),
		    *info = json_get(rule, "info");
	struct request *r = s->r;

	r->status = (unsigned)json_int_opt(rule, "status", 500);
	r->gateway = true;
	request_drop_answer(r);
	while (r->n_fields > 0)
		free(r->fields[--r->n_fields]);
	fault_release(&r->fault);
	fault_code(&r->fault, r->status,
		   json_str_opt(rule, "code", "InternalServerError"), NULL,
		   json_str_opt(
			   rule, "message",
			   "The server encountered an error. Please retry later."));
	r->out = json_fmt("{'error':%j}", r->fault.error);
	if (json_get(rule, "body") != NULL) {
		json_free(r->out);
		r->out = cJSON_CreateString(json_str_opt(rule, "body", ""));
		r->plain = "text/html";
	} else if (info != NULL)
		json_set(json_get_mut(r->out, "error"), "additionalInfo",
			 cJSON_Duplicate(info, true));
	if (cJSON_IsString(after))
		request_field(r, "Retry-After: %s", after->valuestring);
	else if (after != NULL)
		request_field(r, "Retry-After: %lld",
			      (long long)json_int_opt(rule, "retryAfter", 0));
}

static void add_fields(struct scene *s, const cJSON *rule)
{
	const cJSON *f;

	cJSON_ArrayForEach(f, json_get(rule, "fields"))
		if (s->r->n_fields < 8)
			request_field(s->r, "%s", f->valuestring);
}

void faults_answer(struct request *r, const cJSON *rule)
{
	struct scene s = { .m = r->m, .r = r };

	act(INSTEAD, &s, rule);
	act(BESIDE, &s, rule);
}

static void cut(struct scene *s, const cJSON *rule)
{
	s->pace->limit = (size_t)json_int_opt(rule, "truncate", 0);
}

static void drip(struct scene *s, const cJSON *rule)
{
	s->pace->drip_ms = (unsigned)json_int_opt(rule, "trickle_ms", 0);
}

struct faults_pace faults_pace(const cJSON *rule)
{
	struct faults_pace pace = { .limit = SIZE_MAX };
	struct scene s = { .pace = &pace };

	act(PACE, &s, rule);
	return pace;
}

static void send_reset(struct scene *s, const cJSON *rule)
{
	(void)rule;
	http_x_reset(s->x);
}

static void send_raw(struct scene *s, const cJSON *rule)
{
	struct str raw = str_of(json_str_opt(rule, "raw", ""));
	unsigned ms = faults_pace(rule).drip_ms;
	size_t n = ms > 0 ? 1 : raw.n;

	if (!says(rule, "reset"))
		http_x_abort(s->x);
	for (; raw.n > 0 && http_x_raw(s->x, str_head(raw, n)) == 0;
	     raw = str_skip(raw, n))
		if (ms > 0 && faults_pause(s->m, ms) < 0)
			break;
}

bool faults_send(struct emu *m, struct http_exchange *x, const cJSON *rule)
{
	struct scene s = { .m = m, .x = x };

	return act(BYTES, &s, rule) > 0;
}

int faults_pause(struct emu *m, unsigned ms)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = op_sleep(m, ms);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* ---- operations ---- */

static void fail_op(struct scene *s, const cJSON *rule)
{
	fault_code(s->f, (unsigned)json_int_opt(rule, "status", 409),
		   json_str_opt(rule, "code", "InternalExecutionError"), NULL,
		   json_str_opt(
			   rule, "message",
			   "An internal execution error occurred. Please retry later."));
}

static void cancel_op(struct scene *s, const cJSON *rule)
{
	s->op->cancel = true;
	fault_code(s->f, (unsigned)json_int_opt(rule, "status", 409),
		   json_str_opt(rule, "code", "OperationPreempted"), NULL,
		   json_str_opt(rule, "message",
				"The operation has been preempted by another one."));
}

bool faults_operation(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *rule = pick(m, "operation", op->key,
				 json_str_opt(op->args, "verb", NULL));
	cJSON *copy = rule != NULL ? cJSON_Duplicate(rule, true) : NULL;
	struct scene s = { .m = m, .op = op, .f = f };
	bool fails = says(copy, "code") || says(copy, "cancel");

	if (act(BEFORE, &s, copy) == 0 && fails)
		s.over = op_sleep(m, FAIL_MS) < 0;
	act(END, &s, copy);
	if (s.over && !fails)
		fail_op(&s, copy);
	json_free(copy);
	return fails || s.over;
}
