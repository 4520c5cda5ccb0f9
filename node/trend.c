/*
 * Plots: rates out of counters, kept for ten minutes.
 */
#include "node/trend.h"

#include <stdlib.h>
#include <string.h>

#define MANTISSA_BITS 11
#define MANTISSA_MAX ((1 << MANTISSA_BITS) - 1)
#define EXPONENT_MAX 30
#define CPU_MAX 1000000 /* a thousand processors are enough for anybody */
#define GAP_MS 60000	/* counters further apart say nothing of now */
#define KEY_LEN 33	/* of a container's ID: as good as all of it */
#define SLOTS (TREND_POINTS + 1) /* the points, and the step under way */
#define MISSED_OFTEN 2
#define MISSED_SKIP 5

uint16_t trend_pack(int64_t v)
{
	unsigned e = 0;

	if (v < 0)
		return TREND_NONE;
	for (; v > MANTISSA_MAX; e++)
		v = v / 2 + v % 2;
	if (e > EXPONENT_MAX)
		return EXPONENT_MAX << MANTISSA_BITS | MANTISSA_MAX;
	return (uint16_t)(e << MANTISSA_BITS | (unsigned)v);
}

int64_t trend_unpack(uint16_t p)
{
	return p == TREND_NONE ?
		       -1 :
		       (int64_t)(p & MANTISSA_MAX) << (p >> MANTISSA_BITS);
}

enum kind { NODE, SERVICE, TASK };

/* What outlives a step. */
struct ring {
	int64_t at_ms; /* of the counters below; 0: none */
	struct figures_counts counts;
	unsigned missed, skip;
	bool fresh; /* there is no step before */
	uint16_t points[TREND_SERIES][SLOTS];
};

struct trend {
	char id[32];
	enum kind kind;
	char key[KEY_LEN]; /* of a task's container */
	char node[32];	   /* a task's */
	size_t service;	   /* index: a service's own, a task's */
	int64_t running;   /* not of tasks */
	struct ring *ring;
};

struct trends {
	uint64_t step, ended; /* the same, unless a step is under way */
	int64_t at, ended_at; /* Unix time */
	struct trend *all;    /* by id */
	size_t n;
	struct trend **tasks; /* those with a container, by key */
	size_t n_tasks;
	size_t n_services;
};

struct trends *trends_new(void)
{
	return xcalloc(1, sizeof(struct trends));
}

static void forget(struct trend *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(all[i].ring);
	free(all);
}

void trends_free(struct trends *t)
{
	if (t == NULL)
		return;
	forget(t->all, t->n);
	free(t->tasks);
	free(t);
}

static size_t slot_of(uint64_t step)
{
	return (size_t)(step % SLOTS);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct trend *)a)->id,
		      ((const struct trend *)b)->id);
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(struct trend *const *)a)->key,
		      (*(struct trend *const *)b)->key);
}

static struct trend *find(struct trend *all, size_t n, const char *id)
{
	struct trend key;

	if (n == 0 || strlen(id) >= sizeof(key.id))
		return NULL;
	strcpy(key.id, id);
	return bsearch(&key, all, n, sizeof(*all), by_id);
}

static struct trend *find_node(struct trends *t, const char *id)
{
	struct trend *trend = find(t->all, t->n, id);

	return trend != NULL && trend->kind == NODE ? trend : NULL;
}

static struct trend *add(struct trends *t, enum kind kind, const char *id)
{
	struct trend *trend = &t->all[t->n++];

	*trend = (struct trend){ .kind = kind };
	strcpy(trend->id, id);
	return trend;
}

/* The view's, without points. */
static void fill(struct trends *t, const struct monitor_view *v)
{
	struct trend *trend;

	t->all = xcalloc(v->n_table + v->n_services + v->n_list, sizeof(*t->all));
	t->n = 0;
	for (size_t i = 0; i < v->n_table; i++)
		add(t, NODE, v->table[i].id);
	for (size_t i = 0; i < v->n_services; i++) {
		trend = add(t, SERVICE, v->services[i].id);
		trend->service = i;
		trend->running = v->services[i].running;
	}
	for (size_t i = 0; i < v->n_list; i++) {
		const struct monitor_view_task *task = &v->list[i];

		trend = add(t, TASK, task->id);
		trend->service = task->service;
		memcpy(trend->node, task->node, sizeof(trend->node));
		strcpy(trend->key, task->container);
	}
	t->n_services = v->n_services;
	if (t->n > 0)
		qsort(t->all, t->n, sizeof(*t->all), by_id);
}

/* Each keeps what it had. */
static void take_over(struct trends *t, struct trend *old, size_t n)
{
	for (size_t i = 0; i < t->n; i++) {
		struct trend *was = find(old, n, t->all[i].id);

		if (was != NULL && was->kind == t->all[i].kind) {
			t->all[i].ring = was->ring;
			t->all[i].ring->fresh = false;
			was->ring = NULL;
		}
		if (t->all[i].ring == NULL) {
			t->all[i].ring = xcalloc(1, sizeof(struct ring));
			t->all[i].ring->fresh = true;
			memset(t->all[i].ring->points, 0xff,
			       sizeof(t->all[i].ring->points));
		}
	}
	forget(old, n);
}

void trends_begin(struct trends *t, const struct monitor_view *v, int64_t now_s)
{
	struct trend *old = t->all, *node;
	size_t n = t->n, slot = slot_of(++t->step);

	t->at = now_s;
	fill(t, v);
	take_over(t, old, n);
	free(t->tasks);
	t->tasks = xcalloc(t->n, sizeof(struct trend *));
	t->n_tasks = 0;
	for (size_t i = 0; i < t->n; i++) {
		struct trend *one = &t->all[i];

		for (int s = 0; s < TREND_SERIES; s++)
			one->ring->points[s][slot] = TREND_NONE;
		if (one->kind != TASK)
			continue;
		if (one->key[0] != '\0')
			t->tasks[t->n_tasks++] = one;
		if ((node = find_node(t, one->node)) != NULL)
			node->running++;
	}
	if (t->n_tasks > 0)
		qsort(t->tasks, t->n_tasks, sizeof(struct trend *), by_key);
}

static int64_t rate(int64_t now, int64_t before, int64_t ms, int64_t max)
{
	int64_t v;

	if (now < 0 || before < 0 || now < before)
		return -1; /* it began anew in between */
	v = (now - before) * 1000 / ms;
	return v > max ? max : v;
}

static void take(struct trends *t, struct trend *trend, int64_t at_ms,
		 const struct figures_counts *c)
{
	const struct figures_counts *was = &trend->ring->counts;
	struct ring *ring = trend->ring;
	int64_t ms = at_ms - ring->at_ms;
	size_t slot = slot_of(t->step);

	if (c->memory >= 0)
		ring->points[TREND_MEMORY][slot] = trend_pack(c->memory / 1024);
	if (ring->at_ms > 0 && ms > 0 && ms <= GAP_MS) {
		ring->points[TREND_CPU][slot] =
			trend_pack(rate(c->cpu_ms, was->cpu_ms, ms, CPU_MAX));
		ring->points[TREND_RX][slot] =
			trend_pack(rate(c->rx, was->rx, ms, INT64_MAX));
		ring->points[TREND_TX][slot] =
			trend_pack(rate(c->tx, was->tx, ms, INT64_MAX));
	}
	ring->at_ms = at_ms;
	ring->counts = *c;
}

void trends_node(struct trends *t, const char *node, const struct figures *f)
{
	struct trend *trend = find_node(t, node), key, *pkey = &key, **task;

	if (trend == NULL)
		return;
	trend->ring->missed = trend->ring->skip = 0;
	take(t, trend, f->at_ms, &f->node);
	for (size_t i = 0; i < f->n_containers && t->n_tasks > 0; i++) {
		memcpy(key.key, f->containers[i].id, KEY_LEN - 1);
		key.key[KEY_LEN - 1] = '\0';
		task = bsearch(&pkey, t->tasks, t->n_tasks,
			       sizeof(struct trend *), by_key);
		if (task != NULL && strcmp((*task)->node, node) == 0)
			take(t, *task, f->at_ms, &f->containers[i].counts);
	}
}

void trends_end(struct trends *t)
{
	int64_t(*sums)[TREND_SERIES] = xcalloc(t->n_services, sizeof(*sums));
	size_t slot = slot_of(t->step);
	int64_t v;

	/* one more than the sum; 0: nobody told */
	for (size_t i = 0; i < t->n; i++) {
		const struct trend *one = &t->all[i];

		for (int s = 0; s < TREND_RUNNING && one->kind == TASK; s++) {
			v = trend_unpack(one->ring->points[s][slot]);
			if (v >= 0)
				sums[one->service][s] +=
					v + (sums[one->service][s] == 0);
		}
	}
	for (size_t i = 0; i < t->n; i++) {
		struct trend *one = &t->all[i];

		for (int s = 0; s < TREND_RUNNING && one->kind == SERVICE; s++)
			one->ring->points[s][slot] =
				trend_pack(sums[one->service][s] - 1);
		if (one->kind != TASK)
			one->ring->points[TREND_RUNNING][slot] =
				trend_pack(one->running);
	}
	t->ended = t->step;
	t->ended_at = t->at;
	free(sums);
}

void trends_missed(struct trends *t, const char *node)
{
	struct trend *trend = find_node(t, node);

	if (trend != NULL && ++trend->ring->missed >= MISSED_OFTEN)
		trend->ring->skip = MISSED_SKIP;
}

bool trends_wants(struct trends *t, const char *node)
{
	struct trend *trend = find_node(t, node);

	if (trend == NULL)
		return false;
	if (trend->ring->skip == 0)
		return true;
	trend->ring->skip--;
	return false;
}

uint64_t trends_step(const struct trends *t)
{
	return t->ended;
}

/* ---- as JSON ------------------------------------------------------------------ */

static void begin(const struct trends *t, const char *what, struct buf *out)
{
	buf_addf(out, "{\"n\":%llu,\"at\":%lld,\"step\":%d,\"%s\":{",
		 (unsigned long long)t->ended, (long long)t->ended_at,
		 TREND_STEP_S, what);
}

static void name(const struct trend *one, struct buf *out)
{
	if (out->n > 0 && out->str[out->n - 1] != '{')
		buf_addc(out, ',');
	buf_addc(out, '"');
	buf_add_json(out, str_of(one->id));
	buf_adds(out, "\":[");
}

static void point(uint16_t p, bool first, struct buf *out)
{
	if (!first)
		buf_addc(out, ',');
	if (p == TREND_NONE)
		buf_adds(out, "null");
	else
		buf_addf(out, "%lld", (long long)trend_unpack(p));
}

void trends_write_now(const struct trends *t, struct buf *out)
{
	size_t slot = slot_of(t->ended), before = slot_of(t->ended - 1);

	begin(t, "now", out);
	for (size_t i = 0; i < t->n; i++) {
		const struct ring *ring = t->all[i].ring;
		bool same = !ring->fresh;

		for (int s = 0; s < TREND_SERIES; s++)
			same = same &&
			       ring->points[s][slot] == ring->points[s][before];
		if (same)
			continue;
		name(&t->all[i], out);
		for (int s = 0; s < TREND_SERIES; s++)
			point(ring->points[s][slot], s == 0, out);
		buf_addc(out, ']');
	}
	buf_adds(out, "}}");
}

void trends_write(const struct trends *t, struct str id, struct buf *out)
{
	begin(t, "series", out);
	for (size_t i = 0; i < t->n; i++) {
		const struct trend *one = &t->all[i];
		uint64_t n = t->ended < TREND_POINTS ? t->ended : TREND_POINTS;

		if (id.n > 0 && !str_eqz(id, one->id))
			continue;
		if (id.n == 0 && one->kind == TASK && n > 1)
			n = 1;
		name(one, out);
		for (int s = 0; s < TREND_SERIES; s++) {
			buf_adds(out, s == 0 ? "[" : ",[");
			for (uint64_t k = n; k > 0; k--)
				point(one->ring->points[s][slot_of(t->ended - k + 1)],
				      k == n, out);
			buf_addc(out, ']');
		}
		buf_addc(out, ']');
	}
	buf_adds(out, "}}");
}
