/*
 * Commands that no session with Azure is for: what runs on the nodes and in
 * containers, the local Azure, and what tells about this program.
 */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "cli/cli.h"
#include "emulator/emulator.h"
#include "node/demo.h"
#include "node/image.h"
#include "node/layout.h"
#include "node/monitor.h"
#include "node/node.h"
#include "node/reach.h"
#include "node/room.h"

int run_version(struct command_line *line, struct err *e)
{
	const struct build *b = &line->build;

	(void)e;
	fprintf(line->ui.out,
		"azswarm %s\ncommit %s\ncompiler %s\nBearSSL %s\ncJSON %s\n"
		"libyaml %s\n",
		b->version, b->commit, b->compiler, b->bearssl, b->cjson,
		b->libyaml);
	return 0;
}

/* ---- daemons ---- */

int run_helper(struct command_line *line, struct err *e)
{
	return helper_run(line->config ? line->config : LAYOUT_NODE_JSON, e);
}

int run_agent(struct command_line *line, struct err *e)
{
	const char *config = line->config ? line->config : LAYOUT_NODE_JSON;

	if (line->argc == 1)
		return agent_run(config, line->build.version, e);
	if (strcmp(line->argv[1], "leave") == 0)
		return agent_leave(config, e);
	return err_set(e, ERR_USAGE, "\"%s\": expected nothing or \"leave\"",
		       line->argv[1]);
}

/* What doctor asks of a node. */
int run_reach(struct command_line *line, struct err *e)
{
	return reach_run(line->argc - 1, line->argv + 1, line->ui.out, e);
}

/* What images --prune has a node do, and its agent when there is little room. */
int run_prune(struct command_line *line, struct err *e)
{
	return room_run(line->config ? line->config : LAYOUT_NODE_JSON,
			line->session.dry_run, stdin, line->ui.out, e);
}

/* ---- images, and what runs in them ---- */

int run_demo(struct command_line *line, struct err *e)
{
	return demo_run(line->build.version, e);
}

int run_monitor(struct command_line *line, struct err *e)
{
	(void)line;
	return monitor_run(e);
}

int run_image(struct command_line *line, struct err *e)
{
	if (line->session.file == NULL)
		return err_set(e, ERR_USAGE,
			       "-o FILE is missing; "
			       "\"-\" is standard output");
	return image_run(line->build.version,
			 line->argc > 1 ? line->argv[1] : NULL,
			 line->session.file, e);
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

int run_emulator(struct command_line *line, struct err *e)
{
	struct emulator_options o = {
		.listen = line->listen ? line->listen : "127.0.0.1:8443",
		.dir = line->dir,
		.machines = line->machines,
		.faults = line->faults,
		.out = line->ui.out,
		.record = line->record ? line->record : getenv("EMULATOR_RECORD"),
	};
	char *driver = NULL;
	uint64_t cores = 0, provision = 0;
	int rc;

	if (line->cores != NULL && !str_num(str_of(line->cores), 100000, &cores))
		return err_set(e, ERR_USAGE,
			       "--cores \"%s\": expected a number of "
			       "vCPUs",
			       line->cores);
	o.cores = (unsigned)cores;
	if (line->provision != NULL &&
	    (!str_num(str_of(line->provision), 3600, &provision) ||
	     provision == 0 || line->machines == NULL))
		return err_set(e, ERR_USAGE,
			       "--provision \"%s\": expected 1 to 3600 seconds, "
			       "and --machines",
			       line->provision);
	o.provision_s = (unsigned)provision;
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
