/*
 * argv -> command table -> exit code.  Alone may print results or exit;
 * everything below reports through an error record and what it was given.
 */
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "emulator/emulator.h"
#include "node/demo.h"
#include "node/image.h"
#include "node/monitor.h"
#include "node/node.h"
#include "swarm/swarm.h"

enum needs {
	NEEDS_NOTHING = 0,
	NEEDS_SETTINGS = 1,	/* checked settings */
	NEEDS_LOGIN = 2,	/* a session with Azure */
	HIDDEN = 4,		/* an alias: not in the list */
	SERVES = 8,		/* runs until it is told to stop */
};

#define ARGS_MAX 256

/* Words and flags of one call, sorted out. */
struct call {
	struct session session;
	struct settings settings;
	struct ui ui;
	int argc;		/* command and its arguments, flags taken out */
	char *argv[ARGS_MAX];
	char *number;		/* the N of scale-agents-N */
	bool help;
	/* flags that only some commands know */
	const char *config, *listen, *dir, *machines, *faults, *record, *cores, *out;
};

struct command {
	const char *name;
	int (*run)(struct call *c, struct err *e);
	int (*azure)(struct session *s, int argc, char **argv, struct err *e);
	unsigned needs;
	int args_min, args_max;
	const char *flags;	/* of its own, blank-separated */
	const char *args, *summary;
};

static int run_version(struct call *c, struct err *e);
static int run_help(struct call *c, struct err *e);
static int run_helper(struct call *c, struct err *e);
static int run_agent(struct call *c, struct err *e);
static int run_demo(struct call *c, struct err *e);
static int run_monitor(struct call *c, struct err *e);
static int run_image(struct call *c, struct err *e);
static int run_emulator(struct call *c, struct err *e);

#define AZURE(fn, needs, min, max, flags, args, summary) \
	NULL, fn, needs, min, max, flags, args, summary
#define OWN(fn, needs, min, max, flags, args, summary) \
	fn, NULL, needs, min, max, flags, args, summary
#define LOGIN (NEEDS_SETTINGS | NEEDS_LOGIN)

static const struct command commands[] = {
	{ "login", AZURE(cmd_login, NEEDS_SETTINGS, 0, 0,
	  "--device-code --tenant --subscription --client-id --claims-challenge",
	  "[--tenant ID] [--subscription ID] [--device-code]",
	  "sign in, in a browser or with a code") },
	{ "logout", AZURE(cmd_logout, NEEDS_SETTINGS, 0, 0, "", "", "forget that, and all tokens") },
	{ "status", AZURE(cmd_status, NEEDS_SETTINGS, 0, 0, "", "",
	  "who I am, where, until when") },
	{ "keys", AZURE(cmd_keys, NEEDS_SETTINGS, 0, 0, "", "",
	  "make the keys of the operator and the cluster") },
	{ "deploy-storage", AZURE(cmd_deploy_storage, LOGIN, 0, 0, "", "",
	  "storage account, file shares, and this program in a blob") },
	{ "create-shares", AZURE(cmd_create_shares, LOGIN, 0, 0, "", "",
	  "the file shares alone") },
	{ "params", AZURE(cmd_params, LOGIN, 0, 0, "", "",
	  "write parameters/cluster.json") },
	{ "deploy-compute", AZURE(cmd_deploy_compute, LOGIN, 0, 0, "--no-wait --dry-run", "[--no-wait | --dry-run]",
	  "deploy machines and network, and wait for them") },
	{ "plan", AZURE(cmd_plan, LOGIN, 0, 0, "", "", "what deploy-compute would change (also deploy-compute --dry-run)") },
	{ "view-deployment", AZURE(cmd_view_deployment, LOGIN, 0, 0, "--watch", "[--watch]",
	  "operations of the deployment, and why one failed") },
	{ "list-agents", AZURE(cmd_list_agents, LOGIN, 0, 0, "", "",
	  "machines of the scale set") },
	{ "scale-agents", AZURE(cmd_scale_agents, LOGIN, 1, 1, "--no-wait", "N [--no-wait]",
	  "change the number of agents (also scale-agents-N)") },
	{ "stop-agents", AZURE(cmd_stop_agents, LOGIN, 0, 0, "--no-wait", "[--no-wait]",
	  "shut all agents down (still billed)") },
	{ "start-agents", AZURE(cmd_start_agents, LOGIN, 0, 0, "--no-wait", "[--no-wait]",
	  "start all agents") },
	{ "deallocate-agents", AZURE(cmd_deallocate_agents, LOGIN, 0, 0, "--no-wait",
	  "[--no-wait]", "shut all agents down and stop paying for them") },
	{ "deploy-monitor", AZURE(cmd_deploy_monitor, LOGIN, 0, 0, "--no-wait", "[--no-wait]",
	  "a page on a master that shows nodes and tasks, live") },
	{ "kill-monitor", AZURE(cmd_kill_monitor, LOGIN, 0, 0, "", "", "remove the monitor") },
	{ "deploy-replicated-service", AZURE(cmd_deploy_replicated_service, LOGIN, 0, 0,
	  "--no-wait", "[--no-wait]", "the demo service, 8 tasks on port 80") },
	{ "deploy-global-service", AZURE(cmd_deploy_global_service, LOGIN, 0, 0, "--no-wait",
	  "[--no-wait]", "the demo service, one task a node on port 81") },
	{ "scale-service", AZURE(cmd_scale_service, LOGIN, 1, 1, "--no-wait", "N [--no-wait]",
	  "change the number of its tasks (also scale-service-N)") },
	{ "update-service", AZURE(cmd_update_service, LOGIN, 0, 0, "--no-wait", "[--no-wait]",
	  "replace its tasks, by this version") },
	{ "destroy-service", AZURE(cmd_destroy_service, LOGIN, 0, 0, "", "",
	  "remove the service on port 80") },
	{ "destroy-global-service", AZURE(cmd_destroy_global_service, LOGIN, 0, 0, "", "",
	  "remove the service on port 81") },
	{ "deploy-stack", AZURE(cmd_deploy_stack, LOGIN, 0, 0, "--no-wait", "[--no-wait]",
	  "the demo with Redis, 4 tasks on port 80") },
	{ "destroy-stack", AZURE(cmd_destroy_stack, LOGIN, 0, 0, "", "", "remove the stack") },
	{ "proxy", AZURE(cmd_proxy, LOGIN, 0, 0, "-L", "[-L [ADDRESS:]PORT:HOST:PORT]...",
	  "forward ports of the cluster to localhost") },
	{ "ssh", AZURE(cmd_ssh, LOGIN, 0, ARGS_MAX - 2, "", "[NODE [COMMAND...]]",
	  "a shell or a command on a machine") },
	{ "docker-env", AZURE(cmd_docker_env, LOGIN, 0, 0, "--stop", "[--stop]",
	  "a tunnel to the swarm's Docker, and DOCKER_HOST for it") },
	{ "tail-helper", AZURE(cmd_tail_helper, LOGIN, 0, 0, "", "",
	  "follow the helper's journal on a master") },
	{ "list-endpoints", AZURE(cmd_list_endpoints, LOGIN, 0, 0, "", "",
	  "public addresses and names (also endpoints)") },
	{ "endpoints", AZURE(cmd_list_endpoints, LOGIN | HIDDEN, 0, 0, "", "",
	  "the same as list-endpoints") },
	{ "resources", AZURE(cmd_resources, LOGIN, 0, 0, "", "",
	  "what is in the two resource groups") },
	{ "locations", AZURE(cmd_locations, LOGIN, 0, 0, "", "", "Azure's regions") },
	{ "sizes", AZURE(cmd_sizes, LOGIN, 0, 0, "", "", "VM sizes in LOCATION") },
	{ "destroy-compute", AZURE(cmd_destroy_compute, LOGIN, 0, 0, "--confirm --no-wait",
	  "[--confirm NAME] [--no-wait]", "delete machines and network") },
	{ "destroy-storage", AZURE(cmd_destroy_storage, LOGIN, 0, 0, "--confirm --no-wait",
	  "[--confirm NAME] [--no-wait]", "delete the storage account and its files") },
	{ "destroy-cluster", AZURE(cmd_destroy_cluster, LOGIN, 0, 0, "--confirm --no-wait",
	  "[--confirm NAME] [--no-wait]", "delete everything") },
	{ "clean", AZURE(cmd_clean, NEEDS_NOTHING, 0, 0, "", "", "remove parameters/") },
	{ "emulator", OWN(run_emulator, SERVES, 0, 0, "--listen --dir --machines --faults --record --cores",
	  "--dir DIR [--listen ADDR:PORT] [--machines DRIVER] [--faults FILE] [--record FILE] "
	  "[--cores N]", "a local Azure to rehearse on") },
	{ "helper", OWN(run_helper, SERVES, 0, 0, "--config", "[--config FILE]",
	  "on a master: join tokens and the node table") },
	{ "agent", OWN(run_agent, SERVES, 0, 1, "--config", "[leave] [--config FILE]",
	  "on every machine: join, health, leave") },
	{ "demo", OWN(run_demo, SERVES, 0, 0, "", "",
	  "in a container: a page, counters, something to compute") },
	{ "monitor", OWN(run_monitor, SERVES, 0, 0, "", "",
	  "in a container: a page that shows nodes and tasks, live") },
	{ "image", OWN(run_image, NEEDS_NOTHING, 0, 0, "-o", "-o FILE",
	  "this program as a container image, for docker load") },
	{ "version", OWN(run_version, NEEDS_NOTHING, 0, 0, "", "",
	  "version, and what it was made of") },
	{ "help", OWN(run_help, NEEDS_NOTHING, 0, 1, "", "[COMMAND]", "this, or about a command") },
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

/* ---- help ---- */

static void print_usage(FILE *out)
{
	fputs("usage: azswarm COMMAND [ARGUMENTS] [FLAGS]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!(commands[i].needs & HIDDEN))
			fprintf(out, "  %-26s %s\n", commands[i].name, commands[i].summary);
	fputs("\nFlags of every command: --output table|json|tsv, --quiet, --help,\n"
	      "and one for each setting, such as --agent-count 3 for AGENT_COUNT=3.\n"
	      "'azswarm help COMMAND' tells more; 'azswarm help settings' lists the settings.\n",
	      out);
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
	fputs("A value comes from a flag, else the environment, else ./.env, else the default.\n\n",
	      out);
	for (int i = 0; i < S_COUNT; i++)
		fprintf(out, "  %-32s %s%s%s%s\n", setting_infos[i].name, setting_infos[i].help,
			setting_infos[i].dflt ? " [" : "",
			setting_infos[i].dflt ? setting_infos[i].dflt : "",
			setting_infos[i].dflt ? "]" : "");
	print_section("settings", true, out);
}

static void print_command(const struct command *cmd, FILE *out)
{
	fprintf(out, "usage: azswarm %s%s%s\n\n%s\n", cmd->name, *cmd->args ? " " : "", cmd->args,
		cmd->summary);
	print_section(cmd->name, true, out);
}

/* Distance of two words: insertions, deletions, substitutions. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], diagonal, above, best;
	size_t n = strlen(b);

	if (n >= 63)
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			above = row[j + 1];
			best = diagonal + (a[i] != b[j]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			diagonal = above;
			row[j + 1] = best;
		}
	}
	return row[n];
}

static int unknown_command(const char *word, struct err *e)
{
	const char *nearest = NULL;
	unsigned best = 4;		/* farther is another word */

	for (size_t i = 0; i < N_COMMANDS; i++) {
		unsigned d = distance(word, commands[i].name);

		if (d < best) {
			best = d;
			nearest = commands[i].name;
		}
	}
	if (strcmp(word, "deploy-weavescope") == 0)
		return err_set(e, ERR_USAGE, "deploy-weavescope: Weave Scope is archived by its "
			       "makers and no longer offered");
	if (nearest != NULL)
		return err_set(e, ERR_USAGE, "there is no command \"%s\"; did you mean %s?", word,
			       nearest);
	return err_set(e, ERR_USAGE, "there is no command \"%s\"; 'azswarm help' lists them", word);
}

static const struct command *find_command(const char *word)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int run_help(struct call *c, struct err *e)
{
	const struct command *cmd;

	if (c->argc < 2) {
		print_usage(stdout);
		return 0;
	}
	if (strcmp(c->argv[1], "settings") == 0) {
		print_settings(stdout);
		return 0;
	}
	if ((cmd = find_command(c->argv[1])) != NULL) {
		print_command(cmd, stdout);
		return 0;
	}
	if (print_section(c->argv[1], false, stdout))
		return 0;
	return unknown_command(c->argv[1], e);
}

static int run_version(struct call *c, struct err *e)
{
	(void)c, (void)e;
	printf("azswarm %s\ncommit %s\ncompiler %s\nBearSSL %s\ncJSON %s\n", AZSWARM_VERSION,
	       AZSWARM_COMMIT, AZSWARM_COMPILER, AZSWARM_BEARSSL, AZSWARM_CJSON);
	return 0;
}

/* ---- daemons ---- */

static int run_helper(struct call *c, struct err *e)
{
	return helper_run(c->config ? c->config : NODE_CONFIG, e);
}

static int run_agent(struct call *c, struct err *e)
{
	const char *config = c->config ? c->config : NODE_CONFIG;

	if (c->argc == 1)
		return agent_run(config, AZSWARM_VERSION, e);
	if (strcmp(c->argv[1], "leave") == 0)
		return agent_leave(config, e);
	return err_set(e, ERR_USAGE, "\"%s\": expected nothing or \"leave\"", c->argv[1]);
}

/* ---- images, and what runs in them ---- */

static int run_demo(struct call *c, struct err *e)
{
	(void)c;
	return demo_run(AZSWARM_VERSION, e);
}

static int run_monitor(struct call *c, struct err *e)
{
	(void)c;
	return monitor_run(e);
}

static int run_image(struct call *c, struct err *e)
{
	if (c->out == NULL)
		return err_set(e, ERR_USAGE, "-o FILE is missing; \"-\" is standard output");
	return image_run(AZSWARM_VERSION, c->out, e);
}

/* A driver named without a slash is one of ours: put it into DIR. */
static char *own_driver(const char *name, const char *dir, struct err *e)
{
	char *asset = xasprintf("machines/%s", name), *path = NULL;
	struct buf text;

	for (size_t i = 0; assets[i].path != NULL; i++) {
		if (strcmp(assets[i].path, asset) != 0)
			continue;
		path = xasprintf("%s/driver-%s", dir, name);
		asset_get(asset, &text);
		if (dir_make(dir, 0700, e) < 0 ||
		    file_write(path, buf_str(&text), 0755, e) < 0) {
			free(path);
			path = NULL;
		}
		buf_release(&text);
		free(asset);
		return path;
	}
	err_set(e, ERR_USAGE, "--machines %s: neither a driver of ours nor a path", name);
	free(asset);
	return NULL;
}

static int run_emulator(struct call *c, struct err *e)
{
	struct emulator_options o = {
		.listen = c->listen ? c->listen : "127.0.0.1:8443", .dir = c->dir,
		.machines = c->machines, .faults = c->faults, .out = stdout,
		.record = c->record ? c->record : getenv("EMULATOR_RECORD"),
	};
	char *driver = NULL;
	uint64_t cores = 0;
	int rc;

	if (c->cores != NULL && !str_num(str_of(c->cores), 100000, &cores))
		return err_set(e, ERR_USAGE, "--cores \"%s\": expected a number of vCPUs", c->cores);
	o.cores = (unsigned)cores;
	if (c->dir == NULL)
		return err_set(e, ERR_USAGE, "--dir is missing: where its state is kept");
	if (c->machines != NULL && strchr(c->machines, '/') == NULL) {
		if ((driver = own_driver(c->machines, c->dir, e)) == NULL)
			return -1;
		o.machines = driver;
	}
	rc = emulator_run(&o, e);
	free(driver);
	return rc;
}

/* ---- the command line ---- */

static bool in_list(const char *list, const char *flag, size_t n)
{
	struct str rest = str_of(list), word;

	while (str_next(&rest, ' ', &word))
		if (word.n == n && memcmp(word.p, flag, n) == 0)
			return true;
	return false;
}

static bool known_anywhere(const char *flag, size_t n)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (in_list(commands[i].flags, flag, n))
			return true;
	return false;
}

static int set_format(struct call *c, const char *v, struct err *e)
{
	if (strcmp(v, "table") == 0)
		c->ui.format = UI_TABLE;
	else if (strcmp(v, "json") == 0)
		c->ui.format = UI_JSON;
	else if (strcmp(v, "tsv") == 0)
		c->ui.format = UI_TSV;
	else
		return err_set(e, ERR_USAGE, "--output \"%s\": expected table, json or tsv", v);
	return 0;
}

/* What a flag sets: a bool or a text in struct call, a setting, or something of its own. */
enum flag_kind { FLAG_TRUE, FLAG_TEXT, FLAG_FORMAT, FLAG_FORWARD, FLAG_SETTING };

static const struct flag {
	const char *name;
	enum flag_kind kind;
	size_t at;
} flags[] = {
	{ "--output", FLAG_FORMAT, 0 },
	{ "--quiet", FLAG_TRUE, offsetof(struct call, ui.quiet) },
	{ "-q", FLAG_TRUE, offsetof(struct call, ui.quiet) },
	{ "--help", FLAG_TRUE, offsetof(struct call, help) },
	{ "-h", FLAG_TRUE, offsetof(struct call, help) },
	{ "--no-wait", FLAG_TRUE, offsetof(struct call, session.no_wait) },
	{ "--watch", FLAG_TRUE, offsetof(struct call, session.watch) },
	{ "--stop", FLAG_TRUE, offsetof(struct call, session.stop) },
	{ "--dry-run", FLAG_TRUE, offsetof(struct call, session.dry_run) },
	{ "--confirm", FLAG_TEXT, offsetof(struct call, session.confirm) },
	{ "--config", FLAG_TEXT, offsetof(struct call, config) },
	{ "--listen", FLAG_TEXT, offsetof(struct call, listen) },
	{ "--dir", FLAG_TEXT, offsetof(struct call, dir) },
	{ "--machines", FLAG_TEXT, offsetof(struct call, machines) },
	{ "--faults", FLAG_TEXT, offsetof(struct call, faults) },
	{ "--record", FLAG_TEXT, offsetof(struct call, record) },
	{ "--cores", FLAG_TEXT, offsetof(struct call, cores) },
	{ "--device-code", FLAG_TRUE, offsetof(struct call, session.device_code) },
	{ "--client-id", FLAG_TEXT, offsetof(struct call, session.client_id) },
	{ "--claims-challenge", FLAG_TEXT, offsetof(struct call, session.claims) },
	{ "--tenant", FLAG_SETTING, S_TENANT_ID },
	{ "--subscription", FLAG_SETTING, S_SUBSCRIPTION_ID },
	{ "-L", FLAG_FORWARD, 0 },
	{ "-o", FLAG_FORMAT, 0 },	/* a file, where a command has it of its own */
};
#define N_FLAGS (sizeof(flags) / sizeof(*flags))

static int take_value(struct call *c, const struct command *cmd, const struct flag *flag,
		      const char *value, struct err *e)
{
	char *at = (char *)c + flag->at;

	switch (flag->kind) {
	case FLAG_TRUE:
		*(bool *)(void *)at = true;
		return 0;
	case FLAG_TEXT:
		*(const char **)(void *)at = value;
		return 0;
	case FLAG_FORMAT:
		if (!in_list(cmd->flags, flag->name, strlen(flag->name)))
			return set_format(c, value, e);
		c->out = value;
		return 0;
	case FLAG_SETTING:
		settings_set(&c->settings, (enum setting)flag->at, value, "flag");
		return 0;
	case FLAG_FORWARD:
		if (c->session.n_forwards == SESSION_FORWARDS_MAX)
			return err_set(e, ERR_USAGE, "more than %d -L", SESSION_FORWARDS_MAX);
		c->session.forwards[c->session.n_forwards++] = value;
		return 0;
	}
	return 0;
}

/* Take one flag; *used gets how many words it was. */
static int take_flag(struct call *c, const struct command *cmd, char **words, int left,
		     int *used, struct err *e)
{
	const char *word = words[0], *eq = strchr(word, '='), *value = NULL;
	size_t n = eq ? (size_t)(eq - word) : strlen(word), i = 0;
	bool wants;
	int which;

	*used = 1;
	while (i < N_FLAGS && (strlen(flags[i].name) != n || memcmp(flags[i].name, word, n) != 0))
		i++;
	which = i < N_FLAGS ? -1 : settings_flag(word, &value);
	if (i == N_FLAGS && which < 0)
		return err_set(e, ERR_USAGE, "unknown flag %.*s; see 'azswarm help %s'", (int)n,
			       word, cmd->name);
	if (which < 0 && flags[i].kind != FLAG_FORMAT && known_anywhere(word, n) &&
	    !in_list(cmd->flags, word, n))
		return err_set(e, ERR_USAGE, "does not take %.*s", (int)n, word);
	wants = which >= 0 || flags[i].kind != FLAG_TRUE;
	if (eq != NULL && !wants)
		return err_set(e, ERR_USAGE, "%.*s takes no value", (int)n, word);
	if (wants && eq == NULL) {
		if (left < 2)
			return err_set(e, ERR_USAGE, "%s wants a value", word);
		*used = 2;
	}
	value = eq ? eq + 1 : words[wants];
	if (which < 0)
		return take_value(c, cmd, &flags[i], value, e);
	settings_set(&c->settings, (enum setting)which, value, "flag");
	return 0;
}

/* "scale-agents-7" is "scale-agents 7", and so for services. */
static const struct command *command_of(struct call *c, const char *word)
{
	static const char *const names[] = { "scale-agents", "scale-service" };
	const struct command *cmd = find_command(word);
	uint64_t ignored;

	for (size_t i = 0; cmd == NULL && i < sizeof(names) / sizeof(*names); i++) {
		size_t n = strlen(names[i]);

		if (strncmp(word, names[i], n) == 0 && word[n] == '-' &&
		    str_num(str_of(word + n + 1), UINT32_MAX, &ignored)) {
			c->number = xstrdup(word + n + 1);
			cmd = find_command(names[i]);
		}
	}
	return cmd;
}

static int parse(struct call *c, int argc, char **argv, const struct command **cmd,
		 struct err *e)
{
	const char *word = argv[1];
	bool only_words = false;
	int used;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		word = "help";
	else if (strcmp(word, "--version") == 0)
		word = "version";
	if ((*cmd = command_of(c, word)) == NULL)
		return unknown_command(word, e);
	c->argv[c->argc++] = argv[1];
	if (c->number != NULL)
		c->argv[c->argc++] = c->number;
	for (int i = 2; i < argc; i += used) {
		used = 1;
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (take_flag(c, *cmd, argv + i, argc - i, &used, e) < 0)
				return -1;
		} else {
			if (c->argc - 1 >= (*cmd)->args_max)
				return err_set(e, ERR_USAGE, "\"%s\" is one word too many; usage: "
					       "azswarm %s%s%s", argv[i], (*cmd)->name,
					       *(*cmd)->args ? " " : "", (*cmd)->args);
			c->argv[c->argc++] = argv[i];
			/* what follows a machine's name is its, not ours */
			only_words |= (*cmd)->azure == cmd_ssh;
		}
	}
	if (!c->help && c->argc - 1 < (*cmd)->args_min)
		return err_set(e, ERR_USAGE, "something is missing; usage: azswarm %s %s",
			       (*cmd)->name, (*cmd)->args);
	return 0;
}

static int run(struct call *c, const struct command *cmd, struct err *e)
{
	int rc;

	if ((cmd->needs & NEEDS_SETTINGS) && settings_check(&c->settings, e) < 0)
		return -1;
	if (cmd->run != NULL)
		return cmd->run(c, e);
	if ((cmd->needs & NEEDS_LOGIN) && session_open(&c->session, e) < 0) {
		session_close(&c->session);
		return -1;
	}
	rc = cmd->azure(&c->session, c->argc, c->argv, e);
	session_close(&c->session);
	return rc;
}

static void on_signal(int sig)
{
	/* a second Ctrl-C does not wait for anybody */
	if (interrupt_requested())
		_exit(128 + sig);
	interrupt_request();
}

static int watch_signals(struct err *e)
{
	struct sigaction act = { .sa_handler = on_signal };	/* no SA_RESTART: reads end */

	if (interrupt_init(e) < 0)
		return -1;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	return 0;
}

/*
 * Make read-only what only the start file had to write (PT_GNU_RELRO): a
 * static program has no loader that would.  The base is where the ELF header
 * is, for a static PIE has no PT_PHDR to tell.
 */
static void seal(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uintptr_t page = getauxval(AT_PAGESZ), from, to;

	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
		if (ph[i].p_type != PT_GNU_RELRO)
			continue;
		from = (uintptr_t)__ehdr_start + ph[i].p_vaddr;
		to = (from + ph[i].p_memsz) & ~(page - 1);
		from &= ~(page - 1);
		if (mprotect((void *)from, to - from, PROT_READ) < 0)
			_exit(1);
	}
}

/* The next file to be opened, a connection or a key, would get the number of
 * a standard stream that is closed, and what we print would go there. */
static void hold_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(1);
}

static void ui_setup(struct ui *ui)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	ui->out = stdout;
	ui->err = stderr;
	ui->tty = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
	ui->color = ui->tty && (no_color == NULL || *no_color == '\0');
	ui->color_out = isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0 &&
		(no_color == NULL || *no_color == '\0');
}

int main(int argc, char **argv)
{
	struct call c = { 0 };
	const struct command *cmd = NULL;
	struct err e = ERR_INIT;
	int status = 0;

	seal();
	hold_standard_streams();
	json_init();
	ui_setup(&c.ui);
	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	settings_init(&c.settings);
	c.session.set = &c.settings;
	c.session.ui = &c.ui;
	c.session.version = AZSWARM_VERSION;
	/* flags are taken last, for they win */
	cmd = command_of(&c, argv[1]);
	if (cmd != NULL && (cmd->needs & (NEEDS_SETTINGS | NEEDS_LOGIN)) &&
	    settings_take_file(&c.settings, ".env", &e) == 0)
		settings_take_env(&c.settings);
	free(c.number);
	c.number = NULL;
	if (e.kind != ERR_NONE || watch_signals(&e) < 0 ||
	    parse(&c, argc, argv, &cmd, &e) < 0) {
		/* e says why */
	} else if (c.help) {
		print_command(cmd, stdout);
	} else {
		run(&c, cmd, &e);
	}
	ui_clear(&c.ui);
	if (e.kind == ERR_NONE && (fflush(stdout) != 0 || ferror(stdout)))
		err_sys(&e, ERR_IO, "standard output");
	if ((e.kind == ERR_TLS || e.kind == ERR_AUTH) && unix_time() < AZSWARM_DATE)
		err_in(&e, "the clock of this machine is wrong: this program is younger");
	if (e.kind != ERR_NONE) {
		const char *do_this = advice(&e);

		fprintf(stderr, "azswarm: %s%s%s%s%s\n", cmd ? cmd->name : "", cmd ? ": " : "", e.msg,
			do_this ? "; " : "", do_this ? do_this : "");
		status = err_exit_code(&e);
	} else if (c.session.exit_status > 0) {
		status = c.session.exit_status;
	}
	settings_release(&c.settings);
	free(c.number);
	return status;
}
