/*
 * What 'azswarm help' says: of the tables of commands and settings, and of
 * assets/help.txt.
 */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "cli/cli.h"

void help_usage(FILE *out)
{
	fputs("usage: azswarm COMMAND [ARGUMENTS] [FLAGS]\n\n", out);
	for (size_t i = 0; cli_commands[i].name != NULL; i++)
		if (!cli_commands[i].hidden)
			fprintf(out, "  %-26s %s\n", cli_commands[i].name,
				cli_commands[i].summary);
	fputs("\nFlags of every command: --output table|json|tsv, --quiet, --help,\n"
	      "and one for each setting, such as --agent-count 3 for AGENT_COUNT=3.\n"
	      "'azswarm help COMMAND' tells more; 'azswarm help settings' lists "
	      "the settings.\n",
	      out);
}

char *help_usage_of(const struct command *cmd)
{
	return xasprintf("azswarm %s%s%s", cmd->name,
			 cmd->usage != NULL ? " " : "",
			 cmd->usage != NULL ? cmd->usage : "");
}

/* The part of help.txt under "= NAME", up to the next one.  It begins with an
 * empty line, which is printed when something stands before it. */
static bool print_section(const char *name, bool behind, FILE *out)
{
	struct str rest, line;
	struct buf text;
	bool ours = false, found = false;

	asset_get("help.txt", &text);
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		if (str_starts(line, STR("= "))) {
			ours = str_eqz(str_skip(line, 2), name);
			found |= ours;
		} else if (ours && (line.n > 0 || (behind && rest.n > 0))) {
			fprintf(out, "%.*s\n", STR_ARG(line));
			behind = true;
		}
	}
	buf_release(&text);
	return found;
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

void help_command(const struct command *cmd, FILE *out)
{
	char *usage = help_usage_of(cmd);

	fprintf(out, "usage: %s\n\n%s\n", usage, cmd->summary);
	print_section(cmd->name, true, out);
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
