#ifndef NODE_MONITOR_H
#define NODE_MONITOR_H

#include "base/json.h"
#include "docker/docker.h"
#include "node/rows.h"

/*
 * The cluster as a page: nodes, services and tasks, live.  What is shown is
 * made anew from a few fields that are named in monitor.c, so that nothing
 * else of what the engine tells (environments, labels, secrets' names) comes
 * out; what is asked goes nowhere near the engine.
 *
 * Plots (trend.h) are of what the nodes' agents tell on their health ports,
 * the timeline (timeline.h) is of what differs between two readings.
 */
#define MONITOR_CLIENTS_MAX 64 /* watching at once; more get 503 */
#define MONITOR_TASKS_MAX 20000
#define MONITOR_STATE_MAX (8u << 20) /* of the JSON */

/* What one reading of the engine gathers, element by element. */
struct monitor_view_service {
	char id[32];
	char name[64];	 /* "": of a service that is gone, with tasks left */
	char update[32]; /* how its update stands, or "" */
	bool replicated;
	unsigned running, desired;
	int64_t failed_at; /* unix time, 0: never */
	char failure[160]; /* of the newest task that failed */
};
/* One that runs, whether it shall or not. */
struct monitor_view_task {
	char id[32], node[32];
	char container[33]; /* the beginning of its container's ID */
	unsigned service;   /* index */
};
struct monitor_view {
	int64_t now; /* unix time */
	struct monitor_view_service *services;
	size_t n_services;
	struct docker_node *table;
	size_t n_table;
	struct monitor_view_task *list;
	size_t n_list;
	size_t n_tasks;
	bool restless; /* a task is on its way somewhere */
	struct rows nodes, services_rows, tasks;
	struct buf names; /* of nodes, a blank behind each */
};
void monitor_view_init(struct monitor_view *v, int64_t now);
void monitor_view_release(struct monitor_view *v);
/* One element of the engine's list of tasks, nodes, services; services last,
 * for they tell how many of their tasks run. */
int monitor_view_task(void *view, const cJSON *task, struct err *e);
int monitor_view_node(void *view, const cJSON *node, struct err *e);
int monitor_view_service(void *view, const cJSON *service, struct err *e);
/* The document of /api/state; v NULL: nothing was ever read. */
void monitor_view_write(const struct monitor_view *v, const char *title,
			const char *error, struct buf *out);
/* What makes the document of `was` to that of `now`; see rows_diff(). */
void monitor_view_change(const struct monitor_view *was,
			 const struct monitor_view *now, const char *title,
			 const char *error, struct buf *out);

/*
 * Whether a request with this Host is for us: an address, "localhost", or one
 * of the names (separated by blanks), with a port or without.  Any other is
 * somebody's page, whose name was bent to our address so that the browser lets
 * it read (DNS rebinding); an address cannot be bent.
 */
bool monitor_is_host(struct str host, const char *names);

/* `azswarm monitor`, until asked to stop.  Environment: LISTEN (an address),
 * PORT, HOST (the title), NAMES (what else it is called, see above; HOST and
 * the nodes' names count, too), DOCKER_HOST ("unix://PATH" only). */
int monitor_run(struct err *e);

#endif
