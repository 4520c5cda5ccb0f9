/* entra/entra.h: what sign-in may answer, and what is kept of it. */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"
#include "tests/armdouble.h"
#include "tests/check.h"

/* rows say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* ---- answers ------------------------------------------------------------- */

#define TRACE "\"trace_id\":\"trace-1\",\"correlation_id\":\"corr-1\"}"
#define WRONG_SECRET \
	"{\"error\":\"invalid_client\",\"error_description\":" \
	"\"AADSTS7000215: Invalid client secret provided.\\r\\nTrace ID: trace-1\\r\\n" \
	"Timestamp: 2025-06-15\",\"error_codes\":[7000215]," TRACE
#define GOOD \
	{ \
		ASK_TOKEN, 200, .body = TOKEN_2_BODY \
	}
/* the double's clock stands at 15:23:20 */
#define DATE(time) "Date: Sun, 15 Jun 2025 " time " GMT\r\n"

static const struct row {
	const char *name;
	struct act acts[8];
	enum err_kind kind;
	const char *words, *waits;
	int64_t life; /* of the token, when there is one */
} rows[] = {
	{ "a token",
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY,
	      .words = "Content-Type: application/x-www-form-urlencoded\r\n|User-Agent: azswarm|"
		       "\r\n\r\ngrant_type=client_credentials&client_secret=" SECRET_PCT
		       "&client_id=client-1&scope=https%3A%2F%2F" ARM_HOST
		       "%2F.default" } },
	  .waits = "",
	  .life = 3599 },
	{ "the longest token",
	  { { ASK_TOKEN, 200,
	      .body = "{\"expires_in\":86399,\"access_token\":\"eyJ0.x\"}" } },
	  .life = 86399 },

	/* refusals */
	{ "wrong secret",
	  { { ASK_TOKEN, 401, .body = WRONG_SECRET } },
	  ERR_AUTH,
	  "sign-in (EnvironmentCredential): HTTP 401 from " LOGIN
	  ": sign-in refused: invalid_client: AADSTS7000215: "
	  "Invalid client secret provided. (trace trace-1, correlation corr-1)|!Timestamp",
	  "" },
	{ "a refusal in one line",
	  { { ASK_TOKEN, 401,
	      .body = "{\"error\":\"invalid_client\",\"error_description\":"
		      "\"AADSTS1: Text. Trace ID: t-1 Correlation ID: c-1 Timestamp: now\",\"trace_id\":\"t-1\","
		      "\"correlation_id\":\"c-1\"}" } },
	  ERR_AUTH,
	  "invalid_client: AADSTS1: Text. (trace t-1, correlation c-1)|!Timestamp",
	  "" },
	{ "application not in the tenant",
	  { { ASK_TOKEN, 400,
	      .body = "{\"error\":"
		      "\"unauthorized_client\",\"error_description\":\"AADSTS700016: Application not "
		      "found\"}" } },
	  ERR_AUTH,
	  "HTTP 400|unauthorized_client: AADSTS700016: Application not found|!trace",
	  "" },
	{ "refused without a reason",
	  { { ASK_TOKEN, 403, .body = "{}" } },
	  ERR_AUTH,
	  "HTTP 403 from " LOGIN ": sign-in refused",
	  "" },
	{ "refused by a page of HTML",
	  { { ASK_TOKEN, 403, .body = "<html>Blocked</html>" } },
	  ERR_AUTH,
	  "HTTP 403 from " LOGIN ": sign-in refused|!Blocked",
	  "" },
	{ "refused with nothing",
	  { { ASK_TOKEN, 404 } },
	  ERR_AUTH,
	  "HTTP 404 from " LOGIN,
	  "" },
	{ "refused with an array",
	  { { ASK_TOKEN, 400, .body = "[1]" } },
	  ERR_AUTH,
	  "HTTP 400",
	  "" },
	{ "refused with numbers",
	  { { ASK_TOKEN, 400,
	      .body = "{\"error\":1,\"error_description\":2,"
		      "\"trace_id\":3}" } },
	  ERR_AUTH,
	  "HTTP 400",
	  "" },
	{ "a redirection is not followed",
	  { { ASK_TOKEN, 302, "Location: https://evil.test/\r\n" } },
	  ERR_AUTH,
	  "HTTP 302",
	  "" },
	{ "control characters in a refusal",
	  { { ASK_TOKEN, 400,
	      .body = "{\"error\":\"a\\u001b[2J\",\"error_description\":\"b\\u0007\"}" } },
	  ERR_AUTH,
	  "a?[2J: b?",
	  "" },

	/* clocks */
	{ "our clock is behind",
	  { { ASK_TOKEN, 401, DATE("16:23:20"), WRONG_SECRET } },
	  ERR_AUTH,
	  "the clock of this machine is 3600 s behind: |AADSTS7000215",
	  "" },
	{ "our clock is ahead",
	  { { ASK_TOKEN, 401, DATE("13:23:20"), WRONG_SECRET } },
	  ERR_AUTH,
	  "the clock of this machine is 7200 s ahead: |AADSTS7000215",
	  "" },
	{ "our clock is about right",
	  { { ASK_TOKEN, 401, DATE("15:27:20"), WRONG_SECRET } },
	  ERR_AUTH,
	  "AADSTS7000215|!clock",
	  "" },
	{ "their clock says nonsense",
	  { { ASK_TOKEN, 401, "Date: whenever\r\n", WRONG_SECRET } },
	  ERR_AUTH,
	  "AADSTS7000215|!clock",
	  "" },

	/* tries */
	{ "throttled, then not",
	  { { ASK_TOKEN, 429, "Retry-After: 13\r\n" }, GOOD },
	  .waits = "13",
	  .life = 3599 },
	{ "throttled for longer than we wait",
	  { { ASK_TOKEN, 429, "Retry-After: 3600\r\n" }, GOOD },
	  .waits = "60",
	  .life = 3599 },
	{ "throttled until a date",
	  { { ASK_TOKEN, 429, "Retry-After: Sun, 15 Jun 2025 15:23:40 GMT\r\n" },
	    GOOD },
	  .waits = "20",
	  .life = 3599 },
	{ "throttled without a word",
	  { { ASK_TOKEN, 429 }, GOOD },
	  .waits = "1",
	  .life = 3599 },
	{ "throttled with nonsense",
	  { { ASK_TOKEN, 429, "Retry-After: -1\r\n" }, GOOD },
	  .waits = "1",
	  .life = 3599 },
	{ "throttled for ever",
	  { { ASK_TOKEN, 429, .times = 4 } },
	  ERR_AUTH,
	  "HTTP 429 from " LOGIN,
	  "1 2 4" },
	{ "each status that passes",
	  { { ASK_TOKEN, 500 }, { ASK_TOKEN, 503 }, { ASK_TOKEN, 504 }, GOOD },
	  .waits = "1 2 4",
	  .life = 3599 },
	{ "503 for ever",
	  { { ASK_TOKEN, 503, .body = "<html>", .times = 4 } },
	  ERR_AUTH,
	  "HTTP 503 from " LOGIN,
	  "1 2 4" },
	{ "501 is final", { { ASK_TOKEN, 501 } }, ERR_AUTH, "HTTP 501", "" },
	{ "connection refused, then not",
	  { { ASK_TOKEN, .then = NO_DIAL }, GOOD },
	  .waits = "500m",
	  .life = 3599 },
	{ "connection refused for ever",
	  { { ASK_TOKEN, .then = NO_DIAL, .times = 4 } },
	  ERR_NET,
	  "sign-in (EnvironmentCredential): |" LOGIN_HOST ": connection refused",
	  "500m 1 2" },
	{ "no answer, then one",
	  { { ASK_TOKEN, .then = NO_ANSWER }, GOOD },
	  .waits = "500m",
	  .life = 3599 },
	{ "an answer cut short, then one",
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .then = CUT_BODY }, GOOD },
	  .waits = "500m",
	  .life = 3599 },
	{ "answers cut short for ever",
	  { { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .then = CUT_BODY, .times = 4 } },
	  ERR_PROTO,
	  "sign-in (EnvironmentCredential): |ended early",
	  "500m 1 2" },
	{ "silence",
	  { { ASK_TOKEN, .then = SILENCE } },
	  ERR_TIMEOUT,
	  "sign-in (EnvironmentCredential): |timed out",
	  "" },

	/* answers that are no token */
	{ "200 and a page of HTML",
	  { { ASK_TOKEN, 200, .body = "<html>welcome</html>" } },
	  ERR_DATA,
	  "sign-in (EnvironmentCredential): sign-in answer: not JSON|!welcome",
	  "" },
	{ "200 and nothing",
	  { { ASK_TOKEN, 200 } },
	  ERR_DATA,
	  "sign-in answer: not JSON",
	  "" },
	{ "200 and an error",
	  { { ASK_TOKEN, 200, .body = WRONG_SECRET } },
	  ERR_DATA,
	  "token answer: access_token",
	  "" },
	{ "token that is a number",
	  { { ASK_TOKEN, 200, .body = "{\"access_token\":5,\"expires_in\":1}" } },
	  ERR_DATA,
	  "access_token: expected a string",
	  "" },
	{ "token that is empty",
	  { { ASK_TOKEN, 200, .body = "{\"access_token\":\"\",\"expires_in\":1}" } },
	  ERR_PROTO,
	  "access_token is empty",
	  "" },
	{ "token with a line end",
	  { { ASK_TOKEN, 200,
	      .body = "{\"access_token\":\"a\\r\\nHost: evil\","
		      "\"expires_in\":3599}" } },
	  ERR_PROTO,
	  "access_token has a bad character|!evil",
	  "" },
	{ "token with a blank",
	  { { ASK_TOKEN, 200,
	      .body = "{\"access_token\":\"a b\",\"expires_in\":3599}" } },
	  ERR_PROTO,
	  "access_token has a bad character",
	  "" },
	{ "token that is not ASCII",
	  { { ASK_TOKEN, 200,
	      .body = "{\"access_token\":\"a\xc3\xa9\",\"expires_in\":3599}" } },
	  ERR_PROTO,
	  "access_token has a bad character",
	  "" },
	{ "no life time",
	  { { ASK_TOKEN, 200, .body = "{\"access_token\":\"eyJ0.x\"}" } },
	  ERR_DATA,
	  "expires_in",
	  "" },
	{ "negative life time",
	  { { ASK_TOKEN, 200,
	      .body = "{\"access_token\":\"eyJ0.x\",\"expires_in\":-1}" } },
	  ERR_DATA,
	  "expires_in",
	  "" },
	{ "absurd life time",
	  { { ASK_TOKEN, 200,
	      .body = "{\"access_token\":\"eyJ0.x\",\"expires_in\":1e300}" } },
	  ERR_DATA,
	  "expires_in|!eyJ0",
	  "" },
};

static void run_row(const struct row *row, size_t piece)
{
	struct buf why = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	const char *token = NULL;
	struct rig g;
	int rc;

	rig_open(&g, row->acts, NULL);
	rig_no_token(&g);
	g.d.piece = piece;
	rc = entra_token(&g.entra, &token, &e);
	if (!double_content(&g.d, &why))
		;
	else if (rc != (row->kind == ERR_NONE ? 0 : -1) || e.kind != row->kind)
		buf_addf(&why, "rc %d, kind %d not %d: %s", rc, e.kind,
			 row->kind, e.msg);
	else if (row->words != NULL && !holds(e.msg, row->words, &why))
		;
	else if (row->waits != NULL && !waits_were(row->waits, &why))
		;
	else if (!keeps_secrets(e.msg))
		buf_adds(&why, "a secret in the message");
	else if (rc == 0 && (token == NULL || strncmp(token, "eyJ0.", 5) != 0))
		buf_adds(&why, "no token");
	else if (rc == 0 && g.entra.expires_on != unix_time() + row->life)
		buf_adds(&why, "another end of life");
	else if (rc < 0 && g.entra.token != NULL)
		buf_adds(&why, "a token in spite of that");
	check_why(row->name, why.str);
	buf_release(&why);
	rig_close(&g);
}

/* A token just within, and just over what we take. */
static void run_long_tokens(void)
{
	for (size_t n = ENTRA_TOKEN_MAX; n <= ENTRA_TOKEN_MAX + 1; n++) {
		struct buf body = BUF_INIT(64u << 10);
		struct act acts[2] = { { ASK_TOKEN, 200 }, { NULL } };
		struct row row = { .name = n == ENTRA_TOKEN_MAX ?
						   "a token of 16 KiB" :
						   "a token of 16 KiB and a byte",
				   .life = 3599 };

		buf_adds(&body, "{\"expires_in\":3599,\"access_token\":\"eyJ0.");
		for (size_t i = 5; i < n; i++)
			buf_addc(&body, 'x');
		buf_adds(&body, "\"}");
		acts[0].body = body.str;
		memcpy(row.acts, acts, sizeof(acts));
		if (n > ENTRA_TOKEN_MAX) {
			row.kind = ERR_PROTO;
			row.words = "access_token is too long";
		}
		run_row(&row, 0);
		buf_release(&body);
	}
}

/* ---- the cache ----------------------------------------------------------- */

static void spill(const char *path, const char *text)
{
	struct err e = ERR_INIT;

	if (file_write(path, str_of(text), 0600, &e) < 0) {
		check_give_up("spill", "%s", e.msg);
	}
}

static char *slurp(const char *path)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;

	file_read(path, &b, &e);
	return buf_detach(&b);
}

/* A token from that cache file, or by the script.  Which one it was: 1 and 2
 * are TOKEN_1 and TOKEN_2, 0 none. */
static int take(const char *cache, const struct act *script, struct buf *why)
{
	struct err e = ERR_INIT;
	const char *token = NULL;
	struct rig g;
	int which = 0;

	rig_open(&g, script, cache);
	rig_no_token(&g);
	if (entra_token(&g.entra, &token, &e) < 0)
		buf_addf(why, "%s", e.msg);
	else
		which = strcmp(token, TOKEN_1) == 0 ? 1 :
			strcmp(token, TOKEN_2) == 0 ? 2 :
						      0;
	double_content(&g.d, why);
	rig_close(&g);
	return which;
}

#define ENTRY(authority, tenant, client, scope, token, expires) \
	"{\"credential\":\"EnvironmentCredential\",\"authority\":\"" authority \
	"\",\"tenant\":\"" tenant "\",\"client\":\"" client "\"," \
	"\"scope\":\"" scope "\",\"token\":\"" token \
	"\",\"expires_on\":" expires "}"
#define OURS(token, expires) \
	ENTRY(LOGIN, "tenant-1", "client-1", ARM "/.default", token, expires)
#define CACHE(entries) "{\"tokens\":[" entries "]}"
/* the clock reads 1750001000 when a rig is opened */
#define LATER "1750004600"

static const struct {
	const char *name, *text;
	bool used;
} caches[] = {
	{ "ours", CACHE(OURS(TOKEN_1, LATER)), true },
	{ "ours among others",
	  CACHE(ENTRY(LOGIN, "t", "c", "s", "eyJ0.x", LATER) "," OURS(
		  TOKEN_1, LATER) "," ENTRY("https://x", "tenant-1", "client-1",
					    "s", "eyJ0.y", LATER)),
	  true },
	{ "a second more than five minutes", CACHE(OURS(TOKEN_1, "1750001301")),
	  true },
	{ "five minutes and no more", CACHE(OURS(TOKEN_1, "1750001300")), false },
	{ "ended", CACHE(OURS(TOKEN_1, "1750000999")), false },
	{ "ends in a century", CACHE(OURS(TOKEN_1, "4906000000")), false },
	{ "another sign-in endpoint",
	  CACHE(ENTRY("https://login.test2", "tenant-1", "client-1",
		      ARM "/.default", TOKEN_1, LATER)),
	  false },
	{ "another tenant",
	  CACHE(ENTRY(LOGIN, "tenant-2", "client-1", ARM "/.default", TOKEN_1,
		      LATER)),
	  false },
	{ "another client",
	  CACHE(ENTRY(LOGIN, "tenant-1", "client-2", ARM "/.default", TOKEN_1,
		      LATER)),
	  false },
	{ "another scope",
	  CACHE(ENTRY(LOGIN, "tenant-1", "client-1", "https://x/.default",
		      TOKEN_1, LATER)),
	  false },
	{ "empty token", CACHE(OURS("", LATER)), false },
	{ "token with a line end", CACHE(OURS("eyJ0.\\r\\nX: y", LATER)), false },
	{ "not JSON", "tokens", false },
	{ "cut short", "{\"tokens\":[{\"authority\":\"", false },
	{ "empty file", "", false },
	{ "an array", "[]", false },
	{ "a string", "\"x\"", false },
	{ "tokens is no array", "{\"tokens\":{}}", false },
	{ "elements of other kinds", CACHE("1,null,\"x\",[],{}"), false },
	{ "an end that is a string", CACHE(OURS(TOKEN_1, "\"1750004600\"")),
	  false },
};

static void run_caches(const char *dir)
{
	static const struct act none[] = { { NULL } }, one[] = { GOOD, { NULL } };
	char *path = xasprintf("%s/tokens.json", dir);

	for (size_t i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		struct buf why = BUF_INIT(4096);
		char name[100];
		int which;

		spill(path, caches[i].text);
		which = take(path, caches[i].used ? none : one, &why);
		if (why.n == 0 && which != (caches[i].used ? 1 : 2))
			buf_addf(&why, "token %d", which);
		/* what was asked for is there the next time */
		if (why.n == 0 &&
		    take(path, none, &why) != (caches[i].used ? 1 : 2))
			buf_adds(&why, ": not kept");
		snprintf(name, sizeof(name), "cache: %s", caches[i].name);
		check_why(name, why.str);
		buf_release(&why);
	}
	free(path);
}

static void run_cache_file(const char *dir)
{
	static const struct act one[] = { GOOD, { NULL } };
	char *path = xasprintf("%s/a/b/tokens.json", dir),
	     *sub = xasprintf("%s/a/b", dir), *text;
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct stat st;
	struct rig g;
	const char *token;
	int n;

	umask(0);
	n = take(path, one, &why);
	check(n == 2, "cache: made with its folders", why.str);
	check_why("cache: 0600 whatever the umask",
		  stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 ?
			  "" :
			  "another mode");
	check_why("cache: its folder 0700",
		  stat(sub, &st) == 0 && (st.st_mode & 07777) == 0700 ?
			  "" :
			  "another mode");
	umask(022);

	text = slurp(path);
	check(strstr(text, SECRET) == NULL, "cache: the secret is not in it",
	      text);
	check(strstr(text, TOKEN_2) != NULL, "cache: the token is", text);
	free(text);

	/* twenty others, then ours: the oldest goes, those that ended, too */
	{
		struct buf many = BUF_INIT(64u << 10);

		buf_adds(&many, "{\"tokens\":[");
		for (int i = 0; i < 40; i++)
			buf_addf(&many,
				 ENTRY("https://x", "t", "c%d", "s", "eyJ0.x",
				       "%s") "%s",
				 i, i % 2 ? "1750001300" : LATER,
				 i < 39 ? "," : "");
		buf_adds(&many, "]}");
		spill(path, many.str);
		buf_reset(&why);
		take(path, one, &why);
		text = slurp(path);
		check(strstr(text, "1750001300") == NULL,
		      "cache: ended tokens are dropped", text);
		check(strstr(text, "\"c38\"") != NULL, "cache: others stay", text);
		buf_reset(&many);
		buf_adds(&many, "{\"tokens\":[");
		for (int i = 0; i < 60; i++)
			buf_addf(&many,
				 ENTRY("https://x", "t", "c%d", "s", "eyJ0.x",
				       LATER) "%s",
				 i, i < 59 ? "," : "");
		buf_adds(&many, "]}");
		spill(path, many.str);
		take(path, one, &why);
		free(text);
		text = slurp(path);
		check(strlen(text) < 4000 && strstr(text, TOKEN_2) != NULL &&
			      strstr(text, "\"c59\"") != NULL &&
			      strstr(text, "\"c1\"") == NULL,
		      "cache: does not grow for ever", text);
		free(text);
		buf_release(&many);
	}

	/* a token that Azure refused is forgotten, here and there */
	rig_open(&g, one, path);
	rig_no_token(&g);
	entra_token(&g.entra, &token, &e);
	entra_forget(&g.entra);
	text = slurp(path);
	check(strstr(text, TOKEN_2) == NULL,
	      "cache: a refused token is dropped", text);
	free(text);
	buf_reset(&why);
	check(entra_token(&g.entra, &token, &e) == 0 &&
		      strcmp(token, TOKEN_2) == 0 && double_content(&g.d, &why),
	      "cache: and asked for again", e.msg);
	rig_close(&g);

	/* a disk that refuses costs nothing but the next request */
	free(path);
	path = xstrdup("/proc/no/such/tokens.json");
	buf_reset(&why);
	n = take(path, one, &why);
	check(n == 2, "cache: where nothing can be written", why.str);
	buf_release(&why);
	free(path);
	free(sub);
}

/* Eight at a time, each for a client of its own: whoever reads finds a whole
 * document, and what a process wrote last is there unless another wrote at once. */
static void run_concurrent(const char *dir)
{
	char *path = xasprintf("%s/shared.json", dir), *text;
	struct err e = ERR_INIT;
	cJSON *doc;
	int status, bad = 0;

	for (int i = 0; i < 8; i++) {
		if (fork() != 0)
			continue;
		for (int k = 0; k < 50; k++) {
			struct buf why = BUF_INIT(4096);
			struct rig g;
			const char *token;

			buf_addf(&why,
				 "POST " LOGIN "/tenant-%d/oauth2/v2.0/token",
				 i + 1);
			rig_open(&g,
				 (const struct act[]){ { why.str, 200,
							 .body = TOKEN_2_BODY,
							 .times = EVER },
						       { NULL } },
				 path);
			rig_no_token(&g);
			g.entra.tenant[7] = (char)('1' + i); /* its own entry */
			if (entra_token(&g.entra, &token, &e) < 0)
				_exit(1);
			text = slurp(path);
			doc = json_parse(str_of(text), "cache", &e);
			if (doc == NULL)
				_exit(2);
			json_burn(doc);
			free(text);
			if (k % 2)
				entra_forget(&g.entra);
			buf_release(&why);
			rig_close(&g);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		bad += status != 0;
	text = slurp(path);
	doc = json_parse(str_of(text), "cache", &e);
	check(bad == 0 && doc != NULL, "cache: eight processes at once", text);
	json_burn(doc);
	free(text);
	free(path);
}

/* In memory: no request while it is good, one when five minutes are left. */
static void run_memory(void)
{
	static const struct act one[] = { GOOD, { NULL } };
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	const char *token;
	struct rig g;

	rig_open(&g, one, NULL);
	for (int i = 0; i < 100; i++)
		if (entra_token(&g.entra, &token, &e) < 0)
			buf_adds(&why, e.msg);
	if (why.n == 0 && g.d.requests != 0)
		buf_adds(&why, "asked");
	check_why("a good token costs no request", why.str);
	fake.now += 3299 * 1000;
	entra_token(&g.entra, &token, &e);
	check_why("five minutes and a second before its end",
		  g.d.requests == 0 ? "" : "asked");
	fake.now += 1000;
	entra_token(&g.entra, &token, &e);
	check_why("five minutes before its end",
		  g.d.requests == 1 && strcmp(token, TOKEN_2) == 0 ? "" :
								     "not asked");
	for (int i = 0; i < 100; i++)
		entra_token(&g.entra, &token, &e);
	check_why("one connection, one request",
		  double_content(&g.d, &why) && dials_of(&g.d, LOGIN_HOST) == 1 &&
				  g.d.requests == 1 ?
			  "" :
			  "more");
	buf_release(&why);
	rig_close(&g);
}

static void run_interrupted(void)
{
	static const struct {
		const char *name;
		struct act acts[2];
	} cases[] = {
		{ "interrupted between tries", { { ASK_TOKEN, 503 }, { NULL } } },
		{ "interrupted after a broken connection",
		  { { ASK_TOKEN, .then = NO_ANSWER }, { NULL } } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		const char *token;
		struct rig g;

		rig_open(&g, cases[i].acts, NULL);
		rig_no_token(&g);
		fake.interrupt_at = 1;
		check(entra_token(&g.entra, &token, &e) < 0 &&
			      err_exit_code(&e) == 130 && g.d.requests == 1,
		      cases[i].name, e.msg);
		rig_close(&g);
	}
}

/* A secret and a tenant with every awkward character. */
static void run_awkward(void)
{
	static const struct act acts[] = {
		{ "POST " LOGIN "/t%2F..%2F%3Fx/oauth2/v2.0/token", 200,
		  .body = TOKEN_2_BODY,
		  .words = "&client_secret=a%26b%3Dc%20%2B%25%22%0A%C3%A9&client_id=c&scope=" },
		{ NULL }
	};
	const char *vars[] = { "AZURE_TENANT_ID",
			       "t/../?x",
			       "AZURE_CLIENT_ID",
			       "c",
			       "AZURE_CLIENT_SECRET",
			       "a&b=c +%\"\n\xc3\xa9",
			       NULL };
	struct armdouble d;
	struct http_dialer dialer = { double_dial, &d };
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct entra en;
	const char *token;

	clock_reset();
	double_start(&d, acts);
	entra_init(&en, &(struct entra_options){ .authority = LOGIN,
						 .scope = "s",
						 .dialer = dialer,
						 .var = rig_var,
						 .ctx = vars });
	if (entra_token(&en, &token, &e) < 0)
		buf_adds(&why, e.msg);
	double_content(&d, &why);
	check_why("awkward characters are escaped", why.str);
	entra_release(&en);
	double_end(&d);
	buf_release(&why);
}

static void run_cache_path(void)
{
	static const struct {
		const char *name, *xdg, *home, *want;
	} paths[] = {
		{ "XDG_CACHE_HOME", "/x", "/h", "/x/azswarm/tokens.json" },
		{ "HOME", NULL, "/tmp", "/tmp/.cache/azswarm/tokens.json" },
		{ "relative XDG_CACHE_HOME", "x", "/tmp",
		  "/tmp/.cache/azswarm/tokens.json" },
		{ "empty XDG_CACHE_HOME", "", "/tmp",
		  "/tmp/.cache/azswarm/tokens.json" },
		{ "a HOME that is not there", NULL, "/h", NULL },
		{ "relative HOME", NULL, "h", NULL },
		{ "no HOME", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char name[80], *got;

		unsetenv("XDG_CACHE_HOME");
		unsetenv("HOME");
		if (paths[i].xdg != NULL)
			setenv("XDG_CACHE_HOME", paths[i].xdg, 1);
		if (paths[i].home != NULL)
			setenv("HOME", paths[i].home, 1);
		got = entra_cache_path();
		snprintf(name, sizeof(name), "cache path: %s", paths[i].name);
		check(got == paths[i].want ||
			      (got != NULL && paths[i].want != NULL &&
			       strcmp(got, paths[i].want) == 0),
		      name, got ? got : "none");
		free(got);
	}
}

int main(void)
{
	char dir[] = "entra.XXXXXX"; /* tests/run gives us a folder */
	struct err e = ERR_INIT;

	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	if (mkdtemp(dir) == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&rows[i], i % 2 ? 3 : 0);
	run_long_tokens();
	run_memory();
	run_interrupted();
	run_awkward();
	run_cache_path();
	run_caches(dir);
	run_cache_file(dir);
	run_concurrent(dir);
	dir_remove(dir, &e);
	return check_failed();
}
