/* node.json: what one end writes the other reads, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "node/config.h"
#include "tests/check.h"

static char dir[] = "/tmp/azswarm-test-XXXXXX";
static char path[64];

static void put(const char *text, mode_t mode)
{
	struct err e = ERR_INIT;

	if (file_write(path, str_of(text), mode, &e) < 0 || chmod(path, mode) < 0)
		abort();
}

#define A32 "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
#define B32 "b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6"
#define C32 "c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7"
#define WORKER \
	"\"role\":\"worker\",\"masters\":[\"10.77.0.10\"],\"helper_pin\":\"" A32 \
	"\"," \
	"\"worker_secret\":\"" B32 "\""
#define MANAGER \
	"\"role\":\"manager\",\"masters\":[\"10.77.0.10\",\"10.77.0.11\"]," \
	"\"helper_pin\":\"" A32 "\",\"worker_secret\":\"" B32 \
	"\",\"manager_secret\":\"" C32 "\""
/* a value for everything, none of them the default */
#define REST \
	",\"default_addr_pool\":\"10.0.0.0/8\",\"ingress_subnet\":\"10.1.0.0/16\"," \
	"\"mtu\":9000,\"rebalance\":true,\"share_unlock_key\":true,\"marker_url\":\"https://a/b?c\",\"docker_socket\":\"/x.sock\",\"listen\":\"::1\",\"helper_port\":1," \
	"\"health_port\":2,\"rate\":3,\"grace_s\":4,\"leave_s\":5,\"settle_s\":0," \
	"\"probe_s\":7," \
	"\"metadata_host\":\"::1\",\"metadata_port\":8,\"helper_socket\":\"/y.sock\"," \
	"\"run_dir\":\"/run/x\",\"state_dir\":\"/var/x\",\"helper_key\":\"/x.key\""

/* ---- there and back ---- */

static const struct {
	const char *name, *said, *written;
} same[] = {
	{ "a worker", "{" WORKER "}", "{" WORKER "}" },
	{ "a manager", "{" MANAGER "}", "{" MANAGER "}" },
	{ "all that can be said", "{" MANAGER REST "}", "{" MANAGER REST "}" },
	{ "defaults that are said",
	  "{" WORKER ",\"helper_port\":1337,\"health_port\":1338,"
	  "\"rate\":5,\"grace_s\":120,\"leave_s\":90,\"settle_s\":11,\"probe_s\":5,"
	  "\"listen\":\"0.0.0.0\","
	  "\"docker_socket\":\"/var/run/docker.sock\",\"ingress_subnet\":\"\","
	  "\"metadata_host\":\"169.254.169.254\",\"metadata_port\":80,"
	  "\"helper_socket\":\"/run/swarm-helper/helper.sock\"}",
	  "{" WORKER "}" },
	{ "no metadata service, no socket",
	  "{" WORKER ",\"metadata_host\":\"\",\"helper_socket\":\"\"}",
	  "{" WORKER ",\"metadata_host\":\"\",\"helper_socket\":\"\"}" },
	{ "a worker that has the manager secret",
	  "{" WORKER ",\"manager_secret\":\"" C32 "\"}",
	  "{" WORKER ",\"manager_secret\":\"" C32 "\"}" },
};

static void there_and_back(size_t i)
{
	struct buf out = BUF_INIT(65536);
	struct node_config c;
	struct err e = ERR_INIT;

	put(same[i].said, 0600);
	if (node_config_read(&c, path, &e) < 0) {
		check_why(same[i].name, e.msg);
	} else {
		/* where these come from when nothing is said, the reader filled in */
		if (strcmp(c.run_dir, LAYOUT_AGENT_RUN) == 0)
			c.run_dir[0] = '\0';
		if (strcmp(c.state_dir, c.manager ? LAYOUT_HELPER_STATE :
						    LAYOUT_AGENT_STATE) == 0)
			c.state_dir[0] = '\0';
		if (strstr(c.key_path, "/" LAYOUT_HELPER_KEY) != NULL)
			c.key_path[0] = '\0';
		if (strstr(c.share_key, "/" LAYOUT_SHARE_KEY) != NULL)
			c.share_key[0] = '\0';
		node_config_write(&c, &out);
		check(strcmp(out.str, same[i].written) == 0, same[i].name,
		      out.str);
		node_config_burn(&c);
	}
	buf_burn(&out);
}

/* ---- what is not said ---- */

static void defaults(void)
{
	char key[96];
	struct node_config c;
	struct err e = ERR_INIT;

	put("{" WORKER "}", 0600);
	snprintf(key, sizeof(key), "%s/helper.key", dir);
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	if (node_config_read(&c, path, &e) < 0)
		check_why("defaults", e.msg);
	else
		check_why("defaults",
			  c.helper_port == 1337 && c.health_port == 1338 &&
					  c.rate == 5 && c.grace_ms == 120000 &&
					  c.leave_ms == 90000 &&
					  c.settle_ms == 11000 && c.mtu == 0 &&
					  strcmp(c.listen, "0.0.0.0") == 0 &&
					  c.addr_pool[0] == '\0' &&
					  strcmp(c.docker_socket,
						 "/var/run/docker.sock") == 0 &&
					  strcmp(c.metadata_host,
						 "169.254.169.254") == 0 &&
					  c.metadata_port == 80 &&
					  strcmp(c.helper_socket,
						 "/run/swarm-helper/helper.sock") ==
						  0 &&
					  strcmp(c.run_dir,
						 "/run/swarm-agent") == 0 &&
					  strcmp(c.key_path, key) == 0 ?
				  "" :
				  "another value");
	setenv("RUNTIME_DIRECTORY", "/run/systemd-says", 1);
	check(node_config_read(&c, path, &e) == 0 &&
		      strcmp(c.run_dir, "/run/systemd-says") == 0,
	      "systemd's run directory", c.run_dir);
	setenv("RUNTIME_DIRECTORY", "relative", 1);
	check(node_config_read(&c, path, &e) == 0 &&
		      strcmp(c.run_dir, "/run/swarm-agent") == 0,
	      "no relative one", c.run_dir);
	unsetenv("RUNTIME_DIRECTORY");
}

/* ---- refusals ---- */

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define IPS(n) \
	"\"masters\":[" n "],\"helper_pin\":\"" A32 \
	"\",\"worker_secret\":\"" B32 "\"}"

static const struct {
	const char *name, *text, *words;
} refused[] = {
	{ "no JSON", "role: worker", "not JSON" },
	{ "no role", "{" IPS("\"1.2.3.4\""), "role" },
	{ "another role", "{\"role\":\"master\"," IPS("\"1.2.3.4\""),
	  "role: \"master\" is neither manager nor worker" },
	{ "no master", "{\"role\":\"worker\"," IPS(""), "masters: none" },
	{ "six masters",
	  "{\"role\":\"worker\"," IPS("\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\","
				      "\"1.1.1.4\",\"1.1.1.5\",\"1.1.1.6\""),
	  "masters: more than 5" },
	{ "a master by name",
	  "{\"role\":\"worker\"," IPS("\"1.1.1.1\",\"master1\""),
	  "masters[1]: expected a numeric address" },
	{ "a short pin",
	  "{\"role\":\"worker\",\"masters\":[\"1.1.1.1\"],\"helper_pin\":\"a5\"}",
	  "helper_pin: expected 64 hexadecimal digits" },
	{ "a pin of other letters",
	  "{\"role\":\"worker\",\"masters\":[\"1.1.1.1\"],"
	  "\"helper_pin\":\"x" LONG "xxxxxxxxxxxxxxx\"}",
	  "helper_pin: expected 64 hex" },
	{ "no worker secret",
	  "{\"role\":\"worker\",\"masters\":[\"1.1.1.1\"],\"helper_pin\":\"" A32
	  "\"}",
	  "worker_secret" },
	{ "a manager without its secret",
	  "{\"role\":\"manager\"," IPS("\"1.1.1.1\""), "manager_secret" },
	{ "one secret for both", "{" WORKER ",\"manager_secret\":\"" B32 "\"}",
	  "manager_secret: the same as worker_secret" },
	{ "a port below", "{" WORKER ",\"helper_port\":0}", "helper_port" },
	{ "a port above", "{" WORKER ",\"health_port\":65536}", "health_port" },
	{ "a small MTU", "{" WORKER ",\"mtu\":575}", "mtu" },
	{ "a word for a flag", "{" WORKER ",\"rebalance\":\"auto\"}", "rebalance" },
	{ "a word for a number", "{" WORKER ",\"rate\":\"5\"}", "rate" },
	{ "a long wait", "{" WORKER ",\"settle_s\":31}", "settle_s" },
	{ "a load balancer that asks all the time",
	  "{" WORKER ",\"probe_s\":0}", "probe_s" },
	{ "one that hardly asks", "{" WORKER ",\"probe_s\":16}", "probe_s" },
	{ "a metadata service at no port", "{" WORKER ",\"metadata_port\":0}",
	  "metadata_port" },
	{ "a metadata service that is a number",
	  "{" WORKER ",\"metadata_host\":7}", "metadata_host" },
	{ "a long socket", "{" WORKER ",\"helper_socket\":\"" LONG LONG LONG "\"}",
	  "helper_socket" },
	{ "a long text", "{" WORKER ",\"default_addr_pool\":\"" LONG "\"}",
	  "default_addr_pool: longer than 47 characters" },
	{ "to listen on a name", "{" WORKER ",\"listen\":\"localhost\"}",
	  "listen: expected a numeric address" },
};

static void refusal(size_t i)
{
	struct node_config c;
	struct err e = ERR_INIT;

	put(refused[i].text, 0600);
	if (node_config_read(&c, path, &e) == 0)
		check_why(refused[i].name, "taken");
	else if (strstr(e.msg, refused[i].words) == NULL ||
		 strstr(e.msg, path) == NULL)
		check_why(refused[i].name, e.msg);
	else
		check_why(refused[i].name,
			  strstr(e.msg, B32) != NULL ? "shows a secret" : "");
}

int main(void)
{
	struct node_config c;
	struct err e = ERR_INIT;

	json_init();
	unsetenv("RUNTIME_DIRECTORY");
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/node.json", dir);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		there_and_back(i);
	defaults();
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		refusal(i);
	put("{" WORKER "}", 0640);
	check(node_config_read(&c, path, &e) < 0 &&
		      strstr(e.msg, "others may read it") != NULL,
	      "a file that others can read", e.msg);
	dir_remove(dir, &e);
	return check_failed();
}
