/*
 * Services that are this program itself: the demo, the monitor.  They are
 * described to the Engine on a master, through SSH, and waited for until
 * their tasks run.  Doing anything twice is no error, and the second time
 * counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "node/layout.h"
#include "swarm/ports.h"
#include "swarm/remote.h"
#include "swarm/service.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"

#define REPLICAS_MAX 1000

/* What we say about a service; the rest is the Engine's. */
struct service {
	const char *name;
	const char *arg;	/* of this program; NULL: none */
	int replicas;		/* -1: one per node */
	unsigned port, target;	/* published through the mesh; 0: none */
	const char *constraint; /* NULL: any node */
	const char *const *env; /* NULL-ended; may be NULL */
	bool host_network, docker_socket;
};

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
	cJSON *spec = cJSON_CreateObject(), *task, *container, *mount, *net,
	      *port;

	json_add_str(spec, "Name", svc->name);
	json_add_obj(spec, "Labels");
	task = json_add_obj(spec, "TaskTemplate");
	container = json_add_obj(task, "ContainerSpec");
	json_add_str(container, "Image", image);
	add_list(container, "Args", args);
	add_list(container, "Env", svc->env);
	if (svc->docker_socket) {
		mount = cJSON_CreateObject();
		json_add_str(mount, "Type", "bind");
		json_add_str(mount, "Source", DOCKER_SOCKET);
		json_add_str(mount, "Target", DOCKER_SOCKET);
		cJSON_AddItemToArray(json_add_arr(container, "Mounts"), mount);
	}
	add_list(json_add_obj(task, "Placement"), "Constraints", constraints);
	json_add_int(task, "ForceUpdate", force_update);
	if (svc->host_network) {
		net = cJSON_CreateObject();
		json_add_str(net, "Target", "host");
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
	return spec;
}

/* ---- whose it is ---- */

static const char *image_in(const cJSON *service)
{
	return json_str_opt(service, "Spec.TaskTemplate.ContainerSpec.Image", "");
}

static bool is_ours(const char *image)
{
	return str_starts(str_of(image), STR(SERVICE_OURS ":"));
}

/* It may be somebody's own that is called so: we put none in its place, and do
 * not take it away. */
static int check_image(const char *image, struct err *e)
{
	return is_ours(image) ?
		       0 :
		       err_set(e, ERR_DATA,
			       "somebody else made it: its image is \"%.200s\", "
			       "not azswarm's; it stays as it is, and 'docker "
			       "service rm', by 'azswarm docker-env', removes it",
			       image);
}

struct owner {
	const char *name;
	char *image; /* NULL: there is no such service */
};

static int take_owner(void *ctx, const cJSON *service, struct err *e)
{
	struct owner *o = ctx;

	(void)e;
	if (o->image == NULL &&
	    strcmp(json_text(service, "Spec.Name"), o->name) == 0)
		o->image = xstrdup(image_in(service));
	return 0;
}

/* Nobody has the name, or we have. */
static int check_owner(struct docker *d, const char *name, struct err *e)
{
	struct owner o = { .name = name };
	struct buf path = BUF_INIT(1024);
	int rc;

	buf_adds(&path, "/services");
	docker_filter(&path, "name", name); /* those that begin so */
	rc = docker_each(d, path.str, take_owner, &o, e);
	if (rc == 0 && o.image != NULL)
		rc = check_image(o.image, e);
	buf_release(&path);
	free(o.image);
	return rc;
}

/* What service_put() wants to know. */
struct put {
	struct session *s;
	struct docker *d;
	const struct service *svc;
	char *image; /* once it is known */
};

static cJSON *make_spec(void *ctx, const cJSON *old, struct err *e)
{
	struct put *p = ctx;

	(void)e;
	return service_spec(p->svc, p->image,
			    json_int_opt(old, "Spec.TaskTemplate.ForceUpdate", 0));
}

/* Create the service, or make the one that is there like this; what it publishes is
 * let in before it is there. */
static int put(struct session *s, struct docker *d, const struct service *svc,
	       struct err *e)
{
	struct put p = { s, d, svc, NULL };
	cJSON *specs = cJSON_CreateArray(), *spec = service_spec(svc, "", 0);
	int rc = -1;

	cJSON_AddItemToArray(specs, spec);
	if (check_owner(d, svc->name, e) == 0 &&
	    service_ports_free(d, spec, e) == 0 &&
	    (p.image = service_image_ours(s, d, e)) != NULL &&
	    ports_open(s, specs, e) == 0)
		rc = service_put(s, d, svc->name, make_spec, &p, e);
	json_free(specs);
	free(p.image);
	return rc < 0 ? err_in(e, "service %s", svc->name) : 0;
}

/* ---- commands ---- */

/* Where what was deployed is to be seen: data, for a browser or curl. */
static int print_url(struct session *s, const char *host, unsigned port,
		     struct err *e)
{
	cJSON *urls = cJSON_CreateArray();
	char *url = service_url(host, port);
	int rc;

	json_add_str(urls, NULL, url);
	rc = service_print_urls(s, urls, e);
	json_free(urls);
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
	    put(s, remote_docker(&r), svc, e) == 0 &&
	    service_converge(s, remote_docker(&r), svc->name, e) == 0)
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
	if (put(s, remote_docker(&r), &svc, e) == 0)
		rc = service_converge(s, remote_docker(&r), svc.name, e);
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

/* It is ours, and has what is to be changed: another mode may have the name. */
static bool can_edit(const struct wish *w, const cJSON *service, struct err *e)
{
	return check_image(image_in(service), e) == 0 &&
	       (w->replicas < 0 ||
		json_obj(service, "Spec.Mode.Replicated", e) != NULL);
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
	if ((image = service_image_ours(w->s, w->d, e)) == NULL)
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
			      service_converge(s, w.d, name, e);
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
	const struct service_ours *ours;
	char *name[MOVES_MAX];
	size_t n;
};

static bool is_other(const struct service_ours *o, const char *image)
{
	return is_ours(image) &&
	       service_ours_which(o, service_digest(image)) == NULL;
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
	char *image = m->n > 0 ? service_image_ours(s, d, e) : NULL;
	int rc = m->n > 0 && image == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		ui_say(s->ui, "service %s: to this version", m->name[i]);
		rc = service_edit(d, m->name[i], edit_move, image, e);
		rc = rc < 0 ? err_in(e, "service %s", m->name[i]) :
			      service_converge(s, d, m->name[i], e);
	}
	free(image);
	return rc;
}

int services_move(struct session *s, struct docker *d, bool dry, size_t *n,
		  struct err *e)
{
	struct service_ours ours;
	struct moves m = { .ours = &ours };
	int rc = -1;

	if (service_ours_init(&ours, s, e) == 0 &&
	    docker_each(d, "/services", take_move, &m, e) == 0)
		rc = dry ? 0 : move_all(s, d, &m, e);
	*n = m.n;
	for (size_t i = 0; i < m.n; i++) {
		if (dry && rc == 0)
			ui_say(s->ui, "service %s: would go to this version",
			       m.name[i]);
		free(m.name[i]);
	}
	service_ours_release(&ours);
	return rc;
}

/* public: it has ports, which are closed behind it. */
static int destroy(struct session *s, const char *name, bool public, struct err *e)
{
	struct remote r;
	int rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);

	if (rc == 0 && check_owner(remote_docker(&r), name, e) < 0)
		rc = err_in(e, "service %s", name);
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
