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

const struct setting_info setting_infos[S_COUNT] = {
	[S_COMPUTE_GROUP] = { "COMPUTE_GROUP", "swarm-cluster",
		"resource group of the machines and the network", false },
	[S_STORAGE_GROUP] = { "STORAGE_GROUP", "swarm-storage",
		"resource group of the storage account", false },
	[S_LOCATION] = { "LOCATION", "eastus", "Azure region", false },
	[S_MASTER_COUNT] = { "MASTER_COUNT", "1", "masters: 1, 3 or 5", false },
	[S_AGENT_COUNT] = { "AGENT_COUNT", "3", "agents to begin with", false },
	[S_MIN_AGENT_COUNT] = { "MIN_AGENT_COUNT", "1", "autoscale: never fewer agents", false },
	[S_MAX_AGENT_COUNT] = { "MAX_AGENT_COUNT", "5", "autoscale: never more agents", false },
	[S_MASTER_SIZE] = { "MASTER_SIZE", "Standard_B2s_v2", "VM size of masters", false },
	[S_AGENT_SIZE] = { "AGENT_SIZE", "Standard_B2s_v2", "VM size of agents", false },
	[S_ADMIN_USERNAME] = { "ADMIN_USERNAME", "cluster",
		"user on the machines, and name of the key files", false },
	[S_STORAGE_ACCOUNT_NAME] = { "STORAGE_ACCOUNT_NAME", NULL,
		"storage account (default: derived from group and location)", false },
	[S_FILE_SHARES] = { "FILE_SHARES", "config data registry", "file shares to create", false },
	[S_SHARE_NAME] = { "SHARE_NAME", "data", "file share mounted at /srv", false },
	[S_OWN_KEY] = { "OWN_KEY", "false", "true: use ~/.ssh/id_rsa.pub for sign-in", false },
	[S_VMSS_NAME] = { "VMSS_NAME", "agents", "name of the scale set", false },
	[S_SSH_SOURCE] = { "SSH_SOURCE", "*", "address range that may reach port 22", false },
	[S_MONITOR_PUBLIC] = { "MONITOR_PUBLIC", "false",
		"true: open port 8080 of the masters to everybody", false },
	[S_DOCKER_CHANNEL] = { "DOCKER_CHANNEL", "docker",
		"docker: Docker's own packages; distro: the distribution's", false },
	[S_TRUSTED_LAUNCH] = { "TRUSTED_LAUNCH", "true",
		"false for sizes without Trusted Launch", false },
	[S_REDIS_IMAGE] = { "REDIS_IMAGE", "redis:7-alpine", "image of the stack's Redis", false },
	[S_TENANT_ID] = { "AZURE_TENANT_ID", NULL, "Entra ID tenant", false },
	[S_CLIENT_ID] = { "AZURE_CLIENT_ID", NULL, "service principal", false },
	[S_CLIENT_SECRET] = { "AZURE_CLIENT_SECRET", NULL, "its secret", true },
	[S_CERTIFICATE] = { "AZURE_CLIENT_CERTIFICATE_PATH", NULL,
		"or its certificate and key, PEM", false },
	[S_CERTIFICATE_ALG] = { "AZURE_CLIENT_CERTIFICATE_ALG", NULL,
		"PS256, or RS256 as AD FS wants it", false },
	[S_TOKEN_CREDENTIALS] = { "AZURE_TOKEN_CREDENTIALS", NULL,
		"prod, dev or the one way to sign in", false },
	[S_SUBSCRIPTION_ID] = { "AZURE_SUBSCRIPTION_ID", NULL, "subscription", false },
	[S_CLOUD] = { "AZURE_CLOUD", NULL,
		"AzureCloud, AzureUSGovernment or AzureChinaCloud", false },
	[S_AUTHORITY_HOST] = { "AZURE_AUTHORITY_HOST", NULL,
		"sign-in endpoint (default: the public cloud's)", false },
	[S_ARM_ENDPOINT] = { "AZURE_RESOURCE_MANAGER_ENDPOINT", NULL,
		"Resource Manager endpoint (default: the public cloud's)", false },
};

void settings_init(struct settings *s)
{
	*s = (struct settings){ 0 };
	for (int i = 0; i < S_COUNT; i++)
		if (setting_infos[i].dflt != NULL)
			settings_set(s, (enum setting)i, setting_infos[i].dflt, "default");
}

void settings_release(struct settings *s)
{
	for (int i = 0; i < S_COUNT; i++)
		burn_str(s->value[i]);
	*s = (struct settings){ 0 };
}

void settings_set(struct settings *s, enum setting which, const char *value, const char *source)
{
	burn_str(s->value[which]);
	s->value[which] = xstrdup(value);
	s->source[which] = source;
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

/* NAME=VALUE, NAME="VALUE", NAME='VALUE', `export ` in front allowed.  As in
 * the environment, an empty value is none. */
static int env_line(struct settings *s, struct str line, struct err *e)
{
	struct str name, value = str_trim(line);
	char *text;
	int which;

	if (value.n == 0 || value.p[0] == '#')
		return 0;
	if (str_starts(value, STR("export ")) || str_starts(value, STR("export\t")))
		value = str_trim(str_skip(value, 7));
	if (!str_cut(&value, '=', &name))
		return err_set(e, ERR_USAGE, "expected NAME=VALUE");
	if ((which = setting_named(str_trim(name))) < 0)
		return 0;
	value = str_trim(value);
	if (value.n >= 1 && (value.p[0] == '"' || value.p[0] == '\'')) {
		if (value.n < 2 || value.p[value.n - 1] != value.p[0])
			return err_set(e, ERR_USAGE, "a quote is not closed");
		value = (struct str){ value.p + 1, value.n - 2 };
	}
	if (value.n == 0)
		return 0;
	if (memchr(value.p, '\0', value.n) != NULL)
		return err_set(e, ERR_USAGE, "a NUL character");
	text = str_dup(value);
	settings_set(s, (enum setting)which, text, ".env");
	burn_str(text);
	return 0;
}

int settings_take_file(struct settings *s, const char *path, struct err *e)
{
	struct buf text = BUF_INIT(ENV_FILE_MAX);
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
	if (str_starts(rest, STR("\xef\xbb\xbf")))	/* an editor's mark */
		rest = str_skip(rest, 3);
	while (rc == 0 && str_next(&rest, '\n', &line)) {
		n++;
		rc = env_line(s, line, e);
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

static int refuse(const struct settings *s, enum setting which, const char *accepted,
		  struct err *e)
{
	return err_set(e, ERR_USAGE, "%s=\"%s\" (from %s): expected %s",
		       setting_infos[which].name, settings_get(s, which),
		       s->source[which] ? s->source[which] : "nowhere", accepted);
}

int settings_int(const struct settings *s, enum setting which, int min, int max, int *v,
		 struct err *e)
{
	char accepted[64];
	uint64_t n;

	if (!str_num(str_of(settings_get(s, which)), (uint64_t)max, &n) || (int)n < min) {
		snprintf(accepted, sizeof(accepted), "a whole number from %d to %d", min, max);
		return refuse(s, which, accepted, e);
	}
	*v = (int)n;
	return 0;
}

int settings_bool(const struct settings *s, enum setting which, bool *v, struct err *e)
{
	struct str t = str_of(settings_get(s, which));

	if (str_ieqz(t, "true") || str_eqz(t, "1") || str_ieqz(t, "yes"))
		*v = true;
	else if (t.n == 0 || str_ieqz(t, "false") || str_eqz(t, "0") || str_ieqz(t, "no"))
		*v = false;
	else
		return refuse(s, which, "true or false", e);
	return 0;
}

static bool all_of(const char *s, bool (*ok)(char c), size_t min, size_t max)
{
	size_t n = strlen(s);

	for (const char *p = s; *p; p++)
		if (!ok(*p))
			return false;
	return n >= min && n <= max;
}

static bool group_char(char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '(' || c == ')';
}

static bool lower_digit(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool label_char(char c)
{
	return lower_digit(c) || c == '-';
}

static bool size_char(char c)
{
	return is_alnum(c) || c == '_';
}

static bool guid_char(char c)
{
	return is_alnum(c) || c == '-' || c == '.';
}

/* Names Azure keeps for itself; creating a machine with one of them fails. */
static bool user_is_reserved(const char *name)
{
	static const char *const reserved[] = {
		"1", "123", "a", "actuser", "adm", "admin", "admin1", "admin2",
		"administrator", "aspnet", "backup", "console", "david", "guest", "john",
		"owner", "root", "server", "sql", "support", "support_388945a0", "sys",
		"test", "test1", "test2", "test3", "user", "user1", "user2", "user3", "user4",
		"user5", "video",
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (str_ieqz(str_of(name), reserved[i]))
			return true;
	return false;
}

static bool user_char(char c)
{
	return label_char(c) || c == '_';
}

/* "*", a service tag such as Internet, an address or a range of them.  Azure
 * looks closer. */
static bool source_ok(const char *text)
{
	struct str bits = str_of(text), address = bits;
	bool v6 = strchr(text, ':') != NULL;
	uint64_t ignored;
	size_t parts = 0;

	if (str_eqz(bits, "*") || all_of(text, is_alpha, 3, 80))
		return true;
	if (str_cut(&bits, '/', &address) && !str_num(bits, v6 ? 128 : 32, &ignored))
		return false;
	if (v6) {
		for (size_t i = 0; i < address.n; i++) {
			char c = to_lower(address.p[i]);

			if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':')
				return false;
		}
		return address.n >= 2 && address.n <= 39;
	}
	while (str_dec(&address, 255, &ignored) && ++parts < 4 && str_starts(address, STR(".")))
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
		ok = all_of(z, label_char, 3, 63) && z[0] != '-' && z[word.n - 1] != '-' &&
		     strstr(z, "--") == NULL;
		free(z);
		if (!ok)
			return false;
		any = true;
	}
	return any;
}

int settings_check(const struct settings *s, struct err *e)
{
	const char *group = settings_get(s, S_COMPUTE_GROUP);
	const char *storage = settings_get(s, S_STORAGE_GROUP);
	const char *account = settings_get(s, S_STORAGE_ACCOUNT_NAME);
	const char *user = settings_get(s, S_ADMIN_USERNAME);
	const char *vmss = settings_get(s, S_VMSS_NAME);
	const char *channel = settings_get(s, S_DOCKER_CHANNEL);
	int masters, agents, min, max;
	bool ignored;

	/* the group's name begins the DNS labels, so it is held to their form */
	if (!all_of(group, label_char, 3, 52) || !(group[0] >= 'a' && group[0] <= 'z'))
		return refuse(s, S_COMPUTE_GROUP, "3 to 52 lower-case letters, digits and "
			      "hyphens, beginning with a letter: DNS names are made of it", e);
	if (!all_of(storage, group_char, 1, 90) || storage[strlen(storage) - 1] == '.')
		return refuse(s, S_STORAGE_GROUP, "1 to 90 letters, digits, and -_.() "
			      "not ending in a dot", e);
	if (str_ieqz(str_of(group), storage))
		return refuse(s, S_STORAGE_GROUP, "another group than COMPUTE_GROUP: "
			      "storage outlives the machines", e);
	if (!all_of(settings_get(s, S_LOCATION), lower_digit, 1, 40))
		return refuse(s, S_LOCATION, "a region name such as eastus (see "
			      "'azswarm locations')", e);
	if (*account != '\0' && !all_of(account, lower_digit, 3, 24))
		return refuse(s, S_STORAGE_ACCOUNT_NAME,
			      "3 to 24 lower-case letters and digits", e);
	if (!all_of(user, user_char, 1, 32) || !(user[0] >= 'a' && user[0] <= 'z') ||
	    user_is_reserved(user))
		return refuse(s, S_ADMIN_USERNAME, "a Linux user name that Azure does not "
			      "reserve (not admin, root, user, test, ...)", e);
	if (!all_of(vmss, label_char, 1, 9) || !(vmss[0] >= 'a' && vmss[0] <= 'z'))
		return refuse(s, S_VMSS_NAME, "1 to 9 lower-case letters, digits and hyphens, "
			      "beginning with a letter: host names are made of it", e);
	if (!share_names_ok(settings_get(s, S_FILE_SHARES)))
		return refuse(s, S_FILE_SHARES, "names of 3 to 63 lower-case letters, digits "
			      "and single hyphens, with spaces between", e);
	if (!share_names_ok(settings_get(s, S_SHARE_NAME)) ||
	    strchr(settings_get(s, S_SHARE_NAME), ' ') != NULL)
		return refuse(s, S_SHARE_NAME, "one share name", e);
	if (!all_of(settings_get(s, S_MASTER_SIZE), size_char, 1, 64))
		return refuse(s, S_MASTER_SIZE, "a VM size (see 'azswarm sizes')", e);
	if (!all_of(settings_get(s, S_AGENT_SIZE), size_char, 1, 64))
		return refuse(s, S_AGENT_SIZE, "a VM size (see 'azswarm sizes')", e);
	if (!source_ok(settings_get(s, S_SSH_SOURCE)))
		return refuse(s, S_SSH_SOURCE, "an address, a range such as 203.0.113.0/24, "
			      "or * for everybody", e);
	if (strcmp(channel, "docker") != 0 && strcmp(channel, "distro") != 0)
		return refuse(s, S_DOCKER_CHANNEL, "docker or distro", e);
	if (*settings_get(s, S_TENANT_ID) &&
	    !all_of(settings_get(s, S_TENANT_ID), guid_char, 1, 100))
		return refuse(s, S_TENANT_ID, "a tenant id or domain", e);
	if (*settings_get(s, S_CERTIFICATE_ALG) && strcmp(settings_get(s, S_CERTIFICATE_ALG), "PS256") &&
	    strcmp(settings_get(s, S_CERTIFICATE_ALG), "RS256"))
		return refuse(s, S_CERTIFICATE_ALG, "PS256 or RS256", e);
	if (*settings_get(s, S_SUBSCRIPTION_ID) &&
	    !all_of(settings_get(s, S_SUBSCRIPTION_ID), guid_char, 1, 64))
		return refuse(s, S_SUBSCRIPTION_ID, "a subscription id", e);
	if (settings_int(s, S_MASTER_COUNT, 1, 5, &masters, e) < 0)
		return -1;
	if (masters % 2 == 0)
		return refuse(s, S_MASTER_COUNT, "1, 3 or 5: an even number of masters "
			      "is no safer than one less", e);
	if (settings_int(s, S_AGENT_COUNT, 0, 100, &agents, e) < 0 ||
	    settings_int(s, S_MIN_AGENT_COUNT, 0, 100, &min, e) < 0 ||
	    settings_int(s, S_MAX_AGENT_COUNT, 0, 100, &max, e) < 0)
		return -1;
	if (min > max)
		return refuse(s, S_MIN_AGENT_COUNT, "at most MAX_AGENT_COUNT", e);
	if (agents < min || agents > max)
		return refuse(s, S_AGENT_COUNT, "MIN_AGENT_COUNT to MAX_AGENT_COUNT: autoscale "
			      "would undo anything else", e);
	if (settings_bool(s, S_OWN_KEY, &ignored, e) < 0 ||
	    settings_bool(s, S_MONITOR_PUBLIC, &ignored, e) < 0 ||
	    settings_bool(s, S_TRUSTED_LAUNCH, &ignored, e) < 0)
		return -1;
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
	buf_addf(&text, "%s-master0.%s.cloudapp.azure.com\n", settings_get(s, S_COMPUTE_GROUP),
		 settings_get(s, S_LOCATION));
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
