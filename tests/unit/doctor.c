/*
 * What doctor decides by: what a role permits, as "Azure role definitions" and
 * "Understand Azure NotActions" (learn.microsoft.com) say it, and a quorum.  The
 * layers themselves are sh/doctor's.
 */
#include "swarm/doctor.h"
#include "tests/check.h"

static cJSON *parse(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "test", &e);

	if (doc == NULL)
		check_give_up("text of the test", "%s", e.msg);
	return doc;
}

static const struct {
	const char *name, *permissions, *action;
	bool permitted;
} rights[] = {
	{ "all", "[{\"actions\":[\"*\"],\"notActions\":[]}]",
	  "Microsoft.Compute/virtualMachines/read", true },
	{ "letters fold",
	  "[{\"actions\":[\"microsoft.compute/VIRTUALMACHINES/read\"]}]",
	  "Microsoft.Compute/virtualMachines/read", true },
	{ "another action",
	  "[{\"actions\":[\"Microsoft.Compute/virtualMachines/read\"]}]",
	  "Microsoft.Compute/virtualMachines/write", false },
	{ "the beginning alone",
	  "[{\"actions\":[\"Microsoft.Compute/virtualMachines\"]}]",
	  "Microsoft.Compute/virtualMachines/read", false },
	{ "more than it",
	  "[{\"actions\":[\"Microsoft.Compute/virtualMachines/read/x\"]}]",
	  "Microsoft.Compute/virtualMachines/read", false },
	{ "a wildcard at the end", "[{\"actions\":[\"Microsoft.Compute/*\"]}]",
	  "Microsoft.Compute/virtualMachineScaleSets/delete/action", true },
	{ "at the beginning", "[{\"actions\":[\"*/read\"]}]",
	  "Microsoft.Compute/virtualMachines/read", true },
	{ "at the beginning, another end", "[{\"actions\":[\"*/read\"]}]",
	  "Microsoft.Compute/virtualMachines/write", false },
	{ "in the middle", "[{\"actions\":[\"Microsoft.Compute/*/read\"]}]",
	  "Microsoft.Compute/a/b/c/read", true },
	{ "two, the first tried again", "[{\"actions\":[\"*/read*/read\"]}]",
	  "x/read/read/write/read", true },
	{ "that are none", "[{\"actions\":[\"*/read*/write\"]}]",
	  "x/read/write/read", false },
	{ "taken away",
	  "[{\"actions\":[\"*\"],\"notActions\":[\"Microsoft.Authorization/*/Write\"]}]",
	  "Microsoft.Authorization/roleAssignments/write", false },
	{ "taken away, another",
	  "[{\"actions\":[\"*\"],\"notActions\":[\"Microsoft.Authorization/*/Write\"]}]",
	  "Microsoft.Authorization/permissions/read", true },
	{ "taken away from one role, given by another",
	  "[{\"actions\":[\"*\"],\"notActions\":[\"A/b/write\"]},"
	  "{\"actions\":[\"A/*\"],\"notActions\":[]}]",
	  "A/b/write", true },
	{ "of data only", "[{\"actions\":[],\"dataActions\":[\"*\"]}]",
	  "Microsoft.Storage/storageAccounts/read", false },
	{ "none", "[]", "Microsoft.Storage/storageAccounts/read", false },
	{ "what is no text", "[{\"actions\":[1,null,{}],\"notActions\":3},4]",
	  "Microsoft.Storage/storageAccounts/read", false },
	{ "an empty pattern", "[{\"actions\":[\"\"]}]", "A/b/read", false },
};

/* A letter a manager: L leads, + answers, - does not; w: a worker. */
static const struct {
	const char *name, *nodes, *verdict, *fact;
} quorums[] = {
	{ "one", "Lw", "ok", "1 of 1 managers answer, 1 are needed, n0 leads" },
	{ "three", "+Lw+", "ok", "3 of 3 managers answer, 2 are needed, n1 leads" },
	{ "two of three", "+L-", "warning",
	  "2 of 3 managers answer, 2 are needed" },
	{ "one of three", "+--", "wrong",
	  "1 of 3 managers answer, 2 are needed, nobody" },
	{ "two of four", "+L--", "wrong", "2 of 4 managers answer, 3 are needed" },
	{ "three of five", "L-+-+", "warning",
	  "3 of 5 managers answer, 3 are needed" },
	{ "two of five", "L--+-", "wrong", "2 of 5 managers answer, 3 are needed" },
	{ "none at all", "ww", "wrong", "0 of 0 managers answer" },
};

static void quorum(size_t k)
{
	static const char *const columns[] = { "verdict", "layer", "name",
					       "fact",	  "mend",  NULL };
	struct ui ui = { .out = stdout, .err = stderr, .format = UI_JSON };
	struct session s = { .ui = &ui };
	struct doctor d = { .s = &s, .layer = "swarm" };
	struct docker_node nodes[8] = { 0 };
	const char *text = quorums[k].nodes;
	const cJSON *row;
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		snprintf(nodes[i].hostname, sizeof(nodes[i].hostname), "n%zu", i);
		nodes[i].manager = text[i] != 'w';
		nodes[i].reachable = text[i] == '+' || text[i] == 'L';
		nodes[i].leader = text[i] == 'L';
	}
	d.survey.nodes = nodes;
	d.survey.n_nodes = n;
	listing_init(&d.lines, columns);
	doctor_quorum(&d);
	row = d.lines.rows->child;
	checkf(row != NULL && row->next == NULL &&
		       json_is(row, "[0]", quorums[k].verdict) &&
		       strncmp(json_text(row, "[3]"), quorums[k].fact,
			       strlen(quorums[k].fact)) == 0 &&
		       (json_text(row, "[4]")[0] == '\0') ==
			       (strcmp(quorums[k].verdict, "ok") == 0),
	       quorums[k].name, "%s: %s", json_text(row, "[0]"),
	       json_text(row, "[3]"));
	listing_release(&d.lines);
}

int main(void)
{
	json_init();
	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		cJSON *doc = parse(rights[i].permissions);
		bool got = doctor_permits(doc, rights[i].action);

		checkf(got == rights[i].permitted, rights[i].name, "got %d", got);
		json_free(doc);
	}
	for (size_t i = 0; i < sizeof(quorums) / sizeof(*quorums); i++)
		quorum(i);
	return check_failed();
}
