/*
 * Any bytes as the page of a list.  Where the whole text is a plain list, it
 * must have as many elements read one by one as read at once.
 */
#include <stdint.h>

#include "tests/armdouble.h"

/* acts say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, const cJSON *item, struct err *e)
{
	int *n = ctx;

	(void)e;
	if (!cJSON_IsObject(item))
		abort();
	++*n;
	return 0;
}

/* How many elements there are, -1 when that is not simple to say: a name
 * given twice or escaped, an element that is no object, another page. */
static int plain_list(const char *text)
{
	struct err ignored = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "page", &ignored);
	const cJSON *item, *value = json_get(doc, "value");
	const char *name = strstr(text, "\"value\"");
	int n = -1;

	if (cJSON_IsObject(doc) && cJSON_IsArray(value) &&
	    strchr(text, '\\') == NULL && name != NULL &&
	    strstr(name + 1, "\"value\"") == NULL &&
	    strstr(text, "nextLink") == NULL) {
		n = 0;
		cJSON_ArrayForEach(item, value)
			n = n < 0 || !cJSON_IsObject(item) ? -1 : n + 1;
	}
	json_free(doc);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	char *text = xstrndup((const char *)data, size);
	struct act acts[] = { { "GET /list", 200, .body = text, .times = EVER },
			      { NULL } };
	struct err e = ERR_INIT;
	struct rig g;
	int n = 0, want, rc;

	if (!begun)
		json_init();
	begun = true;
	want = plain_list(text);
	rig_open(&g, acts, NULL);
	g.d.piece = size % 7;
	/* a page that names itself as the next would go on 10,000 times */
	if (strstr(text, "/list") == NULL) {
		rc = azure_list(&g.az, "/list", "list", count, &n, &e);
		if (want >= 0 && (rc < 0 || n != want))
			abort();
	}
	rig_close(&g);
	free(text);
	return 0;
}
