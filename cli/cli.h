#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdint.h>
#include <stdio.h>

#include "swarm/swarm.h"

/*
 * The command line: which commands there are, what each takes, and what tells
 * a person or a shell so.  All of it is made of one table (commands.c).
 */
#define CLI_ARGS_MAX 4096

/* What this file was made of; main's, for it alone is compiled anew with it. */
struct build {
	const char *version, *commit, *compiler, *bearssl, *cjson, *libyaml;
	int64_t date; /* Unix seconds, 0: unknown */
};

/* What was typed: words and flags, sorted out. */
struct command_line {
	struct session session;
	struct settings settings;
	struct ui ui;
	struct build build;
	int argc; /* command and its arguments, flags taken out */
	char *argv[CLI_ARGS_MAX];
	char *number; /* the N of scale-agents-N */
	bool help, no_color;
	/* flags that only some commands know */
	const char *config, *listen, *dir, *machines, *faults, *record, *cores,
		*provision;
};

enum needs {
	NEEDS_NOTHING,
	NEEDS_SETTINGS, /* checked settings */
	NEEDS_LOGIN,	/* checked settings, and a session with Azure */
};

/* Whether it changes something, and so wants the operators' lock. */
enum changes {
	CHANGES_NOTHING,
	/* and of Azure's at most what an etag guards */
	CHANGES_SWARM,
	CHANGES_AZURE,
};

/* How help puts commands together. */
enum group {
	GROUP_START,
	GROUP_MACHINES,
	GROUP_SERVICES,
	GROUP_LOOK,
	GROUP_LEAVE,
	GROUP_NODES,
	GROUP_PROGRAM,
	GROUP_COUNT
};

/*
 * A command: a row is all there is to one, but for its page in help.txt and
 * its line in the README.  What is left out is none, or false.
 */
struct command {
	const char *name;
	enum group group;
	/* exactly one of the two */
	int (*run)(struct command_line *line, struct err *e);
	int (*run_session)(struct session *s, int argc, char **argv,
			   struct err *e);
	enum needs needs;
	enum changes changes;
	/* That it reads, a bit for each enum setting: a flag for another one is
	 * refused. */
	uint64_t settings;
	const char *made_by; /* the command that makes what this one works with */
	int args_min, args_max;
	/* What may follow the name.  Of the flags that are not every command's
	 * it takes those that are shown here. */
	const char *usage;
	const char *summary;	  /* one line of 'azswarm help' */
	bool number_joined;	  /* NAME-N is NAME N */
	bool rest_is_for_machine; /* flags behind the first word, too */
	bool hidden;		  /* another's other name: not listed */
	int failure; /* exit code of all that is ours; 0: by what went wrong */
	bool looks; /* alone: only words behind it, or --apply, change something */
};

/* Ends with a row without a name. */
extern const struct command cli_commands[];
/* NULL: none has that name. */
const struct command *cli_find(const char *word);

/* ---- what is typed (parse.c) ---- */

enum flag_kind {
	FLAG_TRUE, /* no value: sets a bool of struct command_line */
	FLAG_TEXT, /* a text there */
	FLAG_SETTING,
	FLAG_FORMAT,   /* --output */
	FLAG_FORWARD,  /* -L, may be given several times */
	FLAG_VARIABLE, /* -e, likewise */
};

struct flag {
	const char *name;
	enum flag_kind kind;
	size_t at;	  /* the member, or the enum setting */
	bool of_all;	  /* every command takes it */
	bool of_changing; /* each that changes something does */
};
/* Ends with a row without a name. */
extern const struct flag cli_flags[];
/* Among those, by its whole name; NULL: none. */
const struct flag *cli_find_flag(struct str name);

/* The command of that name, or of a name's other forms: "scale-agents-7" is
 * "scale-agents 7", -h is help.  NULL: none. */
const struct command *cli_command_of(struct command_line *line, const char *word);
/* Whether a command takes a flag, or a setting. */
bool cli_takes_flag(const struct command *cmd, const struct flag *flag);
bool cli_takes_setting(const struct command *cmd, enum setting which);
/* "--agent-count" for AGENT_COUNT, also of a secret, which has no flag. */
#define CLI_FLAG_MAX 64
void cli_setting_flag(enum setting which, char name[CLI_FLAG_MAX]);
/* Each flag in turn, those of settings behind the others.  Begin with zeroes;
 * false: that was all. */
struct each_flag {
	size_t i; /* of cli_flags, then of setting_infos */
	char name[CLI_FLAG_MAX];
	const char *help; /* NULL: none */
	struct flag flag; /* its name may be the one above */
};
bool cli_each_flag(struct each_flag *f);
bool cli_takes_each(const struct command *cmd, const struct each_flag *f);
/* Sort out what follows the command's name, argv[1]. */
int cli_parse(struct command_line *line, const struct command *cmd, int argc,
	      char **argv, struct err *e);

/* ---- words that are no command (meant.c) ---- */

/* ERR_USAGE, with the command that was meant, if one is near. */
int cli_unknown(const char *word, struct err *e);
/* The same of a flag, among those that the command takes. */
int cli_unknown_flag(const struct command *cmd, struct str name, struct err *e);

/* ---- help (help.c) ---- */

/* "azswarm scale-agents N [--no-wait]".  Caller frees. */
char *help_usage_of(const struct command *cmd);
void help_usage(FILE *out);
void help_command(const struct command *cmd, FILE *out);

/* The text of help.txt under "= NAME", up to the next one, without the empty
 * lines around it, to the end of text.  false: there is none. */
bool help_section(const char *name, struct buf *text);
/* "Settings: LOCATION, ...", those that a command reads; nothing when there are
 * none. */
void help_settings_of(const struct command *cmd, struct buf *out);
/* What a group of commands is called. */
const char *help_group(enum group group);

/* ---- commands that no session with Azure is for (alone.c, completion.c, man.c) ---- */

int run_version(struct command_line *line, struct err *e);
int run_help(struct command_line *line, struct err *e);
int run_completion(struct command_line *line, struct err *e);
int run_man(struct command_line *line, struct err *e);
int run_helper(struct command_line *line, struct err *e);
int run_agent(struct command_line *line, struct err *e);
int run_reach(struct command_line *line, struct err *e);
int run_prune(struct command_line *line, struct err *e);
int run_demo(struct command_line *line, struct err *e);
int run_monitor(struct command_line *line, struct err *e);
int run_image(struct command_line *line, struct err *e);
int run_emulator(struct command_line *line, struct err *e);

#endif
