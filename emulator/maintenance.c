/* Maintenance that a file plans; see maintenance.h. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "emulator/arm/compute.h"
#include "emulator/fault.h"
#include "emulator/machines.h"
#include "emulator/maintenance.h"
#include "emulator/notice.h"
#include "emulator/ops.h"
#include "emulator/store.h"

#define FROZEN_MS 5000

static const struct {
	const char *type;
	enum notice_why why;
} types[] = {
	{ "Freeze", NOTICE_FREEZE },
	{ "Reboot", NOTICE_REBOOT },
	{ "Redeploy", NOTICE_MOVE },
	{ "Preempt", NOTICE_EVICTION },
};

static bool why_of(const char *type, enum notice_why *why)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_is(types[i].type, type)) {
			*why = types[i].why;
			return true;
		}
	return false;
}

static int run_maintenance(struct emu *m, struct op *op, struct fault *f)
{
	const cJSON *keys = json_get(op->args, "keys");
	enum notice_why why = NOTICE_FREEZE;
	struct entry *n;
	int64_t number;
	int rc = 0;

	why_of(json_text(op->args, "type"), &why);
	number = notice_give(m, why, keys,
			     (unsigned)json_int_opt(op->args, "notice_s", 0));
	if (number < 0)
		return m->stopping ? -1 : 0;
	if (why == NOTICE_FREEZE) {
		op_sleep(m, FROZEN_MS);
	} else if (machine_idle(m, keys->child->valuestring) == 0 &&
		   (n = store_find(m, keys->child->valuestring)) != NULL &&
		   json_is(n->hide, "power", "running")) {
		n->busy++;
		rc = machines_run(m, "restart", keys, f);
		if ((n = store_find(m, keys->child->valuestring)) != NULL &&
		    n->busy > 0)
			n->busy--;
	}
	notice_over(m, number);
	return rc;
}

static bool same(const cJSON *a, const cJSON *b)
{
	return json_is(a, "machine", json_text(b, "machine")) &&
	       json_is(a, "type", json_text(b, "type"));
}

static bool among(const cJSON *list, const cJSON *v)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, list)
		if (same(p, v))
			return true;
	return false;
}

static struct entry *machine_of(struct emu *m, const char *name)
{
	struct entry *n;

	for (n = NULL; (n = store_next(m, n, "/subscriptions/")) != NULL;)
		if (json_get(n->hide, "power") != NULL &&
		    json_is(n->doc, "name", name))
			return n;
	return NULL;
}

static void begin(struct emu *m, const cJSON *v)
{
	struct entry *n = machine_of(m, json_text(v, "machine"));
	struct fault f = { 0, NULL };
	int64_t notice_s = json_int_opt(v, "notice_s", 0);
	enum notice_why why;

	if (n == NULL || !why_of(json_text(v, "type"), &why) || notice_s < 0 ||
	    notice_s > 3600) {
		emu_log(m, "maintenance.json: '%.60s' of '%.60s' cannot be done",
			json_text(v, "type"), json_text(v, "machine"));
		return;
	}
	if (why == NOTICE_EVICTION)
		compute_take_back(m, n, "Delete", (unsigned)notice_s, &f);
	else
		op_start(m, OP_COMPUTE, "", "maintenance", "2024-07-01",
			 run_maintenance,
			 json_fmt("{'keys':[%s],'type':%s,'notice_s':%l}",
				  n->key, json_text(v, "type"), notice_s),
			 NULL, &f);
	fault_release(&f);
}

static cJSON *read_plan(struct emu *m)
{
	char *path = xasprintf("%s/maintenance.json", m->dir);
	struct buf b = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	cJSON *doc = NULL;

	if (!file_exists(path))
		doc = cJSON_CreateArray();
	else if (file_read(path, &b, &e) == 0)
		doc = json_parse(buf_str(&b), "maintenance.json", &e);
	/* one that is being written stays as it was */
	if (!cJSON_IsArray(doc)) {
		json_free(doc);
		doc = NULL;
	}
	buf_release(&b);
	free(path);
	return doc;
}

void maintenance_tick(struct emu *m)
{
	cJSON *plan = read_plan(m), *old = m->maintenance;
	enum notice_why why;
	struct entry *n;
	const cJSON *v;

	if (plan == NULL)
		return;
	m->maintenance = plan;
	cJSON_ArrayForEach(v, old)
		if (!among(plan, v) && why_of(json_text(v, "type"), &why) &&
		    (n = machine_of(m, json_text(v, "machine"))) != NULL)
			notice_withdraw(m, why, n->key);
	cJSON_ArrayForEach(v, plan)
		if (!among(old, v))
			begin(m, v);
	json_free(old);
}
