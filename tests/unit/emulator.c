/*
 * What the local Azure is built of: documents from templates, bodies as
 * Resource Manager takes them, the store of resources, what probes and
 * autoscale make of what they see.  How it answers is tests/sh/emulator.sh's
 * affair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "emulator/arm/location.h"
#include "emulator/arm/providers.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/scaler.h"
#include "emulator/caller.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "template/template.h"
#include "tests/check.h"
#include "emulator/ops.h"
#include "emulator/prober.h"
#include "emulator/store.h"

/* The document, printed, is this text. */
static void check_json(const char *what, cJSON *doc, const char *wanted)
{
	struct buf b = BUF_INIT(64u << 10);

	json_print(doc, &b);
	check(strcmp(b.str, wanted) == 0, what, b.str);
	buf_release(&b);
	json_free(doc);
}

static cJSON *parse(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "test", &e);

	if (doc == NULL) {
		check_give_up("parse", "%s", e.msg);
	}
	return doc;
}

static void documents(void)
{
	cJSON *inner = json_fmt("{'x':[%d,%l]}", -1, INT64_C(1) << 40), *doc;

	check_json("every hole",
		   json_fmt("{'s':%s,'n':%s,'b':%b,'j':%j,'k':%j}", "a\"\\\n",
			    NULL, true, inner, NULL),
		   "{\"s\":\"a\\\"\\\\\\n\",\"n\":null,\"b\":true,\"j\":{\"x\":[-1,1099511627776]},\"k\":null}");
	check_json("text that looks like a hole", json_fmt("[%s]", "%s ' %d"),
		   "[\"%s ' %d\"]");
	check_json("bytes that are no text", json_fmt("[%s]", "a\xff"),
		   "[\"a\xef\xbf\xbd\"]");
	json_free(inner);

	doc = parse("{\"a\":1,\"b\":{\"c\":2,\"d\":3},\"e\":[1]}");
	inner = parse("{\"a\":null,\"b\":{\"c\":9,\"x\":{\"y\":1}},\"e\":[2,3]}");
	json_merge(doc, inner);
	json_free(inner);
	check_json("merge (RFC 7396)", doc,
		   "{\"b\":{\"d\":3,\"c\":9,\"x\":{\"y\":1}},\"e\":[2,3]}");

	doc = parse("{\"a\":null,\"b\":[{\"c\":null,\"d\":1},null]}");
	json_strip_nulls(doc);
	check_json("nulls of objects go, those of arrays stay", doc,
		   "{\"b\":[{\"d\":1},null]}");

	doc = parse("{\"a\":\"x\"}");
	json_put_str(doc, "a", json_text(doc, "a"));
	check_json("a text put where it is", doc, "{\"a\":\"x\"}");

	doc = parse("[{\"name\":\"Front\"},{\"x\":1},{\"name\":5}]");
	check(json_named(doc, "fRONT") == doc->child, "named, in any case",
	      "another");
	check(json_named(doc, "x") == NULL, "named, not there", "something");
	json_free(doc);
}

static const struct {
	const char *what, *text, *wanted;
} bodies[] = {
	{ "strict stays", "{\"a\":[1,true,null,\"x\"]}",
	  "{\"a\":[1,true,null,\"x\"]}" },
	{ "names without quotes", "{a:1, $b_2 : {c:true}}",
	  "{\"a\":1,\"$b_2\":{\"c\":true}}" },
	{ "single quotes", "{'a':'it\\'s \"so\"'}", "{\"a\":\"it's \\\"so\\\"\"}" },
	{ "comments", "{ // one\n \"a\" /* two */ : 1 /*:*/ }", "{\"a\":1}" },
	{ "what looks like a comment", "{\"a\":\"http://x /* y */\"}",
	  "{\"a\":\"http://x /* y */\"}" },
	{ "a comma too many", "{\"a\":[1,2, /* ] */ ], }", "{\"a\":[1,2]}" },
	{ "a line end in a string", "{\"a\":\"x\ny\"}", "{\"a\":\"x\\ny\"}" },
	{ "escapes stay", "{\"a\":\"\\u00e9\\\\\"}", "{\"a\":\"\xc3\xa9\\\\\"}" },
	{ "garbage", "{\"a\":}", NULL },
	{ "a word that is no value", "{\"a\":yes}", NULL },
	{ "a string without an end", "{\"a\":\"x", NULL },
	{ "a comment without an end", "{\"a\":1 /*", NULL },
	{ "nothing", "", NULL },
};

static void relaxed(void)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct buf b = BUF_INIT(4096), out = BUF_INIT(4096);
		struct err e = ERR_INIT;
		cJSON *doc;

		template_strict_json(str_of(bodies[i].text), &b);
		doc = json_parse(buf_str(&b), "body", &e);
		if (doc != NULL)
			json_print(doc, &out);
		check(bodies[i].wanted == NULL ?
			      doc == NULL :
			      strcmp(out.str, bodies[i].wanted) == 0,
		      bodies[i].what, doc != NULL ? out.str : e.msg);
		json_free(doc);
		buf_release(&b);
		buf_release(&out);
	}
	/* cut anywhere: never read beyond the end (the sanitizer sees it) */
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t n = 0; n <= strlen(bodies[i].text); n++) {
			struct buf b = BUF_INIT(4096);
			char *copy = xmalloc(n);

			memcpy(copy, bodies[i].text, n);
			template_strict_json((struct str){ copy, n }, &b);
			free(copy);
			buf_release(&b);
		}
	check(true, "cut at every byte", "");
}

/* However long what was asked for is, and wherever it stands. */
static void refusals(void)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{ "Code: ", "" },	 { "Code: ", ": more" },
		{ "Code Target: ", "" }, { "Code ", ": text" },
		{ "", ": text" },	 { "", "" },
	};
	char *word = xmalloc(200001);

	memset(word, 'x', 200000);
	word[200000] = '\0';
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct fault f = { 0, NULL };
		struct buf b = BUF_INIT(1u << 20);

		check(fault_set(&f, 400, "%s%s%s", forms[i].before, word,
				forms[i].after) == -1,
		      "a refusal", "0");
		json_print(f.error, &b);
		checkf(b.n > 1000 && b.n < 2 * FAULT_MAX, "its length",
		       "%zu bytes", b.n);
		check(*json_text(f.error, "code") != '\0' &&
			      json_get(f.error, "message") != NULL,
		      "has a code and a message", forms[i].before);
		fault_release(&f);
		buf_release(&b);
	}
	free(word);
}

#define NO "00000000"
#define ROW \
	"   0: %s:C350 %s:1F90 %s " NO ":" NO " 00:" NO " " NO " %5d 0 %s 1\n"

/* What /proc/net/tcp has of 127.0.0.1:50000, connected to port 8080. */
static const struct {
	const char *what, *peer, *local, *remote, *state;
	int uid;
	const char *inode;
	bool ours;
} sockets[] = {
	{ "ours", "127.0.0.1:50000", "0100007F", "0100007F", "01", 1000, "77",
	  true },
	{ "root's", "127.0.0.1:50000", "0100007F", "0100007F", "01", 0, "77",
	  false },
	/* the kernel has these as root's, whoever it was */
	{ "one that closed", "127.0.0.1:50000", "0100007F", "0100007F", "05",
	  1000, "0", false },
	{ "one that is closing", "127.0.0.1:50000", "0100007F", "0100007F",
	  "04", 1000, "77", false },
	{ "one without an owner", "127.0.0.1:50000", "0100007F", "0100007F",
	  "01", 1000, "0", false },
	{ "of another port", "127.0.0.1:50001", "0100007F", "0100007F", "01",
	  1000, "77", false },
	{ "of another address", "127.0.0.2:50000", "0100007F", "0100007F", "01",
	  1000, "77", false },
	{ "not of loopback", "10.77.0.4:50000", "04004D0A", "103F81A8", "01",
	  1000, "77", false },
	{ "IPv6", "[::1]:50000", "00000000000000000000000001000000",
	  "00000000000000000000000001000000", "01", 1000, "77", true },
	{ "IPv4 by an IPv6 socket", "127.0.0.1:50000",
	  "0000000000000000FFFF00000100007F",
	  "0000000000000000FFFF00000100007F", "01", 1000, "77", true },
	{ "a place that is none", "local", "0100007F", "0100007F", "01", 1000,
	  "77", false },
};

static void callers(void)
{
	struct buf both = BUF_INIT(1024);

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		struct buf b = BUF_INIT(1024);

		buf_addf(&b, "  sl  local_address rem_address   st\n" ROW,
			 sockets[i].local, sockets[i].remote, sockets[i].state,
			 sockets[i].uid, sockets[i].inode);
		check(caller_owns(buf_str(&b), STR_NULL, sockets[i].peer, 8080,
				  1000) == sockets[i].ours &&
			      caller_owns(STR_NULL, buf_str(&b), sockets[i].peer,
					  8080, 1000) == sockets[i].ours,
		      sockets[i].what, sockets[i].ours ? "no" : "yes");
		check(!caller_owns(buf_str(&b), STR_NULL, sockets[i].peer, 8081,
				   1000),
		      "not at another port of ours", sockets[i].what);
		buf_release(&b);
	}
	check(!caller_owns(STR_NULL, STR_NULL, "127.0.0.1:50000", 8080, 1000),
	      "who is not there is nobody", "somebody");
	/* the same end towards two addresses of ours: which is it? */
	buf_addf(&both, ROW ROW, "0100007F", "0100007F", "01", 1000, "77",
		 "0100007F", "0200007F", "01", 1001, "78");
	check(!caller_owns(buf_str(&both), STR_NULL, sockets[0].peer, 8080, 1000),
	      "one of two is not enough", "it is");
	buf_release(&both);
}

static struct emu *new_store(const char *dir)
{
	struct emu *m = xcalloc(1, sizeof(*m));
	struct err e = ERR_INIT;

	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	m->entries_end = &m->entries;
	m->dir = xstrdup(dir);
	m->faults_path = xasprintf("%s/faults.json", dir);
	pthread_mutex_lock(&m->lock);
	check(store_load(m, &e) == 0, "load", e.msg);
	return m;
}

static void free_store(struct emu *m)
{
	pthread_mutex_unlock(&m->lock);
	op_release_all(m);
	store_release(m);
	free(m->faults_path);
	free(m->dir);
	free(m);
}

static void store(void)
{
	static const char vnet[] =
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/V";
	static const char nic[] =
		"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n";
	char dir[] = "/tmp/emulator-XXXXXX", id[256], subscription[37];
	struct err e = ERR_INIT;
	struct entry *n;
	struct emu *m;

	if (mkdtemp(dir) == NULL)
		exit(1);
	m = new_store(dir);
	memcpy(subscription, m->subscription, sizeof(subscription));
	store_add(m, vnet,
		  json_fmt("{'id':%s,'type':'Microsoft.Network/virtualNetworks','properties':{"
			   "'provisioningState':'Updating','subnets':[{'name':'Sub','id':'x','properties':{'p':1}}]}}",
			   vnet),
		  NULL);
	snprintf(id, sizeof(id), "%s/subnets/SUB", vnet);
	store_add(m, nic,
		  json_fmt("{'id':%s,'type':'Microsoft.Network/networkInterfaces','properties':{"
			   "'ipConfigurations':[{'subnet':{'id':%s}}]}}",
			   nic, id),
		  json_fmt("{'key':%s}", "secret"));
	store_add(m, "blob:a/C/Dir", json_fmt("{'size':1}"), NULL);

	check((n = store_find(m, "/SUBSCRIPTIONS/s/resourcegroups/G/providers/"
				 "microsoft.network/VIRTUALnetworks/v")) != NULL &&
		      n->type != NULL,
	      "found in any case", "no");
	check(store_find(m, "blob:a/C/Dir") != NULL &&
		      store_find(m, "blob:a/c/dir") == NULL,
	      "blobs are found in theirs only", "no");
	check(json_int_opt(store_doc(m, id), "properties.p", 0) == 1,
	      "a part of a document", "no");
	snprintf(id, sizeof(id), "%s/subnets/none", vnet);
	check(store_doc(m, id) == NULL, "a part that is not", "something");
	check(store_doc(m, vnet) == n->doc, "a whole document", "no");
	n = store_referrer(m, vnet);
	check(n != NULL && str_is(json_str_opt(n->doc, "id", ""), nic),
	      "who names a part of it", "nobody");
	check(store_referrer(m, nic) == NULL, "who names nobody", "somebody");
	check(store_save(m, &e) == 0, "save", e.msg);
	free_store(m);

	m = new_store(dir);
	check(strcmp(m->subscription, subscription) == 0,
	      "the same subscription", m->subscription);
	n = store_find(m, nic);
	check(n != NULL && str_is(json_str_opt(n->hide, "key", ""), "secret"),
	      "secrets are kept", "no");
	n = store_find(m, vnet);
	check(n != NULL && str_is(json_str_opt(n->doc,
					       "properties.provisioningState", ""),
				  "Succeeded"),
	      "what was under way is over", "no");
	check(store_find(m, "blob:a/C/Dir") != NULL, "blobs, too", "no");
	free_store(m);
	dir_remove(dir, &e);
}

/* ---- many of them ---- */

static struct entry *number(struct emu *m, const char *prefix, unsigned i)
{
	char *id = xasprintf("%s%u", prefix, i);
	struct entry *n = store_find(m, id);

	free(id);
	return n;
}

/* Entries come and go; those that are there are found, and in order. */
static void index_of_many(void)
{
	char dir[] = "/tmp/emulator-XXXXXX", id[64];
	struct err e = ERR_INIT;
	unsigned lost = 0, ghosts = 0, seen = 0;
	int64_t last = -1;
	struct entry *n;
	struct emu *m;

	if (mkdtemp(dir) == NULL)
		exit(1);
	m = new_store(dir);
	/* two of three go soon again, the older first */
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "/Subscriptions/s/N%u", i);
		store_add(m, id, json_fmt("{'i':%d}", (int)i), NULL);
		for (unsigned k = i - 1; i % 3 == 2 && k <= i; k++)
			store_remove(m, number(m, "/subscriptions/S/n", k));
	}
	/* and a third of the rest when all of them are there */
	for (unsigned i = 0; i < 3000; i += 9)
		store_remove(m, number(m, "/subscriptions/s/n", i));
	for (unsigned i = 0; i < 3000; i++) {
		bool stays = i % 3 == 0 && i % 9 != 0;

		n = number(m, "/SUBSCRIPTIONS/s/n", i);
		lost += stays &&
			(n == NULL || json_int_opt(n->doc, "i", -1) != i);
		ghosts += !stays && n != NULL;
	}
	checkf(lost == 0 && ghosts == 0, "3,000 come and 2,334 go",
	       "%u are not found, %u still are", lost, ghosts);
	for (n = NULL; (n = store_next(m, n, "/subscriptions/s/n")) != NULL &&
		       json_int_opt(n->doc, "i", -1) > last;
	     seen++)
		last = json_int_opt(n->doc, "i", -1);
	checkf(n == NULL && seen == 666, "in the order they came", "%u of 666",
	       seen);
	/* the last of all goes, and another comes behind the one before it */
	store_remove(m, number(m, "/subscriptions/s/n", 2994));
	store_add(m, "/subscriptions/s/last", json_fmt("{}"), NULL);
	check(store_find(m, "/subscriptions/s/n2991")->next ==
		      store_find(m, "/subscriptions/s/last"),
	      "the end of the list", "is somewhere else");
	free_store(m);
	dir_remove(dir, &e);
}

#define GROUP "/subscriptions/s/resourceGroups/g"
#define AGENTS \
	GROUP "/providers/Microsoft.Compute/virtualMachineScaleSets/agents"

static void put_network(struct emu *m, const char *name, const char *range)
{
	char *id = xasprintf("%s/providers/Microsoft.Network/virtualNetworks/%s",
			     GROUP, name);

	store_add(m, id,
		  json_fmt("{'id':%s,'type':'Microsoft.Network/virtualNetworks','properties':{"
			   "'subnets':[{'name':'s','properties':{'addressPrefix':%s}}]}}",
			   id, range),
		  NULL);
	free(id);
}

/* A set of so many machines, by the type's own put(), until it is done. */
static void put_set(struct emu *m, const char *network, int n)
{
	struct put p = { .id = xstrdup(AGENTS), .api = "2024-07-01" };
	cJSON *body = json_fmt(
		"{'location':'eastus','sku':{'name':'Standard_B2s_v2','capacity':%d},'properties':{"
		"'orchestrationMode':'Uniform','singlePlacementGroup':false,"
		"'upgradePolicy':{'mode':'Manual'},'virtualMachineProfile':{"
		"'storageProfile':{'imageReference':{'publisher':'Canonical',"
		"'offer':'ubuntu-24_04-lts','sku':'server','version':'latest'},"
		"'osDisk':{'createOption':'FromImage'}},"
		"'osProfile':{'computerNamePrefix':'agents','adminUsername':'cluster',"
		"'adminPassword':'Aa1!aaaaaaaaaaaa'},"
		"'networkProfile':{'networkInterfaceConfigurations':[{'name':'nic','properties':{"
		"'primary':true,'ipConfigurations':[{'name':'ip','properties':{'subnet':{"
		"'id':'" GROUP
		"/providers/Microsoft.Network/virtualNetworks/%s/subnets/s'"
		"}}}]}}]}}}}",
		n, network);

	if (resource_put(m, &p, body) < 0)
		check_give_up("put a set", "%s", json_text(p.f.error, "message"));
	op_wait_all(m);
	resource_put_release(&p);
	json_free(body);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a set of so many costs, at best. */
static double make_set(int n)
{
	char dir[] = "/tmp/emulator-XXXXXX";
	struct err e = ERR_INIT;
	double began, least = 0;
	struct emu *m;

	if (mkdtemp(dir) == NULL)
		exit(1);
	for (int i = 0; i < 3; i++) {
		m = new_store(dir);
		m->o.cores = 100000;
		store_add(m, GROUP,
			  json_fmt("{'id':'" GROUP "','location':'eastus'}"),
			  NULL);
		put_network(m, "v", "10.1.0.0/20");
		began = cpu_s();
		put_set(m, "v", n);
		began = cpu_s() - began;
		if (least == 0 || began < least)
			least = began;
		checkf(m->entries_n == (size_t)n + 3, "machines of a set",
		       "%zu, want %d", m->entries_n - 3, n);
		free_store(m);
	}
	dir_remove(dir, &e);
	return least;
}

/* Four times as many cost four times as much, and not fourteen or sixty: what
 * goes through all of them for each of them shows. */
static void large_sets(void)
{
	double few = make_set(250), many = make_set(1000);

	checkf(many < 8 * few, "a set of 1,000 and one of 250",
	       "%.3f s and %.3f s of processor", many, few);
}

static bool has_address(struct emu *m, const char *machine, const char *address)
{
	char *id = xasprintf(AGENTS "/virtualMachines/%s", machine);
	struct entry *n = store_find(m, id);

	free(id);
	return n != NULL && json_is(n->hide, "address", address);
}

/* The lowest that nobody in the same network has. */
static void addresses(void)
{
	static const char nic[] = GROUP
		"/providers/Microsoft.Network/networkInterfaces/n";
	char dir[] = "/tmp/emulator-XXXXXX";
	struct err e = ERR_INIT;
	struct emu *m;

	if (mkdtemp(dir) == NULL)
		exit(1);
	m = new_store(dir);
	m->o.cores = 100000;
	store_add(m, GROUP, json_fmt("{'id':'" GROUP "','location':'eastus'}"),
		  NULL);
	put_network(m, "v", "10.1.0.0/29");
	put_network(m, "v2", "10.1.0.0/29");
	/* .4 is free, .5 is taken; .4 is of one whose name begins alike */
	for (int i = 0; i < 2; i++) {
		char *id = xasprintf("%s%d", nic, i);

		store_add(m, id,
			  json_fmt("{'id':%s,'properties':{'ipConfigurations':[{'properties':{"
				   "'privateIPAddress':%s,'subnet':{'id':'" GROUP
				   "/providers/Microsoft.Network/virtualNetworks/%s/subnets/s'}}}]}}",
				   id, i == 0 ? "10.1.0.5" : "10.1.0.4",
				   i == 0 ? "v" : "v2"),
			  NULL);
		free(id);
	}
	put_set(m, "v", 2);
	check(has_address(m, "0", "10.1.0.4"), "the lowest", "another");
	check(has_address(m, "1", "10.1.0.6"), "past one that is taken",
	      "another");
	/* .7 is the network's last: a third has none, and the two stay */
	put_set(m, "v", 3);
	check(m->ops != NULL && m->ops->status == OP_FAILED &&
		      json_is(m->ops->fault.error, "code", "SubnetIsFull"),
	      "a full network", "was none");
	check(json_int_opt(store_find(m, AGENTS)->doc, "sku.capacity", 0) == 2,
	      "as many as there was room for", "other");
	/* the first goes, and what it had is had again */
	store_remove(m, store_find(m, AGENTS "/virtualMachines/0"));
	put_set(m, "v", 2);
	check(has_address(m, "2", "10.1.0.4") || has_address(m, "3", "10.1.0.4"),
	      "an address that was given back", "is not given out");
	free_store(m);
	dir_remove(dir, &e);
}

static void words(void)
{
	static const struct {
		const char *name, *wanted;
	} regions[] = {
		{ "eastus", "eastus" },
		{ "East US", "eastus" },
		{ "WEST  europe", "westeurope" },
		{ "mars", NULL },
		{ "", NULL },
		{ NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		const char *got = location_find(regions[i].name);

		check(regions[i].wanted == NULL ? got == NULL :
						  str_is(got, regions[i].wanted),
		      regions[i].name != NULL ? regions[i].name : "no region",
		      got != NULL ? got : "none");
	}
	check(resource_version_known("2024-07-01, 2015-06-15", "2015-06-15"),
	      "a version that is listed", "no");
	check(!resource_version_known("2024-07-01, 2015-06-15", "2016-06-15"),
	      "one that is not", "yes");
	check(!resource_version_known("2024-07-01, 2015-06-15", "2015-06"),
	      "a part of one", "yes");
	check(!resource_version_known("2024-07-01, 2015-06-15", "-01, 2015-"),
	      "between two", "yes");
}

/* A row is listed with its provider, and found by its name. */
static void types(void)
{
	for (const struct provider *p = provider_table; p->name != NULL; p++)
		for (size_t i = 0; p->types != NULL && p->types[i] != NULL; i++)
			for (const struct rtype *t = p->types[i];
			     t->name != NULL; t++) {
				bool own = str_istarts(str_of(t->name),
						       str_of(p->name)) &&
					   t->name[strlen(p->name)] == '/';

				check(own && t->versions != NULL &&
					      provider_type(t->name) == t,
				      t->name,
				      "is not its provider's, has no versions or is not found");
			}
	check(provider_type("Microsoft.Compute/x") == NULL,
	      "a type that is not", "something");
	check(provider_type("Microsoft.Compute") == NULL,
	      "a provider is no type", "something");
}

/* w: well, r: refused, s: silent; what the balancer thinks after each: 1 is up. */
static const struct {
	const char *what;
	unsigned threshold;
	const char *results, *up;
} probed[] = {
	{ "a new one is down until it has succeeded", 2, "www", "011" },
	{ "one success is not two in a row", 2, "wswrwsww", "00000001" },
	{ "a refusal marks down at once", 2, "wwrww", "01001" },
	{ "a time-out counts to the threshold", 2, "wwswssww", "01111001" },
	{ "a threshold of one", 1, "wswr", "1010" },
	{ "of three", 3, "wwwsswsssw", "0011111100" },
	{ "what is down stays down", 2, "rsrs", "0000" },
};

static void probes(void)
{
	for (size_t i = 0; i < sizeof(probed) / sizeof(probed[0]); i++) {
		struct probe_health h = { false, 0, 0 };
		char got[32] = "";
		bool changed = true;

		for (size_t k = 0; probed[i].results[k] != '\0'; k++) {
			char c = probed[i].results[k];
			bool was = h.up;

			changed = changed && probe_count(&h,
							 c == 'w' ? PROBE_WELL :
							 c == 'r' ? PROBE_REFUSED :
								    PROBE_SILENT,
							 probed[i].threshold) ==
						     (h.up != was);
			got[k] = h.up ? '1' : '0';
		}
		check(strcmp(got, probed[i].up) == 0, probed[i].what, got);
		check(changed, "and changes are told", probed[i].what);
	}
}

static const struct {
	const char *text;
	int64_t s;
} durations[] = {
	{ "PT5M", 300 },  { "PT1H30M", 5400 }, { "PT45S", 45 },
	{ "P1D", 86400 }, { "P1DT1S", 86401 }, { "PT", -1 },
	{ "P", -1 },	  { "", -1 },	       { "5M", -1 },
	{ "PT5", -1 },	  { "P5M", -1 },       { "PTM", -1 },
	{ "PT1D", -1 },	  { "PT-5M", -1 },     { "PT99999999M", -1 },
};

static void seconds(void)
{
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		cJSON *doc = json_fmt("{'x':%s}", durations[i].text);

		check(json_duration_s(doc, "x", -1) == durations[i].s,
		      "a duration", durations[i].text);
		json_free(doc);
	}
}

/* The template's setting: 1 to 5, usually 3; over 50 one more, under 25 one less. */
static cJSON *setting(bool enabled)
{
	return json_fmt(
		"{'enabled':%b,'profiles':[{'capacity':{'minimum':'1','maximum':'5',"
		"'default':'3'},'rules':[{'metricTrigger':{'metricName':'Percentage CPU',"
		"'timeWindow':'PT5M','operator':'GreaterThan','threshold':50},'scaleAction':{"
		"'direction':'Increase','type':'ChangeCount','value':'1','cooldown':'PT1M'}},"
		"{'metricTrigger':{'metricName':'Percentage CPU','timeWindow':'PT5M',"
		"'operator':'LessThan','threshold':25},'scaleAction':{'direction':'Decrease',"
		"'type':'ChangeCount','value':'1','cooldown':'PT5M'}}]}]}",
		enabled);
}

/* One sample a second up to now: old for all of them, then, in the last s, new. */
static const struct {
	const char *what;
	int capacity, old, new, new_s, since_action_s, seen_s;
	unsigned speed;
	bool off;
	int wanted;
} loads[] = {
	{ "too much", 3, 80, 80, 0, 9999, 400, 1, false, 4 },
	{ "too little", 3, 10, 10, 0, 9999, 400, 1, false, 2 },
	{ "neither", 3, 30, 30, 0, 9999, 400, 1, false, 3 },
	{ "not over the maximum", 5, 80, 80, 0, 9999, 400, 1, false, 5 },
	{ "not under the minimum", 1, 10, 10, 0, 9999, 400, 1, false, 1 },
	{ "more than the maximum are there", 7, 30, 30, 0, 9999, 400, 1, false, 5 },
	{ "fewer than the minimum are there", 0, 30, 30, 0, 9999, 400, 1, false,
	  1 },
	{ "bounds do not cool down", 7, 30, 30, 0, 1, 400, 1, false, 5 },
	{ "a minute of it is not five", 3, 30, 80, 60, 9999, 400, 1, false, 3 },
	{ "it was seen too briefly", 3, 80, 80, 0, 9999, 60, 1, false, 3 },
	{ "out, cooled down", 3, 80, 80, 0, 61, 400, 1, false, 4 },
	{ "out, not yet cooled down", 3, 80, 80, 0, 59, 400, 1, false, 3 },
	{ "in, not yet cooled down", 3, 10, 10, 0, 299, 400, 1, false, 3 },
	{ "in, cooled down", 3, 10, 10, 0, 301, 400, 1, false, 2 },
	{ "faster: five minutes are five seconds", 3, 30, 80, 6, 9999, 400, 60,
	  false, 4 },
	{ "faster: a minute's cool-down is a second", 3, 80, 80, 0, 2, 400, 60,
	  false, 4 },
	{ "no numbers: up to the default", 1, -1, -1, 0, 9999, 400, 1, false, 3 },
	{ "no numbers: never down", 4, -1, -1, 0, 9999, 400, 1, false, 4 },
	{ "no numbers for a moment", 1, 30, -1, 60, 9999, 400, 1, false, 1 },
	{ "switched off: too much", 3, 80, 80, 0, 9999, 400, 1, true, 3 },
	{ "switched off: out of bounds", 7, 80, 80, 0, 9999, 400, 1, true, 7 },
	{ "switched off: no numbers", 1, -1, -1, 0, 9999, 400, 1, true, 1 },
};

static void autoscale(void)
{
	static struct scaler_sample samples[400];

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		const int64_t now = 10000000;
		cJSON *doc = setting(!loads[i].off);
		struct scaler_facts f = {
			.capacity = loads[i].capacity,
			.samples = samples,
			.n = (size_t)loads[i].seen_s,
			.now_ms = now,
			.speed = loads[i].speed,
			.acted_ms = now - loads[i].since_action_s * 1000
		};
		char why[120] = "", got[32];
		int64_t want;

		for (size_t k = 0; k < f.n; k++)
			samples[k] = (struct scaler_sample){
				now - (int64_t)(f.n - 1 - k) * 1000,
				(int)(f.n - k) <= loads[i].new_s ? loads[i].new :
								   loads[i].old
			};
		want = scaler_decide(doc, &f, why);
		snprintf(got, sizeof(got), "%lld", (long long)want);
		check(want == loads[i].wanted, loads[i].what, got);
		check((want == f.capacity) == (why[0] == '\0'),
		      "a reason for a change only", why);
		json_free(doc);
	}
}

/* What is left would be over the limit at once: it stays. */
static void flapping(void)
{
	cJSON *doc = setting(true), *rule;
	struct scaler_sample samples[400];
	struct scaler_facts f = { .capacity = 2,
				  .samples = samples,
				  .n = 400,
				  .now_ms = 1000000,
				  .speed = 1 };
	char why[120] = "";

	for (size_t k = 0; k < f.n; k++)
		samples[k] = (struct scaler_sample){
			600000 + (int64_t)(k + 1) * 1000, 30
		};
	rule = json_get_mut(json_get_mut(doc, "profiles")->child, "rules")
		       ->child->next;
	json_put_int(json_get_mut(rule, "metricTrigger"), "threshold", 45);
	check(scaler_decide(doc, &f, why) == 2,
	      "in is no way when out would follow", why);
	f.capacity = 5;
	check(scaler_decide(doc, &f, why) == 4, "it is when there are more", why);
	json_free(doc);
}

int main(void)
{
	json_init();
	probes();
	seconds();
	autoscale();
	flapping();
	documents();
	relaxed();
	refusals();
	callers();
	store();
	index_of_many();
	addresses();
	large_sets();
	words();
	types();
	return check_failed();
}
