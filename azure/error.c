/*
 * What Azure says when it refuses, in all the shapes that resource providers
 * give it: down to the innermost cause, with the ids that support asks for.
 */
#include <stdio.h>
#include <string.h>

#include "azure/inner.h"

#define NESTING_MAX 8 /* messages that are JSON texts */
#define SAID_MAX 700  /* of a cause, so that the ids behind it are seen */

const char *azure_error_code(const cJSON *doc)
{
	const cJSON *in = json_get_i(doc, "error"), *code;

	code = json_get_i(cJSON_IsObject(in) ? in : doc, "code");
	return cJSON_IsString(code) ? code->valuestring : "";
}

static const char *field_i(const cJSON *o, const char *name)
{
	const cJSON *v = json_get_i(o, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

/* A message that is itself a JSON document, as deployments nest them.  NULL
 * when it is just text.  Caller frees. */
static cJSON *message_doc(const char *message)
{
	struct str s = str_trim(str_of(message));
	struct err ignored = ERR_INIT;

	if (s.n == 0 || s.p[0] != '{')
		return NULL;
	return json_parse(s, "message", &ignored);
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
		if (*field_i(info, names[0][0]) == '\0')
			continue;
		for (size_t i = 0; i < 2; i++) {
			add_some(out, str_of(names[i][1]));
			add_some(out, str_of(field_i(info, names[i][0])));
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
static const char *code_meant(const char *code, const char *message)
{
	bool quota = str_ieqz(str_of(code), "OperationNotAllowed") &&
		     str_find(str_of(message), STR("uota")) >= 0;

	return quota ? "QuotaExceeded" : code;
}

static void say_one(const cJSON *o, struct cause *c)
{
	const char *code = field_i(o, "code"), *message = field_i(o, "message");
	const char *target = field_i(o, "target");
	struct buf *out = &c->text;

	if (c->code[0] == '\0' && c->target[0] == '\0') {
		snprintf(c->code, sizeof(c->code), "%s",
			 code_meant(code, message));
		snprintf(c->target, sizeof(c->target), "%s", target);
	}
	add_some(out, str_of(code));
	say_policy(o, out); /* first, for the message is long */
	add_some(out, str_of(*code && *message ? ": " : ""));
	add_some(out, str_of(message));
	if (*target != '\0') {
		add_some(out, STR(" (target "));
		add_some(out, str_of(target));
		add_some(out, STR(")"));
	}
}

/* Walk to the deepest details that say something and say them; what wraps
 * them ("At least one operation failed") helps nobody.  The parser bounds how
 * deep objects go, depth how many texts are parsed within texts. */
static bool say_innermost(const cJSON *o, unsigned depth, struct cause *c)
{
	const cJSON *in, *d, *details;
	const char *code, *message;
	bool said = false;
	cJSON *nested;

	if (!cJSON_IsObject(o))
		return false;
	in = json_get_i(o, "error");
	if (cJSON_IsObject(in))
		return say_innermost(in, depth, c);

	code = field_i(o, "code");
	message = field_i(o, "message");
	details = json_get_i(o, "details");
	if (cJSON_IsArray(details)) {
		cJSON_ArrayForEach(d, details) {
			size_t before = c->text.n;

			if (said)
				add_some(&c->text, STR("; "));
			if (say_innermost(d, depth, c))
				said = true;
			else
				buf_truncate(&c->text, before);
		}
	}
	if (said)
		return true;
	nested = depth < NESTING_MAX ? message_doc(message) : NULL;
	if (nested != NULL) {
		said = say_innermost(nested, depth + 1, c);
		json_free(nested);
		if (said)
			return true;
	}
	in = json_get_i(o, "innererror");
	if (*message == '\0' && cJSON_IsObject(in) && say_innermost(in, depth, c))
		return true;
	if (*code == '\0' && *message == '\0')
		return false;
	say_one(o, c);
	return true;
}

int azure_error_doc(const cJSON *doc, struct err *e)
{
	struct cause c = CAUSE_INIT(SAID_MAX);

	if (!say_innermost(doc, 0, &c))
		buf_adds(&c.text, "Azure gave no reason");
	err_refused(e, ERR_AZURE, c.code, c.target, "%s%s", c.text.str,
		    c.text.over ? "..." : "");
	buf_release(&c.text);
	return -1;
}

int azure_error(const struct http_head *h, const cJSON *doc, struct str raw,
		struct err *e)
{
	struct str id = http_field(h, "x-ms-request-id");
	struct str correlation = http_field(h, "x-ms-correlation-request-id");
	struct buf ids = BUF_INIT(512);
	struct cause c = CAUSE_INIT(SAID_MAX);
	bool said = say_innermost(doc, 0, &c);

	if (said)
		buf_addf(&ids, "HTTP %u", h->status);
	else {
		buf_addf(&c.text, "HTTP %u %.*s%s", h->status,
			 STR_ARG(str_head(h->reason, 80)), raw.n ? ": " : "");
		add_some(&c.text, str_trim(raw));
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

	say_innermost(doc, 0, &c);
	buf_addstr(out, buf_str(&c.text));
	buf_release(&c.text);
}
