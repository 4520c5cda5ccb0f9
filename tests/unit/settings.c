/* swarm/settings.h: where values come from, and which are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/json.h"
#include "swarm/settings.h"
#include "tests/check.h"

static void spill(const char *path, struct str text)
{
	struct err e = ERR_INIT;

	if (file_write(path, text, 0600, &e) < 0) {
		check_give_up("spill", "%s", e.msg);
	}
}

static void no_environment(void)
{
	for (int i = 0; i < S_COUNT; i++)
		unsetenv(setting_infos[i].name);
}

/* ---- precedence ----------------------------------------------------------- */

static void run_precedence(void)
{
	static const struct {
		const char *name, *file, *env, *flag, *value, *source;
	} rows[] = {
		{ "the default", NULL, NULL, NULL, "eastus", "default" },
		{ "a file beats the default", "f", NULL, NULL, "f", ".env" },
		{ "the environment beats the default", NULL, "e", NULL, "e",
		  "environment" },
		{ "the environment beats a file", "f", "e", NULL, "e",
		  "environment" },
		{ "a flag beats the default", NULL, NULL, "x", "x", "flag" },
		{ "a flag beats a file", "f", NULL, "x", "x", "flag" },
		{ "a flag beats all", "f", "e", "x", "x", "flag" },
		{ "an empty variable is no choice", "f", "", NULL, "f", ".env" },
		{ "an empty line in a file is no choice", "", NULL, NULL,
		  "eastus", "default" },
		{ "an empty flag is one", "f", "e", "", "", "flag" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf why = BUF_INIT(4096), file = BUF_INIT(4096);
		struct err e = ERR_INIT;
		struct settings s;

		no_environment();
		buf_addf(&file, "LOCATION=%s\n", rows[i].file ? rows[i].file : "");
		spill("env", buf_str(&file));
		if (rows[i].env != NULL)
			setenv("LOCATION", rows[i].env, 1);
		settings_init(&s);
		/* as main does */
		if (settings_take_file(&s, rows[i].file ? "env" : "no-such-file",
				       &e) < 0)
			buf_adds(&why, e.msg);
		settings_take_env(&s);
		if (rows[i].flag != NULL)
			settings_set(&s, S_LOCATION, rows[i].flag, "flag");
		if (strcmp(settings_get(&s, S_LOCATION), rows[i].value) != 0 ||
		    strcmp(s.source[S_LOCATION], rows[i].source) != 0)
			buf_addf(&why, "%s from %s", settings_get(&s, S_LOCATION),
				 s.source[S_LOCATION]);
		check_why(rows[i].name, why.str);
		settings_release(&s);
		buf_release(&why);
		buf_release(&file);
	}
	no_environment();
}

/* ---- .env ------------------------------------------------------------------ */

/* value NULL: refused with words */
static const struct {
	const char *name;
	struct str text;
	const char *value, *words;
} files[] = {
	{ "plain", STR("LOCATION=westus\n"), "westus", NULL },
	{ "no line end", STR("LOCATION=westus"), "westus", NULL },
	{ "CR LF", STR("LOCATION=westus\r\nOWN_KEY=true\r\n"), "westus", NULL },
	{ "double quotes", STR("LOCATION=\"westus\"\n"), "westus", NULL },
	{ "single quotes", STR("LOCATION='westus'\n"), "westus", NULL },
	{ "quotes keep blanks", STR("LOCATION=' west us '\n"), " west us ", NULL },
	{ "quotes keep the other kind", STR("LOCATION=\"it's\"\n"), "it's", NULL },
	{ "nothing in quotes", STR("LOCATION=\"\"\n"), "eastus", NULL },
	{ "export", STR("export LOCATION=westus\n"), "westus", NULL },
	{ "export and blanks", STR("  export \t LOCATION = westus \n"),
	  "westus", NULL },
	{ "export and a tab", STR("export\tLOCATION=westus\n"), "westus", NULL },
	{ "more =", STR("LOCATION=a=b==\n"), "a=b==", NULL },
	{ "comments and empty lines",
	  STR("# LOCATION=a\n\n  \n\t# x\nLOCATION=westus\n#\n"), "westus", NULL },
	{ "a # in a value stays", STR("LOCATION=a#b\n"), "a#b", NULL },
	{ "others' names",
	  STR("PATH=/x\nlocation=a\nFOO=\"it\nLOCATIONS=b\nXLOCATION=c\n"),
	  "eastus", NULL },
	{ "the last one counts", STR("LOCATION=a\nLOCATION=b\n"), "b", NULL },
	{ "per cent signs", STR("LOCATION=%s%n\n"), "%s%n", NULL },
	{ "empty file", STR(""), "eastus", NULL },
	{ "byte order mark", STR("\xef\xbb\xbfLOCATION=westus\n"), "westus", NULL },
	{ "no =", STR("# ok\nLOCATION\n"), NULL,
	  "env: line 2: expected NAME=VALUE" },
	{ "open double quote", STR("LOCATION=\"a\n"), NULL,
	  "env: line 1: a quote is not closed" },
	{ "open single quote", STR("LOCATION='a\"\n"), NULL,
	  "env: line 1: a quote is not closed" },
	{ "a quote alone", STR("\n\nLOCATION='\n"), NULL,
	  "env: line 3: a quote is not closed" },
	{ "a NUL character", STR("LOCATION=a\0b\n"), NULL,
	  "env: line 1: a NUL character" },
};

static void run_files(void)
{
	struct buf large = BUF_INIT(1u << 20);
	struct err large_e = ERR_INIT;
	struct settings large_s;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct buf why = BUF_INIT(4096);
		struct err e = ERR_INIT;
		struct settings s;
		char name[80];
		int rc;

		spill("env", files[i].text);
		settings_init(&s);
		rc = settings_take_file(&s, "env", &e);
		if (rc != (files[i].value ? 0 : -1))
			buf_addf(&why, "rc %d: %s", rc, e.msg);
		else if (rc < 0 && (strcmp(e.msg, files[i].words) != 0 ||
				    e.kind != ERR_USAGE))
			buf_adds(&why, e.msg);
		else if (rc == 0 && strcmp(settings_get(&s, S_LOCATION),
					   files[i].value) != 0)
			buf_addf(&why, "\"%s\"", settings_get(&s, S_LOCATION));
		snprintf(name, sizeof(name), ".env: %s", files[i].name);
		check_why(name, why.str);
		settings_release(&s);
		buf_release(&why);
	}

	for (int i = 0; i < 20000; i++)
		buf_adds(&large, "# 45\n");
	spill("env", buf_str(&large));
	settings_init(&large_s);
	check(settings_take_file(&large_s, "env", &large_e) < 0 &&
		      strstr(large_e.msg, "larger than") != NULL,
	      ".env: 100 KB", large_e.msg);
	settings_release(&large_s);
	buf_release(&large);
}

/* What says where credentials go, or is one: of all that the program reads, the
 * settings alone come from a file, with the line that they stand in. */
static void run_environment_only(void)
{
	static const char *const names[] = {
		"HTTPS_PROXY",
		"https_proxy",
		"ALL_PROXY",
		"all_proxy",
		"NO_PROXY",
		"no_proxy",
		"SSL_CERT_FILE",
		"SSL_CERT_DIR",
		"AZURE_FEDERATED_TOKEN_FILE",
		"ARM_OIDC_TOKEN",
		"ARM_OIDC_TOKEN_FILE_PATH",
		"ACTIONS_ID_TOKEN_REQUEST_URL",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN",
		"IDENTITY_ENDPOINT",
		"IDENTITY_HEADER",
		"IMDS_ENDPOINT",
		"MSI_ENDPOINT",
		"MSI_SECRET",
		"AZURE_POD_IDENTITY_AUTHORITY_HOST",
		"AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
		"XDG_CACHE_HOME",
		"HOME",
		"PATH",
		"BROWSER",
		"SSH_AUTH_SOCK",
	};
	struct buf file = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct settings s;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		buf_addf(&file, "%s=of-the-file\n", names[i]);
	buf_adds(&file, "AZURE_AUTHORITY_HOST=https://a\n"
			"AZURE_RESOURCE_MANAGER_ENDPOINT=https://b\n");
	spill("env", buf_str(&file));
	settings_init(&s);
	check(settings_take_file(&s, "env", &e) == 0,
	      "a file of what it may not say", e.msg);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *v = settings_var(&s, names[i]);
		char name[100];

		snprintf(name, sizeof(name), "not from a file: %s", names[i]);
		check(v == NULL || strcmp(v, "of-the-file") != 0, name, v);
	}
	checkf(s.line[S_AUTHORITY_HOST] == 26 && s.line[S_ARM_ENDPOINT] == 27 &&
		       s.line[S_LOCATION] == 0,
	       "the lines are known", "%u, %u, %u", s.line[S_AUTHORITY_HOST],
	       s.line[S_ARM_ENDPOINT], s.line[S_LOCATION]);
	settings_set(&s, S_ARM_ENDPOINT, "https://c", "flag");
	checkf(s.line[S_ARM_ENDPOINT] == 0, "what wins is in no line", "%u",
	       s.line[S_ARM_ENDPOINT]);
	settings_release(&s);
	buf_release(&file);
}

/* ---- flags ----------------------------------------------------------------- */

static void run_flags(void)
{
	static const struct {
		const char *arg;
		int which;
		const char *value;
	} rows[] = {
		{ "--location", S_LOCATION, NULL },
		{ "--location=x", S_LOCATION, "x" },
		{ "--location=", S_LOCATION, "" },
		{ "--location=a=b", S_LOCATION, "a=b" },
		{ "--storage-group=x", S_STORAGE_GROUP, "x" },
		{ "--storage-account-name", S_STORAGE_ACCOUNT_NAME, NULL },
		{ "--azure-tenant-id", S_TENANT_ID, NULL },
		{ "--storage_group=x", -1, NULL },
		{ "--LOCATION=x", -1, NULL },
		{ "--locations", -1, NULL },
		{ "--locatio", -1, NULL },
		{ "-location", -1, NULL },
		{ "location", -1, NULL },
		{ "--", -1, NULL },
		{ "-", -1, NULL },
		/* whatever is on a command line, everybody here can read */
		{ "--azure-client-secret", -1, NULL },
		{ "--azure-client-secret=x", -1, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *value = NULL;
		int which = settings_flag(rows[i].arg, &value);
		bool same = value == rows[i].value ||
			    (value != NULL && rows[i].value != NULL &&
			     strcmp(value, rows[i].value) == 0);
		char name[80], why[40];

		snprintf(name, sizeof(name), "flag %s", rows[i].arg);
		snprintf(why, sizeof(why), "setting %d", which);
		check(which == rows[i].which && same, name, why);
	}
}

/* Every setting has its own flag, and no secret has one. */
static void run_all_flags(void)
{
	for (int i = 0; i < S_COUNT; i++) {
		char flag[80] = "--", name[100];
		const char *value;

		for (size_t k = 0; setting_infos[i].name[k]; k++)
			snprintf(flag + 2 + k, 3, "%c",
				 setting_infos[i].name[k] == '_' ?
					 '-' :
					 to_lower(setting_infos[i].name[k]));
		snprintf(name, sizeof(name), "%s is the flag of %s", flag,
			 setting_infos[i].name);
		if (setting_infos[i].secret)
			check(settings_flag(flag, &value) == -1,
			      "no secret on the command line", flag);
		else
			check_why(name, settings_flag(flag, &value) == i ?
						"" :
						"another");
	}
}

/* Each row says all that its kind wants, and names a parameter that the template has. */
static void run_rows(void)
{
	struct err e = ERR_INIT;
	struct buf text;
	cJSON *template;

	asset_get("arm/cluster.json", &text);
	template = json_parse(buf_str(&text), "template", &e);
	for (int i = 0; i < S_COUNT; i++) {
		const struct setting_info *info = &setting_infos[i];
		const char *why = "";
		char name[100];

		if (info->name == NULL || info->help == NULL)
			why = "no name or help";
		else if (info->kind == SETTING_INT && info->max < 1)
			why = "a number without bounds";
		else if (info->kind == SETTING_WORD &&
			 (info->words[0] == NULL || info->words[1] == NULL))
			why = "a word without words";
		else if ((info->chars != NULL || info->first != NULL ||
			  info->ok != NULL) &&
			 info->accepted == NULL)
			why = "does not say what it accepts";
		else if (info->chars != NULL && info->max < 1)
			why = "a text of no length";
		else if (info->parameter != NULL &&
			 json_get(json_get(template, "parameters"),
				  info->parameter) == NULL)
			why = "the template has no such parameter";
		snprintf(name, sizeof(name), "row %d is whole: %s", i,
			 info->name != NULL ? info->name : "");
		check_why(name, why);
	}
	json_free(template);
	buf_release(&text);
}

/* ---- what is refused -------------------------------------------------------- */

#define FIFTY "a123456789b123456789c123456789d123456789e123456789"
#define GROUP_WORDS \
	"3 to 52 lower-case letters, digits and hyphens, beginning with a letter"
#define STORAGE_WORDS "1 to 90 letters, digits, and -_.() not ending in a dot"
#define ACCOUNT_WORDS "3 to 24 lower-case letters and digits"
#define USER_WORDS "a Linux user name that Azure does not reserve"
#define VMSS_WORDS \
	"1 to 9 lower-case letters, digits and hyphens, beginning with a letter"
#define SOURCE_WORDS \
	"an address, a range such as 203.0.113.0/24, or * for everybody"
#define SHARE_WORDS \
	"names of 3 to 63 lower-case letters, digits and single hyphens"

/* words NULL: accepted */
static const struct {
	enum setting which;
	const char *value, *words;
} checks[] = {
	{ S_COMPUTE_GROUP, "abc", NULL },
	{ S_COMPUTE_GROUP, FIFTY "12", NULL },
	{ S_COMPUTE_GROUP, FIFTY "123", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "ab", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "Swarm", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "1swarm", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "-swarm", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "my_swarm", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "a/../b", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "a b c", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "abc?x=", GROUP_WORDS },
	{ S_COMPUTE_GROUP, "abc\xc3\xa9", GROUP_WORDS },
	{ S_STORAGE_GROUP, "A", NULL },
	{ S_STORAGE_GROUP, "My.Group_(1)-x", NULL },
	{ S_STORAGE_GROUP, "ends.", STORAGE_WORDS },
	{ S_STORAGE_GROUP, "", STORAGE_WORDS },
	{ S_STORAGE_GROUP, "a b", STORAGE_WORDS },
	{ S_STORAGE_GROUP, "a/b", STORAGE_WORDS },
	{ S_STORAGE_GROUP, FIFTY FIFTY, STORAGE_WORDS },
	{ S_STORAGE_GROUP, "swarm-cluster", "another group than COMPUTE_GROUP" },
	{ S_STORAGE_GROUP, "Swarm-Cluster", "another group than COMPUTE_GROUP" },
	{ S_LOCATION, "westeurope2", NULL },
	{ S_LOCATION, "East US", "a region name such as eastus" },
	{ S_LOCATION, "EastUS", "a region name such as eastus" },
	{ S_LOCATION, "", "a region name such as eastus" },
	{ S_LOCATION, "a'b", "a region name such as eastus" },
	{ S_STORAGE_ACCOUNT_NAME, "", NULL },
	{ S_STORAGE_ACCOUNT_NAME, "abc", NULL },
	{ S_STORAGE_ACCOUNT_NAME, "a123456789b123456789c123", NULL },
	{ S_STORAGE_ACCOUNT_NAME, "a123456789b123456789c1234", ACCOUNT_WORDS },
	{ S_STORAGE_ACCOUNT_NAME, "ab", ACCOUNT_WORDS },
	{ S_STORAGE_ACCOUNT_NAME, "my-account", ACCOUNT_WORDS },
	{ S_STORAGE_ACCOUNT_NAME, "Account", ACCOUNT_WORDS },
	{ S_ADMIN_USERNAME, "swarm_1", NULL },
	{ S_ADMIN_USERNAME, "root", USER_WORDS },
	{ S_ADMIN_USERNAME, "admin", USER_WORDS },
	{ S_ADMIN_USERNAME, "user5", USER_WORDS },
	{ S_ADMIN_USERNAME, "1user", USER_WORDS },
	{ S_ADMIN_USERNAME, "Cluster", USER_WORDS },
	{ S_ADMIN_USERNAME, "../x", USER_WORDS },
	{ S_ADMIN_USERNAME, "", USER_WORDS },
	{ S_ADMIN_USERNAME, "a123456789b123456789c123456789d1", NULL },
	{ S_ADMIN_USERNAME, "a123456789b123456789c123456789d12", USER_WORDS },
	{ S_VMSS_NAME, "agents123", NULL },
	{ S_VMSS_NAME, "agents1234", VMSS_WORDS },
	{ S_VMSS_NAME, "Agents", VMSS_WORDS },
	{ S_VMSS_NAME, "", VMSS_WORDS },
	{ S_VMSS_NAME, "-a", VMSS_WORDS },
	{ S_FILE_SHARES, "one", NULL },
	{ S_FILE_SHARES, "  config   data  ", NULL },
	{ S_FILE_SHARES, "", SHARE_WORDS },
	{ S_FILE_SHARES, "  ", SHARE_WORDS },
	{ S_FILE_SHARES, "config,data", SHARE_WORDS },
	{ S_FILE_SHARES, "config Data", SHARE_WORDS },
	{ S_FILE_SHARES, "config ab", SHARE_WORDS },
	{ S_FILE_SHARES, "con--fig", SHARE_WORDS },
	{ S_FILE_SHARES, "config-", SHARE_WORDS },
	{ S_FILE_SHARES, "-config", SHARE_WORDS },
	{ S_SHARE_NAME, "stuff", NULL },
	{ S_SHARE_NAME, "none", NULL },
	{ S_SHARE_NAME, "two words", "one share name" },
	{ S_SHARE_NAME, "", "one share name" },
	{ S_SHARE_NAME, "A", "one share name" },
	{ S_MASTER_SIZE, "Standard_D4as_v5", NULL },
	{ S_MASTER_SIZE, "", "a VM size (see 'azswarm sizes')" },
	{ S_MASTER_SIZE, "Standard D4", "a VM size" },
	{ S_AGENT_SIZE, "x'y", "a VM size" },
	{ S_SSH_SOURCE, "203.0.113.7", NULL },
	{ S_SSH_SOURCE, "203.0.113.0/24", NULL },
	{ S_SSH_SOURCE, "0.0.0.0/0", NULL },
	{ S_SSH_SOURCE, "VirtualNetwork", NULL },
	{ S_SSH_SOURCE, "2001:db8::/32", NULL },
	{ S_SSH_SOURCE, "::1", NULL },
	{ S_SSH_SOURCE, "", SOURCE_WORDS },
	{ S_SSH_SOURCE, "**", SOURCE_WORDS },
	{ S_SSH_SOURCE, "203.0.113", SOURCE_WORDS },
	{ S_SSH_SOURCE, "203.0.113.", SOURCE_WORDS },
	{ S_SSH_SOURCE, "203.0.113.256", SOURCE_WORDS },
	{ S_SSH_SOURCE, "1.2.3.4.5", SOURCE_WORDS },
	{ S_SSH_SOURCE, "203.0.113.0/33", SOURCE_WORDS },
	{ S_SSH_SOURCE, "1.2.3.4/", SOURCE_WORDS },
	{ S_SSH_SOURCE, "1.2.3.4 ", SOURCE_WORDS },
	{ S_SSH_SOURCE, "2001:db8::/129", SOURCE_WORDS },
	{ S_SSH_SOURCE, "1.2.3.4, 5.6.7.8", SOURCE_WORDS },
	{ S_SSH_SOURCE, "2001:xyz", SOURCE_WORDS },
	{ S_DOCKER_CHANNEL, "distro", NULL },
	{ S_DOCKER_CHANNEL, "stable", "docker or distro" },
	{ S_DOCKER_CHANNEL, "Docker", "docker or distro" },
	{ S_TENANT_ID, "contoso.onmicrosoft.com", NULL },
	{ S_TENANT_ID, "a/b", "a tenant id or domain" },
	{ S_SUBSCRIPTION_ID, "00000000-0000-0000-0000-000000000000", NULL },
	{ S_SUBSCRIPTION_ID, "a/../b", "a subscription id" },
	{ S_MASTER_COUNT, "3", NULL },
	{ S_MASTER_COUNT, "5", NULL },
	{ S_MASTER_COUNT, "2", "1, 3 or 5: an even number of masters is no safer" },
	{ S_MASTER_COUNT, "4", "1, 3 or 5" },
	{ S_MASTER_COUNT, "0", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "7", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "3.0", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "-1", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "+3", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, " 3", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "4294967297", "a whole number from 1 to 5" },
	{ S_MASTER_COUNT, "18446744073709551617", "a whole number from 1 to 5" },
	{ S_AGENT_COUNT, "1", NULL },
	{ S_AGENT_COUNT, "0",
	  "MIN_AGENT_COUNT to MAX_AGENT_COUNT: autoscale would undo" },
	{ S_AGENT_COUNT, "6", "MIN_AGENT_COUNT to MAX_AGENT_COUNT" },
	{ S_AGENT_COUNT, "1001", "a whole number from 0 to 1000" },
	{ S_AGENT_COUNT, "many", "a whole number from 0 to 1000" },
	{ S_MIN_AGENT_COUNT, "3", NULL },
	{ S_MIN_AGENT_COUNT, "6", "at most MAX_AGENT_COUNT" },
	{ S_MIN_AGENT_COUNT, "4", "MIN_AGENT_COUNT to MAX_AGENT_COUNT" },
	{ S_MIN_AGENT_COUNT, "x", "a whole number from 0 to 1000" },
	{ S_MAX_AGENT_COUNT, "1000", NULL },
	{ S_MAX_AGENT_COUNT, "2", "MIN_AGENT_COUNT to MAX_AGENT_COUNT" },
	{ S_MAX_AGENT_COUNT, "x", "a whole number from 0 to 1000" },
	{ S_OWN_KEY, "true", NULL },
	{ S_OWN_KEY, "YES", NULL },
	{ S_OWN_KEY, "1", NULL },
	{ S_OWN_KEY, "", NULL },
	{ S_OWN_KEY, "False", NULL },
	{ S_OWN_KEY, "0", NULL },
	{ S_OWN_KEY, "on", "true or false" },
	{ S_OWN_KEY, "2", "true or false" },
	{ S_MONITOR_PUBLIC, "maybe", "true or false" },
	{ S_TRUSTED_LAUNCH, "truee", "true or false" },
	{ S_METADATA_FOR_CONTAINERS, "yes", NULL },
	{ S_METADATA_FOR_CONTAINERS, "open", "true or false" },
	{ S_DRAIN_LIMIT, "3600", NULL },
	{ S_DRAIN_LIMIT, "0", "a whole number from 1 to 3600" },
	{ S_DRAIN_LIMIT, "3601", "a whole number from 1 to 3600" },
	{ S_WARM_AGENTS, "101", "a whole number from 0 to 100" },
	{ S_AUTOLOCK, "shared", NULL },
	{ S_AUTOLOCK, "yes", NULL },
	{ S_AUTOLOCK, "share", "true, false or shared" },
	{ S_REBALANCE, "auto", NULL },
	{ S_REBALANCE, "on", "auto or off" },
	{ S_AUTOSCALE_OUT, "100", NULL },
	{ S_AUTOSCALE_OUT, "0", "a whole number from 1 to 100" },
	{ S_AUTOSCALE_IN, "29", NULL },
	{ S_AUTOSCALE_IN, "30", "less than AUTOSCALE_OUT" },
	{ S_AUTOSCALE_IN, "100", "a whole number from 0 to 99" },
};

/* Thresholds that fit the size.  The baselines are Microsoft's, of "Bsv2-series",
 * "Basv2-series", "Bpsv2-series" and "Sizes burstable" (learn.microsoft.com). */
static void run_autoscale(void)
{
	static const struct {
		const char *size, *set_out, *set_in;
		int out, in;
	} rows[] = {
		{ "Standard_B2s_v2", NULL, NULL, 30, 15 },
		{ "standard_b32as_v2", NULL, NULL, 30, 15 },
		{ "Standard_B4ls_v2", NULL, NULL, 22, 11 },
		{ "Standard_B2pls_v2", NULL, NULL, 22, 11 },
		{ "Standard_B2ats_v2", NULL, NULL, 15, 7 },
		{ "Standard_B1ls", NULL, NULL, 3, 1 },
		{ "Standard_B1s", NULL, NULL, 7, 3 },
		{ "Standard_B2s", NULL, NULL, 15, 7 },
		{ "Standard_B2ms", NULL, NULL, 22, 11 },
		{ "Standard_B16ms", NULL, NULL, 12, 6 },
		{ "Standard_D2ls_v5", NULL, NULL, 50, 25 },
		{ "Standard_Bx", NULL, NULL, 50, 25 },
		{ "", NULL, NULL, 50, 25 },
		{ "Standard_B2s_v2", "60", NULL, 60, 30 },
		{ "Standard_B2s_v2", NULL, "5", 30, 5 },
		{ "Standard_D2ls_v5", "80", "70", 80, 70 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = ERR_INIT;
		struct settings s;
		char name[100], why[100] = "";
		int out = -1, in = -1;

		settings_init(&s);
		settings_set(&s, S_AGENT_SIZE, rows[i].size, "flag");
		if (rows[i].set_out != NULL)
			settings_set(&s, S_AUTOSCALE_OUT, rows[i].set_out, "flag");
		if (rows[i].set_in != NULL)
			settings_set(&s, S_AUTOSCALE_IN, rows[i].set_in, "flag");
		if (settings_autoscale(&s, &out, &in, &e) < 0 ||
		    out != rows[i].out || in != rows[i].in)
			snprintf(why, sizeof(why), "%d, %d: %.60s", out, in,
				 e.msg);
		snprintf(name, sizeof(name), "autoscale of \"%s\", %s, %s",
			 rows[i].size, rows[i].set_out ? rows[i].set_out : "-",
			 rows[i].set_in ? rows[i].set_in : "-");
		check_why(name, why);
		settings_release(&s);
	}
}

static void run_checks(void)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		const char *setting = setting_infos[checks[i].which].name;
		struct buf why = BUF_INIT(4096), begin = BUF_INIT(4096);
		struct err e = ERR_INIT;
		struct settings s;
		char name[200];
		int rc;

		settings_init(&s);
		settings_set(&s, checks[i].which, checks[i].value, "flag");
		/* another setting than the one that is wrong may be named */
		buf_addf(&begin, "%s=\"", setting);
		rc = settings_check(&s, &e);
		if (checks[i].words == NULL && rc < 0)
			buf_adds(&why, e.msg);
		if (checks[i].words != NULL &&
		    (rc == 0 || e.kind != ERR_USAGE ||
		     strstr(e.msg, checks[i].words) == NULL))
			buf_addf(&why, "rc %d: %s", rc, e.msg);
		if (checks[i].words != NULL && why.n == 0 &&
		    strstr(e.msg, "MIN_AGENT_COUNT to MAX") == NULL &&
		    (strncmp(e.msg, begin.str, begin.n) != 0 ||
		     strstr(e.msg, "\" (from flag): expected ") == NULL))
			buf_addf(&why, "does not name it: %s", e.msg);
		snprintf(name, sizeof(name), "%s \"%s\"%s", setting,
			 checks[i].value, checks[i].words ? " refused" : "");
		check_why(name, why.str);
		settings_release(&s);
		buf_release(&why);
		buf_release(&begin);
	}
}

static void run_defaults(void)
{
	struct err e = ERR_INIT;
	struct settings s;

	settings_init(&s);
	check(settings_check(&s, &e) == 0, "the defaults are fine", e.msg);
	check_why("never chosen is empty",
		  strcmp(settings_get(&s, S_TENANT_ID), "") == 0 &&
				  s.source[S_TENANT_ID] == NULL ?
			  "" :
			  "something");
	settings_release(&s);
}

/* ---- the storage account's name ---------------------------------------------- */

/* What the shell makes of it, as the Makefile did: an account of that name
 * may exist already. */
static char *by_shell(const char *group, const char *location)
{
	char *command = xasprintf(
		"printf '%%s\\n' '%s-master0.%s.cloudapp.azure.com' | sha1sum | "
		"base64 | tr '[:upper:]' '[:lower:]' | cut -c 1-16",
		group, location);
	char line[100] = "";
	FILE *f = popen(command, "r");

	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	if (f != NULL)
		pclose(f);
	line[strcspn(line, "\n")] = '\0';
	free(command);
	return xasprintf("shared0%s", line);
}

static void run_account(void)
{
	/* of a run of that pipe, long ago */
	static const struct {
		const char *group, *location, *want;
	} rows[] = {
		{ "swarm-cluster", "eastus", "shared0ngzkmju0ywy4mjhi" },
		{ "swarm-cluster", "westeurope", "shared0m2u3zgy5m2m0mde5" },
		{ "a1b", "southeastasia", "shared0mjc1yzm5owq2mjez" },
		{ "my-cluster-0123456789", "eastus", "shared0y2qzywe0ota2ntu4" },
		{ "zzz", "westeurope", "shared0yziwota0yjjhzwm1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct settings s;
		char name[100], *got,
			*shell = by_shell(rows[i].group, rows[i].location);

		settings_init(&s);
		settings_set(&s, S_COMPUTE_GROUP, rows[i].group, "flag");
		settings_set(&s, S_LOCATION, rows[i].location, "flag");
		got = settings_storage_account(&s);
		snprintf(name, sizeof(name), "storage account of %s in %s",
			 rows[i].group, rows[i].location);
		check(strcmp(got, rows[i].want) == 0, name, got);
		snprintf(name, sizeof(name), "... and the shell's: %s", shell);
		check(strcmp(got, shell) == 0, name, got);
		free(got);
		free(shell);
		settings_set(&s, S_STORAGE_ACCOUNT_NAME, "mine", "flag");
		got = settings_storage_account(&s);
		if (strcmp(got, "mine") != 0)
			check_why("a chosen account", got);
		free(got);
		settings_release(&s);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	run_precedence();
	run_files();
	run_environment_only();
	run_flags();
	run_all_flags();
	run_rows();
	run_defaults();
	run_checks();
	run_autoscale();
	run_account();
	return check_failed();
}
