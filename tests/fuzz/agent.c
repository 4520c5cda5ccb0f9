/*
 * An agent.  The input's first line is
 *
 *	h WHO		a connection to its health port, up to "--"
 *	w WHO		its watcher for a minute, then the same
 *	l WHO		`agent leave`, in front of the same peers
 *	r		a connection to its registry
 *
 * where WHO is w for a worker, m for a master; then blocks of peers.h.  No
 * master is ever made to leave or to join by its agent, whatever engine and
 * helpers say, and nobody is healthy without a word why.
 */
#include "tests/fuzz/node.h"

#include <sys/mman.h>

#include "base/file.h"

/* Nothing is kept on the disk. */
static int forget_dir(const char *path, unsigned mode, struct err *e)
{
	(void)path, (void)mode, (void)e;
	return 0;
}

static int forget_file(const char *path, struct str text, unsigned mode,
		       struct err *e)
{
	must(strncmp(path, "/nonexistent/", 13) == 0 && mode == 0600);
	(void)text, (void)e;
	return 0;
}

#define dir_make forget_dir
#define file_write forget_file
#define life_save forget_life
#include "node/agent.c"
#undef dir_make
#undef file_write
#undef life_save

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WATCH_MS 60000

static bool is_master;

static unsigned usual(char who, struct str verb, struct str path, struct buf *body)
{
	if (who == 'e')
		return engine_usual(verb, path, body);
	if (str_starts(path, STR("/nonce"))) {
		buf_adds(body, "{\"nonce\":\"");
		for (int i = 0; i < AUTH_NONCE_HEX; i++)
			buf_addc(body, 'a');
		buf_adds(body, "\"}");
		return 200;
	}
	if (str_starts(path, STR("/evict/"))) {
		buf_adds(body, "{\"stage\":\"out\"}");
		return 200;
	}
	buf_adds(body, "{\"token\":\"t\",\"remote\":\"10.0.0.10:2377\","
		       "\"role\":\"worker\",\"state\":\"ready\","
		       "\"availability\":\"active\"}");
	return 200;
}

static void asked(char who, struct str verb, struct str path, struct str body)
{
	(void)verb, (void)body;
	for (size_t i = 0; i < path.n; i++)
		must((unsigned char)path.p[i] > ' ' &&
		     (unsigned char)path.p[i] < 0x7f);
	if (who == 'e' && is_master)
		must(str_find(path, STR("/swarm/leave")) < 0 &&
		     str_find(path, STR("/swarm/join")) < 0);
	if (who == 'h')
		must(str_find(path, STR("/join/manager")) < 0);
}

/* ---- the agent ---- */

static void agent(char what, struct str said)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	struct err e = ERR_INIT;
	const char *why = NULL;

	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->figures_lock, NULL);
	buf_init(&a->figures, FIGURES_TEXT_MAX);
	node_machine(&a->config, is_master);
	must(ask_init(&a->ask, &a->config, &e) == 0);
	imds_init(&a->imds, &a->config);
	lacks_init(&a->lacks, &a->config);
	a->view = (struct agent_view){
		.master = is_master,
		.node_id = a->node_id,
		.joined_id = a->joined_id,
	};
	docker_init_unix(&a->docker, a->config.docker_socket);
	a->docker.timeout_ms = ENGINE_MS;
	if (what == 'w') {
		peers.end_ms = now_ms() + WATCH_MS;
		watch(a);
		peers.end_ms = INT64_MAX;
	}
	must(agent_healthy(&a->view, &why) == (strcmp(why, "ok") == 0));
	serve_lines(agent_handle, a, IDLE_MS, said);
	docker_release(&a->docker);
	ask_release(&a->ask);
	node_config_burn(&a->config);
	buf_release(&a->figures);
	pthread_mutex_destroy(&a->figures_lock);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void leaves(void)
{
	struct leaving l = { .began_ms = now_ms() };
	struct err e = ERR_INIT;

	node_machine(&l.config, is_master);
	l.deadline_ms = l.began_ms + LEAVE_MS;
	must(ask_init(&l.ask, &l.config, &e) == 0);
	docker_init_unix(&l.docker, l.config.docker_socket);
	must(go(&l, &e) == 0 || e.msg[0] != '\0');
	/* what systemd grants, and one answer that came late */
	must(now_ms() - l.began_ms <= LAYOUT_STOP_S * 1000);
	docker_release(&l.docker);
	ask_release(&l.ask);
	node_config_burn(&l.config);
}

/* ---- the registry, with a small program in its image ---- */

static const struct image *small_image(void)
{
	static struct image image;
	struct err e = ERR_INIT;
	char path[40];
	int fd;

	if (image.oci.length > 0)
		return &image;
	fd = memfd_create("program", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 100000) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(image_init(&image, path, ELF_OWN, "1.0", &e) == 0);
	return &image;
}

static void registry(void *ctx, struct http_exchange *x)
{
	struct err e = ERR_INIT;

	registry_handle(ctx, "", x, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, line = STR_NULL, said;
	char what;

	json_init();
	str_next(&in, '\n', &line);
	what = line.n > 0 ? line.p[0] : 'h';
	is_master = line.n > 2 && line.p[2] == 'm';
	said = peers_first(&in);
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	engine_self = is_master ? "n0" : "n1";
	if (what == 'r')
		serve_lines(registry, (void *)(uintptr_t)small_image(), IDLE_MS,
			    said);
	else if (what == 'l')
		leaves();
	else
		agent(what, said);
	return 0;
}
