/*
 * What Azure says when it refuses, in all the shapes that resource providers
 * give it: down to the innermost cause, with the ids that support asks for.
 */
#include <stdio.h>
#include <string.h>

#include "azure/inner.h"

#define NESTING_MAX 8 /* messages that are JSON texts */
#define SAID_MAX 700  /* of a cause, so that the ids behind it are seen */

/* Without the blanks that some services put around a code or a message. */
static struct str field_i(const cJSON *o, const char *name)
{
	const cJSON *v = json_get_i(o, name);

	return cJSON_IsString(v) ? str_trim(str_of(v->valuestring)) : STR("");
}

struct str azure_error_code(const cJSON *doc)
{
	const cJSON *in = json_get_i(doc, "error");

	return field_i(cJSON_IsObject(in) ? in : doc, "code");
}

/* A message that is itself a JSON document, as deployments nest them.  NULL
 * when it is just text.  Caller frees. */
static cJSON *message_doc(struct str message)
{
	struct err ignored = ERR_INIT;

	if (!str_starts(message, STR("{")))
		return NULL;
	return json_parse(message, "message", &ignored);
}

/* "... failed: {"code": ..., "message": ...}": the document that a sentence
 * ends with, if it is an error.  NULL when not.  Caller frees. */
static cJSON *quoted_doc(struct str message)
{
	ptrdiff_t at = str_chr(message, '{');
	const cJSON *in;
	cJSON *doc;

	if (at <= 0 || (doc = message_doc(str_skip(message, (size_t)at))) == NULL)
		return NULL;
	in = json_get_i(doc, "error");
	if (!cJSON_IsObject(in))
		in = doc;
	if (field_i(in, "code").n > 0 && field_i(in, "message").n > 0)
		return doc;
	json_free(doc);
	return NULL;
}

/* As much of s as fits, cut between characters; out is then over. */
static void add_some(struct buf *out, struct str s)
{
	size_t room = out->over ? 0 : out->max - out->n;

	if (s.n <= room) {
		buf_addstr(out, s);
		return;
	}
	while (room > 0 && ((unsigned char)s.p[room] & 0xc0) == 0x80)
		room--;
	buf_addstr(out, str_head(s, room));
	out->over = true;
}

/* The same, on one line: a run of blanks, tabs and line ends is a blank. */
static void add_line(struct buf *out, struct str s)
{
	static const char blanks[] = " \t\r\n";
	size_t n;

	for (s = str_trim(s); s.n > 0; s = str_skip(s, n)) {
		for (n = 0; n < s.n && strchr(blanks, s.p[n]) == NULL; n++)
			;
		add_some(out, str_head(s, n));
		if (n == s.n)
			break;
		add_some(out, STR(" "));
		while (n < s.n && strchr(blanks, s.p[n]) != NULL)
			n++;
	}
}

/* Which policy it is that refuses. */
static void say_policy(const cJSON *o, struct buf *out)
{
	static const char *const names[][2] = {
		{ "policyDefinitionDisplayName", " (policy \"" },
		{ "policyAssignmentName", "\", assignment \"" },
	};
	const cJSON *a, *info;

	cJSON_ArrayForEach(a, json_get_i(o, "additionalInfo")) {
		info = json_get_i(a, "info");
		if (field_i(info, names[0][0]).n == 0)
			continue;
		for (size_t i = 0; i < 2; i++) {
			add_some(out, str_of(names[i][1]));
			add_line(out, field_i(info, names[i][0]));
		}
		add_some(out, STR("\")"));
	}
}

/*
 * What an error body comes down to: the text for a person, and code and target
 * of the first cause, for whoever decides what happens now.
 */
struct cause {
	struct buf text;
	char code[64], target[64];
};

#define CAUSE_INIT(ceiling) \
	{ \
		.text = BUF_INIT(ceiling) \
	}

/*
 * Compute has no code for a quota of cores that is used up: it says
 * OperationNotAllowed, as for much else, and "quota" in the message only.
 * This is where that becomes the code that other services use.
 */
static struct str code_meant(struct str code, struct str message)
{
	bool quota = str_ieqz(code, "OperationNotAllowed") &&
		     str_find(message, STR("uota")) >= 0;

	return quota ? STR("QuotaExceeded") : code;
}

/* The message says its code already: "Conflict: ...", or nothing else. */
static bool begins_with(struct str message, struct str code)
{
	return code.n > 0 && str_starts(message, code) &&
	       (message.n == code.n || message.p[code.n] == ':');
}

/* code and message are o's, or o's and those of its neighbour. */
static void say_one(const cJSON *o, struct str code, struct str message,
		    struct cause *c)
{
	struct str target = field_i(o, "target");
	struct buf *out = &c->text;

	if (c->code[0] == '\0' && c->target[0] == '\0') {
		snprintf(c->code, sizeof(c->code), "%.*s",
			 STR_ARG(code_meant(code, message)));
		snprintf(c->target, sizeof(c->target), "%.*s", STR_ARG(target));
	}
	if (begins_with(message, code))
		message = str_trim(str_skip(message, code.n + 1));
	add_some(out, code);
	say_policy(o, out); /* first, for the message is long */
	if (code.n > 0 && message.n > 0)
		add_some(out, STR(": "));
	add_line(out, message);
	if (target.n > 0) {
		add_some(out, STR(" (target "));
		add_some(out, target);
		add_some(out, STR(")"));
	}
}

/* Of code, message and what is further inside, o has this one only. */
static bool has_only(const cJSON *o, const char *name)
{
	static const char *const names[] = { "code", "message", "details",
					     "error", "innererror" };

	if (field_i(o, name).n == 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const cJSON *v = json_get_i(o, names[i]);

		if (strcmp(name, names[i]) != 0 && v != NULL && !cJSON_IsNull(v))
			return false;
	}
	return true;
}

static bool say_innermost(const cJSON *o, unsigned depth, bool inside,
			  struct cause *c);

/* Each of the details that says something.  Web apps have the message in one
 * and its code in the next. */
static bool say_details(const cJSON *details, unsigned depth, struct cause *c)
{
	const cJSON *d = cJSON_IsArray(details) ? details->child : NULL;
	bool any = false, said;

	for (; d != NULL; d = d->next) {
		size_t before = c->text.n;

		if (any)
			add_some(&c->text, STR("; "));
		said = has_only(d, "message") && has_only(d->next, "code");
		if (said) {
			say_one(d, field_i(d->next, "code"),
				field_i(d, "message"), c);
			d = d->next;
		} else {
			said = say_innermost(d, depth, true, c);
		}
		if (said)
			any = true;
		else
			buf_truncate(&c->text, before);
	}
	return any;
}

/* Walk to the deepest details that say something and say them; what wraps
 * them ("At least one operation failed") helps nobody.  The parser bounds how
 * deep objects go, depth how many texts are parsed within texts.  inside: it is
 * one of the details of another, which speaks when this one does not. */
static bool say_innermost(const cJSON *o, unsigned depth, bool inside,
			  struct cause *c)
{
	struct str code, message;
	cJSON *nested = NULL;
	const cJSON *in;
	bool said;

	if (!cJSON_IsObject(o))
		return false;
	in = json_get_i(o, "error");
	if (cJSON_IsObject(in))
		return say_innermost(in, depth, inside, c);

	code = field_i(o, "code");
	message = field_i(o, "message");
	if (say_details(json_get_i(o, "details"), depth, c))
		return true;
	if (depth < NESTING_MAX && ((nested = message_doc(message)) != NULL ||
				    (nested = quoted_doc(message)) != NULL)) {
		said = say_innermost(nested, depth + 1, false, c);
		json_free(nested);
		/* else it is figures, as compute's of who asked too often */
		if (said || inside)
			return said;
	}
	in = json_get_i(o, "innererror");
	if (message.n == 0 && cJSON_IsObject(in) &&
	    say_innermost(in, depth, inside, c))
		return true;
	if (code.n == 0 && message.n == 0)
		return false;
	say_one(o, code, message, c);
	return true;
}

static int refused(const cJSON *doc, const char *code_of_nothing, struct err *e)
{
	struct cause c = CAUSE_INIT(SAID_MAX);

	if (!say_innermost(doc, 0, false, &c)) {
		buf_adds(&c.text, "Azure gave no reason");
		snprintf(c.code, sizeof(c.code), "%s", code_of_nothing);
	}
	err_refused(e, ERR_AZURE, c.code, c.target, "%s%s", c.text.str,
		    c.text.over ? "..." : "");
	buf_release(&c.text);
	return -1;
}

bool azure_changed(const struct err *e)
{
	/* Compute's word, and Network's for the same */
	return err_is(e, "PreconditionFailed") ||
	       err_is(e, "PreconditionFailedEtagMismatch");
}

int azure_error_doc(const cJSON *doc, struct err *e)
{
	return refused(doc, "", e);
}

int azure_failed_doc(const cJSON *doc, struct err *e)
{
	const cJSON *error = json_get_i(doc, "error");

	if (!cJSON_IsObject(error))
		error = json_at(doc, "properties.error");
	return refused(error, AZURE_NO_REASON, e);
}

int azure_error(const struct http_head *h, const cJSON *doc, struct str raw,
		struct err *e)
{
	struct str id = http_field(h, "x-ms-request-id");
	struct str correlation = http_field(h, "x-ms-correlation-request-id");
	struct buf ids = BUF_INIT(512);
	struct cause c = CAUSE_INIT(SAID_MAX);
	bool said = say_innermost(doc, 0, false, &c);

	if (said)
		buf_addf(&ids, "HTTP %u", h->status);
	else {
		buf_addf(&c.text, "HTTP %u %.*s%s", h->status,
			 STR_ARG(str_head(h->reason, 80)), raw.n ? ": " : "");
		add_line(&c.text, raw);
	}
	if (id.n > 0)
		buf_addf(&ids, "%srequest %.*s", ids.n ? ", " : "",
			 STR_ARG(str_head(id, 100)));
	if (correlation.n > 0)
		buf_addf(&ids, "%scorrelation %.*s", ids.n ? ", " : "",
			 STR_ARG(str_head(correlation, 100)));
	err_refused(e, ERR_AZURE, c.code, c.target, "%s%s [%s]", c.text.str,
		    c.text.over ? "..." : "", ids.n ? ids.str : "no request id");
	if (h->status == 401)
		http_blame_clock(http_clock_ahead(h), e);
	buf_release(&c.text);
	buf_release(&ids);
	return -1;
}

void azure_say(const cJSON *doc, struct buf *out)
{
	struct cause c = CAUSE_INIT(out->max);

	say_innermost(doc, 0, false, &c);
	buf_addstr(out, buf_str(&c.text));
	buf_release(&c.text);
}
