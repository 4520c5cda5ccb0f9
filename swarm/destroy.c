/*
 * Destroying: resource groups with all that is in them, and a look whether
 * they are gone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "swarm/baked.h"
#include "swarm/marker.h"
#include "swarm/swarm.h"

/* Without a shutdown of each machine first, which is quicker. */
#define BY_FORCE \
	"&forceDeletionTypes=Microsoft.Compute/virtualMachines," \
	"Microsoft.Compute/virtualMachineScaleSets"

/*
 * Could it be because of that?  Azure has no one word for it: machines under
 * maintenance control say OperationNotAllowed, a provider that does not know
 * the parameter lets the group's deletion time out.  Who may not, or meets a
 * lock or a policy, may not without it either.
 */
static bool force_may_matter(const struct err *e)
{
	static const char *const others[] = { "AuthorizationFailed",
					      "ScopeLocked", "ByPolicy" };

	if (e->kind != ERR_AZURE)
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (str_ends(str_of(e->code), str_of(others[i])))
			return false;
	return true;
}

static int delete_how(struct session *s, const char *group, const char *how,
		      const struct azure_wait *w, struct azure_reply *r,
		      struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourcegroups/%s?api-version=" API_RESOURCES
				"%s",
				group, how);
	int rc = azure_do(&s->az, "DELETE", path, NULL, w, r, e);

	free(path);
	return rc;
}

int swarm_group_delete(struct session *s, const char *group, struct err *e)
{
	char *check = swarm_group_path(s, group);
	char *what = xasprintf("resource group %s to be deleted", group);
	struct azure_wait w = { .what = what,
				.limit_ms = DEPLOYMENT_LIMIT_MS,
				.flags = AZURE_MISSING_OK,
				.no_wait = s->no_wait };
	struct azure_reply r = { 0 };
	int rc = -1;

	/* the lock would go with its account */
	if (strcmp(group, settings_get(s->set, S_STORAGE_GROUP)) == 0 &&
	    lock_leave(s, e) < 0)
		goto out;
	if (delete_how(s, group, BY_FORCE, &w, &r, e) < 0) {
		if (!force_may_matter(e))
			goto out;
		ui_say(s->ui, "%s; once more, with a shutdown of each machine",
		       e->msg);
		err_clear(e);
		azure_reply_release(&r);
		if (delete_how(s, group, "", &w, &r, e) < 0)
			goto out;
	}
	if (r.http.head.status == 404) {
		ui_say(s->ui, "resource group %s is not there", group);
		rc = 0;
		goto out;
	}
	if (s->no_wait) {
		ui_say(s->ui, "resource group %s is being deleted", group);
		rc = 0;
		goto out;
	}
	azure_reply_release(&r);
	if (azure_call(&s->az, "GET", check, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	if (r.http.head.status != 404) {
		err_set(e, ERR_AZURE, "resource group %s is still there (%s)",
			group,
			json_str_opt(r.doc, "properties.provisioningState",
				     "state unknown"));
		goto out;
	}
	ui_say(s->ui, "resource group %s deleted, nothing of it is left", group);
	rc = 0;
out:
	azure_reply_release(&r);
	free(check);
	free(what);
	return rc;
}

static int destroy_one(struct session *s, enum setting which, const char *holds,
		       struct err *e)
{
	const char *group = settings_get(s->set, which);
	char *what = xasprintf("%s in resource group %s", holds, group);
	int rc = swarm_confirm(s, group, what, e);

	free(what);
	return rc < 0 ? -1 : swarm_group_delete(s, group, e);
}

/* A bake that was cut off has left its machine, which is billed. */
static int delete_bake(struct session *s, struct err *e)
{
	char *group = baked_group(s), *since = NULL;
	int rc = baked_group_left(s, &since, e);

	if (rc > 0) {
		ui_say(s->ui,
		       "resource group %s is there, of a bake-image that was begun "
		       "%s: it goes, too",
		       group, since);
		rc = baked_only_ours(s, group, e) < 0 ?
			     -1 :
			     swarm_group_delete(s, group, e);
	}
	free(since);
	free(group);
	return rc;
}

/* With its machines gone, the next deployment may found again.  What stays of it
 * hurts nobody: `params` sees it, and begins a new life. */
static void forget_founding(struct session *s)
{
	struct err once = ERR_INIT;

	if (marker_forget(s, &once) < 0)
		ui_say(s->ui,
		       "that its swarm was founded still stands in storage (%s); "
		       "'azswarm params' before the next deployment",
		       once.msg);
}

int cmd_destroy_compute(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (destroy_one(s, S_COMPUTE_GROUP, "every machine and the network", e) < 0)
		return -1;
	if (!s->no_wait)
		forget_founding(s);
	return delete_bake(s, e);
}

int cmd_destroy_storage(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	return destroy_one(s, S_STORAGE_GROUP,
			   "the storage account, all files and baked images", e);
}

int cmd_destroy_cluster(struct session *s, int argc, char **argv, struct err *e)
{
	const char *compute = settings_get(s->set, S_COMPUTE_GROUP);
	const char *storage = settings_get(s->set, S_STORAGE_GROUP);
	char *what = xasprintf("resource groups %s and %s: every machine and "
			       "all files",
			       compute, storage);
	int rc = swarm_confirm(s, compute, what, e);

	(void)argc, (void)argv;
	free(what);
	if (rc < 0 || swarm_group_delete(s, compute, e) < 0 ||
	    delete_bake(s, e) < 0 || swarm_group_delete(s, storage, e) < 0)
		return -1;
	if (file_exists("keys") || file_exists("parameters"))
		ui_say(s->ui, "keys/ and parameters/ are still here; "
			      "'azswarm clean' removes parameters/");
	return 0;
}
