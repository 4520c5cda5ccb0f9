/*
 * What 'azswarm help' says: of the tables of commands and settings, and of
 * assets/help.txt.
 */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "cli/cli.h"

/* What the groups are called. */
static const char *const groups[GROUP_COUNT] = {
	[GROUP_START] = "To start",
	[GROUP_MACHINES] = "Machines",
	[GROUP_SERVICES] = "Services",
	[GROUP_LOOK] = "To look at it, and to get there",
	[GROUP_LEAVE] = "To leave",
	[GROUP_NODES] = "What runs on the nodes",
	[GROUP_PROGRAM] = "This program",
};

const char *help_group(enum group group)
{
	return groups[group];
}

char *help_usage_of(const struct command *cmd)
{
	return xasprintf("azswarm %s%s%s", cmd->name,
			 cmd->usage != NULL ? " " : "",
			 cmd->usage != NULL ? cmd->usage : "");
}

bool help_section(const char *name, struct buf *text)
{
	struct str rest, line;
	struct buf all;
	bool ours = false, found = false;
	size_t blank = 0, start = text->n;

	asset_get("help.txt", &all);
	rest = buf_str(&all);
	while (str_next(&rest, '\n', &line)) {
		if (str_starts(line, STR("= "))) {
			ours = str_eqz(str_skip(line, 2), name);
			found |= ours;
		} else if (ours && line.n == 0) {
			blank++;
		} else if (ours) {
			for (; blank > 0 && text->n > start; blank--)
				buf_addc(text, '\n');
			blank = 0;
			buf_addstr(text, line);
			buf_addc(text, '\n');
		}
	}
	buf_release(&all);
	return found;
}

static bool print_section(const char *name, bool behind, FILE *out)
{
	struct buf text = BUF_INIT(ASSET_MAX);
	bool found = help_section(name, &text);

	fprintf(out, "%s%s", behind && text.n > 0 ? "\n" : "", text.str);
	buf_release(&text);
	return found;
}

void help_usage(FILE *out)
{
	const struct command *cmd;

	fputs("usage: azswarm COMMAND [ARGUMENTS] [FLAGS]\n", out);
	print_section("first-steps", true, out);
	for (int g = 0; g < GROUP_COUNT; g++) {
		fprintf(out, "\n%s:\n", groups[g]);
		for (cmd = cli_commands; cmd->name != NULL; cmd++)
			if ((int)cmd->group == g && !cmd->hidden)
				fprintf(out, "  %-26s %s\n", cmd->name,
					cmd->summary);
	}
	fputs("\nFlags of every command: --output table|json|tsv, --quiet, "
	      "--no-color, --no-share,\n--help, --print-requests (what Azure would "
	      "be asked; nothing is changed there), and\none for each setting that "
	      "it reads, such as --agent-count 3 for AGENT_COUNT=3.\n"
	      "'azswarm help COMMAND' tells more; 'azswarm help settings', 'help "
	      "sign-in' and\n'help exit-codes' are for all of them.\n",
	      out);
}

static void print_settings(FILE *out)
{
	fputs("A value comes from a flag, else the environment, else ./.env, "
	      "else the default.\n\n",
	      out);
	for (int i = 0; i < S_COUNT; i++) {
		const struct setting_info *info = &setting_infos[i];

		fprintf(out, "  %-32s %s", info->name, info->help);
		if (info->dflt != NULL)
			fprintf(out, " [%s]", info->dflt);
		putc('\n', out);
	}
	print_section("settings", true, out);
}

#define HELP_WIDTH 80

void help_settings_of(const struct command *cmd, struct buf *out)
{
	bool sign_in = cli_takes_setting(cmd, S_TOKEN_CREDENTIALS);
	struct buf names = BUF_INIT(4096);
	struct str rest, word;
	size_t at;

	for (int i = 0; i < S_COUNT; i++)
		if (cli_takes_setting(cmd, (enum setting)i) &&
		    !(sign_in && i >= S_TENANT_ID && i <= S_ARM_ENDPOINT))
			buf_addf(&names, "%s%s", names.n > 0 ? ", " : "",
				 setting_infos[i].name);
	if (sign_in)
		buf_addf(&names, "%sthose of 'azswarm help sign-in'",
			 names.n > 0 ? ", " : "");
	if (names.n == 0)
		return;
	rest = buf_str(&names);
	buf_adds(out, "Settings:");
	at = strlen("Settings:");
	while (str_next(&rest, ' ', &word)) {
		bool fits = at + 1 + word.n < HELP_WIDTH;

		buf_addf(out, "%s%.*s", fits ? " " : "\n", STR_ARG(word));
		at = (fits ? at + 1 : 0) + word.n;
	}
	buf_adds(out, ".\n");
	buf_release(&names);
}

void help_command(const struct command *cmd, FILE *out)
{
	char *usage = help_usage_of(cmd);
	struct buf set = BUF_INIT(4096);

	fprintf(out, "usage: %s\n\n%s\n", usage, cmd->summary);
	print_section(cmd->name, true, out);
	help_settings_of(cmd, &set);
	fprintf(out, "%s%s", set.n > 0 ? "\n" : "", set.str);
	buf_release(&set);
	free(usage);
}

int run_help(struct command_line *line, struct err *e)
{
	const struct command *cmd;

	if (line->argc < 2) {
		help_usage(line->ui.out);
		return 0;
	}
	if (strcmp(line->argv[1], "settings") == 0) {
		print_settings(line->ui.out);
		return 0;
	}
	if ((cmd = cli_find(line->argv[1])) != NULL) {
		help_command(cmd, line->ui.out);
		return 0;
	}
	if (print_section(line->argv[1], false, line->ui.out))
		return 0;
	return cli_unknown(line->argv[1], e);
}
