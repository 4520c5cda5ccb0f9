/* The marker of a cluster's life: there and back, and what is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "node/marker.h"
#include "tests/check.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define REST ",\"at\":1,\"generation\":2,\"cluster\":\"\"}"

static const struct {
	const char *name, *text, *why; /* why: NULL when it is one */
} cases[] = {
	{ "one", "{\"founder\":\"" HEX32 "\",\"by\":\"master0\"" REST, NULL },
	{ "with what is not known here",
	  "{\"x\":[1],\"founder\":\"" HEX32 "\",\"by\":\"\"" REST, NULL },
	{ "a founder that is cut", "{\"founder\":\"01\",\"by\":\"\"" REST,
	  "32 hexadecimal" },
	{ "a founder that is long",
	  "{\"founder\":\"" HEX32 "0\",\"by\":\"\"" REST, "longer than 32" },
	{ "a line in a name",
	  "{\"founder\":\"" HEX32 "\",\"by\":\"a\\nb\"" REST, "printable" },
	{ "generation 0",
	  "{\"founder\":\"" HEX32 "\",\"by\":\"\",\"at\":1,\"generation\":0,"
	  "\"cluster\":\"\"}",
	  "generation" },
	{ "no cluster",
	  "{\"founder\":\"" HEX32 "\",\"by\":\"\",\"at\":1,\"generation\":1}",
	  "cluster" },
	{ "an error page", "<html>", "not JSON" },
	{ "nothing", "", "not JSON" },
};

static void read_case(size_t i)
{
	struct marker m;
	struct err e = ERR_INIT;
	int rc = marker_parse(str_of(cases[i].text), &m, &e);

	if (cases[i].why == NULL)
		check(rc == 0 && m.generation == 2, cases[i].name, e.msg);
	else
		check(rc < 0 && strstr(e.msg, cases[i].why), cases[i].name, e.msg);
}

int main(void)
{
	struct buf text = BUF_INIT(MARKER_MAX), large = BUF_INIT(2 * MARKER_MAX);
	struct marker a, b, c;
	struct err e = ERR_INIT;

	json_init();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		read_case(i);
	marker_init(&a, "master4");
	marker_init(&c, "master4");
	check(strcmp(a.founder, c.founder) != 0, "two founders differ", a.founder);
	marker_print(&a, &text);
	check(marker_parse(buf_str(&text), &b, &e) == 0 &&
		      memcmp(&a, &b, sizeof(a)) == 0,
	      "there and back", text.str);
	for (int i = 0; i <= MARKER_MAX; i++)
		buf_addc(&large, ' ');
	check_why("larger than any",
		  marker_parse(buf_str(&large), &b, &e) < 0 ? "" : "taken");
	buf_release(&text);
	buf_release(&large);
	return check_failed();
}
