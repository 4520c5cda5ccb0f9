/* node/table: when a row of the node table is removed, demoted, restored. */
#include <stdio.h>
#include <string.h>

#include "node/table.h"
#include "tests/check.h"

#define GRACE 120000
#define LEAVE 90000
#define NODES 6

/* Nodes in short: NAME@BORN STATE [flags]; the ID is the place in the row.
 * flags: m manager (M by its role alone), r reachable, l leader, g says that it goes, e with a way
 * out, x with one that nobody can read, o at another address than others of
 * its name, n at none that is known */
struct spec {
	const char *name;
	int born;
	enum docker_node_state state;
	const char *flags;
};
#define READY DOCKER_NODE_READY
#define DOWN DOCKER_NODE_DOWN
#define GONE DOCKER_NODE_DISCONNECTED
#define UNKNOWN DOCKER_NODE_UNKNOWN
#define MASTER \
	{ \
		"master0", 1, READY, "mrl" \
	}

/* The table stays as it is from second 100 on; looked at again in second
 * `at`; want has a letter per node: . keep, R remove, D demote, A restore. */
static const struct {
	const char *name;
	struct spec nodes[NODES];
	int at;
	const char *want;
	enum table_why why; /* of the last that is not kept, or of `about` */
	int about;	    /* index, or 0: the last that is not kept */
} rows[] = {
	{ "all ready", { MASTER, { "a", 2, READY, "" } }, 9000, "..", TABLE_NO_REASON, 0 },
	{ "just down", { MASTER, { "a", 2, DOWN, "" } }, 100, "..", TABLE_NO_REASON, 0 },
	{ "down within the grace",
	  { MASTER, { "a", 2, DOWN, "" } },
	  219,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "down as long as the grace",
	  { MASTER, { "a", 2, DOWN, "" } },
	  220,
	  ".R",
	  TABLE_DOWN_TOO_LONG,
	  0 },
	{ "unknown is not down",
	  { MASTER, { "a", 2, UNKNOWN, "" } },
	  9000,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "disconnected is not down",
	  { MASTER, { "a", 2, GONE, "" } },
	  9000,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "a newer one of that name is ready",
	  { MASTER, { "a", 2, DOWN, "" }, { "a", 3, READY, "" } },
	  100,
	  ".R.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "a newer one that is down, too",
	  { MASTER, { "a", 2, DOWN, "" }, { "a", 3, DOWN, "" } },
	  100,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "an older one of that name is ready",
	  { MASTER, { "a", 2, READY, "" }, { "a", 3, DOWN, "" } },
	  100,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "a newer one of another name",
	  { MASTER, { "a", 2, DOWN, "" }, { "b", 3, READY, "" } },
	  100,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "no names yet",
	  { MASTER, { "", 2, DOWN, "" }, { "", 3, READY, "" } },
	  100,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "ready twice under one name",
	  { MASTER, { "a", 2, READY, "" }, { "a", 3, READY, "" } },
	  9000,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "two ghosts of one name",
	  { MASTER, { "a", 2, DOWN, "" }, { "a", 3, DOWN, "" }, { "a", 4, READY, "" } },
	  100,
	  ".RR.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "said that it goes, and went",
	  { MASTER, { "a", 2, DOWN, "g" } },
	  100,
	  ".R",
	  TABLE_ANNOUNCED,
	  0 },
	{ "said that it goes, still here",
	  { MASTER, { "a", 2, READY, "g" } },
	  189,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "said that it goes, stayed",
	  { MASTER, { "a", 2, READY, "g" } },
	  190,
	  ".A",
	  TABLE_STAYED,
	  0 },
	{ "has a way out: not the table's",
	  { MASTER, { "a", 2, READY, "ge" } },
	  9000,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "has a way out, and went",
	  { MASTER, { "a", 2, DOWN, "ge" } },
	  100,
	  ".R",
	  TABLE_ANNOUNCED,
	  0 },
	{ "waits for its turn, and is down",
	  { MASTER, { "a", 2, DOWN, "e" } },
	  219,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "a way out that nobody can read",
	  { MASTER, { "a", 2, READY, "gx" } },
	  190,
	  ".A",
	  TABLE_STAYED,
	  0 },
	{ "a manager that goes and is down comes back",
	  { MASTER, { "m1", 1, READY, "mr" }, { "m2", 1, DOWN, "mge" } },
	  219,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "however long that takes",
	  { MASTER, { "m1", 1, READY, "mr" }, { "m2", 1, DOWN, "mge" } },
	  9000,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "so does one that never said anything",
	  { MASTER, { "m1", 1, READY, "mr" }, { "m2", 1, DOWN, "m" } },
	  9000,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "a manager by its role alone is none of raft's",
	  { MASTER, { "m1", 1, DOWN, "M" }, { "m2", 1, DOWN, "M" } },
	  220,
	  ".RR",
	  TABLE_DOWN_TOO_LONG,
	  0 },
	{ "and has its grace like anybody",
	  { MASTER, { "m1", 1, DOWN, "M" } },
	  219,
	  "..",
	  TABLE_NO_REASON,
	  0 },
	{ "unless another has taken its place",
	  { MASTER, { "m1", 1, DOWN, "M" }, { "m1", 2, READY, "mr" } },
	  100,
	  ".R.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "manager superseded",
	  { MASTER,
	    { "m1", 1, READY, "mr" },
	    { "m2", 1, DOWN, "m" },
	    { "m2", 2, READY, "mr" } },
	  100,
	  "..D.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "a worker that calls itself as a manager does",
	  { MASTER,
	    { "m1", 1, READY, "mr" },
	    { "m2", 1, DOWN, "m" },
	    { "m2", 2, READY, "" } },
	  219,
	  "....",
	  TABLE_NO_REASON,
	  0 },
	{ "a manager elsewhere that calls itself so",
	  { MASTER,
	    { "m1", 1, READY, "mr" },
	    { "m2", 1, DOWN, "m" },
	    { "m2", 2, READY, "mro" } },
	  219,
	  "....",
	  TABLE_NO_REASON,
	  0 },
	{ "a worker elsewhere that calls itself so",
	  { MASTER, { "a", 2, DOWN, "" }, { "a", 3, READY, "o" } },
	  219,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "a manager that calls itself as a worker does",
	  { MASTER, { "a", 2, DOWN, "" }, { "a", 3, READY, "mr" } },
	  219,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "addresses that nobody knows are not the same",
	  { MASTER, { "a", 2, DOWN, "n" }, { "a", 3, READY, "n" } },
	  219,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "an older one that is ready",
	  { MASTER, { "a", 3, DOWN, "" }, { "a", 2, READY, "" } },
	  219,
	  "...",
	  TABLE_NO_REASON,
	  0 },
	{ "superseded, and raft reaches who is at its address now",
	  { MASTER,
	    { "m1", 1, READY, "mr" },
	    { "m2", 1, DOWN, "mr" },
	    { "m2", 2, READY, "mr" } },
	  100,
	  "..D.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "superseded, and the others are no majority",
	  { MASTER,
	    { "m1", 1, DOWN, "m" },
	    { "m2", 1, DOWN, "mr" },
	    { "m2", 2, READY, "mr" } },
	  100,
	  "....",
	  TABLE_QUORUM,
	  2 },
	{ "rows of role alone are not counted",
	  { MASTER,
	    { "m1", 1, DOWN, "M" },
	    { "m2", 1, DOWN, "M" },
	    { "m3", 1, DOWN, "mr" },
	    { "m3", 2, READY, "mr" } },
	  110,
	  "...D.",
	  TABLE_SUPERSEDED,
	  0 },
	{ "two of five: one demotion a pass",
	  { MASTER,
	    { "m3", 1, DOWN, "m" },
	    { "m4", 1, DOWN, "m" },
	    { "m3", 2, READY, "mr" },
	    { "m4", 2, READY, "mr" } },
	  100,
	  ".D...",
	  TABLE_QUORUM,
	  2 },
	{ "the only manager, down by its own table",
	  { { "master0", 1, DOWN, "mrl" } },
	  9000,
	  ".",
	  TABLE_NO_REASON,
	  -1 },
	{ "the leader, whatever is said of it",
	  { { "master0", 1, DOWN, "ml" },
	    { "m1", 1, READY, "mr" },
	    { "m2", 1, READY, "mr" },
	    { "master0", 2, READY, "mr" } },
	  9000,
	  "....",
	  TABLE_QUORUM,
	  -1 },
	{ "a demoted manager is a worker",
	  { MASTER, { "m1", 1, READY, "mr" }, { "m2", 1, DOWN, "" } },
	  220,
	  "..R",
	  TABLE_DOWN_TOO_LONG,
	  0 },
	{ "workers go while a manager is demoted",
	  { MASTER,
	    { "m2", 2, READY, "mr" },
	    { "m2", 1, DOWN, "m" },
	    { "a", 2, DOWN, "g" } },
	  100,
	  "..DR",
	  TABLE_ANNOUNCED,
	  0 },
};

static size_t build(const struct spec *s, struct docker_node *nodes)
{
	size_t n = 0;

	for (; n < NODES && s[n].name != NULL; n++) {
		nodes[n] = (struct docker_node){
			.state = s[n].state,
			.manager = strpbrk(s[n].flags, "mM") != NULL,
			.raft = strchr(s[n].flags, 'm') != NULL,
			.reachable = strchr(s[n].flags, 'r') != NULL,
			.leader = strchr(s[n].flags, 'l') != NULL,
			.leaving = strchr(s[n].flags, 'g') != NULL,
		};
		if (nodes[n].leaving)
			nodes[n].availability = DOCKER_DRAIN;
		if (strpbrk(s[n].flags, "ex") != NULL)
			strcpy(nodes[n].evict,
			       strchr(s[n].flags, 'x') != NULL ?
				       "away" :
				       "drain since=5 until=9 limit=9 by=operator");
		snprintf(nodes[n].id, sizeof(nodes[n].id), "id%zu", n);
		snprintf(nodes[n].hostname, sizeof(nodes[n].hostname), "%s",
			 s[n].name);
		if (strchr(s[n].flags, 'n') == NULL)
			snprintf(nodes[n].addr, sizeof(nodes[n].addr),
				 "10.77.%d.4", strchr(s[n].flags, 'o') != NULL);
		snprintf(nodes[n].created, sizeof(nodes[n].created),
			 "2026-08-01T12:00:%02dZ", s[n].born);
	}
	return n;
}

static void letters(const struct table_verdict *v, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = ".RDA"[v[i].action];
	out[n] = '\0';
}

static void one(size_t k)
{
	struct docker_node nodes[NODES];
	size_t n = build(rows[k].nodes, nodes), last = 0;
	struct table_verdict v[NODES];
	char got[NODES + 1];
	struct table t;

	table_init(&t, GRACE, LEAVE);
	for (int s = 100; s < rows[k].at; s += 10) {
		table_decide(&t, nodes, n, s * 1000L, v);
		letters(v, n, got);
		/* whatever is done later must not be done at once for another reason */
		if (rows[k].at - s > 10 && strspn(got, ".") != n &&
		    rows[k].at < 9000) {
			check(false, rows[k].name, "an early verdict");
			table_release(&t);
			return;
		}
	}
	table_decide(&t, nodes, n, rows[k].at * 1000L, v);
	letters(v, n, got);
	for (size_t i = 0; i < n; i++)
		if (v[i].action != TABLE_KEEP)
			last = i;
	if (rows[k].about != 0)
		last = rows[k].about < 0 ? 0 : (size_t)rows[k].about;
	check(strcmp(got, rows[k].want) == 0 && v[last].why == rows[k].why,
	      rows[k].name, got);
	table_release(&t);
}

/* Down, back, down again: the grace begins anew. */
static void blip(void)
{
	static const struct spec up[NODES] = { MASTER, { "a", 2, READY, "" } };
	static const struct spec down[NODES] = { MASTER, { "a", 2, DOWN, "" } };
	struct docker_node u[NODES], d[NODES];
	struct table_verdict v[NODES];
	struct table t;
	size_t n = build(up, u);

	build(down, d);
	table_init(&t, GRACE, LEAVE);
	table_decide(&t, d, n, 1000, v);
	table_decide(&t, d, n, 110000, v);
	table_decide(&t, u, n, 115000, v);
	table_decide(&t, d, n, 120000, v);
	table_decide(&t, d, n, 239000, v);
	check(v[1].action == TABLE_KEEP,
	      "a node that came back gets its grace anew", "removed");
	table_decide(&t, d, n, 240000, v);
	check(v[1].action == TABLE_REMOVE, "and no more than that", "kept");
	table_release(&t);
}

/* At time 0 of the clock, a node that is down has a since, too. */
static void first_instant(void)
{
	static const struct spec down[NODES] = { MASTER, { "a", 2, DOWN, "" } };
	struct docker_node d[NODES];
	struct table_verdict v[NODES];
	struct table t;
	size_t n = build(down, d);

	table_init(&t, GRACE, LEAVE);
	table_decide(&t, d, n, 0, v);
	table_decide(&t, d, n, GRACE + 1, v);
	check(v[1].action == TABLE_REMOVE, "down since the clock began", "kept");
	table_release(&t);
}

static void left(void)
{
	static const struct spec going[NODES] = { MASTER, { "a", 2, READY, "g" } };
	static const struct spec down[NODES] = { MASTER, { "a", 2, DOWN, "" } };
	static const struct spec ready[NODES] = { MASTER, { "a", 2, READY, "" } };
	struct docker_node g[NODES], d[NODES], back[NODES], down_again[NODES];
	struct table_verdict v[NODES];
	struct table t;
	size_t n = build(going, g);

	build(down, d);
	build(ready, back);
	build(down, down_again);
	table_init(&t, GRACE, LEAVE);
	table_left(&t, "id1"); /* not in the table yet: nothing */
	table_decide(&t, g, n, 1000, v);
	table_left(&t, "id1");
	table_decide(&t, g, n, 1000 + LEAVE, v);
	check(v[1].action == TABLE_KEEP, "who has left is not made active",
	      "restored");
	table_decide(&t, d, n, 2000 + LEAVE, v);
	check(v[1].action == TABLE_REMOVE && v[1].why == TABLE_ANNOUNCED,
	      "who has left is removed once down", "kept");
	table_decide(&t, g, 1, 3000 + LEAVE, v);
	check(t.n == 1, "and forgotten with its row", "remembered");
	table_decide(&t, g, n, 4000 + LEAVE, v);
	table_left(&t, "id1");
	table_decide(&t, g, n, 4000 + 3 * LEAVE, v);
	check(v[1].action == TABLE_RESTORE,
	      "who says so and stays is made active in the end", "kept");
	table_left(&t, "id1");
	table_decide(&t, back, n, 5000 + 3 * LEAVE, v);
	table_decide(&t, down_again, n, 6000 + 3 * LEAVE, v);
	check(v[1].action == TABLE_KEEP,
	      "who said so and came back gets the grace", "removed");
	table_release(&t);
}

/* Demoted because it was superseded, it goes for that as a worker. */
static void demoted(void)
{
	static const struct spec before[NODES] = { MASTER,
						   { "m1", 1, READY, "mr" },
						   { "m2", 1, DOWN, "m" },
						   { "m2", 2, READY, "mr" } };
	static const struct spec after[NODES] = { MASTER,
						  { "m1", 1, READY, "mr" },
						  { "m2", 1, DOWN, "" },
						  { "m2", 2, READY, "mr" } };
	struct docker_node b[NODES], a[NODES];
	struct table_verdict v[NODES];
	struct table t;
	size_t n = build(before, b);

	build(after, a);
	table_init(&t, GRACE, LEAVE);
	table_decide(&t, b, n, 1000, v);
	check(v[2].action == TABLE_DEMOTE, "superseded, it is demoted", "kept");
	table_decide(&t, a, n, 2000, v);
	check(v[2].action == TABLE_REMOVE && v[2].why == TABLE_SUPERSEDED,
	      "and removed in the next pass", "kept");
	a[2].state = DOCKER_NODE_READY;
	table_decide(&t, a, n, 3000, v);
	a[2].state = DOCKER_NODE_DOWN;
	table_decide(&t, a, n, 4000, v);
	check(v[2].action == TABLE_KEEP, "unless it was up again", "removed");
	table_release(&t);
}

/* Fractions of a second as the engine writes them: without zeros at the end. */
static void ages(void)
{
	static const struct {
		const char *a, *b;
		bool newer;
	} pairs[] = {
		{ "2026-08-01T12:00:01Z", "2026-08-01T12:00:00.999999999Z", true },
		{ "2026-08-01T12:00:00.5Z", "2026-08-01T12:00:00.51Z", false },
		{ "2026-08-01T12:00:00.51Z", "2026-08-01T12:00:00.5Z", true },
		{ "2026-08-01T12:00:00.1Z", "2026-08-01T12:00:00Z", true },
		{ "2026-08-01T12:00:00Z", "2026-08-01T12:00:00Z", false },
		{ "2026-08-01T12:00:00Z", "", true },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct docker_node a = { 0 }, b = { 0 };

		snprintf(a.created, sizeof(a.created), "%s", pairs[i].a);
		snprintf(b.created, sizeof(b.created), "%s", pairs[i].b);
		good = good && docker_newer(&a, &b) == pairs[i].newer;
	}
	check(good, "which of two nodes is newer", "the other");
}

/* What a helper says of itself: not for ever by what it once did. */
static void kept(void)
{
	static const struct {
		const char *name;
		bool manager;
		int64_t good_ms, now_ms;
		bool kept;
	} looks[] = {
		{ "a pass just now", true, 5000, 5000, true },
		{ "a pass 44 s ago", true, 5000, 49999, true },
		{ "no pass for 45 s", true, 5000, 50000, false },
		{ "no pass for a day", true, 5000, 86405000, false },
		{ "no pass ever", true, 0, 5000, false },
		{ "no manager any more", false, 5000, 5000, false },
	};

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		check(table_is_kept(looks[i].manager, looks[i].good_ms,
				    looks[i].now_ms) == looks[i].kept,
		      looks[i].name, looks[i].kept ? "not kept" : "kept");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(i);
	blip();
	first_instant();
	left();
	demoted();
	ages();
	kept();
	return check_failed();
}
