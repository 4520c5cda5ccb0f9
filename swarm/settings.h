#ifndef SWARM_SETTINGS_H
#define SWARM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * What the user may choose, in rising precedence: our default, ./.env, the
 * environment, a flag.  The names are those of the Makefile that this
 * program replaces, and the Azure SDKs' AZURE_*.  A new one is a line here, a
 * row in settings.c and a row in the README.
 */
enum setting {
	S_COMPUTE_GROUP,
	S_STORAGE_GROUP,
	S_LOCATION,
	S_MASTER_COUNT,
	S_AGENT_COUNT,
	S_MIN_AGENT_COUNT,
	S_MAX_AGENT_COUNT,
	S_MASTER_SIZE,
	S_AGENT_SIZE,
	S_ADMIN_USERNAME,
	S_STORAGE_ACCOUNT_NAME,
	S_FILE_SHARES,
	S_SHARE_NAME,
	S_OWN_KEY,
	S_SHARE_SSH,
	S_SSH_PORT,
	S_VMSS_NAME,
	S_SSH_SOURCE,
	S_MONITOR_PUBLIC,
	S_DOCKER_CHANNEL,
	S_METADATA_FOR_CONTAINERS,
	S_TRUSTED_LAUNCH,
	S_IMAGE,
	S_REDIS_IMAGE,
	S_PROGRAM,
	S_DRAIN_LIMIT,
	S_WARM_AGENTS,
	S_REBALANCE,
	S_AUTOLOCK,
	S_PUBLISH,
	S_AUTOSCALE_OUT,
	S_AUTOSCALE_IN,
	S_TENANT_ID,
	S_CLIENT_ID,
	S_CLIENT_SECRET,
	S_CERTIFICATE,
	S_CERTIFICATE_ALG,
	S_TOKEN_CREDENTIALS,
	S_SUBSCRIPTION_ID,
	S_CLOUD,
	S_AUTHORITY_HOST,
	S_ARM_ENDPOINT,
	S_COUNT
};

struct settings {
	char *value[S_COUNT]; /* NULL: not chosen, no default */
	/* "default", ".env", "environment", "flag" */
	const char *source[S_COUNT];
	unsigned line[S_COUNT]; /* in the file, 0: not from there */
	char file_hash[65]; /* SHA-256 of the file, hex; "": none was read */
};

enum setting_kind { SETTING_TEXT, SETTING_INT, SETTING_BOOL, SETTING_WORD };

/*
 * All there is to know of a setting: its flag (--agent-count for AGENT_COUNT),
 * what is refused, `help settings`, and the parameter of the template are made
 * of this row.  What is left out is none, or false.
 */
struct setting_info {
	const char *name; /* of the variable */
	const char *dflt;
	const char *help;
	enum setting_kind kind;
	/* a number's bounds; or how long a text may be, when chars is set */
	int min, max;
	const char *chars; /* all that a text may be made of */
	const char *first; /* all that it may begin with */
	/* one of those a word must be; the first, what a yes or no may be, too */
	const char *words[3];
	/* what is left to be said, of a text or a number that passed so far */
	bool (*ok)(const char *value);
	const char *accepted;  /* chars, first and ok, for a person */
	bool optional;	       /* empty is fine, too */
	bool secret;	       /* never on the command line, burned */
	const char *parameter; /* of the template, which it becomes */
};
extern const struct setting_info setting_infos[S_COUNT];

void settings_init(struct settings *s);
void settings_release(struct settings *s);
/* Take NAME=VALUE lines from an .env file; a missing file is fine, a line we
 * cannot read is not.  Names that are not ours are passed over. */
int settings_take_file(struct settings *s, const char *path, struct err *e);
/* One of its lines: NAME=VALUE, NAME="VALUE", NAME='VALUE', `export ` in front
 * allowed.  1, or 0: an empty one, a comment; -1.  The value as it stands there, and
 * then without its quotes. */
int settings_split(struct str line, struct str *name, struct str *value,
		   struct err *e);
int settings_unquote(struct str *value, struct err *e);
void settings_take_env(struct settings *s);
/* --storage-group or --storage-group=X for STORAGE_GROUP: the setting, or -1.
 * *value points behind '=', or is NULL. */
int settings_flag(const char *arg, const char **value);
/* source: one of those in struct settings, which stays the caller's */
void settings_set(struct settings *s, enum setting which, const char *value,
		  const char *source);

/* Never NULL: "" when not chosen. */
const char *settings_get(const struct settings *s, enum setting which);
/* By name: a setting, or else a variable of the environment.  NULL or "": not
 * set. */
const char *settings_var(const struct settings *s, const char *name);
/* A whole number within its bounds, or ERR_USAGE naming the variable. */
int settings_int(const struct settings *s, enum setting which, int *v,
		 struct err *e);
int settings_bool(const struct settings *s, enum setting which, bool *v,
		  struct err *e);
/* AUTOLOCK's third word, which is a yes. */
#define SETTINGS_SHARED "shared"
/* Do the machines mount a share?  Not when SHARE_NAME is "none". */
bool settings_mounts(const struct settings *s);
/* Every value against its row, and against the others. */
int settings_check(const struct settings *s, struct err *e);

/*
 * Average CPU, percent, over which autoscale adds an agent and under which it
 * removes one: AUTOSCALE_OUT and AUTOSCALE_IN, else what fits AGENT_SIZE.  A
 * burstable size that has spent its credits is held at its baseline and never
 * reports more, so for those it is three quarters of that; in is half of out.
 * ERR_USAGE when in is not below out.
 *
 * Source: "Bsv2-series", "B-series burstable" (learn.microsoft.com), base CPU
 * performance, there of one core or of all, here of all.
 *
 * While AGENT_SIZE is not known, as for the largest of the usual ones.
 */
int settings_autoscale(const struct settings *s, int *out, int *in, struct err *e);

/* Stable for one group and location.  Caller frees. */
char *settings_storage_account(const struct settings *s);

#endif
