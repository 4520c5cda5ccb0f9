/*
 * Services of the cluster: the demo, the stack, the monitor.  They are
 * described to the Engine on a master, through SSH, and waited for until
 * their tasks run; what a task fails of is told in its own words.  Doing
 * anything twice is no error, and the second time counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/image.h"
#include "node/layout.h"
#include "swarm/ports.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"

#define OURS \
	LAYOUT_REGISTRY_HOST \
	":" LAYOUT_TEXT(LAYOUT_REGISTRY_PORT) "/" LAYOUT_IMAGE
#define CONVERGE_MS 300000
#define LOOK_MS 1000
#define REGISTRY_MS 120000 /* of a master that has just got its swarm */
#define SETTLED_LOOKS 3	   /* an update begins only after it was accepted */
#define UPDATE_TRIES 5
#define NETWORK_GONE_MS 90000
#define REPLICAS_MAX 1000
#define STACK "test-stack"

/* What we say about a service; the rest is the Engine's. */
struct service {
	const char *name;
	const char *image;	/* NULL: this program's own */
	const char *arg;	/* of this program; NULL: none */
	int replicas;		/* -1: one per node */
	unsigned port, target;	/* published through the mesh; 0: none */
	const char *constraint; /* NULL: any node */
	const char *const *env; /* NULL-ended; may be NULL */
	const char *network;	/* overlay to join, by id; NULL: none */
	const char *alias;	/* its name there */
	const char *stack;	/* namespace label; NULL: none */
	bool host_network, docker_socket;
	bool direct; /* its name is the address of its one task */
	bool force;  /* replace its tasks though nothing changed */
};

/* ---- images ---- */

/*
 * The digest behind a tag, so that every node runs the same bytes and an
 * update sees that there are new ones.  Asked of the registry by the Engine.
 */
static char *with_digest(struct docker *d, const char *image, struct err *e)
{
	char *path = xasprintf("/distribution/%s/json", image), *full = NULL;
	cJSON *doc = NULL;
	const char *digest;

	if (docker_call(d, "GET", path, NULL, &doc, e) == 0 &&
	    (digest = json_str(doc, "Descriptor.digest", e)) != NULL)
		full = xasprintf("%s@%s", image, digest);
	json_free(doc);
	free(path);
	return full;
}

/* A mirror may be out of the Engine's sight, or images be put there by hand. */
static char *image_of_others(struct session *s, struct docker *d, const char *z)
{
	struct err why = ERR_INIT;
	char *full = with_digest(d, z, &why);

	if (full != NULL)
		return full;
	ui_say(s->ui,
	       "%s: its registry does not answer, "
	       "so nodes use what they have (%s)",
	       z, why.msg);
	return xstrdup(z);
}

/*
 * What the master offers under our name.  Its agent comes up beside its swarm,
 * so a registry that does not answer is waited for; one that has no such image
 * is not.
 */
static char *offered_image(struct session *s, struct docker *d, const char *tag,
			   struct err *e)
{
	int64_t began = now_ms();
	struct err once = ERR_INIT;
	char *full;

	while ((full = with_digest(d, tag, &once)) == NULL &&
	       once.kind == ERR_DOCKER && d->status >= 500 &&
	       now_ms() - began < REGISTRY_MS) {
		if (s->az.clock.wait(s->az.clock.ctx, now_ms() + LOOK_MS,
				     "the registry of the master's own agent",
				     began, e) < 0)
			return NULL;
		err_clear(&once);
	}
	if (full == NULL)
		*e = once;
	return full;
}

/* Where the digest stands that an image goes by, NULL: nowhere. */
static const char *digest_of(const char *image)
{
	const char *at = strrchr(image, '@');

	return at != NULL ? at + 1 : NULL;
}

/* The images that a cluster of this program may offer: ours, the one for the
 * other kind of processor, both in one. */
struct ours {
	struct image own, other;
	char list[IMAGE_DIGEST_MAX];
};

static int ours_init(struct ours *o, struct session *s, struct err *e)
{
	struct program own = PROGRAM_NONE, other = PROGRAM_NONE;
	struct buf list = BUF_INIT(IMAGE_LIST_MAX);
	const struct image *all[ELF_MACHINES];
	struct err none = ERR_INIT;
	int found = 0, rc = -1;

	*o = (struct ours){ .own.fd = -1, .other.fd = -1 };
	if (program_own(&own, e) < 0 ||
	    image_init(&o->own, own.path, own.machine, s->version, e) < 0 ||
	    (found = program_other(s->set, &other, &none, e)) < 0 ||
	    (found && image_init(&o->other, other.path, other.machine,
				 s->version, e) < 0))
		goto out;
	if (found) {
		all[own.machine] = &o->own;
		all[other.machine] = &o->other;
		image_index(all, ELF_MACHINES, &list);
		image_digest(buf_str(&list), o->list);
	}
	rc = 0;
out:
	buf_release(&list);
	program_release(&own);
	program_release(&other);
	return rc;
}

static void ours_release(struct ours *o)
{
	image_release(&o->own);
	image_release(&o->other);
}

/* By which of them the offered one goes, in Docker's own kind; NULL: none. */
static const char *which_of(const struct ours *o, const char *offered)
{
	const struct image *const one[] = { &o->own, &o->other };

	if (offered == NULL)
		return NULL;
	for (size_t i = 0; i < 2; i++)
		if (strcmp(offered, one[i]->docker.digest) == 0 ||
		    strcmp(offered, one[i]->oci.digest) == 0)
			return one[i]->docker.digest;
	return strcmp(offered, o->list) == 0 ? o->list : NULL;
}

/*
 * Our own, by the digest of what this program's file is as an image, and by no
 * other: whoever has the port of a node's registry, its engine takes these
 * bytes or none.  What the master offers is looked at so that a cluster of
 * another build says so, and not each of its tasks.  Machines of the other kind
 * have the other file, and a cluster of both offers both as one.
 */
static char *image_of_ours(struct session *s, struct docker *d, struct err *e)
{
	char *tag = xasprintf(OURS ":%s", s->version);
	char *offered = NULL, *image = NULL;
	const char *digest;
	struct ours ours;

	if (ours_init(&ours, s, e) < 0)
		goto out;
	if ((offered = offered_image(s, d, tag, e)) == NULL) {
		err_in(e,
		       "the registry of the master's own agent, "
		       "asked for this program, %s",
		       s->version);
		goto out;
	}
	if ((digest = which_of(&ours, digest_of(offered))) == NULL) {
		err_set(e, ERR_DATA,
			"the master offers %s, and this program is %s: "
			"the cluster was made with another build or for "
			"another processor (use that one, name its file with "
			"--program, or deploy-storage, params and upgrade with "
			"this), "
			"or port %d there is not our agent's",
			offered, ours.own.docker.digest, LAYOUT_REGISTRY_PORT);
		goto out;
	}
	image = xasprintf("%s@%s", tag, digest);
out:
	ours_release(&ours);
	free(offered);
	free(tag);
	return image;
}

static char *image_of(struct session *s, struct docker *d,
		      const struct service *svc, struct err *e)
{
	return svc->image != NULL ? image_of_others(s, d, svc->image) :
				    image_of_ours(s, d, e);
}

/* ---- the description ---- */

static void add_list(cJSON *obj, const char *name, const char *const *items)
{
	cJSON *list = json_add_arr(obj, name);

	for (; items != NULL && *items != NULL; items++)
		cJSON_AddItemToArray(list, cJSON_CreateString(*items));
}

static cJSON *service_spec(const struct service *svc, const char *image,
			   int64_t force_update)
{
	const char *args[] = { svc->arg, NULL },
		   *constraints[] = { svc->constraint, NULL };
	cJSON *spec = cJSON_CreateObject(), *labels, *task, *container, *mount,
	      *net, *port;

	json_add_str(spec, "Name", svc->name);
	labels = json_add_obj(spec, "Labels");
	task = json_add_obj(spec, "TaskTemplate");
	container = json_add_obj(task, "ContainerSpec");
	json_add_str(container, "Image", image);
	add_list(container, "Args", args);
	add_list(container, "Env", svc->env);
	if (svc->stack != NULL) {
		json_add_str(labels, "com.docker.stack.namespace", svc->stack);
		json_add_str(json_add_obj(container, "Labels"),
			     "com.docker.stack.namespace", svc->stack);
	}
	if (svc->docker_socket) {
		mount = cJSON_CreateObject();
		json_add_str(mount, "Type", "bind");
		json_add_str(mount, "Source", DOCKER_SOCKET);
		json_add_str(mount, "Target", DOCKER_SOCKET);
		cJSON_AddItemToArray(json_add_arr(container, "Mounts"), mount);
	}
	add_list(json_add_obj(task, "Placement"), "Constraints", constraints);
	json_add_int(task, "ForceUpdate", force_update);
	if (svc->network != NULL || svc->host_network) {
		net = cJSON_CreateObject();
		json_add_str(net, "Target",
			     svc->host_network ? "host" : svc->network);
		if (svc->alias != NULL)
			cJSON_AddItemToArray(json_add_arr(net, "Aliases"),
					     cJSON_CreateString(svc->alias));
		cJSON_AddItemToArray(json_add_arr(task, "Networks"), net);
	}
	if (svc->replicas < 0)
		json_add_obj(json_add_obj(spec, "Mode"), "Global");
	else
		json_add_int(json_add_obj(json_add_obj(spec, "Mode"), "Replicated"),
			     "Replicas", svc->replicas);
	if (svc->port != 0) {
		port = cJSON_CreateObject();
		json_add_str(port, "Protocol", "tcp");
		json_add_str(port, "PublishMode", "ingress");
		json_add_int(port, "TargetPort", svc->target);
		json_add_int(port, "PublishedPort", svc->port);
		cJSON_AddItemToArray(
			json_add_arr(json_add_obj(spec, "EndpointSpec"), "Ports"),
			port);
	}
	if (svc->direct)
		json_add_str(json_add_obj(spec, "EndpointSpec"), "Mode", "dnsrr");
	return spec;
}

/* ---- asking and telling the Engine ---- */

/* The service by name; *doc NULL when there is none. */
static int service_get(struct docker *d, const char *name, cJSON **doc,
		       struct err *e)
{
	struct err why = ERR_INIT;
	char *path = xasprintf("/services/%s", name);
	int rc = docker_call(d, "GET", path, NULL, doc, &why);

	free(path);
	if (rc < 0 && d->status == 404) {
		*doc = NULL;
		return 0;
	}
	if (rc < 0)
		*e = why;
	return rc;
}

struct taken {
	const char *name; /* who wants it */
	unsigned port;
	char by[128];
};

static int take_port(void *ctx, const cJSON *service, struct err *e)
{
	struct taken *t = ctx;
	const char *name = json_str_opt(service, "Spec.Name", "");
	const cJSON *p;

	(void)e;
	cJSON_ArrayForEach(p, json_at(service, "Spec.EndpointSpec.Ports"))
		if (json_int_opt(p, "PublishedPort", 0) == t->port &&
		    strcmp(name, t->name) != 0)
			snprintf(t->by, sizeof(t->by), "%s", name);
	return 0;
}

/* Two services cannot have one port; say so before Docker does. */
static int port_free(struct docker *d, const struct service *svc, struct err *e)
{
	struct taken t = { .name = svc->name, .port = svc->port };

	if (svc->port == 0)
		return 0;
	if (docker_each(d, "/services", take_port, &t, e) < 0)
		return -1;
	if (t.by[0] == '\0')
		return 0;
	return err_set(e, ERR_DOCKER,
		       "port %u is taken by the service %s; destroy that first",
		       svc->port, t.by);
}

/* POST an update of old; -1 without e when somebody else was faster. */
static int service_update(struct docker *d, const cJSON *old, const cJSON *spec,
			  struct err *e)
{
	struct err why = ERR_INIT;
	int64_t version;
	const char *id;
	char *path;
	int rc;

	if ((id = json_str(old, "ID", e)) == NULL ||
	    json_int(old, "Version.Index", 0, INT64_MAX, &version, e) < 0)
		return -1;
	path = xasprintf("/services/%s/update?version=%lld", id,
			 (long long)version);
	rc = docker_call(d, "POST", path, spec, NULL, &why);
	free(path);
	if (rc < 0 && !err_is(&why, DOCKER_OUT_OF_SEQUENCE))
		*e = why;
	return rc;
}

/* Have edit change what the Engine has of a service, and tell it; again while
 * somebody else is faster.  1: there is no such service. */
static int service_edit(struct docker *d, const char *name,
			int (*edit)(void *ctx, cJSON *service, struct err *e),
			void *ctx, struct err *e)
{
	int rc = -1;

	for (int i = 0; rc < 0 && i < UPDATE_TRIES && e->kind == ERR_NONE; i++) {
		cJSON *service = NULL;

		if (service_get(d, name, &service, e) < 0)
			break;
		if (service == NULL)
			return 1;
		if (edit(ctx, service, e) == 0)
			rc = service_update(d, service,
					    json_get(service, "Spec"), e);
		json_free(service);
	}
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_DOCKER, "somebody else keeps changing it");
	return rc;
}

/* What it publishes is let in before it is there. */
static int let_in(struct session *s, struct docker *d,
		  const struct service *svc, struct err *e)
{
	cJSON *specs = cJSON_CreateArray();
	int rc;

	cJSON_AddItemToArray(specs, service_spec(svc, "", 0));
	rc = ports_open(s, d, specs, e);
	json_free(specs);
	return rc;
}

/* Create the service, or make the one that is there like this. */
static int service_put(struct session *s, struct docker *d,
		       const struct service *svc, struct err *e)
{
	char *image = NULL;
	int rc = -1;

	if (port_free(d, svc, e) < 0 ||
	    (image = image_of(s, d, svc, e)) == NULL || let_in(s, d, svc, e) < 0)
		goto out;
	for (int i = 0; rc < 0 && i < UPDATE_TRIES && e->kind == ERR_NONE; i++) {
		cJSON *old = NULL, *spec;

		if (service_get(d, svc->name, &old, e) < 0)
			break;
		spec = service_spec(
			svc, image,
			json_int_opt(old, "Spec.TaskTemplate.ForceUpdate", 0) +
				(old != NULL && svc->force));
		if (old == NULL)
			rc = docker_call(d, "POST", "/services/create", spec,
					 NULL, e);
		else
			rc = service_update(d, old, spec, e);
		if (rc == 0)
			ui_say(s->ui, "service %s %s", svc->name,
			       old ? "updated" : "made");
		json_free(spec);
		json_free(old);
	}
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_DOCKER, "somebody else keeps changing it");
out:
	free(image);
	return rc < 0 ? err_in(e, "service %s", svc->name) : 0;
}

/* ---- waiting for its tasks ---- */

struct tasks {
	unsigned wanted, running; /* that should run; that do */
	char failure[400];	  /* of the newest task that failed */
	char failed_at[40];
	char since[40]; /* the service was changed: failures before are no matter */
};

static int take_task(void *ctx, const cJSON *task, struct err *e)
{
	struct tasks *t = ctx;
	const char *state = json_str_opt(task, "Status.State", "");
	const char *why = json_str_opt(task, "Status.Err", "");
	const char *at = json_str_opt(task, "Status.Timestamp", "");

	(void)e;
	if (strcmp(json_str_opt(task, "DesiredState", ""), "running") == 0) {
		t->wanted++;
		t->running += strcmp(state, "running") == 0;
	}
	/* RFC 3339 times of one clock: the later one is the greater text */
	if (*why != '\0' && strcmp(at, t->failed_at) > 0 &&
	    strcmp(json_str_opt(task, "CreatedAt", "~"), t->since) >= 0) {
		snprintf(t->failed_at, sizeof(t->failed_at), "%s", at);
		snprintf(t->failure, sizeof(t->failure), "%s", why);
	}
	return 0;
}

/* How many tasks a service should have now; global ones follow the nodes. */
static int wanted_tasks(struct docker *d, const cJSON *service, unsigned *n,
			struct err *e)
{
	struct docker_node *nodes;
	size_t count;

	if (json_at(service, "Spec.Mode.Global") == NULL) {
		*n = (unsigned)json_int_opt(service,
					    "Spec.Mode.Replicated.Replicas", 1);
		return 0;
	}
	if (docker_nodes(d, &nodes, &count, e) < 0)
		return -1;
	*n = 0;
	for (size_t i = 0; i < count; i++)
		*n += nodes[i].state == DOCKER_NODE_READY &&
		      nodes[i].availability == DOCKER_ACTIVE;
	free(nodes);
	return 0;
}

/* One look at a service: 1 when it is as it should be, 0 not yet, -1. */
static int look(struct docker *d, const char *name, struct tasks *t,
		unsigned *wanted, struct err *e)
{
	struct buf path = BUF_INIT(1024);
	cJSON *service = NULL;
	const char *update;
	int rc = -1;

	*t = (struct tasks){ 0 };
	if (service_get(d, name, &service, e) < 0)
		goto out;
	if (service == NULL) {
		err_set(e, ERR_DOCKER, "is gone");
		goto out;
	}
	snprintf(t->since, sizeof(t->since), "%s",
		 json_str_opt(service, "UpdatedAt", ""));
	buf_adds(&path, "/tasks");
	docker_filter(&path, "service", name);
	if (wanted_tasks(d, service, wanted, e) < 0 ||
	    docker_each(d, path.str, take_task, t, e) < 0)
		goto out;
	/* which nodes may have one of somebody's, Swarm knows */
	if (json_at(service, "Spec.Mode.Global") != NULL &&
	    json_at(service, "Spec.TaskTemplate.Placement.Constraints[0]") != NULL)
		*wanted = t->wanted;
	update = json_str_opt(service, "UpdateStatus.State", "");
	if (strcmp(update, "paused") == 0 ||
	    str_starts(str_of(update), STR("rollback"))) {
		err_set(e, ERR_DOCKER, "its update is %s: %s%s%s", update,
			json_str_opt(service, "UpdateStatus.Message", ""),
			t->failure[0] ? "; " : "", t->failure);
		goto out;
	}
	rc = strcmp(update, "updating") != 0 && t->running == *wanted &&
	     t->wanted == *wanted;
out:
	json_free(service);
	buf_release(&path);
	return rc;
}

/* The failure that was told, and how often it has come since. */
struct told {
	char failure[400], at[40];
	unsigned times;
};

/* The word that *s begins with, or one character of what is between words.
 * What has a digit is a number, or a name that is made up each time. */
static struct str next_piece(struct str *s, bool *number)
{
	struct str piece = *s;

	*number = false;
	for (piece.n = 0; piece.n < s->n && is_alnum(s->p[piece.n]); piece.n++)
		*number |= s->p[piece.n] >= '0' && s->p[piece.n] <= '9';
	if (piece.n == 0)
		piece.n = 1;
	*s = str_skip(*s, piece.n);
	return piece;
}

/* Whether two texts differ in numbers only: a path of a moment, an address. */
static bool same_failure(const char *a, const char *b)
{
	struct str x = str_of(a), y = str_of(b);
	bool x_number, y_number;

	while (x.n > 0 && y.n > 0) {
		struct str p = next_piece(&x, &x_number),
			   q = next_piece(&y, &y_number);

		if (x_number != y_number || (!x_number && !str_eq(p, q)))
			return false;
	}
	return x.n == y.n;
}

static void tell_times(struct session *s, const char *name, const struct told *told)
{
	if (told->times > 1)
		ui_say(s->ui, "service %s: that failure came %u times", name,
		       told->times);
}

/* A failure is told once, and counted from then on. */
static void tell_failure(struct session *s, const char *name, struct told *told,
			 const struct tasks *t)
{
	if (t->failure[0] == '\0' || strcmp(t->failed_at, told->at) == 0)
		return;
	memcpy(told->at, t->failed_at, sizeof(told->at));
	if (same_failure(t->failure, told->failure)) {
		told->times++;
		return;
	}
	tell_times(s, name, told);
	ui_say(s->ui, "service %s: a task failed: %s", name, t->failure);
	memcpy(told->failure, t->failure, sizeof(told->failure));
	told->times = 1;
}

/* Wait until as many tasks run as should. */
static int converge(struct session *s, struct docker *d, const char *name,
		    struct err *e)
{
	int64_t began = now_ms();
	unsigned settled = 0, wanted = 0;
	struct told told = { .times = 0 };
	struct tasks t;
	int rc;

	if (s->no_wait)
		return 0;
	while ((rc = look(d, name, &t, &wanted, e)) >= 0) {
		char *what = xasprintf("service %s: %u of %u tasks run", name,
				       t.running, wanted);

		settled = rc == 1 ? settled + 1 : 0;
		if (settled == SETTLED_LOOKS) {
			tell_times(s, name, &told);
			told.times = 0;
			ui_say(s->ui, "%s", what);
			free(what);
			break;
		}
		if (rc == 0)
			tell_failure(s, name, &told, &t);
		if (now_ms() - began > CONVERGE_MS)
			rc = err_set(e, ERR_TIMEOUT,
				     "%u of %u tasks run after %d minutes%s%s",
				     t.running, wanted, CONVERGE_MS / 60000,
				     t.failure[0] ? "; the last that failed: " : "",
				     t.failure);
		else
			rc = s->az.clock.wait(s->az.clock.ctx,
					      now_ms() + LOOK_MS, what, began, e);
		free(what);
		if (rc < 0)
			break;
	}
	tell_times(s, name, &told);
	return rc < 0 ? err_in(e, "service %s", name) : 0;
}

/* ---- commands ---- */

/* Where what was deployed is to be seen: data, for a browser or curl. */
static int print_url(struct session *s, const char *host, unsigned port,
		     struct err *e)
{
	static const char *const columns[] = { "url", NULL };
	char text[16] = "", *url;
	struct listing t;
	int rc = 0;

	if (port != 80)
		snprintf(text, sizeof(text), ":%u", port);
	url = xasprintf("http://%s%s/", host, text);
	ui_clear(s->ui);
	if (s->ui->format == UI_TABLE) {
		fprintf(s->ui->out, "%s\n", url);
	} else {
		listing_init(&t, columns);
		listing_row(&t);
		listing_cell(&t, "%s", url);
		rc = listing_print(&t, s->ui, e);
		listing_release(&t);
	}
	free(url);
	return rc;
}

/* Of a service behind the load balancer. */
static int print_public(struct session *s, const struct remote *r,
			const struct service *svc, struct err *e)
{
	return r->masters.balancer == NULL ?
		       0 :
		       print_url(s, r->masters.balancer, svc->port, e);
}

static int deploy(struct session *s, const struct service *svc, struct err *e)
{
	struct remote r;
	int rc = -1;

	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) == 0 &&
	    service_put(s, remote_docker(&r), svc, e) == 0 &&
	    converge(s, remote_docker(&r), svc->name, e) == 0)
		rc = print_public(s, &r, svc, e);
	remote_release(&r);
	return rc;
}

#define PUBLIC_PORT(n) "SWARM_PUBLIC_PORT=" LAYOUT_TEXT(n)

static const char *const replicated_env[] = {
	"SWARM_MODE=REPLICATED", PUBLIC_PORT(LAYOUT_REPLICATED_PORT), NULL
};
static const char *const global_env[] = { "SWARM_MODE=GLOBAL",
					  PUBLIC_PORT(LAYOUT_GLOBAL_PORT), NULL };

static const struct service replicated = {
	.name = "replicated",
	.arg = "demo",
	.replicas = 8,
	.port = LAYOUT_REPLICATED_PORT,
	.target = LAYOUT_DEMO_PORT,
	.env = replicated_env,
};

int cmd_deploy_replicated_service(struct session *s, int argc, char **argv,
				  struct err *e)
{
	(void)argc, (void)argv;
	return deploy(s, &replicated, e);
}

int cmd_deploy_global_service(struct session *s, int argc, char **argv,
			      struct err *e)
{
	struct service svc = {
		.name = "global",
		.arg = "demo",
		.replicas = -1,
		.port = LAYOUT_GLOBAL_PORT,
		.target = LAYOUT_DEMO_PORT,
		.env = global_env,
	};

	(void)argc, (void)argv;
	return deploy(s, &svc, e);
}

int cmd_deploy_monitor(struct session *s, int argc, char **argv, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	char *host = xasprintf("HOST=%s", group), *names = NULL;
	const char *env[4] = { host };
	struct service svc = {
		.name = "monitor",
		.arg = "monitor",
		.replicas = 1,
		.constraint = "node.role==manager",
		.env = env,
		.host_network = true,
		.docker_socket = true,
	};
	struct remote r = { .s = s };
	bool open;
	int rc = -1;

	(void)argc, (void)argv;
	if (settings_bool(s->set, S_MONITOR_PUBLIC, &open, e) < 0 ||
	    remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) < 0)
		goto out;
	/* what a browser may call it; only Azure knows the suffix of names */
	names = xasprintf("NAMES=%s",
			  r.masters.fqdns.n > 0 ? r.masters.fqdns.str : "");
	/* the mesh would open it to the whole network */
	env[1] = open ? "LISTEN=0.0.0.0" : "LISTEN=127.0.0.1";
	env[2] = open ? names : NULL;
	if (service_put(s, remote_docker(&r), &svc, e) == 0)
		rc = converge(s, remote_docker(&r), svc.name, e);
	if (rc == 0)
		ui_say(s->ui,
		       open ? "the monitor is on port %d of the masters, for everybody" :
			      "'azswarm proxy' brings the monitor to http://localhost:%d",
		       LAYOUT_MONITOR_PORT);
	if (rc == 0 && open)
		rc = print_url(s, r.masters.address[0], LAYOUT_MONITOR_PORT, e);
out:
	remote_release(&r);
	free(names);
	free(host);
	return rc;
}

static void set_image(cJSON *service, const char *image)
{
	cJSON *task = json_get_mut(json_get_mut(service, "Spec"), "TaskTemplate");

	json_set(json_get_mut(task, "ContainerSpec"), "Image",
		 cJSON_CreateString(image));
}

/* What is to be changed about a service. */
struct wish {
	struct session *s;
	struct docker *d;
	int replicas; /* -1: as many as there are */
	bool force;   /* this version, and its tasks anew */
};

/* The Engine's description has what is to be changed: another service may have
 * the name. */
static bool can_edit(const struct wish *w, const cJSON *service, struct err *e)
{
	const char *of_image = "Spec.TaskTemplate.ContainerSpec";

	return (w->replicas < 0 ||
		json_obj(service, "Spec.Mode.Replicated", e) != NULL) &&
	       (!w->force || json_obj(service, of_image, e) != NULL);
}

static int edit_wish(void *ctx, cJSON *service, struct err *e)
{
	const struct wish *w = ctx;
	cJSON *spec = json_get_mut(service, "Spec");
	cJSON *task = json_get_mut(spec, "TaskTemplate");
	char *image;

	if (!can_edit(w, service, e))
		return -1;
	if (w->replicas >= 0)
		json_set(json_get_mut(json_get_mut(spec, "Mode"), "Replicated"),
			 "Replicas", cJSON_CreateNumber(w->replicas));
	if (!w->force)
		return 0;
	if ((image = image_of(w->s, w->d, &replicated, e)) == NULL)
		return -1;
	set_image(service, image);
	json_set(task, "ForceUpdate",
		 cJSON_CreateNumber(
			 (double)json_int_opt(task, "ForceUpdate", 0) + 1));
	free(image);
	return 0;
}

/* Change something about a service that must be there. */
static int change(struct session *s, const char *name, int replicas, bool force,
		  struct err *e)
{
	struct remote r;
	int rc = -1;

	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) == 0) {
		struct wish w = { s, remote_docker(&r), replicas, force };

		rc = service_edit(w.d, name, edit_wish, &w, e);
		if (rc > 0)
			rc = err_set(e, ERR_DOCKER,
				     "is not there; 'azswarm "
				     "deploy-replicated-service' makes it");
		rc = rc < 0 ? err_in(e, "service %s", name) :
			      converge(s, w.d, name, e);
	}
	remote_release(&r);
	return rc;
}

int cmd_scale_service(struct session *s, int argc, char **argv, struct err *e)
{
	uint64_t n;

	if (argc != 2 || !str_num(str_of(argv[1]), REPLICAS_MAX, &n))
		return err_set(e, ERR_USAGE, "expected a number of tasks, 0 to %d",
			       REPLICAS_MAX);
	return change(s, replicated.name, (int)n, false, e);
}

int cmd_update_service(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	return change(s, replicated.name, -1, true, e);
}

/* ---- after an upgrade ---- */

#define MOVES_MAX 64

/* Services that run as another build of this program. */
struct moves {
	const struct ours *ours;
	char *name[MOVES_MAX];
	size_t n;
};

static const char *image_in(const cJSON *service)
{
	return json_str_opt(service, "Spec.TaskTemplate.ContainerSpec.Image", "");
}

static bool is_other(const struct ours *o, const char *image)
{
	return str_starts(str_of(image), STR(OURS ":")) &&
	       which_of(o, digest_of(image)) == NULL;
}

static int take_move(void *ctx, const cJSON *service, struct err *e)
{
	struct moves *m = ctx;

	(void)e;
	if (is_other(m->ours, image_in(service)) && m->n < MOVES_MAX)
		m->name[m->n++] = xstrdup(json_str_opt(service, "Spec.Name", ""));
	return 0;
}

/* The new task comes before the old one goes, where both can be at once and
 * nobody has said otherwise. */
static void start_first(cJSON *spec)
{
	const cJSON *p;
	bool host = false;
	cJSON *how;

	cJSON_ArrayForEach(p, json_at(spec, "TaskTemplate.Networks"))
		host |= json_is(p, "Target", "host");
	cJSON_ArrayForEach(p, json_at(spec, "EndpointSpec.Ports"))
		host |= json_is(p, "PublishMode", "host");
	cJSON_ArrayForEach(p, json_at(spec, "TaskTemplate.ContainerSpec.Mounts"))
		host |= json_is(p, "Type", "volume");
	if (host || json_get(spec, "UpdateConfig") != NULL)
		return;
	how = json_add_obj(spec, "UpdateConfig");
	json_add_int(how, "Parallelism", 1);
	json_add_str(how, "Order", "start-first");
}

static int edit_move(void *image, cJSON *service, struct err *e)
{
	(void)e;
	set_image(service, image);
	start_first(json_get_mut(service, "Spec"));
	return 0;
}

static int move_all(struct session *s, struct docker *d, const struct moves *m,
		    struct err *e)
{
	char *image = m->n > 0 ? image_of_ours(s, d, e) : NULL;
	int rc = m->n > 0 && image == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		ui_say(s->ui, "service %s: to this version", m->name[i]);
		rc = service_edit(d, m->name[i], edit_move, image, e);
		rc = rc < 0 ? err_in(e, "service %s", m->name[i]) :
			      converge(s, d, m->name[i], e);
	}
	free(image);
	return rc;
}

int services_move(struct session *s, struct docker *d, bool dry, size_t *n,
		  struct err *e)
{
	struct ours ours;
	struct moves m = { .ours = &ours };
	int rc = -1;

	if (ours_init(&ours, s, e) == 0 &&
	    docker_each(d, "/services", take_move, &m, e) == 0)
		rc = dry ? 0 : move_all(s, d, &m, e);
	*n = m.n;
	for (size_t i = 0; i < m.n; i++) {
		if (dry && rc == 0)
			ui_say(s->ui, "service %s: would go to this version",
			       m.name[i]);
		free(m.name[i]);
	}
	ours_release(&ours);
	return rc;
}

static int service_remove(struct session *s, struct docker *d, const char *name,
			  struct err *e)
{
	struct err why = ERR_INIT;
	char *path = xasprintf("/services/%s", name);
	int rc = docker_call(d, "DELETE", path, NULL, NULL, &why);

	free(path);
	if (rc == 0) {
		ui_say(s->ui, "service %s removed", name);
	} else if (d->status == 404) {
		ui_say(s->ui, "service %s is not there", name);
		rc = 0;
	} else {
		*e = why;
		err_in(e, "service %s", name);
	}
	return rc;
}

/* public: it has ports, which are closed behind it. */
static int destroy(struct session *s, const char *name, bool public, struct err *e)
{
	struct remote r;
	int rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);

	if (rc == 0)
		rc = service_remove(s, remote_docker(&r), name, e);
	if (rc == 0 && public)
		rc = ports_close(s, remote_docker(&r), e);
	remote_release(&r);
	return rc;
}

int cmd_destroy_service(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	return destroy(s, "replicated", true, e);
}

int cmd_destroy_global_service(struct session *s, int argc, char **argv,
			       struct err *e)
{
	(void)argc, (void)argv;
	return destroy(s, "global", true, e);
}

int cmd_kill_monitor(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	return destroy(s, "monitor", false, e);
}

/* ---- the stack ---- */

/* An overlay network by name, made unless it is there.  Caller frees the id. */
static char *network_put(struct docker *d, const char *name, struct err *e)
{
	char *path = xasprintf("/networks/%s", name), *id = NULL;
	struct err why = ERR_INIT;
	cJSON *doc = NULL, *body;
	const char *found;

	if (docker_call(d, "GET", path, NULL, &doc, &why) < 0 && d->status == 404) {
		body = cJSON_CreateObject();
		json_add_str(body, "Name", name);
		json_add_str(body, "Driver", "overlay");
		json_add_str(json_add_obj(body, "Options"),
			     "com.docker.network.driver.mtu",
			     LAYOUT_TEXT(LAYOUT_MTU));
		json_add_str(json_add_obj(body, "Labels"),
			     "com.docker.stack.namespace", STACK);
		docker_call(d, "POST", "/networks/create", body, &doc, e);
		json_free(body);
	} else if (doc == NULL) {
		*e = why;
	}
	/* an answer may be empty, too */
	found = json_str_opt(doc, "Id", NULL);
	if (found != NULL)
		id = xstrdup(found);
	else
		err_set(e, ERR_PROTO, "the Engine gave no id");
	json_free(doc);
	free(path);
	if (id == NULL)
		err_in(e, "network %s", name);
	return id;
}

/* Its services are gone, its tasks go in their own time. */
static int network_remove(struct session *s, struct docker *d, const char *name,
			  struct err *e)
{
	char *path = xasprintf("/networks/%s", name);
	char *what = xasprintf("network %s to be free", name);
	int64_t began = now_ms();
	int rc = -1;

	for (;;) {
		struct err why = ERR_INIT;

		if (docker_call(d, "DELETE", path, NULL, NULL, &why) == 0) {
			ui_say(s->ui, "network %s removed", name);
			rc = 0;
			break;
		}
		if (d->status == 404) {
			rc = 0;
			break;
		}
		if (why.kind != ERR_DOCKER || now_ms() - began > NETWORK_GONE_MS) {
			*e = why;
			break;
		}
		if (s->az.clock.wait(s->az.clock.ctx, now_ms() + LOOK_MS, what,
				     began, e) < 0)
			break;
	}
	free(what);
	free(path);
	return rc < 0 ? err_in(e, "network %s", name) : 0;
}

int cmd_deploy_stack(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const web_env[] = {
		"REDIS_SERVER=redis", "DEBUG=False", "SWARM_MODE=REPLICATED",
		PUBLIC_PORT(LAYOUT_REPLICATED_PORT), NULL
	};
	struct service redis = {
		.name = STACK "_redis",
		.image = settings_get(s->set, S_REDIS_IMAGE),
		.replicas = 1,
		.constraint = "node.role==manager",
		.alias = "redis",
		.stack = STACK,
		/* a virtual address would be one more hop, and one that forgets
		 * connections which are silent for a quarter of an hour */
		.direct = true,
	};
	struct service web = {
		.name = STACK "_web",
		.arg = "demo",
		.replicas = 4,
		.constraint = "node.role==worker",
		.port = LAYOUT_REPLICATED_PORT,
		.target = LAYOUT_DEMO_PORT,
		.env = web_env,
		.alias = "web",
		.stack = STACK,
	};
	struct remote r;
	struct docker *d;
	char *network = NULL;
	int rc = -1;

	(void)argc, (void)argv;
	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) < 0)
		goto out;
	d = remote_docker(&r);
	/* nothing is begun that cannot be ended */
	if (port_free(d, &web, e) < 0 ||
	    (network = network_put(d, STACK "_backend", e)) == NULL)
		goto out;
	redis.network = web.network = network;
	if (service_put(s, d, &redis, e) == 0 && service_put(s, d, &web, e) == 0 &&
	    converge(s, d, redis.name, e) == 0 && converge(s, d, web.name, e) == 0)
		rc = print_public(s, &r, &web, e);
out:
	free(network);
	remote_release(&r);
	return rc;
}

int cmd_destroy_stack(struct session *s, int argc, char **argv, struct err *e)
{
	struct remote r;
	int rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);

	(void)argc, (void)argv;
	if (rc == 0)
		rc = service_remove(s, remote_docker(&r), STACK "_web", e);
	if (rc == 0)
		rc = service_remove(s, remote_docker(&r), STACK "_redis", e);
	if (rc == 0)
		rc = network_remove(s, remote_docker(&r), STACK "_backend", e);
	if (rc == 0)
		rc = ports_close(s, remote_docker(&r), e);
	remote_release(&r);
	return rc;
}
