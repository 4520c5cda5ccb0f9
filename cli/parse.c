/* What was typed, against the tables of commands, flags and settings. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define AT(member) offsetof(struct command_line, member)

const struct flag cli_flags[] = {
	{ .name = "--output", .kind = FLAG_FORMAT, .of_all = true },
	{ .name = "--quiet", .kind = FLAG_TRUE, .at = AT(ui.quiet), .of_all = true },
	{ .name = "-q", .kind = FLAG_TRUE, .at = AT(ui.quiet), .of_all = true },
	{ .name = "--print-requests",
	  .kind = FLAG_TRUE,
	  .at = AT(session.trace.print),
	  .of_all = true },
	{ .name = "--no-color", .kind = FLAG_TRUE, .at = AT(no_color), .of_all = true },
	{ .name = "--help", .kind = FLAG_TRUE, .at = AT(help), .of_all = true },
	{ .name = "-h", .kind = FLAG_TRUE, .at = AT(help), .of_all = true },
	{ .name = "--no-share",
	  .kind = FLAG_TRUE,
	  .at = AT(session.no_share),
	  .of_all = true },
	{ .name = "--break-lock",
	  .kind = FLAG_TRUE,
	  .at = AT(session.break_lock),
	  .of_changing = true },
	{ .name = "--no-wait", .kind = FLAG_TRUE, .at = AT(session.no_wait) },
	{ .name = "--watch", .kind = FLAG_TRUE, .at = AT(session.watch) },
	{ .name = "--stop", .kind = FLAG_TRUE, .at = AT(session.stop) },
	{ .name = "--dry-run", .kind = FLAG_TRUE, .at = AT(session.dry_run) },
	{ .name = "--prune", .kind = FLAG_TRUE, .at = AT(session.prune) },
	{ .name = "--engine", .kind = FLAG_TRUE, .at = AT(session.engine) },
	{ .name = "--reboot", .kind = FLAG_TRUE, .at = AT(session.reboot) },
	{ .name = "--yes", .kind = FLAG_TRUE, .at = AT(session.yes) },
	{ .name = "--force", .kind = FLAG_TRUE, .at = AT(session.force) },
	{ .name = "--from", .kind = FLAG_TEXT, .at = AT(session.from) },
	{ .name = "--hard", .kind = FLAG_TRUE, .at = AT(session.hard) },
	{ .name = "--masters", .kind = FLAG_TRUE, .at = AT(session.masters) },
	{ .name = "--keys", .kind = FLAG_TRUE, .at = AT(session.with_keys) },
	{ .name = "--to-storage", .kind = FLAG_TRUE, .at = AT(session.to_storage) },
	{ .name = "--with-registry-auth",
	  .kind = FLAG_TRUE,
	  .at = AT(session.with_registry_auth) },
	{ .name = "--push", .kind = FLAG_TRUE, .at = AT(session.push) },
	{ .name = "--apply", .kind = FLAG_TRUE, .at = AT(session.apply) },
	{ .name = "--at-a-time", .kind = FLAG_TEXT, .at = AT(session.at_a_time) },
	{ .name = "--rounds", .kind = FLAG_TEXT, .at = AT(session.rounds) },
	{ .name = "--seed", .kind = FLAG_TEXT, .at = AT(session.seed) },
	{ .name = "--tail", .kind = FLAG_TEXT, .at = AT(session.tail) },
	{ .name = "--since", .kind = FLAG_TEXT, .at = AT(session.since) },
	{ .name = "--confirm", .kind = FLAG_TEXT, .at = AT(session.confirm) },
	{ .name = "--tenant", .kind = FLAG_SETTING, .at = S_TENANT_ID },
	{ .name = "--subscription", .kind = FLAG_SETTING, .at = S_SUBSCRIPTION_ID },
	{ .name = "--size", .kind = FLAG_SETTING, .at = S_AGENT_SIZE },
	{ .name = "--device-code", .kind = FLAG_TRUE, .at = AT(session.device_code) },
	{ .name = "--client-id", .kind = FLAG_TEXT, .at = AT(session.client_id) },
	{ .name = "--claims-challenge", .kind = FLAG_TEXT, .at = AT(session.claims) },
	{ .name = "-L", .kind = FLAG_FORWARD },
	{ .name = "-e", .kind = FLAG_VARIABLE },
	{ .name = "-f", .kind = FLAG_TRUE, .at = AT(session.follow) },
	{ .name = "-i", .kind = FLAG_TRUE, .at = AT(session.interactive) },
	{ .name = "-it", .kind = FLAG_TRUE, .at = AT(session.with_terminal) },
	{ .name = "-t", .kind = FLAG_TRUE, .at = AT(session.terminal) },
	{ .name = "-u", .kind = FLAG_TEXT, .at = AT(session.user) },
	{ .name = "-w", .kind = FLAG_TEXT, .at = AT(session.workdir) },
	{ .name = "--timestamps", .kind = FLAG_TRUE, .at = AT(session.timestamps) },
	{ .name = "-o", .kind = FLAG_TEXT, .at = AT(session.file) },
	{ .name = "--config", .kind = FLAG_TEXT, .at = AT(config) },
	{ .name = "--listen", .kind = FLAG_TEXT, .at = AT(listen) },
	{ .name = "--dir", .kind = FLAG_TEXT, .at = AT(dir) },
	{ .name = "--machines", .kind = FLAG_TEXT, .at = AT(machines) },
	{ .name = "--faults", .kind = FLAG_TEXT, .at = AT(faults) },
	{ .name = "--record", .kind = FLAG_TEXT, .at = AT(record) },
	{ .name = "--cores", .kind = FLAG_TEXT, .at = AT(cores) },
	{ .name = "--provision", .kind = FLAG_TEXT, .at = AT(provision) },
	{ 0 },
};

const struct flag *cli_find_flag(struct str name)
{
	for (size_t i = 0; cli_flags[i].name != NULL; i++)
		if (str_eqz(name, cli_flags[i].name))
			return &cli_flags[i];
	return NULL;
}

/* Whether the usage of a command shows that flag, in brackets or without. */
static bool shows(const char *usage, const char *flag)
{
	struct str rest = str_of(usage != NULL ? usage : ""), word;

	while (str_next(&rest, ' ', &word)) {
		word = str_skip(word, str_starts(word, STR("[")));
		word = str_head(word, word.n - str_ends(word, STR("]")));
		if (str_eqz(word, flag))
			return true;
	}
	return false;
}

static int set_format(struct ui *ui, const char *value, struct err *e)
{
	if (strcmp(value, "table") == 0)
		ui->format = UI_TABLE;
	else if (strcmp(value, "json") == 0)
		ui->format = UI_JSON;
	else if (strcmp(value, "tsv") == 0)
		ui->format = UI_TSV;
	else
		return err_set(e, ERR_USAGE,
			       "--output \"%s\": expected table, "
			       "json or tsv",
			       value);
	return 0;
}

static int take_value(struct command_line *line, const struct flag *flag,
		      const char *value, struct err *e)
{
	struct session *s = &line->session;
	char *at = (char *)line + flag->at;

	switch (flag->kind) {
	case FLAG_TRUE:
		*(bool *)(void *)at = true;
		return 0;
	case FLAG_TEXT:
		*(const char **)(void *)at = value;
		return 0;
	case FLAG_SETTING:
		settings_set(&line->settings, (enum setting)flag->at, value,
			     "flag");
		return 0;
	case FLAG_FORMAT:
		return set_format(&line->ui, value, e);
	case FLAG_FORWARD:
		if (s->n_forwards == SESSION_FORWARDS_MAX)
			return err_set(e, ERR_USAGE, "more than %d -L",
				       SESSION_FORWARDS_MAX);
		s->forwards[s->n_forwards++] = value;
		return 0;
	case FLAG_VARIABLE:
		if (s->n_variables == SESSION_VARIABLES_MAX)
			return err_set(e, ERR_USAGE, "more than %d -e",
				       SESSION_VARIABLES_MAX);
		s->variables[s->n_variables++] = value;
		return 0;
	}
	return 0;
}

bool cli_takes_flag(const struct command *cmd, const struct flag *flag)
{
	return flag->of_all ||
	       (flag->of_changing && cmd->changes != CHANGES_NOTHING) ||
	       shows(cmd->usage, flag->name);
}

bool cli_takes_setting(const struct command *cmd, enum setting which)
{
	return (cmd->settings >> which & 1) != 0;
}

static size_t count_flags(void)
{
	size_t n = 0;

	while (cli_flags[n].name != NULL)
		n++;
	return n;
}

void cli_setting_flag(enum setting which, char name[CLI_FLAG_MAX])
{
	snprintf(name, CLI_FLAG_MAX, "--%s", setting_infos[which].name);
	for (char *p = name; *p; p++)
		*p = (char)(*p == '_' ? '-' : to_lower(*p));
}

bool cli_each_flag(struct each_flag *f)
{
	size_t n = count_flags(), i = f->i++;
	const struct setting_info *info;

	f->help = NULL;
	if (i < n) {
		f->flag = cli_flags[i];
		return true;
	}
	while (i < n + S_COUNT && setting_infos[i - n].secret)
		i = f->i++;
	if (i >= n + S_COUNT)
		return false;
	info = &setting_infos[i - n];
	f->help = info->help;
	cli_setting_flag((enum setting)(i - n), f->name);
	f->flag = (struct flag){ .name = f->name,
				 .kind = FLAG_SETTING,
				 .at = i - n };
	return true;
}

bool cli_takes_each(const struct command *cmd, const struct each_flag *f)
{
	return f->flag.name == f->name ?
		       cli_takes_setting(cmd, (enum setting)f->flag.at) :
		       cli_takes_flag(cmd, &f->flag);
}

/* A setting that is not looked at would be taken for one that was. */
static int refuse_setting(const struct command *cmd, enum setting which,
			  struct str name, struct err *e)
{
	const struct command *maker, *other;
	struct buf takers = BUF_INIT(1024);
	int n = 0;

	maker = cmd->made_by != NULL ? cli_find(cmd->made_by) : NULL;
	if (maker != NULL && cli_takes_setting(maker, which))
		return err_set(e, ERR_USAGE,
			       "%.*s is taken by %s; run it, then %s",
			       STR_ARG(name), maker->name, cmd->name);
	for (other = cli_commands; other->name != NULL; other++)
		if (cli_takes_setting(other, which) && !other->hidden && ++n <= 3)
			buf_addf(&takers, "%s%s", n > 1 ? ", " : "", other->name);
	err_set(e, ERR_USAGE, "does not take %.*s: that is for %s%s",
		STR_ARG(name), takers.str, n > 3 ? " and others" : "");
	buf_release(&takers);
	return -1;
}

/* Take one flag, of words[0] and, when it has its value there, words[1];
 * *used gets how many words it was. */
static int take_flag(struct command_line *line, const struct command *cmd,
		     char **words, int left, int *used, struct err *e)
{
	struct flag own_setting = { .kind = FLAG_SETTING };
	struct str value = str_of(words[0]), name = value;
	bool joined = str_cut(&value, '=', &name);
	const struct flag *flag = cli_find_flag(name);
	const char *ignored;
	int setting = -1;

	*used = 1;
	if (flag == NULL && (setting = settings_flag(words[0], &ignored)) >= 0) {
		own_setting.at = (size_t)setting;
		flag = &own_setting;
	}
	if (flag == NULL)
		return cli_unknown_flag(cmd, name, e);
	if (setting >= 0 && !cli_takes_setting(cmd, (enum setting)setting))
		return refuse_setting(cmd, (enum setting)setting, name, e);
	if (setting < 0 && !cli_takes_flag(cmd, flag))
		return err_set(e, ERR_USAGE, "does not take %.*s", STR_ARG(name));
	if (flag->kind == FLAG_TRUE) {
		if (joined)
			return err_set(e, ERR_USAGE, "%.*s takes no value",
				       STR_ARG(name));
		return take_value(line, flag, NULL, e);
	}
	if (joined)
		return take_value(line, flag, value.p, e);
	if (left < 2)
		return err_set(e, ERR_USAGE, "%s wants a value", words[0]);
	*used = 2;
	return take_value(line, flag, words[1], e);
}

const struct command *cli_command_of(struct command_line *line, const char *word)
{
	const struct command *cmd = cli_find(word);
	uint64_t ignored;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		cmd = cli_find("help");
	else if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0 ||
		 strcmp(word, "-V") == 0)
		cmd = cli_find("version");
	for (size_t i = 0; cmd == NULL && cli_commands[i].name != NULL; i++) {
		size_t n = strlen(cli_commands[i].name);

		if (cli_commands[i].number_joined &&
		    strncmp(word, cli_commands[i].name, n) == 0 && word[n] == '-' &&
		    str_num(str_of(word + n + 1), UINT32_MAX, &ignored)) {
			line->number = xstrdup(word + n + 1);
			cmd = &cli_commands[i];
		}
	}
	return cmd;
}

/* A word that is not a flag. */
static int take_word(struct command_line *line, const struct command *cmd,
		     char *word, struct err *e)
{
	char *usage;

	if (line->argc - 1 < cmd->args_max) {
		line->argv[line->argc++] = word;
		return 0;
	}
	usage = help_usage_of(cmd);
	err_set(e, ERR_USAGE, "\"%s\" is one word too many; usage: %s", word,
		usage);
	free(usage);
	return -1;
}

int cli_parse(struct command_line *line, const struct command *cmd, int argc,
	      char **argv, struct err *e)
{
	bool only_words = false;
	int used;

	line->argv[line->argc++] = argv[1];
	if (line->number != NULL)
		line->argv[line->argc++] = line->number;
	for (int i = 2; i < argc; i += used) {
		char *word = argv[i];

		used = 1;
		if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
		} else if (!only_words && word[0] == '-' && word[1] != '\0') {
			if (take_flag(line, cmd, argv + i, argc - i, &used, e) < 0)
				return -1;
		} else {
			if (take_word(line, cmd, word, e) < 0)
				return -1;
			only_words |= cmd->rest_is_for_machine;
		}
	}
	if (!line->help && line->argc - 1 < cmd->args_min)
		return err_set(e, ERR_USAGE,
			       "something is missing; usage: "
			       "azswarm %s %s",
			       cmd->name, cmd->usage);
	return 0;
}
