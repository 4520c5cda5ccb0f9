/*
 * Figures of a machine and its containers: from the kernel's files, to JSON
 * and back.
 */
#include "node/figures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define FILE_MAX (64u << 10) /* /proc/net/dev with 500 interfaces */
#define PATH_LEN 512
#define TICK_MS 10 /* USER_HZ is 100 on every architecture of ours */

/* ---- the kernel's files --------------------------------------------------- */

struct reading {
	const char *root;
	char *file; /* of FILE_MAX, what was read last */
	ino_t own;  /* of our own network's /proc/net/dev */
	bool v2;
};

/* The beginning of a file, whole lines of it; nothing when there is none. */
static struct str slurp(const struct reading *r, const char *path)
{
	struct str got = { r->file, 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return got;
	while (got.n < FILE_MAX &&
	       ((n = read(fd, r->file + got.n, FILE_MAX - got.n)) > 0 ||
		(n < 0 && errno == EINTR)))
		got.n += n > 0 ? (size_t)n : 0;
	close(fd);
	return got.n < FILE_MAX ?
		       got :
		       str_head(got, (size_t)(str_rchr(got, '\n') + 1));
}

__attribute__((format(printf, 2, 3))) static struct str
slurpf(const struct reading *r, const char *fmt, ...)
{
	char path[PATH_LEN];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) ? slurp(r, path) : STR_NULL;
}

/* Blanks, then a number. */
static bool next_number(struct str *s, int64_t *v)
{
	uint64_t u;

	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t'))
		*s = str_skip(*s, 1);
	if (!str_dec(s, FIGURES_VALUE_MAX, &u))
		return false;
	*v = (int64_t)u;
	return true;
}

/* The number behind a name at the beginning of a line. */
static bool number_of(struct str text, const char *name, int64_t *v)
{
	struct str line;

	while (str_next(&text, '\n', &line)) {
		if (!str_starts(line, str_of(name)))
			continue;
		line = str_skip(line, strlen(name));
		return next_number(&line, v);
	}
	return false;
}

/* The whole file is a number; FIGURES_UNKNOWN when not. */
static int64_t only_number(struct str text)
{
	int64_t v;

	return next_number(&text, &v) ? v : FIGURES_UNKNOWN;
}

/* proc(5): user nice system idle iowait irq softirq steal, of which the guests'
 * time is a part.  Waiting and what another machine took is no work of ours. */
static int64_t cpu_of_machine(struct str stat)
{
	static const bool busy[] = { true, true, true, false, false, true, true };
	int64_t v, sum = 0;
	struct str line;

	if (!str_cut(&stat, '\n', &line) || !str_starts(line, STR("cpu ")))
		return FIGURES_UNKNOWN;
	line = str_skip(line, 4);
	for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++) {
		if (!next_number(&line, &v))
			return FIGURES_UNKNOWN;
		sum += busy[i] ? v : 0;
	}
	return sum > FIGURES_VALUE_MAX / TICK_MS ? FIGURES_UNKNOWN :
						   sum * TICK_MS;
}

static int64_t memory_of_machine(struct str info)
{
	int64_t all, free;

	if (!number_of(info, "MemTotal:", &all) ||
	    !number_of(info, "MemAvailable:", &free) || free > all ||
	    all > FIGURES_VALUE_MAX / 1024)
		return FIGURES_UNKNOWN;
	return (all - free) * 1024;
}

/* The interface of the default route, "" when there is none.  With Azure's
 * accelerated networking another one below it counts the same bytes again. */
static void way_out(struct str routes, char name[32])
{
	struct str line, word, iface = STR_NULL;

	name[0] = '\0';
	while (str_next(&routes, '\n', &line)) {
		int column = 0;
		bool is_default = true;

		while (column < 8 && str_next(&line, '\t', &word)) {
			if (column == 0)
				iface = str_trim(word);
			if (column == 1 || column == 7) /* destination, mask */
				is_default = is_default &&
					     str_eqz(word, "00000000");
			column++;
		}
		if (column == 8 && is_default && iface.n > 0 && iface.n < 32) {
			memcpy(name, iface.p, iface.n);
			name[iface.n] = '\0';
			return;
		}
	}
}

/* Bytes in and out of one interface, or with "" of all but the loopback. */
static void network_of(struct str dev, const char *name, struct figures_counts *c)
{
	struct str line, iface;

	c->rx = c->tx = FIGURES_UNKNOWN;
	while (str_next(&dev, '\n', &line)) {
		int64_t v, rx = 0, tx = 0;
		int i = 0;

		if (!str_cut(&line, ':', &iface))
			continue; /* the heading */
		iface = str_trim(iface);
		if (*name != '\0' ? !str_eqz(iface, name) : str_eqz(iface, "lo"))
			continue;
		for (; i < 9 && next_number(&line, &v); i++) {
			rx = i == 0 ? v : rx;
			tx = i == 8 ? v : tx;
		}
		if (i < 9)
			continue;
		c->rx = (c->rx < 0 ? 0 : c->rx) + rx;
		c->tx = (c->tx < 0 ? 0 : c->tx) + tx;
	}
	if (c->rx > FIGURES_VALUE_MAX || c->tx > FIGURES_VALUE_MAX)
		c->rx = c->tx = FIGURES_UNKNOWN;
}

/* ---- containers ------------------------------------------------------------ */

static int64_t less_cache(int64_t memory, struct str stat, const char *name)
{
	int64_t cache;

	if (memory < 0 || !number_of(stat, name, &cache) || cache > memory)
		return memory;
	return memory - cache;
}

static void cgroup_of(const struct reading *r, const char *at,
		      struct figures_counts *c)
{
	int64_t v;

	if (r->v2) {
		c->cpu_ms = number_of(slurpf(r, "%s/sys/fs/cgroup/%s/cpu.stat",
					     r->root, at),
				      "usage_usec ", &v) ?
				    v / 1000 :
				    FIGURES_UNKNOWN;
		v = only_number(slurpf(r, "%s/sys/fs/cgroup/%s/memory.current",
				       r->root, at));
		c->memory = less_cache(v,
				       slurpf(r, "%s/sys/fs/cgroup/%s/memory.stat",
					      r->root, at),
				       "inactive_file ");
		return;
	}
	v = only_number(slurpf(r, "%s/sys/fs/cgroup/cpuacct/%s/cpuacct.usage",
			       r->root, at));
	c->cpu_ms = v < 0 ? FIGURES_UNKNOWN : v / 1000000;
	v = only_number(slurpf(r, "%s/sys/fs/cgroup/memory/%s/memory.usage_in_bytes",
			       r->root, at));
	c->memory = less_cache(v,
			       slurpf(r, "%s/sys/fs/cgroup/memory/%s/memory.stat",
				      r->root, at),
			       "total_inactive_file ");
}

/* /proc/PID/net needs no privilege.  One that is in the machine's own network
 * shows the machine's bytes, which are not its own: the file is the same. */
static void network_of_container(const struct reading *r, const char *at,
				 struct figures_counts *c)
{
	char path[PATH_LEN];
	struct stat st;
	int64_t pid = only_number(slurpf(r, "%s/sys/fs/cgroup/%s%s/cgroup.procs",
					 r->root, r->v2 ? "" : "cpuacct/", at));

	c->rx = c->tx = FIGURES_UNKNOWN;
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "%s/proc/%lld/net/dev", r->root,
		 (long long)pid);
	if (stat(path, &st) == 0 && st.st_ino != r->own)
		network_of(slurp(r, path), "", c);
}

static bool is_id(struct str s)
{
	size_t hex = 0;

	while (hex < s.n &&
	       (is_digit(s.p[hex]) || (s.p[hex] >= 'a' && s.p[hex] <= 'f')))
		hex++;
	return s.n == FIGURES_ID_LEN && hex == s.n;
}

/* Docker's cgroups are all in one place, DIR/PREFIX-ID-SUFFIX. */
static void containers_in(const struct reading *r, const char *dir,
			  struct str prefix, struct str suffix, struct figures *f)
{
	char path[PATH_LEN];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s%s", r->root,
		 r->v2 ? "" : "cpuacct/", dir);
	d = opendir(path);
	while (d != NULL && f->n_containers < FIGURES_CONTAINERS_MAX &&
	       (entry = readdir(d)) != NULL) {
		struct figures_container *c = &f->containers[f->n_containers];
		struct str id = str_of(entry->d_name);

		if (!str_starts(id, prefix) || !str_ends(id, suffix) ||
		    id.n < prefix.n + suffix.n)
			continue;
		id = str_head(str_skip(id, prefix.n), id.n - prefix.n - suffix.n);
		if (!is_id(id))
			continue;
		memcpy(c->id, id.p, id.n);
		c->id[id.n] = '\0';
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		cgroup_of(r, path, &c->counts);
		network_of_container(r, path, &c->counts);
		f->n_containers++;
	}
	if (d != NULL)
		closedir(d);
}

void figures_read(const char *root, int64_t now_ms, struct figures *f)
{
	struct reading r = { .root = root, .file = xmalloc(FILE_MAX) };
	char path[PATH_LEN], iface[32];
	struct stat st;

	f->at_ms = now_ms;
	f->n_containers = 0;
	f->node.cpu_ms = cpu_of_machine(slurpf(&r, "%s/proc/stat", root));
	f->node.memory = memory_of_machine(slurpf(&r, "%s/proc/meminfo", root));
	way_out(slurpf(&r, "%s/proc/self/net/route", root), iface);
	network_of(slurpf(&r, "%s/proc/self/net/dev", root), iface, &f->node);
	snprintf(path, sizeof(path), "%s/proc/self/net/dev", root);
	r.own = stat(path, &st) == 0 ? st.st_ino : 0;
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cgroup.procs", root);
	r.v2 = access(path, F_OK) == 0;
	containers_in(&r, "system.slice", STR("docker-"), STR(".scope"), f);
	containers_in(&r, "docker", STR(""), STR(""), f);
	free(r.file);
}

/* ---- as JSON ------------------------------------------------------------------ */

static void write_counts(const struct figures_counts *c, struct buf *out)
{
	const struct {
		const char *name;
		int64_t v;
	} all[] = { { "cpu_ms", c->cpu_ms },
		    { "memory", c->memory },
		    { "rx", c->rx },
		    { "tx", c->tx } };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].v >= 0)
			buf_addf(out, ",\"%s\":%lld", all[i].name,
				 (long long)all[i].v);
}

void figures_write(const struct figures *f, struct buf *out)
{
	buf_addf(out, "{\"at_ms\":%lld", (long long)f->at_ms);
	write_counts(&f->node, out);
	buf_adds(out, ",\"containers\":[");
	for (size_t i = 0; i < f->n_containers; i++) {
		buf_addf(out, "%s{\"id\":\"%s\"", i == 0 ? "" : ",",
			 f->containers[i].id);
		write_counts(&f->containers[i].counts, out);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
}

static int64_t bounded(const cJSON *doc, const char *name)
{
	int64_t v = json_int_opt(doc, name, FIGURES_UNKNOWN);

	return v < 0 || v > FIGURES_VALUE_MAX ? FIGURES_UNKNOWN : v;
}

static struct figures_counts parse_counts(const cJSON *doc)
{
	return (struct figures_counts){ bounded(doc, "cpu_ms"),
					bounded(doc, "memory"),
					bounded(doc, "rx"), bounded(doc, "tx") };
}

int figures_parse(struct str text, struct figures *f, struct err *e)
{
	cJSON *doc = json_parse(text, "the agent's figures", e);
	const cJSON *list, *one;
	int rc = -1;

	*f = (struct figures){ .at_ms = 0 };
	if (doc == NULL ||
	    json_int(doc, "at_ms", 0, FIGURES_VALUE_MAX, &f->at_ms, e) < 0 ||
	    (list = json_arr(doc, "containers", e)) == NULL)
		goto out;
	f->node = parse_counts(doc);
	cJSON_ArrayForEach(one, list) {
		struct figures_container *c = &f->containers[f->n_containers];
		struct str id = str_of(json_str_opt(one, "id", ""));

		if (f->n_containers == FIGURES_CONTAINERS_MAX || !is_id(id)) {
			err_set(e, ERR_DATA,
				"the agent's figures: expected at most %d "
				"containers, each with an ID of Docker's",
				FIGURES_CONTAINERS_MAX);
			goto out;
		}
		memcpy(c->id, id.p, id.n);
		c->counts = parse_counts(one);
		f->n_containers++;
	}
	rc = 0;
out:
	json_free(doc);
	return rc;
}
