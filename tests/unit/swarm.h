/*
 * A cluster for tests of helper and agent, without root: an engine that has a
 * node table, configurations in a directory of our own, and the daemons as
 * child processes with their logs.
 */
#ifndef TESTS_UNIT_SWARM_H
#define TESTS_UNIT_SWARM_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/net.h"
#include "node/node.h"
#include "tests/unit/engine.h"
#include "tls/tls.h"

#define ROWS 24

struct row {
	char id[16], hostname[65], addr[16], state[16], availability[8];
	/* its labels azswarm.leaving, .evict and .stop; "": not there */
	char leaving[16], evict[160], stop[32];
	char program[32], lacks[32], files[20]; /* .version, .lacks, .files */
	bool manager;
	unsigned version, born;
	unsigned tasks; /* of the service, running on it */
};

/* One engine; a manager keeps the table. */
struct swarm {
	struct engine engine;
	char state[16]; /* of its own node: inactive, active... */
	bool manager;
	char node_id[16];
	struct row rows[ROWS];
	struct swarm *of;  /* a worker's manager */
	unsigned replicas; /* of the one service, web */
	char calls[65536]; /* what changed something, one a line */
	unsigned next_id;
	unsigned removed,
		removed_most; /* between two looks at the table; at most */
	bool refuse_join;
	int slow_ms;	   /* every look at the table */
	int hang_ms;	   /* and every ping */
	char gateway[256]; /* docker_gwbridge as it was made; "": there is none */
	char error[64];	   /* of its swarm */
	char cluster[16]; /* its ID; "": cl1 */
	char key[40];	  /* of a swarm with autolock */
	char remote[24];  /* of another manager that it knows; "": none */
};

static inline void swarm_note(struct swarm *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void swarm_note(struct swarm *s, const char *fmt, ...)
{
	size_t n = strlen(s->calls);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->calls + n, sizeof(s->calls) - n, fmt, ap);
	va_end(ap);
	n = strlen(s->calls);
	snprintf(s->calls + n, sizeof(s->calls) - n, "\n");
}

static inline struct row *swarm_row(struct swarm *s, const char *id)
{
	for (int i = 0; i < ROWS; i++)
		if (s->rows[i].id[0] != '\0' && strcmp(s->rows[i].id, id) == 0)
			return &s->rows[i];
	return NULL;
}

/* A new row; its ID. */
static inline struct row *swarm_add(struct swarm *s, const char *hostname,
				    const char *addr, bool manager)
{
	for (int i = 0; i < ROWS; i++) {
		struct row *r = &s->rows[i];

		if (r->id[0] != '\0')
			continue;
		memset(r, 0, sizeof(*r));
		r->born = ++s->next_id;
		snprintf(r->id, sizeof(r->id), "node%u", r->born);
		snprintf(r->hostname, sizeof(r->hostname), "%s", hostname);
		snprintf(r->addr, sizeof(r->addr), "%s", addr);
		strcpy(r->state, "ready");
		strcpy(r->availability, "active");
		r->manager = manager;
		r->version = 10;
		return r;
	}
	abort();
}

static inline void swarm_label_json(char *out, size_t size, const char *name,
				    const char *value)
{
	size_t n = strlen(out);

	if (*value != '\0')
		snprintf(out + n, size - n, "%s\"azswarm.%s\":\"%s\"",
			 n > 0 ? "," : "", name, value);
}

static inline size_t swarm_row_json(const struct row *r, char *out, size_t size)
{
	char labels[340] = "";

	swarm_label_json(labels, sizeof(labels), "leaving", r->leaving);
	swarm_label_json(labels, sizeof(labels), "evict", r->evict);
	swarm_label_json(labels, sizeof(labels), "stop", r->stop);
	swarm_label_json(labels, sizeof(labels), "version", r->program);
	swarm_label_json(labels, sizeof(labels), "lacks", r->lacks);
	swarm_label_json(labels, sizeof(labels), "files", r->files);
	return (size_t)snprintf(
		out, size,
		"{\"ID\":\"%s\",\"Version\":{\"Index\":%u},"
		"\"CreatedAt\":\"2026-11-23T04:55:%02uZ\",\"Spec\":{\"Labels\":{%s},\"Role\":\"%s\","
		"\"Availability\":\"%s\"},\"Description\":{\"Hostname\":\"%s\"},\"Status\":{\"State\":\"%s\","
		"\"Addr\":\"%s\"}%s}",
		r->id, r->version, r->born, labels,
		r->manager ? "manager" : "worker", r->availability, r->hostname,
		r->state, r->addr,
		r->manager ?
			",\"ManagerStatus\":{\"Leader\":true,\"Reachability\":\"reachable\"}" :
			"");
}

static inline void swarm_refuse(struct engine_reply *r, unsigned status,
				const char *message)
{
	r->status = status;
	snprintf(r->buf, sizeof(r->buf), "{\"message\":\"%s\"}", message);
	r->body = r->buf;
}

static inline void swarm_update(struct swarm *s, struct row *row,
				const char *body, struct engine_reply *r)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(body), "update", &e);
	const cJSON *labels = json_at(doc, "Labels");
	const char *program = json_str_opt(json_get(labels, "azswarm.version"),
					   "", "");
	const char *lacks = json_str_opt(json_get(labels, "azswarm.lacks"), "",
					 "");
	bool other = strcmp(row->program, program) != 0,
	     lacking = strcmp(row->lacks, lacks) != 0;

	snprintf(row->leaving, sizeof(row->leaving), "%s",
		 json_str_opt(json_get(labels, "azswarm.leaving"), "", ""));
	snprintf(row->evict, sizeof(row->evict), "%s",
		 json_str_opt(json_get(labels, "azswarm.evict"), "", ""));
	snprintf(row->stop, sizeof(row->stop), "%s",
		 json_str_opt(json_get(labels, "azswarm.stop"), "", ""));
	snprintf(row->program, sizeof(row->program), "%s", program);
	snprintf(row->availability, sizeof(row->availability), "%s",
		 json_str_opt(doc, "Availability", "?"));
	row->manager = strcmp(json_str_opt(doc, "Role", ""), "manager") == 0;
	row->version++;
	snprintf(row->lacks, sizeof(row->lacks), "%s", lacks);
	snprintf(row->files, sizeof(row->files), "%s",
		 json_str_opt(json_get(labels, "azswarm.files"), "", ""));
	if (lacking)
		swarm_note(s, "lacks %s %s|%s", row->hostname, row->lacks,
			   row->availability);
	if (other)
		swarm_note(s, "version %s %s", row->hostname, row->program);
	else if (!lacking)
		swarm_note(s, "update %s %s %s|%s|%s", row->hostname,
			   row->availability, row->leaving, row->evict,
			   row->stop);
	r->status = 200;
	json_free(doc);
}

static inline void swarm_node_call(struct swarm *s, const char *method,
				   const char *rest, const char *body,
				   struct engine_reply *r)
{
	char id[32];
	size_t n = strcspn(rest, "/?");
	struct row *row;

	snprintf(id, sizeof(id), "%.*s", (int)(n < 31 ? n : 31), rest);
	row = swarm_row(s, id);
	if (row == NULL) {
		swarm_refuse(r, 404, "node not found");
	} else if (strcmp(method, "GET") == 0) {
		swarm_row_json(row, r->buf, sizeof(r->buf));
		r->body = r->buf;
	} else if (strcmp(method, "POST") == 0) {
		swarm_update(s, row, body, r);
	} else if (strstr(rest, "force=1") != NULL) {
		swarm_refuse(r, 400, "by force, whether it is down or not");
	} else if (strcmp(row->state, "down") != 0) {
		swarm_refuse(r, 400, "node is not down and can't be removed");
	} else {
		swarm_note(s, "remove %s", row->hostname);
		if (++s->removed > s->removed_most)
			s->removed_most = s->removed;
		row->id[0] = '\0';
	}
}

static inline void swarm_list(struct swarm *s, struct engine_reply *r)
{
	size_t n = 0;

	s->removed = 0;
	n += (size_t)snprintf(r->buf, sizeof(r->buf), "[");
	for (int i = 0; i < ROWS; i++)
		if (s->rows[i].id[0] != '\0') {
			if (n > 1)
				n += (size_t)snprintf(r->buf + n,
						      sizeof(r->buf) - n, ",");
			n += swarm_row_json(&s->rows[i], r->buf + n,
					    sizeof(r->buf) - n);
		}
	snprintf(r->buf + n, sizeof(r->buf) - n, "]");
	r->body = r->buf;
}

/* Every row's tasks, all of the one service. */
static inline void swarm_tasks(struct swarm *s, struct engine_reply *r)
{
	size_t n = (size_t)snprintf(r->buf, sizeof(r->buf), "[");

	for (int i = 0; i < ROWS; i++)
		for (unsigned k = 0;
		     s->rows[i].id[0] != '\0' && k < s->rows[i].tasks; k++)
			n += (size_t)snprintf(
				r->buf + n, sizeof(r->buf) - n,
				"%s{\"ID\":\"%st%u\","
				"\"ServiceID\":\"web\",\"NodeID\":\"%s\",\"DesiredState\":\"running\","
				"\"Status\":{\"State\":\"running\"}}",
				n > 1 ? "," : "", s->rows[i].id, k,
				s->rows[i].id);
	snprintf(r->buf + n, sizeof(r->buf) - n, "]");
	r->body = r->buf;
}

/* The container of the task that a filter names has its name with a c. */
static inline void swarm_container(const char *path, struct engine_reply *r)
{
	const char *at = strstr(path, "task.id%3D");

	at = at != NULL ? at + 10 : "";
	snprintf(r->buf, sizeof(r->buf), "[{\"Id\":\"c%.*s\"}]",
		 (int)strcspn(at, "%"), at);
	r->body = r->buf;
}

static inline void swarm_join_call(struct swarm *s, const char *body,
				   struct engine_reply *r)
{
	char name[64] = "";
	struct row *row;

	if (s->refuse_join || s->of == NULL ||
	    strstr(body, "\"JoinToken\":\"token-worker\"") == NULL ||
	    strstr(body, "\"RemoteAddrs\":[\"127.0.0.1:2377\"]") == NULL) {
		swarm_refuse(r, 503, "cannot join");
		return;
	}
	gethostname(name, sizeof(name));
	pthread_mutex_lock(&s->of->engine.lock);
	row = swarm_add(s->of, name, "127.0.0.1", false);
	strcpy(s->node_id, row->id);
	pthread_mutex_unlock(&s->of->engine.lock);
	strcpy(s->state, "active");
	swarm_note(s, "join");
}

static inline void swarm_leave_call(struct swarm *s, const char *target)
{
	swarm_note(s, "leave%s",
		   strstr(target, "force=1") != NULL ? " by force" : "");
	if (s->of != NULL) {
		struct row *row;

		pthread_mutex_lock(&s->of->engine.lock);
		row = swarm_row(s->of, s->node_id);
		if (row != NULL)
			strcpy(row->state, "down");
		pthread_mutex_unlock(&s->of->engine.lock);
	}
	strcpy(s->state, "inactive");
	s->node_id[0] = '\0';
}

static inline void swarm_init_call(struct swarm *s, const char *body)
{
	struct row *row = swarm_add(s, "m0", "127.0.0.1", true);

	strcpy(s->node_id, row->id);
	strcpy(s->state, "active");
	s->manager = true;
	swarm_note(s, "init %s", body);
}

/* As Docker: of a key that is not right, and when nothing is locked. */
static inline void swarm_unlock_call(struct swarm *s, const char *body,
				     struct engine_reply *r)
{
	char right[80];

	snprintf(right, sizeof(right), "{\"UnlockKey\":\"%s\"}", s->key);
	swarm_note(s, "unlock");
	if (strcmp(s->state, "locked") != 0) {
		swarm_refuse(r, 409, "swarm is not locked");
	} else if (strcmp(body, right) != 0) {
		swarm_refuse(r, 400,
			     "swarm could not be unlocked: invalid key provided");
	} else {
		strcpy(s->state, "active");
		s->manager = true;
	}
}

static inline void swarm_answer(void *ctx, const char *method, const char *target,
				const char *body, struct engine_reply *r)
{
	struct swarm *s = ctx;
	const char *path = strncmp(target, "/v1.41", 6) == 0 ? target + 6 :
							       target;

	if (strcmp(path, "/_ping") == 0) {
		r->body = "OK";
		r->delay_ms = s->hang_ms;
	} else if (strcmp(path, "/networks/docker_gwbridge") == 0) {
		if (strcmp(method, "DELETE") == 0)
			s->gateway[0] = '\0';
		else if (s->gateway[0] == '\0')
			swarm_refuse(r, 404, "network docker_gwbridge not found");
		else
			r->body = s->gateway;
	} else if (strcmp(path, "/networks/create") == 0 &&
		   strstr(body, "\"Name\":\"docker_gwbridge\"") != NULL) {
		snprintf(s->gateway, sizeof(s->gateway), "%s", body);
	} else if (strcmp(path, "/info") == 0) {
		snprintf(r->buf, sizeof(r->buf),
			 "{\"Name\":\"x\",\"Swarm\":{\"NodeID\":\"%s\","
			 "\"LocalNodeState\":\"%s\",\"Error\":\"%s\",\"ControlAvailable\":%s%s%s%s"
			 ",\"RemoteManagers\":[{\"Addr\":\"%s\"}]}}",
			 s->node_id, s->state, s->error,
			 s->manager ? "true" : "false",
			 s->manager ? ",\"Cluster\":{\"ID\":\"" : "",
			 !s->manager	       ? "" :
			 s->cluster[0] == '\0' ? "cl1" :
						 s->cluster,
			 s->manager ? "\"}" : "", s->remote);
		r->body = r->buf;
	} else if (strncmp(path,
			   "/containers/json?filters=%7B%22label%22%3A%5B%22com.docker.swarm.task"
			   ".id%3D",
			   75) == 0) {
		swarm_container(path, r);
	} else if (strncmp(path, "/containers/", 12) == 0 &&
		   strcmp(method, "POST") == 0) {
		swarm_note(s, "container %s", path + 12);
	} else if (strncmp(path, "/swarm/leave", 12) == 0) {
		swarm_leave_call(s, path);
	} else if (strcmp(path, "/swarm/join") == 0) {
		swarm_join_call(s, body, r);
	} else if (strcmp(path, "/swarm/init") == 0) {
		swarm_init_call(s, body);
	} else if (strcmp(path, "/swarm/unlock") == 0) {
		swarm_unlock_call(s, body, r);
	} else if (!s->manager) {
		swarm_refuse(r, 503, "This node is not a swarm manager.");
	} else if (strcmp(path, "/swarm") == 0) {
		r->body = "{\"JoinTokens\":{\"Worker\":\"token-worker\",\"Manager\":\"token-manager\"}}";
	} else if (strcmp(path, "/swarm/unlockkey") == 0) {
		snprintf(r->buf, sizeof(r->buf), "{\"UnlockKey\":\"%s\"}", s->key);
		r->body = r->buf;
	} else if (strcmp(path, "/nodes") == 0) {
		swarm_list(s, r);
		r->delay_ms = s->slow_ms;
	} else if (strncmp(path, "/nodes/", 7) == 0) {
		swarm_node_call(s, method, path + 7, body, r);
	} else if (strcmp(path, "/services") == 0) {
		snprintf(r->buf, sizeof(r->buf),
			 "[{\"ID\":\"web\",\"Spec\":{\"Name\":\"web\",\"Mode\":"
			 "{\"Replicated\":{\"Replicas\":%u}}}}]",
			 s->replicas);
		r->body = r->buf;
	} else if (strcmp(path, "/tasks") == 0) {
		swarm_tasks(s, r);
	} else if (strcmp(path, "/networks/ingress") == 0) {
		r->body = "{\"IPAM\":{\"Config\":[{\"Subnet\":\"10.208.0.0/20\"}]},"
			  "\"Options\":{\"com.docker.network.driver.mtu\":\"1400\"}}";
	} else {
		swarm_refuse(r, 404, "page not found");
		swarm_note(s, "unexpected %s %s", method, target);
	}
}

static inline void swarm_start(struct swarm *s, const char *dir, const char *name)
{
	snprintf(s->engine.path, sizeof(s->engine.path), "%s/%s.sock", dir, name);
	s->engine.answer = swarm_answer;
	s->engine.ctx = s;
	engine_start(&s->engine);
}

static inline void swarm_lock(struct swarm *s)
{
	pthread_mutex_lock(&s->engine.lock);
}

static inline void swarm_unlock(struct swarm *s)
{
	pthread_mutex_unlock(&s->engine.lock);
}

/* Whether the engine was told so. */
static inline bool swarm_did(struct swarm *s, const char *what)
{
	bool did;

	swarm_lock(s);
	did = strstr(s->calls, what) != NULL;
	swarm_unlock(s);
	return did;
}

/* ---- a directory with keys and configurations ---- */

struct world {
	char dir[64];
	char pin[65], worker[65], manager[65];
	unsigned helper_port, health_port;
	const char *masters; /* of what is written next; NULL: 127.0.0.1 */
	const char *listen;  /* the same */
};

static inline unsigned world_port(void)
{
	struct err e = ERR_INIT;
	unsigned port = 0;
	int fd = tcp_listen("127.0.0.1", &port, NULL, &e);

	if (fd < 0)
		abort();
	close(fd);
	return port;
}

static inline void world_file(const struct world *w, const char *name,
			      const char *text, mode_t mode)
{
	char path[128];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	if (file_write(path, str_of(text), mode, &e) < 0)
		abort();
}

static inline void world_begin(struct world *w)
{
	struct buf key = BUF_INIT(4096), hex = BUF_INIT(64);
	struct err e = ERR_INIT;
	uint8_t pin[32];

	signal(SIGPIPE, SIG_IGN);
	strcpy(w->dir, "/tmp/azswarm-test-XXXXXX");
	if (mkdtemp(w->dir) == NULL || key_make_ec_p256(&key, &e) < 0 ||
	    key_pin(buf_str(&key), pin, &e) < 0)
		abort();
	world_file(w, "helper.key", key.str, 0600);
	buf_add_hex(&hex, pin, 32);
	strcpy(w->pin, hex.str);
	memset(w->worker, 'a', 64);
	memset(w->manager, 'b', 64);
	w->helper_port = world_port();
	w->health_port = world_port();
	buf_burn(&key);
	buf_release(&hex);
}

static inline void world_end(const struct world *w)
{
	struct err e = ERR_INIT;

	dir_remove(w->dir, &e);
}

/* NAME.json; more is put behind everything else: ",\"rate\":1".  The helper's
 * socket is NAME.ctl, and there is no metadata service unless more names one. */
static inline void world_config(const struct world *w, const char *name,
				const char *role, const char *socket,
				const char *more)
{
	char text[2048], file[64], manager[128] = "";
	const char *metadata = strstr(more, "\"metadata_host\"") == NULL ?
				       ",\"metadata_host\":\"\"" :
				       "";

	if (strcmp(role, "manager") == 0)
		snprintf(manager, sizeof(manager), "\"manager_secret\":\"%s\",",
			 w->manager);
	snprintf(text, sizeof(text),
		 "{\"role\":\"%s\",\"masters\":[\"%s\"],\"helper_pin\":\"%s\","
		 "\"worker_secret\":\"%s\",%s\"docker_socket\":\"%s\",\"listen\":\"%s\","
		 "\"helper_port\":%u,\"health_port\":%u,\"run_dir\":\"%s/run-%s\","
		 "\"state_dir\":\"%s/state-%s\","
		 "\"default_addr_pool\":\"10.192.0.0/12\",\"ingress_subnet\":\"10.208.0.0/20\",\"mtu\":1400,"
		 "\"helper_socket\":\"%s/%s.ctl\"%s%s}",
		 role, w->masters != NULL ? w->masters : "127.0.0.1", w->pin,
		 w->worker, manager, socket,
		 w->listen != NULL ? w->listen : "127.0.0.1", w->helper_port,
		 w->health_port, w->dir, name, w->dir, name, w->dir, name,
		 metadata, more);
	snprintf(file, sizeof(file), "%s.json", name);
	world_file(w, file, text, 0600);
}

/*
 * Run one of the daemons ("helper", "agent", "leave") in a process of its own,
 * this very program once more; what it says goes to NAME.log.
 */
static inline pid_t world_run(const struct world *w, const char *name,
			      const char *daemon)
{
	char config[128], log[128];
	pid_t pid;
	int fd;

	snprintf(config, sizeof(config), "%s/%s.json", w->dir, name);
	snprintf(log, sizeof(log), "%s/%s.log", w->dir, name);
	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDERR_FILENO);
	execl("/proc/self/exe", "daemon", daemon, config, NULL);
	_exit(127);
}

/* What main begins with: does not return in such a process. */
static inline void world_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	json_init();
	if (argc != 3)
		return;
	rc = strcmp(argv[1], "helper") == 0 ? helper_run(argv[2], &e) :
	     strcmp(argv[1], "agent") == 0  ? agent_run(argv[2], "test", &e) :
					      agent_leave(argv[2], &e);
	if (rc < 0)
		fprintf(stderr, "failed: %s\n", e.msg);
	exit(rc < 0 ? 1 : 0);
}

/* Its exit code, or -1 when it has not ended in time (then it is killed). */
static inline int world_wait(pid_t pid, int64_t ms)
{
	int64_t until = now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int world_stop(pid_t pid)
{
	kill(pid, SIGTERM);
	return world_wait(pid, 30000);
}

static inline bool world_said(const struct world *w, const char *name,
			      const char *words)
{
	struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	char path[128];
	bool said;

	snprintf(path, sizeof(path), "%s/%s.log", w->dir, name);
	said = file_read(path, &b, &e) == 0 && strstr(b.str, words) != NULL;
	buf_release(&b);
	return said;
}

static inline void world_show(const struct world *w, const char *name)
{
	struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.log", w->dir, name);
	if (file_read(path, &b, &e) == 0)
		printf("# %s:\n%s", name, b.str);
	buf_release(&b);
}

/* systemd's socket, by path and in the abstract name space. */
static inline int notify_socket(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval t = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = strlen(name);

	memcpy(a.sun_path, name, n);
	if (*name == '@')
		a.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&a,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static inline bool notified(int fd, const char *words)
{
	char text[256];
	ssize_t n;

	while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		if (strstr(text, words) != NULL)
			return true;
	}
	return false;
}

/* Until cond holds.  ms is what a quiet machine needs at most; a busy one gets
 * six times as much. */
#define WITHIN(ms, cond) \
	({ \
		int64_t until_ = now_ms() + 6 * (ms); \
		bool so_; \
		while (!(so_ = (cond)) && now_ms() < until_) \
			usleep(20000); \
		so_; \
	})

#endif
