/* swarm/secret.h: what of requests and documents is not to be shown. */
#include <stdio.h>
#include <string.h>

#include "swarm/secret.h"
#include "tests/check.h"

/* Each text holds "hush" where it is a secret and "show" where it is none. */
static void hides(const char *what, const struct buf *got)
{
	checkf(strstr(got->str, "hush") == NULL &&
		       (strstr(got->str, "show") != NULL) ==
			       (strstr(what, "show") != NULL) &&
		       (strstr(got->str, SECRET_HIDDEN) != NULL) ==
			       (strstr(what, "hush") != NULL),
	       what, "%s", got->str);
}

static void urls(void)
{
	static const char *const rows[] = {
		"https://x/show",
		"https://x/show?api-version=2021-04-01",
		"https://x.blob.core.windows.net/c/b?sv=show&sr=b&sig=hush&se=1",
		"https://x/a?sig=hush",
		"https://x/a?SIG=hush&show=1",
		"https://x/a?code=hush&state=show",
		"https://x/a?client_secret=hush",
		"https://x/a?client_assertion=hush&x=show",
		"https://x/a?access_token=hush&x=show&sig=hush",
		"https://x/operations/1?api-version=show&t=1&c=hush&s=hush&h=hush",
		"https://x/a?%24skiptoken=show",
		"https://x/a?flag&show",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = BUF_INIT(4096);

		secret_url(&out, str_of(rows[i]));
		hides(rows[i], &out);
		buf_release(&out);
	}
}

static void forms(void)
{
	static const char *const rows[] = {
		"grant_type=show&client_secret=hush&scope=show",
		"client_id=show&refresh_token=hush",
		"client_assertion_type=show&client_assertion=hush",
		"code=hush&code_verifier=hush&redirect_uri=hush",
		"device_code=hush",
		"username=hush&password=hush",
		"what_comes_tomorrow=hush",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = BUF_INIT(4096);

		secret_form(&out, str_of(rows[i]));
		hides(rows[i], &out);
		buf_release(&out);
	}
}

static void documents(void)
{
	static const char *const rows[] = {
		"{\"location\":\"show\"}",
		"{\"parameters\":{\"masterCustomData\":{\"value\":\"hush\"},\"n\":{\"value\":\"show\"}}}",
		"{\"osProfile\":{\"computerName\":\"hush\",\"adminPassword\":\"hush\"}}",
		"{\"settings\":\"show\",\"protectedSettings\":{\"a\":[\"hush\"]}}",
		"{\"AdminPassword\":\"hush\",\"x\":[{\"y\":\"show\"}]}",
		"{\"Name\":\"show\",\"Data\":\"hush\"}",
		"{\"ContainerSpec\":{\"Env\":[\"A=hush\"],\"Args\":[\"show\"]}}",
		"{\"Args\":[\"show\",\"https://x/?sv=1&sig=hush\"]}",
		"{\"Cmd\":[\"hush\"],\"Env\":[\"A=hush\"],\"User\":\"show\"}",
		"{\"a\":\"DefaultEndpointsProtocol=https;AccountKey=hush\"}",
		"{\"a\":\"-----BEGIN RSA PRIVATE KEY-----hush\"}",
		"{\"keys\":[{\"value\":\"hush\"}],\"b\":\"show\"}",
		"[\"show\",{\"client_secret\":\"hush\"}]",
		"{\"refreshToken\":\"hush\",\"number\":1}",
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = BUF_INIT(4096);
		cJSON *doc = json_parse(str_of(rows[i]), "row", &e);

		secret_json(doc);
		json_print(doc, &out);
		hides(rows[i], &out);
		buf_release(&out);
		json_free(doc);
	}
}

int main(void)
{
	json_init();
	urls();
	forms();
	documents();
	return check_failed();
}
