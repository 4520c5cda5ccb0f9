/*
 * rotate: new keys and secrets in place of those that machines have, with no
 * moment in which a machine has none that is good.  What comes is valid before it
 * is given out, what goes is valid until nobody has it any more; between the two
 * `params`, `upgrade` and `deploy-compute` bring it to the machines.
 *
 * How far one is stands where it counts (a tag of the account, files in keys/),
 * so the same command goes on with what was interrupted, whoever runs it.
 */
#include <stdlib.h>
#include <string.h>

#include "docker/docker.h"
#include "swarm/masters.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"

/* Whose machine is off has what was before, and would be shut out by the end of
 * that: of a host key, for good. */
static int upgrade(struct session *s, int argc, char **argv, struct err *e)
{
	size_t off;

	(void)argc, (void)argv;
	if (upgrade_all(s, &off, e) < 0)
		return -1;
	return off == 0 ?
		       0 :
		       err_set(e, ERR_DATA,
			       "%zu machine%s off and would be shut out: start "
			       "or delete what is, then the same command goes on",
			       off, off == 1 ? " is" : "s are");
}

/* By the settings of now masters may be too many: to take some away is no part of
 * this, whatever was agreed to. */
static int check_masters(struct session *s, int there, struct err *e)
{
	cJSON *masters = there > 0 ? masters_there(s, true, e) : NULL;
	int n = cJSON_GetArraySize(masters), wanted = 0;
	int rc = there > 0 && masters == NULL ? -1 : 0;

	if (rc == 0)
		rc = settings_int(s->set, S_MASTER_COUNT, &wanted, e);
	if (rc == 0 && n > wanted)
		rc = err_set(e, ERR_USAGE,
			     "there are %d masters, and MASTER_COUNT is %d: say "
			     "MASTER_COUNT=%d, or 'azswarm params' and 'azswarm "
			     "deploy-compute' first",
			     n, wanted, n);
	json_free(masters);
	return rc;
}

/* What machines know by their files, and what new ones of the scale set get. */
static int bring(struct session *s, bool model, struct err *e)
{
	static const struct {
		const char *name;
		int (*run)(struct session *s, int argc, char **argv,
			   struct err *e);
	} steps[] = {
		{ "params", cmd_params },
		{ "upgrade", upgrade },
		{ "deploy-compute", cmd_deploy_compute },
	};
	size_t n = sizeof(steps) / sizeof(*steps) - !model;
	int there = swarm_group_there(s, settings_get(s->set, S_COMPUTE_GROUP), e);

	if (there < 0 || check_masters(s, there, e) < 0)
		return -1;
	if (there == 0)
		return 0; /* who comes gets what is then */
	for (size_t i = 0; i < n; i++) {
		char *words[] = { xstrdup(steps[i].name), NULL };
		int rc;

		ui_say(s->ui, "== %s", words[0]);
		rc = steps[i].run(s, 1, words, e);
		free(words[0]);
		if (rc < 0)
			return err_in(e, "%s", steps[i].name);
	}
	return 0;
}

/* ---- the account's keys ---- */

static int rotate_storage_key(struct session *s, struct err *e)
{
	struct storage *st = storage_of(s, e);
	const char *other;

	if (st == NULL)
		return -1;
	if (st->keyless)
		return err_set(e, ERR_DATA,
			       "storage account %s allows no shared keys: "
			       "there is none to rotate",
			       storage_account_name(s));
	if (st->key_before[0] == '\0') {
		other = strcmp(st->key, "key1") == 0 ? "key2" : "key1";
		if (storage_key_anew(s, other, e) < 0 ||
		    storage_use_key(s, other, st->key, e) < 0)
			return -1;
	} else {
		ui_say(s->ui, "going on: machines get %s in place of %s",
		       st->key, st->key_before);
	}
	if (bring(s, true, e) < 0 || storage_key_anew(s, st->key_before, e) < 0)
		return -1;
	return storage_use_key(s, st->key, "", e);
}

/* ---- secrets ---- */

static int rotate_secrets(struct session *s, struct err *e)
{
	enum keys_turn turn;

	/* masters take both; then all have the new ones; then masters take no
	 * others */
	do {
		turn = keys_turn(s->ui, e);
		if (turn == KEYS_TURN_FAILED ||
		    bring(s, turn == KEYS_TURN_USED, e) < 0)
			return -1;
	} while (keys_turned(turn, e) == 0 && turn != KEYS_TURN_ALONE);
	return e->kind == ERR_NONE ? 0 : -1;
}

/* ---- host keys ---- */

static int rotate_host_keys(struct session *s, struct err *e)
{
	if (keys_turn_hosts(s->ui, e) < 0 || bring(s, true, e) < 0)
		return -1;
	return keys_turned_hosts(s->ui, e);
}

/* ---- the swarm's tokens ---- */

/* At once: machines ask a helper for one when they join, and who has just got one
 * of before asks again. */
static int rotate_join_tokens(struct session *s, struct err *e)
{
	struct remote r = { 0 };
	int rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);

	if (rc == 0)
		rc = docker_swarm_rotate(remote_docker(&r), e);
	if (rc == 0)
		ui_say(s->ui, "the swarm has new join tokens; the ones of before "
			      "let nobody in");
	remote_release(&r);
	return rc < 0 ? err_in(e, "join tokens") : 0;
}

/* ---- the command ---- */

int cmd_rotate(struct session *s, int argc, char **argv, struct err *e)
{
	static const struct {
		const char *what;
		int (*rotate)(struct session *s, struct err *e);
	} all[] = {
		{ "storage-key", rotate_storage_key },
		{ "secrets", rotate_secrets },
		{ "join-tokens", rotate_join_tokens },
		{ "host-keys", rotate_host_keys },
	};

	(void)argc;
	/* keys/ is changed before anything is asked */
	if (s->trace.print && (strcmp(argv[1], "secrets") == 0 ||
			       strcmp(argv[1], "host-keys") == 0))
		return err_set(e, ERR_HELD,
			       "new ones would be made in keys/, and brought to "
			       "the machines by params, upgrade and "
			       "deploy-compute; nothing was changed");
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(argv[1], all[i].what) == 0)
			return all[i].rotate(s, e);
	return err_set(e, ERR_USAGE,
		       "\"%s\": expected storage-key, secrets, join-tokens or "
		       "host-keys",
		       argv[1]);
}
