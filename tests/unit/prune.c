/*
 * swarm/images_room.c: what nodes answer to images --prune, and what is made of
 * an answer that is none.  The swarm and SSH are doubles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "tests/check.h"

/* ---- a swarm of two ---- */

static struct {
	const char *out, *err; /* what the program of the first says */
	bool down;	       /* the second is */
	unsigned asked;
	char told[256]; /* what is to stay, as a node got it */
} swarm;
static char first_name[] = "n1";

bool remote_engine(struct remote *r, int64_t limit_ms, void *ctx,
		   enum remote_at *at)
{
	(void)r, (void)limit_ms, (void)ctx, (void)at;
	return true;
}

int remote_open_for(struct session *s, struct remote *r, remote_works *works,
		    void *ctx, struct err *e)
{
	(void)works, (void)ctx, (void)e;
	*r = (struct remote){ .s = s, .name = first_name };
	return 0;
}

void remote_release(struct remote *r)
{
	(void)r;
}

struct docker *remote_docker(struct remote *r)
{
	return &r->docker;
}

int remote_hop_to(struct remote *r, const char *name, const char *address,
		  bool manager, struct ssh **out, struct err *e)
{
	(void)r, (void)name, (void)address, (void)manager, (void)e;
	*out = NULL;
	return 0;
}

void ssh_close(struct ssh *s)
{
	(void)s;
}

int ssh_run(struct ssh *s, const char *command, struct str input, struct buf *out,
	    struct buf *err, int *status, int64_t deadline_ms, struct err *e)
{
	bool first = swarm.asked++ == 0;

	(void)s, (void)command, (void)deadline_ms, (void)e;
	snprintf(swarm.told, sizeof(swarm.told), "%.*s", STR_ARG(input));
	buf_adds(out, first ? swarm.out : "freed 0\nend\n");
	buf_adds(err, first ? swarm.err : "");
	*status = 7;
	return 0;
}

int docker_each(struct docker *d, const char *path,
		int (*each)(void *ctx, const cJSON *item, struct err *e),
		void *ctx, struct err *e)
{
	cJSON *doc = json_parse(
		STR("{\"Spec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":"
		    "\"now:1\"}}},\"PreviousSpec\":{\"TaskTemplate\":{"
		    "\"ContainerSpec\":{\"Image\":\"before:1\"}}}}"),
		"a service", e);
	int rc = each(ctx, doc, e);

	(void)d, (void)path;
	json_free(doc);
	return rc;
}

int docker_nodes(struct docker *d, struct docker_node **nodes, size_t *n,
		 struct err *e)
{
	(void)d, (void)e;
	*n = 2;
	*nodes = xcalloc(2, sizeof(**nodes));
	for (int i = 0; i < 2; i++) {
		snprintf((*nodes)[i].hostname, sizeof((*nodes)[i].hostname),
			 "n%d", i + 1);
		(*nodes)[i].state = i == 1 && swarm.down ? DOCKER_NODE_DOWN :
							   DOCKER_NODE_READY;
	}
	return 0;
}

const char *docker_node_state_name(enum docker_node_state s)
{
	return s == DOCKER_NODE_READY ? "ready" : "down";
}

/* ---- what they answer ---- */

static const struct {
	const char *name, *out, *err;
	bool down;
	unsigned asked;
	const char *wrong; /* "": it is well */
	const char *says;
} answers[] = {
	{ "one goes", "image 1048576 a:1\nfreed 2097152\nend\n", "", false, 2,
	  "", "n1: 1 images gone, 2.0 MiB free again" },
	{ "one stays", "stays a:1 a task has it\nfreed 0\nend\n", "", false, 2,
	  "", "n1: stays: a:1 a task has it" },
	{ "a number that is none", "image 1x a:1\nend\n", "", false, 2, "",
	  "no image is on a node that nobody uses" },
	{ "a node that is down", "end\n", "", true, 1, "", "n2 is down: left out" },
	{ "broken off", "image 1048576 a:1\nfreed 2097152\n", "lost\n", false,
	  2, "n1: its azswarm ended early (7): lost", "a:1" },
	{ "a program of before", "", "azswarm: there is no command \"prune\"\n",
	  false, 2,
	  "n1: its azswarm does not know how; 'azswarm upgrade' brings it this "
	  "one",
	  "" },
	{ "bytes that are no text", "\x01\xff image\n\n \n", "", false, 2,
	  "n1: its azswarm ended early (7)", "" },
};

static void check_answers(void)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);
		struct ui ui = { .out = out, .err = out };
		struct session s = { .ui = &ui };
		struct err e = ERR_INIT;
		int rc;

		memset(&swarm, 0, sizeof(swarm));
		swarm.out = answers[i].out;
		swarm.err = answers[i].err;
		swarm.down = answers[i].down;
		rc = images_prune_nodes(&s, &e);
		fclose(out);
		checkf((rc == 0) == (*answers[i].wrong == '\0') &&
			       strcmp(e.msg, answers[i].wrong) == 0 &&
			       strstr(text, answers[i].says) != NULL &&
			       swarm.asked == answers[i].asked,
		       answers[i].name, "%d \"%s\", %u were asked: %s", rc,
		       e.msg, swarm.asked, text);
		free(text);
	}
	check_same(swarm.told, "now:1\nbefore:1\nend\n",
		   "what services name is told to each");
}

int main(void)
{
	json_init();
	check_answers();
	return check_failed();
}
