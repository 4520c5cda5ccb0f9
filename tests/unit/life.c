/* node/life: who founds, who waits, and whose word is believed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "node/life.h"
#include "tests/check.h"

#define OWN "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"

static const struct {
	const char *name;
	struct life l;
	enum life_known known;
	struct marker m;
	enum life_step step;
} steps[] = {
	{ "a new machine, no marker",
	  { .generation = 0 },
	  LIFE_NONE,
	  { .generation = 0 },
	  LIFE_MARK },
	{ "a new machine, storage is silent",
	  { .generation = 0 },
	  LIFE_UNKNOWN,
	  { .generation = 0 },
	  LIFE_WAIT },
	{ "a new machine, another's marker",
	  { .generation = 0 },
	  LIFE_MARKED,
	  { .founder = OTHER, .generation = 1 },
	  LIFE_WAIT },
	{ "a new machine, a marker without a founder",
	  { .generation = 0 },
	  LIFE_MARKED,
	  { .generation = 1 },
	  LIFE_WAIT },
	{ "tried, and was not told: no marker",
	  { .founder = OWN },
	  LIFE_NONE,
	  { .generation = 0 },
	  LIFE_MARK },
	{ "tried, and stopped behind the request",
	  { .founder = OWN },
	  LIFE_MARKED,
	  { .founder = OWN, .generation = 1 },
	  LIFE_FOUND },
	{ "tried, and was not told, storage is silent since",
	  { .founder = OWN },
	  LIFE_UNKNOWN,
	  { .founder = OWN, .generation = 1 },
	  LIFE_WAIT },
	{ "tried, and another was faster",
	  { .founder = OWN },
	  LIFE_MARKED,
	  { .founder = OTHER, .generation = 1 },
	  LIFE_WAIT },
	{ "its own marker, raised since",
	  { .founder = OWN },
	  LIFE_MARKED,
	  { .founder = OWN, .generation = 2 },
	  LIFE_WAIT },
	{ "it has founded, and has no swarm",
	  { .founder = OWN, .founded = true },
	  LIFE_MARKED,
	  { .founder = OWN, .generation = 1 },
	  LIFE_WAIT },
	{ "it has founded, and does not know which",
	  { .founder = OWN, .founded = true, .generation = 1 },
	  LIFE_NONE,
	  { .generation = 0 },
	  LIFE_WAIT },
	{ "it was in a swarm, and the marker is gone",
	  { .cluster = "c1", .generation = 1 },
	  LIFE_NONE,
	  { .generation = 0 },
	  LIFE_WAIT },
	{ "its own marker, and it has been in a swarm",
	  { .founder = OWN, .cluster = "c1", .generation = 1 },
	  LIFE_MARKED,
	  { .founder = OWN, .generation = 1 },
	  LIFE_WAIT },
};

static const struct {
	const char *name;
	const char *cluster;
	unsigned generation;
	struct life_told t;
	enum life_verdict verdict;
} weighs[] = {
	{ "a new machine", "", 0, { "c1", 1 }, LIFE_SAME },
	{ "a new machine, a later swarm", "", 0, { "c1", 7 }, LIFE_SAME },
	{ "the same", "c1", 1, { "c1", 1 }, LIFE_SAME },
	{ "a helper of before", "c1", 1, { "", 0 }, LIFE_SAME },
	{ "a helper of before that names its swarm", "c1", 1, { "c1", 0 }, LIFE_SAME },
	{ "and another one", "c1", 1, { "c2", 0 }, LIFE_OTHER },
	{ "another of the same generation", "c1", 1, { "c2", 1 }, LIFE_OTHER },
	{ "the same, begun anew", "c1", 1, { "c1", 2 }, LIFE_NEWER },
	{ "another, begun anew", "c1", 1, { "c2", 3 }, LIFE_NEWER },
	{ "the one before", "c2", 2, { "c1", 1 }, LIFE_OTHER },
	{ "the same, the one before", "c1", 2, { "c1", 1 }, LIFE_OTHER },
};

static const struct {
	const char *name;
	struct life_told t;
	struct marker m;
	bool proven;
} proofs[] = {
	{ "the marker says so",
	  { "c1", 2 },
	  { .generation = 2, .cluster = "c1" },
	  true },
	{ "it names no swarm", { "c1", 2 }, { .generation = 2 }, true },
	{ "it names another", { "c2", 2 }, { .generation = 2, .cluster = "c1" }, false },
	{ "it knows of none", { "c1", 2 }, { .generation = 1 }, false },
	{ "it could not be read", { "c1", 2 }, { .generation = 0 }, false },
	{ "it is further", { "c1", 2 }, { .generation = 3, .cluster = "c1" }, false },
	{ "nothing newer is told", { "c1", 1 }, { .generation = 1 }, false },
};

static const struct {
	const char *name;
	unsigned told, marker;
	bool before;
} befores[] = {
	{ "before the newer one", 1, 2, true },
	{ "a helper of before, and begun anew", 0, 2, true },
	{ "the newer one", 2, 2, false },
	{ "the marker is behind", 3, 2, false },
	{ "a helper of before, and the first swarm", 0, 1, false },
	{ "no marker was read", 0, 0, false },
};

static const struct {
	const char *name;
	const char *by, *cluster;
	unsigned alone;
	bool means;
} meant[] = {
	{ "another cluster", "somebody", "c2", true, false },
	{ "no cluster is named", "somebody", "", true, false },
	{ "begun anew here, by the operator", "somebody", "c1", true, true },
	{ "one of the old majority", "somebody", "c1", false, false },
	{ "made by this very machine", "master0", "c1", false, true },
	{ "made by another machine", "master1", "c1", true, false },
	{ "a person of such a name", "masterful", "c1", true, true },
};

static void decisions(void)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		check(life_step(&steps[i].l, steps[i].known, &steps[i].m) ==
			      steps[i].step,
		      steps[i].name, "another step");
	for (size_t i = 0; i < sizeof(weighs) / sizeof(weighs[0]); i++) {
		struct life l = { .generation = weighs[i].generation };

		strcpy(l.cluster, weighs[i].cluster);
		check(life_weigh(&l, &weighs[i].t) == weighs[i].verdict,
		      weighs[i].name, "another verdict");
	}
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		const struct life l = { .cluster = "c1", .generation = 1 };

		check(life_proves(&l, &proofs[i].t, &proofs[i].m) ==
			      proofs[i].proven,
		      proofs[i].name, "not so");
	}
	for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++) {
		const struct life_told t = { "c1", befores[i].told };
		const struct marker m = { .by = "somebody",
					  .generation = befores[i].marker };
		struct err e = ERR_INIT;

		check(life_is_before(&t, &m, &e) == befores[i].before &&
			      (strstr(e.msg, "begun anew by somebody") != NULL) ==
				      befores[i].before,
		      befores[i].name, e.msg);
	}
	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
		struct marker m = { .generation = 2 };

		strcpy(m.by, meant[i].by);
		strcpy(m.cluster, meant[i].cluster);
		check(life_means(&m, "c1", "master0", meant[i].alone) ==
			      meant[i].means,
		      meant[i].name, "not so");
	}
}

static void words(const char *name, const struct life *l, enum life_known known,
		  unsigned masters, int64_t now_s, const char *has,
		  const char *has_not)
{
	const struct marker m = { .by = "master1",
				  .at = 1790000000,
				  .generation = 1 };
	struct buf b = BUF_INIT(1000);

	life_why(l, known, &m, masters, now_s, &b);
	check(strstr(b.str, has) != NULL && strstr(b.str, has_not) == NULL,
	      name, b.str);
	/* what it is put into has 512 */
	check(b.n < 480, "and is not cut", b.str);
	buf_release(&b);
}

static void why(void)
{
	const struct life new = { .generation = 0 }, old = { .cluster = "c1" };

	words("a founder is given its time", &new, LIFE_MARKED, 3, 1790000059,
	      "master1 founds the swarm", "restore");
	words("and no more than a minute", &new, LIFE_MARKED, 3, 1790000060,
	      "no other master answers that has it", "this machine");
	words("several: another may have it", &new, LIFE_MARKED, 3, 1790009000,
	      "'azswarm recover --from MASTER'", "this machine");
	words("the only one", &new, LIFE_MARKED, 1, 1790009000,
	      "founded by master1 at 2026-09-21T14:13:20Z, and this machine is not the one that had it",
	      "recover");
	words("and what is lost", &new, LIFE_MARKED, 1, 1790009000,
	      "lose its services, secrets and configs for good", "recover");
	words("which brings it back", &new, LIFE_MARKED, 1, 1790009000,
	      "'azswarm restore FILE'", "recover");
	words("one that had it", &old, LIFE_MARKED, 1, 1790009000,
	      "this machine is in it no more", "recover");
	words("a marker that is gone", &old, LIFE_NONE, 1, 1790009000,
	      "the marker of that is gone from the storage account",
	      "founded by");
}

static void disk(const char *dir)
{
	struct life l = { .founder = OWN,
			  .founded = true,
			  .cluster = "c1",
			  .node = "n1",
			  .generation = 3 };
	struct life got;
	struct err e = ERR_INIT;
	struct stat st = { 0 };
	char path[200], sub[200];
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"founder\":\"x\"}",
		"{\"founder\":\"\",\"cluster\":\"\",\"node\":\"\",\"generation\":-1}",
		"{\"founder\":\"00112233445566778899aabbccddeeff0\",\"cluster\":\"\",\"node\":\"\",\"generation\":1}",
		"{\"founder\":\"\",\"cluster\":\"c2\",\"node\":\"n2\",\"generation\":\"2\"}",
	};

	snprintf(sub, sizeof(sub), "%s/state", dir);
	check(life_load(sub, &got, &e) == 0 && got.founder[0] == '\0' &&
		      !got.founded && got.generation == 0,
	      "a new machine knows nothing", e.msg);
	check(life_save(sub, &l, &e) == 0 && life_load(sub, &got, &e) == 0 &&
		      strcmp(got.founder, OWN) == 0 && got.founded &&
		      strcmp(got.cluster, "c1") == 0 &&
		      strcmp(got.node, "n1") == 0 && got.generation == 3,
	      "what is kept is there again", e.msg);
	snprintf(path, sizeof(path), "%s/" LIFE_FILE, sub);
	stat(path, &st);
	check((st.st_mode & 0777) == 0600, "for nobody else", "others");
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct err bad = ERR_INIT, write = ERR_INIT;

		file_write(path, str_of(broken[i]), 0600, &write);
		check(life_load(sub, &got, &bad) < 0 &&
			      strstr(bad.msg, LIFE_FILE) != NULL &&
			      got.cluster[0] == '\0' && got.node[0] == '\0',
		      "what cannot be understood is not a new machine",
		      broken[i]);
	}
	unlink(path);
	check(life_save("/dev/null/x", &l, &e) < 0, "nowhere to keep it", "kept");
}

int main(void)
{
	char dir[] = "/tmp/azswarm-life-XXXXXX";
	struct err e = ERR_INIT;

	json_init();
	decisions();
	why();
	if (mkdtemp(dir) == NULL)
		check_give_up("folder", "%s", "none");
	disk(dir);
	dir_remove(dir, &e);
	return check_failed();
}
