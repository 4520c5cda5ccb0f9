#ifndef EMULATOR_INNER_H
#define EMULATOR_INNER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "emulator/emulator.h"
#include "emulator/jsonf.h"
#include "http.h"
#include "tls/tls.h"

/*
 * What the files of the local Azure share.  One mutex, emu.lock, guards all
 * state; handlers run with it held, and give it up only in op_sleep(),
 * op_wait() and while a driver works.  A struct entry or struct op may be gone
 * after any of those: find it again by its key.
 */

#define BODY_MAX (4u << 20)		/* ARM's limit for a template */
#define BLOB_MAX (64u << 20)
#define STATE_MAX (256u << 20)
#define OPS_MAX 256			/* at work at once */
#define OPS_KEPT 500			/* finished ones remembered */
#define DRIVERS_MAX 4			/* driver programs at once */

#define LOWER "abcdefghijklmnopqrstuvwxyz"	/* what names may be made of */
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct rtype;

/* One resource: a group, a machine, a share, a deployment, a blob. */
struct entry {
	struct entry *next;
	char *key;		/* lower-case id; a blob's is "blob:account/container/name" */
	cJSON *doc;		/* what GET answers */
	cJSON *hide;		/* what it never answers: keys, custom data, power */
	const struct rtype *type;	/* NULL for groups, deployments, blobs */
	unsigned busy;		/* operations at work on it; not kept */
};

/* A refusal in Azure's words.  error is {"code","message",...} or NULL. */
struct fault {
	unsigned status;
	cJSON *error;
};

enum op_style {
	OP_NONE,		/* synchronous */
	OP_COMPUTE,
	OP_NETWORK,
	OP_STORAGE,		/* 202 and Location */
	OP_JOB,			/* ARM's own: operationresults */
	OP_DEPLOYMENT,
};

enum op_status { OP_RUNNING, OP_SUCCEEDED, OP_FAILED, OP_CANCELED };

struct emu;
struct op;
/* The work, in a thread of its own, with the lock held.  -1 with f. */
typedef int op_run(struct emu *m, struct op *op, struct fault *f);

struct op {
	struct op *next;
	struct emu *m;
	enum op_style style;
	enum op_status status;
	char *location;
	char *key;		/* of the resource it is about */
	char *api;		/* poll URLs carry it */
	cJSON *args;		/* for run */
	cJSON *busy;		/* keys of the entries it keeps busy */
	cJSON *output;		/* of runCommand */
	struct fault fault;
	op_run *run;
	unsigned done_status;	/* of a Location poll: 200, or 204 */
	bool cancel;
	bool pinned;		/* somebody waits for it: not forgotten */
	int64_t started, ended;
	char id[64];
};

struct emu {
	pthread_mutex_t lock;
	pthread_cond_t changed;	/* anything: states, operations, stopping */
	bool stopping;
	bool dirty;		/* to be saved */
	unsigned threads;	/* operations and servers still running */
	unsigned drivers;
	unsigned port;
	char *dir;		/* absolute */
	char *netns;		/* NULL without machines */
	struct entry *entries, **entries_end;
	struct op *ops;		/* newest first */
	FILE *log;
	int record_fd;		/* -1: nothing is recorded */
	struct tls_identity *identity;
	int stop_fd[2];
	uint64_t incarnation;	/* of scheduled events */
	cJSON *events;
	cJSON *grants;		/* sign-ins that are under way; not kept */
	char *faults_path;
	cJSON *faults;		/* rules, with how often each was seen */
	int64_t faults_mark;	/* of the file they are from */
	struct emulator_options o;
	char net[17];		/* for the driver */
	char host[64];		/* numeric address listened on */
	char base[64];		/* "https://localhost:8443" */

	/* made once, kept in state.json */
	char tenant[37], client[37], object[37], subscription[37];
	char secret[48];
	uint8_t token_key[32];

	char certificate[2657];	/* filler of poll URLs, 'c' */
};

/* ---- state.c ---- */

char *lower(const char *s);			/* caller frees */
int store_load(struct emu *m, struct err *e);	/* or makes a new state */
int store_save(struct emu *m, struct err *e);
void store_release(struct emu *m);
struct entry *store_find(struct emu *m, const char *id);	/* any case */
/* Owns doc and hide. */
struct entry *store_add(struct emu *m, const char *id, cJSON *doc, cJSON *hide);
void store_remove(struct emu *m, struct entry *n);
/* The entries whose key begins with prefix (lower case), after NULL the first. */
struct entry *store_next(struct emu *m, struct entry *after, const char *prefix);
/* Those whose key begins with key and goes on with tail. */
struct entry *store_below(struct emu *m, struct entry *after, const char *key, const char *tail);
/* Those of one type, "Microsoft.Compute/virtualMachines". */
struct entry *store_typed(struct emu *m, struct entry *after, const char *type);
void store_changed(struct emu *m);		/* save it, wake who waits */
/* The document with that id, which may be part of another: a subnet, a pool. */
const cJSON *store_doc(struct emu *m, const char *id);
/* "subnets/x" in doc: what is called so in its properties; doc for "". */
const cJSON *doc_part(const cJSON *doc, const char *path);
/* First entry whose document names id or something below it; not self, not
 * below it, nor what it is a part of. */
struct entry *store_referrer(struct emu *m, const char *id);
void emu_log(struct emu *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Refuse, unless it was refused already: "CODE: TEXT", or "CODE TARGET: TEXT".
 * Always -1.
 */
int fault_set(struct fault *f, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
/*
 * The same in the words that assets/azure/shapes has for it, with printf's
 * holes.  name: "CODE", "CODE TARGET"; "CODE/WHICH" where a code has several.
 */
int fault_say(struct fault *f, unsigned status, const char *name, ...) __attribute__((cold));
/* The same for a code that may hold anything; target may be NULL. */
int fault_code(struct fault *f, unsigned status, const char *code, const char *target,
	       const char *text) __attribute__((cold));
/* The body is not what it must be. */
int bad_content(struct fault *f, const char *why) __attribute__((cold));
void fault_release(struct fault *f);

/* ---- ops.c ---- */

/* Detached, with 1 MiB of stack.  -1 when there is none to be had. */
int thread_start(void *(*run)(void *), void *arg);
/* The last act of a thread that counts in m->threads: gives up the lock.  NULL. */
void *thread_end(struct emu *m);
/*
 * Begin an operation.  Takes args and busy (keys to be marked busy until it
 * ends; may be NULL).  NULL with f when there are too many.
 */
struct op *op_start(struct emu *m, enum op_style style, const char *location,
		    const char *key, const char *api, op_run *run, cJSON *args,
		    cJSON *busy, struct fault *f);
struct op *op_find(struct emu *m, struct str id);
void op_wait_all(struct emu *m);		/* at the end, bounded */
void op_release_all(struct emu *m);
/* Let ms pass without the lock.  -1 when the emulator stops. */
int op_sleep(struct emu *m, unsigned ms);
/* Let something change, for at most ms.  -1 when the emulator stops. */
int op_wait(struct emu *m, unsigned ms);
const char *op_word(const struct op *op);	/* "InProgress", "Succeeded", ... */

/* ---- record.c ---- */

int record_open(struct emu *m, struct err *e);
/*
 * Append an exchange that has been answered.  c: the bodies and fields, NULL
 * when they are of no interest.  spoilt: the answer is a fault on purpose.
 */
struct call;
void record(struct emu *m, const struct http_exchange *x, const char *base, const struct call *c, bool spoilt);

/* ---- arm.c: requests ---- */

#define SEG_MAX 24
enum method { UNKNOWN, GET, HEAD, PUT, POST, PATCH, DELETE };

struct call {
	struct emu *m;
	struct http_exchange *x;
	enum method method;
	bool gateway;		/* refused by ARM itself, not by a provider */
	bool pretty;		/* compute indents */
	cJSON *body;
	/* the answer */
	unsigned status;	/* 0: not answered */
	cJSON *out;		/* NULL: no body */
	struct fault fault;
	const char *plain;	/* Content-Type of an empty body, or of out when that is a text */
	size_t n_fields, n_seg;
	char api[32];
	char *seg[SEG_MAX + 8];	/* the path's segments, decoded; NULLs behind them */
	char *fields[16];
	char host[300];		/* what the caller calls us, port included */
	char base[320];		/* "https://" host */
};

void arm_handle(struct call *c);		/* with the lock held */
/* What /metadata/endpoints and a template's environment() say; base: its address. */
cJSON *cloud_doc(const struct emu *m, const char *base);
int call_answer(struct call *c, unsigned status, cJSON *out);	/* takes out; 0 */
void call_field(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "NAME eq 'x'" in $filter: x.  NULL: not asked for.  Caller frees. */
char *filter_value(struct call *c, const char *name);
/* Keep what $filter asks for.  -1: refused, arr is gone. */
int call_filter(struct call *c, cJSON *arr);
char *call_param(const struct call *c, const char *name);	/* NULL: none.  Caller frees */
int call_method(struct call *c) __attribute__((cold));	/* refuse: 405 */
/* Answer an array in pages.  Takes arr. */
int call_page(struct call *c, cJSON *arr, size_t page);
/* Answer a poll of the operation with that id, by its document or as Location. */
int call_poll(struct call *c, const char *id, bool location);
/* The headers that lead to op. */
void call_op(struct call *c, const struct op *op);
/* Begin work on n, answer 202.  Takes args and busy.  NULL: refused. */
struct op *call_begin(struct call *c, enum op_style style, const struct entry *n, op_run *run,
		      cJSON *args, cJSON *busy);

/* ---- arm.c: resources ---- */

enum {
	R_TRACKED = 1,		/* has a location, is listed among resources */
	R_VIA_PARENT = 2,	/* its parent's action answers for it */
	R_PRETTY = 4,
};

struct put {
	const struct rtype *type;
	char *id, *key;
	const char *group;	/* id of the group, */
	const char *group_location;
	const char *name;	/* last name */
	const char *api;
	bool dry;		/* only look: nothing is stored, references may not exist yet */
	struct entry *old;	/* NULL: new */
	cJSON *doc;		/* in: id, name, type, location, ... and properties of the
				   body without nulls; what is stored */
	cJSON *props;		/* its properties */
	cJSON *hide;		/* to be stored with it; old's is kept when NULL */
	struct fault f;
	op_run *work;		/* instead of waiting type->work_ms */
	cJSON *args;		/* for work */
	bool unchanged;		/* answer 200 at once, no operation */
	/* results */
	struct op *op;
	struct entry *entry;
	bool created;
};

struct rtype {
	const char *name;		/* "Microsoft.Network/virtualNetworks" */
	const char *versions;		/* of the API, newest first, ", " between */
	enum op_style style;
	unsigned work_ms;
	unsigned flags;
	const char *in_use;		/* refusal of a delete while something refers to it */
	int (*put)(struct emu *m, struct put *p);
	/* before it is removed, in its operation; may let the lock go */
	int (*remove)(struct emu *m, const char *key, struct fault *f);
	cJSON *(*show)(struct emu *m, const struct entry *n);	/* default: a copy of doc */
	/* What follows type/name: a verb, a list of children.  1: not mine. */
	int (*action)(struct call *c, struct entry *n, char **verb);
};

extern const struct rtype network_types[], compute_types[], storage_types[], insights_types[];
extern const struct rtype *const all_types[];	/* these; NULL at the end */
extern const struct location {
	char name[19], display[21], geography[13], paired[19];
} locations[];				/* one without a name at the end */
#define COMPUTE_VERSIONS \
	"2026-03-01, 2025-04-01, 2024-11-01, 2024-07-01, 2024-03-01, 2023-09-01, 2023-07-01, 2023-03-01, " \
	"2022-11-01, 2022-08-01, 2022-03-01, 2021-11-01, 2021-07-01, 2021-04-01, 2021-03-01, " \
	"2020-12-01, 2020-06-01, 2019-12-01, 2019-07-01, 2019-03-01, 2018-10-01, 2018-06-01, " \
	"2017-12-01, 2017-03-30, 2016-04-30-preview, 2016-03-30, 2015-06-15"
#define RESOURCES_VERSIONS \
	"2026-06-01, 2025-04-01, 2025-03-01, 2024-11-01, 2024-07-01, 2024-03-01, 2023-07-01, 2022-09-01, 2021-04-01, 2021-01-01, " \
	"2020-10-01, 2020-06-01, 2019-10-01, 2019-08-01, 2019-05-01, 2018-05-01, 2018-02-01, 2017-05-10, 2016-09-01"

const struct rtype *rtype_find(const char *name);	/* any case */
bool version_known(const char *versions, const char *api);
/* "East US" -> "eastus"; NULL if there is no such region. */
const char *location_find(const char *name);
/* That of a body; NULL, refused, when there is none or no such region.  what: "ResourceType" */
const char *need_location(const cJSON *body, const char *what, struct fault *f);

/*
 * Create or update the resource with this id (canonical, mixed case).  The
 * body is read only.  0: p->entry, p->op (NULL when it is done already); -1: p->f.
 * p is zeroed by the caller except id, api and dry; put_release() afterwards.
 */
int arm_put(struct emu *m, struct put *p, const cJSON *body);
void put_release(struct put *p);
/* Begin the removal of n; *op is NULL when it is done already. */
int arm_delete(struct emu *m, struct entry *n, const char *api, struct op **op, struct fault *f);
/* Its "timeCreated" and unique id are the old one's, or new. */
void put_born(struct put *p, const char *name);
cJSON *entry_show(struct emu *m, const struct entry *n);
/* What id refers to exists, or p is dry; otherwise InvalidResourceReference. */
int need_reference(struct emu *m, struct put *p, const char *id);
int no_reference(struct put *p, const char *id) __attribute__((cold));	/* refuse */
struct entry *group_of(struct emu *m, const char *id);
void entry_state(struct entry *n, const char *state);	/* properties.provisioningState */
bool entry_is(const struct entry *n, const char *state);

/* What follows providers/ in a group: namespace, type, name, ... */
int resource_route(struct call *c, struct entry *group, char **seg);
/* Answer all entries of that type (NULL: those without one) below key. */
int call_list(struct call *c, const struct rtype *t, const char *key, const char *tail, size_t page);
int unknown_type(struct call *c, const char *ns, const char *type) __attribute__((cold));
/* Answer what is tracked below key, in brief, and as $filter wants it. */
int call_resources(struct call *c, const char *key);
/* An operation is at work on n: 409. */
int refuse_busy(const struct entry *n, struct fault *f);

/* ---- arm_groups.c ---- */
int arm_subscriptions(struct call *c);		/* /subscriptions, /tenants */
int arm_subscription(struct call *c);		/* below /subscriptions/S, not providers */
int arm_providers(struct call *c, char **seg);	/* below providers of a subscription */
int group_call(struct call *c);			/* the group itself: seg[3] */
struct entry *group_named(struct call *c, const char *name);	/* NULL: refused, 404 */
int refuse_leaving(const struct entry *group, struct fault *f);	/* -1 when it is being deleted */

/* ---- arm_deploy.c ---- */
int deployments_call(struct call *c, struct entry *group, char **seg);	/* behind "deployments" */
int operations_call(struct call *c, struct entry *group, const char *name, const char *id);

/* ---- arm_compute.c: sizes, machines, what both kinds share ---- */
int compute_location(struct call *c, char **seg);	/* behind Microsoft.Compute */
int storage_names(struct call *c);
cJSON *account_keys(const struct entry *n);	/* what listKeys answers */
/* "24.04.202607280" for an image reference; NULL: there is none. */
const char *image_version(const cJSON *image);
struct vm_size {
	char name[18], family[20];
	uint8_t cores;
	bool arm;
	bool refused;		/* NotAvailableForSubscription */
	uint16_t memory_mb;
};
const struct vm_size *vm_size_find(const char *name);
/* p may have more machines of that size. */
int check_quota(struct emu *m, struct put *p, const char *size, int64_t more);
/*
 * What Azure asks of osProfile and storageProfile, in profile; custom data
 * and password are taken out of it: *custom_data gets the former, or NULL.
 */
int check_machine(struct put *p, cJSON *profile, const char *size, bool set, char **custom_data);
cJSON *machine_view(const struct entry *n);	/* its instanceView */
/* POST verb for the machines with these keys (taken); 1: no such verb. */
int machines_act(struct call *c, const struct entry *owner, const char *verb, cJSON *keys);
/* Begin run for these machines (keys taken), with {"keys", "verb"} for arguments. */
int machines_begin(struct call *c, const struct entry *owner, cJSON *keys, op_run *run,
		   const char *verb, const char *state, const char *power);
/* Their provisioning state, and power unless that is "". */
void machines_state(struct emu *m, const cJSON *keys, const char *state, const char *power);
int run_command(struct call *c, struct entry *n);
/* A copy of what GET answers, with the instanceView if that was asked for. */
cJSON *call_show(struct call *c, const struct entry *n);

/* ---- arm_vmss.c ---- */
int put_vmss(struct emu *m, struct put *p);
int remove_vmss(struct emu *m, const char *key, struct fault *f);
int vmss_action(struct call *c, struct entry *n, char **s);
/* The set an instance belongs to, and its custom data. */
struct entry *set_of(struct emu *m, const struct entry *instance);
const char *instance_custom_data(struct emu *m, const struct entry *instance);

/* ---- arm_network.c ---- */
/* A free address of that subnet, or the wanted one if it may be had. */
int address_take(struct emu *m, struct put *p, const char *subnet_id, const char *wanted,
		 char out[16]);
/* Its range, or that of a whole network; -1: there is none. */
int subnet_of(struct emu *m, const char *subnet_id, uint32_t *net, unsigned *prefix);

/* ---- machines.c ---- */
int machines_up(struct emu *m, struct err *e);		/* the driver's network */
void machines_resume(struct emu *m);			/* after a restart, as an operation */
void machines_down(struct emu *m);
/*
 * A driver's verb on the machines with those keys, DRIVERS_MAX at a time; on
 * paper, a pause.  The lock is let go meanwhile.  Power states follow.  -1
 * with f (target: the first that failed) when one failed or all must stop.
 */
int machines_run(struct emu *m, const char *verb, const cJSON *keys, struct fault *f);
int machine_exec(struct emu *m, const char *key, const char *script, struct buf *out, int *status);
struct entry *machine_by_address(struct emu *m, struct str address);
const char *machine_address(struct emu *m, const struct entry *n);	/* NULL: none */
const char *machine_subnet(struct emu *m, const struct entry *n);	/* id, "" when there is none */

/* ---- forward.c ---- */
/* Ways in through public addresses, until the emulator stops; counted in threads. */
void *forward_thread(void *emu);

/* ---- entra_server.c, blob.c, imds.c ---- */
bool entra_handle(struct call *c);		/* false: not its path */
/* What a machine's identity gets; in any thread's hands. */
cJSON *entra_identity(struct emu *m, struct http_exchange *x, unsigned *status);
/* 0 or -1 with the call answered 401. */
int entra_check(struct call *c);
enum method method_of(const struct http_head *h);	/* in emulator.c */
void blob_handle(struct emu *m, struct http_exchange *x, struct str account);
void blob_forget(struct emu *m, const char *account, const char *container);
struct entry *account_named(struct emu *m, const char *name);
/* What is signed; sas: its fields by their names in the query ("sv", "sp", ...). */
void sas_text(const cJSON *sas, const char *account, const char *resource, struct buf *b);
/* The signature of a SAS over text, base64. */
void sas_sign(const char *key, struct str text, struct buf *out);
void imds_handle(void *ctx, struct http_exchange *x);
/* Announce the end of these machines and wait until they agree, bounded. */
void events_terminate(struct emu *m, const cJSON *keys);
void events_forget(struct emu *m, const char *key);

#endif
