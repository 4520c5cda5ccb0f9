#ifndef SWARM_SWARM_H
#define SWARM_SWARM_H

#include "http/retry.h"
#include "swarm/keys.h"
#include "swarm/lock.h"
#include "swarm/program.h"
#include "swarm/session.h"

/*
 * The commands, and what they share.  Each is a sequence of named steps; it
 * may be interrupted anywhere and run again.  Below it are the parts that
 * others use, each in the file that is named: agents.c, sizes.c and storage.c
 * rest on swarm.c, plan.c on those, deploy.c on plan.c.
 */
#define PARAMETERS_FILE "parameters/cluster.json"
#define PARAMETERS_MAX (1u << 20)
#define DEPLOYMENT_LIMIT_MS (60 * 60000)
#define OPERATION_LIMIT_MS (30 * 60000)

/* Add what to do about an error of Azure's; false when that is not known. */
bool advice(const struct err *e, struct buf *out);

/* ---- storage (swarm/storage.c) ---- */

/* The account's name, the session's. */
const char *storage_account_name(struct session *s);
#define STORAGE_VERSION "2021-12-02" /* of the blob service */
/* Why autoscale is refused there, and all that is lost. */
#define STORAGE_BRIEF \
	"a new machine finds this program, and a node what was pushed, only while " \
	"the signed address is good, 7 days; 'azswarm params' and 'azswarm " \
	"deploy-compute' make another"
#define STORAGE_LOST \
	"no machine mounts a share at /srv (SMB knows no other way in), and " \
	"autoscale stays off: " STORAGE_BRIEF
void storage_release(struct storage *st);
/* The session's own, found once for all parts of a command; NULL with e: ERR_DATA
 * unless the account is there. */
struct storage *storage_of(struct session *s, struct err *e);
void storage_say_keyless(struct session *s);
/* e is the storage service's word that keys are forbidden, which nothing told
 * before: true, it is cleared, said, and st is keyless from now on. */
bool storage_keyless_now(struct session *s, struct storage *st, struct err *e);
/* "Standard_LRS", for the caller to free; left alone where no account is. */
int storage_sku(struct session *s, char **sku, struct err *e);
/* The key of the account that machines have.  ERR_DATA when it is keyless.  Caller
 * burns. */
int storage_key(struct session *s, const struct storage *st, char **key,
		struct err *e);
/* Have Azure make that key anew, "key1" or "key2": what was made with it is void. */
int storage_key_anew(struct session *s, const char *name, struct err *e);
/* From now on machines are given that key, and those that are there have still the
 * one before; "": they have no more. */
int storage_use_key(struct session *s, const char *name, const char *before,
		    struct err *e);
/* ERR_AZURE when an account that is not there yet cannot have its name. */
int storage_name_free(struct session *s, struct err *e);
/*
 * The query of a signed URL for a blob ("container/name"), or for a container
 * with all that is in it, until expires, which is Unix time; sooner where the
 * account is keyless.  permissions: letters in the order of "racwdl".  Caller
 * burns.
 */
int storage_sign(struct session *s, struct storage *st, const char *blob,
		 const char *permissions, int64_t expires, char **query,
		 struct err *e);
/* "https://ACCOUNT.blob.../BLOB?QUERY".  Caller burns. */
char *storage_url(const struct storage *st, const char *blob, const char *query);
/* Both: a signed URL of a blob.  Caller burns. */
int storage_sas_url(struct session *s, struct storage *st, const char *blob,
		    const char *permissions, int64_t expires, char **url,
		    struct err *e);
/* The code in the storage service's XML error, for a message.  The URL holds
 * the signature and is never shown.  ERR_NET: it may be different next time. */
int storage_refusal(const struct http_response *r, enum http_retry row,
		    struct err *e);
/*
 * Blob storage failed, as e says, after so many tries since began.  0: e is cleared
 * and it is time for the next; -1: it does not pass, or who waits was interrupted.
 */
int storage_again(struct session *s, enum http_retry row, unsigned tries,
		  int64_t began, struct err *e);
/* Make that container, or see that it is there. */
int storage_container(struct session *s, const char *name, struct err *e);
/* HEAD: is a blob of that size there? */
int storage_blob_there(struct session *s, const char *url,
		       const struct program *p, bool *there, struct err *e);

/* ---- signing without the account's key (swarm/delegation.c) ---- */

/*
 * storage_sign() with the key that blob storage gives to whom Entra knows: until
 * expires, or 7 days from now, which is what such a key lives.  Caller burns.
 * ERR_AZURE when we lack the role of the data that this wants, and which.
 */
int delegation_sign(struct session *s, struct storage *st, const char *blob,
		    const char *permissions, int64_t expires, char **query,
		    struct err *e);

/* ---- names that all of Azure shares (swarm/names.c) ---- */

/* The storage account's: the usual one, or the one in its place.  Caller frees. */
char *names_account(const struct session *s);
/* What would take the place of the account's name; NULL: that has no place to
 * take, or was chosen.  Caller frees. */
char *names_account_other(const struct session *s, const char *now);
/* It is in use, and stays so. */
int names_keep_account(const char *name, struct err *e);
/* e says that the usual name is another's.  0: the other one is agreed to
 * (asked, or --yes), e is cleared; -1: e says how to take it, too. */
int names_take_account(struct session *s, const char *name, struct err *e);
/* What the public DNS labels begin with.  Caller frees. */
char *names_prefix(const struct session *s);
/* May that be what the labels of this COMPUTE_GROUP begin with? */
bool names_is_prefix(const char *group, const char *prefix);
/* The label of a master, or of the load balancer (-1).  Caller frees. */
char *names_label(const char *prefix, int master);
/* Asks.  *told: Azure said whether it is free. */
int names_label_free(struct session *s, const char *label, bool *is_free,
		     bool *told, struct err *e);
/*
 * The prefix whose labels can be had, for so many masters: the one that is in
 * use, or another that is agreed to in place of one that is taken.  refused: NULL,
 * or Azure's word that one is; without it Azure is asked once in a session.  Caller
 * frees *prefix, whatever the result.
 */
int names_labels(struct session *s, int masters, const struct err *refused,
		 char **prefix, struct err *e);

/* ---- keys/ and the cluster (swarm/match.c) ---- */

/* ERR_DATA when the cluster's machines run with other keys than those in keys/,
 * or when there are none here; the code is "OtherKeys".  0 when there is no
 * cluster. */
int keys_match(struct session *s, struct err *e);

/* ---- the scale set (swarm/agents.c) ---- */

/*
 * Make the deployment's parameters ask for as many agents as there are: a
 * smaller number would have Azure remove machines by rules of its own, without
 * a drain.  And for what else the set is by hand and not by the template: its
 * placement groups, the load balancers' pools that agents are in.
 */
int agents_keep_number(struct session *s, cJSON *parameters, struct err *e);

/* ---- parameters (swarm/params.c) ---- */

/* What parameters/cluster.json holds; NULL with e.  Caller burns. */
cJSON *params_read(struct err *e);
/* The same for who can do without: NULL where it is not there, or no JSON. */
cJSON *params_there(void);

/*
 * Machines that are made, or made anew, fetch this program by the address that
 * stands in the parameters.  ERR_DATA when its signature has ended, or is by a
 * key of an account that allows none any more; 0 also where there are no
 * parameters here to look at.
 */
int params_fetchable(struct session *s, struct err *e);
/* Say so where no node can pull what was pushed, by the address that stands
 * there.  To be called when the storage account was asked something. */
void params_say_unread(struct session *s);
/* When that ends, where it is within 90 days, or was; 0 else, and where such
 * addresses never live longer. */
#define PARAMS_SOON_S (90 * 86400)
int64_t params_end_soon(void);

/* ---- images (swarm/images.c) ---- */

/* The marketplace's image for that kind of processor: of Ubuntu 24.04, of the
 * second generation. */
const char *images_sku(enum elf_machine kind);
/* The latest version of a SKU of that image, {publisher, offer}; "latest" where
 * Azure does not tell, which is said.  Caller frees; NULL with e. */
char *images_latest(struct session *s, const cJSON *image, const char *sku,
		    struct err *e);
/* In place of a version there may be the id of an image of one's own; and what
 * either is called, "0.2.2026113000" of ".../versions/0.2.2026113000". */
bool images_is_id(const char *version);
const char *images_short(const char *version);

/*
 * Put into body, the deployment's, which masters are new (only they are sent
 * customData) and the versions of images: for agents and for new masters the one
 * that `params` chose, or else the latest there is, which is said, and for each
 * master that is there its own, for Azure refuses another; one that is being deleted
 * is waited for, until it is gone.  there: the resource group is.  Where Azure does
 * not tell the latest, that is said, and the template's "latest" stays.
 *
 * left: gets the masters that are there and too many, an array for the caller to
 * free, which may be empty.
 */
int images_resolve(struct session *s, cJSON *body, bool there, cJSON **left,
		   struct err *e);

/* ---- images of one's own (swarm/baked.c) ---- */

/*
 * Which image machines of each kind of processor are made of, by IMAGE: ids[i]
 * gets the id of a baked one, or "" for the marketplace's, which is said, and
 * why.  ERR_USAGE when IMAGE is an id of none.  Caller frees them, whatever the
 * result.
 */
int baked_choose(struct session *s, const enum elf_machine *kinds, char **ids,
		 size_t n, struct err *e);

/* ---- sizes (swarm/sizes.c) ---- */

/* The list of VM sizes in LOCATION.  Caller frees. */
char *sizes_path(const struct session *s);
/* What sizes_choose() has read of that size, the session's; NULL: nothing. */
const cJSON *sizes_known(const struct session *s, const char *size);
/* Of an item of that list: what it has under this name, "" when nothing. */
const char *sizes_capability(const cJSON *size, const char *name);
/*
 * Have MASTER_SIZE and AGENT_SIZE name sizes that LOCATION has: those that were
 * set are looked for in Azure's list; one that was not is what the machines that
 * are there have, or else the first of an order that this subscription may have
 * there, which is said.  Asks once in a session.
 *
 * kinds  gets the kind of processor of each; NULL: nobody wants to know, and
 *        what was set is not looked at
 *
 * ERR_USAGE naming the size or the region that is not there, and what lists
 * them; where LOCATION has no size at all for this subscription, another region
 * that has one.  Where Azure refuses the list, that is said, and nothing is
 * known to be wrong.
 */
int sizes_choose(struct session *s, enum elf_machine kinds[2], struct err *e);

/* ---- resource providers (swarm/providers.c) ---- */

#define PROVIDERS 4
/* Those whose resources a cluster is made of. */
extern const char *const provider_names[PROVIDERS];
/* Whether what failed did so because a provider does not know the subscription. */
bool provider_lacks(const struct err *e);
/*
 * Have those registered that are not, and wait until they are; nothing is
 * changed where all are.  again: whatever they say of themselves, for some
 * refuse what they should know.  ERR_TIMEOUT after ten minutes.
 */
int providers_register(struct session *s, bool again, struct err *e);

/* ---- what every command shares (swarm.c) ---- */

/* A resource group in Azure.  Caller frees. */
char *swarm_group_path(const struct session *s, const char *group);
/* 1: it is there; 0: not; -1: error. */
int swarm_group_there(struct session *s, const char *group, struct err *e);
/* The same, of one that is being deleted when that is done. */
int swarm_group_settled(struct session *s, const char *group, struct err *e);
/* A resource group in LOCATION: made unless it is there. */
int swarm_group_put(struct session *s, const char *group, struct err *e);
/* With all that is in it, and a look whether it is gone (swarm/destroy.c); with
 * s->no_wait, it is begun. */
int swarm_group_delete(struct session *s, const char *group, struct err *e);

/* The deployment of the compute group.  Caller frees. */
char *swarm_deployment_name(const struct session *s);
/* rest: what follows its name, "/validate" or "".  Caller frees. */
char *swarm_deployment_path(const struct session *s, const char *rest);
/* The template's parameters, {"masterCount": {"value": 3}, ...}, from the file, which
 * is made for these settings or refused.  Caller burns. */
int swarm_parameters(const struct settings *set, cJSON **parameters,
		     struct err *e);
/* {"properties": {mode, template, parameters}} from the asset and the file.
 * Caller burns. */
int swarm_deployment_body(const struct settings *set, cJSON **body, struct err *e);
int swarm_deployment_validate(struct session *s, const cJSON *body, struct err *e);
/* Wait for the one that runs to end, well or badly (swarm/deploy.c).  1: it did;
 * 0: none ran; -1: error. */
int deployment_let_end(struct session *s, struct err *e);

/* A list of Azure's as a table: row() adds a row for an item, or none, to the
 * struct listing that it is given. */
int swarm_show_list(struct session *s, const char *path, const char *what,
		    const char *const *columns,
		    int (*row)(void *listing, const cJSON *item, struct err *e),
		    struct err *e);
/* "0.10.1" is newer than "0.9": numbers between dots; what is none ends it. */
bool swarm_is_newer(const char *a, const char *b);
/*
 * Whether name was typed at the terminal, or given with --confirm; what: that
 * which is to be destroyed.  0, or -1 with ERR_USAGE or ERR_INTR.
 */
int swarm_confirm(struct session *s, const char *name, const char *what,
		  struct err *e);

/* Whether what is to be done is agreed to at the terminal, or with --yes.  0, or
 * -1 with ERR_USAGE or ERR_INTR. */
int swarm_agree(struct session *s, const char *what, struct err *e);

/*
 * What a command that was cut off left at that path in parameters/, when it was
 * for the same COMPUTE_GROUP; NULL: nothing, or nothing that can be read.  Caller
 * frees.
 */
cJSON *swarm_begun(struct session *s, const char *path);
/* Leave doc there, which is put in and gets the group. */
int swarm_begin(struct session *s, const char *path, cJSON *doc, struct err *e);

/* ---- waiting for the swarm (swarm/up.c) ---- */

/*
 * Until the swarm has all the machines that were made: each is in service, and
 * meanwhile it is said how far it is.  Not for machines that exist on paper,
 * which is said.  Bounded.
 */
int arrive(struct session *s, struct err *e);

/* ---- autolock (swarm/autolock.c) ---- */

/*
 * The swarm's autolock as AUTOLOCK says, where somebody has chosen, and its key
 * in keys/unlock.key (0600), which goes when it is turned off.  d: the engine of a
 * master that works.
 */
struct docker;
int autolock_apply(struct session *s, struct docker *d, struct err *e);
/* Whether that would change it; nothing is. */
int autolock_differs(struct session *s, struct docker *d, bool *differs,
		     struct err *e);

/* ---- docker-env (swarm/tunnel.c) ---- */

/* Whether a tunnel ends: an hour after it carried something, at used_ms. */
bool tunnel_is_idle(int64_t used_ms, int64_t now_ms);

/* ---- the commands; argv[0] is the command's name ---- */

int cmd_login(struct session *s, int argc, char **argv, struct err *e);
int cmd_logout(struct session *s, int argc, char **argv, struct err *e);
int cmd_audit(struct session *s, int argc, char **argv, struct err *e);
int cmd_rotate(struct session *s, int argc, char **argv, struct err *e);
int cmd_status(struct session *s, int argc, char **argv, struct err *e);
int cmd_doctor(struct session *s, int argc, char **argv, struct err *e);
int cmd_keys(struct session *s, int argc, char **argv, struct err *e);
int cmd_deploy_storage(struct session *s, int argc, char **argv, struct err *e);
int cmd_create_shares(struct session *s, int argc, char **argv, struct err *e);
int cmd_params(struct session *s, int argc, char **argv, struct err *e);
int cmd_deploy_compute(struct session *s, int argc, char **argv, struct err *e);
int cmd_replace_master(struct session *s, int argc, char **argv, struct err *e);
int cmd_recover(struct session *s, int argc, char **argv, struct err *e);
int cmd_plan(struct session *s, int argc, char **argv, struct err *e);
int cmd_upgrade(struct session *s, int argc, char **argv, struct err *e);
int cmd_up(struct session *s, int argc, char **argv, struct err *e);
int cmd_view_deployment(struct session *s, int argc, char **argv, struct err *e);
int cmd_list_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_scale_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_stop_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_start_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_deallocate_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_restart_agents(struct session *s, int argc, char **argv, struct err *e);
int cmd_reimage_agents_serial(struct session *s, int argc, char **argv,
			      struct err *e);
int cmd_reimage_agents_parallel(struct session *s, int argc, char **argv,
				struct err *e);
int cmd_chaos_monkey(struct session *s, int argc, char **argv, struct err *e);
int cmd_rebalance(struct session *s, int argc, char **argv, struct err *e);
int cmd_evict(struct session *s, int argc, char **argv, struct err *e);
int cmd_return(struct session *s, int argc, char **argv, struct err *e);
int cmd_backup(struct session *s, int argc, char **argv, struct err *e);
int cmd_restore(struct session *s, int argc, char **argv, struct err *e);
int cmd_list_endpoints(struct session *s, int argc, char **argv, struct err *e);
int cmd_resources(struct session *s, int argc, char **argv, struct err *e);
int cmd_locations(struct session *s, int argc, char **argv, struct err *e);
int cmd_sizes(struct session *s, int argc, char **argv, struct err *e);
int cmd_destroy_compute(struct session *s, int argc, char **argv, struct err *e);
int cmd_destroy_storage(struct session *s, int argc, char **argv, struct err *e);
int cmd_destroy_cluster(struct session *s, int argc, char **argv, struct err *e);
int cmd_role(struct session *s, int argc, char **argv, struct err *e);
int cmd_trust(struct session *s, int argc, char **argv, struct err *e);
int cmd_bake_image(struct session *s, int argc, char **argv, struct err *e);
int cmd_baked_images(struct session *s, int argc, char **argv, struct err *e);
int cmd_clean(struct session *s, int argc, char **argv, struct err *e);
int cmd_deploy_monitor(struct session *s, int argc, char **argv, struct err *e);
int cmd_kill_monitor(struct session *s, int argc, char **argv, struct err *e);
int cmd_deploy_replicated_service(struct session *s, int argc, char **argv,
				  struct err *e);
int cmd_deploy_global_service(struct session *s, int argc, char **argv,
			      struct err *e);
int cmd_destroy_service(struct session *s, int argc, char **argv, struct err *e);
int cmd_destroy_global_service(struct session *s, int argc, char **argv,
			       struct err *e);
int cmd_update_service(struct session *s, int argc, char **argv, struct err *e);
int cmd_scale_service(struct session *s, int argc, char **argv, struct err *e);
int cmd_deploy_stack(struct session *s, int argc, char **argv, struct err *e);
int cmd_destroy_stack(struct session *s, int argc, char **argv, struct err *e);
int cmd_stacks(struct session *s, int argc, char **argv, struct err *e);
int cmd_ps(struct session *s, int argc, char **argv, struct err *e);
int cmd_push(struct session *s, int argc, char **argv, struct err *e);
int cmd_images(struct session *s, int argc, char **argv, struct err *e);
int cmd_ports(struct session *s, int argc, char **argv, struct err *e);
int cmd_proxy(struct session *s, int argc, char **argv, struct err *e);
int cmd_tail_helper(struct session *s, int argc, char **argv, struct err *e);
int cmd_logs(struct session *s, int argc, char **argv, struct err *e);
int cmd_exec(struct session *s, int argc, char **argv, struct err *e);
int cmd_ssh(struct session *s, int argc, char **argv, struct err *e);
int cmd_docker_env(struct session *s, int argc, char **argv, struct err *e);
int cmd_unlock(struct session *s, int argc, char **argv, struct err *e);

#endif
