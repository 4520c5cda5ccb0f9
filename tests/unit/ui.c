/* swarm/ui.h: what goes to which stream, in which form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/ui.h"
#include "tests/check.h"

/* A ui whose streams are texts. */
struct paper {
	struct ui ui;
	char *out, *err;
	size_t out_n, err_n;
};

static void paper_open(struct paper *p, enum ui_format format)
{
	*p = (struct paper){ .ui.format = format };
	p->ui.out = open_memstream(&p->out, &p->out_n);
	p->ui.err = open_memstream(&p->err, &p->err_n);
	if (p->ui.out == NULL || p->ui.err == NULL)
		abort();
}

static void paper_read(struct paper *p)
{
	fflush(p->ui.out);
	fflush(p->ui.err);
}

static void paper_close(struct paper *p)
{
	fclose(p->ui.out);
	fclose(p->ui.err);
	free(p->out);
	free(p->err);
}

/* ---- listings -------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *columns[4];
	const char *cells[4][3]; /* a row begins with something */
	const char *table, *json, *tsv;
} lists[] = {
	{ "text",
	  { "name", "state" },
	  { { "a", "running" }, { "longer", "x" } },
	  "NAME    STATE\na       running\nlonger  x\n",
	  "[{\"name\":\"a\",\"state\":\"running\"},{\"name\":\"longer\",\"state\":\"x\"}]",
	  "a\trunning\nlonger\tx\n" },
	{ "numbers stand to the right",
	  { "id", "memory gb", "name" },
	  { { "7", "4", "a" }, { "12", "128", "b" } },
	  "ID  MEMORY GB  NAME\n 7          4  a\n12        128  b\n",
	  "[{\"id\":\"7\",\"memory gb\":\"4\",\"name\":\"a\"},"
	  "{\"id\":\"12\",\"memory gb\":\"128\",\"name\":\"b\"}]",
	  "7\t4\ta\n12\t128\tb\n" },
	{ "numbers in the last column",
	  { "name", "n" },
	  { { "a", "5" }, { "b", "1000" } },
	  "NAME     N\na        5\nb     1000\n",
	  NULL,
	  "a\t5\nb\t1000\n" },
	{ "numbers among text",
	  { "n" },
	  { { "5" }, { "x" }, { "1000" } },
	  "N\n5\nx\n1000\n",
	  NULL,
	  "5\nx\n1000\n" },
	{ "columns of characters, not bytes",
	  { "name", "x" },
	  { { "S\xc3\xa3o Paulo", "1" }, { "Norway East", "2" } },
	  "NAME         X\nS\xc3\xa3o Paulo    1\nNorway East  2\n",
	  "[{\"name\":\"S\xc3\xa3o Paulo\",\"x\":\"1\"},{\"name\":\"Norway East\",\"x\":\"2\"}]",
	  "S\xc3\xa3o Paulo\t1\nNorway East\t2\n" },
	{ "orders in UTF-8",
	  { "name", "x" },
	  { { "\xc2\x9b"
	      "2Ja\xe2\x80\xaez\r\n\xc3\xa3",
	      "\x9b" } },
	  "NAME      X\n?2Ja?z \xc3\xa3  ?\n",
	  "[{\"name\":\"?2Ja?z \xc3\xa3\",\"x\":\"?\"}]",
	  "?2Ja?z \xc3\xa3\t?\n" },
	{ "control characters",
	  { "name", "x" },
	  { { "a\033[2Jb\tc\nd\177", "\a" } },
	  "NAME         X\na?[2Jb?c d?  ?\n",
	  "[{\"name\":\"a?[2Jb?c d?\",\"x\":\"?\"}]",
	  "a?[2Jb?c d?\t?\n" },
	{ "quotes",
	  { "name" },
	  { { "a\"b\\c" } },
	  "NAME\na\"b\\c\n",
	  "[{\"name\":\"a\\\"b\\\\c\"}]",
	  "a\"b\\c\n" },
	{ "per cent signs",
	  { "name" },
	  { { "%s%n" } },
	  "NAME\n%s%n\n",
	  "[{\"name\":\"%s%n\"}]",
	  "%s%n\n" },
	{ "an empty cell",
	  { "a", "b" },
	  { { "x", NULL } },
	  "A  B\nx  \n",
	  "[{\"a\":\"x\",\"b\":\"\"}]",
	  "x\t\n" },
	{ "no rows", { "a", "b" }, { { NULL } }, "", "[]", "" },
};

/* JSON without the white space that is for people. */
static char *compact(const char *text)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "output", &e);

	if (doc == NULL)
		buf_adds(&b, e.msg);
	else
		json_print(doc, &b);
	json_free(doc);
	return buf_detach(&b);
}

static void run_list(size_t i, enum ui_format format, const char *suffix,
		     const char *want)
{
	struct paper p;
	struct listing t;
	struct err e = ERR_INIT;
	char name[120], *got;

	paper_open(&p, format);
	listing_init(&t, lists[i].columns);
	for (size_t r = 0; r < 4 && lists[i].cells[r][0] != NULL; r++) {
		listing_row(&t);
		for (size_t c = 0; lists[i].columns[c] != NULL; c++) {
			if (lists[i].cells[r][c] == NULL)
				listing_cell(&t, NULL);
			else
				listing_cell(&t, "%s", lists[i].cells[r][c]);
		}
	}
	snprintf(name, sizeof(name), "list, %s: %s", suffix, lists[i].name);
	if (listing_print(&t, &p.ui, &e) < 0)
		check_why(name, e.msg);
	paper_read(&p);
	if (format == UI_JSON) {
		got = compact(p.out);
		check_same(got, want, name);
		free(got);
		if (p.out_n == 0 || p.out[p.out_n - 1] != '\n')
			check_why(name, "no line end");
	} else {
		check_same(p.out, want, name);
	}
	if (p.err_n != 0)
		check_why(name, p.err);
	listing_release(&t);
	paper_close(&p);
}

static void run_lists(void)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		run_list(i, UI_TABLE, "table", lists[i].table);
		run_list(i, UI_TSV, "tsv", lists[i].tsv);
		if (lists[i].json != NULL)
			run_list(i, UI_JSON, "json", lists[i].json);
	}
}

/* A disk that is full is told, in each form. */
static void run_full(void)
{
	static const char *const columns[] = { "name", NULL };

	for (int format = UI_TABLE; format <= UI_TSV; format++) {
		struct ui ui = { .format = (enum ui_format)format };
		struct listing t;
		struct err e = ERR_INIT;
		char name[40];

		ui.out = fopen("/dev/full", "w");
		ui.err = stderr;
		if (ui.out == NULL)
			abort();
		listing_init(&t, columns);
		for (int i = 0; i < 5000; i++) { /* more than any stream holds back */
			listing_row(&t);
			listing_cell(&t, "machine %d", i);
		}
		snprintf(name, sizeof(name), "full disk, form %d", format);
		check(listing_print(&t, &ui, &e) < 0 && e.kind == ERR_IO &&
			      strcmp(e.msg,
				     "standard output: No space left on device") ==
				      0,
		      name, e.msg[0] ? e.msg : "no error");
		listing_release(&t);
		fclose(ui.out);
	}
}

/* ---- talk ------------------------------------------------------------------ */

static void run_talk(void)
{
	static const char *const columns[] = { "a", NULL };
	static char long_name[20000];
	struct paper p;
	struct listing t;
	struct err e = ERR_INIT;

	memset(long_name, 'n', sizeof(long_name) - 1);
	paper_open(&p, UI_TABLE);
	ui_say(&p.ui, "%s made", "keys/x");
	ui_say(&p.ui, "evil \033[31m%s", "name\r\n");
	paper_read(&p);
	check_same(p.err, "keys/x made\nevil ?[31mname \n",
		   "talk goes to stderr, cleaned");
	check_same(p.out, "", "and not to stdout");
	paper_close(&p);

	paper_open(&p, UI_TABLE);
	ui_say(&p.ui, "made: %s", long_name);
	paper_read(&p);
	check(p.err_n > 8000 && strncmp(p.err, "made: nnn", 9) == 0 &&
		      p.err[p.err_n - 1] == '\n',
	      "what is too long for a line is cut, and not left out", p.err);
	paper_close(&p);
	listing_init(&t, columns);
	listing_row(&t);
	listing_cell(&t, "%s", long_name);
	check(strlen(json_str_opt(t.rows, "[0][0]", "")) > 8000, "so is a cell",
	      "it is empty");
	listing_release(&t);

	paper_open(&p, UI_TABLE);
	p.ui.quiet = true;
	p.ui.tty = true;
	ui_say(&p.ui, "x");
	ui_waiting(&p.ui, "x", 5000, 100000);
	ui_clear(&p.ui);
	listing_init(&t, columns);
	listing_row(&t);
	listing_cell(&t, "x");
	listing_print(&t, &p.ui, &e);
	listing_release(&t);
	paper_read(&p);
	check_same(p.err, "", "quiet is quiet");
	check_same(p.out, "A\nx\n", "quiet still has results");
	paper_close(&p);
}

static void run_waiting(void)
{
	struct paper p;

	paper_open(&p, UI_TABLE);
	for (int s = 0; s <= 95; s++)
		ui_waiting(&p.ui, "deployment x", s * 1000, 500000 + s * 1000);
	ui_clear(&p.ui);
	paper_read(&p);
	check_same(p.err,
		   "waiting for deployment x (1 s)\nwaiting for deployment x (31 s)\n"
		   "waiting for deployment x (1 min 1 s)\nwaiting for deployment x (1 min 31 s)\n",
		   "not a terminal: a line every 30 s, no escapes");
	paper_close(&p);

	paper_open(&p, UI_TABLE);
	p.ui.tty = true;
	ui_waiting(&p.ui, "x", 500, 500000);
	paper_read(&p);
	check_same(p.err, "", "terminal: nothing within the first second");
	ui_waiting(&p.ui, "x", 1500, 501000);
	paper_read(&p);
	check_same(p.err, "\r\033[Kwaiting for x (1 s)",
		   "terminal: one line, rewritten, no color unless asked");
	ui_say(&p.ui, "done");
	ui_say(&p.ui, "and more");
	paper_read(&p);
	check_same(p.err, "\r\033[Kwaiting for x (1 s)\r\033[Kdone\nand more\n",
		   "terminal: the line is taken away before talk");
	paper_close(&p);

	paper_open(&p, UI_TABLE);
	p.ui.tty = p.ui.color = true;
	ui_waiting(&p.ui, "x", 1500, 501000);
	paper_read(&p);
	check_same(p.err, "\r\033[K\033[2mwaiting for x (1 s)\033[0m",
		   "terminal with color");
	paper_close(&p);

	paper_open(&p, UI_TABLE);
	p.ui.tty = true;
	ui_waiting(&p.ui, "agents_1\033[2J\n, a name from elsewhere", 1500,
		   501000);
	paper_read(&p);
	check_same(p.err,
		   "\r\033[Kwaiting for agents_1?[2J , a name from elsewhere (1 s)",
		   "terminal: names are cleaned");
	paper_close(&p);

	paper_open(&p, UI_TABLE);
	p.ui.tty = true;
	ui_waiting(&p.ui,
		   "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
		   "0123456789 0123456789",
		   1500, 501000);
	paper_read(&p);
	check_same(p.err,
		   "\r\033[Kwaiting for 0123456789 0123456789 0123456789 0123456789 0123456789 0... "
		   "(1 s)",
		   "terminal: a line that would wrap is cut");
	paper_close(&p);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	run_lists();
	run_full();
	run_talk();
	run_waiting();
	return check_failed();
}
