/*
 * Long-running operations: each is a thread with a status that polls read.
 * What an operation does is its run function's affair; here it is started,
 * finished, remembered for a while, and waited for at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/store.h"

static void deadline_after(struct timespec *t, unsigned ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

int op_refuse_busy(const struct entry *n, struct fault *f)
{
	return n->busy == 0 ?
		       0 :
		       fault_set(f, 409,
				 "AnotherOperationInProgress: Another "
				 "operation on this or dependent resource is in progress: %s.",
				 n->key);
}

int op_sleep(struct emu *m, unsigned ms)
{
	struct timespec t;

	deadline_after(&t, ms);
	while (!m->stopping &&
	       pthread_cond_timedwait(&m->changed, &m->lock, &t) != ETIMEDOUT)
		;
	return m->stopping ? -1 : 0;
}

int op_wait(struct emu *m, unsigned ms)
{
	struct timespec t;

	deadline_after(&t, ms);
	if (!m->stopping)
		pthread_cond_timedwait(&m->changed, &m->lock, &t);
	return m->stopping ? -1 : 0;
}

const char *op_word(const struct op *op)
{
	static const char *const words[] = { "InProgress", "Succeeded",
					     "Failed", "Canceled" };

	return op->style == OP_DEPLOYMENT && op->status == OP_RUNNING ?
		       "Running" :
		       words[op->status];
}

static void op_free(struct op *op)
{
	free(op->location);
	free(op->key);
	free(op->api);
	json_burn(op->args);
	json_free(op->busy);
	json_free(op->output);
	fault_release(&op->fault);
	free(op);
}

/* Mark or unmark what an operation keeps busy. */
static void mark_busy(struct emu *m, const cJSON *keys, bool on)
{
	const cJSON *k;

	cJSON_ArrayForEach(k, keys) {
		struct entry *n = store_find(m, k->valuestring);

		if (n != NULL && on)
			n->busy++;
		else if (n != NULL && n->busy > 0)
			n->busy--;
	}
}

/* A resource's state follows from how the work on it ended. */
static void settle_entry(struct entry *n, bool good)
{
	const char *state = n == NULL ?
				    NULL :
				    json_str_opt(n->doc,
						 "properties.provisioningState",
						 NULL);
	const char *power = n == NULL ? NULL :
					json_str_opt(n->hide, "power", NULL);

	bool fresh = str_is(state, "Creating");

	if (n == NULL)
		return;
	if (n->type == NULL) {
		/* a group that could not be deleted, a deployment that was cut short */
		if (!good &&
		    (str_is(state, "Deleting") || str_is(state, "Accepted") ||
		     str_is(state, "Running")))
			entry_state(n, str_is(state, "Deleting") ? "Succeeded" :
								   "Failed");
		return;
	}
	if (fresh || str_is(state, "Updating") || str_is(state, "Deleting"))
		entry_state(n, good ? "Succeeded" : "Failed");
	/* a power state that was announced and did not come about */
	if (!good && (str_is(power, "starting") || str_is(power, "stopping") ||
		      str_is(power, "deallocating")))
		json_put_str(n->hide, "power",
			     fresh ? "stopped" :
				     json_str_opt(n->hide, "want", "unknown"));
}

static void op_finish(struct emu *m, struct op *op, int rc, struct fault *f)
{
	const cJSON *k;

	op->status = rc == 0	? OP_SUCCEEDED :
		     op->cancel ? OP_CANCELED :
				  OP_FAILED;
	settle_entry(store_find(m, op->key), rc == 0);
	cJSON_ArrayForEach(k, op->busy)
		settle_entry(store_find(m, k->valuestring), rc == 0);
	op->ended = unix_time();
	op->fault = *f;
	mark_busy(m, op->busy, false);
	/* arguments may hold secrets and are of no more use */
	json_burn(op->args);
	op->args = NULL;
	emu_log(m, "operation %s %s %s", op->id, op->key, op_word(op));
	store_changed(m);
}

static void *op_thread(void *p)
{
	struct op *op = p;
	struct emu *m = op->m;
	struct fault f = { 0, NULL };
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = faults_operation(m, op, &f) ? -1 : op->run(m, op, &f);
	if (rc < 0)
		fault_set(&f, 500,
			  "InternalExecutionError: "
			  "An internal execution error occurred. Please retry later.");
	op_finish(m, op, rc, &f);
	return emu_thread_end(m);
}

/* Forget the oldest finished ones. */
static void forget_oldest(struct emu *m)
{
	struct op **at = &m->ops, *op;
	unsigned n = 0;

	while ((op = *at) != NULL) {
		if (++n > OPS_KEPT && op->status != OP_RUNNING && !op->pinned) {
			*at = op->next;
			op_free(op);
		} else {
			at = &op->next;
		}
	}
}

/* Ids as each service writes them. */
static void op_name(struct op *op)
{
	struct buf b = BUF_INIT(sizeof(op->id));
	uint64_t r;

	random_guid(op->id);
	if (op->style == OP_DEPLOYMENT) {
		random_bytes(&r, sizeof(r));
		snprintf(op->id, sizeof(op->id), "0858%016llu",
			 (unsigned long long)(r % 10000000000000000u));
	} else if (op->style == OP_JOB) {
		buf_add_base64url(&b, op->id, 36);
		memcpy(op->id, b.str, b.n + 1);
		buf_release(&b);
	}
}

struct op *op_start(struct emu *m, enum op_style style, const char *location,
		    const char *key, const char *api, op_run *run, cJSON *args,
		    cJSON *keys, struct fault *f)
{
	struct op *op;

	if (m->stopping || m->threads >= OPS_MAX) {
		fault_set(f, 429,
			  "TooManyRequests: %u operations are at work; try again later.",
			  m->threads);
		json_burn(args);
		json_free(keys);
		return NULL;
	}
	op = xcalloc(1, sizeof(*op));
	op->m = m;
	op->style = style;
	op->location = xstrdup(location != NULL ? location : "");
	op->key = xstrdup(key);
	op->api = xstrdup(api);
	op->run = run;
	op->args = args;
	op->busy = keys;
	op->done_status = 200;
	op->started = unix_time();
	op_name(op);
	/* the thread's first act is to wait for our lock */
	if (emu_thread_start(op_thread, op) < 0) {
		fault_set(f, 503, "ServerTimeout: No thread could be started.");
		op_free(op);
		return NULL;
	}
	m->threads++;
	op->next = m->ops;
	m->ops = op;
	mark_busy(m, op->busy, true);
	forget_oldest(m);
	store_changed(m);
	return op;
}

struct op *op_find(struct emu *m, struct str id)
{
	struct op *op = m->ops;

	while (op != NULL && !str_ieqz(id, op->id))
		op = op->next;
	return op;
}

void op_wait_all(struct emu *m)
{
	int64_t end = now_ms() + 120000;
	struct timespec t;

	while (m->threads > 0 && now_ms() < end) {
		deadline_after(&t, 1000);
		pthread_cond_timedwait(&m->changed, &m->lock, &t);
	}
}

void op_release_all(struct emu *m)
{
	struct op *op;

	while ((op = m->ops) != NULL) {
		m->ops = op->next;
		op_free(op);
	}
}
