/* swarm/audit.c: a line of the trail, whatever was typed and whatever a peer has
 * said: one line, of JSON that is whole.  How it is written and read is in
 * sh/lock. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "swarm/audit.h"
#include "tests/check.h"

static const struct {
	const char *name, *unit; /* which all texts are full of */
	const char *first;	 /* of what becomes of it */
} rows[] = {
	{ "plain", "scale-agents ", "scale-agents scale-agents " },
	{ "quotes", "\"", "\"\"" },
	{ "backslashes", "\\", "\\\\" },
	{ "a terminal's orders", "\033[31m", "?[31m?[31m" },
	{ "C0", "\001\037", "????" },
	{ "ends of lines", "a\r\nb\n", "a b a b " },
	{ "no UTF-8", "\377\300", "????" },
	{ "two bytes each", "\303\244", "\303\244\303\244" },
	{ "turned around", "\342\200\256x", "?x?x" },
};

static void fill(char *to, size_t size, const char *unit)
{
	size_t n = 0, len = strlen(unit);

	for (; n + len < size; n += len)
		memcpy(to + n, unit, len);
	to[n] = '\0';
}

static void run_row(size_t i)
{
	static const char *const keys[] = { "as", "command", "error" };
	char as[400], typed[4096], error[1024], who[128];
	const struct session s = { .version = "0.2.0" };
	const struct audit a = { .began = 1790000000,
				 .ended = 1790000060,
				 .who = who,
				 .as = as,
				 .typed = typed,
				 .outcome = "interrupted",
				 .error = error,
				 .status = 130 };
	struct buf line = BUF_INIT(AUDIT_LINE_MAX);
	struct err e = ERR_INIT;
	bool good;
	cJSON *doc;

	fill(as, sizeof(as), rows[i].unit);
	fill(typed, sizeof(typed), rows[i].unit);
	fill(error, sizeof(error), rows[i].unit);
	fill(who, sizeof(who), "\"@\\"); /* lock.c lets no more through */
	audit_line(&s, &a, &line);
	good = !line.over && line.n > 0 && line.str[line.n - 1] == '\n' &&
	       memchr(line.str, '\n', line.n - 1) == NULL;
	doc = json_parse(buf_str(&line), "line", &e);
	for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
		good &= str_starts(str_of(json_str_opt(doc, keys[k], "")),
				   str_of(rows[i].first));
	good &= json_int_opt(doc, "exit", 0) == 130 &&
		json_int_opt(doc, "seconds", 0) == 60;
	checkf(good, rows[i].name, "%.*s", STR_ARG(buf_str(&line)));
	json_free(doc);
	buf_release(&line);
}

int main(void)
{
	json_init();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(i);
	return check_failed();
}
