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

void help_usage(FILE *out)
{
	const struct command *cmd;

	fputs("usage: azswarm COMMAND [ARGUMENTS] [FLAGS]\n\n"
	      "First steps: 'azswarm up' makes a cluster, 'azswarm "
	      "deploy-replicated-service'\nsomething to see on it, 'azswarm down' "
	      "removes all.  To rehearse that on this\nmachine: 'azswarm emulator "
	      "--dir azure &', then '. azure/env'.\n",
	      out);
	for (int g = 0; g < GROUP_COUNT; g++) {
		fprintf(out, "\n%s:\n", groups[g]);
		for (cmd = cli_commands; cmd->name != NULL; cmd++)
			if ((int)cmd->group == g && !cmd->hidden)
				fprintf(out, "  %-26s %s\n", cmd->name,
					cmd->summary);
	}
	fputs("\nFlags of every command: --output table|json|tsv, --quiet, "
	      "--no-color, --help,\nand one for each setting that it reads, such as "
	      "--agent-count 3 for AGENT_COUNT=3.\n"
	      "'azswarm help COMMAND' tells more; 'azswarm help settings', 'help "
	      "sign-in' and\n'help exit-codes' are for all of them.\n",
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

#define LINE_MAX_WIDTH 80

/* The settings that it reads, as many on a line as there is room for; those
 * of the sign-in are said in one word. */
static void print_settings_of(const struct command *cmd, FILE *out)
{
	bool sign_in = cli_takes_setting(cmd, S_TOKEN_CREDENTIALS);
	size_t at = 0, n;

	for (int i = 0; i < S_COUNT; i++) {
		const char *name = setting_infos[i].name;

		if (!cli_takes_setting(cmd, (enum setting)i) ||
		    (sign_in && i >= S_TENANT_ID && i <= S_ARM_ENDPOINT))
			continue;
		n = strlen(name);
		if (at == 0) {
			at = (size_t)fprintf(out, "\nSettings: %s", name);
		} else if (at + 2 + n + 1 < LINE_MAX_WIDTH) {
			at += (size_t)fprintf(out, ", %s", name);
		} else {
			at = (size_t)fprintf(out, ",\n  %s", name) - 2;
		}
	}
	if (sign_in)
		fprintf(out, "%s'azswarm help sign-in'",
			at == 0			 ? "\nSettings: those of " :
			at + 34 < LINE_MAX_WIDTH ? ", those of " :
						   ",\n  those of ");
	if (sign_in || at > 0)
		fputs(".\n", out);
}

void help_command(const struct command *cmd, FILE *out)
{
	char *usage = help_usage_of(cmd);

	fprintf(out, "usage: %s\n\n%s\n", usage, cmd->summary);
	print_section(cmd->name, true, out);
	print_settings_of(cmd, out);
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
