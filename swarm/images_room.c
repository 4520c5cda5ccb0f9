/*
 * images --prune: each node's own program (node/room.c) is told through SSH what
 * services name, and lets the other images go that nothing there uses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/plan.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

#define PRUNE "sudo -n /usr/local/bin/azswarm prune"
#define PRUNE_MS (10 * 60000) /* layers of many GiB, on a slow disk */
#define KEEP_MAX (4u << 20)
#define ANSWER_MAX (1u << 20)
#define MIB 1048576.0

struct pruning {
	struct session *s;
	struct remote r;
	struct buf keep;
	struct listing rows;
	uint64_t size; /* bytes of all that went, on all nodes */
	size_t went;
};

/* ---- what is to stay ---- */

static void add_image(struct buf *keep, const cJSON *service, const char *spec)
{
	const char *image = json_str_opt(json_at(json_get(service, spec),
						 "TaskTemplate.ContainerSpec"),
					 "Image", "");

	if (*image != '\0' && strpbrk(image, "\r\n") == NULL)
		buf_addf(keep, "%s\n", image);
}

/* Of what a rollback goes back to, too. */
static int take_service(void *ctx, const cJSON *service, struct err *e)
{
	struct pruning *p = ctx;

	add_image(&p->keep, service, "Spec");
	add_image(&p->keep, service, "PreviousSpec");
	return buf_check(&p->keep, "what services name", e);
}

/* ---- one node ---- */

struct answer {
	size_t went;
	uint64_t size, freed;
	bool end;
};

static void take_line(struct pruning *p, const char *host, struct str line,
		      struct answer *a)
{
	struct str word, number;
	uint64_t n = 0;

	if (str_eqz(line, "end"))
		a->end = true;
	if (!str_cut(&line, ' ', &word))
		return;
	if (str_eqz(word, "freed")) {
		(void)str_num(line, INT64_MAX, &a->freed);
	} else if (str_eqz(word, "stays")) {
		ui_say(p->s->ui, "%s: stays: %.*s", host, STR_ARG(line));
	} else if (str_eqz(word, "image") && str_cut(&line, ' ', &number) &&
		   str_num(number, INT64_MAX / 2, &n)) {
		a->went++;
		a->size += n;
		listing_row(&p->rows);
		listing_cell(&p->rows, "%s", host);
		listing_cell(&p->rows, "%.*s", STR_ARG(line));
		listing_cell(&p->rows, "%.1f MiB", (double)n / MIB);
	}
}

static int ask(struct pruning *p, const char *host, struct ssh *ssh,
	       struct answer *a, struct err *e)
{
	struct buf out = BUF_INIT(ANSWER_MAX), err = BUF_INIT(1024);
	struct str rest, line;
	int status = 0, rc = -1;

	if (ssh_run(ssh, p->s->dry_run ? PRUNE " --dry-run" : PRUNE,
		    buf_str(&p->keep), &out, &err, &status, now_ms() + PRUNE_MS,
		    e) < 0)
		goto out;
	rest = buf_str(&out);
	while (str_next(&rest, '\n', &line))
		take_line(p, host, line, a);
	if (a->end)
		rc = 0;
	else if (str_find(buf_str(&err), STR("no command")) >= 0)
		err_set(e, ERR_DATA,
			"its azswarm does not know how; 'azswarm upgrade' brings "
			"it this one");
	else
		err_set(e, ERR_DATA, "its azswarm ended early (%d)%s%.*s", status,
			err.n > 0 ? ": " : "", STR_ARG(str_trim(buf_str(&err))));
out:
	buf_release(&out);
	buf_release(&err);
	return rc;
}

static int prune_node(struct pruning *p, const struct docker_node *node,
		      struct err *e)
{
	struct session *s = p->s;
	const char *host = node->hostname;
	struct answer a = { 0 };
	struct ssh *ssh = NULL;
	int rc;

	if (strcmp(p->r.name, host) == 0)
		rc = ask(p, host, p->r.ssh, &a, e);
	else if ((rc = remote_hop_to(&p->r, host, node->addr, node->manager,
				     &ssh, e)) == 0)
		rc = ask(p, host, ssh, &a, e);
	ssh_close(ssh);
	p->went += a.went;
	p->size += a.size;
	if (rc == 0 && a.went > 0 && !s->dry_run)
		ui_say(s->ui, "%s: %zu images gone, %.1f MiB free again", host,
		       a.went, (double)a.freed / MIB);
	return rc < 0 ? err_in(e, "%s", host) : 0;
}

/* ---- all of them ---- */

static void say_where(const struct pruning *p, const struct docker_node *node,
		      size_t i, size_t n, int64_t began)
{
	char *what = xasprintf("%s, node %zu of %zu", node->hostname, i, n);
	int64_t now = now_ms();

	ui_waiting(p->s->ui, what, now - began, now);
	free(what);
}

/* One that cannot be asked does not keep the others from it; *e: the first. */
static int prune_all(struct pruning *p, struct err *e)
{
	struct docker_node *nodes = NULL;
	int64_t began = now_ms();
	size_t n = 0, bad = 0;

	if (docker_each(remote_docker(&p->r), "/services", take_service, p, e) < 0 ||
	    docker_nodes(remote_docker(&p->r), &nodes, &n, e) < 0)
		return -1;
	buf_adds(&p->keep, "end\n");
	for (size_t i = 0; i < n && !interrupt_requested(); i++) {
		struct err why = ERR_INIT;

		if (nodes[i].state != DOCKER_NODE_READY) {
			ui_say(p->s->ui, "%s is %s: left out", nodes[i].hostname,
			       docker_node_state_name(nodes[i].state));
			continue;
		}
		if (!p->s->dry_run &&
		    trace_change(&p->s->trace, nodes[i].hostname,
				 "images that nobody uses", e) < 0)
			break;
		say_where(p, &nodes[i], i + 1, n, began);
		if (prune_node(p, &nodes[i], &why) == 0)
			continue;
		if (bad++ == 0)
			*e = why;
		else
			ui_say(p->s->ui, "%s", why.msg);
	}
	ui_clear(p->s->ui);
	free(nodes);
	if (interrupt_requested() && e->kind == ERR_NONE)
		err_set(e, ERR_INTR, "interrupted");
	return e->kind != ERR_NONE ? -1 : 0;
}

static void sum_up(struct pruning *p)
{
	struct session *s = p->s;

	if (p->went == 0)
		ui_say(s->ui, "no image is on a node that nobody uses");
	else if (s->dry_run)
		ui_say(s->ui,
		       "%zu images would go, of %.1f MiB with the layers that "
		       "others have, too",
		       p->went, (double)p->size / MIB);
	if (s->dry_run && p->went > 0)
		s->exit_status = EXIT_PENDING;
}

int images_prune_nodes(struct session *s, struct err *e)
{
	static const char *const columns[] = { "node", "image", "size", NULL };
	struct pruning p = { .s = s, .keep = BUF_INIT(KEEP_MAX) };
	int rc = -1;

	listing_init(&p.rows, columns);
	if (remote_open_for(s, &p.r, remote_engine, NULL, e) == 0) {
		rc = prune_all(&p, e);
		if (listing_print(&p.rows, s->ui, e) < 0)
			rc = -1;
		if (rc == 0)
			sum_up(&p);
	}
	listing_release(&p.rows);
	buf_release(&p.keep);
	remote_release(&p.r);
	return rc;
}
