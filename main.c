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
#include "node/layout.h"
#include "node/node.h"
#include "swarm/swarm.h"

#define ARGS_MAX 256

/* What was typed: words and flags, sorted out. */
struct command_line {
	struct session session;
	struct settings settings;
	struct ui ui;
	int argc; /* command and its arguments, flags taken out */
	char *argv[ARGS_MAX];
	char *number; /* the N of scale-agents-N */
	bool help;
	/* flags that only some commands know */
	const char *config, *listen, *dir, *machines, *faults, *record, *cores;
	const char *file;
};

enum needs {
	NEEDS_NOTHING,
	NEEDS_SETTINGS, /* checked settings */
	NEEDS_LOGIN,	/* checked settings, and a session with Azure */
};

/*
 * A command: a row is all there is to one, but for its page in help.txt and
 * its line in the README.  What is left out is none, or false.
 */
struct command {
	const char *name;
	/* exactly one of the two */
	int (*run)(struct command_line *line, struct err *e);
	int (*run_session)(struct session *s, int argc, char **argv,
			   struct err *e);
	enum needs needs;
	int args_min, args_max;
	/* What may follow the name.  Of the flags that are not every command's
	 * it takes those that are shown here. */
	const char *usage;
	const char *summary;	  /* one line of 'azswarm help' */
	bool number_joined;	  /* NAME-N is NAME N */
	bool rest_is_for_machine; /* flags behind the first word, too */
	bool hidden;		  /* another's other name: not listed */
};

static int run_version(struct command_line *line, struct err *e);
static int run_help(struct command_line *line, struct err *e);
static int run_helper(struct command_line *line, struct err *e);
static int run_agent(struct command_line *line, struct err *e);
static int run_demo(struct command_line *line, struct err *e);
static int run_monitor(struct command_line *line, struct err *e);
static int run_image(struct command_line *line, struct err *e);
static int run_emulator(struct command_line *line, struct err *e);

static const struct command commands[] = {
	{ .name = "login",
	  .run_session = cmd_login,
	  .needs = NEEDS_SETTINGS,
	  .usage = "[--tenant ID] [--subscription ID] [--device-code] "
		   "[--client-id ID] [--claims-challenge B64]",
	  .summary = "sign in, in a browser or with a code" },
	{ .name = "logout",
	  .run_session = cmd_logout,
	  .needs = NEEDS_SETTINGS,
	  .summary = "forget that, and all tokens" },
	{ .name = "status",
	  .run_session = cmd_status,
	  .needs = NEEDS_SETTINGS,
	  .summary = "who I am, where, until when" },
	{ .name = "role",
	  .run_session = cmd_role,
	  .needs = NEEDS_SETTINGS,
	  .summary = "a custom role with what the commands need, for az" },
	{ .name = "trust",
	  .run_session = cmd_trust,
	  .args_min = 1,
	  .args_max = 1,
	  .usage = "FILE",
	  .summary = "let a .env say where credentials are sent" },
	{ .name = "up",
	  .run_session = cmd_up,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--yes]",
	  .summary = "from nothing to a cluster that is whole" },
	{ .name = "down",
	  .run_session = cmd_destroy_cluster,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--confirm NAME] [--no-wait]",
	  .summary = "delete everything (also destroy-cluster)" },
	{ .name = "keys",
	  .run_session = cmd_keys,
	  .needs = NEEDS_SETTINGS,
	  .summary = "make the keys of the operator and the cluster" },
	{ .name = "deploy-storage",
	  .run_session = cmd_deploy_storage,
	  .needs = NEEDS_LOGIN,
	  .summary = "storage account, file shares, and this program in a "
		     "blob" },
	{ .name = "create-shares",
	  .run_session = cmd_create_shares,
	  .needs = NEEDS_LOGIN,
	  .summary = "the file shares alone" },
	{ .name = "params",
	  .run_session = cmd_params,
	  .needs = NEEDS_LOGIN,
	  .summary = "write parameters/cluster.json" },
	{ .name = "deploy-compute",
	  .run_session = cmd_deploy_compute,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait | --dry-run]",
	  .summary = "deploy machines and network, and wait for them" },
	{ .name = "plan",
	  .run_session = cmd_plan,
	  .needs = NEEDS_LOGIN,
	  .summary = "what deploy-compute would change (also deploy-compute "
		     "--dry-run)" },
	{ .name = "view-deployment",
	  .run_session = cmd_view_deployment,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--watch]",
	  .summary = "operations of the deployment, and why one failed" },
	{ .name = "list-agents",
	  .run_session = cmd_list_agents,
	  .needs = NEEDS_LOGIN,
	  .summary = "machines of the scale set" },
	{ .name = "scale-agents",
	  .run_session = cmd_scale_agents,
	  .needs = NEEDS_LOGIN,
	  .args_min = 1,
	  .args_max = 1,
	  .usage = "N [--no-wait] [--yes]",
	  .number_joined = true,
	  .summary = "change the number of agents (also scale-agents-N)" },
	{ .name = "stop-agents",
	  .run_session = cmd_stop_agents,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--no-wait] [MACHINE...]",
	  .summary = "shut agents down (still billed)" },
	{ .name = "start-agents",
	  .run_session = cmd_start_agents,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--no-wait] [MACHINE...]",
	  .summary = "start agents" },
	{ .name = "deallocate-agents",
	  .run_session = cmd_deallocate_agents,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--no-wait] [MACHINE...]",
	  .summary = "shut agents down and stop paying for them" },
	{ .name = "restart-agents",
	  .run_session = cmd_restart_agents,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--at-a-time N] [--no-wait] [MACHINE...]",
	  .summary = "restart agents, one after the other, out of service "
		     "first" },
	{ .name = "reimage-agents-serial",
	  .run_session = cmd_reimage_agents_serial,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--at-a-time N] [--no-wait] [MACHINE...]",
	  .summary = "make agents anew, one after the other, out of service "
		     "first" },
	{ .name = "reimage-agents-parallel",
	  .run_session = cmd_reimage_agents_parallel,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[--at-a-time N] [--yes] [--no-wait] [MACHINE...]",
	  .summary = "make agents anew, all at once" },
	{ .name = "chaos-monkey",
	  .run_session = cmd_chaos_monkey,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--rounds N] [--seed N] [--hard] [--masters]",
	  .summary = "restart agents unannounced, and see what that costs" },
	{ .name = "rebalance",
	  .run_session = cmd_rebalance,
	  .needs = NEEDS_LOGIN,
	  .args_max = 1,
	  .usage = "[--dry-run] [SERVICE]",
	  .summary = "spread tasks over the nodes again, one after the other" },
	{ .name = "evict",
	  .run_session = cmd_evict,
	  .needs = NEEDS_SETTINGS,
	  .args_min = 1,
	  .args_max = ARGS_MAX - 2,
	  .usage = "NODE... [--no-wait]",
	  .summary = "take nodes out of service, so that nobody notices" },
	{ .name = "return",
	  .run_session = cmd_return,
	  .needs = NEEDS_SETTINGS,
	  .args_min = 1,
	  .args_max = ARGS_MAX - 2,
	  .usage = "NODE... [--no-wait]",
	  .summary = "bring them back" },
	{ .name = "deploy-monitor",
	  .run_session = cmd_deploy_monitor,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait]",
	  .summary = "a page on a master that shows nodes and tasks, live" },
	{ .name = "kill-monitor",
	  .run_session = cmd_kill_monitor,
	  .needs = NEEDS_LOGIN,
	  .summary = "remove the monitor" },
	{ .name = "deploy-replicated-service",
	  .run_session = cmd_deploy_replicated_service,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait]",
	  .summary = "the demo service, 8 tasks on port 80" },
	{ .name = "deploy-global-service",
	  .run_session = cmd_deploy_global_service,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait]",
	  .summary = "the demo service, one task a node on port 81" },
	{ .name = "scale-service",
	  .run_session = cmd_scale_service,
	  .needs = NEEDS_LOGIN,
	  .args_min = 1,
	  .args_max = 1,
	  .usage = "N [--no-wait]",
	  .number_joined = true,
	  .summary = "change the number of its tasks (also scale-service-N)" },
	{ .name = "update-service",
	  .run_session = cmd_update_service,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait]",
	  .summary = "replace its tasks, by this version" },
	{ .name = "destroy-service",
	  .run_session = cmd_destroy_service,
	  .needs = NEEDS_LOGIN,
	  .summary = "remove the service on port 80" },
	{ .name = "destroy-global-service",
	  .run_session = cmd_destroy_global_service,
	  .needs = NEEDS_LOGIN,
	  .summary = "remove the service on port 81" },
	{ .name = "deploy-stack",
	  .run_session = cmd_deploy_stack,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--no-wait]",
	  .summary = "the demo with Redis, 4 tasks on port 80" },
	{ .name = "destroy-stack",
	  .run_session = cmd_destroy_stack,
	  .needs = NEEDS_LOGIN,
	  .summary = "remove the stack" },
	{ .name = "proxy",
	  .run_session = cmd_proxy,
	  .needs = NEEDS_LOGIN,
	  .usage = "[-L [ADDRESS:]PORT:HOST:PORT]...",
	  .summary = "forward ports of the cluster to localhost" },
	{ .name = "ssh",
	  .run_session = cmd_ssh,
	  .needs = NEEDS_LOGIN,
	  .args_max = ARGS_MAX - 2,
	  .usage = "[NODE [COMMAND...]]",
	  .rest_is_for_machine = true,
	  .summary = "a shell or a command on a machine" },
	{ .name = "docker-env",
	  .run_session = cmd_docker_env,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--stop]",
	  .summary = "a tunnel to the swarm's Docker, and DOCKER_HOST for it" },
	{ .name = "tail-helper",
	  .run_session = cmd_tail_helper,
	  .needs = NEEDS_LOGIN,
	  .summary = "follow the helper's journal on a master" },
	{ .name = "list-endpoints",
	  .run_session = cmd_list_endpoints,
	  .needs = NEEDS_LOGIN,
	  .summary = "public addresses and names (also endpoints)" },
	{ .name = "endpoints",
	  .run_session = cmd_list_endpoints,
	  .needs = NEEDS_LOGIN,
	  .hidden = true,
	  .summary = "the same as list-endpoints" },
	{ .name = "resources",
	  .run_session = cmd_resources,
	  .needs = NEEDS_LOGIN,
	  .summary = "what is in the two resource groups" },
	{ .name = "locations",
	  .run_session = cmd_locations,
	  .needs = NEEDS_LOGIN,
	  .summary = "Azure's regions" },
	{ .name = "sizes",
	  .run_session = cmd_sizes,
	  .needs = NEEDS_LOGIN,
	  .summary = "VM sizes in LOCATION" },
	{ .name = "destroy-compute",
	  .run_session = cmd_destroy_compute,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--confirm NAME] [--no-wait]",
	  .summary = "delete machines and network" },
	{ .name = "destroy-storage",
	  .run_session = cmd_destroy_storage,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--confirm NAME] [--no-wait]",
	  .summary = "delete the storage account and its files" },
	{ .name = "destroy-cluster",
	  .run_session = cmd_destroy_cluster,
	  .needs = NEEDS_LOGIN,
	  .usage = "[--confirm NAME] [--no-wait]",
	  .summary = "delete everything" },
	{ .name = "clean", .run_session = cmd_clean, .summary = "remove parameters/" },
	{ .name = "emulator",
	  .run = run_emulator,
	  .usage = "--dir DIR [--listen ADDR:PORT] [--machines DRIVER] "
		   "[--faults FILE] [--record FILE] [--cores N]",
	  .summary = "a local Azure to rehearse on" },
	{ .name = "helper",
	  .run = run_helper,
	  .usage = "[--config FILE]",
	  .summary = "on a master: join tokens and the node table" },
	{ .name = "agent",
	  .run = run_agent,
	  .args_max = 1,
	  .usage = "[leave] [--config FILE]",
	  .summary = "on every machine: join, health, leave" },
	{ .name = "demo",
	  .run = run_demo,
	  .summary = "in a container: a page, counters, something to compute" },
	{ .name = "monitor",
	  .run = run_monitor,
	  .summary = "in a container: a page that shows nodes and tasks, "
		     "live" },
	{ .name = "image",
	  .run = run_image,
	  .usage = "-o FILE",
	  .summary = "this program as a container image, for docker load" },
	{ .name = "version",
	  .run = run_version,
	  .summary = "version, and what it was made of" },
	{ .name = "help",
	  .run = run_help,
	  .args_max = 1,
	  .usage = "[COMMAND]",
	  .summary = "this, or about a command" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

/* ---- help ---- */

static void print_usage(FILE *out)
{
	fputs("usage: azswarm COMMAND [ARGUMENTS] [FLAGS]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!commands[i].hidden)
			fprintf(out, "  %-26s %s\n", commands[i].name,
				commands[i].summary);
	fputs("\nFlags of every command: --output table|json|tsv, --quiet, --help,\n"
	      "--print-requests (what would be asked; nothing is changed), and one for\n"
	      "each setting, such as --agent-count 3 for AGENT_COUNT=3.\n"
	      "'azswarm help COMMAND' tells more; 'azswarm help settings' lists "
	      "the settings.\n",
	      out);
}

/* "azswarm scale-agents N [--no-wait]".  Caller frees. */
static char *usage_of(const struct command *cmd)
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

static void print_command(const struct command *cmd, FILE *out)
{
	char *usage = usage_of(cmd);

	fprintf(out, "usage: %s\n\n%s\n", usage, cmd->summary);
	print_section(cmd->name, true, out);
	free(usage);
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

/* What others call it. */
static const struct {
	const char *word, *name;
} synonyms[] = {
	{ "apply", "up" },
	{ "create", "up" },
	{ "delete", "destroy-cluster" },
	{ "deploy", "up" },
	{ "destroy", "destroy-cluster" },
	{ "diff", "plan" },
	{ "drain", "evict" },
	{ "info", "status" },
	{ "init", "up" },
	{ "list", "list-agents" },
	{ "logs", "tail-helper" },
	{ "ls", "list-agents" },
	{ "man", "help" },
	{ "nodes", "list-agents" },
	{ "ps", "list-agents" },
	{ "reboot", "restart-agents" },
	{ "reimage", "reimage-agents-serial" },
	{ "restart", "restart-agents" },
	{ "rm", "destroy-cluster" },
	{ "scale", "scale-agents" },
	{ "shell", "ssh" },
	{ "start", "start-agents" },
	{ "stop", "stop-agents" },
	{ "top", "deploy-monitor" },
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
	for (size_t i = 0; i < N_COMMANDS; i++) {
		unsigned d = distance(word, commands[i].name);

		if (d < best) {
			best = d;
			nearest = commands[i].name;
		}
	}
	return nearest;
}

static int unknown_command(const char *word, struct err *e)
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

static const struct command *find_command(const char *word)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int run_help(struct command_line *line, struct err *e)
{
	const struct command *cmd;

	if (line->argc < 2) {
		print_usage(stdout);
		return 0;
	}
	if (strcmp(line->argv[1], "settings") == 0) {
		print_settings(stdout);
		return 0;
	}
	if ((cmd = find_command(line->argv[1])) != NULL) {
		print_command(cmd, stdout);
		return 0;
	}
	if (print_section(line->argv[1], false, stdout))
		return 0;
	return unknown_command(line->argv[1], e);
}

static int run_version(struct command_line *line, struct err *e)
{
	(void)line, (void)e;
	printf("azswarm %s\ncommit %s\ncompiler %s\nBearSSL %s\ncJSON %s\n",
	       AZSWARM_VERSION, AZSWARM_COMMIT, AZSWARM_COMPILER,
	       AZSWARM_BEARSSL, AZSWARM_CJSON);
	return 0;
}

/* ---- daemons ---- */

static int run_helper(struct command_line *line, struct err *e)
{
	return helper_run(line->config ? line->config : LAYOUT_NODE_JSON, e);
}

static int run_agent(struct command_line *line, struct err *e)
{
	const char *config = line->config ? line->config : LAYOUT_NODE_JSON;

	if (line->argc == 1)
		return agent_run(config, AZSWARM_VERSION, e);
	if (strcmp(line->argv[1], "leave") == 0)
		return agent_leave(config, e);
	return err_set(e, ERR_USAGE, "\"%s\": expected nothing or \"leave\"",
		       line->argv[1]);
}

/* ---- images, and what runs in them ---- */

static int run_demo(struct command_line *line, struct err *e)
{
	(void)line;
	return demo_run(AZSWARM_VERSION, e);
}

static int run_monitor(struct command_line *line, struct err *e)
{
	(void)line;
	return monitor_run(e);
}

static int run_image(struct command_line *line, struct err *e)
{
	if (line->file == NULL)
		return err_set(e, ERR_USAGE,
			       "-o FILE is missing; "
			       "\"-\" is standard output");
	return image_run(AZSWARM_VERSION, line->file, e);
}

/* A driver named without a slash is one of ours: put it into DIR. */
static char *own_driver(const char *name, const char *dir, struct err *e)
{
	char *asset = xasprintf("machines/%s", name), *path = NULL, *real;
	struct buf text;

	for (size_t i = 0; assets[i].path != NULL; i++) {
		if (strcmp(assets[i].path, asset) != 0)
			continue;
		if ((real = dir_own(dir, e)) == NULL) {
			err_in(e, "--dir");
			break;
		}
		path = xasprintf("%s/driver-%s", real, name);
		free(real);
		asset_get(asset, &text);
		if (file_write(path, buf_str(&text), 0755, e) < 0) {
			free(path);
			path = NULL;
		}
		buf_release(&text);
		free(asset);
		return path;
	}
	err_set(e, ERR_USAGE,
		"--machines %s: neither a driver of ours nor a path", name);
	free(asset);
	return NULL;
}

static int run_emulator(struct command_line *line, struct err *e)
{
	struct emulator_options o = {
		.listen = line->listen ? line->listen : "127.0.0.1:8443",
		.dir = line->dir,
		.machines = line->machines,
		.faults = line->faults,
		.out = stdout,
		.record = line->record ? line->record : getenv("EMULATOR_RECORD"),
	};
	char *driver = NULL;
	uint64_t cores = 0;
	int rc;

	if (line->cores != NULL && !str_num(str_of(line->cores), 100000, &cores))
		return err_set(e, ERR_USAGE,
			       "--cores \"%s\": expected a number of "
			       "vCPUs",
			       line->cores);
	o.cores = (unsigned)cores;
	if (line->dir == NULL)
		return err_set(e, ERR_USAGE,
			       "--dir is missing: where its state "
			       "is kept");
	if (line->machines != NULL && strchr(line->machines, '/') == NULL) {
		driver = own_driver(line->machines, line->dir, e);
		if (driver == NULL)
			return -1;
		o.machines = driver;
	}
	rc = emulator_run(&o, e);
	free(driver);
	return rc;
}

/* ---- the command line ---- */

enum flag_kind {
	FLAG_TRUE, /* no value: sets a bool of struct command_line */
	FLAG_TEXT, /* a text there */
	FLAG_SETTING,
	FLAG_FORMAT,  /* --output */
	FLAG_FORWARD, /* -L, may be given several times */
};

#define AT(member) offsetof(struct command_line, member)

static const struct flag {
	const char *name;
	enum flag_kind kind;
	size_t at;   /* the member, or the enum setting */
	bool of_all; /* every command takes it */
} flags[] = {
	{ .name = "--output", .kind = FLAG_FORMAT, .of_all = true },
	{ .name = "--quiet", .kind = FLAG_TRUE, .at = AT(ui.quiet), .of_all = true },
	{ .name = "-q", .kind = FLAG_TRUE, .at = AT(ui.quiet), .of_all = true },
	{ .name = "--print-requests",
	  .kind = FLAG_TRUE,
	  .at = AT(session.trace.print),
	  .of_all = true },
	{ .name = "--help", .kind = FLAG_TRUE, .at = AT(help), .of_all = true },
	{ .name = "-h", .kind = FLAG_TRUE, .at = AT(help), .of_all = true },
	{ .name = "--no-wait", .kind = FLAG_TRUE, .at = AT(session.no_wait) },
	{ .name = "--watch", .kind = FLAG_TRUE, .at = AT(session.watch) },
	{ .name = "--stop", .kind = FLAG_TRUE, .at = AT(session.stop) },
	{ .name = "--dry-run", .kind = FLAG_TRUE, .at = AT(session.dry_run) },
	{ .name = "--yes", .kind = FLAG_TRUE, .at = AT(session.yes) },
	{ .name = "--hard", .kind = FLAG_TRUE, .at = AT(session.hard) },
	{ .name = "--masters", .kind = FLAG_TRUE, .at = AT(session.masters) },
	{ .name = "--at-a-time", .kind = FLAG_TEXT, .at = AT(session.at_a_time) },
	{ .name = "--rounds", .kind = FLAG_TEXT, .at = AT(session.rounds) },
	{ .name = "--seed", .kind = FLAG_TEXT, .at = AT(session.seed) },
	{ .name = "--confirm", .kind = FLAG_TEXT, .at = AT(session.confirm) },
	{ .name = "--tenant", .kind = FLAG_SETTING, .at = S_TENANT_ID },
	{ .name = "--subscription", .kind = FLAG_SETTING, .at = S_SUBSCRIPTION_ID },
	{ .name = "--device-code", .kind = FLAG_TRUE, .at = AT(session.device_code) },
	{ .name = "--client-id", .kind = FLAG_TEXT, .at = AT(session.client_id) },
	{ .name = "--claims-challenge", .kind = FLAG_TEXT, .at = AT(session.claims) },
	{ .name = "-L", .kind = FLAG_FORWARD },
	{ .name = "-o", .kind = FLAG_TEXT, .at = AT(file) },
	{ .name = "--config", .kind = FLAG_TEXT, .at = AT(config) },
	{ .name = "--listen", .kind = FLAG_TEXT, .at = AT(listen) },
	{ .name = "--dir", .kind = FLAG_TEXT, .at = AT(dir) },
	{ .name = "--machines", .kind = FLAG_TEXT, .at = AT(machines) },
	{ .name = "--faults", .kind = FLAG_TEXT, .at = AT(faults) },
	{ .name = "--record", .kind = FLAG_TEXT, .at = AT(record) },
	{ .name = "--cores", .kind = FLAG_TEXT, .at = AT(cores) },
};
#define N_FLAGS (sizeof(flags) / sizeof(*flags))

static const struct flag *find_flag(struct str name)
{
	for (size_t i = 0; i < N_FLAGS; i++)
		if (str_eqz(name, flags[i].name))
			return &flags[i];
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
	}
	return 0;
}

/* Take one flag, of words[0] and, when it has its value there, words[1];
 * *used gets how many words it was. */
static int take_flag(struct command_line *line, const struct command *cmd,
		     char **words, int left, int *used, struct err *e)
{
	struct flag own_setting = { .kind = FLAG_SETTING };
	struct str value = str_of(words[0]), name = value;
	bool joined = str_cut(&value, '=', &name);
	const struct flag *flag = find_flag(name);
	const char *ignored;
	int setting;

	*used = 1;
	if (flag == NULL && (setting = settings_flag(words[0], &ignored)) >= 0) {
		own_setting.at = (size_t)setting;
		own_setting.of_all = true;
		flag = &own_setting;
	}
	if (flag == NULL)
		return err_set(e, ERR_USAGE,
			       "unknown flag %.*s; see 'azswarm "
			       "help %s'",
			       STR_ARG(name), cmd->name);
	if (!flag->of_all && !shows(cmd->usage, flag->name))
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

/* The command of that name.  "scale-agents-7" is "scale-agents 7". */
static const struct command *command_of(struct command_line *line, const char *word)
{
	const struct command *cmd = find_command(word);
	uint64_t ignored;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		cmd = find_command("help");
	else if (strcmp(word, "--version") == 0)
		cmd = find_command("version");
	for (size_t i = 0; cmd == NULL && i < N_COMMANDS; i++) {
		size_t n = strlen(commands[i].name);

		if (commands[i].number_joined &&
		    strncmp(word, commands[i].name, n) == 0 && word[n] == '-' &&
		    str_num(str_of(word + n + 1), UINT32_MAX, &ignored)) {
			line->number = xstrdup(word + n + 1);
			cmd = &commands[i];
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
	usage = usage_of(cmd);
	err_set(e, ERR_USAGE, "\"%s\" is one word too many; usage: %s", word,
		usage);
	free(usage);
	return -1;
}

/* Sort out what follows the command's name. */
static int parse(struct command_line *line, const struct command *cmd, int argc,
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

static int run(struct command_line *line, const struct command *cmd, struct err *e)
{
	struct session *s = &line->session;
	int rc = 0;

	if (cmd->needs != NEEDS_NOTHING && settings_check(&line->settings, e) < 0)
		return -1;
	if (cmd->run != NULL)
		return cmd->run(line, e);
	if (cmd->needs == NEEDS_LOGIN)
		rc = session_open(s, e);
	if (rc == 0)
		rc = cmd->run_session(s, line->argc, line->argv, e);
	session_close(s);
	return rc;
}

/* Who watches the requests of commands that make some. */
static int trace_begin(struct command_line *line, const struct command *cmd,
		       struct err *e)
{
	struct trace *t = &line->session.trace;

	if (line->help || cmd->needs == NEEDS_NOTHING)
		return 0;
	if (trace_open(t, &line->ui, getenv("AZSWARM_LOG"), e) < 0)
		return -1;
	trace_note(t, "azswarm %s (%s): %s", AZSWARM_VERSION, AZSWARM_COMMIT,
		   cmd->name);
	return 0;
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
	/* no SA_RESTART: reads end */
	struct sigaction act = { .sa_handler = on_signal };

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
	bool able = term != NULL && strcmp(term, "dumb") != 0;
	bool colors = able && (no_color == NULL || *no_color == '\0');

	ui->out = stdout;
	ui->err = stderr;
	ui->tty = able && isatty(STDERR_FILENO);
	ui->color = colors && isatty(STDERR_FILENO);
	ui->color_out = colors && isatty(STDOUT_FILENO);
}

/* What was typed, as a shell takes it again. */
static void add_typed(struct buf *b, int argc, char **argv)
{
	buf_adds(b, "azswarm");
	for (int i = 1; i < argc; i++) {
		struct str rest = str_of(argv[i]), word;
		bool plain = *argv[i] != '\0';

		for (const char *c = argv[i]; *c != '\0'; c++)
			plain &= is_alnum(*c) || strchr("-_./:=,@+%", *c) != NULL;
		buf_adds(b, plain ? " " : " '");
		for (bool first = true; str_next(&rest, '\'', &word);
		     first = false) {
			buf_adds(b, first ? "" : "'\\''");
			buf_addstr(b, word);
		}
		buf_adds(b, plain ? "" : "'");
	}
}

/* One line for a person: what went wrong, and what to do about it.  Of a command
 * that was interrupted when it had changed something, whatever it is: what goes
 * on with it. */
static void print_error(const struct command_line *line, const struct command *cmd,
			int argc, char **argv, const struct err *e)
{
	struct buf text = BUF_INIT(64u << 10), clean = BUF_INIT(64u << 10);
	const char *do_this = advice(e);

	if (e->kind == ERR_INTR && line->session.trace.changes > 0) {
		buf_adds(&text, "; what was begun is half done, or goes on in "
				"Azure: to finish it, ");
		add_typed(&text, argc, argv);
	} else if (do_this != NULL) {
		buf_addf(&text, "; %s", do_this);
	}
	buf_add_clean(&clean, buf_str(&text));
	fprintf(stderr, "azswarm: %s%s%s%s\n", cmd != NULL ? cmd->name : "",
		cmd != NULL ? ": " : "", e->msg, clean.n > 0 ? clean.str : "");
	buf_release(&text);
	buf_release(&clean);
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	const struct command *cmd;
	struct err e = ERR_INIT;
	int status = 0;

	seal();
	hold_standard_streams();
	json_init();
	ui_setup(&line.ui);
	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	settings_init(&line.settings);
	line.session.set = &line.settings;
	line.session.ui = &line.ui;
	line.session.version = AZSWARM_VERSION;
	/* flags are taken last, for they win */
	if ((cmd = command_of(&line, argv[1])) == NULL)
		unknown_command(argv[1], &e);
	else if (cmd->needs != NEEDS_NOTHING &&
		 settings_take_file(&line.settings, ".env", &e) == 0)
		settings_take_env(&line.settings);
	if (e.kind != ERR_NONE || watch_signals(&e) < 0 ||
	    parse(&line, cmd, argc, argv, &e) < 0 ||
	    trace_begin(&line, cmd, &e) < 0) {
		/* e says why */
	} else if (line.help) {
		print_command(cmd, stdout);
	} else {
		run(&line, cmd, &e);
	}
	ui_clear(&line.ui);
	trace_note(&line.session.trace, "ended: %s",
		   e.kind != ERR_NONE ? e.msg : "well");
	trace_close(&line.session.trace);
	if (e.kind == ERR_NONE && (fflush(stdout) != 0 || ferror(stdout)))
		err_sys(&e, ERR_IO, "standard output");
	if ((e.kind == ERR_TLS || e.kind == ERR_AUTH) && unix_time() < AZSWARM_DATE)
		err_in(&e,
		       "the clock of this machine is wrong: this program is younger");
	if (e.kind != ERR_NONE) {
		print_error(&line, cmd, argc, argv, &e);
		status = err_exit_code(&e);
	} else if (line.session.exit_status > 0) {
		status = line.session.exit_status;
	}
	settings_release(&line.settings);
	free(line.number);
	return status;
}
