/* Which command, or flag, was meant by a word that is none. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* What others call it. */
static const struct {
	const char *word, *name;
} synonyms[] = {
	{ "apply", "up" },
	{ "cordon", "evict" },
	{ "create", "up" },
	{ "delete", "destroy-cluster" },
	{ "deploy", "up" },
	{ "destroy", "destroy-cluster" },
	{ "diff", "plan" },
	{ "drain", "evict" },
	{ "info", "status" },
	{ "init", "up" },
	{ "list", "list-agents" },
	{ "ls", "list-agents" },
	{ "nodes", "list-agents" },
	{ "open", "list-endpoints" },
	{ "port-forward", "proxy" },
	{ "ps", "list-agents" },
	{ "reboot", "restart-agents" },
	{ "regions", "locations" },
	{ "reimage", "reimage-agents-serial" },
	{ "remove", "destroy-cluster" },
	{ "restart", "restart-agents" },
	{ "rm", "destroy-cluster" },
	{ "scale", "scale-agents" },
	{ "shell", "ssh" },
	{ "show", "status" },
	{ "signin", "login" },
	{ "start", "start-agents" },
	{ "stop", "stop-agents" },
	{ "top", "deploy-monitor" },
	{ "tunnel", "proxy" },
	{ "uncordon", "return" },
	{ "undrain", "return" },
	{ "url", "list-endpoints" },
	{ "whoami", "status" },
};

/* The command that somebody may have meant; NULL: none is near. */
static const char *meant(const char *word)
{
	const char *nearest = NULL;
	size_t n = strlen(word);
	/* farther is another word; and of a short one nothing would be left */
	unsigned best = n < 3 ? 1 : n < 5 ? 2 : n < 8 ? 3 : 4;

	for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++)
		if (strcmp(synonyms[i].word, word) == 0)
			return synonyms[i].name;
	for (size_t i = 0; cli_commands[i].name != NULL; i++) {
		unsigned d = str_distance(word, cli_commands[i].name);

		if (d < best) {
			best = d;
			nearest = cli_commands[i].name;
		}
	}
	return nearest;
}

int cli_unknown(const char *word, struct err *e)
{
	const char *nearest = meant(word);

	if (strcmp(word, "deploy-weavescope") == 0)
		return err_set(e, ERR_USAGE,
			       "deploy-weavescope: Weave Scope is "
			       "archived by its makers and no longer offered");
	if (nearest != NULL)
		return err_set(e, ERR_USAGE,
			       "there is no command \"%s\"; "
			       "did you mean %s?",
			       word, nearest);
	return err_set(e, ERR_USAGE,
		       "there is no command \"%s\"; "
		       "'azswarm help' lists them",
		       word);
}

int cli_unknown_flag(const struct command *cmd, struct str name, struct err *e)
{
	struct each_flag f = { 0 };
	char *typed = str_dup(name), nearest[sizeof(f.name)] = "";
	/* a quarter of it may be wrong, and two letters change places */
	unsigned best = name.n < 4 ? 1 : (unsigned)name.n / 4 + 2;

	for (int i = 0; i < S_COUNT; i++) {
		cli_setting_flag((enum setting)i, nearest);
		if (setting_infos[i].secret && str_eqz(name, nearest)) {
			free(typed);
			return err_set(e, ERR_USAGE,
				       "there is no flag %s: all users of "
				       "this machine could read it there; set %s",
				       nearest, setting_infos[i].name);
		}
	}
	*nearest = '\0';
	while (cli_each_flag(&f)) {
		unsigned d = str_distance(typed, f.flag.name);

		if (d < best && cli_takes_each(cmd, &f)) {
			best = d;
			snprintf(nearest, sizeof(nearest), "%s", f.flag.name);
		}
	}
	free(typed);
	if (*nearest != '\0')
		return err_set(e, ERR_USAGE, "unknown flag %.*s; did you mean %s?",
			       STR_ARG(name), nearest);
	return err_set(e, ERR_USAGE, "unknown flag %.*s; see 'azswarm help %s'",
		       STR_ARG(name), cmd->name);
}
