/*
 * Resource providers, which a subscription that is new does not know yet.
 * Azure registers them as they are used, mostly; but a deployment may have
 * begun by then, and fails somewhere in its middle.  So they are looked at
 * before it, and what is lacking is registered and waited for.
 *
 * Source: "Azure resource providers and types", "Resolve errors for resource
 * provider registration" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "swarm/swarm.h"

#define WAIT_MS 600000
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 10000

const char *const provider_names[PROVIDERS] = { "Microsoft.Compute",
						"Microsoft.Network",
						"Microsoft.Storage",
						"Microsoft.Insights" };

bool provider_lacks(const struct err *e)
{
	return err_is(e, "MissingSubscriptionRegistration") ||
	       err_is(e, "SubscriptionNotRegistered") || err_is(e, "Registering");
}

static int ask(struct session *s, const char *method, const char *name,
	       const char *rest, bool *ready, struct err *e)
{
	char *path = azure_path(&s->az,
				"/providers/%s%s?api-version=" API_RESOURCES,
				name, rest);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, method, path, NULL, 0, &r, e);

	if (rc == 0)
		*ready = json_is(r.doc, "registrationState", "Registered");
	azure_reply_release(&r);
	free(path);
	return rc < 0 ? err_in(e, "resource provider %s", name) : 0;
}

/* Until that one is, or the time for all of them has passed. */
static int wait_for(struct session *s, const char *name, int64_t began,
		    struct err *e)
{
	struct azure_clock *clock = &s->az.clock;
	int64_t pause_ms = PAUSE_MIN_MS, now;
	char *what = xasprintf("resource provider %s to be registered", name);
	bool ready = false;
	int rc;

	while ((rc = ask(s, "GET", name, "", &ready, e)) == 0 && !ready) {
		now = clock->now(clock->ctx);
		if (now - began > WAIT_MS) {
			rc = err_set(e, ERR_TIMEOUT,
				     "resource provider %s is not registered "
				     "after %d minutes; that goes on in Azure",
				     name, WAIT_MS / 60000);
			break;
		}
		if ((rc = clock->wait(clock->ctx, now + pause_ms, what, began,
				      e)) < 0)
			break;
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 :
							 PAUSE_MAX_MS;
	}
	free(what);
	return rc;
}

/* Ask for those that are not; began: which. */
static int begin(struct session *s, bool again, bool began[PROVIDERS],
		 struct err *e)
{
	for (size_t i = 0; i < PROVIDERS; i++) {
		bool ready = false;

		struct err once = ERR_INIT;

		/* who may not look need not be one who may not deploy */
		if (!again &&
		    ask(s, "GET", provider_names[i], "", &ready, &once) < 0) {
			if (once.kind != ERR_AZURE) {
				*e = once;
				return -1;
			}
			ui_say(s->ui, "whether it is registered is not known: %s",
			       once.msg);
			continue;
		}
		if (ready)
			continue;
		ui_say(s->ui, "resource provider %s is being registered",
		       provider_names[i]);
		if (ask(s, "POST", provider_names[i], "/register", &ready, e) < 0)
			return -1;
		began[i] = true;
	}
	return 0;
}

int providers_register(struct session *s, bool again, struct err *e)
{
	int64_t since = s->az.clock.now(s->az.clock.ctx);
	bool began[PROVIDERS] = { false };

	/* all at once, for each takes its minutes */
	if (begin(s, again, began, e) < 0)
		return -1;
	for (size_t i = 0; i < PROVIDERS; i++)
		if (began[i] && wait_for(s, provider_names[i], since, e) < 0)
			return -1;
	return 0;
}
