/*
 * A person signs in, against a script and a clock that jumps: how often the
 * device code is asked for, what ends that, what hostile answers do, and what
 * is kept.  The browser's half is in tests/sh/login.sh, at a real provider.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/armdouble.h"
#include "tests/check.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define AT LOGIN "/organizations/oauth2/v2.0/"
#define ASK_CODE "POST " AT "devicecode"
#define POLL "POST " AT "token"
#define SCOPE \
	"scope=https%3A%2F%2F" ARM_HOST \
	"%2F.default%20offline_access%20openid%20profile"
#define CODE(more) \
	{ \
		ASK_CODE, 200, \
			.body = "{\"device_code\":\"dev/1\",\"user_code\":\"ABCD\"," \
				"\"verification_uri\":\"https://login.test/device\"" more \
				"}", \
			.words = "\r\n\r\nclient_id=" \
				 "04b07795-8ddb-461a-bbee-02f9e1bf7b46&" SCOPE \
	}
#define SAYS(word) \
	{ \
		POLL, 400, .body = "{\"error\":\"" word "\"}" \
	}
#define PENDING(n) \
	{ \
		POLL, 400, .body = "{\"error\":\"authorization_pending\"}", \
			   .times = n \
	}
/* {"tid":"t-1","preferred_username":"me@x"} */
#define ID "e30.eyJ0aWQiOiJ0LTEiLCJwcmVmZXJyZWRfdXNlcm5hbWUiOiJtZUB4In0.s"
#define TOKENS \
	"{\"access_token\":\"" TOKEN_1 \
	"\",\"expires_in\":3599,\"refresh_token\":\"r-1\",\"id_token\":\"" ID \
	"\"}"
#define DONE \
	{ \
		POLL, 200, \
			.body = TOKENS, \
			.words = "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3A" \
				 "grant-type%3Adevice_code&client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&device_code=dev%2F1" \
	}

static const struct row {
	const char *name;
	struct act acts[8];
	enum err_kind kind;
	const char *words;
	int64_t took_s;
	const char *said; /* NULL: the usual */
	size_t interrupt_at;
} rows[] = {
	{ "at the first poll",
	  { CODE(",\"interval\":7,\"expires_in\":900"), DONE },
	  .took_s = 7 },
	{ "without an interval it is 5 s",
	  { CODE(""), PENDING(3), DONE },
	  .took_s = 20 },
	{ "slow_down adds 5 s for good",
	  { CODE(",\"interval\":2"), PENDING(2), SAYS("slow_down"), PENDING(2),
	    SAYS("slow_down"), DONE },
	  .took_s = 2 + 2 + 2 + 7 + 7 + 7 + 12 },
	{ "an interval of 0",
	  { CODE(",\"interval\":0"), PENDING(2), DONE },
	  .took_s = 3 },
	{ "an interval of a year",
	  { CODE(",\"interval\":31536000"), DONE },
	  .took_s = 60 },
	{ "a busy server",
	  { CODE(""), { POLL, 503, .times = 2 }, DONE },
	  .took_s = 8 },
	{ "the person says no",
	  { CODE(""), SAYS("authorization_declined") },
	  ERR_AUTH,
	  "sign-in refused: authorization_declined",
	  5 },
	{ "the code has expired",
	  { CODE(""), SAYS("expired_token") },
	  ERR_TIMEOUT,
	  "the code has expired; run it again",
	  5 },
	{ "a code nobody knows",
	  { CODE(""), SAYS("bad_verification_code") },
	  ERR_AUTH,
	  "bad_verification_code",
	  5 },
	{ "no public client",
	  { CODE(""),
	    { POLL, 401,
	      .body = "{\"error\":\"invalid_client\",\"error_description\":"
		      "\"AADSTS7000218: The request body must contain client_secret.\"}" } },
	  ERR_AUTH,
	  "AADSTS7000218",
	  5 },
	{ "blocked by policy",
	  { CODE(""),
	    { POLL, 400,
	      .body = "{\"error\":\"access_denied\",\"error_description\":"
		      "\"AADSTS53003: Access has been blocked by Conditional Access policies.\"}" } },
	  ERR_AUTH,
	  "AADSTS53003",
	  5 },
	{ "device codes are switched off",
	  { { ASK_CODE, 400,
	      .body = "{\"error\":\"invalid_request\","
		      "\"error_description\":\"AADSTS530036\"}" } },
	  ERR_AUTH,
	  "AADSTS530036",
	  0,
	  "" },
	{ "nobody comes",
	  { CODE(",\"interval\":60,\"expires_in\":300"), PENDING(EVER) },
	  ERR_TIMEOUT,
	  "nobody entered the code within 300 s",
	  300 },
	{ "for ever is 15 minutes",
	  { CODE(",\"interval\":60,\"expires_in\":99999999999"), PENDING(EVER) },
	  ERR_TIMEOUT,
	  "within 900 s",
	  900 },
	{ "Ctrl-C", { CODE(""), PENDING(EVER) }, ERR_INTR, "interrupted", 8, NULL, 9 },
	{ "no device code",
	  { { ASK_CODE, 200,
	      .body = "{\"user_code\":\"A\",\"verification_uri\":\"https://x\"}" } },
	  ERR_DATA,
	  "device_code",
	  0,
	  "" },
	{ "no refresh token",
	  { CODE(""), { POLL, 200, .body = TOKEN_2_BODY } },
	  ERR_DATA,
	  "token answer: refresh_token",
	  5 },
	{ "a page of HTML",
	  { { ASK_CODE, 200, .body = "<html>" } },
	  ERR_DATA,
	  "not JSON",
	  0,
	  "" },
	{ "a page of HTML for a token",
	  { CODE(""), { POLL, 200, .body = "<html>" } },
	  ERR_DATA,
	  "not JSON",
	  5 },
	{ "numbers for words",
	  { CODE(""), { POLL, 400, .body = "{\"error\":1}" } },
	  ERR_AUTH,
	  "HTTP 400",
	  5 },
};

static const char *nothing(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "AZURE_TOKEN_CREDENTIALS") == 0 ? "LoginCredential" :
							      NULL;
}

static void heard(void *ctx, const char *text)
{
	buf_adds(ctx, text);
}

static void ticked(void *ctx, int64_t waited_ms)
{
	(void)ctx, (void)waited_ms;
}

static void open_rig(struct armdouble *d, struct entra *en, const struct act *acts)
{
	clock_reset();
	double_start(d, acts);
	entra_init(en, &(struct entra_options){
			       .authority = LOGIN,
			       .scope = ARM "/.default",
			       .cache_path = "cache/tokens.json",
			       .dialer = { double_dial, d },
			       .local = { double_dial, d },
			       .var = nothing,
		       });
}

static void run_row(const struct row *row)
{
	struct buf said = BUF_INIT(4096), why = BUF_INIT(8192);
	struct entra_login l = { .device_code = true,
				 .say = heard,
				 .tick = ticked,
				 .ctx = &said };
	struct armdouble d;
	struct entra en;
	struct err e = ERR_INIT;
	int64_t began;

	open_rig(&d, &en, row->acts);
	fake.interrupt_at = row->interrupt_at;
	began = fake.now;
	entra_login(&en, &l, &e);
	if (e.kind != row->kind)
		buf_addf(&why, "kind %d, not %d: %s", e.kind, row->kind, e.msg);
	else if (row->words != NULL)
		holds(e.msg, row->words, &why);
	double_content(&d, &why);
	if (why.n == 0 && (fake.now - began) / 1000 != row->took_s)
		buf_addf(&why, "took %lld s, not %lld",
			 (long long)(fake.now - began) / 1000,
			 (long long)row->took_s);
	if (strcmp(said.str,
		   row->said ?
			   row->said :
			   "on any machine, open https://login.test/device and enter the code ABCD") !=
	    0)
		buf_addf(&why, "said %s", said.str);
	if (strstr(e.msg, "dev/1") != NULL || strstr(e.msg, "r-1") != NULL)
		buf_adds(&why, "a secret is told");
	check_why(row->name, why.str);
	entra_release(&en);
	double_end(&d);
	buf_release(&said);
	buf_release(&why);
}

static void spill(const char *text)
{
	struct err e = ERR_INIT;

	if (dir_make("cache", 0700, &e) < 0 ||
	    file_write("cache/login.json", str_of(text), 0600, &e) < 0)
		abort();
}

#define KEPT(refresh) \
	"{\"logins\":[{\"authority\":\"https://other.test\",\"refresh_token\":\"o\"},{\"authority\":\"" LOGIN \
	"\",\"tenant\":\"t-1\",\"client\":\"c-1\",\"name\":\"me@x\",\"refresh_token\":\"" refresh \
	"\"}]}"
#define REFRESH "POST " LOGIN "/t-1/oauth2/v2.0/token"

static const struct kept {
	const char *name, *file;
	struct act acts[4];
	enum err_kind kind;
	const char *words;
	const char *after; /* NULL: as before */
	const char *claims;
} kept[] = {
	{ "a refresh",
	  KEPT("r-1"),
	  { { REFRESH, 200, .body = TOKEN_2_BODY,
	      .words = "\r\n\r\ngrant_type=refresh_token&"
		       "client_id=c-1&refresh_token=r-1&" SCOPE "|!claims" } } },
	{ "a refresh that brings the next token",
	  KEPT("r-1"),
	  { { REFRESH, 200,
	      .body = "{\"access_token\":\"" TOKEN_2
		      "\",\"expires_in\":3599,\"refresh_token\":\"r-2\"}" } },
	  .after = KEPT("r-2") },
	{ "one that has ended",
	  KEPT("r-1"),
	  { { REFRESH, 400,
	      .body = "{\"error\":\"invalid_grant\","
		      "\"error_description\":\"AADSTS700082: The refresh token has expired due to inactivity.\"}" } },
	  ERR_AUTH,
	  "the sign-in has ended; run 'azswarm login': |AADSTS700082|!r-1" },
	{ "interaction is wanted",
	  KEPT("r-1"),
	  { { REFRESH, 400, .body = "{\"error\":\"interaction_required\"}" } },
	  ERR_AUTH,
	  "run 'azswarm login': " },
	{ "a refusal of another kind",
	  KEPT("r-1"),
	  { { REFRESH, 400, .body = "{\"error\":\"temporarily_unavailable\"}" } },
	  ERR_AUTH,
	  "temporarily_unavailable|!azswarm login" },
	{ "claims",
	  KEPT("r-1"),
	  { { REFRESH, 200, .body = TOKEN_2_BODY,
	      .words = "&claims=%7B%22a%22%3A1%7D" } },
	  .claims = "{\"a\":1}" },
	{ "claims that need the person",
	  KEPT("r-1"),
	  { { REFRESH, 400,
	      .body = "{\"error\":\"interaction_required\","
		      "\"error_description\":\"AADSTS50076: multi-factor\"}" } },
	  ERR_AUTH,
	  "run 'azswarm login --claims-challenge eyJhIjoxfQ==': |AADSTS50076",
	  .claims = "{\"a\":1}" },
	{ "nobody",
	  "{\"logins\":[{\"authority\":\"https://other.test\",\"refresh_token\":\"o\"}]}",
	  { { NULL } },
	  ERR_AUTH,
	  "not signed in: 'azswarm login'|LoginCredential: nobody signed in" },
	{ "no JSON", "{\"logins\":", { { NULL } }, ERR_AUTH, "nobody signed in" },
	{ "another shape", "[{\"logins\":1}]", { { NULL } }, ERR_AUTH, "nobody signed in" },
	{ "numbers",
	  "{\"logins\":[1,{\"authority\":2},null]}",
	  { { NULL } },
	  ERR_AUTH,
	  "nobody signed in" },
};

static void run_kept(const struct kept *row)
{
	struct buf why = BUF_INIT(8192), text = BUF_INIT(8192);
	struct armdouble d;
	struct entra en;
	struct err e = ERR_INIT;
	const char *token;

	unlink("cache/tokens.json");
	spill(row->file);
	open_rig(&d, &en, row->acts);
	en.claims = row->claims ? xstrdup(row->claims) : NULL;
	entra_token(&en, &token, &e);
	if (e.kind != row->kind)
		buf_addf(&why, "kind %d, not %d: %s", e.kind, row->kind, e.msg);
	else if (row->words != NULL)
		holds(e.msg, row->words, &why);
	double_content(&d, &why);
	err_clear(&e);
	if (file_read("cache/login.json", &text, &e) < 0 ||
	    strcmp(text.str, row->after ? row->after : row->file) != 0)
		buf_addf(&why, "kept: %s", text.str);
	check_why(row->name, why.str);
	entra_release(&en);
	double_end(&d);
	buf_release(&why);
	buf_release(&text);
}

/* What a sign-in leaves: itself alone, and the others' as they were. */
static void run_file(void)
{
	static const struct act acts[] = { CODE(""), DONE, { NULL } };
	struct buf said = BUF_INIT(4096), why = BUF_INIT(8192),
		   text = BUF_INIT(8192);
	struct entra_login l = { .device_code = true,
				 .say = heard,
				 .tick = ticked,
				 .ctx = &said };
	struct armdouble d;
	struct entra en;
	struct err e = ERR_INIT;
	struct stat st;
	char *id, *name = NULL;

	spill(KEPT("old"));
	open_rig(&d, &en, acts);
	if (entra_login(&en, &l, &e) < 0 ||
	    file_read("cache/login.json", &text, &e) < 0)
		buf_adds(&why, e.msg);
	if (strcmp(text.str,
		   "{\"logins\":[{\"authority\":\"https://other.test\",\"refresh_token\":\"o\"},{\"authority\":\"" LOGIN
		   "\",\"tenant\":\"t-1\",\"client\":\"04b07795-8ddb-461a-bbee-02f9e1bf7b46\",\"name\":\"me@x\","
		   "\"refresh_token\":\"r-1\"}]}") != 0)
		buf_adds(&why, text.str);
	if (stat("cache/login.json", &st) < 0 || (st.st_mode & 0777) != 0600)
		buf_adds(&why, "mode");
	check_why("what is kept", why.str);
	id = entra_login_subscription(&en);
	check(id == NULL, "no subscription yet", id);
	entra_login_choose(&en, "s-1", &e);
	id = entra_login_subscription(&en);
	check_why("a subscription",
		  id != NULL && strcmp(id, "s-1") == 0 ? "" : "not s-1");
	free(id);
	check_why("logout", entra_logout(&en, &name, &e) == 0 && name != NULL &&
					    strcmp(name, "me@x") == 0 ?
				    "" :
				    "not me@x");
	free(name);
	check_why("logout again",
		  entra_logout(&en, &name, &e) == 0 && name == NULL ? "" :
								      "somebody");
	buf_reset(&text);
	file_read("cache/login.json", &text, &e);
	check(strcmp(text.str,
		     "{\"logins\":[{\"authority\":\"https://other.test\",\"refresh_token\":\"o\"}]}") ==
		      0,
	      "others stay", text.str);
	spill("{\"logins\":[{\"refresh_token\":\"r-1\"");
	check(entra_logout(&en, &name, &e) == 0 && name == NULL &&
		      access("cache/login.json", F_OK) < 0,
	      "logout takes away what it cannot read", e.msg);
	entra_release(&en);
	double_end(&d);
	buf_release(&said);
	buf_release(&why);
	buf_release(&text);
}

/* While we ask for a token another process signs in somebody else, or out. */
static const struct act *meanwhile(void *ctx, struct str method, struct str url,
				   struct str body)
{
	static const struct act answer = {
		NULL, 200,
		.body = "{\"access_token\":\"" TOKEN_2
			"\",\"expires_in\":3599,\"refresh_token\":\"r-2\"}"
	};

	(void)method, (void)url, (void)body;
	spill(ctx);
	return &answer;
}

static void run_race(void)
{
	static const struct act here = { REFRESH };
	static char others[][300] = { "{\"logins\":[]}", KEPT("r-else") };
	const char *token;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct buf text = BUF_INIT(8192);
		struct armdouble d;
		struct entra en;
		struct err e = ERR_INIT;

		unlink("cache/tokens.json");
		spill(KEPT("r-1"));
		open_rig(&d, &en, &here);
		d.choose = meanwhile;
		d.choose_ctx = others[i];
		if (entra_token(&en, &token, &e) == 0)
			file_read("cache/login.json", &text, &e);
		check(strcmp(text.str, others[i]) == 0,
		      i ? "a sign-in meanwhile stays" : "a logout meanwhile stays",
		      e.kind ? e.msg : text.str);
		entra_release(&en);
		double_end(&d);
		buf_release(&text);
	}
}

int main(void)
{
	char dir[] = "login.XXXXXX";
	struct err e = ERR_INIT;

	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&rows[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		run_kept(&kept[i]);
	run_file();
	run_race();
	if (chdir("..") == 0)
		dir_remove(dir, &e);
	return check_failed();
}
