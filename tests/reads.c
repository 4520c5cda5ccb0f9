/*
 * Which settings a command reads: linked with ld's --wrap into the whole
 * program (build/tests/azswarm-reads), which then adds a line "COMMAND SETTING"
 * to the file $READS for each.  What settings_check() looks at is inside of
 * settings.c, and so is not wrapped: that everything is checked is no reading.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const char *command;

int __real_cli_parse(struct command_line *line, const struct command *cmd,
		     int argc, char **argv, struct err *e);
int __wrap_cli_parse(struct command_line *line, const struct command *cmd,
		     int argc, char **argv, struct err *e);
const char *__real_settings_get(const struct settings *s, enum setting which);
const char *__wrap_settings_get(const struct settings *s, enum setting which);
const char *__real_settings_var(const struct settings *s, const char *name);
const char *__wrap_settings_var(const struct settings *s, const char *name);
int __real_settings_int(const struct settings *s, enum setting which, int *v,
			struct err *e);
int __wrap_settings_int(const struct settings *s, enum setting which, int *v,
			struct err *e);
int __real_settings_bool(const struct settings *s, enum setting which, bool *v,
			 struct err *e);
int __wrap_settings_bool(const struct settings *s, enum setting which, bool *v,
			 struct err *e);
bool __real_settings_mounts(const struct settings *s);
bool __wrap_settings_mounts(const struct settings *s);
int __real_settings_autoscale(const struct settings *s, int *out, int *in,
			      struct err *e);
int __wrap_settings_autoscale(const struct settings *s, int *out, int *in,
			      struct err *e);
char *__real_settings_storage_account(const struct settings *s);
char *__wrap_settings_storage_account(const struct settings *s);

static void reads(enum setting which)
{
	static bool told[S_COUNT];
	const char *path = getenv("READS");
	char *line;
	int fd;

	if (path == NULL || command == NULL || told[which])
		return;
	told[which] = true;
	line = xasprintf("%s %s\n", command, setting_infos[which].name);
	/* a line is one write: other commands run beside this one */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		abort();
	close(fd);
	free(line);
}

int __wrap_cli_parse(struct command_line *line, const struct command *cmd,
		     int argc, char **argv, struct err *e)
{
	command = cmd->name;
	return __real_cli_parse(line, cmd, argc, argv, e);
}

const char *__wrap_settings_get(const struct settings *s, enum setting which)
{
	reads(which);
	return __real_settings_get(s, which);
}

const char *__wrap_settings_var(const struct settings *s, const char *name)
{
	for (int i = 0; i < S_COUNT; i++)
		if (strcmp(setting_infos[i].name, name) == 0)
			reads((enum setting)i);
	return __real_settings_var(s, name);
}

int __wrap_settings_int(const struct settings *s, enum setting which, int *v,
			struct err *e)
{
	reads(which);
	return __real_settings_int(s, which, v, e);
}

int __wrap_settings_bool(const struct settings *s, enum setting which, bool *v,
			 struct err *e)
{
	reads(which);
	return __real_settings_bool(s, which, v, e);
}

bool __wrap_settings_mounts(const struct settings *s)
{
	reads(S_SHARE_NAME);
	return __real_settings_mounts(s);
}

int __wrap_settings_autoscale(const struct settings *s, int *out, int *in,
			      struct err *e)
{
	reads(S_AGENT_SIZE);
	reads(S_AUTOSCALE_OUT);
	reads(S_AUTOSCALE_IN);
	return __real_settings_autoscale(s, out, in, e);
}

char *__wrap_settings_storage_account(const struct settings *s)
{
	reads(S_STORAGE_ACCOUNT_NAME);
	reads(S_COMPUTE_GROUP);
	reads(S_LOCATION);
	return __real_settings_storage_account(s);
}
