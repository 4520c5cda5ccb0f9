/*
 * Settings: where each value comes from, and whether Azure would take it.
 * Asks nobody; what can be refused here need not be refused after ten
 * minutes of deployment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "swarm/settings.h"

#define ENV_FILE_MAX (64u << 10)

/* ---- what a value may be ---- */

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool made_of(const char *text, const char *chars, int min, int max)
{
	size_t n = strlen(text);

	return strspn(text, chars) == n && n >= (size_t)min && n <= (size_t)max;
}

/* Names Azure keeps for itself; creating a machine with one of them fails. */
static bool user_ok(const char *name)
{
	static const char *const reserved[] = {
		"1",	   "123",     "a",
		"actuser", "adm",     "admin",
		"admin1",  "admin2",  "administrator",
		"aspnet",  "backup",  "console",
		"david",   "guest",   "john",
		"owner",   "root",    "server",
		"sql",	   "support", "support_388945a0",
		"sys",	   "test",    "test1",
		"test2",   "test3",   "user",
		"user1",   "user2",   "user3",
		"user4",   "user5",   "video",
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (str_ieqz(str_of(name), reserved[i]))
			return false;
	return true;
}

/* "*", a service tag such as Internet, an address or a range of them.  Azure
 * looks closer. */
static bool source_ok(const char *text)
{
	struct str bits = str_of(text), address = bits;
	bool v6 = strchr(text, ':') != NULL;
	uint64_t ignored;
	size_t parts = 0;

	if (str_eqz(bits, "*") || made_of(text, LETTERS, 3, 80))
		return true;
	if (str_cut(&bits, '/', &address) &&
	    !str_num(bits, v6 ? 128 : 32, &ignored))
		return false;
	if (v6) {
		for (size_t i = 0; i < address.n; i++) {
			char c = to_lower(address.p[i]);

			if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':')
				return false;
		}
		return address.n >= 2 && address.n <= 39;
	}
	while (str_dec(&address, 255, &ignored) && ++parts < 4 &&
	       str_starts(address, STR(".")))
		address = str_skip(address, 1);
	return parts == 4 && address.n == 0;
}

static bool share_names_ok(const char *list)
{
	struct str rest = str_trim(str_of(list)), word;
	bool any = false;

	while (str_next(&rest, ' ', &word)) {
		char *z;
		bool ok;

		if (word.n == 0)
			continue;
		z = str_dup(word);
		ok = made_of(z, LOWER DIGITS "-", 3, 63) && z[0] != '-' &&
		     z[word.n - 1] != '-' && strstr(z, "--") == NULL;
		free(z);
		if (!ok)
			return false;
		any = true;
	}
	return any;
}

static bool one_share_ok(const char *name)
{
	return share_names_ok(name) && strchr(name, ' ') == NULL;
}

static bool group_ok(const char *name)
{
	return name[strlen(name) - 1] != '.';
}

static bool is_odd(const char *number)
{
	return (number[strlen(number) - 1] - '0') % 2 != 0;
}

static bool image_ok(const char *image)
{
	return strcmp(image, "auto") == 0 || strcmp(image, "marketplace") == 0 ||
	       (str_istarts(str_of(image), STR("/subscriptions/")) &&
		strstr(image, "/galleries/") != NULL);
}

#define A_SIZE "a VM size (see 'azswarm sizes')"
/* what a scale set may have */
#define AGENTS_MAX 1000

const struct setting_info setting_infos[S_COUNT] = {
	/* its name begins the DNS labels, so it is held to their form */
	[S_COMPUTE_GROUP] = { .name = "COMPUTE_GROUP",
			      .dflt = "swarm-cluster",
			      .help = "resource group of the machines and the network",
			      .chars = LOWER DIGITS "-",
			      .min = 3,
			      .max = 52,
			      .first = LOWER,
			      .accepted =
				      "3 to 52 lower-case letters, digits and hyphens, "
				      "beginning with a letter: DNS names are made of it",
			      .parameter = "namePrefix" },
	[S_STORAGE_GROUP] = { .name = "STORAGE_GROUP",
			      .dflt = "swarm-storage",
			      .help = "resource group of the storage account",
			      .chars = LETTERS DIGITS "-_.()",
			      .min = 1,
			      .max = 90,
			      .ok = group_ok,
			      .accepted = "1 to 90 letters, digits, and -_.() not ending in "
					  "a dot" },
	[S_LOCATION] = { .name = "LOCATION",
			 .dflt = "eastus",
			 .help = "Azure region",
			 .chars = LOWER DIGITS,
			 .min = 1,
			 .max = 40,
			 .accepted = "a region name such as eastus (see "
				     "'azswarm locations')",
			 .parameter = "location" },
	[S_MASTER_COUNT] = { .name = "MASTER_COUNT",
			     .dflt = "1",
			     .help = "masters: 1, 3 or 5",
			     .kind = SETTING_INT,
			     .min = 1,
			     .max = 5,
			     .ok = is_odd,
			     .accepted = "1, 3 or 5: an even number of masters is no safer "
					 "than one less",
			     .parameter = "masterCount" },
	[S_AGENT_COUNT] = { .name = "AGENT_COUNT",
			    .dflt = "3",
			    .help = "agents to begin with",
			    .kind = SETTING_INT,
			    .min = 0,
			    .max = AGENTS_MAX,
			    .parameter = "agentCount" },
	[S_MIN_AGENT_COUNT] = { .name = "MIN_AGENT_COUNT",
				.dflt = "1",
				.help = "autoscale: never fewer agents",
				.kind = SETTING_INT,
				.min = 0,
				.max = AGENTS_MAX,
				.parameter = "minAgentCount" },
	[S_MAX_AGENT_COUNT] = { .name = "MAX_AGENT_COUNT",
				.dflt = "5",
				.help = "autoscale: never more agents",
				.kind = SETTING_INT,
				.min = 0,
				.max = AGENTS_MAX,
				.parameter = "maxAgentCount" },
	[S_MASTER_SIZE] = { .name = "MASTER_SIZE",
			    .help = "VM size of masters (default: what costs least of what LOCATION has)",
			    .chars = LETTERS DIGITS "_",
			    .min = 1,
			    .max = 64,
			    .accepted = A_SIZE,
			    .parameter = "masterSize" },
	[S_AGENT_SIZE] = { .name = "AGENT_SIZE",
			   .help = "VM size of agents (default: what costs least of what LOCATION has)",
			   .chars = LETTERS DIGITS "_",
			   .min = 1,
			   .max = 64,
			   .accepted = A_SIZE,
			   .parameter = "agentSize" },
	[S_ADMIN_USERNAME] = { .name = "ADMIN_USERNAME",
			       .dflt = "cluster",
			       .help = "user on the machines, and name of the key files",
			       .chars = LOWER DIGITS "-_",
			       .min = 1,
			       .max = 32,
			       .first = LOWER,
			       .ok = user_ok,
			       .accepted = "a Linux user name that Azure does not reserve "
					   "(not admin, root, user, test, ...)",
			       .parameter = "adminUsername" },
	[S_STORAGE_ACCOUNT_NAME] = { .name = "STORAGE_ACCOUNT_NAME",
				     .help = "storage account (default: derived from group and location)",
				     .chars = LOWER DIGITS,
				     .min = 3,
				     .max = 24,
				     .optional = true,
				     .accepted = "3 to 24 lower-case letters and digits" },
	[S_FILE_SHARES] = { .name = "FILE_SHARES",
			    .dflt = "config data registry",
			    .help = "file shares to create",
			    .ok = share_names_ok,
			    .accepted = "names of 3 to 63 lower-case letters, digits and "
					"single hyphens, with spaces between" },
	[S_SHARE_NAME] = { .name = "SHARE_NAME",
			   .dflt = "data",
			   .help = "file share mounted at /srv; none: no machine has the account's key",
			   .ok = one_share_ok,
			   .accepted = "one share name" },
	[S_OWN_KEY] = { .name = "OWN_KEY",
			.dflt = "false",
			.help = "true: use ~/.ssh/id_rsa.pub for sign-in",
			.kind = SETTING_BOOL },
	[S_SHARE_SSH] = { .name = "SHARE_SSH",
			  .dflt = "true",
			  .help = "keep the connection to a master for a minute, for the next command",
			  .kind = SETTING_BOOL },
	[S_SSH_PORT] = { .name = "SSH_PORT",
			 .dflt = "22",
			 .help = "port of the masters' addresses where sshd answers; a local Azure may have another",
			 .kind = SETTING_INT,
			 .min = 1,
			 .max = 65535 },
	[S_VMSS_NAME] = { .name = "VMSS_NAME",
			  .dflt = "agents",
			  .help = "name of the scale set",
			  .chars = LOWER DIGITS "-",
			  .min = 1,
			  .max = 9,
			  .first = LOWER,
			  .accepted =
				  "1 to 9 lower-case letters, digits and hyphens, "
				  "beginning with a letter: host names are made of it",
			  .parameter = "vmssName" },
	[S_SSH_SOURCE] = { .name = "SSH_SOURCE",
			   .dflt = "*",
			   .help = "address range that may reach port 22",
			   .ok = source_ok,
			   .accepted = "an address, a range such as 203.0.113.0/24, or * "
				       "for everybody",
			   .parameter = "sshSource" },
	[S_MONITOR_PUBLIC] = { .name = "MONITOR_PUBLIC",
			       .dflt = "false",
			       .help = "true: open port 8080 of the masters to everybody",
			       .kind = SETTING_BOOL,
			       .parameter = "monitorPublic" },
	[S_DOCKER_CHANNEL] = { .name = "DOCKER_CHANNEL",
			       .dflt = "docker",
			       .help = "docker: Docker's own packages; distro: the distribution's",
			       .kind = SETTING_WORD,
			       .words = { "docker", "distro" } },
	[S_METADATA_FOR_CONTAINERS] = { .name = "METADATA_FOR_CONTAINERS",
					.dflt = "false",
					.help = "true: containers may ask 169.254.169.254",
					.kind = SETTING_BOOL },
	[S_TRUSTED_LAUNCH] = { .name = "TRUSTED_LAUNCH",
			       .dflt = "true",
			       .help = "false for sizes without Trusted Launch",
			       .kind = SETTING_BOOL,
			       .parameter = "trustedLaunch" },
	[S_IMAGE] = { .name = "IMAGE",
		      .dflt = "auto",
		      .help = "of machines: marketplace, the id of one of your own, or auto: the "
			      "newest of 'azswarm baked-images' that fits, if any",
		      .chars = LETTERS DIGITS "-_./()",
		      .min = 4,
		      .max = 512,
		      .ok = image_ok,
		      .accepted = "auto, marketplace, or the id of an image version "
				  "(see 'azswarm baked-images')" },
	[S_REDIS_IMAGE] = { .name = "REDIS_IMAGE",
			    .dflt = "redis:7-alpine",
			    .help = "image of the stack's Redis" },
	[S_PROGRAM] = { .name = "PROGRAM",
			.help = "file of this program for the other kind of processor; else "
				"azswarm-aarch64, or azswarm-x86_64, beside this one",
			.optional = true },
	[S_DRAIN_LIMIT] = { .name = "DRAIN_LIMIT",
			    .dflt = "120",
			    .help = "seconds that a node's tasks have to run elsewhere, before it goes",
			    .kind = SETTING_INT,
			    .min = 1,
			    .max = 3600 },
	[S_WARM_AGENTS] = { .name = "WARM_AGENTS",
			    .dflt = "0",
			    .help = "agents that scaling in deallocates, not deletes; scaling "
				    "out starts them",
			    .kind = SETTING_INT,
			    .min = 0,
			    .max = 100 },
	[S_AUTOLOCK] = { .name = "AUTOLOCK",
			 .dflt = "false",
			 .help = "masters that boot wait for 'azswarm unlock'; "
				 "shared: for the others",
			 .kind = SETTING_BOOL,
			 .words = { SETTINGS_SHARED } },
	[S_REBALANCE] = { .name = "REBALANCE",
			  .dflt = "off",
			  .help = "auto: spread tasks when nodes have come",
			  .kind = SETTING_WORD,
			  .words = { "auto", "off" } },
	[S_PUBLISH] = { .name = "PUBLISH",
			.dflt = "auto",
			.help = "whether ports of services are opened to the Internet; ask: not "
				"without a yes",
			.kind = SETTING_WORD,
			.words = { "auto", "off", "ask" } },
	[S_AUTOSCALE_OUT] = { .name = "AUTOSCALE_OUT",
			      .help = "average CPU, %, that adds an agent (default: fits AGENT_SIZE)",
			      .kind = SETTING_INT,
			      .min = 1,
			      .max = 100,
			      .optional = true },
	[S_AUTOSCALE_IN] = { .name = "AUTOSCALE_IN",
			     .help = "average CPU, %, below which one goes (default: half of that)",
			     .kind = SETTING_INT,
			     .min = 0,
			     .max = 99,
			     .optional = true },
	[S_TENANT_ID] = { .name = "AZURE_TENANT_ID",
			  .help = "Entra ID tenant",
			  .chars = LETTERS DIGITS "-.",
			  .min = 1,
			  .max = 100,
			  .accepted = "a tenant id or domain",
			  .optional = true },
	[S_CLIENT_ID] = { .name = "AZURE_CLIENT_ID", .help = "service principal" },
	[S_CLIENT_SECRET] = { .name = "AZURE_CLIENT_SECRET",
			      .help = "its secret",
			      .secret = true },
	[S_CERTIFICATE] = { .name = "AZURE_CLIENT_CERTIFICATE_PATH",
			    .help = "or its certificate and key, PEM" },
	[S_CERTIFICATE_ALG] = { .name = "AZURE_CLIENT_CERTIFICATE_ALG",
				.help = "PS256, or RS256 as AD FS wants it",
				.kind = SETTING_WORD,
				.words = { "PS256", "RS256" },
				.optional = true },
	[S_TOKEN_CREDENTIALS] = { .name = "AZURE_TOKEN_CREDENTIALS",
				  .help = "prod, dev or the one way to sign in" },
	[S_SUBSCRIPTION_ID] = { .name = "AZURE_SUBSCRIPTION_ID",
				.help = "subscription",
				.chars = LETTERS DIGITS "-.",
				.min = 1,
				.max = 64,
				.accepted = "a subscription id",
				.optional = true },
	[S_CLOUD] = { .name = "AZURE_CLOUD",
		      .help = "AzureCloud, AzureUSGovernment or AzureChinaCloud" },
	[S_AUTHORITY_HOST] = { .name = "AZURE_AUTHORITY_HOST",
			       .help = "sign-in endpoint (default: the public cloud's)" },
	[S_ARM_ENDPOINT] = { .name = "AZURE_RESOURCE_MANAGER_ENDPOINT",
			     .help = "Resource Manager endpoint (default: the public cloud's)" },
};

/* ---- where values come from ---- */

void settings_init(struct settings *s)
{
	*s = (struct settings){ 0 };
	for (int i = 0; i < S_COUNT; i++)
		if (setting_infos[i].dflt != NULL)
			settings_set(s, (enum setting)i, setting_infos[i].dflt,
				     "default");
}

void settings_release(struct settings *s)
{
	for (int i = 0; i < S_COUNT; i++)
		burn_str(s->value[i]);
	*s = (struct settings){ 0 };
}

void settings_set(struct settings *s, enum setting which, const char *value,
		  const char *source)
{
	burn_str(s->value[which]);
	s->value[which] = xstrdup(value);
	s->source[which] = source;
	s->line[which] = 0;
}

const char *settings_get(const struct settings *s, enum setting which)
{
	return s->value[which] ? s->value[which] : "";
}

static int setting_named(struct str name)
{
	for (int i = 0; i < S_COUNT; i++)
		if (str_eqz(name, setting_infos[i].name))
			return i;
	return -1;
}

const char *settings_var(const struct settings *s, const char *name)
{
	int which = setting_named(str_of(name));

	return which >= 0 ? settings_get(s, (enum setting)which) : getenv(name);
}

int settings_split(struct str line, struct str *name, struct str *value,
		   struct err *e)
{
	*value = str_trim(line);
	if (value->n == 0 || value->p[0] == '#')
		return 0;
	if (str_starts(*value, STR("export ")) ||
	    str_starts(*value, STR("export\t")))
		*value = str_trim(str_skip(*value, 7));
	if (!str_cut(value, '=', name))
		return err_set(e, ERR_USAGE, "expected NAME=VALUE");
	*name = str_trim(*name);
	return 1;
}

int settings_unquote(struct str *value, struct err *e)
{
	*value = str_trim(*value);
	if (value->n >= 1 && (value->p[0] == '"' || value->p[0] == '\'')) {
		if (value->n < 2 || value->p[value->n - 1] != value->p[0])
			return err_set(e, ERR_USAGE, "a quote is not closed");
		*value = (struct str){ value->p + 1, value->n - 2 };
	}
	if (value->n > 0 && memchr(value->p, '\0', value->n) != NULL)
		return err_set(e, ERR_USAGE, "a NUL character");
	return 0;
}

/* As in the environment, an empty value is none. */
static int env_line(struct settings *s, struct str line, unsigned n, struct err *e)
{
	struct str name, value;
	char *text;
	int which, rc;

	if ((rc = settings_split(line, &name, &value, e)) <= 0)
		return rc;
	if ((which = setting_named(name)) < 0)
		return 0;
	if (settings_unquote(&value, e) < 0)
		return -1;
	if (value.n == 0)
		return 0;
	text = str_dup(value);
	settings_set(s, (enum setting)which, text, ".env");
	s->line[which] = n;
	burn_str(text);
	return 0;
}

int settings_take_file(struct settings *s, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(ENV_FILE_MAX), hex = BUF_INIT(64);
	uint8_t digest[SHA256_LEN];
	struct str rest, line;
	unsigned n = 0;
	int rc = 0;

	if (!file_exists(path))
		return 0;
	if (file_read(path, &text, e) < 0) {
		buf_burn(&text);
		return -1;
	}
	rest = buf_str(&text);
	sha256(rest.p, rest.n, digest);
	buf_add_hex(&hex, digest, sizeof(digest));
	memcpy(s->file_hash, hex.str, sizeof(s->file_hash));
	buf_release(&hex);
	if (str_starts(rest, STR("\xef\xbb\xbf"))) /* an editor's mark */
		rest = str_skip(rest, 3);
	while (rc == 0 && str_next(&rest, '\n', &line)) {
		rc = env_line(s, line, ++n, e);
	}
	if (rc < 0)
		err_in(e, "%s: line %u", path, n);
	buf_burn(&text);
	return rc;
}

void settings_take_env(struct settings *s)
{
	for (int i = 0; i < S_COUNT; i++) {
		const char *v = getenv(setting_infos[i].name);

		if (v != NULL && *v != '\0')
			settings_set(s, (enum setting)i, v, "environment");
	}
}

int settings_flag(const char *arg, const char **value)
{
	for (int i = 0; i < S_COUNT; i++) {
		const char *name = setting_infos[i].name, *a = arg + 2;

		if (setting_infos[i].secret || strncmp(arg, "--", 2) != 0)
			continue;
		for (; *name; name++, a++)
			if (*a != (*name == '_' ? '-' : to_lower(*name)))
				break;
		if (*name == '\0' && (*a == '\0' || *a == '=')) {
			*value = *a == '=' ? a + 1 : NULL;
			return i;
		}
	}
	return -1;
}

/* ---- reading and checking ---- */

static int refuse(const struct settings *s, enum setting which,
		  const char *accepted, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s=\"%s\" (from %s): expected %s",
		       setting_infos[which].name, settings_get(s, which),
		       s->source[which] ? s->source[which] : "nowhere", accepted);
}

int settings_int(const struct settings *s, enum setting which, int *v,
		 struct err *e)
{
	const struct setting_info *info = &setting_infos[which];
	char accepted[64];
	uint64_t n;

	if (!str_num(str_of(settings_get(s, which)), (uint64_t)info->max, &n) ||
	    (int)n < info->min) {
		snprintf(accepted, sizeof(accepted),
			 "a whole number from %d to %d", info->min, info->max);
		return refuse(s, which, accepted, e);
	}
	*v = (int)n;
	return 0;
}

bool settings_mounts(const struct settings *s)
{
	return strcmp(settings_get(s, S_SHARE_NAME), "none") != 0;
}

int settings_bool(const struct settings *s, enum setting which, bool *v,
		  struct err *e)
{
	struct str t = str_of(settings_get(s, which));
	const char *too = setting_infos[which].words[0];
	char accepted[64];

	if (too != NULL && str_eqz(t, too))
		*v = true;
	else if (str_ieqz(t, "true") || str_eqz(t, "1") || str_ieqz(t, "yes"))
		*v = true;
	else if (t.n == 0 || str_ieqz(t, "false") || str_eqz(t, "0") ||
		 str_ieqz(t, "no"))
		*v = false;
	else if (too == NULL)
		return refuse(s, which, "true or false", e);
	else {
		snprintf(accepted, sizeof(accepted), "true, false or %s", too);
		return refuse(s, which, accepted, e);
	}
	return 0;
}

static int check_word(const struct settings *s, enum setting which, struct err *e)
{
	const struct setting_info *info = &setting_infos[which];
	const char *value = settings_get(s, which);
	char accepted[64];

	for (size_t i = 0; i < 3; i++)
		if (info->words[i] != NULL && strcmp(value, info->words[i]) == 0)
			return 0;
	snprintf(accepted, sizeof(accepted), "%s%s%s or %s", info->words[0],
		 info->words[2] != NULL ? ", " : "",
		 info->words[2] != NULL ? info->words[2] : "", info->words[1]);
	return refuse(s, which, accepted, e);
}

static int check_text(const struct settings *s, enum setting which, struct err *e)
{
	const struct setting_info *info = &setting_infos[which];
	const char *value = settings_get(s, which);

	if (info->chars != NULL &&
	    !made_of(value, info->chars, info->min, info->max))
		return refuse(s, which, info->accepted, e);
	if (info->first != NULL && strspn(value, info->first) == 0)
		return refuse(s, which, info->accepted, e);
	return 0;
}

/* A value against its row. */
static int check_one(const struct settings *s, enum setting which, struct err *e)
{
	const struct setting_info *info = &setting_infos[which];
	const char *value = settings_get(s, which);
	int rc = 0, number;
	bool yes;

	if (s->value[which] == NULL || (*value == '\0' && info->optional))
		return 0;
	switch (info->kind) {
	case SETTING_TEXT:
		rc = check_text(s, which, e);
		break;
	case SETTING_INT:
		rc = settings_int(s, which, &number, e);
		break;
	case SETTING_BOOL:
		rc = settings_bool(s, which, &yes, e);
		break;
	case SETTING_WORD:
		rc = check_word(s, which, e);
		break;
	}
	if (rc == 0 && info->ok != NULL && !info->ok(value))
		rc = refuse(s, which, info->accepted, e);
	return rc;
}

/* Of all its cores, percent, what a VM size may use without end. */
static int baseline(const char *size)
{
	/* B2ts_v2, B2als_v2, B2s_v2; the older B1ls, B2ms, ... of so many cores */
	static const struct {
		const char *kind;
		int cores, percent;
	} older[] = {
		{ "ls", 1, 5 }, { "s", 1, 10 },	 { "ms", 1, 20 },
		{ "s", 2, 20 }, { "ms", 2, 30 }, { "ms", 4, 22 },
	};
	struct str rest = str_of(size), kind;
	uint64_t cores;

	if (!str_istarts(rest, STR("Standard_B")))
		return 100;
	rest = str_skip(rest, strlen("Standard_B"));
	if (!str_dec(&rest, 1000, &cores))
		return 100;
	if (str_cut(&rest, '_', &kind)) {
		for (size_t i = 0; i < kind.n; i++)
			if (to_lower(kind.p[i]) == 't' ||
			    to_lower(kind.p[i]) == 'l')
				return to_lower(kind.p[i]) == 't' ? 20 : 30;
		return 40;
	}
	for (size_t i = 0; i < sizeof(older) / sizeof(*older); i++)
		if (str_ieqz(rest, older[i].kind) && (int)cores == older[i].cores)
			return older[i].percent;
	return 16;
}

int settings_autoscale(const struct settings *s, int *out, int *in, struct err *e)
{
	/* not chosen yet: as much as any that is burstable has */
	int base = s->value[S_AGENT_SIZE] == NULL ?
			   40 :
			   baseline(s->value[S_AGENT_SIZE]);

	*out = base == 100 ? 50 : base * 3 / 4;
	if (*settings_get(s, S_AUTOSCALE_OUT) != '\0' &&
	    settings_int(s, S_AUTOSCALE_OUT, out, e) < 0)
		return -1;
	*in = *out / 2;
	if (*settings_get(s, S_AUTOSCALE_IN) != '\0' &&
	    settings_int(s, S_AUTOSCALE_IN, in, e) < 0)
		return -1;
	if (*in >= *out)
		return refuse(s, S_AUTOSCALE_IN,
			      "less than AUTOSCALE_OUT, or "
			      "each machine would be added and removed in turn",
			      e);
	return 0;
}

int settings_check(const struct settings *s, struct err *e)
{
	int agents, min, max, out, in;

	for (int i = 0; i < S_COUNT; i++)
		if (check_one(s, (enum setting)i, e) < 0)
			return -1;
	if (str_ieqz(str_of(settings_get(s, S_COMPUTE_GROUP)),
		     settings_get(s, S_STORAGE_GROUP)))
		return refuse(s, S_STORAGE_GROUP,
			      "another group than "
			      "COMPUTE_GROUP: storage outlives the machines",
			      e);
	if (settings_int(s, S_AGENT_COUNT, &agents, e) < 0 ||
	    settings_int(s, S_MIN_AGENT_COUNT, &min, e) < 0 ||
	    settings_int(s, S_MAX_AGENT_COUNT, &max, e) < 0)
		return -1;
	if (settings_autoscale(s, &out, &in, e) < 0)
		return -1;
	if (min > max)
		return refuse(s, S_MIN_AGENT_COUNT, "at most MAX_AGENT_COUNT", e);
	if (agents < min || agents > max)
		return refuse(s, S_AGENT_COUNT,
			      "MIN_AGENT_COUNT to "
			      "MAX_AGENT_COUNT: autoscale would undo anything "
			      "else",
			      e);
	return 0;
}

/*
 * "shared0" and the first 16 characters of lower-case base64 of the text
 * `shasum` prints for the FQDN of the first master and a newline.  The exact text
 * matters, in every cloud: users of the Makefile have accounts of that name.
 */
char *settings_storage_account(const struct settings *s)
{
	struct buf text = BUF_INIT(1024), b64 = BUF_INIT(1024);
	uint8_t digest[20];
	char *name;

	if (*settings_get(s, S_STORAGE_ACCOUNT_NAME) != '\0')
		return xstrdup(settings_get(s, S_STORAGE_ACCOUNT_NAME));
	buf_addf(&text, "%s-master0.%s.cloudapp.azure.com\n",
		 settings_get(s, S_COMPUTE_GROUP), settings_get(s, S_LOCATION));
	sha1(text.str, text.n, digest);
	buf_reset(&text);
	buf_add_hex(&text, digest, sizeof(digest));
	buf_adds(&text, "  -\n");
	buf_add_base64(&b64, text.str, text.n);
	for (size_t i = 0; i < b64.n; i++)
		b64.str[i] = to_lower(b64.str[i]);
	name = xasprintf("shared0%.16s", b64.str);
	buf_release(&text);
	buf_release(&b64);
	return name;
}
