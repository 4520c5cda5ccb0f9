/*
 * What a shell must know to complete a command line, as a script for it: the
 * tables of commands, flags and settings, turned so that each flag names the
 * commands that take it.  Names of machines are not among it, for they would
 * have to be asked for.
 */
#include <string.h>

#include "base/asset.h"
#include "cli/cli.h"

/* What may follow a flag, or a command. */
struct values {
	bool any;	  /* there is one */
	bool files;	  /* the name of one */
	bool commands;	  /* the name of a command of ours */
	struct buf words; /* these, with blanks between */
};

#define WORDS_MAX 4096

static bool all_of(struct str word, const char *chars)
{
	size_t n = 0;

	while (n < word.n && strchr(chars, word.p[n]) != NULL)
		n++;
	return n == word.n && n > 0;
}

/* A word of a usage, "[FILE" or "NAME]" or "bash|zsh|fish", into what it
 * stands for. */
static void add_usage_word(struct values *v, struct str word)
{
	struct str one;

	if (str_eqz(word, "FILE") || str_eqz(word, "DIR"))
		v->files = true;
	else if (str_eqz(word, "COMMAND"))
		v->commands = true;
	else if (all_of(word, "abcdefghijklmnopqrstuvwxyz|"))
		while (str_next(&word, '|', &one))
			buf_addf(&v->words, "%s%.*s", v->words.n > 0 ? " " : "",
				 STR_ARG(one));
	v->any = true;
}

static bool follows(const struct flag *before, const struct flag *flag)
{
	if (before == NULL || flag == NULL)
		return before == flag;
	return strcmp(before->name, flag->name) == 0;
}

/* What is no flag in the usage of a command; with a flag: what follows it. */
static void usage_values(const struct command *cmd, const struct flag *flag,
			 struct values *v)
{
	struct str rest = str_of(cmd->usage), word;
	const struct flag *before = NULL;

	while (str_next(&rest, ' ', &word)) {
		while (str_starts(word, STR("[")))
			word = str_skip(word, 1);
		while (word.n > 0 && strchr("].", word.p[word.n - 1]) != NULL)
			word = str_head(word, word.n - 1);
		if (word.n > 0 && word.p[0] == '-') {
			before = cli_find_flag(word);
			if (before != NULL && before->kind == FLAG_TRUE)
				before = NULL;
			continue;
		}
		if (word.n > 0 && !str_eqz(word, "|") && follows(before, flag))
			add_usage_word(v, word);
		before = NULL;
	}
}

static void setting_values(enum setting which, struct values *v)
{
	const struct setting_info *info = &setting_infos[which];

	v->any = true;
	if (info->kind == SETTING_BOOL)
		buf_addf(&v->words, "true false%s%s",
			 info->words[0] != NULL ? " " : "",
			 info->words[0] != NULL ? info->words[0] : "");
	else if (info->kind == SETTING_WORD)
		buf_addf(&v->words, "%s %s%s%s", info->words[0], info->words[1],
			 info->words[2] != NULL ? " " : "",
			 info->words[2] != NULL ? info->words[2] : "");
	else
		v->files = which == S_CERTIFICATE;
}

/* The machine drivers that are ours. */
static void driver_values(struct values *v)
{
	for (size_t i = 0; assets[i].path != NULL; i++)
		if (str_starts(str_of(assets[i].path), STR("machines/")))
			buf_addf(&v->words, "%s%s", v->words.n > 0 ? " " : "",
				 assets[i].path + strlen("machines/"));
}

static void flag_values(const struct flag *flag, struct values *v)
{
	const struct command *cmd;

	*v = (struct values){ .words = BUF_INIT(WORDS_MAX) };
	if (flag->kind == FLAG_TRUE)
		return;
	if (flag->kind == FLAG_SETTING)
		setting_values((enum setting)flag->at, v);
	else if (flag->kind == FLAG_FORMAT)
		buf_adds(&v->words, "table json tsv");
	else if (strcmp(flag->name, "--machines") == 0)
		driver_values(v);
	else
		for (cmd = cli_commands; cmd->name != NULL; cmd++)
			if (cli_takes_flag(cmd, flag))
				usage_values(cmd, flag, v);
	v->any = true;
}

static void command_values(const struct command *cmd, struct values *v)
{
	*v = (struct values){ .words = BUF_INIT(WORDS_MAX) };
	usage_values(cmd, NULL, v);
	/* what 'azswarm ssh NODE' runs is a command of that machine */
	v->commands &= !cmd->rest_is_for_machine;
}

/* The names of the commands that take it. */
static void print_takers(const struct each_flag *f, const char *between, FILE *out)
{
	const char *sep = "";

	for (const struct command *cmd = cli_commands; cmd->name != NULL; cmd++)
		if (cli_takes_each(cmd, f)) {
			fprintf(out, "%s%s", sep, cmd->name);
			sep = between;
		}
}

/* In single quotes; what ends them, or means something behind a backslash, is
 * written as in that shell. */
static void print_quoted(const char *text, const char *quote, FILE *out)
{
	for (; *text != '\0'; text++)
		if (*text == '\'')
			fputs(quote, out);
		else
			putc(*text, out);
}

static void print_names(FILE *out)
{
	const struct command *cmd;

	for (cmd = cli_commands; cmd->name != NULL; cmd++)
		if (!cmd->hidden)
			fprintf(out, "%s%s", cmd == cli_commands ? "" : " ",
				cmd->name);
}

/* Topics of 'azswarm help' that are no command. */
#define TOPICS "settings sign-in flags exit-codes"

/* ---- bash ---- */

static void bash_values(const struct values *v, FILE *out)
{
	if (v->files)
		/* a name may have blanks in it, and readline adds the slash */
		fputs("compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY "
		      "< <(compgen -f -- \"$word\")",
		      out);
	else if (v->words.n > 0)
		fprintf(out, "COMPREPLY=($(compgen -W '%s' -- \"$word\"))",
			v->words.str);
	else
		fputs(":", out);
}

static void bash(FILE *out)
{
	const struct command *cmd;
	struct each_flag f;
	struct values v;

	fputs("# Completion of azswarm, made by 'azswarm completion bash'.\n"
	      "_azswarm()\n{\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} "
	      "before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\tlocal command=${COMP_WORDS[1]} flags='' words=''\n\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W '",
	      out);
	print_names(out);
	fputs("' -- \"$word\"))\n\t\treturn\n\tfi\n"
	      "\t# --flag=value is three words\n"
	      "\tif [ \"$word\" = = ]; then\n\t\tword=\n"
	      "\telif [ \"$before\" = = ] && [ \"$COMP_CWORD\" -gt 2 ]; then\n"
	      "\t\tbefore=${COMP_WORDS[COMP_CWORD - 2]}\n\tfi\n"
	      "\tcase $command in\n",
	      out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++)
		if (cmd->rest_is_for_machine)
			fprintf(out,
				"\t%s) [ \"$COMP_CWORD\" -eq 2 ] || return ;;\n",
				cmd->name);
	fputs("\tesac\n\tcase $before in\n", out);
	for (f = (struct each_flag){ 0 }; cli_each_flag(&f);) {
		flag_values(&f.flag, &v);
		if (v.any) {
			fprintf(out, "\t%s) ", f.flag.name);
			bash_values(&v, out);
			fputs("; return ;;\n", out);
		}
		buf_release(&v.words);
	}
	fputs("\tesac\n", out);
	for (f = (struct each_flag){ 0 }; cli_each_flag(&f);) {
		if (f.flag.of_all) {
			fprintf(out, "\tflags+=' %s'\n", f.flag.name);
			continue;
		}
		fputs("\tcase $command in ", out);
		print_takers(&f, "|", out);
		fprintf(out, ") flags+=' %s' ;; esac\n", f.flag.name);
	}
	fputs("\tcase $word in\n"
	      "\t-*) COMPREPLY=($(compgen -W \"$flags\" -- \"$word\")); return ;;\n"
	      "\tesac\n\tcase $command in\n",
	      out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		command_values(cmd, &v);
		if (v.commands) {
			buf_adds(&v.words, TOPICS);
			for (const struct command *c = cli_commands; c->name; c++)
				buf_addf(&v.words, " %s", c->name);
		}
		if (v.files || v.words.n > 0) {
			fprintf(out, "\t%s) ", cmd->name);
			bash_values(&v, out);
			fputs(" ;;\n", out);
		}
		buf_release(&v.words);
	}
	fputs("\tesac\n}\ncomplete -F _azswarm azswarm\n", out);
}

/* ---- zsh ---- */

/* A text of a specification, where a colon is the end of a part. */
static void zsh_text(const char *text, FILE *out)
{
	char one[2] = "";

	for (; *text != '\0'; text++) {
		if (strchr(":[]\\", *text) != NULL)
			putc('\\', out);
		one[0] = *text;
		print_quoted(one, "'\\''", out);
	}
}

static void zsh_values(const struct values *v, FILE *out)
{
	if (v->files)
		fputs("_files", out);
	else if (v->commands)
		fputs("(" TOPICS " $names)", out);
	else if (v->words.n > 0)
		fprintf(out, "(%s)", v->words.str);
}

static void zsh_flag(const struct each_flag *f, FILE *out)
{
	bool is_long = strncmp(f->flag.name, "--", 2) == 0;
	struct values v;

	flag_values(&f->flag, &v);
	fprintf(out, "specs+=('%s%s%s", f->flag.kind == FLAG_FORWARD ? "*" : "",
		f->flag.name, v.any && is_long ? "=" : "");
	if (f->help != NULL) {
		putc('[', out);
		zsh_text(f->help, out);
		putc(']', out);
	}
	if (v.any) {
		fputs(":value:", out);
		zsh_values(&v, out);
	}
	fputs("')", out);
	buf_release(&v.words);
}

static void zsh(FILE *out)
{
	const struct command *cmd;
	struct each_flag f;
	struct values v;

	fputs("#compdef azswarm\n"
	      "# Completion of azswarm, made by 'azswarm completion zsh'.\n"
	      "_azswarm()\n{\n"
	      "\tlocal command=$words[2] names\n"
	      "\tlocal -a commands specs\n\n"
	      "\tcommands=(\n",
	      out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		if (cmd->hidden)
			continue;
		fprintf(out, "\t\t'%s:", cmd->name);
		zsh_text(cmd->summary, out);
		fputs("'\n", out);
	}
	fputs("\t)\n"
	      "\tif (( CURRENT == 2 )); then\n"
	      "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tnames=${commands%%:*}\n"
	      "\tshift words\n\t(( CURRENT-- ))\n",
	      out);
	for (f = (struct each_flag){ 0 }; cli_each_flag(&f);) {
		putc('\t', out);
		if (!f.flag.of_all) {
			fputs("case $command in (", out);
			print_takers(&f, "|", out);
			fputs(") ", out);
		}
		zsh_flag(&f, out);
		fputs(f.flag.of_all ? "\n" : " ;; esac\n", out);
	}
	fputs("\tcase $command in\n", out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		command_values(cmd, &v);
		if (cmd->rest_is_for_machine)
			fprintf(out, "\t(%s) (( CURRENT == 2 )) || return 1 ;;\n",
				cmd->name);
		else if (v.commands || v.files || v.words.n > 0) {
			fprintf(out, "\t(%s) specs+=(\"*:value:", cmd->name);
			zsh_values(&v, out);
			fputs("\") ;;\n", out);
		}
		buf_release(&v.words);
	}
	fputs("\tesac\n"
	      "\t_arguments -s : $specs\n"
	      "}\n"
	      "# in a folder of $fpath it is the function, read by a shell it "
	      "makes it known\n"
	      "if [[ $funcstack[1] == _azswarm ]]; then\n"
	      "\t_azswarm \"$@\"\n"
	      "else\n\tcompdef _azswarm azswarm\nfi\n",
	      out);
}

/* ---- fish ---- */

static void fish_values(const struct values *v, FILE *out)
{
	if (v->files)
		fputs(" -rF", out);
	else if (v->commands)
		fputs(" -xa '" TOPICS " (__azswarm_names)'", out);
	else if (v->words.n > 0)
		fprintf(out, " -xa '%s'", v->words.str);
	else if (v->any)
		fputs(" -x", out);
}

static void fish_flag(const struct each_flag *f, FILE *out)
{
	bool is_long = strncmp(f->flag.name, "--", 2) == 0;
	struct values v;

	fputs("complete -c azswarm -n '__azswarm_of", out);
	if (!f->flag.of_all) {
		putc(' ', out);
		print_takers(f, " ", out);
	}
	/* "-it" is what fish calls an old option */
	fprintf(out, "' -%c %s",
		is_long			? 'l' :
		f->flag.name[2] != '\0' ? 'o' :
					  's',
		f->flag.name + (is_long ? 2 : 1));
	flag_values(&f->flag, &v);
	fish_values(&v, out);
	buf_release(&v.words);
	if (f->help != NULL) {
		fputs(" -d '", out);
		print_quoted(f->help, "\\'", out);
		putc('\'', out);
	}
	putc('\n', out);
}

static void fish(FILE *out)
{
	const struct command *cmd;
	struct each_flag f;
	struct values v;

	fputs("# Completion of azswarm, made by 'azswarm completion fish'.\n"
	      "function __azswarm_names\n"
	      "\techo '",
	      out);
	print_names(out);
	fputs("' | string split ' '\nend\n"
	      "# The command is there; and, when there are words, it is one of "
	      "them.\n"
	      "function __azswarm_of\n"
	      "\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) -ge 2; or return 1\n",
	      out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++)
		if (cmd->rest_is_for_machine)
			fprintf(out,
				"\ttest $words[2] = %s -a (count $words) -gt 2; "
				"and return 1\n",
				cmd->name);
	fputs("\ttest (count $argv) -eq 0; or contains -- $words[2] $argv\nend\n"
	      "function __azswarm_first\n"
	      "\ttest (count (commandline -opc)) -eq 1\nend\n"
	      "complete -c azswarm -f\n",
	      out);
	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		if (cmd->hidden)
			continue;
		fprintf(out, "complete -c azswarm -n __azswarm_first -a %s -d '",
			cmd->name);
		print_quoted(cmd->summary, "\\'", out);
		fputs("'\n", out);
	}
	for (cmd = cli_commands; cmd->name != NULL; cmd++) {
		command_values(cmd, &v);
		if (v.files || v.commands || v.words.n > 0) {
			fprintf(out, "complete -c azswarm -n '__azswarm_of %s'",
				cmd->name);
			fish_values(&v, out);
			putc('\n', out);
		}
		buf_release(&v.words);
	}
	for (f = (struct each_flag){ 0 }; cli_each_flag(&f);)
		fish_flag(&f, out);
}

int run_completion(struct command_line *line, struct err *e)
{
	static const struct {
		const char *name;
		void (*print)(FILE *out);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (strcmp(line->argv[1], shells[i].name) == 0) {
			shells[i].print(line->ui.out);
			return 0;
		}
	return err_set(e, ERR_USAGE, "\"%s\": expected bash, zsh or fish",
		       line->argv[1]);
}
