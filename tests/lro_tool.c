/*
 * azure_do() on the command line, for tests/conformance/operations.sh: lines
 * "METHOD PATH" on stdin, what became of each on stdout:
 *
 *	done DOCUMENT		the resource or result, "-" for none
 *	failed KIND MESSAGE	KIND is the number of its enum err_kind
 *
 *	lro_tool ORIGIN		"https://localhost:4711"; who it is, SSL_CERT_FILE says
 *
 * Every line has a connection of its own.  Waits are not waited for: the clock
 * is put on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure.h"
#include "base/clock.h"
#include "swarm/dial.h"

#define LIMIT_MS (10 * 60000)

static int64_t put_on_ms;

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return now_ms() + put_on_ms;
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	(void)what, (void)since_ms;
	if (interrupt_requested())
		return err_set(e, ERR_INTR, "interrupted");
	if (until_ms > clock_now(ctx))
		put_on_ms += until_ms - clock_now(ctx);
	return 0;
}

static const char *no_var(void *ctx, const char *name)
{
	(void)ctx, (void)name;
	return "";
}

static void tell(int rc, const struct azure_reply *r, const struct err *e)
{
	struct buf text = BUF_INIT(ARM_ANSWER_MAX);

	if (r->doc != NULL)
		json_print(r->doc, &text);
	if (rc < 0)
		printf("failed %d %s\n", (int)e->kind, e->msg);
	else
		printf("done %s\n", text.n > 0 ? text.str : "-");
	fflush(stdout);
	buf_release(&text);
}

static int run(struct dial *d, struct entra *en, const char *origin,
	       const char *method, const char *path, struct err *e)
{
	struct azure_clock clock = { clock_now, clock_wait, NULL };
	struct azure_wait w = { .what = "it", .limit_ms = LIMIT_MS };
	bool writes = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
	struct azure_reply r = { 0 };
	struct err why = ERR_INIT;
	struct azure az;
	cJSON *body;
	int rc;

	if (azure_init(&az, en, origin, "", dial_azure(d), clock, e) < 0)
		return -1;
	body = writes ? cJSON_CreateObject() : NULL;
	rc = azure_do(&az, method, path, body, &w, &r, &why);
	tell(rc, &r, &why);
	json_free(body);
	azure_reply_release(&r);
	azure_release(&az);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct tls_trust *trust = tls_trust_default(&e);
	struct entra en;
	struct dial d;
	char line[1024], *path;
	int rc = -1;

	signal(SIGPIPE, SIG_IGN);
	json_init();
	if (argc != 2 || trust == NULL || dial_init(&d, trust, &e) < 0) {
		fprintf(stderr, "lro_tool: %s\n", argc != 2 ? "how?" : e.msg);
		return 2;
	}
	entra_init(&en, &(struct entra_options){ .authority = argv[1],
						 .scope = "x/.default",
						 .dialer = dial_azure(&d),
						 .local = dial_local(&d),
						 .var = no_var });
	en.token = xstrdup("token");
	en.expires_on = unix_time() + 86400;
	for (rc = 0; rc == 0 && fgets(line, sizeof(line), stdin) != NULL;) {
		line[strcspn(line, "\n")] = '\0';
		path = strchr(line, ' ');
		if (path == NULL)
			rc = err_set(&e, ERR_USAGE, "no path: %s", line);
		else
			*path++ = '\0';
		if (rc == 0)
			rc = run(&d, &en, argv[1], line, path, &e);
	}
	if (rc < 0)
		fprintf(stderr, "lro_tool: %s\n", e.msg);
	entra_release(&en);
	dial_release(&d);
	tls_trust_free(trust);
	return rc < 0 ? 1 : 0;
}
