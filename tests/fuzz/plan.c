/* Any JSON as the changes of a what-if: rows without control characters, as
 * JSON that can be read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "swarm/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char properties[] =
	"{\"template\":{\"parameters\":{\"s\":{\"type\":\"securestring\"}},\"resources\":[{"
	"\"type\":\"A.B/c\",\"properties\":{\"x\":1}}]},\"parameters\":{\"s\":{\"value\":\"hunter2\"}}}";

static void show(const struct plan *p, enum ui_format format)
{
	struct ui ui = { .format = format };
	struct plan copy = *p;
	struct err e = ERR_INIT;
	char *out = NULL;
	cJSON *doc;
	size_t n;

	ui.out = ui.err = open_memstream(&out, &n);
	if (plan_print(&copy, &ui, &e) < 0)
		abort();
	fclose(ui.out);
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)out[i] < ' ' && out[i] != '\n') ||
		    out[i] == 0x7f)
			abort();
	if (format == UI_JSON) {
		doc = json_parse(str_of(out), "output", &e);
		if (doc == NULL)
			abort();
		json_free(doc);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	cJSON *changes = json_parse((struct str){ (const char *)data, size },
				    "input", &e),
	      *props;
	struct plan p;

	if (changes == NULL)
		return 0;
	props = json_parse(str_of(properties), "properties", &e);
	plan_init(&p);
	plan_changes(&p, changes, props);
	show(&p, UI_TABLE);
	show(&p, UI_JSON);
	plan_release(&p);
	json_free(props);
	json_free(changes);
	return 0;
}
