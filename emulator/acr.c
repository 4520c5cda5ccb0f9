/*
 * Signing in to an Azure Container Registry.
 *
 * Source: "Azure Container Registry integration with Azure Active Directory"
 * (azure.github.io/acr), Calling POST /oauth2/exchange; AcrErrors of its
 * OpenAPI description.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "emulator/acr.h"
#include "emulator/entra_server.h"
#include "emulator/jsonf.h"

#define FORM_MAX (64u << 10)
#define AUDIENCES \
	"https://containerregistry.azure.net https://containerregistry.azure.net/ " \
	"https://management.azure.com https://management.azure.com/"

/* doc goes. */
static void say(struct http_exchange *x, unsigned status, cJSON *doc)
{
	static const char *const json[] = { "Content-Type: application/json",
					    NULL };
	struct buf text = BUF_INIT(FORM_MAX);

	json_print(doc, &text);
	http_x_answer(x, status, json, buf_str(&text));
	json_burn(doc);
	buf_burn(&text);
}

static cJSON *wrong(const char *code, const char *message)
{
	return json_fmt("{'errors':[{'code':%s,'message':%s,'detail':null}]}",
			code, message);
}

/* Whether the token is one for registries, and good. */
static bool is_good(struct emu *m, const char *token)
{
	const cJSON *claims;
	bool good;

	pthread_mutex_lock(&m->lock);
	claims = entra_server_opens(m, str_of(token));
	good = claims != NULL && str_listed(AUDIENCES, json_text(claims, "aud"));
	pthread_mutex_unlock(&m->lock);
	return good;
}

static void exchange(struct emu *m, struct http_exchange *x, struct str host)
{
	struct buf body = BUF_INIT(FORM_MAX);
	struct err e = ERR_INIT;
	cJSON *form = NULL;
	char id[37];

	if (http_x_body(x, &body, &e) < 0)
		goto out;
	form = entra_server_fields(buf_str(&body));
	random_guid(id);
	if (strcmp(json_text(form, "grant_type"), "access_token") != 0)
		say(x, 400, wrong("UNSUPPORTED", "grant_type is not supported"));
	else if (!str_ieqz(host, json_text(form, "service")))
		say(x, 400, wrong("UNSUPPORTED", "service is another registry"));
	else if (!is_good(m, json_text(form, "access_token")))
		say(x, 401, wrong("UNAUTHORIZED", "authentication required"));
	else
		say(x, 200, json_fmt("{'refresh_token':'acr-%s'}", id));
out:
	json_burn(form);
	buf_burn(&body);
}

void acr_handle(struct emu *m, struct http_exchange *x, struct str host)
{
	if (str_eqz(http_x_path(x), "/oauth2/exchange") &&
	    str_eqz(http_x_head(x)->method, "POST"))
		exchange(m, x, host);
	else
		say(x, 404, wrong("NAME_UNKNOWN", "no images are kept here"));
}
