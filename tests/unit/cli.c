/* cli/cli.h: what must be true of the table of commands, whoever adds a row. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "tests/check.h"

#define WHY_MAX (64u << 10)

static void check_none(const char *name, struct buf *why)
{
	checkf(why->n == 0, name, "%s", why->str);
	buf_release(why);
}

static void run_rows(void)
{
	struct buf twice = BUF_INIT(WHY_MAX), runs = BUF_INIT(WHY_MAX),
		   reads = BUF_INIT(WHY_MAX), made = BUF_INIT(WHY_MAX),
		   wide = BUF_INIT(WHY_MAX);
	const struct command *cmd;
	int n = 0;

	for (cmd = cli_commands; cmd->name != NULL; cmd++, n++) {
		if (cli_find(cmd->name) != cmd)
			buf_addf(&twice, " %s", cmd->name);
		if ((cmd->run == NULL) == (cmd->run_session == NULL))
			buf_addf(&runs, " %s", cmd->name);
		/* settings that are read are checked before */
		if (cmd->needs == NEEDS_NOTHING && cmd->settings != 0)
			buf_addf(&reads, " %s", cmd->name);
		if (cmd->made_by != NULL && cli_find(cmd->made_by) == NULL)
			buf_addf(&made, " %s", cmd->name);
		/* it begins in column 30 */
		if (strlen(cmd->name) > 26 || strlen(cmd->summary) > 66)
			buf_addf(&wide, " %s", cmd->name);
	}
	checkf(n > 50, "there are commands", "%d", n);
	check_none("a name is one command's", &twice);
	check_none("each is run in one way", &runs);
	check_none("who needs no settings reads none", &reads);
	check_none("what makes its file is a command", &made);
	check_none("a line of help has its width", &wide);
}

/* A flag that a usage shows and nobody knows would be refused; one that no
 * usage shows could not be given. */
static void run_flags(void)
{
	struct buf unknown = BUF_INIT(WHY_MAX), untaken = BUF_INIT(WHY_MAX),
		   secret = BUF_INIT(WHY_MAX);
	struct each_flag f = { 0 };
	const struct command *cmd;
	struct str rest, word;
	size_t n = 0;

	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		rest = str_of(cmd->usage);
		while (str_next(&rest, ' ', &word)) {
			word = str_skip(word, str_starts(word, STR("[")));
			word = str_head(word, word.n - str_ends(word, STR("]")));
			if (str_starts(word, STR("-")) &&
			    cli_find_flag(word) == NULL)
				buf_addf(&unknown, " %s %.*s", cmd->name,
					 STR_ARG(word));
		}
	}
	while (cli_each_flag(&f)) {
		bool taken = false;

		n++;
		for (cmd = cli_commands; cmd->name != NULL; cmd++)
			taken |= cli_takes_each(cmd, &f);
		if (!taken)
			buf_addf(&untaken, " %s", f.flag.name);
		if (strstr(f.flag.name, "secret") != NULL)
			buf_addf(&secret, " %s", f.flag.name);
	}
	checkf(n > S_COUNT, "there are flags", "%zu", n);
	check_none("a flag of a usage is known", &unknown);
	check_none("a flag is some command's", &untaken);
	check_none("a secret has no flag", &secret);
}

/* What is typed, up to the settings. */
static void run_parse(void)
{
	static const struct {
		const char *name, *words;
		bool good;
		const char *want; /* of the error, or LOCATION */
	} rows[] = {
		{ "a setting that it reads", "sizes --location mars", true,
		  "mars" },
		{ "the same, joined", "sizes --location=mars", true, "mars" },
		{ "one that it does not", "list-agents --location mars", false,
		  "does not take --location: that is for up" },
		{ "the same, joined", "list-agents --location=mars", false,
		  "does not take --location: that is for up" },
		{ "of what another command wrote", "plan --agent-size=x", false,
		  "--agent-size is taken by params; run it, then plan" },
		{ "not of that either", "plan --redis-image x", false,
		  "does not take --redis-image: that is for deploy-stack" },
		{ "not when it is a machine's", "ssh n --location mars", true,
		  "eastus" },
		{ "no word behind --", "sizes -- --location", false,
		  "one word too many" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct command_line *line = xcalloc(1, sizeof(*line));
		char *text = xstrdup(rows[i].words), *argv[8] = { NULL };
		struct err e = ERR_INIT;
		int argc = 1, rc = -1;
		const char *got;

		for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
			argv[argc++] = w;
		settings_init(&line->settings);
		rc = cli_parse(line, cli_command_of(line, argv[1]), argc, argv,
			       &e);
		got = rc < 0 ? e.msg : settings_get(&line->settings, S_LOCATION);
		checkf((rc == 0) == rows[i].good &&
			       strstr(got, rows[i].want) != NULL,
		       rows[i].name, "%d, %s", rc, got);
		settings_release(&line->settings);
		free(line->number);
		free(line);
		free(text);
	}
}

int main(void)
{
	run_rows();
	run_flags();
	run_parse();
	return check_failed();
}
