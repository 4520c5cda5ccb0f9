/* node/figures: what the kernel's files say, as JSON and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "node/figures.h"
#include "tests/check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* ---- files ------------------------------------------------------------------ */

static char root[64];

static void put(const char *path, const char *text)
{
	char *full = xasprintf("%s/%s", root, path);
	char *dir = xstrndup(full, (size_t)(strrchr(full, '/') - full));
	struct err e = ERR_INIT;

	/* some have names that no file of ours can have */
	if (dir_make(dir, 0700, &e) < 0 ||
	    file_write(full, str_of(text), 0600, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
	free(full);
	free(dir);
}

static void begin(void)
{
	strcpy(root, "/tmp/azswarm-test-XXXXXX");
	if (mkdtemp(root) == NULL)
		abort();
}

static void end(void)
{
	struct err e = ERR_INIT;

	dir_remove(root, &e);
}

#define HEADING \
	"Inter-|   Receive                                                |  Transmit\n" \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
#define ROUTES \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

/* A machine's files, and what they come to: cpu_ms memory rx tx. */
static const struct {
	const char *name, *stat, *meminfo, *dev, *route;
	int64_t cpu_ms, memory, rx, tx;
} machines[] = {
	{ "a machine of Azure, whose second interface counts the same again",
	  "cpu  100 20 3 4000 500 6 7 80 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
	  "MemTotal:        8000 kB\nMemFree:          10 kB\nMemAvailable:    "
	  "6000 kB\n",
	  HEADING "    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"
		  "  eth0: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
		  "enP1s1:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
		  "docker0: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n",
	  ROUTES "eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
		 "eth0\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0   "
		 "\n",
	  1360, 2000 * 1024, 1000, 200 },
	{ "without a way out, all but the loopback", "cpu  1 0 0 0 0 0 0\n",
	  "MemTotal: 1 kB\nMemAvailable: 1 kB\n",
	  HEADING
	  "lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"
	  "a:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\nb: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 "
	  "0 0\n",
	  ROUTES "eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
	  10, 0, 11, 22 },
	{ "no such files", NULL, NULL, NULL, NULL, -1, -1, -1, -1 },
	{ "empty ones", "", "", "", "", -1, -1, -1, -1 },
	{ "cut short", "cpu  1 2 3", "MemTotal: 10 kB\n",
	  "eth0: 1 2 3 4 5 6 7 8", "eth0\t00000000", -1, -1, -1, -1 },
	{ "numbers that are none", "cpu  x 1 1 1 1 1 1\n",
	  "MemTotal: -1 kB\nMemAvailable: 1 kB\n",
	  "eth0: 1 x 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n", "\t\t\t\t\t\t\t\t\n", -1,
	  -1, -1, -1 },
	{ "numbers that are too large",
	  "cpu  9007199254740992 9007199254740992 1 1 1 1 1\n",
	  "MemTotal: 9007199254740992 kB\nMemAvailable: 1 kB\n",
	  "eth0: 99999999999999999999999 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n", "",
	  -1, -1, -1, -1 },
	{ "more free than there is", "intr 1\ncpu  1 1 1 1 1 1 1\n",
	  "MemTotal: 1 kB\nMemAvailable: 2 kB\n", "no colon\n", "", -1, -1, -1,
	  -1 },
};

static void one_machine(void)
{
	struct figures *f = xmalloc(sizeof(*f));

	for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
		begin();
		if (machines[i].stat != NULL) {
			put("proc/stat", machines[i].stat);
			put("proc/meminfo", machines[i].meminfo);
			put("proc/self/net/dev", machines[i].dev);
			put("proc/self/net/route", machines[i].route);
		}
		figures_read(root, 77, f);
		checkf(f->at_ms == 77 && f->node.cpu_ms == machines[i].cpu_ms &&
			       f->node.memory == machines[i].memory &&
			       f->node.rx == machines[i].rx &&
			       f->node.tx == machines[i].tx &&
			       f->n_containers == 0,
		       machines[i].name, "cpu %lld memory %lld rx %lld tx %lld",
		       (long long)f->node.cpu_ms, (long long)f->node.memory,
		       (long long)f->node.rx, (long long)f->node.tx);
		end();
	}
	free(f);
}

/* A container's cgroup in each of the four places where it may be. */
#define V2 "sys/fs/cgroup/"
static const struct {
	const char *name, *cpu, *cpu_text, *memory, *stat, *stat_text, *procs;
} layouts[] = {
	{ "cgroup v2, by "
	  "systemd",
	  V2 "system.slice/docker-" ID ".scope/cpu.stat",
	  "usage_usec 1234567\nuser_usec 1\n",
	  V2 "system.slice/docker-" ID ".scope/memory.current",
	  V2 "system.slice/docker-" ID ".scope/memory.stat",
	  "anon 1\ninactive_file 1000\n",
	  V2 "system.slice/docker-" ID ".scope/cgroup.procs" },
	{ "cgroup v2, by Docker", V2 "docker/" ID "/cpu.stat",
	  "usage_usec 1234567\n", V2 "docker/" ID "/memory.current",
	  V2 "docker/" ID "/memory.stat", "inactive_file 1000\n",
	  V2 "docker/" ID "/cgroup.procs" },
	{ "cgroup v1, by systemd",
	  V2 "cpuacct/system.slice/docker-" ID ".scope/cpuacct.usage",
	  "1234567890\n",
	  V2 "memory/system.slice/docker-" ID ".scope/memory.usage_in_bytes",
	  V2 "memory/system.slice/docker-" ID ".scope/memory.stat",
	  "inactive_file 5\ntotal_inactive_file 1000\n",
	  V2 "cpuacct/system.slice/docker-" ID ".scope/cgroup.procs" },
	{ "cgroup v1, by Docker", V2 "cpuacct/docker/" ID "/cpuacct.usage",
	  "1234567890\n", V2 "memory/docker/" ID "/memory.usage_in_bytes",
	  V2 "memory/docker/" ID "/memory.stat", "total_inactive_file 1000\n",
	  V2 "cpuacct/docker/" ID "/cgroup.procs" },
};

static void put_layout(size_t i)
{
	begin();
	if (i < 2)
		put(V2 "cgroup.procs", "1\n");
	put(layouts[i].cpu, layouts[i].cpu_text);
	put(layouts[i].memory, "5000\n");
	put(layouts[i].stat, layouts[i].stat_text);
	put(layouts[i].procs, "4321\n4322\n");
	put("proc/self/net/dev", "eth0: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n");
	put("proc/4321/net/dev", "lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"
				 "eth0: 30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0\n"
				 "eth1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n");
}

static void containers(void)
{
	struct figures *f = xmalloc(sizeof(*f));
	const struct figures_counts *c = &f->containers[0].counts;
	char path[256];

	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
		put_layout(i);
		figures_read(root, 1, f);
		checkf(f->n_containers == 1 &&
			       strcmp(f->containers[0].id, ID) == 0 &&
			       c->cpu_ms == 1234 && c->memory == 4000 &&
			       c->rx == 31 && c->tx == 42,
		       layouts[i].name,
		       "%zu: cpu %lld memory %lld rx %lld tx %lld",
		       f->n_containers, (long long)c->cpu_ms,
		       (long long)c->memory, (long long)c->rx, (long long)c->tx);
		end();
	}

	/* in the machine's own network: the same file */
	put_layout(0);
	snprintf(path, sizeof(path), "%s/proc/4321/net/dev", root);
	unlink(path);
	{
		char own[256];

		snprintf(own, sizeof(own), "%s/proc/self/net/dev", root);
		if (link(own, path) < 0)
			abort();
	}
	figures_read(root, 1, f);
	checkf(f->n_containers == 1 && c->cpu_ms == 1234 && c->rx == -1 &&
		       c->tx == -1,
	       "one in the machine's network has no bytes of its own",
	       "rx %lld tx %lld", (long long)c->rx, (long long)c->tx);
	end();

	/* what is not a container's, or tells nothing */
	begin();
	put(V2 "cgroup.procs", "1\n");
	put(V2 "system.slice/docker.service/cpu.stat", "usage_usec 1\n");
	put(V2 "system.slice/docker-" ID ".scope.d/cpu.stat", "usage_usec 1\n");
	put(V2 "system.slice/docker-" ID "0.scope/cpu.stat", "usage_usec 1\n");
	put(V2 "system.slice/docker-.scope/cpu.stat", "usage_usec 1\n");
	put(V2 "docker/0123/cpu.stat", "usage_usec 1\n");
	put(V2
	    "docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef/cpu.stat",
	    "usage_usec 1\n");
	put(V2 "docker/" ID2 "/cpu.stat", "nothing\n");
	put(V2 "docker/" ID2 "/memory.current", "max\n");
	put(V2 "docker/" ID2 "/cgroup.procs", "-1\n");
	figures_read(root, 1, f);
	checkf(f->n_containers == 1 && strcmp(f->containers[0].id, ID2) == 0 &&
		       c->cpu_ms == -1 && c->memory == -1 && c->rx == -1,
	       "other cgroups are none, and an empty one tells nothing",
	       "%zu: cpu %lld memory %lld", f->n_containers,
	       (long long)c->cpu_ms, (long long)c->memory);
	end();

	begin();
	put(V2 "cgroup.procs", "1\n");
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), V2 "docker/%064x/cpu.stat",
			 (unsigned)i);
		put(path, "usage_usec 9007199254740992\n");
	}
	figures_read(root, FIGURES_VALUE_MAX, f);
	for (size_t i = 0; i < f->n_containers; i++)
		f->containers[i].counts = (struct figures_counts){
			FIGURES_VALUE_MAX, FIGURES_VALUE_MAX, FIGURES_VALUE_MAX,
			FIGURES_VALUE_MAX
		};
	{
		struct buf b = BUF_INIT(FIGURES_TEXT_MAX);
		struct err e = ERR_INIT;

		figures_write(f, &b);
		checkf(f->n_containers == 256 && !b.over &&
			       figures_parse(buf_str(&b), f, &e) == 0 &&
			       f->n_containers == 256,
		       "as many containers as may be fit into the text",
		       "%zu, %zu bytes, %s", f->n_containers, b.n, e.msg);
		buf_release(&b);
	}
	end();
	free(f);
}

/* This machine, by the kernel's own arithmetic. */
static void this_machine(void)
{
	struct figures *f = xmalloc(sizeof(*f)), *g = xmalloc(sizeof(*g));
	volatile unsigned spin = 0;

	figures_read("", 1, f);
	do {
		for (int i = 0; i < 1000000; i++)
			spin = spin + 1;
		figures_read("", 2, g);
	} while (g->node.cpu_ms < f->node.cpu_ms + 50);
	checkf(f->node.cpu_ms > 0 && f->node.memory > 0 &&
		       f->node.memory < sysconf(_SC_PHYS_PAGES) *
						(int64_t)sysconf(_SC_PAGESIZE),
	       "this machine", "cpu %lld memory %lld",
	       (long long)f->node.cpu_ms, (long long)f->node.memory);
	free(f);
	free(g);
}

/* ---- JSON ------------------------------------------------------------------- */

#define C(more) "{\"at_ms\":1,\"containers\":[" more "]}"

static const struct {
	const char *name, *text, *wrong; /* NULL: taken, and written as `as` */
	const char *as;
} texts[] = {
	{ "all of it",
	  "{\"at_ms\":5,\"cpu_ms\":1,\"memory\":2,\"rx\":3,\"tx\":4,"
	  "\"containers\":["
	  "{\"id\":\"" ID "\",\"cpu_ms\":6,\"memory\":7,\"rx\":8,\"tx\":9}]}",
	  NULL,
	  "{\"at_ms\":5,\"cpu_ms\":1,\"memory\":2,\"rx\":3,\"tx\":4,"
	  "\"containers\":["
	  "{\"id\":\"" ID "\",\"cpu_ms\":6,\"memory\":7,\"rx\":8,"
	  "\"tx\":9}]}\n" },
	{ "what is not told", C("{\"id\":\"" ID "\"}"), NULL,
	  C("{\"id\":\"" ID "\"}") "\n" },
	{ "out of bounds, or no number",
	  "{\"at_ms\":1,\"cpu_ms\":-5,\"memory\":1e300,\"rx\":\"7\","
	  "\"tx\":9007199254740993000,"
	  "\"containers\":[]}",
	  NULL, C("") "\n" },
	{ "words of its own",
	  "{\"at_ms\":1,\"name\":\"<b>\","
	  "\"containers\":[]}",
	  NULL, C("") "\n" },
	{ "no time", "{\"containers\":[]}", "at_ms", NULL },
	{ "a time before all",
	  "{\"at_ms\":-1,"
	  "\"containers\":[]}",
	  "at_ms", NULL },
	{ "no list", "{\"at_ms\":1}", "containers", NULL },
	{ "an ID with a quote", C("{\"id\":\"\\\"\"}"),
	  "an ID of "
	  "Docker's",
	  NULL },
	{ "an ID in capitals",
	  C("{\"id\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"}"),
	  "an ID of Docker's", NULL },
	{ "an ID too long", C("{\"id\":\"" ID "0\"}"),
	  "an ID of "
	  "Docker's",
	  NULL },
	{ "no ID", C("7"), "an ID of Docker's", NULL },
	{ "not JSON", "<html>", "not JSON", NULL },
	{ "nothing", "", "not JSON", NULL },
};

static void as_json(void)
{
	struct figures *f = xmalloc(sizeof(*f));
	struct buf b = BUF_INIT(FIGURES_TEXT_MAX);

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct err e = ERR_INIT;
		int rc = figures_parse(str_of(texts[i].text), f, &e);

		buf_reset(&b);
		if (rc == 0)
			figures_write(f, &b);
		checkf(texts[i].wrong == NULL ?
			       rc == 0 && strcmp(b.str, texts[i].as) == 0 :
			       rc < 0 && strstr(e.msg, texts[i].wrong) != NULL,
		       texts[i].name, "%d %s %s", rc, e.msg, b.str);
	}
	/* one more than may be */
	buf_reset(&b);
	buf_adds(&b, "{\"at_ms\":1,\"containers\":[");
	for (int i = 0; i <= FIGURES_CONTAINERS_MAX; i++)
		buf_addf(&b, "%s{\"id\":\"" ID "\"}", i == 0 ? "" : ",");
	buf_adds(&b, "]}");
	{
		struct err e = ERR_INIT;

		checkf(!b.over && figures_parse(buf_str(&b), f, &e) < 0 &&
			       strstr(e.msg, "at most 256") != NULL,
		       "a container too many", "%s", e.msg);
	}
	buf_release(&b);
	free(f);
}

int main(void)
{
	json_init();
	one_machine();
	containers();
	this_machine();
	as_json();
	return check_failed();
}
