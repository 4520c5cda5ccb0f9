/*
 * A compose file.  Files that it names are there or not by their name's first letter,
 * and so are variables; no credential is ever asked for, and what is taken is whole:
 * JSON that can be printed, of services with a name and an image.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static int fake_file(const char *path, struct buf *b, struct err *e)
{
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	if (name[0] >= 'n')
		return err_set(e, ERR_IO, "cannot read %s", path);
	buf_adds(b, "A=b\n# c\nD\n  E = f\r\nG=${H}\n");
	buf_adds(b, name);
	return 0;
}

#define file_read_regular fake_file
#include "compose/compose.c"
#undef file_read_regular

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static const char *variable(void *ctx, const char *name)
{
	(void)ctx;
	must(name[0] != '\0' && !compose_never(name));
	switch (name[0] % 4) {
	case 0:
		return NULL;
	case 1:
		return "";
	case 2:
		return "12";
	default:
		return "${TEXT}: [*a";
	}
}

static void whole(const struct compose *c)
{
	struct buf b = BUF_INIT(256u << 20);
	const cJSON *service;

	must(is_stack_name(c->stack));
	cJSON_ArrayForEach(service, c->services) {
		must(json_text(service, "Name")[0] != '\0');
		must(json_text(service, "TaskTemplate.ContainerSpec.Image")[0] !=
		     '\0');
		must(json_at(service, "Mode") != NULL);
	}
	json_print(c->services, &b);
	json_print(c->networks, &b);
	json_print(c->configs, &b);
	json_print(c->secrets, &b);
	json_print(c->ignored, &b);
	must(!b.over);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct compose_source from = {
		.path = "fuzz.yml",
		.text = { (const char *)data, size },
		.stack = "s",
		.var = variable,
	};
	struct err e = ERR_INIT;
	struct compose c;

	json_init();
	if (compose_read(&from, &c, &e) == 0)
		whole(&c);
	else
		must(e.kind == ERR_DATA && e.msg[0] != '\0');
	compose_release(&c);
	return 0;
}
