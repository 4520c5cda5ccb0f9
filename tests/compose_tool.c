/*
 * A compose file as the Engine gets it:
 *
 *	compose_tool FILE [STACK]
 *
 * prints { "stack", "networks", "configs", "secrets", "services", "ignored" };
 * variables are those of the environment.  Exit 1 with the reason on stderr.
 */
#include <stdio.h>
#include <stdlib.h>

#include "compose/compose.h"

static const char *variable(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static void print(const struct compose *c)
{
	cJSON *all = cJSON_CreateObject();
	struct buf b = BUF_INIT(64u << 20);

	json_add_str(all, "stack", c->stack);
	cJSON_AddItemReferenceToObject(all, "networks", c->networks);
	cJSON_AddItemReferenceToObject(all, "configs", c->configs);
	cJSON_AddItemReferenceToObject(all, "secrets", c->secrets);
	cJSON_AddItemReferenceToObject(all, "services", c->services);
	cJSON_AddItemReferenceToObject(all, "ignored", c->ignored);
	json_print_pretty(all, &b);
	puts(b.str);
	buf_burn(&b);
	json_free(all);
}

int main(int argc, char **argv)
{
	struct compose_source from = { .var = variable };
	struct err e = ERR_INIT;
	struct compose c;
	int rc;

	if (argc < 2)
		return 2;
	json_init();
	from.path = argv[1];
	from.stack = argc > 2 ? argv[2] : NULL;
	rc = compose_read(&from, &c, &e);
	if (rc == 0)
		print(&c);
	else
		fprintf(stderr, "%s\n", e.msg);
	compose_release(&c);
	return rc == 0 ? 0 : 1;
}
