/*
 * What is not to be shown.  Too much is hidden rather than too little: a name
 * that only sounds like a secret's is one.
 */
#include <stdlib.h>
#include <string.h>

#include "swarm/secret.h"

bool secret_mentions(const char *name, const char *words)
{
	struct str rest = str_of(words), word;
	char *low = xstrdup(name);
	bool found = false;

	for (char *c = low; *c != '\0'; c++)
		*c = to_lower(*c);
	while (!found && str_next(&rest, ' ', &word))
		found = str_find(str_of(low), word) >= 0;
	free(low);
	return found;
}

bool secret_named(const char *name)
{
	return secret_mentions(name, "customdata userdata osprofile password "
				     "secret token key credential "
				     "connectionstring protectedsettings");
}

bool secret_looks(const char *text)
{
	return secret_mentions(text, "sig= sharedaccess accountkey= -----begin");
}

/* "a=1&sig=2", each value shown where shows(name) says so. */
static void add_pairs(struct buf *out, struct str pairs,
		      bool (*shows)(const char *name))
{
	struct str pair, name;

	for (const char *between = ""; str_next(&pairs, '&', &pair);
	     between = "&") {
		char *word;

		buf_adds(out, between);
		if (!str_cut(&pair, '=', &name)) {
			buf_addstr(out, pair);
			continue;
		}
		word = str_dup(name);
		buf_addf(out, "%s=", word);
		if (shows(word))
			buf_addstr(out, pair);
		else
			buf_adds(out, SECRET_HIDDEN);
		free(word);
	}
}

/* A page's $skiptoken is a place in a list.  s, c and h are how Azure signs the
 * addresses of its operations. */
static bool shown_in_query(const char *name)
{
	return !str_listed("sig s c h code token access_token", name) &&
	       !secret_mentions(name, "secret password assertion");
}

static bool shown_in_form(const char *name)
{
	return str_listed("grant_type client_id scope resource response_type "
			  "client_assertion_type",
			  name);
}

void secret_url(struct buf *out, struct str url)
{
	ptrdiff_t query = str_chr(url, '?');

	if (query < 0) {
		buf_addstr(out, url);
		return;
	}
	buf_addstr(out, str_head(url, (size_t)query + 1));
	add_pairs(out, str_skip(url, (size_t)query + 1), shown_in_query);
}

void secret_form(struct buf *out, struct str form)
{
	add_pairs(out, form, shown_in_form);
}

/* And the bytes of a config or secret, the environment of a container: the Engine's
 * names tell nothing of what people put there. */
static bool is_hidden(const char *name)
{
	return secret_named(name) || strcmp(name, "Data") == 0 ||
	       strcmp(name, "Env") == 0;
}

static void hide(cJSON *v, bool below)
{
	cJSON *c;

	below = below || (v->string != NULL && is_hidden(v->string));
	if (cJSON_IsString(v) && (below || secret_looks(v->valuestring))) {
		burn(v->valuestring, strlen(v->valuestring));
		cJSON_SetValuestring(v, SECRET_HIDDEN);
	}
	cJSON_ArrayForEach(c, v)
		hide(c, below);
}

void secret_json(cJSON *doc)
{
	cJSON *command = json_get_mut(doc, "Cmd");

	hide(doc, false);
	/* of an exec: anything may be among what is run */
	if (command != NULL)
		hide(command, true);
}
