/* The template language: a text that begins with { is a template, any other is
 * what stands between the brackets of an expression. */
#include <stdlib.h>
#include <string.h>

#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cJSON *any(void *ctx, const char *id, const char *api, bool full,
		  struct err *e)
{
	struct err quiet = ERR_INIT;

	(void)ctx, (void)api, (void)full;
	if (strstr(id, "bad") != NULL) {
		err_set(e, ERR_AZURE, "ResourceNotFound: bad");
		return NULL;
	}
	return strstr(id, "later") != NULL ?
		       NULL :
		       json_parse(STR("{\"a\":[1,{\"b\":\"c\"}]}"), "answer",
				  &quiet);
}

static cJSON *any_list(void *ctx, const char *name, const char *id,
		       const char *api, const cJSON *body, struct err *e)
{
	(void)name, (void)body;
	return any(ctx, id, api, false, e);
}

static void use(struct template *t, const struct template_scope *scope)
{
	struct err e = ERR_INIT;
	size_t n;

	template_resources(t, &n);
	for (size_t i = 0; i < n && i < 20; i++) {
		const cJSON *given, *doc;
		cJSON *body;

		err_clear(&e);
		body = template_resource(t, i, &e);
		doc = body == NULL ? NULL : template_nested(body, &given, &e);
		if (doc != NULL && template_resources(t, &n)[i].nested) {
			struct template *inner = template_open(doc, given,
							       scope, &e);

			if (inner != NULL)
				use(inner, scope);
			template_free(inner);
		}
		json_free(body);
	}
	err_clear(&e);
	json_free(template_outputs(t, &e));
	json_free(template_parameters(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct template_scope scope = {
		.subscription_id = "S",
		.tenant_id = "T",
		.group_name = "G",
		.deployment_name = "d",
		.now = 1586271194,
		.reference = any,
		.list = any_list,
	};
	struct err e = ERR_INIT;
	struct template *t;
	cJSON *doc;

	json_init();
	if (!str_starts(text, STR("{"))) {
		struct buf b = BUF_INIT(1 << 20);

		buf_addf(&b, "[%.*s]", STR_ARG(text));
		json_free(template_expression(NULL, b.str, &e));
		buf_release(&b);
		return 0;
	}
	doc = json_parse(text, "template", &e);
	if (doc == NULL)
		return 0;
	scope.group = doc;
	t = template_open(doc, json_at(doc, "metadata.given"), &scope, &e);
	if (t != NULL)
		use(t, &scope);
	template_free(t);
	json_free(doc);
	return 0;
}
