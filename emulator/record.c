/*
 * What was asked and answered, one JSON line each, for those who want to see
 * what a client really sends or to hold it against somebody else's
 * specification.  Secrets are left out before anything is written: what a name
 * says is one becomes "***", in headers, queries, forms and documents.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulator/inner.h"
#include "emulator/record.h"
#include "emulator/request.h"
#include "http.h"

#define RECORDED_MAX (1u << 20) /* of one body; a larger one is null */
#define HIDDEN "***"

static const char secret_names[] =
	"authorization x-ms-authorization-auxiliary x-ms-copy-source-authorization cookie "
	"set-cookie secret x-identity-header x-ms-policy-external-evaluations access_token "
	"refresh_token id_token client_secret client_assertion assertion code_verifier "
	"device_code password adminPassword customData secretData accountSasToken "
	"serviceSasToken token connectionString sig";

/* One of "a=1&sig=2"; an authorization code is a secret, an error's code is not. */
static void hide_pairs(struct str pairs, struct buf *b)
{
	struct str pair, name;
	char *word;

	for (const char *between = ""; str_next(&pairs, '&', &pair);
	     between = "&") {
		buf_adds(b, between);
		if (!str_cut(&pair, '=', &name)) {
			buf_addstr(b, pair);
			continue;
		}
		word = str_dup(name);
		buf_addf(b, "%s=", word);
		if (str_listed(secret_names, word) || strcmp(word, "code") == 0)
			buf_adds(b, HIDDEN);
		else
			buf_addstr(b, pair);
		free(word);
	}
}

/* A URL, or what else a header says. */
static cJSON *hide_text(struct str text)
{
	struct buf b = BUF_INIT(64u << 10);
	ptrdiff_t query = str_chr(text, '?');
	cJSON *v;

	if (query < 0) {
		buf_addstr(&b, text);
	} else {
		buf_addstr(&b, str_head(text, (size_t)query + 1));
		hide_pairs(str_skip(text, (size_t)query + 1), &b);
	}
	v = cJSON_CreateString(b.str);
	buf_burn(&b);
	return v;
}

static void hide(cJSON *doc)
{
	bool key = cJSON_GetObjectItemCaseSensitive(doc, "keyName") != NULL;

	for (cJSON *v = doc->child; v != NULL; v = v->next) {
		if (!cJSON_IsString(v))
			hide(v);
		else if (strstr(v->valuestring, "sig=") != NULL ||
			 (v->string != NULL &&
			  (str_listed(secret_names, v->string) ||
			   (key && strcmp(v->string, "value") == 0))))
			cJSON_SetValuestring(v, HIDDEN);
	}
}

/* A copy without secrets; of a deployment's parameters the secure ones, too. */
static cJSON *shown(const cJSON *body)
{
	const cJSON *form = json_get(body, "form"), *p;
	struct buf b = BUF_INIT(BODY_MAX);
	cJSON *doc, *given, *value;

	if (cJSON_IsString(form)) {
		hide_pairs(str_of(form->valuestring), &b);
		doc = cJSON_CreateString(b.str);
		buf_burn(&b);
		return doc;
	}
	doc = body != NULL ? cJSON_Duplicate(body, true) : cJSON_CreateNull();
	hide(doc);
	given = json_get_mut(json_get_mut(doc, "properties"), "parameters");
	cJSON_ArrayForEach(p, json_at(doc, "properties.template.parameters")) {
		value = json_get_mut(given, p->string);
		if (value != NULL &&
		    str_istarts(str_of(json_text(p, "type")), STR("secure")))
			json_put_str(value, "value", HIDDEN);
	}
	return doc;
}

static void add_field(cJSON *fields, struct str name, struct str value)
{
	char *word = str_dup(name);

	cJSON_AddItemToObject(fields, word,
			      str_listed(secret_names, word) ?
				      cJSON_CreateString(HIDDEN) :
				      hide_text(value));
	free(word);
}

/* Owns body. */
static void add_body(cJSON *doc, const char *name, cJSON *body, struct buf *b)
{
	buf_reset(b);
	json_print(body, b);
	if (b->n > RECORDED_MAX) {
		json_free(body);
		body = cJSON_CreateNull();
	}
	cJSON_AddItemToObject(doc, name, body);
}

void record_exchange(struct emu *m, const struct http_exchange *x,
		     const char *base, const struct request *r, bool spoilt)
{
	const struct http_head *h = http_x_head(x);
	cJSON *doc, *fields, *printed = NULL;
	struct err ignored = ERR_INIT;
	struct buf b = BUF_INIT(2 * RECORDED_MAX + (1u << 20));

	if (m->record_fd < 0)
		return;
	doc = json_fmt("{'time':%t,'faulty':%b,'status':%d}", spoilt,
		       (int)http_x_status(x));
	json_add_strn(doc, "method", h->method);
	buf_addf(&b, "%s%.*s", base, STR_ARG(h->target));
	cJSON_AddItemToObject(doc, "url", hide_text(buf_str(&b)));
	fields = json_add_obj(doc, "requestHeaders");
	for (size_t i = 0; i < h->n_fields; i++)
		add_field(fields, h->fields[i].name, h->fields[i].value);
	fields = json_add_obj(doc, "responseHeaders");
	for (size_t i = 0; r != NULL && i < r->n_fields; i++) {
		struct str value = str_of(r->fields[i]), name;

		if (str_cut(&value, ':', &name))
			add_field(fields, name, str_trim(value));
	}
	add_body(doc, "requestBody", shown(r != NULL ? r->body : NULL), &b);
	if (r != NULL && r->out == NULL && r->text.n > 0)
		printed = json_parse(buf_str(&r->text), "the answer", &ignored);
	add_body(doc, "responseBody",
		 shown(printed != NULL ? printed :
		       r != NULL       ? r->out :
					 NULL),
		 &b);
	json_burn(printed);
	buf_reset(&b);
	json_print(doc, &b);
	buf_addc(&b, '\n');
	/* one write, so that lines stay whole whoever else appends */
	if (b.over || write(m->record_fd, b.str, b.n) != (ssize_t)b.n)
		emu_log(m, "record: a line was not written");
	buf_burn(&b);
	json_burn(doc);
}

int record_open(struct emu *m, struct err *e)
{
	if (m->o.record == NULL)
		return 0;
	m->record_fd = open(m->o.record,
			    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return m->record_fd >= 0 ?
		       0 :
		       err_sys(e, ERR_IO, "--record %s", m->o.record);
}
