/*
 * Machines: what a driver program is told, when it is run, and what power
 * state follows.  Without a driver a machine is a power state and some time.
 * Here is the only place where the lock is given up for something that can
 * take minutes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/run.h"
#include "emulator/arm/gallery.h"
#include "emulator/arm/image.h"
#include "emulator/arm/network.h"
#include "emulator/arm/vmss.h"
#include "emulator/dhcp.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/ops.h"
#include "emulator/store.h"
#include "emulator/wire.h"

static const struct {
	const char *verb;
	const char *power; /* what the machine is afterwards */
	unsigned paper_ms; /* how long it takes without a driver */
	unsigned bound_s;  /* how long a driver may take */
	bool provisions;   /* the driver needs a new machine.json */
} verbs[] = {
	{ "create", "running", 1200, 900, true },
	{ "start", "running", 700, 300, false },
	{ "restart", "running", 700, 400, false },
	{ "stop", "stopped", 600, 300, false },
	{ "cut", "stopped", 300, 60, false },
	{ "deallocate", "deallocated", 800, 300, false },
	{ "reimage", "running", 1200, 900, true },
	{ "delete", "gone", 600, 300, false },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

#define CAPTURE_MS 600000 /* a disk is copied */

/* ---- what a machine is ---- */

static bool is_instance(const struct entry *n)
{
	return json_get(n->doc, "instanceId") != NULL;
}

static const cJSON *machine_ip(struct emu *m, const struct entry *n)
{
	const cJSON *nic = store_doc(
		m, json_str_opt(n->doc,
				"properties.networkProfile.networkInterfaces[0].id",
				NULL));

	return json_at(nic, "properties.ipConfigurations[0].properties");
}

const char *machine_address(struct emu *m, const struct entry *n)
{
	if (is_instance(n))
		return json_str_opt(n->hide, "address", NULL);
	return json_str_opt(machine_ip(m, n), "privateIPAddress", NULL);
}

const char *machine_subnet(struct emu *m, const struct entry *n)
{
	if (is_instance(n))
		return json_text(n->hide, "subnet");
	return json_text(machine_ip(m, n), "subnet.id");
}

struct entry *machine_by_address(struct emu *m, struct str address)
{
	struct entry *n;

	for (n = NULL; (n = store_next(m, n, "")) != NULL;)
		if (json_get(n->hide, "power") != NULL &&
		    str_eq(address, str_of(machine_address(m, n))))
			return n;
	return NULL;
}

/* Its name with the driver: the host name, or that and a number when another
 * machine in another group is called so. */
static const char *machine_name(struct emu *m, struct entry *n)
{
	const char *base = json_str_opt(n->doc,
					"properties.osProfile.computerName",
					"machine");
	const char *have;
	struct entry *other;
	char name[96];

	have = json_str_opt(n->hide, "machine", NULL);
	if (have != NULL)
		return have;
	for (unsigned i = 1;; i++) {
		snprintf(name, sizeof(name), i == 1 ? "%.64s" : "%.64s-%u",
			 base, i);
		for (other = NULL; (other = store_next(m, other, "")) != NULL;)
			if (json_is(other->hide, "machine", name))
				break;
		if (other == NULL)
			break;
	}
	json_add_str(n->hide, "machine", name);
	return json_text(n->hide, "machine");
}

/* disk: of the version in a gallery that it is made from, or NULL */
static int machine_json(struct emu *m, struct entry *n, const char *dir,
			const char *disk, struct err *e)
{
	const cJSON *props = json_get(n->doc, "properties"), *v;
	const char *custom =
		is_instance(n) ?
			cJSON_GetStringValue(vmss_model(m, n, "customData")) :
			json_str_opt(n->hide, "customData", NULL);
	struct buf b = BUF_INIT(1u << 20);
	struct entry *a = NULL;
	char *path = xasprintf("%s/machine.json", dir),
	     *ca = xasprintf("%s/ca.pem", m->dir);
	char *vnet = xstrdup(machine_subnet(m, n)),
	     *cut = strstr(vnet, "/subnets/");
	unsigned prefix = MACHINES_PREFIX;
	uint8_t mac[6];
	uint32_t range;
	cJSON *doc;
	int rc;

	if (cut != NULL)
		*cut = '\0';
	network_subnet_range(m, vnet, &range, &prefix);
	doc = json_fmt("@machine", machine_name(m, n), m->net,
		       json_text(n->doc, "id"), machine_address(m, n),
		       (int)prefix, json_text(props, "osProfile.adminUsername"),
		       custom, json_at(props, "storageProfile.imageReference"),
		       json_text(props, "hardwareProfile.vmSize"),
		       json_text(n->doc, "location"), ca);
	cJSON_ArrayForEach(
		v, json_at(props, "osProfile.linuxConfiguration.ssh.publicKeys"))
		json_add_str(json_get_mut(doc, "keys"), NULL,
			     json_text(v, "keyData"));
	if (m->o.provision_s > 0) {
		char text[18];

		dhcp_mac(machine_address(m, n), mac);
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
			 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		json_set(doc, "azure",
			 json_fmt("{'mac':%s,'vmId':%s}", text,
				  json_text(props, "vmId")));
	}
	if (disk != NULL)
		json_add_str(doc, "disk", disk);
	while ((a = store_typed(m, a, "Microsoft.Storage/storageAccounts")) != NULL)
		json_defaults(doc,
			      "{'hosts':{'%s.blob.core.localhost':'168.63.129.16',"
			      "'%s.file.core.localhost':'168.63.129.16'}}",
			      json_text(a->doc, "name"),
			      json_text(a->doc, "name"));
	json_print_pretty(doc, &b);
	rc = buf_check(&b, "machine.json", e);
	if (rc == 0)
		rc = dir_make(dir, 0700, e);
	if (rc == 0)
		rc = file_write(path, buf_str(&b), 0600, e);
	json_burn(doc);
	buf_burn(&b);
	free(path);
	free(ca);
	free(vnet);
	return rc;
}

int machine_idle(struct emu *m, const char *key)
{
	struct entry *n;

	while ((n = store_find(m, key)) != NULL && n->busy > 0)
		if (op_wait(m, 500) < 0)
			return -1;
	return n != NULL ? 0 : -1;
}

/* ---- the driver ---- */

/* What it says goes to out; script: for exec, or NULL.  The lock is not held. */
static int run_driver(struct emu *m, const char *verb, const char *name,
		      const char *dir, const char *script, struct buf *out,
		      unsigned bound_s, int *code, struct err *e)
{
	const char *argv[] = {
		m->o.machines, verb, name,   dir, script != NULL ? "--" : NULL,
		"/bin/sh",     "-c", script, NULL
	};

	return run_program(argv, NULL, out, now_ms() + (int64_t)bound_s * 1000,
			   code, e);
}

static char *machine_dir(struct emu *m, const char *name)
{
	return xasprintf("%s/machines/%s", m->dir, name);
}

/* The last line a driver said, for the error that Azure would give. */
static void last_line(const struct buf *log, char *out, size_t size)
{
	struct str s = str_trim(buf_str(log));
	struct buf b = BUF_INIT(size - 1);
	ptrdiff_t at = str_rchr(s, '\n');

	s = str_head(str_skip(s, (size_t)(at + 1)), size - 2);
	buf_add_clean(&b, str_whole(s));
	memcpy(out, b.str, b.n + 1);
	buf_release(&b);
}

static void set_power(struct entry *n, const char *power)
{
	json_put_str(n->hide, "power", power);
	json_set(n->hide, "changed", json_fmt("%t"));
	if (strcmp(power, "gone") != 0)
		json_put_str(n->hide, "want", power);
}

/* A driver that failed is asked what there is now. */
static void ask_power(struct emu *m, const char *key, const char *name,
		      const char *dir)
{
	struct buf out = BUF_INIT(256);
	struct err e = ERR_INIT;
	struct entry *n;
	const char *power = "unknown";
	int code = -1;

	pthread_mutex_unlock(&m->lock);
	run_driver(m, "status", name, dir, NULL, &out, 20, &code, &e);
	pthread_mutex_lock(&m->lock);
	if (code == 0 && str_starts(buf_str(&out), STR("running")))
		power = "running";
	else if (code == 0)
		power = "stopped";
	if ((n = store_find(m, key)) != NULL)
		json_put_str(n->hide, "power", power);
	buf_release(&out);
}

/* One verb on one machine.  Lock held, let go while the driver works. */
static int drive(struct emu *m, size_t v, const char *key, struct fault *f)
{
	struct entry *n = store_find(m, key);
	struct buf log = BUF_INIT(256u << 10);
	struct err e = ERR_INIT;
	char line[512], *name, *dir, *log_path, *disk = NULL;
	struct entry *version;
	int code = 0, rc;

	if (n == NULL)
		return 0;
	name = xstrdup(machine_name(m, n));
	dir = machine_dir(m, name);
	rc = 0;
	/* a reimage may bring another model's custom data */
	if (verbs[v].provisions) {
		version = image_gallery_version(m, n, f);
		disk = version != NULL ? gallery_disk(m, version) : NULL;
		rc = f->error != NULL ?
			     err_set(&e, ERR_USAGE, "its image is gone") :
			     machine_json(m, n, dir, disk, &e);
	}
	if (rc == 0) {
		wire_begin(n, verbs[v].provisions);
		emu_log(m, "machine %s: %s", name, verbs[v].verb);
		pthread_mutex_unlock(&m->lock);
		rc = run_driver(m, verbs[v].verb, name, dir, NULL, &log,
				verbs[v].bound_s, &code, &e);
		log_path = xasprintf("%s/driver.log", dir);
		if (file_exists(dir)) {
			struct err ignored = ERR_INIT;

			file_write(log_path, buf_str(&log), 0600, &ignored);
		}
		free(log_path);
		pthread_mutex_lock(&m->lock);
	}
	last_line(&log, line, sizeof(line));
	if (rc == 0 && code == 0) {
		if ((n = store_find(m, key)) != NULL)
			set_power(n, verbs[v].power);
		if (strcmp(verbs[v].verb, "delete") == 0 &&
		    dir_remove(dir, &e) < 0)
			emu_log(m, "machine %s: %s", name, e.msg);
		emu_log(m, "machine %s: %s done", name, verbs[v].verb);
	} else {
		emu_log(m, "machine %s: %s failed: %s", name, verbs[v].verb,
			rc < 0 ? e.msg : line);
		if (!m->stopping)
			ask_power(m, key, name, dir);
		rc = fault_set(f, 409,
			       "%s %s: The operation '%s' of VM '%s' failed: %s",
			       verbs[v].provisions ?
				       "OSProvisioningInternalError" :
				       "VMActionFailed",
			       key, verbs[v].verb, name, rc < 0 ? e.msg : line);
	}
	store_changed(m);
	buf_burn(&log);
	free(name);
	free(dir);
	free(disk);
	return rc;
}

/* ---- several at once ---- */

struct gang {
	struct emu *m;
	size_t verb;
	const cJSON *next; /* key to be done next */
	struct fault *f;
	unsigned working;
	int rc;
};

/* Take keys until there are none left.  Lock held at both ends. */
static void gang_work(struct gang *g)
{
	struct emu *m = g->m;
	const cJSON *k;

	while ((k = g->next) != NULL && !m->stopping) {
		struct fault f = { 0, NULL };
		int rc;

		if (m->drivers >= DRIVERS_MAX) {
			op_wait(m, 1000);
			continue;
		}
		g->next = k->next;
		m->drivers++;
		rc = drive(m, g->verb, k->valuestring, &f);
		m->drivers--;
		pthread_cond_broadcast(&m->changed);
		/* a driver's place is not kept by who has yet to say that he is up */
		if (rc == 0 && verbs[g->verb].provisions && m->o.provision_s > 0)
			rc = wire_await(m, k->valuestring, &f);
		if (rc < 0) {
			g->rc = -1;
			if (g->f->error == NULL) {
				*g->f = f;
				f.error = NULL;
			}
		}
		fault_release(&f);
	}
	g->working--;
	pthread_cond_broadcast(&m->changed);
}

static void *gang_thread(void *p)
{
	struct gang *g = p;
	struct emu *m = g->m;

	pthread_mutex_lock(&m->lock);
	gang_work(g);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static int on_paper(struct emu *m, size_t v, const cJSON *keys)
{
	const cJSON *k;
	struct entry *n;

	if (op_sleep(m, verbs[v].paper_ms) < 0)
		return -1;
	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL)
			set_power(n, verbs[v].power);
	return 0;
}

static bool is_made(const struct emu *m, const struct entry *n)
{
	return json_is(n->hide, "power", "running") &&
	       (m->o.provision_s == 0 || wire_provisioned(n));
}

/* Can the images they are to be made from be had? */
static int check_images(struct emu *m, const cJSON *keys, struct fault *f)
{
	const cJSON *k;
	struct entry *n;

	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL &&
		    image_gallery_version(m, n, f) == NULL && f->error != NULL)
			return -1;
	return 0;
}

int machines_run(struct emu *m, const char *verb, const cJSON *keys,
		 struct fault *f)
{
	struct gang g = { .m = m, .f = f, .next = keys->child };
	int n = cJSON_GetArraySize(keys), rc;
	const cJSON *k;
	struct entry *e;

	while (strcmp(verbs[g.verb].verb, verb) != 0)
		g.verb++;
	if (n == 0)
		return 0;
	if (verbs[g.verb].provisions && check_images(m, keys, f) < 0) {
		rc = -1;
	} else if (m->netns == NULL) {
		rc = on_paper(m, g.verb, keys);
	} else {
		/* this thread is one of the gang */
		g.working = 1;
		for (int i = 1; i < n && i < DRIVERS_MAX; i++) {
			g.working++;
			if (emu_thread_start(gang_thread, &g) < 0)
				g.working--;
		}
		gang_work(&g);
		while (g.working > 0)
			pthread_cond_wait(&m->changed, &m->lock);
		rc = m->stopping ? -1 : g.rc;
	}
	if (strcmp(verb, "create") == 0)
		cJSON_ArrayForEach(k, keys)
			if ((e = store_find(m, k->valuestring)) != NULL &&
			    is_instance(e))
				entry_state(e, is_made(m, e) ? "Succeeded" :
							       "Failed");
	return rc;
}

int machine_capture(struct emu *m, const char *key, const char *disk,
		    struct fault *f)
{
	struct entry *n = store_find(m, key);
	char *name = xstrdup(machine_name(m, n)), *dir = machine_dir(m, name);
	const char *argv[] = { m->o.machines, "capture", name, dir, disk, NULL };
	struct buf log = BUF_INIT(64u << 10);
	struct err e = ERR_INIT, ignored = ERR_INIT;
	char line[512];
	int code = -1, rc;

	emu_log(m, "machine %s: capture", name);
	pthread_mutex_unlock(&m->lock);
	rc = run_program(argv, NULL, &log, now_ms() + CAPTURE_MS, &code, &e);
	if (rc < 0 || code != 0)
		dir_remove(disk, &ignored);
	pthread_mutex_lock(&m->lock);
	last_line(&log, line, sizeof(line));
	if (rc < 0 || code != 0)
		rc = fault_set(f, 409,
			       "InternalExecutionError: Replication failed in "
			       "this region due to '%s'",
			       rc < 0 ? e.msg : line);
	emu_log(m, "machine %s: capture %s", name, rc < 0 ? "failed" : "done");
	buf_burn(&log);
	free(name);
	free(dir);
	return rc;
}

int machine_exec(struct emu *m, const char *key, const char *script,
		 struct buf *out, int *status)
{
	struct entry *n = store_find(m, key);
	struct err e = ERR_INIT;
	char *name, *dir;
	int rc;

	if (n == NULL || m->netns == NULL)
		return op_sleep(m, 500);
	name = xstrdup(machine_name(m, n));
	dir = machine_dir(m, name);
	pthread_mutex_unlock(&m->lock);
	rc = run_driver(m, "exec", name, dir, script, out, 600, status, &e);
	pthread_mutex_lock(&m->lock);
	free(name);
	free(dir);
	return rc;
}

/* ---- start and stop ---- */

int machines_up(struct emu *m, struct err *e)
{
	struct buf out = BUF_INIT(64u << 10);
	struct str s, line, last = STR_NULL;
	int code = -1, rc;

	rc = run_driver(m, "up", m->net, m->dir, NULL, &out, 120, &code, e);
	if (rc == 0 && code != 0) {
		char why[256];

		last_line(&out, why, sizeof(why));
		rc = err_set(e, ERR_IO, "%s up: exit %d: %s", m->o.machines,
			     code, why);
	}
	/* stdout and stderr come together: the path is a line of its own */
	for (s = buf_str(&out); rc == 0 && str_next(&s, '\n', &line);)
		if (str_starts(line, STR("/")))
			last = str_trim(line);
	if (rc == 0 && last.n == 0)
		rc = err_set(e, ERR_PROTO, "%s up: it named no network namespace",
			     m->o.machines);
	if (rc == 0)
		m->netns = str_dup(last);
	buf_release(&out);
	return rc;
}

/*
 * Not by run_program(): the interrupt that ends the emulator would end it,
 * too, and it is what has to be run after one.
 */
void machines_down(struct emu *m)
{
	int64_t end = now_ms() + 120000;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		if (m->log_fd >= 0) {
			dup2(m->log_fd, 1);
			dup2(m->log_fd, 2);
		}
		execlp(m->o.machines, m->o.machines, "down", m->net, m->dir,
		       (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(50000);
	}
}

static int run_resume(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *keys = json_get(op->args, "start"), *k;
	struct entry *n;
	int rc = machines_run(m, "create", json_get(op->args, "create"), f);

	if (machines_run(m, "start", keys, f) < 0)
		rc = -1;
	cJSON_ArrayForEach(k, keys)
		if ((n = store_find(m, k->valuestring)) != NULL)
			entry_state(n, "Succeeded");
	return rc;
}

void machines_resume(struct emu *m)
{
	cJSON *args = json_fmt("{'start':[],'create':[]}"),
	      *busy = cJSON_CreateArray();
	struct fault f = { 0, NULL };
	struct entry *n;

	for (n = NULL; (n = store_next(m, n, "")) != NULL;) {
		char *disk;

		if (!json_is(n->hide, "want", "running"))
			continue;
		disk = xasprintf("%s/machines/%s/machine.json", m->dir,
				 machine_name(m, n));
		json_add_str(json_get_mut(args, file_exists(disk) ? "start" :
								    "create"),
			     NULL, n->key);
		json_add_str(busy, NULL, n->key);
		json_put_str(n->hide, "power", "starting");
		free(disk);
	}
	if (cJSON_GetArraySize(busy) == 0) {
		json_free(args);
		json_free(busy);
		return;
	}
	op_start(m, OP_COMPUTE, "", "resume", "2024-07-01", run_resume, args,
		 busy, &f);
	fault_release(&f);
}
