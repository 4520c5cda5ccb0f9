/* compose/: what is refused, and where; what is taken, by the text of it.  What docker
 * makes of the same files is sh/compose's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "compose/compose.h"
#include "tests/check.h"

/* ---- variables ---- */

static bool never_asked = true;

static const char *variable(void *ctx, const char *name)
{
	(void)ctx;
	if (compose_never(name))
		never_asked = false;
	if (strcmp(name, "SET") == 0)
		return "value";
	if (strcmp(name, "EMPTY") == 0)
		return "";
	if (strcmp(name, "FOUR") == 0)
		return "4";
	if (strcmp(name, "DOLLAR") == 0)
		return "${SET}";
	if (strncmp(name, "AZURE_", 6) == 0)
		return "a credential";
	return NULL;
}

static int take(struct str text, struct compose *c, struct err *e)
{
	struct compose_source from = {
		.path = "f.yml",
		.text = text,
		.stack = "s",
		.var = variable,
	};

	return compose_read(&from, c, e);
}

/* ---- refused ---- */

#define WEB "services:\n  web:\n    image: web\n"

static const struct {
	const char *name;
	struct str text;
	const char *want;
} refused[] = {
	{ "nothing", STR(""), "f.yml:1:1: nothing is in it" },
	{ "only a comment", STR("# x\n"), "f.yml:1:1: nothing is in it" },
	{ "a list", STR("- a\n"),
	  "f.yml:1:1: the file: expected a map, found a list" },
	{ "a text", STR("x\n"),
	  "f.yml:1:1: the file: expected a map, found a text" },
	{ "null", STR("---\n"),
	  "f.yml:2:1: the file: expected a map, found nothing" },
	{ "not YAML", STR("a: [b\n"),
	  "f.yml:2:1: did not find expected ',' or ']'" },
	{ "a tab", STR("services:\n\tweb: {}\n"),
	  "f.yml:2:1: found character that cannot start any token" },
	{ "not UTF-8", STR("name: \xff\n"),
	  "f.yml: byte 6: invalid leading UTF-8 octet" },
	{ "a NUL", STR(WEB "    hostname: \"a\\0b\"\n"),
	  "f.yml:4:15: a text with a NUL in it" },
	{ "a raw NUL", STR("name: a\0b\n"),
	  "f.yml: byte 7: control characters are not allowed" },
	{ "a name that is a number", STR(WEB "    labels: {1: a}\n"),
	  "f.yml:4:14: a name must be a text: put it in quotes" },
	{ "a name that is a list", STR("[a]: b\n"),
	  "f.yml:1:1: a name must be a text" },
	{ "twice", STR(WEB "    image: other\n"),
	  "f.yml:4:5: \"image\" is there twice, first on line 3" },
	{ "<< twice", STR("x-a: &a {}\nx-b: {<<: *a, <<: *a}\n"),
	  "f.yml:2:15: << is there twice" },
	{ "<< of a text", STR("x-b: {<<: a}\n"),
	  "f.yml:1:7: << takes a map, or a list of maps" },
	{ "<< of a list of texts", STR("x-b: {<<: [a]}\n"),
	  "f.yml:1:7: << takes a map, or a list of maps" },
	{ "an alias of nothing", STR("x-b: *a\n"),
	  "f.yml:1:6: an alias of what is not there" },
	{ "an alias of itself", STR("x-b: &a [*a]\n"),
	  "f.yml:1:10: an alias of what it is in" },
	{ "a tag of one's own", STR("x-b: !reset a\n"),
	  "f.yml:1:6: a tag that compose files do not have here" },
	{ "a tag that lies", STR("x-b: !!int a\n"),
	  "f.yml:1:6: a tag that compose files do not have here" },
	{ "unknown at the top", STR("service: {}\n"),
	  "f.yml:1:1: service: a compose file has no such thing here; did you mean "
	  "services?" },
	{ "unknown and near nothing", STR(WEB "    whatever: x\n"),
	  "f.yml:4:5: services.web.whatever: a compose file has no such thing here" },
	{ "unknown below", STR(WEB "    deploy:\n      replica: 3\n"),
	  "f.yml:5:7: services.web.deploy.replica: a compose file has no such thing "
	  "here; did you mean replicas?" },
	{ "unknown in a list", STR(WEB "    ports:\n    - 80\n    - targt: 80\n"),
	  "f.yml:6:7: services.web.ports[1].targt: a compose file has no such thing "
	  "here; did you mean target?" },
	{ "a service's name", STR("services:\n  \"a b\": {image: x}\n"),
	  "f.yml:2:3: services.a b: a name is of letters, digits, '.', '_' and '-'" },
	{ "services is a list", STR("services: []\n"),
	  "f.yml:1:1: services: expected a map, found a list" },
	{ "a number for a text", STR(WEB "    hostname: 1.5\n"),
	  "f.yml:4:5: services.web.hostname: expected a text, found a number: put it "
	  "in quotes" },
	{ "null for a text", STR(WEB "    hostname:\n"),
	  "f.yml:4:5: services.web.hostname: expected a text, found nothing" },
	{ "a text for a number", STR(WEB "    deploy: {replicas: many}\n"),
	  "f.yml:4:14: services.web.deploy.replicas: expected a whole number, found a "
	  "text" },
	{ "half a task", STR(WEB "    deploy: {replicas: 1.5}\n"),
	  "f.yml:4:14: services.web.deploy.replicas: expected a whole number, found a "
	  "number" },
	{ "less than none", STR(WEB "    deploy: {replicas: -1}\n"),
	  "f.yml:4:14: services.web.deploy.replicas: is below 0" },
	{ "too many", STR(WEB "    deploy: {replicas: 99999999999999999}\n"),
	  "f.yml:4:14: services.web.deploy.replicas: is too large a number" },
	{ "not a number",
	  STR(WEB "    deploy: {update_config: {max_failure_ratio: .nan}}\n"),
	  "f.yml:4:30: services.web.deploy.update_config.max_failure_ratio: is too "
	  "large a number" },
	{ "a yes that is none", STR(WEB "    tty: maybe\n"),
	  "f.yml:4:5: services.web.tty: expected true or false, found a text" },
	{ "an item twice", STR(WEB "    cap_add: [A, B, A]\n"),
	  "f.yml:4:21: services.web.cap_add[2]: is there twice, first on line 4" },
	{ "extends", STR(WEB "    extends: {service: x}\n"),
	  "f.yml:4:5: services.web.extends: is not taken; write out what it would "
	  "bring, or use an anchor" },
	{ "version 2", STR("version: \"2.4\"\n"),
	  "f.yml:1:1: version 2.4 is not taken: 3, or none, is what Swarm has" },
	{ "no image", STR("services: {web: {}}\n"),
	  "f.yml:1:12: services.web: has no image" },
	{ "an image with a blank", STR("services: {web: {image: a b}}\n"),
	  "f.yml:1:18: services.web.image: is no name of an image: NAME, NAME:TAG, "
	  "HOST/NAME:TAG, in small letters" },
	{ "a port that is none", STR(WEB "    ports: [\"80:http\"]\n"),
	  "f.yml:4:13: services.web.ports: \"80:http\" is no port: 80, 8080:80, "
	  "53:53/udp, 3000-3005:3000-3005" },
	{ "ranges that do not fit", STR(WEB "    ports: [\"80-82:90-91\"]\n"),
	  "f.yml:4:13: services.web.ports: \"80-82:90-91\" is no port: 80, 8080:80, "
	  "53:53/udp, 3000-3005:3000-3005" },
	{ "ranges of too many", STR(WEB "    ports: [\"1-65535:1-65535\"]\n"),
	  "f.yml:4:13: services.web.ports: the file has more than 20000 ports" },
	{ "a long port without a target",
	  STR(WEB "    ports: [{published: 80}]\n"),
	  "f.yml:4:13: a port wants a target, and may have published, of 1 to 65535" },
	{ "a volume of no type", STR(WEB "    volumes: [{target: /x}]\n"),
	  "f.yml:4:15: a volume wants a type: volume, bind, tmpfs" },
	{ "a volume of another type",
	  STR(WEB "    volumes: [{type: disk, target: /x}]\n"),
	  "f.yml:4:15: a volume's type is volume, bind, tmpfs, npipe, cluster or "
	  "image" },
	{ "options of another type",
	  STR(WEB "    volumes: [{type: bind, source: /x, target: /x, tmpfs: {}}]\n"),
	  "f.yml:4:52: options of tmpfs on a volume of type bind" },
	{ "an external one with more",
	  STR(WEB "networks: {a: {external: true, labels: [x]}}\n"),
	  "f.yml:4:32: a is external: what is there already has no labels here" },
	{ "two names", STR(WEB "configs: {a: {name: b, external: {name: c}}}\n"),
	  "f.yml:4:11: a has two names; leave external.name" },
	{ "a config of nothing", STR(WEB "configs: {a: {}}\n"),
	  "f.yml:4:11: a: wants one of file, content, environment and external" },
	{ "a config of two", STR(WEB "configs: {a: {file: x, content: y}}\n"),
	  "f.yml:4:11: a: wants one of file, content, environment and external" },
	{ "a variable that is not set",
	  STR(WEB "secrets: {a: {environment: NOT}}\n"),
	  "f.yml:4:15: a: NOT is not set" },
	{ "a credential as a secret",
	  STR(WEB "secrets: {a: {environment: AZURE_CLIENT_SECRET}}\n"),
	  "f.yml:4:15: a: AZURE_CLIENT_SECRET is not set" },
	{ "a credential that is asked for",
	  STR(WEB "    hostname: ${AZURE_CLIENT_SECRET?no}\n"),
	  "f.yml:4:5: services.web.hostname: AZURE_CLIENT_SECRET is not set: no" },
	{ "a folder", STR(WEB "secrets: {a: {file: folder}}\n"),
	  "is not a regular file" },
	{ "a pipe", STR(WEB "secrets: {a: {file: pipe}}\n"),
	  "is not a regular file" },
	{ "a device", STR(WEB "secrets: {a: {file: /dev/zero}}\n"),
	  "f.yml:4:15: /dev/zero is not a regular file" },
	{ "a file that is too large", STR(WEB "secrets: {a: {file: large}}\n"),
	  "is larger than 512000 bytes" },
	{ "many files",
	  STR(WEB "configs: &c {<<: &d {a: &a {file: most}, b: *a, c: *a, d: *a, "
		  "e: *a, f: *a, g: *a, h: *a, i: *a, j: *a, k: *a, l: *a, m: *a, "
		  "n: *a, o: *a, p: *a, q: *a, r: *a, s: *a, t: *a, u: *a, v: *a, "
		  "w: *a, x: *a, y: *a, z: *a, aa: *a, ab: *a, ac: *a, ad: *a, "
		  "ae: *a, af: *a, ag: *a, ah: *a, ai: *a}}\n"),
	  "f.yml:4:29: the files are larger than 32 MiB in all" },
	{ "a line that is no variable", STR(WEB "    env_file: wrong.env\n"),
	  "f.yml:4:5: wrong.env: line 2 is no NAME=value, nor a comment" },
	{ "a NUL in a line", STR(WEB "    env_file: nul.env\n"),
	  "f.yml:4:5: nul.env: line 1 has a NUL in it" },
	{ "a variable without a name", STR(WEB "    environment: [\"=x\"]\n"),
	  "f.yml:4:19: a variable without a name" },
	{ "a \\ at the end", STR(WEB "    command: 'a \\'\n"),
	  "f.yml:4:5: command: ends behind a \\" },
	{ "a duration", STR(WEB "    stop_grace_period: 5 s\n"),
	  "f.yml:4:5: stop_grace_period: wants a duration: 30s, 1m30s, 1.5h" },
	{ "a duration without a unit", STR(WEB "    stop_grace_period: \"5\"\n"),
	  "f.yml:4:5: stop_grace_period: wants a duration: 30s, 1m30s, 1.5h" },
	{ "a size", STR(WEB "    deploy: {resources: {limits: {memory: 5x}}}\n"),
	  "f.yml:4:35: memory: wants a size: 512m, 1.5G, 64MiB" },
	{ "processors",
	  STR(WEB "    deploy: {resources: {limits: {cpus: half}}}\n"),
	  "f.yml:4:35: cpus: wants a number of processors, 0.25 or 2, with at most "
	  "nine digits behind the point" },
	{ "a mode", STR(WEB "    deploy: {mode: some}\n"),
	  "f.yml:4:14: services.web.deploy.mode: is replicated, global, "
	  "replicated-job or global-job" },
	{ "a test, and none",
	  STR(WEB "    healthcheck: {test: x, disable: true}\n"),
	  "f.yml:4:19: services.web.healthcheck: a test, and disable" },
	{ "an order", STR(WEB "    deploy: {update_config: {order: any}}\n"),
	  "f.yml:4:30: order: is start-first or stop-first" },
	{ "a restart", STR(WEB "    restart: often\n"),
	  "f.yml:4:5: restart: is no, always, unless-stopped, on-failure or "
	  "on-failure:TIMES" },
	{ "half a limit", STR(WEB "    ulimits: {nofile: {soft: 1}}\n"),
	  "f.yml:4:15: ulimits.nofile: wants soft and hard" },
	{ "a specification that is not there",
	  STR(WEB "    credential_spec: {config: x}\n"),
	  "f.yml:4:23: config \"x\" is not in the file's configs" },
	{ "two specifications",
	  STR(WEB "    credential_spec: {file: x, registry: y}\n"),
	  "f.yml:4:5: credential_spec: one of config, file and registry" },
};

static void refusals(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		const char *want = refused[i].want, *got;
		struct err e = ERR_INIT;
		struct compose c;
		int rc = take(refused[i].text, &c, &e);

		got = rc == 0 ? "taken" : e.msg;
		/* a path of this machine is in between */
		if (strncmp(want, "is ", 3) == 0 && strstr(got, want) != NULL)
			got = want;
		check_same(got, want, refused[i].name);
		compose_release(&c);
	}
}

/* ---- what would be much ---- */

static void refuses(const char *name, const struct buf *text, const char *want)
{
	struct err e = ERR_INIT;
	struct compose c;
	int rc = take(buf_str(text), &c, &e);

	checkf(rc < 0 && strstr(e.msg, want) != NULL, name, "got \"%s\"",
	       rc == 0 ? "taken" : e.msg);
	compose_release(&c);
}

static void bombs(void)
{
	struct buf b = BUF_INIT(4u << 20);

	/* texts of such a length that their own bound is not far behind */
	buf_adds(&b, "x-0: &a0 [");
	for (int i = 0; i < 9; i++)
		buf_addf(&b, "%0120d, ", i);
	buf_adds(&b, "]\n");
	for (int i = 1; i < 10; i++)
		buf_addf(&b, "x-%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
			 i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	refuses("a billion laughs", &b, "this and what aliases repeat is more");
	buf_reset(&b);
	buf_adds(&b, "x-a: &a {");
	for (int i = 0; i < 100; i++)
		buf_addf(&b, "k%d: v, ", i);
	buf_adds(&b, "}\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "x-%d: {<<: *a}\n", i);
	refuses("what is merged counts, too", &b, "this and what aliases repeat");
	buf_reset(&b);
	buf_adds(&b, "x-a: &a ");
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "\nx-b: [");
	for (int i = 0; i < 100; i++)
		buf_adds(&b, "*a, ");
	buf_adds(&b, "]\n");
	refuses("long texts, repeated", &b,
		"texts, and what aliases repeat of them");
	buf_reset(&b);
	buf_adds(&b, "x-a: ");
	for (int i = 0; i < 100; i++)
		buf_addc(&b, '[');
	refuses("deep", &b, "lists and maps are nested too deep");
	buf_reset(&b);
	buf_adds(&b, "x-a: [");
	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "a,");
	refuses("a long list", &b, "a list may have 4096 items");
	buf_reset(&b);
	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "x-%d: a\n", i);
	refuses("a long map", &b, "a map may have 4096 members");
	buf_reset(&b);
	buf_adds(&b, WEB "    environment: [");
	for (int i = 0; i < 4000; i++)
		buf_addf(&b, "\"%d=$DOLLAR\",", i);
	buf_adds(&b, "]\n");
	{
		struct err e = ERR_INIT;
		struct compose c;

		check(take(buf_str(&b), &c, &e) == 0,
		      "4000 variables are taken", e.msg);
		compose_release(&c);
	}
	buf_reset(&b);
	for (size_t i = 0; i < (1u << 20) + 1; i++)
		buf_addc(&b, '#');
	refuses("more than 1 MiB", &b, "a compose file may have 1 MiB");
	buf_release(&b);
}

/* ---- what variables become ---- */

static const struct {
	const char *in;
	const char *want; /* "!...": the reason of a refusal */
} expansions[] = {
	{ "plain", "plain" },
	{ "$SET", "value" },
	{ "${SET}", "value" },
	{ "a${SET}b$SET.c", "avaluebvalue.c" },
	{ "${SET:-d}", "value" },
	{ "${SET-d}", "value" },
	{ "${SET:+x}", "x" },
	{ "${SET+x}", "x" },
	{ "${SET:?e}", "value" },
	{ "${SET?e}", "value" },
	{ "${EMPTY}", "" },
	{ "${EMPTY:-d}", "d" },
	{ "${EMPTY-d}", "" },
	{ "${EMPTY:+x}", "" },
	{ "${EMPTY+x}", "x" },
	{ "${EMPTY?e}", "" },
	{ "${EMPTY:?e}", "!EMPTY is not set: e" },
	{ "${NOT}", "" },
	{ "${NOT:-d}", "d" },
	{ "${NOT-d}", "d" },
	{ "${NOT:-}", "" },
	{ "${NOT:+x}", "" },
	{ "${NOT+x}", "" },
	{ "${NOT:?}", "!NOT is not set" },
	{ "${NOT?say ${SET}}", "!NOT is not set: say value" },
	{ "${NOT:-a}b}", "ab}" },
	{ "${NOT:-${SET}}", "value" },
	{ "${NOT:-x${NO:-${SET:+y}}z}", "xyz" },
	{ "${NOT:-$2y$05$x}", "$2y$05$x" },
	{ "${NOT:-$$SET}", "$$SET" },
	{ "${NOT:-$${SET}}", "$${SET}" },
	{ "${NOT:-${SET}", "${SET" },
	{ "${NOT:-a:-b}", "a:-b" },
	{ "$$", "$" },
	{ "$$$$SET", "$$SET" },
	{ "$$SET", "$SET" },
	{ "$$${SET}", "$value" },
	{ "$SET-$SET", "value-value" },
	{ "$DOLLAR", "${SET}" },
	{ "$AZURE_CLIENT_SECRET", "" },
	{ "${ARM_CLIENT_SECRET:-d}", "d" },
	{ "${ACTIONS_ID_TOKEN_REQUEST_TOKEN+x}", "" },
	{ "$", "!a $ without a name; a $ that is meant is written $$" },
	{ "a$", "!a $ without a name; a $ that is meant is written $$" },
	{ "$1", "!a $ without a name; a $ that is meant is written $$" },
	{ "$ x", "!a $ without a name; a $ that is meant is written $$" },
	{ "${}", "!${...} without a name; a $ that is meant is written $$" },
	{ "${1}", "!${...} without a name; a $ that is meant is written $$" },
	{ "${SET", "!${ without its }; a $ that is meant is written $$" },
	{ "${SET!x}",
	  "!${...} takes :-, -, :+, +, :? or ? behind the name; a $ that is meant is "
	  "written $$" },
	{ "${SET:x}",
	  "!${...} takes :-, -, :+, +, :? or ? behind the name; a $ that is meant is "
	  "written $$" },
};

static void substitution(void)
{
	static const char where[] = "f.yml:1:18: services.web.hostname: ";

	for (size_t i = 0; i < sizeof(expansions) / sizeof(*expansions); i++) {
		char *text =
			xasprintf("services: {web: {hostname: '%s', image: w}}",
				  expansions[i].in);
		struct err e = ERR_INIT;
		struct compose c;
		int rc = take(str_of(text), &c, &e);
		const char *got;

		if (rc == 0)
			got = json_text(cJSON_GetArrayItem(c.services, 0),
					"TaskTemplate.ContainerSpec.Hostname");
		else
			got = strncmp(e.msg, where, sizeof(where) - 1) == 0 ?
				      e.msg + sizeof(where) - 1 :
				      e.msg;
		check_same(got,
			   expansions[i].want + (expansions[i].want[0] == '!'),
			   expansions[i].in);
		checkf((rc < 0) == (expansions[i].want[0] == '!'),
		       expansions[i].in, "rc %d", rc);
		compose_release(&c);
		free(text);
	}
	check(never_asked, "no credential is asked for", "it was");
}

/* ---- what is taken ---- */

static const struct {
	const char *name, *in; /* below web: */
	const char *path;      /* of the service's body, or a section of it */
	const char *want;
} taken[] = {
	{ "kinds",
	  "environment: {A: 010, B: 1.50, C: 1e6, D: 123456, E: true, F: .5}",
	  "TaskTemplate.ContainerSpec.Env",
	  "[\"A=8\",\"B=1.5\",\"C=1e+06\",\"D=123456\",\"E=true\",\"F=0.5\"]" },
	{ "more kinds",
	  "environment: {A: 0b11, B: -0x10, C: +5, D: 1_0, E: 18446744073709551615}",
	  "TaskTemplate.ContainerSpec.Env",
	  "[\"A=3\",\"B=-16\",\"C=5\",\"D=10\",\"E=18446744073709551615\"]" },
	{ "texts",
	  "environment: {A: yes, B: 1:30, C: 0o8, D: 1.2.3, E: !!str 1, F: 09x}",
	  "TaskTemplate.ContainerSpec.Env",
	  "[\"A=yes\",\"B=1:30\",\"C=0o8\",\"D=1.2.3\",\"E=1\",\"F=09x\"]" },
	{ "what is merged in comes last",
	  "environment: {<<: [{A: 1, B: 2}, {B: 3, C: 4}], A: own}",
	  "TaskTemplate.ContainerSpec.Env", "[\"A=own\",\"B=2\",\"C=4\"]" },
	{ "a text that is a number", "deploy: {replicas: \"$FOUR\"}",
	  "Mode.Replicated", "{\"Replicas\":4}" },
	{ "a size", "deploy: {resources: {limits: {memory: 1.5GiB}}}",
	  "TaskTemplate.Resources.Limits", "{\"MemoryBytes\":1610612736}" },
	{ "a size in bytes", "deploy: {resources: {limits: {memory: 100 b}}}",
	  "TaskTemplate.Resources.Limits", "{\"MemoryBytes\":100}" },
	{ "processors", "deploy: {resources: {limits: {cpus: '.000000001'}}}",
	  "TaskTemplate.Resources.Limits", "{\"NanoCPUs\":1}" },
	{ "a duration", "healthcheck: {interval: 1h1m1s1ms1us1ns}",
	  "TaskTemplate.ContainerSpec.Healthcheck",
	  "{\"Interval\":3661001001001}" },
	{ "words", "command: a 'b c' \"d \\\" e\" f\\ g '' # h",
	  "TaskTemplate.ContainerSpec.Args",
	  "[\"a\",\"b c\",\"d \\\" e\",\"f g\",\"\"]" },
	{ "an image", "image: docker.io/library/web",
	  "TaskTemplate.ContainerSpec.Image", "\"web:latest\"" },
};

static void values(void)
{
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		bool image = strncmp(taken[i].in, "image", 5) == 0;
		char *text = xasprintf("services:\n  web:\n    %s\n%s",
				       taken[i].in,
				       image ? "" : "    image: web\n");
		struct buf b = BUF_INIT(10000);
		struct err e = ERR_INIT;
		struct compose c;
		const cJSON *at;

		if (take(str_of(text), &c, &e) == 0) {
			at = json_at(cJSON_GetArrayItem(c.services, 0),
				     taken[i].path);
			if (at != NULL)
				json_print(at, &b);
		}
		check_same(e.kind == ERR_NONE ? b.str : e.msg, taken[i].want,
			   taken[i].name);
		compose_release(&c);
		buf_release(&b);
		free(text);
	}
}

/* ---- the stack's name, and what is ignored ---- */

static void name_is(const char *name, const char *path, const char *stack,
		    const char *text, const char *want)
{
	struct compose_source from = {
		.path = path,
		.text = text ? str_of(text) : STR_NULL,
		.stack = stack,
	};
	struct err e = ERR_INIT;
	struct compose c;
	int rc = compose_read(&from, &c, &e);

	check_same(rc == 0 ? c.stack : e.msg, want, name);
	compose_release(&c);
}

static void names(void)
{
	name_is("given", "f.yml", "mine", "name: other\n", "mine");
	name_is("the file's", "/x/f.yml", NULL, "name: other\n", "other");
	name_is("the folder's", "/srv/My App_2/./f.yml", NULL, "x-a: 1\n",
		"myapp_2");
	name_is("what is not there", "folder/f.yml", "mine", NULL,
		"cannot read folder/f.yml: No such file or directory");
	name_is("none", "/f.yml", NULL, "x-a: 1\n",
		"/f.yml: \"\" is no name for a stack: letters, digits, '.', '_' and "
		"'-', at most 63; give one behind the file, or write name: in it");
	name_is("a wrong one", "/x/f.yml", NULL, "name: a b\n",
		"/x/f.yml:1:1: a stack's name is of letters, digits, '.', '_' and "
		"'-', at most 63");
}

static void ignored(void)
{
	struct buf b = BUF_INIT(10000);
	struct err e = ERR_INIT;
	struct compose c;

	take(STR(WEB "    build: .\n    depends_on: {a: {}}\n"
		     "    ports: [{target: 1, name: a}, {target: 2, name: b}]\n"
		     "    volumes: [{type: bind, source: /, target: /x, "
		     "bind: {create_host_path: true}}]\n"
		     "networks: {default: {enable_ipv6: true}}\n---\nmore\n"),
	     &c, &e);
	json_print(c.ignored, &b);
	check_same(e.kind == ERR_NONE ? b.str : e.msg,
		   "[\"what follows --- on line 9\",\"web: build\","
		   "\"web: depends_on\",\"web: ports.name\","
		   "\"web: volumes.bind.create_host_path\","
		   "\"networks.default.enable_ipv6\"]",
		   "what is ignored is named, once");
	compose_release(&c);
	buf_release(&b);
}

/* ---- files ---- */

static void put(const char *path, const void *p, size_t n)
{
	struct err e = ERR_INIT;

	if (file_write(path, (struct str){ p, n }, 0600, &e) < 0)
		check(false, path, e.msg);
}

static void files(void)
{
	char *large = xcalloc(1, 1000000);

	if (mkdir("folder", 0700) < 0 || mkfifo("pipe", 0600) < 0 ||
	    symlink("just", "link") < 0)
		check(false, "files", "cannot be made");
	put("large", large, 512001);
	put("just", large, 512000);
	put("most", large, 1000000);
	put("wrong.env", "A=b\nC D=e\n", 10);
	put("nul.env", "A=\0b\n", 5);
	free(large);
}

static void largest(void)
{
	struct err e = ERR_INIT;
	struct compose c;

	check(take(STR(WEB "secrets: {a: {file: just}, b: {file: ./folder/../link}}\n"),
		   &c, &e) == 0 &&
		      cJSON_GetArraySize(c.secrets) == 2,
	      "512000 bytes are a secret, by a link, too", e.msg);
	compose_release(&c);
}

int main(void)
{
	json_init();
	files();
	refusals();
	bombs();
	substitution();
	values();
	names();
	ignored();
	largest();
	return check_failed();
}
