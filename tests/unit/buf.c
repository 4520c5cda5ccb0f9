/* base/err, str, buf, codec. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/check.h"

/* ---- errors -------------------------------------------------------------- */

static void errors(void)
{
	struct err e = ERR_INIT;
	char longer[3000];

	check(err_in(&e, "context") == -1 && e.msg[0] == '\0',
	      "err_in without an error", e.msg);
	check(err_set(&e, ERR_AUTH, "no %s\n\x1b[2J", "token") == -1,
	      "err_set returns -1", "");
	check_same(e.msg, "no token ?[2J", "no control character stays");
	err_set(&e, ERR_IO, "second");
	err_in(&e, "sign-in at %s", "h\xe2\x80\xae");
	check_same(e.msg, "sign-in at h?: no token ?[2J",
		   "first cause stays, context goes before");
	err_in(&e, "sign-in");
	err_in(&e, "sign-in");
	check_same(e.msg, "sign-in: sign-in at h?: no token ?[2J",
		   "what is in front is not said twice");
	check(e.kind == ERR_AUTH && err_exit_code(&e) == 4,
	      "kind and exit code stay", "");
	check(e.code[0] == '\0' && e.target[0] == '\0', "err_set gives no code",
	      e.code);
	err_clear(&e);
	err_refused(&e, ERR_AZURE, "Quota\x1b", "cores", "%s", "no more");
	err_refused(&e, ERR_AZURE, "Second", "", "second");
	err_in(&e, "scaling");
	check_same(e.msg, "scaling: no more", "a refusal has a message");
	check(err_is(&e, "quota?") && !err_is(&e, "Quota"),
	      "and a code, in any case", e.code);
	check_same(e.target, "cores", "and a target");
	err_clear(&e);
	check(!err_is(&e, "quota?") && e.code[0] == '\0' && e.target[0] == '\0',
	      "which are forgotten with it", e.code);
	err_refused(&e, ERR_AZURE, NULL, NULL, "no words");
	check(err_is(&e, "") && e.target[0] == '\0', "no code is an empty one",
	      e.code);
	e.kind = ERR_NONE;
	strcpy(e.code, "stale");
	err_set(&e, ERR_IO, "other");
	check_same(e.code, "", "a new error has no old code");
	err_clear(&e);
	errno = ENOENT;
	err_sys(&e, ERR_IO, "%s", "/x");
	check_same(e.msg, "/x: No such file or directory", "err_sys says why");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_clear(&e);
	err_set(&e, ERR_DATA, "%s", longer);
	err_in(&e, "%s", longer);
	check(strlen(e.msg) == sizeof(e.msg) - 1, "long messages are cut",
	      "length");
	/* err_in must not cut one in two: of 3 bytes, so that none fits */
	for (size_t i = 0; i + 3 < sizeof(longer); i += 3)
		memcpy(longer + i, "\xe4\xb8\xad", 4);
	for (unsigned i = 0; i < 3; i++) {
		err_clear(&e);
		err_set(&e, ERR_DATA, "%s", longer);
		err_in(&e, "%.*s", (int)i, "xx");
		check(strlen(e.msg) >= sizeof(e.msg) - 3 &&
			      strchr(e.msg, '?') == NULL &&
			      str_whole(str_of(e.msg)).n == strlen(e.msg),
		      "and end behind a character", e.msg);
	}

	static const struct {
		enum err_kind kind;
		int code;
	} codes[] = {
		{ ERR_NONE, 0 },  { ERR_USAGE, 2 },   { ERR_IO, 1 },
		{ ERR_NET, 1 },	  { ERR_TIMEOUT, 3 }, { ERR_AUTH, 4 },
		{ ERR_AZURE, 1 }, { ERR_INTR, 130 },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		e.kind = codes[i].kind;
		good = good && err_exit_code(&e) == codes[i].code;
	}
	check(good, "exit codes", "one differs");
}

/* ---- slices -------------------------------------------------------------- */

static void words(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "a,,b", "[a][][b]" }, { "a,", "[a][]" }, { ",", "[][]" },
		{ "abc", "[abc]" },	{ "", "[]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str s = str_of(rows[i].text), w;
		struct buf got = BUF_INIT(100);
		char name[50];

		while (str_next(&s, ',', &w))
			buf_addf(&got, "[%.*s]", STR_ARG(w));
		snprintf(name, sizeof(name), "words of \"%s\"", rows[i].text);
		check_same(got.str, rows[i].want, name);
		buf_release(&got);
	}
	struct str none = STR_NULL, w;

	check(!str_next(&none, ',', &w), "words of nothing", "got one");
}

static void numbers(void)
{
	static const struct {
		const char *text;
		uint64_t max, want;
		bool hex, good;
		size_t left;
	} rows[] = {
		{ "0", 9, 0, false, true, 0 },
		{ "10", 9, 0, false, false, 2 },
		{ "9x", 9, 9, false, true, 1 },
		{ "007", 7, 7, false, true, 0 },
		{ "", 9, 0, false, false, 0 },
		{ "-1", 9, 0, false, false, 2 },
		{ " 1", 9, 0, false, false, 2 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, false, true, 0 },
		{ "18446744073709551616", UINT64_MAX, 0, false, false, 20 },
		{ "99999999999999999999", UINT64_MAX, 0, false, false, 20 },
		{ "5", 3, 0, false, false, 1 },
		{ "fF", 255, 255, true, true, 0 },
		{ "100", 255, 0, true, false, 3 },
		{ "g", 255, 0, true, false, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str s = str_of(rows[i].text);
		uint64_t v = 0;
		char name[60];
		bool good = rows[i].hex ? str_hex(&s, rows[i].max, &v) :
					  str_dec(&s, rows[i].max, &v);

		snprintf(name, sizeof(name), "number \"%s\" row %zu",
			 rows[i].text, i);
		check(good == rows[i].good && v == rows[i].want &&
			      s.n == rows[i].left,
		      name, "value or rest differs");
	}
	uint64_t v = 77;

	check(!str_num(STR("12x"), 100, &v) && v == 77 &&
		      str_num(STR("12"), 100, &v) && v == 12,
	      "str_num wants the whole slice", "");
}

static void slices(void)
{
	struct str s = STR("key: value : x"), left;

	check(str_cut(&s, ':', &left) && str_eqz(left, "key") &&
		      str_eqz(s, " value : x"),
	      "cut at the first", "");
	check(!str_cut(&s, '#', &left) && str_eqz(s, " value : x") &&
		      str_eqz(left, "key"),
	      "cut without the character changes nothing", "");
	check(str_eqz(str_trim(STR(" \t a b \r\n")), "a b") &&
		      str_trim(STR("  ")).n == 0,
	      "trim", "");
	check(str_ieqz(STR("HeAd"), "hEaD") && !str_ieqz(STR("head"), "heads") &&
		      !str_ieq(STR("["), STR("{")),
	      "case folds letters only", "");
	check(str_is("HeAd", "hEaD") && !str_is("head", "heads") &&
		      str_is("", "") && !str_is(NULL, "") &&
		      !str_is("", NULL) && !str_is(NULL, NULL),
	      "words in any case, NULL is none", "");
	check(str_listed("one two", "Two") && !str_listed("one two", "tw") &&
		      !str_listed("one two", "one two") &&
		      !str_listed("one", NULL) && !str_listed("", "one"),
	      "a word among words", "");
	check(str_starts(STR("abc"), STR("ab")) &&
		      !str_starts(STR("a"), STR("ab")) &&
		      str_istarts(STR("ABc"), STR("ab")) &&
		      str_ends(STR("abc"), STR("bc")) &&
		      !str_ends(STR("c"), STR("bc")) &&
		      str_starts(STR("a"), STR_NULL),
	      "prefix, suffix", "");
	check(str_find(STR("aabaab"), STR("ab")) == 1 &&
		      str_find(STR("a"), STR("ab")) == -1 &&
		      str_find(STR("a"), STR("")) == 0 &&
		      str_find(STR_NULL, STR("a")) == -1 &&
		      str_chr(STR("abab"), 'b') == 1 &&
		      str_rchr(STR("abab"), 'b') == 3 &&
		      str_chr(STR_NULL, 'b') == -1,
	      "find", "");
	check(str_skip(STR("ab"), 9).n == 0 && str_skip(STR_NULL, 1).p == NULL &&
		      str_head(STR("ab"), 9).n == 2,
	      "skip and head stop at the end", "");
	check(str_cmp(STR("a"), STR("ab")) < 0 &&
		      str_cmp(STR("\xff"), STR("a")) > 0 &&
		      str_cmp(STR("ab"), STR("ab")) == 0 &&
		      str_icmp(STR("A"), STR("b")) < 0 &&
		      str_eq(STR_NULL, STR("")),
	      "order", "");
	check(str_is_token(STR("X-y_z.0!#$%&'*+^`|~")) && !str_is_token(STR("")) &&
		      !str_is_token(STR("a b")) && !str_is_token(STR("a\0b")) &&
		      !str_is_token(STR("\xc3\xa9")),
	      "token", "");

	static const struct {
		const char *s;
		size_t n;
	} utf8[] = {
		{ "a", 1 },
		{ "\xc3\xa9", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x90\xb3", 4 },
		{ "\xc3", 0 },
		{ "\x80", 0 },
		{ "\xc0\xaf", 0 },
		{ "\xe0\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf0\x80\x80\xaf", 0 },
		{ "\xff", 0 },
		{ "", 0 },
		{ "\xe2\x82z", 0 },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++)
		good = good && str_utf8(str_of(utf8[i].s)) == utf8[i].n;
	check(good, "UTF-8 characters", "one row differs");
}

/* Whatever the byte, wherever it is: as somebody says who looks at one at a time. */
static void visible(void)
{
	char text[24];
	bool good = true;

	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < sizeof(text); at++) {
			bool is = c >= ' ' && c <= '~' && c != '%' && c != '+';

			memset(text, '~', sizeof(text));
			text[at] = (char)c;
			for (size_t n = 0; n <= sizeof(text); n++) {
				struct str s = { text, n };

				good = good && str_visible(s, '%', '+') ==
						       (is || at >= n ? n : at);
			}
		}
	check(good, "visible characters, at every place",
	      "one is taken for another");
	memset(text, '\x80', sizeof(text));
	check(str_visible((struct str){ text, sizeof(text) }, 'a', 'a') == 0,
	      "none of another alphabet", "");
}

/* ---- the buffer ---------------------------------------------------------- */

static void add_cut(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_cut(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(b, fmt, ap);
	va_end(ap);
}

static void cut(void)
{
	struct buf b = BUF_INIT(10);

	add_cut(&b, "%s", "1234");
	add_cut(&b, "%s", "");
	check_same(b.str, "1234", "what fits is whole");
	add_cut(&b, "%s", "567890");
	check_same(b.str, "1234567890", "up to the ceiling");
	add_cut(&b, "%s", "x");
	check(b.n == 10 && !b.over, "a full one takes no more", b.str);
	buf_reset(&b);
	add_cut(&b, "ab%s", "cdefghijkl");
	check_same(b.str, "abcdefghij", "what does not fit is cut");
	buf_addc(&b, 'x');
	add_cut(&b, "%s", "y");
	check_same(b.str, "abcdefghij", "nothing is taken once over");
	buf_release(&b);
}

static void buffers(void)
{
	struct buf b = BUF_INIT(10);
	struct err e = ERR_INIT;
	char *z;

	check_same(b.str, "", "empty buffer is \"\"");
	buf_adds(&b, "12345");
	buf_addf(&b, "%s", "678901");
	check(b.over, "going over marks", "");
	check_same(b.str, "12345", "what went over is not there, not even a part");
	buf_adds(&b, "6");
	check_same(b.str, "12345", "nothing is taken once over");
	check(buf_check(&b, "answer", &e) == -1, "buf_check sees it", "");
	check_same(e.msg, "answer is larger than 10 bytes", "buf_check says it");
	buf_reset(&b);
	buf_adds(&b, "1234567890");
	check(!b.over && b.n == 10, "exactly the ceiling fits", "");
	buf_consume(&b, 4);
	check_same(b.str, "567890", "consume");
	buf_consume(&b, 99);
	check_same(b.str, "", "consume all");
	buf_adds(&b, "abc");
	buf_truncate(&b, 1);
	buf_truncate(&b, 5);
	check_same(b.str, "a", "truncate");
	z = buf_room(&b, 3);
	memcpy(z, "xyz", 3);
	buf_grew(&b, 2);
	check_same(b.str, "axy", "room, grew");
	check(buf_room(&b, 8) == NULL && b.over, "room beyond the ceiling", "");
	z = buf_detach(&b);
	check_same(z, "axy", "detach gives the bytes");
	check_same(b.str, "", "detach leaves it empty");
	free(z);
	z = buf_detach(&b);
	check_same(z, "", "detach of the empty");
	free(z);
	buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%03d", i);
	check(b.n == 3000 && memcmp(b.str + 2997, "999", 4) == 0, "grows", "");
	buf_burn(&b);
	buf_burn(&b);
	z = xasprintf("%d-%s", 7, "x");
	check_same(z, "7-x", "xasprintf");
	burn_str(z);
	burn_str(NULL);
}

/* ---- codecs -------------------------------------------------------------- */

enum codec {
	HEX,
	UNHEX,
	B64,
	B64URL,
	UNB64,
	PCT,
	UNPCT,
	UNFORM,
	SHELL,
	JSON,
	CLEAN
};

static const struct {
	const char *name;
	enum codec codec;
	struct str in;
	const char *want; /* NULL: refused with words */
	const char *words;
} codecs[] = {
	{ "hex", HEX, STR("\x00\xffk"), "00ff6b", NULL },
	{ "unhex", UNHEX, STR("6B6c"), "kl", NULL },
	{ "unhex odd", UNHEX, STR("6b6"), NULL, "not hexadecimal" },
	{ "unhex letters", UNHEX, STR("6b6g"), NULL, "not hexadecimal" },
	/* RFC 4648 section 10 */
	{ "base64 0", B64, STR(""), "", NULL },
	{ "base64 1", B64, STR("f"), "Zg==", NULL },
	{ "base64 2", B64, STR("fo"), "Zm8=", NULL },
	{ "base64 3", B64, STR("foo"), "Zm9v", NULL },
	{ "base64 6", B64, STR("foobar"), "Zm9vYmFy", NULL },
	{ "base64 last digits", B64, STR("\xfb\xef\xff"), "++//", NULL },
	{ "base64url", B64URL, STR("\xfb\xef\xff\xff"), "--___w", NULL },
	{ "unbase64", UNB64, STR("Zm9vYg=="), "foob", NULL },
	{ "unbase64 without padding", UNB64, STR("Zm9vYmE"), "fooba", NULL },
	{ "unbase64 url digits", UNB64, STR("LS1fX3-_"), "--__\x7f\xbf", NULL },
	{ "unbase64 nothing", UNB64, STR(""), "", NULL },
	{ "unbase64 short", UNB64, STR("Z"), NULL, "wrong length" },
	{ "unbase64 only padding", UNB64, STR("=="), NULL, "wrong length" },
	{ "unbase64 too much padding", UNB64, STR("Zm9v="), NULL, "wrong length" },
	{ "unbase64 blank", UNB64, STR("Zm 9v"), NULL, "wrong length" },
	{ "unbase64 blanks", UNB64, STR("Zm 9v  Y"), NULL, "not base64" },
	{ "unbase64 padding inside", UNB64, STR("Zg==Zg=="), NULL, "not base64" },
	{ "unbase64 stray bits", UNB64, STR("Zh=="), NULL, "not base64" },
	{ "percent", PCT, STR("a/b c~\xc3\xa9-._"), "a%2Fb%20c~%C3%A9-._", NULL },
	{ "a shell's word", SHELL, STR("it's $(a) 'b'"),
	  "'it'\\''s $(a) '\\''b'\\'''", NULL },
	{ "a shell's word, empty", SHELL, STR(""), "''", NULL },
	{ "unpercent", UNPCT, STR("a%2fb+%C3%a9"), "a/b+\xc3\xa9", NULL },
	{ "unpercent form", UNFORM, STR("a+b%2B"), "a b+", NULL },
	{ "unpercent cut", UNPCT, STR("abc%2"), NULL, "bad percent escape" },
	{ "unpercent letters", UNPCT, STR("%zz"), NULL, "bad percent escape" },
	{ "JSON as it is", JSON, STR("/a b~"), "/a b~", NULL },
	{ "JSON string", JSON, STR("\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9"),
	  "\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa9", NULL },
	{ "JSON NUL", JSON, STR("a\0b"), "a\\u0000b", NULL },
	{ "JSON broken UTF-8", JSON, STR("a\xff\xc3"),
	  "a\xef\xbf\xbd\xef\xbf\xbd", NULL },
	{ "clean", CLEAN, STR("a\x1b[0m\x7f\tb\vc\fd\bz"), "a?[0m??b?c?d?z", NULL },
	{ "clean: a line end", CLEAN, STR("a\nb\r\nc\rd\n\re"), "a b c d  e",
	  NULL },
	{ "clean: Unicode's line ends", CLEAN,
	  STR("a\xe2\x80\xa8"
	      "b\xe2\x80\xa9"
	      "c"),
	  "a b c", NULL },
	{ "clean: a NUL", CLEAN, STR("a\0b"), "a?b", NULL },
	{ "clean: C1 from end to end", CLEAN,
	  STR("\xc2\x80|\xc2\x85|\xc2\x9b"
	      "2J|\xc2\x9d|\xc2\x9f|\xc2\xa0"),
	  "?|?|?2J|?|?|\xc2\xa0", NULL },
	{ "clean: C1 as a byte is not UTF-8", CLEAN,
	  STR("\x9b"
	      "2J"),
	  "?2J", NULL },
	{ "clean: marks of direction", CLEAN,
	  STR("\xd8\x9c|\xe2\x80\x8e|\xe2\x80\x8f"), "?|?|?", NULL },
	{ "clean: embeddings and overrides", CLEAN,
	  STR("\xe2\x80\xaa|\xe2\x80\xab|\xe2\x80\xac|\xe2\x80\xad|\xe2\x80\xae"),
	  "?|?|?|?|?", NULL },
	{ "clean: isolates", CLEAN,
	  STR("\xe2\x81\xa6|\xe2\x81\xa7|\xe2\x81\xa8|\xe2\x81\xa9|\xe2\x81\xaf"),
	  "?|?|?|?|?", NULL },
	{ "clean: their neighbours stay", CLEAN,
	  STR("\xd8\x9b\xd8\x9d\xe2\x80\x8d\xe2\x80\x90"
	      "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xb0"),
	  "\xd8\x9b\xd8\x9d\xe2\x80\x8d\xe2\x80\x90"
	  "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xb0",
	  NULL },
	{ "clean: between the lines", CLEAN,
	  STR("\xef\xbf\xb9|\xef\xbf\xba|\xef\xbf\xbb|\xef\xbf\xbc"),
	  "?|?|?|\xef\xbf\xbc", NULL },
	{ "clean: what is written anywhere", CLEAN,
	  STR("\xc3\xa4 \xd7\xa9\xd7\x9c \xe4\xb8\xad \xf0\x9f\x98\x80 e\xcc\x81"),
	  "\xc3\xa4 \xd7\xa9\xd7\x9c \xe4\xb8\xad \xf0\x9f\x98\x80 e\xcc\x81",
	  NULL },
	{ "clean: no UTF-8", CLEAN,
	  STR("\xff\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x80|\xf0\x9f\x98"),
	  "????????????|???", NULL },
};

/* What does not fit is not there, no part of it. */
static void formatted(void)
{
	struct buf b = BUF_INIT(62);
	size_t at;

	for (at = 0; at < 60; at++)
		buf_addf(&b, "%u", (unsigned)(at % 10));
	check(b.n == 60 && strncmp(b.str + 50, "0123456789", 11) == 0,
	      "one after the other", b.str);
	buf_addf(&b, "%s", "");
	buf_addf(&b, "%s", "ab");
	check(b.n == 62 && !b.over && strcmp(b.str + 59, "9ab") == 0,
	      "to the last", b.str);
	buf_truncate(&b, 60);
	buf_addf(&b, "%s", "secret");
	for (at = 60; at < b.cap && b.str[at] == '\0'; at++)
		;
	check(b.over && b.n == 60 && at == b.cap, "no part of what is too long",
	      b.str + 60);
	buf_release(&b);
}

/* As a whole string it is the same between quotes, if all of it fits. */
static void check_quoted(struct str in, const char *inside, const char *name)
{
	struct buf b = BUF_INIT(strlen(inside) + 2),
		   small = BUF_INIT(strlen(inside) + 1);

	buf_add_json_string(&b, in);
	buf_add_json_string(&small, in);
	check(!b.over && b.str[0] == '"' && b.str[b.n - 1] == '"' &&
		      b.n == strlen(inside) + 2 &&
		      strncmp(b.str + 1, inside, b.n - 2) == 0,
	      name, b.str);
	check(small.over, name, "more than there is room for");
	buf_release(&b);
	buf_release(&small);
}

static void codec_rows(void)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		struct buf b = BUF_INIT(1000);
		struct str in = codecs[i].in;
		struct err e = ERR_INIT;
		int rc = 0;

		buf_adds(&b, "<");
		switch (codecs[i].codec) {
		case HEX:
			buf_add_hex(&b, in.p, in.n);
			break;
		case UNHEX:
			rc = buf_add_unhex(&b, in, &e);
			break;
		case B64:
			buf_add_base64(&b, in.p, in.n);
			break;
		case B64URL:
			buf_add_base64url(&b, in.p, in.n);
			break;
		case UNB64:
			rc = buf_add_unbase64(&b, in, &e);
			break;
		case PCT:
			buf_add_pct(&b, in);
			break;
		case UNPCT:
			rc = buf_add_unpct(&b, in, false, &e);
			break;
		case UNFORM:
			rc = buf_add_unpct(&b, in, true, &e);
			break;
		case SHELL:
			buf_add_shell(&b, in);
			break;
		case JSON:
			buf_add_json(&b, in);
			check_quoted(in, b.str + 1, codecs[i].name);
			break;
		case CLEAN:
			buf_add_clean(&b, in);
			break;
		}
		if (codecs[i].want != NULL)
			check_same(rc == 0 ? b.str + 1 : e.msg, codecs[i].want,
				   codecs[i].name);
		else
			check(rc < 0 && strstr(e.msg, codecs[i].words) != NULL &&
				      b.n == 1,
			      codecs[i].name, rc < 0 ? e.msg : "accepted");
		buf_release(&b);
	}
}

int main(void)
{
	errors();
	words();
	numbers();
	slices();
	visible();
	buffers();
	cut();
	formatted();
	codec_rows();
	return check_failed();
}
