/*
 * Azure's public list of prices; see price.h.  A courtesy: whoever cannot have
 * it is told so in half a line.
 */
#include "swarm/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "swarm/cloud.h"

#define HOURS 730	      /* of a month, as Azure's own calculator has it */
#define ANSWER_MAX (1u << 20) /* a hundred items are 70 KiB */
#define URL_MAX 4096
#define KEPT_S 86400
#define MISSED_S 3600	   /* before one that did not answer is asked again */
#define PARTS_MAX 1000000  /* of one kind: what can be multiplied */
#define DOLLARS_MAX 100000 /* of one thing a month: more is no price */

/* What meters of a cluster's parts are called (Azure's list of prices). */
#define DISK \
	"E4 LRS Disk" /* Standard SSD of 32 GiB, as the template has them */
#define ADDRESS "Standard IPv4 Static Public IP"
#define BALANCER "Standard Included LB Rules and Outbound Rules"
#define EVERYWHERE "Global" /* where the balancer's is listed */

void price_add(struct price_parts *p, const char *size, int64_t n)
{
	size_t i = 0;

	if (n <= 0)
		return;
	while (i < p->n_machines && !str_ieqz(str_of(size), p->machines[i].size))
		i++;
	if (i == PRICE_SIZES_MAX) {
		/* one that no list has */
		p->machines[0].size = "";
		return;
	}
	if (i == p->n_machines) {
		/* in order, so that the same parts ask the same */
		while (i > 0 && strcmp(p->machines[i - 1].size, size) > 0) {
			p->machines[i] = p->machines[i - 1];
			i--;
		}
		p->machines[i].size = size;
		p->machines[i].n = 0;
		p->n_machines++;
	}
	p->machines[i].n += n;
}

/* ---- the list ---- */

static int64_t find(const struct price_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_ieqz(str_of(name), list->kinds[i].name))
			return list->kinds[i].micros;
	return -1;
}

static void keep(struct price_list *list, const char *name, int64_t micros)
{
	if (find(list, name) >= 0 || list->n == PRICE_KINDS)
		return;
	snprintf(list->kinds[list->n].name, sizeof(list->kinds[0].name), "%s",
		 name);
	list->kinds[list->n++].micros = micros;
}

/* Millionths of a dollar a month; -1: none. */
static int64_t micros_of(const cJSON *item)
{
	const cJSON *price = json_get(item, "retailPrice");
	int64_t factor = json_is(item, "unitOfMeasure", "1 Hour")  ? HOURS :
			 json_is(item, "unitOfMeasure", "1/Hour")  ? HOURS :
			 json_is(item, "unitOfMeasure", "1/Month") ? 1 :
								     0;

	if (!cJSON_IsNumber(price) || factor == 0 || price->valuedouble < 1e-6 ||
	    price->valuedouble > DOLLARS_MAX / (double)factor)
		return -1;
	return (int64_t)(price->valuedouble * 1e6 + 0.5) * factor;
}

static bool has(const cJSON *item, const char *member, struct str word)
{
	return str_find(str_of(json_str_opt(item, member, "")), word) >= 0;
}

/* Of a machine with Linux, paid by the hour and nobody else's when it is wanted:
 * Windows, Spot and Cloud Services have the size's name, too. */
static bool is_machine(const cJSON *item)
{
	return json_is(item, "serviceName", "Virtual Machines") &&
	       !has(item, "productName", STR("Windows")) &&
	       !has(item, "productName", STR("Cloud Services")) &&
	       !has(item, "productName", STR("CloudServices")) &&
	       !has(item, "meterName", STR("Spot")) &&
	       !has(item, "meterName", STR("Low Priority")) &&
	       !has(item, "skuName", STR("Spot")) &&
	       !has(item, "skuName", STR("Low Priority"));
}

/* The name under which parts have it; NULL: they do not. */
static const char *name_of(const cJSON *item, const char *location,
			   const struct price_parts *parts)
{
	const char *meter = json_str_opt(item, "meterName", "");
	bool here = json_is(item, "armRegionName", location);

	if (!json_is(item, "type", "Consumption") ||
	    !json_is(item, "currencyCode", "USD") ||
	    json_int_opt(item, "tierMinimumUnits", 0) != 0)
		return NULL;
	if (strcmp(meter, BALANCER) == 0)
		return json_is(item, "armRegionName", EVERYWHERE) ? BALANCER :
								    NULL;
	if (here && strcmp(meter, DISK) == 0)
		return DISK;
	if (here && strcmp(meter, ADDRESS) == 0)
		return ADDRESS;
	for (size_t i = 0; here && is_machine(item) && i < parts->n_machines; i++)
		if (json_is(item, "armSkuName", parts->machines[i].size))
			return parts->machines[i].size;
	return NULL;
}

int price_take(const cJSON *answer, const char *location,
	       const struct price_parts *parts, struct price_list *list,
	       struct err *e)
{
	const cJSON *items = json_arr(answer, "Items", e), *item;

	if (items == NULL)
		return -1;
	cJSON_ArrayForEach(item, items) {
		const char *name = name_of(item, location, parts);
		int64_t micros = micros_of(item);

		if (name != NULL && micros >= 0)
			keep(list, name, micros);
	}
	return 0;
}

static int add_up(const struct price_list *list, const char *name, int64_t n,
		  int64_t *cents, struct err *e)
{
	int64_t micros = find(list, name);

	if (n == 0)
		return 0;
	if (n > PARTS_MAX)
		return err_set(e, ERR_DATA, "%lld of %s are more than anybody has",
			       (long long)n, name);
	if (micros < 0)
		return err_set(e, ERR_DATA, "the list has none of %s",
			       *name != '\0' ? name : "so many sizes");
	*cents += (micros * n + 5000) / 10000;
	return 0;
}

int price_sum(const struct price_list *list, const struct price_parts *parts,
	      struct price *price, struct err *e)
{
	*price = (struct price){ 0 };
	for (size_t i = 0; i < parts->n_machines; i++)
		if (add_up(list, parts->machines[i].size, parts->machines[i].n,
			   &price->machines, e) < 0)
			return -1;
	if (add_up(list, DISK, parts->disks, &price->disks, e) < 0 ||
	    add_up(list, ADDRESS, parts->addresses, &price->addresses, e) < 0 ||
	    add_up(list, BALANCER, parts->balancers, &price->balancers, e) < 0)
		return -1;
	price->sum = price->machines + price->disks + price->addresses +
		     price->balancers;
	return 0;
}

/* ---- what is asked ---- */

/* What goes into a filter has no quotes. */
static bool is_plain(const char *name)
{
	return *name != '\0' && strlen(name) <= 64 &&
	       strspn(name,
		      "abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name);
}

/* Where the list is: of a known cloud, Microsoft's; any other Azure is asked
 * itself, and has one or not.  NULL: this one has none in dollars. */
static const char *host(const struct session *s)
{
	const struct cloud *c = cloud_find(NULL, NULL, s->az.arm);

	return c == NULL ? s->az.arm : c->prices;
}

static int url_of(const struct session *s, const char *location,
		  const struct price_parts *parts, struct buf *url, struct err *e)
{
	struct buf filter = BUF_INIT(URL_MAX);
	const char *at = host(s);
	bool plain = is_plain(location);

	buf_addf(&filter,
		 "priceType eq 'Consumption' and (armRegionName eq '%s' or "
		 "armRegionName eq '" EVERYWHERE "') and (meterName eq '" DISK
		 "' or meterName eq '" ADDRESS "' or meterName eq '" BALANCER "'",
		 location);
	for (size_t i = 0; i < parts->n_machines; i++) {
		plain &= is_plain(parts->machines[i].size);
		buf_addf(&filter, " or armSkuName eq '%s'",
			 parts->machines[i].size);
	}
	buf_addc(&filter, ')');
	if (at == NULL)
		err_set(e, ERR_DATA, "this cloud has no list in dollars");
	else if (!plain)
		err_set(e, ERR_DATA, "what there is has no name");
	else {
		buf_addf(url, "%s/api/retail/prices?$filter=", at);
		buf_add_pct(url, buf_str(&filter));
		buf_check(url, "the question for prices", e);
	}
	buf_release(&filter);
	return e->kind == ERR_NONE ? 0 : -1;
}

static int ask(struct session *s, const char *url, int64_t limit_ms,
	       cJSON **answer, struct err *e)
{
	static const char *const fields[] = { "Accept: application/json", NULL };
	struct http_request q = {
		.method = "GET",
		.url = url,
		.fields = fields,
		.idempotent = true,
		.deadline_ms = now_ms() + limit_ms,
	};
	struct http_response r;
	int rc;

	http_response_init(&r, ANSWER_MAX);
	rc = http_exchange(&s->data, &q, &r, e);
	if (rc == 0 && r.head.status != 200)
		rc = err_set(e, ERR_NET, "HTTP %u", r.head.status);
	if (rc == 0 &&
	    (*answer = json_parse(buf_str(&r.body), "list of prices", e)) == NULL)
		rc = -1;
	http_response_release(&r);
	return rc;
}

/* ---- what is kept ---- */

/* Caller frees; NULL: there is no place. */
static char *kept_path(void)
{
	char *tokens = entra_cache_path(), *slash, *path;

	if (tokens == NULL || (slash = strrchr(tokens, '/')) == NULL)
		return NULL;
	path = xasprintf("%.*s/prices.json", (int)(slash - tokens), tokens);
	free(tokens);
	return path;
}

/* The answer to that question, if it is not too old. */
static bool take_kept(const char *path, const char *url,
		      struct price_list *list, struct err *why)
{
	struct buf text = BUF_INIT(64u << 10);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;
	const cJSON *kind;
	int64_t age;
	bool good = false;

	if (file_exists(path) && file_read(path, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), path, &ignored);
	age = unix_time() - json_int_opt(doc, "at", 0);
	if (strcmp(json_str_opt(doc, "url", ""), url) == 0 && age >= 0) {
		cJSON_ArrayForEach(kind, json_obj(doc, "micros", &ignored)) {
			int64_t micros = json_int_opt(json_get(doc, "micros"),
						      kind->string, -1);

			if (micros >= 0 &&
			    micros <= DOLLARS_MAX * INT64_C(1000000))
				keep(list, kind->string, micros);
		}
		good = list->n > 0 ? age < KEPT_S : age < MISSED_S;
		if (!good)
			list->n = 0;
		else if (*json_str_opt(doc, "why", "") != '\0')
			err_set(why, ERR_NET, "%s", json_str_opt(doc, "why", ""));
	}
	json_free(doc);
	buf_release(&text);
	return good;
}

static void put_kept(const char *path, const char *url,
		     const struct price_list *list, const struct err *why)
{
	struct buf text = BUF_INIT(64u << 10);
	struct err ignored = ERR_INIT;
	cJSON *doc = cJSON_CreateObject(), *micros;
	char *dir = xasprintf("%.*s", (int)(strrchr(path, '/') - path), path);

	json_add_str(doc, "url", url);
	json_add_int(doc, "at", unix_time());
	if (why->kind != ERR_NONE)
		json_add_str(doc, "why", why->msg);
	micros = json_add_obj(doc, "micros");
	for (size_t i = 0; i < list->n; i++)
		json_add_int(micros, list->kinds[i].name, list->kinds[i].micros);
	json_print(doc, &text);
	if (dir_make(dir, 0700, &ignored) == 0)
		file_write(path, buf_str(&text), 0600, &ignored);
	json_free(doc);
	buf_release(&text);
	free(dir);
}

int price_ask(struct session *s, const char *location,
	      const struct price_parts *parts, int64_t limit_ms,
	      struct price_list *list, struct err *e)
{
	struct buf url = BUF_INIT(2 * URL_MAX);
	char *path = kept_path();
	cJSON *answer = NULL;
	int rc = url_of(s, location, parts, &url, e);

	*list = (struct price_list){ .n = 0 };
	if (rc < 0 || (path != NULL && take_kept(path, url.str, list, e)))
		goto out;
	if (ask(s, url.str, limit_ms, &answer, e) == 0)
		price_take(answer, location, parts, list, e);
	/* who was interrupted has not learned that there is none */
	if (path != NULL && e->kind != ERR_INTR)
		put_kept(path, url.str, list, e);
out:
	json_free(answer);
	buf_release(&url);
	free(path);
	return e->kind == ERR_NONE ? 0 : -1;
}
