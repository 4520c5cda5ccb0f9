/*
 * The honest caller of tests/hostile.py: node/ask, as an agent uses it.
 *
 *	ask_tool CONFIG TARGET TIMES DEADLINE_MS [PAUSE_MS]
 *
 * Asks for TARGET that often, 0 for as often as there are lines on stdin, with
 * so much time each, and prints a line for each: status (0: no answer),
 * milliseconds, and why not.  TARGET "knock" only prints what one says at the
 * door.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "node/ask.h"
#include "node/auth.h"

static void once(struct ask *a, const char *target, int64_t ms)
{
	int64_t began = now_ms(), until = began + ms;
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	unsigned status = 0;
	int rc = ask(a, "GET", target, false, until, &status, &doc, NULL, &e);

	printf("%u %d %s\n", rc < 0 ? 0 : status, (int)(now_ms() - began),
	       rc < 0 ? e.msg : json_str_opt(doc, "error", "-"));
	fflush(stdout);
	json_burn(doc);
}

int main(int argc, char **argv)
{
	struct node_config config;
	struct err e = ERR_INIT;
	char name[AUTH_KNOCK_LEN + 1], line[16];
	struct ask a;
	int times;

	signal(SIGPIPE, SIG_IGN);
	json_init();
	if (argc < 5 || node_config_read(&config, argv[1], &e) < 0 ||
	    ask_init(&a, &config, &e) < 0) {
		fprintf(stderr, "ask_tool: %s\n", argc < 5 ? "how?" : e.msg);
		return 2;
	}
	times = (int)strtol(argv[3], NULL, 10);
	for (int i = 0;
	     times == 0 ? fgets(line, sizeof(line), stdin) != NULL : i < times;
	     i++) {
		if (strcmp(argv[2], "knock") == 0) {
			auth_knock(config.worker_secret, unix_time(), name);
			puts(name);
			continue;
		}
		once(&a, argv[2], strtol(argv[4], NULL, 10));
		if (argc > 5)
			sleep_until(now_ms() + strtol(argv[5], NULL, 10), &e);
	}
	ask_release(&a);
	node_config_burn(&config);
	return 0;
}
