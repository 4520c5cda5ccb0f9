/*
 * azswarm(1) in mdoc: the same tables and the same text that 'azswarm help'
 * shows.  Source: mdoc(7), roff(7).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "cli/cli.h"

#define SECTION_MAX (64u << 10)

/* Characters that roff would set as another, or take for its own. */
static void roff_char(char c, FILE *out)
{
	static const struct {
		char c;
		const char *is;
	} special[] = {
		{ '\\', "\\e" },  { '-', "\\-" },   { '\'', "\\(aq" },
		{ '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" },
		{ '"', "\\(dq" },
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
		if (special[i].c == c) {
			fputs(special[i].is, out);
			return;
		}
	putc(c, out);
}

/* A line of text; each sentence begins one, and none is taken for a request. */
static void roff_line(struct str line, bool sentences, FILE *out)
{
	bool first = true;

	for (size_t i = 0; i < line.n; i++) {
		if (first && line.p[i] == '.')
			fputs("\\&", out);
		first = false;
		roff_char(line.p[i], out);
		if (sentences && i + 3 < line.n && line.p[i + 1] == ' ' &&
		    line.p[i + 2] == ' ') {
			putc('\n', out);
			i += 2;
			first = true;
		}
	}
	putc('\n', out);
}

/* A line of a macro with one argument, whatever that is. */
static void macro(const char *name, const char *argument, FILE *out)
{
	fprintf(out, ".%s \"", name);
	for (; *argument != '\0'; argument++)
		roff_char(*argument, out);
	fputs("\"\n", out);
}

/* Text as in help.txt: what is indented stays as it is. */
static void text(struct str rest, FILE *out)
{
	bool literal = false, blank = false, begun = false;
	struct str line;

	while (str_next(&rest, '\n', &line)) {
		bool indented = str_starts(line, STR("  "));

		if (line.n == 0) {
			blank = true;
			continue;
		}
		if (literal && !indented) {
			fputs(".Ed\n", out);
			literal = false;
			blank = true;
		}
		if (!literal && indented) {
			fputs(".Bd -literal -offset 2n\n", out);
			literal = true;
		} else if (blank && begun) {
			fputs(literal ? "\n" : ".Pp\n", out);
		}
		blank = false;
		begun = true;
		roff_line(literal ? str_skip(line, 2) : line, !literal, out);
	}
	if (literal)
		fputs(".Ed\n", out);
}

static void section(const char *name, FILE *out)
{
	struct buf b = BUF_INIT(SECTION_MAX);

	help_section(name, &b);
	text(buf_str(&b), out);
	buf_release(&b);
}

static void command(const struct command *cmd, FILE *out)
{
	char *usage = help_usage_of(cmd);
	struct buf b = BUF_INIT(SECTION_MAX);

	/* without the program's name */
	macro("It Sy", strchr(usage, ' ') + 1, out);
	free(usage);
	help_section(cmd->name, &b);
	if (b.n == 0) {
		buf_adds(&b, cmd->summary);
		buf_adds(&b, ".\n");
		b.str[0] = (char)(b.str[0] - (b.str[0] >= 'a' ? 'a' - 'A' : 0));
	}
	text(buf_str(&b), out);
	buf_release(&b);
	b = (struct buf)BUF_INIT(SECTION_MAX);
	help_settings_of(cmd, &b);
	if (b.n > 0) {
		fputs(".Pp\n", out);
		text(buf_str(&b), out);
	}
	buf_release(&b);
}

static void commands(FILE *out)
{
	const struct command *cmd;

	fputs(".Sh COMMANDS\n", out);
	for (int g = 0; g < GROUP_COUNT; g++) {
		macro("Ss", help_group((enum group)g), out);
		fputs(".Bl -tag -width Ds\n", out);
		for (cmd = cli_commands; cmd->name != NULL; cmd++)
			if ((int)cmd->group == g && !cmd->hidden)
				command(cmd, out);
		fputs(".El\n", out);
	}
}

static void settings(FILE *out)
{
	fputs(".Sh ENVIRONMENT\n"
	      "A value comes from a flag, else the environment, else\n"
	      ".Pa ./.env ,\nelse the default.\n"
	      ".Bl -tag -width Ds\n",
	      out);
	for (int i = 0; i < S_COUNT; i++) {
		const struct setting_info *info = &setting_infos[i];

		fprintf(out, ".It Ev %s\n", info->name);
		roff_line(str_of(info->help), true, out);
		if (info->dflt != NULL)
			macro("Bq", info->dflt, out);
	}
	fputs(".El\n.Pp\n", out);
	section("settings", out);
}

int run_man(struct command_line *line, struct err *e)
{
	FILE *out = line->ui.out;
	time_t date = (time_t)line->build.date;
	struct tm tm;
	char day[40];

	(void)e;
	gmtime_r(&date, &tm);
	strftime(day, sizeof(day), "%B %e, %Y", &tm);
	fprintf(out,
		".\\\" Made by 'azswarm man' of azswarm %s.\n"
		".Dd %s\n.Dt AZSWARM 1\n.Os\n"
		".Sh NAME\n.Nm azswarm\n"
		".Nd a Docker Swarm cluster on Azure, through its whole life\n"
		".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar argument ...\n"
		".Op Ar flag ...\n"
		".Sh DESCRIPTION\n",
		line->build.version, day);
	section("azswarm", out);
	fputs(".Pp\n", out);
	section("first-steps", out);
	fputs(".Ss Flags\n", out);
	section("flags", out);
	commands(out);
	fputs(".Sh SIGNING IN\n", out);
	section("sign-in", out);
	settings(out);
	fputs(".Sh FILES\n", out);
	section("files", out);
	fputs(".Sh EXIT STATUS\n", out);
	section("exit-codes", out);
	fputs(".Sh SEE ALSO\n.Xr az 1 ,\n.Xr docker 1 ,\n.Xr ssh 1\n", out);
	return 0;
}
