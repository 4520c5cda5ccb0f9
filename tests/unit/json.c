/* base/json */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tests/check.h"

/* want: the compact text; or, where at >= 0, refused at that byte */
static const struct {
	const char *name;
	struct str in;
	const char *want;
	int at;
} texts[] = {
	{ "all kinds",
	  STR(" {\"a\":[1,-2.5,true,false,null,\"x\"],\"b\":{ } ,\"c\":[]}\r\n\t"),
	  "{\"a\":[1,-2.5,true,false,null,\"x\"],\"b\":{},\"c\":[]}", -1 },
	{ "byte order mark", STR("\xef\xbb\xbf{}"), "{}", -1 },
	{ "escapes", STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\udc33\""),
	  "\"\\\"\\\\/\\b\\f\\n\\r\\t\xc3\xa9\xf0\x9f\x90\xb3\"", -1 },
	{ "numbers",
	  STR("[0,-0,1e3,1E+2,12.50,1e-7,9007199254740991,1000000000000000]"),
	  "[0,0,1000,100,12.5,1e-07,9007199254740991,1000000000000000]", -1 },
	{ "number too large", STR("[1e999]"), "[null]", -1 },
	{ "nothing", STR(""), NULL, 0 },
	{ "blanks only", STR("  "), NULL, 2 },
	{ "cut short", STR("{\"a\":"), NULL, 5 },
	{ "two documents", STR("{} {}"), NULL, 3 },
	{ "NUL behind", STR("{}\0"), NULL, 2 },
	{ "trailing comma", STR("[1,]"), NULL, 3 },
	{ "leading zero", STR("[01]"), NULL, 2 },
	{ "leading plus", STR("+1"), NULL, 0 },
	{ "point without digits", STR("[1.]"), NULL, 3 },
	{ "exponent without digits", STR("[1e]"), NULL, 3 },
	{ "lone minus", STR("-"), NULL, 1 },
	{ "name without quotes", STR("{a:1}"), NULL, 1 },
	{ "no colon", STR("{\"a\" 1}"), NULL, 5 },
	{ "wrong bracket", STR("[1}"), NULL, 2 },
	{ "word cut", STR("[tru]"), NULL, 1 },
	{ "raw newline in a string", STR("\"a\nb\""), NULL, 2 },
	{ "unknown escape", STR("\"\\x\""), NULL, 2 },
	{ "string without end", STR("\"abc"), NULL, 4 },
	{ "u escape cut", STR("\"\\u12\""), NULL, 2 },
	{ "u0000", STR("\"\\u0000\""), NULL, 2 },
	{ "low surrogate first", STR("\"\\udc00\""), NULL, 2 },
	{ "high surrogate alone", STR("\"\\ud800x\""), NULL, 7 },
	{ "high surrogate twice", STR("\"\\ud800\\ud800\""), NULL, 7 },
	{ "broken UTF-8", STR("\"a\xff\""), NULL, 2 },
	{ "comment", STR("/* */ 1"), NULL, 0 },
};

static void parse_rows(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err e = ERR_INIT;
		struct buf b = BUF_INIT(1000);
		char want[60];
		cJSON *doc = json_parse(texts[i].in, "doc", &e);

		if (texts[i].want != NULL) {
			if (doc != NULL)
				json_print(doc, &b);
			check_same(doc != NULL ? b.str : e.msg, texts[i].want,
				   texts[i].name);
		} else {
			snprintf(want, sizeof(want), "doc: not JSON at byte %d",
				 texts[i].at);
			check_same(doc != NULL ? "accepted" : e.msg, want,
				   texts[i].name);
		}
		json_free(doc);
		buf_release(&b);
	}
}

static void deep(void)
{
	char text[400];
	struct err e = ERR_INIT;
	cJSON *doc;

	memset(text, '[', 129);
	memset(text + 129, ']', 129);
	doc = json_parse((struct str){ text, 258 }, "deep", &e);
	check(doc != NULL, "129 brackets", e.msg);
	json_free(doc);
	memset(text, '[', 130);
	memset(text + 130, ']', 130);
	doc = json_parse((struct str){ text, 260 }, "deep", &e);
	check(doc == NULL && strstr(e.msg, "byte 129") != NULL, "130 brackets",
	      e.msg);
	json_free(doc);
}

static const char sample[] =
	"{\"Name\":\"x\",\"n\":3,\"big\":1e30,\"half\":0.5,\"neg\":-4,\"t\":true,\"nul\":null,"
	"\"o\":{\"a\":[{\"v\":\"deep\"},[7]]},\"a.b\":1}";

static const struct {
	const char *path, *want;
} paths[] = {
	{ "Name", "\"x\"" },  { "name", NULL },	  { "o.a[0].v", "\"deep\"" },
	{ "o.a[1][0]", "7" }, { "o.a[2]", NULL }, { "o.a[-1]", NULL },
	{ "o.a[", NULL },     { "o.b.c", NULL },  { "n.x", NULL },
	{ "n[0]", NULL },     { "o[0]", NULL },	  { "a.b", NULL },
	{ "o.a[0", NULL },
};

static void lookups(void)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(STR(sample), "sample", &e);
	int64_t v = 5;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const cJSON *got = json_at(doc, paths[i].path);
		struct buf b = BUF_INIT(100);
		char name[50];

		if (got != NULL)
			json_print(got, &b);
		snprintf(name, sizeof(name), "path %s", paths[i].path);
		check_same(got != NULL ? b.str : "absent",
			   paths[i].want ? paths[i].want : "absent", name);
		buf_release(&b);
	}
	check(json_at(doc, "") == doc && json_at(NULL, "a") == NULL,
	      "path of nothing", "");
	check(json_get_i(doc, "nAME") != NULL && json_get(doc, "nAME") == NULL &&
		      json_get(doc, "a.b") != NULL &&
		      json_get_mut(doc, "n") == json_get(doc, "n") &&
		      json_get(json_get(doc, "n"), "x") == NULL &&
		      json_get(NULL, "x") == NULL,
	      "names", "");

	check_same(json_str(doc, "Name", &e), "x", "string");
	check(json_str(doc, "n", &e) == NULL, "string of a number", "");
	check_same(e.msg, "n: expected a string, found a number",
		   "string of a number says so");
	err_clear(&e);
	check(json_arr(doc, "o.z", &e) == NULL, "absent array", "");
	check_same(e.msg, "o.z: expected an array, found nothing",
		   "absent array says so");
	err_clear(&e);
	check(json_obj(doc, "nul", &e) == NULL && json_obj(doc, "o", &e) != NULL,
	      "object", "");
	check_same(e.msg, "nul: expected an object, found null",
		   "null object says so");
	err_clear(&e);
	check(json_int(doc, "neg", -4, 0, &v, &e) == 0 && v == -4, "integer",
	      e.msg);
	check(json_int(doc, "n", 0, 2, &v, &e) < 0 && v == -4,
	      "integer over the maximum", "");
	check_same(e.msg, "n: expected a whole number from 0 to 2, found 3",
		   "and says so");
	err_clear(&e);
	check(json_int(doc, "half", 0, 2, &v, &e) < 0, "half is no integer", "");
	check(json_int(doc, "big", INT64_MIN, INT64_MAX, &v, &e) < 0,
	      "too big an integer", "");
	err_clear(&e);
	json_int(doc, "t", 0, 2, &v, &e);
	check_same(e.msg, "t: expected a number, found a boolean",
		   "integer of a boolean says so");
	check(json_int_opt(doc, "n", 9) == 3 && json_int_opt(doc, "big", 9) == 9 &&
		      json_int_opt(doc, "q", 9) == 9 &&
		      json_bool_opt(doc, "t", false) &&
		      json_bool_opt(doc, "n", true) &&
		      strcmp(json_str_opt(doc, "nul", "d"), "d") == 0,
	      "defaults", "");
	check_same(json_text(doc, "Name"), "x", "text");
	check(*json_text(doc, "n") == '\0' && *json_text(doc, "q") == '\0' &&
		      *json_text(NULL, "q") == '\0',
	      "text of a number, of nothing", "");
	check(json_is(doc, "Name", "X") && !json_is(doc, "Name", "xx") &&
		      !json_is(doc, "n", "3") && !json_is(doc, "q", NULL),
	      "a text in any case", "");
	json_free(doc);
}

static void builders(void)
{
	cJSON *doc = cJSON_CreateObject(), *list;
	struct buf b = BUF_INIT(1000);
	char *inside;

	json_add_str(doc, "s", "a\"b");
	json_add_strn(doc, "t", STR("cut here") /* whole */);
	json_add_int(doc, "ns", INT64_C(30000000000));
	json_add_bool(doc, "b", false);
	list = json_add_arr(doc, "l");
	json_add_int(list, NULL, 1);
	json_add_str(json_add_obj(list, NULL), "k", "v");
	json_set(doc, "b", cJSON_CreateNumber(2));
	json_set(doc, "new", cJSON_CreateNull());
	/* taken, also where there is nothing to put it into: LeakSanitizer */
	json_set(NULL, "lost", cJSON_CreateNumber(3));
	json_set(json_get_mut(doc, "b"), "lost", cJSON_CreateNumber(4));
	json_print(doc, &b);
	check_same(b.str,
		   "{\"s\":\"a\\\"b\",\"t\":\"cut here\",\"ns\":30000000000,\"b\":2,"
		   "\"l\":[1,{\"k\":\"v\"}],\"new\":null}",
		   "built");
	buf_reset(&b);
	json_print_pretty(json_get(doc, "l"), &b);
	check_same(b.str, "[\n  1,\n  {\n    \"k\": \"v\"\n  }\n]", "pretty");
	inside = json_get_mut(doc, "s")->valuestring;
	check(inside[0] == 'a', "before burning", "");
	json_burn(doc);
	json_burn(NULL);
	json_free(NULL);
	buf_release(&b);

	struct buf small = BUF_INIT(3);

	doc = cJSON_CreateString("long");
	json_print(doc, &small);
	check(small.over, "printing stops at the ceiling", "");
	json_free(doc);
	buf_release(&small);
}

int main(void)
{
	json_init();
	parse_rows();
	deep();
	lookups();
	builders();
	return check_failed();
}
