/* azure.h: what Azure may answer, and what becomes of it. */
#include "base/time.h"
#include "http/retry.h"
#include "tests/armdouble.h"
#include "tests/check.h"

/* rows say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define ROW_ACTS 12
#define ARM_TRIES 5 /* of one request, all in all */

/* ---- error bodies -------------------------------------------------------- */

#define IDS "x-ms-request-id: req-1\r\nX-MS-Correlation-Request-Id: corr-1\r\n"

static const struct error_row {
	const char *name;
	unsigned status;
	const char *fields, *body;
	const char *want; /* words; "=" first: the whole message */
} error_rows[] = {
	{ "error object", 400, IDS,
	  "{\"error\":{\"code\":\"InvalidParameter\",\"message\":\"bad name\",\"target\":\"dns\"}}",
	  "=InvalidParameter: bad name (target dns) [HTTP 400, request req-1, "
	  "correlation corr-1]" },
	{ "error object in Pascal case", 409, IDS,
	  "{\"Error\":{\"Code\":\"Blocked\",\"Target\":null,\"Message\":\"outer\",\"Details\":["
	  "{\"Code\":\"Held\",\"Message\":\"by a lock\",\"Details\":null}]}}",
	  "=Held: by a lock [HTTP 409, request req-1, correlation corr-1]" },
	{ "no wrapper", 400, "", "{\"code\":\"C\",\"message\":\"m\"}",
	  "=C: m [HTTP 400]" },
	{ "no wrapper, Pascal case", 400, "",
	  "{\"Code\":\"C\",\"Message\":\"m\",\"Target\":null,\"Details\":[]}",
	  "=C: m [HTTP 400]" },
	{ "with id and status", 400, "",
	  "{\"id\":\"/x\",\"status\":\"Failed\",\"error\":{\"code\":\"C\",\"message\":\"m\"}}",
	  "=C: m [HTTP 400]" },
	{ "code alone", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":null}}", "=C [HTTP 400]" },
	{ "message alone", 400, "", "{\"error\":{\"message\":\"m\"}}",
	  "=m [HTTP 400]" },
	{ "every detail", 400, "",
	  "{\"error\":{\"code\":\"Many\",\"message\":\"see details\",\"details\":["
	  "{\"code\":\"A\",\"message\":\"one\"},{\"code\":null,\"message\":null},{},7,null,"
	  "{\"code\":\"B\",\"message\":\"two\"}]}}",
	  "=A: one; B: two [HTTP 400]" },
	{ "details that say nothing", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"m\",\"details\":[{},{\"code\":\"\"}]}}",
	  "=C: m [HTTP 400]" },
	{ "details of details", 400, "",
	  "{\"error\":{\"code\":\"1\",\"message\":\"1\",\"details\":[{\"code\":\"2\","
	  "\"message\":\"2\","
	  "\"details\":[{\"code\":\"3\",\"message\":\"leaf\"}]}]}}",
	  "=3: leaf [HTTP 400]" },
	{ "message that is JSON", 409, "",
	  "{\"error\":{\"code\":\"DeploymentFailed\",\"message\":\"At least one resource deployment"
	  " operation failed.\",\"details\":[{\"code\":\"Conflict\",\"message\":\"{\\r\\n  "
	  "\\\"error\\\": {\\r\\n \\\"code\\\": \\\"QuotaExceeded\\\", \\\"message\\\": \\\""
	  "Maximum allowed: 100\\\"}}\"}]}}",
	  "=QuotaExceeded: Maximum allowed: 100 [HTTP 409]" },
	{ "message that only looks like JSON", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"{\\\"error\\\": oops\"}}",
	  "=C: {\"error\": oops [HTTP 400]" },
	{ "message that is JSON and says nothing", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"{}\"}}", "=C: {} [HTTP 400]" },
	{ "innererror speaks when the message is empty", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"\",\"innererror\":{\"code\":\"I\",\"message\":"
	  "\"inner\"}}}",
	  "=I: inner [HTTP 400]" },
	{ "innererror does not hide a message", 400, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"m\",\"innererror\":{\"code\":\"I\",\"message\":"
	  "\"inner\"}}}",
	  "=C: m [HTTP 400]" },
	{ "the policy that refuses", 403, "",
	  "{\"error\":{\"code\":\"RequestDisallowedByPolicy\",\"target\":\"x\",\"message\":"
	  "\"Resource 'x' was disallowed by policy.\",\"additionalInfo\":[{\"type\":\"Other\"},"
	  "{\"type\":\"PolicyViolation\",\"info\":{\"policyDefinitionDisplayName\":"
	  "\"Allowed locations\",\"policyAssignmentName\":\"eu-only\"}}]}}",
	  "=RequestDisallowedByPolicy (policy \"Allowed locations\", assignment \"eu-only\"): "
	  "Resource 'x' was disallowed by policy. (target x) [HTTP 403]" },
	{ "additionalInfo that is none", 403, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"m\",\"additionalInfo\":{\"a\":7,\"info\":[]}}}",
	  "=C: m [HTTP 403]" },
	{ "a page of HTML", 502, "",
	  "<html>\r\n<h1>502 Bad Gateway</h1></html>\r\n",
	  "=HTTP 502 Bad Gateway: <html> <h1>502 Bad Gateway</h1></html> [no request id]" },
	{ "nothing", 503, IDS, NULL,
	  "=HTTP 503 Service Unavailable [request req-1, correlation corr-1]" },
	{ "an error that is null", 500, "", "{\"error\":null}",
	  "=HTTP 500 Internal Server Error: {\"error\":null} [no request id]" },
	{ "an error that is a string", 400, "",
	  "{\"error\":\"invalid_request\"}", "HTTP 400|invalid_request" },
	{ "code and message are numbers", 500, "",
	  "{\"error\":{\"code\":5,\"message\":7}}", "HTTP 500|{\"code\":5" },
	{ "an array", 500, "", "[1,2]", "HTTP 500|[1,2]" },
	{ "a string", 500, "", "\"no\"", "HTTP 500|\"no\"" },
	{ "control characters", 400, "",
	  "{\"error\":{\"code\":\"C\\u001b[2J\",\"message\":\"a\\u0007b\\nc\\u007f\"}}",
	  "=C?[2J: a?b c? [HTTP 400]" },
	{ "blanks around a code", 200, "",
	  "{\"error\":{\"code\":\" InternalError\",\"message\":\" BadRequest: "
	  "InvalidIPAddress - The address is not valid.\",\"details\":[]}}",
	  "=InternalError: BadRequest: InvalidIPAddress - The address is not valid. "
	  "[HTTP 200]" },
	{ "lines", 409, "",
	  "{\"error\":{\"code\":\"OverconstrainedZonalAllocationRequest\",\"message\":"
	  "\"Allocation failed. Constraints applied are:\\n  - Availability Zone\\r\\n\\t- "
	  "VM Size\\n\"}}",
	  "=OverconstrainedZonalAllocationRequest: Allocation failed. Constraints applied "
	  "are: - Availability Zone - VM Size [HTTP 409]" },
	{ "figures that are no cause", 429, "",
	  "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"Too many requests "
	  "were received.\",\"details\":[{\"code\":\"TooManyRequests\",\"target\":"
	  "\"HighCostGet30Min\",\"message\":\"{\\\"operationGroup\\\": "
	  "\\\"HighCostGet30Min\\\", \\\"allowedRequestCount\\\": 900}\"}]}}",
	  "=OperationNotAllowed: Too many requests were received. [HTTP 429]" },
	{ "figures beside a cause", 429, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"m\",\"details\":[{\"code\":\"D\","
	  "\"message\":\"{\\\"n\\\": 900}\"},{\"code\":\"E\",\"message\":\"why\"}]}}",
	  "=E: why [HTTP 429]" },
	{ "an error quoted in a sentence", 409, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"It failed: {\\\"error\\\":{\\\"code\\\""
	  ":\\\"D\\\",\\\"message\\\":\\\"why\\\"}}\"}}",
	  "=D: why [HTTP 409]" },
	{ "JSON in a sentence that is no error", 409, "",
	  "{\"error\":{\"code\":\"C\",\"message\":\"Identifiers: {\\\"code\\\":\\\"x\\\"}\"}}",
	  "=C: Identifiers: {\"code\":\"x\"} [HTTP 409]" },
	{ "message and code in two details", 409, "",
	  "{\"Code\":\"Outer\",\"Message\":\"It exists.\",\"Target\":null,\"Details\":["
	  "{\"Message\":\"It exists already.\"},{\"Code\":\"Conflict\"},{\"ErrorEntity\":"
	  "{\"Code\":\"Conflict\"}}],\"Innererror\":null}",
	  "=Conflict: It exists already. [HTTP 409]" },
	{ "a message, and another with its code", 409, "",
	  "{\"code\":\"C\",\"details\":[{\"message\":\"one\"},"
	  "{\"code\":\"D\",\"message\":\"two\"}]}",
	  "=one; D: two [HTTP 409]" },
	{ "a code that the message has, too", 409, "",
	  "{\"error\":{\"code\":\"Conflict\",\"message\":\"Conflict: it exists\"}}",
	  "=Conflict: it exists [HTTP 409]" },
	{ "a code that is all the message", 409, "",
	  "{\"error\":{\"code\":\"Conflict\",\"message\":\"Conflict\"}}",
	  "=Conflict [HTTP 409]" },
	{ "a code that a word begins with", 409, "",
	  "{\"error\":{\"code\":\"Conflict\",\"message\":\"Conflicting names\"}}",
	  "=Conflict: Conflicting names [HTTP 409]" },
	{ "per cent signs", 400, "",
	  "{\"error\":{\"code\":\"C%s\",\"message\":\"%n%s%d\"}}",
	  "=C%s: %n%s%d [HTTP 400]" },
};

/* An answer as http.c would have it, out of text; slices point into it. */
struct paper {
	struct azure_reply r;
	struct buf head;
};

static void paper_make(struct paper *p, unsigned status, const char *fields,
		       const char *body)
{
	struct str in, piece;
	struct http_parser parser;
	struct err e = ERR_INIT;

	*p = (struct paper){ 0 };
	buf_init(&p->head, HTTP_HEAD_MAX);
	http_response_init(&p->r.http, 64u << 20);
	buf_addf(&p->head, "HTTP/1.1 %u %s\r\n%s\r\n", status,
		 http_reason(status), fields ? fields : "");
	http_parser_init(&parser, false);
	in = buf_str(&p->head);
	if (http_parse(&parser, &in, &piece, &e) != HTTP_HEAD) {
		check_give_up("a row with a bad header", "%s", e.msg);
	}
	buf_release(&p->r.http.head.raw);
	p->r.http.head = parser.head;
	buf_init(&parser.head.raw, HTTP_HEAD_MAX);
	http_parser_release(&parser);
	if (body != NULL) {
		buf_adds(&p->r.http.body, body);
		p->r.doc = json_parse(str_of(body), "answer", &e);
	}
}

static void paper_free(struct paper *p)
{
	azure_reply_release(&p->r);
	buf_release(&p->head);
}

static void check_error(const char *name, const struct azure_reply *r,
			const char *want)
{
	struct buf why = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;

	if (azure_error(&r->http.head, r->doc, buf_str(&r->http.body), &e) != -1 ||
	    e.kind != ERR_AZURE)
		buf_adds(&why, "no ERR_AZURE");
	else if (want[0] == '=' && strcmp(e.msg, want + 1) != 0)
		buf_addf(&why, "got \"%s\"", e.msg);
	else if (want[0] != '=')
		holds(e.msg, want, &why);
	check_why(name, why.str);
	buf_release(&why);
}

static void run_error_rows(void)
{
	for (size_t i = 0; i < sizeof(error_rows) / sizeof(*error_rows); i++) {
		const struct error_row *row = &error_rows[i];
		struct paper p;

		paper_make(&p, row->status, row->fields, row->body);
		check_error(row->name, &p.r, row->want);
		paper_free(&p);
	}
}

/* The leaf inside `levels` deployments, each a JSON text in the message of the next. */
static char *nested_in_messages(unsigned levels)
{
	char *text = xstrdup(
		"{\"error\":{\"code\":\"QuotaExceeded\",\"message\":\"leaf\"}}");
	struct buf out = BUF_INIT(64u << 20);

	while (levels-- > 0) {
		buf_adds(&out,
			 "{\"status\":\"Failed\",\"error\":{\"code\":\"DeploymentFailed\","
			 "\"message\":\"At least one\",\"details\":[{\"code\":\"BadRequest\","
			 "\"message\":\"");
		buf_add_json(&out, str_of(text));
		buf_adds(&out, "\"}]}}");
		free(text);
		text = buf_detach(&out);
	}
	return text;
}

static char *nested_details(unsigned levels)
{
	struct buf out = BUF_INIT(1u << 20);

	buf_adds(&out, "{\"error\":");
	for (unsigned i = 0; i < levels; i++)
		buf_addf(&out,
			 "{\"code\":\"L%u\",\"message\":\"m\",\"details\":[", i);
	buf_adds(&out, "{\"code\":\"Leaf\",\"message\":\"leaf\"}");
	for (unsigned i = 0; i < levels; i++)
		buf_adds(&out, "]}");
	buf_adds(&out, "}");
	return buf_detach(&out);
}

static char *many(const char *head, const char *each, unsigned n, const char *tail)
{
	struct buf out = BUF_INIT(64u << 20);

	buf_adds(&out, head);
	while (n-- > 0)
		buf_adds(&out, each);
	buf_adds(&out, tail);
	return buf_detach(&out);
}

/* Takes body. */
static void check_body(const char *name, unsigned status, char *body,
		       const char *want)
{
	struct paper p;

	paper_make(&p, status, IDS, body);
	check_error(name, &p.r, want);
	paper_free(&p);
	free(body);
}

#define BOTH_IDS "request req-1|correlation corr-1"

static void run_large_errors(void)
{
	check_body("JSON in messages, 1 level", 409, nested_in_messages(1),
		   "=QuotaExceeded: leaf [HTTP 409, request req-1, correlation corr-1]");
	check_body("JSON in messages, 4 levels", 409, nested_in_messages(4),
		   "=QuotaExceeded: leaf [HTTP 409, request req-1, correlation corr-1]");
	check_body("JSON in messages, 9 levels", 409, nested_in_messages(9),
		   "BadRequest: {\"error\":|HTTP 409|" BOTH_IDS);
	check_body("details 8 levels deep", 409, nested_details(7),
		   "Leaf: leaf|" BOTH_IDS);
	check_body("details 60 levels deep", 409, nested_details(60),
		   "Leaf: leaf|" BOTH_IDS);
	check_body("details 1000 levels deep", 409, nested_details(1000),
		   "HTTP 409|" BOTH_IDS);
	check_body("a message of 100 KB", 400,
		   many("{\"error\":{\"code\":\"Long\",\"message\":\"begin ",
			"0123456789", 10000, "\"}}"),
		   "Long: begin 0123456789|...|HTTP 400|" BOTH_IDS);
	check_body("a message of 100 KB of two-byte characters", 400,
		   many("{\"error\":{\"code\":\"Long\",\"message\":\"",
			"\xc3\xa9", 50000, "\"}}"),
		   "Long: \xc3\xa9\xc3\xa9|\xc3\xa9...|" BOTH_IDS);
	check_body("2000 details", 400,
		   many("{\"error\":{\"code\":\"Many\",\"message\":\"m\",\"details\":[",
			"{\"code\":\"Each\",\"message\":\"its own reason\"},",
			2000, "{\"code\":\"Last\",\"message\":\"x\"}]}}"),
		   "Each: its own reason; Each|...|" BOTH_IDS);
	check_body("a page of 200 KB", 503,
		   many("<html>", "x <br>", 40000, "</html>"),
		   "HTTP 503 Service Unavailable: <html>x <br>|" BOTH_IDS);
	check_body("1000 open brackets", 400, many("", "[", 1000, ""),
		   "HTTP 400 Bad Request: [[[["
		   "|" BOTH_IDS);
}

static void run_error_doc(void)
{
	static const struct {
		const char *name, *doc, *want;
	} rows[] = {
		{ "operation error object",
		  "{\"code\":\"C\",\"message\":\"m\"}", "C: m" },
		{ "operation error in a wrapper",
		  "{\"error\":{\"code\":\"C\",\"message\":\"m\"}}", "C: m" },
		{ "operation error without content", "{}", "Azure gave no reason" },
		{ "no operation error at all", NULL, "Azure gave no reason" },
	};
	static const struct {
		const char *name, *doc, *want;
	} codes[] = {
		{ "code in a wrapper", "{\"error\":{\"code\":\"C\"}}", "C" },
		{ "code in Pascal case", "{\"Error\":{\"Code\":\"C\"}}", "C" },
		{ "code without wrapper", "{\"code\":\"C\"}", "C" },
		{ "code of the outermost",
		  "{\"error\":{\"code\":\"C\",\"details\":[{\"code\":\"D\"}]}}",
		  "C" },
		{ "code with blanks", "{\"error\":{\"code\":\" C\\n\"}}", "C" },
		{ "code that is a number", "{\"error\":{\"code\":7}}", "" },
		{ "code of nothing", NULL, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = ERR_INIT;
		cJSON *doc = rows[i].doc ?
				     json_parse(str_of(rows[i].doc), "row", &e) :
				     NULL;

		azure_error_doc(doc, &e);
		check(strcmp(e.msg, rows[i].want) == 0, rows[i].name, e.msg);
		json_free(doc);
	}
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct err e = ERR_INIT;
		cJSON *doc = codes[i].doc ?
				     json_parse(str_of(codes[i].doc), "row", &e) :
				     NULL;

		check_why(codes[i].name,
			  str_eqz(azure_error_code(doc), codes[i].want) ?
				  "" :
				  "another code");
		json_free(doc);
	}
}

/* Code and target of the error record: what decisions are made by. */
static void run_causes(void)
{
	static const struct {
		const char *name, *doc, *code, *target;
	} causes[] = {
		{ "cause: its code and target",
		  "{\"error\":{\"code\":\"InvalidParameter\","
		  "\"message\":\"m\",\"target\":\"instanceIds\"}}",
		  "InvalidParameter", "instanceIds" },
		{ "cause: the innermost",
		  "{\"error\":{\"code\":\"C\",\"details\":[{\"code\":"
		  "\"D\",\"target\":\"t\",\"message\":\"m\"}]}}",
		  "D", "t" },
		{ "cause: the first of several",
		  "{\"error\":{\"details\":[{},{\"code\":\"D\"},"
		  "{\"code\":\"E\",\"target\":\"t\"}]}}",
		  "D", "" },
		{ "cause: of two details, one with the code",
		  "{\"details\":[{\"message\":\"m\"},{\"code\":\"D\"}]}", "D",
		  "" },
		{ "cause: figures are none",
		  "{\"code\":\"C\",\"message\":\"m\",\"details\":[{\"code\":\"D\","
		  "\"target\":\"t\",\"message\":\"{\\\"n\\\":1}\"}]}",
		  "C", "" },
		{ "cause: with blanks",
		  "{\"code\":\" C \",\"message\":\"m\",\"target\":\"t \"}", "C",
		  "t" },
		{ "cause: inside of a message",
		  "{\"code\":\"C\",\"message\":\"{\\\"code\\\":"
		  "\\\"D\\\",\\\"message\\\":\\\"m\\\"}\"}",
		  "D", "" },
		{ "cause: a quota of cores",
		  "{\"code\":\"OperationNotAllowed\",\"message\":"
		  "\"exceeding approved Total Regional Cores quota.\"}",
		  "QuotaExceeded", "" },
		{ "cause: a quota, as older answers say it",
		  "{\"code\":\"OperationNotAllowed\","
		  "\"message\":\"Quota of Core. Maximum allowed: 100\"}",
		  "QuotaExceeded", "" },
		{ "cause: not allowed, and no quota",
		  "{\"code\":\"OperationNotAllowed\","
		  "\"message\":\"it is being deleted\"}",
		  "OperationNotAllowed", "" },
		{ "cause: another code with a quota",
		  "{\"code\":\"DeploymentQuotaExceeded\","
		  "\"message\":\"the quota of 800\"}",
		  "DeploymentQuotaExceeded", "" },
		{ "cause: a message alone", "{\"message\":\"m\"}", "", "" },
		{ "cause: none", NULL, "", "" },
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		struct err e = ERR_INIT, with_head = ERR_INIT, bad = ERR_INIT;
		cJSON *doc = causes[i].doc ? json_parse(str_of(causes[i].doc),
							"row", &bad) :
					     NULL;
		struct http_head h = { .status = 400 };

		azure_error_doc(doc, &e);
		azure_error(&h, doc, STR("x"), &with_head);
		check(strcmp(e.code, causes[i].code) == 0 &&
			      strcmp(e.target, causes[i].target) == 0 &&
			      strcmp(with_head.code, e.code) == 0 &&
			      strcmp(with_head.target, e.target) == 0,
		      causes[i].name, e.code);
		json_free(doc);
	}
}

/* ---- Retry-After --------------------------------------------------------- */

static void run_retry_after(void)
{
	/* "now" is 784111777, Sun, 06 Nov 1994 08:49:37 GMT */
	static const struct {
		const char *name, *fields;
		int64_t want;
	} rows[] = {
		{ "absent", "", -1 },
		{ "seconds", "Retry-After: 7\r\n", 7 },
		{ "zero", "Retry-After: 0\r\n", 0 },
		{ "any case, blanks", "retry-AFTER: \t 12 \r\n", 12 },
		{ "as long as we allow", "Retry-After: 300\r\n", 300 },
		{ "longer than we allow", "Retry-After: 301\r\n", 300 },
		{ "a century", "Retry-After: 3155760000\r\n", 300 },
		{ "more than a number holds",
		  "Retry-After: 99999999999999999999999\r\n", -1 },
		{ "negative", "Retry-After: -5\r\n", -1 },
		{ "a fraction", "Retry-After: 1.5\r\n", -1 },
		{ "hexadecimal", "Retry-After: 0x10\r\n", -1 },
		{ "empty", "Retry-After:\r\n", -1 },
		{ "words", "Retry-After: soon\r\n", -1 },
		{ "date", "Retry-After: Sun, 06 Nov 1994 08:51:07 GMT\r\n", 90 },
		{ "date, RFC 850",
		  "Retry-After: Sunday, 06-Nov-94 08:51:07 GMT\r\n", 90 },
		{ "date, asctime", "Retry-After: Sun Nov  6 08:51:07 1994\r\n",
		  90 },
		{ "date of now",
		  "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0 },
		{ "date in the past",
		  "Retry-After: Fri, 31 Dec 1993 23:59:59 GMT\r\n", 0 },
		{ "date in a year",
		  "Retry-After: Mon, 06 Nov 1995 08:49:37 GMT\r\n", 300 },
		{ "date that is none",
		  "Retry-After: Sun, 31 Feb 1994 08:51:07 GMT\r\n", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct paper p;
		char name[100], why[100];
		int64_t got;

		paper_make(&p, 429, rows[i].fields, NULL);
		got = http_retry_after_s(&p.r.http.head, 784111777);
		snprintf(name, sizeof(name), "Retry-After: %s", rows[i].name);
		snprintf(why, sizeof(why), "%lld, not %lld", (long long)got,
			 (long long)rows[i].want);
		check(got == rows[i].want, name, why);
		paper_free(&p);
	}
}

/* ---- what all scripted rows share ----------------------------------------- */

#define R "/subscriptions/S/x?api-version=1"
#define OP ARM "/subscriptions/S/op/1?c=1&monitor=true"
#define GET_R "GET " R
#define PUT_R "PUT " R
#define POST_R "POST " R
#define DELETE_R "DELETE " R
#define GET_OP "GET " OP
#define ASYNC "Azure-AsyncOperation: " OP "\r\n"
#define LOCATION "Location: " OP "\r\n"
#define RUNNING "{\"status\":\"InProgress\"}"
#define SUCCEEDED "{\"status\":\"Succeeded\"}"
#define THING \
	"{\"id\":\"thing\",\"properties\":{\"provisioningState\":\"Succeeded\"}}"
#define CREATING \
	"{\"id\":\"thing\",\"properties\":{\"provisioningState\":\"Creating\"}}"
#define SOME_BODY "{\"tags\":{\"a\":\"b\"}}"

/* What is wanted of a call or a wait. */
struct wanted {
	enum err_kind kind; /* ERR_NONE: success */
	const char *words;  /* of the message */
	const char *final;  /* words of the last answer's body */
	const char *waits;
	unsigned dials;	 /* of the ARM host, 0: any number */
	unsigned status; /* of the last answer, 0: any */
};

static void check_outcome(const char *name, struct rig *g, int rc,
			  const struct azure_reply *last, const struct err *e,
			  const struct wanted *w)
{
	struct buf why = BUF_INIT(1u << 20);
	const char *body = last->http.body.n ? last->http.body.str : "";

	if (!double_content(&g->d, &why))
		;
	else if (rc != (w->kind == ERR_NONE ? 0 : -1) || e->kind != w->kind)
		buf_addf(&why, "rc %d, kind %d not %d: %s", rc, e->kind,
			 w->kind, e->msg);
	else if (w->words != NULL && !holds(e->msg, w->words, &why))
		;
	else if (strstr(e->msg, "it is unknown whether") != NULL &&
		 !err_is(e, AZURE_OUTCOME_UNKNOWN))
		buf_addf(&why, "code \"%s\"", e->code);
	else if (w->final != NULL && !holds(body, w->final, &why))
		;
	else if (w->waits != NULL && !waits_were(w->waits, &why))
		;
	else if (w->dials != 0 && dials_of(&g->d, ARM_HOST) != w->dials)
		buf_addf(&why, "%u connections, not %u",
			 dials_of(&g->d, ARM_HOST), w->dials);
	else if (w->status != 0 && last->http.head.status != w->status)
		buf_addf(&why, "status %u, not %u", last->http.head.status,
			 w->status);
	else if (!keeps_secrets(e->msg) || !keeps_secrets(g->told.str))
		buf_adds(&why, "a secret in a message");
	check_why(name, why.str);
	buf_release(&why);
}

/* ---- azure_call ---------------------------------------------------------- */

#define BUSY \
	"{\"error\":{\"code\":\"AnotherOperationInProgress\",\"message\":\"not now\"}}"
#define UNREGISTERED \
	"{\"error\":{\"code\":\"MissingSubscriptionRegistration\",\"message\":" \
	"\"The subscription is not registered to use namespace 'Microsoft.Compute'. See " \
	"https://aka.ms/rps-not-found\",\"details\":[{\"code\":" \
	"\"MissingSubscriptionRegistration\",\"target\":\"Microsoft.Compute\"," \
	"\"message\":\"The subscription is not registered to use " \
	"namespace 'Microsoft.Compute'. See https://aka.ms/rps-not-found\"}]}}"
#define REGISTER \
	"POST /subscriptions/S/providers/Microsoft.Compute/register?api-version=2021-04-01"
#define PROVIDER \
	"GET /subscriptions/S/providers/Microsoft.Compute?api-version=2021-04-01"
#define REGISTERING "{\"registrationState\":\"Registering\"}"
#define REGISTERED "{\"registrationState\":\"Registered\"}"
#define FAILING(code, text) \
	"{\"error\":{\"code\":\"" code "\",\"message\":\"" text "\"}}"

#define CLAIMS_64 \
	"eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlcyI6WyJwMSJdfX19"
#define CLAIMS_FORM \
	"claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C" \
	"%22values%22%3A%5B%22p1%22%5D%7D%7D%7D"
#define CHALLENGE(claims) \
	"WWW-Authenticate: Bearer realm=\"\", authorization_uri=\"" LOGIN \
	"/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"" claims \
	"\"\r\n"
#define MFA \
	FAILING("RequestDisallowedByPolicy", \
		"Resource was disallowed by policy. Users must " \
		"authenticate with multi-factor authentication to create or update resources.")
#define POLICY_TOKEN \
	"POST /subscriptions/S/providers/Microsoft.Authorization/acquirePolicyToken" \
	"?api-version=2025-11-01"
#define DENIED \
	"{\"error\":{\"code\":\"RequestDisallowedByPolicy\",\"message\":\"denied\"," \
	"\"additionalInfo\":[{\"type\":\"PolicyViolation\",\"info\":{" \
	"\"policyDefinitionDisplayName\":\"Ask first\",\"policyAssignmentName\":\"a1\"," \
	"\"evaluationDetails\":{\"missingPolicyTokenDetails\":{\"shouldDeny\":true," \
	"\"isChangeReferenceRequired\":false,\"endpointKind\":\"AzureResourceGraph\"}}}}]}}"

static const struct call_row {
	const char *name, *method, *path, *body;
	unsigned flags;
	struct act acts[ROW_ACTS];
	struct wanted want;
} call_rows[] = {
	{ "GET",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 200, .body = THING,
	      .words = "Accept: application/json|!Content-Length|"
		       "!Content-Type|User-Agent: azswarm" } },
	  { .final = "thing", .waits = "", .dials = 1, .status = 200 } },
	{ "POST without a body says so",
	  "POST",
	  R,
	  NULL,
	  0,
	  { { POST_R, 204, .words = "Content-Length: 0\r\n|!Content-Type" } },
	  { .final = "", .waits = "", .status = 204 } },
	{ "PUT with a body",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 201, .body = THING,
	      .words = "Content-Type: application/json\r\n|\r\n\r\n" SOME_BODY } },
	  { .status = 201 } },
	{ "an absolute URL that Azure gave",
	  "GET",
	  OP,
	  NULL,
	  0,
	  { { GET_OP, 200 } },
	  { .waits = "" } },
	{ "a region of the ARM host",
	  "GET",
	  "https://eastus." ARM_HOST "/x",
	  NULL,
	  0,
	  { { "GET https://eastus." ARM_HOST "/x", 200 } },
	  { .waits = "" } },

	/* our token goes nowhere else */
	{ "another host",
	  "GET",
	  "https://evil.test/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_PROTO, "a URL on evil.test; our token only goes to " ARM_HOST,
	    .waits = "" } },
	{ "a host that ends like ARM's",
	  "GET",
	  "https://evil" ARM_HOST "/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_PROTO, "only goes to", .waits = "" } },
	{ "a host that begins like ARM's",
	  "GET",
	  ARM ".evil.test/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_PROTO, "only goes to", .waits = "" } },
	{ "another port",
	  "GET",
	  ARM ":8443/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_PROTO, "only goes to", .waits = "" } },
	{ "without TLS",
	  "GET",
	  "http://" ARM_HOST ":443/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_PROTO, "only goes to", .waits = "" } },
	{ "ARM's host as a user name",
	  "GET",
	  ARM "@evil.test/x",
	  NULL,
	  0,
	  { { NULL } },
	  { ERR_DATA, "a URL with a user name", .waits = "" } },

	/* 401 */
	{ "a token that was revoked",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 401, .words = TOKEN_1 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_R, 200, .body = THING, .words = TOKEN_2 "|!" TOKEN_1 } },
	  { .final = "thing", .waits = "", .dials = 1 } },
	{ "a new token is refused, too",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 401 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_R, 401, IDS, FAILING("InvalidAuthenticationToken", "no") } },
	  { ERR_AUTH, "InvalidAuthenticationToken: no [HTTP 401|request req-1",
	    .waits = "" } },
	{ "a revoked token and no sign-in",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 401 },
	    { ASK_TOKEN, 400, .body = "{\"error\":\"invalid_client\"}" } },
	  { ERR_AUTH, "invalid_client", .waits = "" } },
	{ "sign-in cannot be reached: ARM is not tried",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 401 }, { ASK_TOKEN, .then = NO_DIAL, .times = 4 } },
	  { ERR_NET, "sign-in|connection refused", .waits = "500m 1 2" } },

	/* claims: MFA, conditional access, a token revoked (base64 of CLAIMS) */
	{ "claims are asked for",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 401, CHALLENGE(CLAIMS_64), MFA, .words = TOKEN_1 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = CLAIMS_FORM },
	    { PUT_R, 200, .body = THING, .words = TOKEN_2 "|" SOME_BODY } },
	  { .final = "thing", .waits = "", .dials = 1 } },
	{ "claims once are asked for once",
	  "PUT",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { PUT_R, 401, CHALLENGE(CLAIMS_64), MFA },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = CLAIMS_FORM },
	    { PUT_R, 401, CHALLENGE(CLAIMS_64), MFA } },
	  { ERR_AUTH, "RequestDisallowedByPolicy: |multi-factor", .waits = "" } },
	{ "an old token first, then claims",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 401 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = "!claims" },
	    { PUT_R, 401, CHALLENGE(CLAIMS_64), MFA },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = CLAIMS_FORM },
	    { PUT_R, 200, .body = THING } },
	  { .final = "thing", .waits = "" } },
	{ "claims with a 403",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, CHALLENGE(CLAIMS_64), MFA },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = CLAIMS_FORM },
	    { PUT_R, 200 } },
	  { .waits = "" } },
	{ "claims that are none",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 401, CHALLENGE("bm90IEpTT04=") },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = "!claims" },
	    { GET_R, 200 } },
	  { .waits = "" } },
	{ "claims and no sign-in with them",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 401, CHALLENGE(CLAIMS_64), MFA },
	    { ASK_TOKEN, 400,
	      .body = "{\"error\":\"interaction_required\","
		      "\"error_description\":\"AADSTS50076: MFA\"}" } },
	  { ERR_AUTH, "interaction_required|AADSTS50076", .waits = "" } },

	/* policies that ask somebody else first */
	{ "a policy token",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, IDS, DENIED, .words = "!external-evaluations" },
	    { POLICY_TOKEN, 200,
	      .body = "{\"result\":\"Succeeded\",\"token\":\"PoP abc\"}",
	      .words = "x-ms-force-sync: true|\r\n\r\n{\"operation\":{\"uri\":\"" ARM R
		       "\","
		       "\"httpMethod\":\"PUT\",\"content\":" SOME_BODY "}}" },
	    { PUT_R, 201, .body = THING,
	      .words = "x-ms-policy-external-evaluations: PoP abc\r\n|!force-sync|" SOME_BODY } },
	  { .status = 201, .waits = "", .dials = 1 } },
	{ "a policy token for a request without a body",
	  "DELETE",
	  R,
	  NULL,
	  0,
	  { { DELETE_R, 403, .body = DENIED },
	    { POLICY_TOKEN, 200, .body = "{\"token\":\"PoP abc\"}",
	      .words = "!content\"" },
	    { DELETE_R, 200, .words = "evaluations: PoP abc" } },
	  { .waits = "" } },
	{ "a policy token that does not help",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, .body = DENIED },
	    { POLICY_TOKEN, 200, .body = "{\"token\":\"t\"}" },
	    { PUT_R, 403, IDS, DENIED } },
	  { ERR_AZURE,
	    "RequestDisallowedByPolicy (policy \"Ask first\", assignment \"a1\"): "
	    "denied|request req-1|!PoP",
	    .waits = "" } },
	{ "a policy token goes with its request only, and stays with it",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, .body = DENIED },
	    { POLICY_TOKEN, 200, .body = "{\"token\":\"PoP abc\"}" },
	    { PUT_R, 409, .body = UNREGISTERED, .words = "evaluations: PoP abc" },
	    { REGISTER, 200, .body = REGISTERED, .words = "!evaluations" },
	    { PUT_R, 200, .words = "evaluations: PoP abc" } },
	  { .waits = "" } },
	{ "no policy token is given",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, IDS, DENIED },
	    { POLICY_TOKEN, 200,
	      .body = "{\"result\":\"Failed\",\"results\":[]}" } },
	  { ERR_AZURE, "RequestDisallowedByPolicy|denied|request req-1",
	    .waits = "" } },
	{ "a policy token is refused",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, IDS, DENIED }, { POLICY_TOKEN, 403, .body = DENIED } },
	  { ERR_AZURE, "RequestDisallowedByPolicy|denied|request req-1",
	    .waits = "" } },
	{ "a policy token that is no header",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, .body = DENIED },
	    { POLICY_TOKEN, 200, .body = "{\"token\":\"a\\r\\nX: y\"}" } },
	  { ERR_DATA,
	    "control characters in header field x-ms-policy-external-evaluations",
	    .waits = "" } },
	{ "reads need no policy token",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 403, .body = DENIED } },
	  { ERR_AZURE, "RequestDisallowedByPolicy", .waits = "" } },
	{ "a policy that wants no token",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 403, .body = FAILING("RequestDisallowedByPolicy", "never") } },
	  { ERR_AZURE, "RequestDisallowedByPolicy: never", .waits = "" } },

	/* throttled, or not well */
	{ "429 with Retry-After",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, "Retry-After: 17\r\n" }, { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "17", .dials = 1 } },
	{ "429 with a date",
	  "GET",
	  R,
	  NULL,
	  0, /* the clock began at 15:06:40 and 1000 s */
	  { { GET_R, 429, "Retry-After: Sun, 15 Jun 2025 15:23:50 GMT\r\n" },
	    { GET_R, 200 } },
	  { .waits = "30" } },
	{ "429 without",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429 }, { GET_R, 200 } },
	  { .waits = "~1" } },
	{ "429 that wants a century",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, "Retry-After: 3155760000\r\n" }, { GET_R, 200 } },
	  { .waits = "300" } },
	{ "429 that wants what can be waited for",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, "Retry-After: 600\r\n" }, { GET_R, 200 } },
	  { .waits = "600" } },
	{ "429 that wants twenty minutes",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, IDS "Retry-After: 1200\r\n",
	      FAILING("TooManyRequests", "Too many.") } },
	  { ERR_TIMEOUT,
	    "Azure throttles us for 20 min; this command may be run again then: "
	    "TooManyRequests: Too many. [HTTP 429, request req-1",
	    .waits = "" } },
	{ "429 that wants too much in all",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 429, "Retry-After: 600\r\n", .times = 2 } },
	  { ERR_TIMEOUT, "Azure throttles us for 10 min; ", .waits = "600" } },
	{ "503 that wants twenty minutes",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 503, "Retry-After: 1200\r\n" }, { GET_R, 200 } },
	  { .waits = "300" } },
	{ "429 for ever",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, .body = FAILING("TooManyRequests", "slow down"),
	      .times = ARM_TRIES } },
	  { ERR_AZURE, "TooManyRequests: slow down [HTTP 429",
	    .waits = "~1 ~2 ~4 ~8", .dials = 1 } },
	{ "429 for ever, at once",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 429, "Retry-After: 0\r\n", .times = ARM_TRIES } },
	  { ERR_AZURE, "HTTP 429", .waits = "0 x4" } },
	{ "each status that passes",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 500 },
	    { GET_R, 502 },
	    { GET_R, 504 },
	    { GET_R, 408 },
	    { GET_R, 200 } },
	  { .waits = "~1 ~2 ~4 ~8", .dials = 1 } },
	{ "503 for ever",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 503, .words = SOME_BODY, .times = ARM_TRIES } },
	  { ERR_AZURE, "HTTP 503 Service Unavailable", .waits = "~1 ~2 ~4 ~8" } },
	{ "501 is final",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 501 } },
	  { ERR_AZURE, "HTTP 501", .waits = "" } },
	{ "400 is final",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 400, IDS, FAILING("Bad", "so") } },
	  { ERR_AZURE, "Bad: so [HTTP 400, request req-1, correlation corr-1]",
	    .waits = "" } },
	{ "403 is final",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 403 } },
	  { ERR_AZURE, "HTTP 403", .waits = "" } },
	{ "404 is final",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 404 } },
	  { ERR_AZURE, "HTTP 404", .waits = "" } },
	{ "404 when it may be missing",
	  "GET",
	  R,
	  NULL,
	  AZURE_MISSING_OK,
	  { { GET_R, 404, .body = FAILING("ResourceNotFound", "no") } },
	  { .final = "ResourceNotFound", .status = 404, .waits = "" } },
	{ "412 is final",
	  "PUT",
	  R,
	  NULL,
	  0,
	  { { PUT_R, 412 } },
	  { ERR_AZURE, "HTTP 412", .waits = "" } },
	{ "a redirection is not followed",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 302, "Location: https://evil.test/\r\n" } },
	  { ERR_AZURE, "HTTP 302", .waits = "" } },

	/* connections */
	{ "connection refused, then not",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, .then = NO_DIAL, .times = 2 }, { GET_R, 200 } },
	  { .waits = "~1 ~2" } },
	{ "connection refused for ever",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, .then = NO_DIAL, .times = ARM_TRIES } },
	  { ERR_NET, ARM_HOST "|connection refused", .waits = "~1 ~2 ~4 ~8",
	    .dials = ARM_TRIES } },
	{ "no answer, then one",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, .then = NO_ANSWER }, { PUT_R, 200, .words = SOME_BODY } },
	  { .waits = "~1" } },
	{ "reset, then an answer",
	  "POST",
	  R,
	  NULL,
	  0,
	  { { POST_R, .then = RESET }, { POST_R, 200 } },
	  { .waits = "~1" } },
	{ "answers cut short for ever",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 200, .body = THING, .then = CUT_BODY, .times = ARM_TRIES } },
	  { ERR_PROTO, "ended early", .waits = "~1 ~2 ~4 ~8", .dials = ARM_TRIES } },
	{ "a header cut short",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 200, .body = THING, .then = CUT_HEAD },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "~1" } },
	{ "no HTTP at all",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, .raw = "SSH-2.0-x\r\n", .times = ARM_TRIES, .then = HANG_UP } },
	  { ERR_PROTO, ARM_HOST, .waits = "~1 ~2 ~4 ~8" } },
	{ "silence",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, .then = SILENCE } },
	  { ERR_TIMEOUT, "timed out", .waits = "" } },

	{ "a body that trickles",
	  "GET",
	  R,
	  NULL,
	  0,
	  { { GET_R, 200, .body = THING, .then = DRIP } },
	  { ERR_TIMEOUT, ARM_HOST "|the answer took too long", .waits = "" } },
	{ "HTML where JSON should be",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 200, "Content-Type: text/html\r\n",
	      "<html>sign in first</html>" },
	    { PUT_R, 200, .body = THING } },
	  { .final = "thing", .waits = "~1", .dials = 1 } },
	{ "HTML where JSON should be, for ever",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 200, .body = "<html>sign in first</html>",
	      .times = ARM_TRIES } },
	  { ERR_PROTO, "HTTP 200 and not JSON: <html>sign in first",
	    .waits = "~1 ~2 ~4 ~8" } },

	/* what must not be done twice */
	{ "once: no answer",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, .then = NO_ANSWER } },
	  { ERR_NET, "it is unknown whether Azure took this: " ARM_HOST,
	    .waits = "" } },
	{ "once: reset",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, .then = RESET } },
	  { ERR_NET, "is unknown whether|reset by peer", .waits = "" } },
	{ "once: answer cut short",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 200, .body = THING, .then = CUT_BODY } },
	  { ERR_PROTO, "ended early", .waits = "" } },
	{ "once: connection refused",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, .then = NO_DIAL } },
	  { ERR_NET, "connection refused|!unknown", .waits = "" } },
	{ "once: 500",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 500 } },
	  { ERR_AZURE, "HTTP 500", .waits = "" } },
	{ "once: 502",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 502 } },
	  { ERR_AZURE, "HTTP 502", .waits = "" } },
	{ "once: 504",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 504 } },
	  { ERR_AZURE, "HTTP 504", .waits = "" } },
	{ "once: 408",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 408 } },
	  { ERR_AZURE, "HTTP 408", .waits = "" } },
	{ "once: what was turned away may come again",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 429, "Retry-After: 3\r\n" },
	    { POST_R, 503, "Retry-After: 2\r\n" },
	    { POST_R, 429 },
	    { POST_R, 202 } },
	  { .status = 202, .waits = "3 2 ~4" } },
	{ "once: 503 that does not say when",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 503 } },
	  { ERR_AZURE, "HTTP 503", .waits = "" } },
	{ "once: a token that was revoked",
	  "POST",
	  R,
	  SOME_BODY,
	  AZURE_ONCE,
	  { { POST_R, 401 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { POST_R, 202 } },
	  { .status = 202, .waits = "" } },

	/* another operation is on its way */
	{ "busy, then not",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = BUSY, .times = 3 },
	    { PUT_R, 200, .words = SOME_BODY } },
	  { .waits = "10 x3", .dials = 1 } },
	{ "busy says for how long",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, "Retry-After: 25\r\n", BUSY }, { PUT_R, 200 } },
	  { .waits = "25" } },
	{ "busy, in a hurry",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, "Retry-After: 0\r\n", BUSY }, { PUT_R, 200 } },
	  { .waits = "10" } },
	{ "busy for ever",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = BUSY, .times = 31 } },
	  { ERR_AZURE, "AnotherOperationInProgress: not now [HTTP 409",
	    .waits = "10 x30" } },
	{ "busy, as storage says it",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409,
	      .body = FAILING("StorageAccountOperationInProgress", "x") },
	    { PUT_R, 200 } },
	  { .waits = "10" } },
	{ "busy, as network says it",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 429,
	      .body = FAILING("RetryableErrorDueToAnotherOperation", "x"),
	      .times = 8 },
	    { PUT_R, 200 } },
	  { .waits = "10 x8" } },
	{ "not provisioned yet",
	  "POST",
	  R,
	  NULL,
	  0,
	  { { "POST " R, 409,
	      .body = FAILING("StorageAccountIsNotProvisioned", "x") },
	    { "POST " R, 200 } },
	  { .waits = "10" } },
	{ "a conflict that is none of time",
	  "PATCH",
	  R,
	  SOME_BODY,
	  0,
	  { { "PATCH " R, 409, .body = FAILING("Conflict", "It is reserved."),
	      .times = 7 } },
	  { ERR_AZURE, "Conflict: It is reserved. [HTTP 409", .waits = "10 x6" } },
	{ "busy code with blanks",
	  "PUT",
	  R,
	  NULL,
	  0,
	  { { PUT_R, 409, .body = "{\"error\":{\"code\":\" DeploymentActive \"}}" },
	    { PUT_R, 200 } },
	  { .waits = "10" } },
	{ "busy code in any case",
	  "PUT",
	  R,
	  NULL,
	  0,
	  { { PUT_R, 409, .body = "{\"Error\":{\"Code\":\"deploymentactive\"}}" },
	    { PUT_R, 200 } },
	  { .waits = "10" } },
	{ "409 that is no matter of time",
	  "PUT",
	  R,
	  NULL,
	  0,
	  { { PUT_R, 409,
	      .body = FAILING("StorageAccountAlreadyTaken", "by others") } },
	  { ERR_AZURE, "StorageAccountAlreadyTaken: by others", .waits = "" } },
	{ "409 when conflicts are fine",
	  "PUT",
	  R,
	  NULL,
	  AZURE_CONFLICT_OK,
	  { { PUT_R, 409, .body = BUSY } },
	  { .status = 409, .waits = "" } },

	/* a resource provider that is not registered */
	{ "provider registered on the way",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 200, .body = REGISTERING },
	    { PROVIDER, 200, .body = REGISTERING, .times = 2 },
	    { PROVIDER, 200, .body = REGISTERED },
	    { PUT_R, 200, .body = THING, .words = SOME_BODY } },
	  { .final = "thing", .waits = "10 x3", .dials = 1 } },
	{ "provider registered at once",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 200, .body = REGISTERED },
	    { PUT_R, 200 } },
	  { .waits = "" } },
	{ "provider named behind an apostrophe",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409,
	      .body = FAILING(
		      "MissingSubscriptionRegistration",
		      "It isn't registered to use namespace 'Microsoft.Compute'.") },
	    { REGISTER, 200, .body = REGISTERED },
	    { PUT_R, 200 } },
	  { .waits = "" } },
	{ "provider named as target only",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409,
	      .body = "{\"error\":{\"code\":\"MissingSubscriptionRegistration\","
		      "\"message\":\"Not registered.\",\"details\":[{\"target\":\"Microsoft.Compute\","
		      "\"message\":\"no\"}]}}" },
	    { REGISTER, 200, .body = REGISTERED },
	    { PUT_R, 200 } },
	  { .waits = "" } },
	{ "provider still not registered after that",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 200, .body = REGISTERED },
	    { PUT_R, 409, .body = UNREGISTERED } },
	  { ERR_AZURE, "MissingSubscriptionRegistration: The subscription is not",
	    .waits = "" } },
	{ "registering takes for ever",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 200, .body = REGISTERING },
	    { PROVIDER, 200, .body = REGISTERING, .times = EVER } },
	  { ERR_TIMEOUT,
	    "registering resource provider Microsoft.Compute|still Registering after 10" } },
	{ "registering is not allowed",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 403, .body = FAILING("AuthorizationFailed", "no right") } },
	  { ERR_AZURE,
	    "registering resource provider Microsoft.Compute: AuthorizationFailed: no right",
	    .waits = "" } },
	{ "registering wants registering",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409, .body = UNREGISTERED },
	    { REGISTER, 409, .body = UNREGISTERED } },
	  { ERR_AZURE, "registering resource provider Microsoft.Compute: Missing",
	    .waits = "" } },
	{ "only the name goes into the URL",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409,
	      .body = FAILING("MissingSubscriptionRegistration",
			      "namespace 'Microsoft.Compute/../../x?y=z'") },
	    { REGISTER, 200, .body = REGISTERED },
	    { PUT_R, 200 } },
	  { .waits = "" } },
	{ "a provider's name that is none",
	  "PUT",
	  R,
	  SOME_BODY,
	  0,
	  { { PUT_R, 409,
	      .body = FAILING(
		      "MissingSubscriptionRegistration",
		      "namespace 'Contoso.X', 'Microsoft.' or 'Microsoft...'") } },
	  { ERR_AZURE, "MissingSubscriptionRegistration", .waits = "" } },
};

/* ---- challenges ---- */

#define P1 \
	"{\"a\":\"?" \
	"?>\"}" /* eyJhIjoiPz8+In0= has a letter of its own in each alphabet */

static const struct {
	const char *name, *fields, *want; /* NULL: none */
} claims_rows[] = {
	{ "as Azure sends them", CHALLENGE("eyJhIjoiPz8+In0="), P1 },
	{ "the other alphabet", CHALLENGE("eyJhIjoiPz8-In0="), P1 },
	{ "without padding", CHALLENGE("eyJhIjoiPz8-In0"), P1 },
	{ "without quotes",
	  "WWW-Authenticate: Bearer claims=eyJhIjoiPz8-In0\r\n", P1 },
	{ "without quotes, padded",
	  "WWW-Authenticate: Bearer claims=eyJhIjoiPz8+In0=, a=b\r\n", P1 },
	{ "blanks around =",
	  "www-authenticate: Bearer error = \"x\" ,\tCLAIMS = \"eyJhIjoiPz8-In0\"\r\n",
	  P1 },
	{ "in the second challenge",
	  "WWW-Authenticate: Negotiate YII==, Bearer realm=\"\", "
	  "claims=\"eyJhIjoiPz8-In0\"\r\n",
	  P1 },
	{ "in the second field",
	  "WWW-Authenticate: Bearer realm=\"\"\r\nDate: x\r\n" CHALLENGE(
		  "eyJhIjoiPz8-In0"),
	  P1 },
	{ "behind claims that are none",
	  CHALLENGE("AAAA") CHALLENGE("eyJhIjoiPz8-In0"), P1 },
	{ "not inside of a text",
	  "WWW-Authenticate: Bearer realm=\", claims=\\\"eyJhIjoiPz8-In0\\\"\"\r\n",
	  NULL },
	{ "not another field",
	  "X-Authenticate: Bearer claims=\"eyJhIjoiPz8-In0\"\r\n", NULL },
	{ "none", "WWW-Authenticate: Bearer realm=\"\"\r\n", NULL },
	{ "empty", CHALLENGE(""), NULL },
	{ "not base64", CHALLENGE("%%%%"), NULL },
	{ "not an object", CHALLENGE("WzFd"), NULL },
	{ "a quote that does not end",
	  "WWW-Authenticate: Bearer claims=\"eyJhIjoiPz8-In0\r\n", P1 },
	{ "nothing but marks", "WWW-Authenticate: ==,,=\"\\\r\n", NULL },
};

static void run_claims(void)
{
	for (size_t i = 0; i < sizeof(claims_rows) / sizeof(*claims_rows); i++) {
		struct buf why = BUF_INIT(4096);
		struct paper p;
		char name[80], *got;

		paper_make(&p, 401, claims_rows[i].fields, NULL);
		got = azure_claims(&p.r.http.head);
		if ((got == NULL) != (claims_rows[i].want == NULL) ||
		    (got != NULL && strcmp(got, claims_rows[i].want) != 0))
			buf_addf(&why, "got %s", got ? got : "none");
		snprintf(name, sizeof(name), "claims: %s", claims_rows[i].name);
		check_why(name, why.str);
		free(got);
		buf_release(&why);
		paper_free(&p);
	}
}

static void run_call(const struct call_row *row, size_t piece, const char *suffix)
{
	struct rig g;
	struct azure_reply r = { 0 };
	struct err e = ERR_INIT, ignored = ERR_INIT;
	cJSON *body = row->body ? json_parse(str_of(row->body), "row", &ignored) :
				  NULL;
	char name[160];
	int rc;

	rig_open(&g, row->acts, NULL);
	g.d.piece = piece;
	rc = azure_call(&g.az, row->method, row->path, body, row->flags, &r, &e);
	snprintf(name, sizeof(name), "call: %s%s", row->name, suffix);
	check_outcome(name, &g, rc, &r, &e, &row->want);
	azure_reply_release(&r);
	json_free(body);
	rig_close(&g);
}

static void run_calls(void)
{
	for (size_t i = 0; i < sizeof(call_rows) / sizeof(*call_rows); i++)
		run_call(&call_rows[i], 0, "");
	/* where the network put its boundaries must not matter */
	for (size_t piece = 1; piece < 90; piece += 29) {
		char suffix[40];

		snprintf(suffix, sizeof(suffix), ", %zu bytes at a time", piece);
		run_call(&call_rows[0], piece, suffix);
	}
}

/* ---- what was made a moment ago ---- */

#define CHILD "/subscriptions/s/X/providers/y?api-version=2"
#define BESIDE "/subscriptions/S/xy?api-version=1"
#define GONE FAILING("ResourceGroupNotFound", "no such group")

/* R is made; then, so many seconds later, this is asked. */
static const struct {
	const char *name, *method, *path;
	unsigned flags;
	int later_s;
	struct act acts[4]; /* of what is asked */
	struct wanted want;
} made_rows[] = {
	{ "in what was made, 404 at first",
	  "PUT",
	  CHILD,
	  0,
	  0,
	  { { "PUT " CHILD, 404, .body = GONE, .times = 2 }, { "PUT " CHILD, 200 } },
	  { .waits = "1 2" } },
	{ "itself, 404 at first, where that is an answer",
	  "GET",
	  R,
	  AZURE_MISSING_OK,
	  0,
	  { { GET_R, 404, .body = GONE }, { GET_R, 200 } },
	  { .waits = "1" } },
	{ "in what was made, where 404 is an answer",
	  "GET",
	  CHILD,
	  AZURE_MISSING_OK,
	  0,
	  { { "GET " CHILD, 404, .body = GONE } },
	  { .status = 404, .waits = "" } },
	{ "404 until it is a minute old",
	  "GET",
	  CHILD,
	  0,
	  0,
	  { { "GET " CHILD, 404, .body = GONE, .times = 11 } },
	  { ERR_AZURE, "ResourceGroupNotFound: no such group",
	    .waits = "1 2 4 8 x7" } },
	{ "made long ago",
	  "GET",
	  CHILD,
	  0,
	  60,
	  { { "GET " CHILD, 404, .body = GONE } },
	  { ERR_AZURE, "ResourceGroupNotFound", .waits = "" } },
	{ "beside what was made",
	  "GET",
	  BESIDE,
	  0,
	  0,
	  { { "GET " BESIDE, 404, .body = GONE } },
	  { ERR_AZURE, "ResourceGroupNotFound", .waits = "" } },
};

static void run_made(void)
{
	for (size_t i = 0; i <= sizeof(made_rows) / sizeof(*made_rows); i++) {
		/* the last one: it was deleted in between */
		bool deleted = i == sizeof(made_rows) / sizeof(*made_rows);
		struct act acts[6] = { { PUT_R, 201 } };
		struct wanted want = { .status = 404, .waits = "" };
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		char name[80];
		struct rig g;
		int rc;

		if (deleted) {
			acts[1] = (struct act){ "DELETE " R, 200 };
			acts[2] = (struct act){ GET_R, 404, .body = GONE };
		} else {
			memcpy(acts + 1, made_rows[i].acts,
			       sizeof(made_rows[i].acts));
			want = made_rows[i].want;
		}
		rig_open(&g, acts, NULL);
		azure_call(&g.az, "PUT", R, NULL, 0, &r, &e);
		azure_reply_release(&r);
		if (deleted) {
			azure_call(&g.az, "DELETE", R, NULL, 0, &r, &e);
			azure_reply_release(&r);
			rc = azure_call(&g.az, "GET", R, NULL, AZURE_MISSING_OK,
					&r, &e);
		} else {
			fake.now += made_rows[i].later_s * 1000;
			rc = azure_call(&g.az, made_rows[i].method,
					made_rows[i].path, NULL,
					made_rows[i].flags, &r, &e);
		}
		snprintf(name, sizeof(name), "made: %s",
			 deleted ? "and deleted" : made_rows[i].name);
		check_outcome(name, &g, rc, &r, &e, &want);
		azure_reply_release(&r);
		rig_close(&g);
	}
}

/* The peer closed the connection after the last answer: a GET goes to a new
 * one without a word, what must not be done twice does not. */
static void run_stale(void)
{
	static const struct act again[] = { { GET_R, 200, .then = HANG_UP },
					    { GET_R, 200 },
					    { NULL } };
	static const struct act once[] = { { GET_R, 200, .then = HANG_UP },
					   { NULL } };

	for (int i = 0; i < 2; i++) {
		struct wanted want =
			i == 0 ? (struct wanted){ .waits = "", .dials = 2 } :
				 (struct wanted){ ERR_NET, ARM_HOST,
						  .waits = "", .dials = 1 };
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		int rc;

		rig_open(&g, i == 0 ? again : once, NULL);
		azure_call(&g.az, "GET", R, NULL, 0, &r, &e);
		azure_reply_release(&r);
		rc = azure_call(&g.az, i == 0 ? "GET" : "POST", R, NULL,
				i == 0 ? 0 : AZURE_ONCE, &r, &e);
		check_outcome(i == 0 ? "call: over a connection that has ended" :
				       "call: once, over a connection that has ended",
			      &g, rc, &r, &e, &want);
		azure_reply_release(&r);
		rig_close(&g);
	}
}

/* What the person is told while a request waits. */
static void run_told(void)
{
	static const struct {
		const char *name;
		struct act acts[4];
		const char *words;
	} rows[] = {
		{ "a conflict says at once what it is",
		  { { GET_R, 409, .body = FAILING("Conflict", "reserved"),
		      .times = 3 },
		    { GET_R, 200 } },
		  "note: Conflict: reserved\nwaiting for another operation" },
		{ "another operation needs no words",
		  { { GET_R, 409, .body = BUSY }, { GET_R, 200 } },
		  "!note: |waiting for another operation to finish" },
		{ "throttled for how long",
		  { { GET_R, 429, "Retry-After: 600\r\n" }, { GET_R, 200 } },
		  "waiting for Azure, which throttles us for 10 min since" },
		{ "throttled for a moment",
		  { { GET_R, 429, "Retry-After: 7\r\n" }, { GET_R, 200 } },
		  "which throttles us for 7 s since" },
		{ "not well",
		  { { GET_R, 503 }, { GET_R, 200 } },
		  "waiting for Azure, which is not well since" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf why = BUF_INIT(1u << 20);
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		const char *first;
		char name[100];

		rig_open(&g, rows[i].acts, NULL);
		azure_call(&g.az, "GET", R, NULL, 0, &r, &e);
		first = strstr(g.told.str, "note: ");
		if (!holds(g.told.str, rows[i].words, &why))
			;
		else if (first != NULL && strstr(first + 1, "note: ") != NULL)
			buf_addf(&why, "says it twice: %s", g.told.str);
		snprintf(name, sizeof(name), "told: %s", rows[i].name);
		check_why(name, why.str);
		azure_reply_release(&r);
		buf_release(&why);
		rig_close(&g);
	}
}

/* The tenant that a 401 names is the error's target. */
static void run_tenants(void)
{
#define OTHER(uri) \
	"WWW-Authenticate: Bearer authorization_uri=\"" uri "\", error=\"x\"\r\n"
#define ISSUER FAILING("InvalidAuthenticationTokenTenant", "wrong issuer")
	static const struct {
		const char *name, *fields, *body, *target;
	} rows[] = {
		{ "as Azure names it",
		  OTHER("https://login.windows.net/2222-22"), ISSUER, "2222-22" },
		{ "with a path behind it",
		  OTHER("https://login.test/a.example/oauth2/authorize"),
		  ISSUER, "a.example" },
		{ "no name", OTHER("https://login.test/a%3b"), ISSUER, "" },
		{ "no URL", OTHER("2222-22"), ISSUER, "" },
		{ "no path", OTHER("https://login.test"), ISSUER, "" },
		{ "no challenge", NULL, ISSUER, "" },
		{ "another code", OTHER("https://login.windows.net/2222-22"),
		  FAILING("ExpiredAuthenticationToken", "old"), "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct act acts[] = {
			{ GET_R, 401, rows[i].fields, rows[i].body },
			{ ASK_TOKEN, 200, .body = TOKEN_2_BODY },
			{ GET_R, 401, rows[i].fields, rows[i].body },
			{ NULL }
		};
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		char name[100];

		rig_open(&g, acts, NULL);
		azure_call(&g.az, "GET", R, NULL, 0, &r, &e);
		snprintf(name, sizeof(name), "tenant: %s", rows[i].name);
		check_same(e.target, rows[i].target, name);
		checkf(e.kind == ERR_AUTH, name, "%s", e.msg);
		azure_reply_release(&r);
		rig_close(&g);
	}
}

/* Every code that says "another operation", and with which status. */
static void run_busy_codes(void)
{
	static const char *const codes[] = {
		"AnotherOperationInProgress",
		"OperationPreempted",
		"Conflict",
		"ConflictingConcurrentWriteNotAllowed",
		"DeploymentActive",
		"ResourceGroupBeingDeleted",
		"RetryableError",
		"RetryableErrorDueToAnotherOperation",
		"StorageAccountOperationInProgress",
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		for (unsigned status = 409; status <= 429; status += 20) {
			char *body = xasprintf(
				"{\"error\":{\"code\":\"%s\",\"message\":\"m\"}}",
				codes[i]);
			char *name = xasprintf("busy: %u %s", status, codes[i]);
			const struct call_row row = {
				name,
				"PUT",
				R,
				SOME_BODY,
				0,
				{ { PUT_R, status, .body = body, .times = 6 },
				  { PUT_R, 200 } },
				{ .waits = "10 x6" },
			};

			/* more times than anything else would be tried */
			run_call(&row, 0, "");
			free(body);
			free(name);
		}
}

/* Each status by itself: does it pass? */
static void run_statuses(void)
{
	static const struct {
		unsigned status;
		bool passes;
	} rows[] = {
		{ 400, false }, { 402, false }, { 403, false }, { 404, false },
		{ 405, false }, { 408, true },	{ 409, false }, { 410, false },
		{ 412, false }, { 413, false }, { 423, false }, { 429, true },
		{ 500, true },	{ 501, false }, { 502, true },	{ 503, true },
		{ 504, true },	{ 505, false }, { 511, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *name = xasprintf("a call and %u", rows[i].status);
		struct call_row row = {
			name,
			"GET",
			R,
			NULL,
			0,
			{ { GET_R, rows[i].status } },
			{ ERR_AZURE, "HTTP ", .waits = "" },
		};

		if (rows[i].passes) {
			row.acts[1] = (struct act){ GET_R, 200 };
			row.want = (struct wanted){ .waits = "~1" };
		}
		run_call(&row, 0, "");
		free(name);
	}
}

/* Ctrl-C in each wait of a call. */
static void run_call_interrupted(void)
{
	static const struct act acts[] = { { GET_R, 503, .times = EVER },
					   { NULL } };

	for (size_t at = 1; at < ARM_TRIES; at++) {
		struct wanted want = { ERR_INTR, "interrupted" };
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		char name[60];
		int rc;

		rig_open(&g, acts, NULL);
		fake.interrupt_at = at;
		rc = azure_call(&g.az, "GET", R, NULL, 0, &r, &e);
		snprintf(name, sizeof(name), "call: interrupted in wait %zu", at);
		check_outcome(name, &g, rc, &r, &e, &want);
		azure_reply_release(&r);
		rig_close(&g);
	}
}

/* ---- azure_do ------------------------------------------------------------ */

#define LONG_20 "0123456789abcdefghij"
#define LONG_400 \
	LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 \
		LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 \
			LONG_20 LONG_20 LONG_20 LONG_20 LONG_20
#define LONG_OP \
	OP "&c=" LONG_400 LONG_400 LONG_400 LONG_400 LONG_400 LONG_400 \
		LONG_400 LONG_400 LONG_400 LONG_400
#define QUOTA \
	"{\"status\":\"Failed\",\"error\":{\"code\":\"DeploymentFailed\",\"message\":\"x\"," \
	"\"details\":[{\"code\":\"QuotaExceeded\",\"message\":\"Maximum allowed: 100\"}]}}"
#define PREEMPTED \
	"{\"status\":\"Canceled\",\"error\":{\"code\":\"OperationPreempted\"," \
	"\"message\":\"by another\"}}"
#define MINUTE 60000

static const struct do_row {
	const char *name, *method;
	struct act acts[ROW_ACTS];
	struct wanted want;
	int64_t limit_ms; /* 0: an hour */
	unsigned flags;
	bool no_wait, no_final;
} do_rows[] = {
	/* over at once */
	{ "PUT done at once",
	  "PUT",
	  { { PUT_R, 200, .body = "{\"id\":\"thing\"}" } },
	  { .final = "thing", .waits = "", .dials = 1 } },
	{ "PUT done at once, says so",
	  "PUT",
	  { { PUT_R, 201, .body = THING } },
	  { .final = "thing", .waits = "" } },
	{ "PUT failed at once",
	  "PUT",
	  { { PUT_R, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Failed\",\"error\":"
		      "{\"code\":\"C\",\"message\":\"m\"}}}" } },
	  { ERR_AZURE, "waiting: operation Failed: C: m", .waits = "" } },
	{ "DELETE done at once", "DELETE", { { DELETE_R, 200 } }, { .waits = "" } },
	{ "DELETE of nothing", "DELETE", { { DELETE_R, 204 } }, { .waits = "" } },
	{ "DELETE of what may be missing",
	  "DELETE",
	  { { DELETE_R, 404 } },
	  { .status = 404, .waits = "" },
	  .flags = AZURE_MISSING_OK },
	{ "POST done at once",
	  "POST",
	  { { POST_R, 200, .body = "{\"v\":1}" } },
	  { .final = "\"v\":1", .waits = "" } },
	{ "first answer is an error",
	  "PUT",
	  { { PUT_R, 400, IDS, FAILING("Bad", "so") } },
	  { ERR_AZURE, "waiting: Bad: so [HTTP 400, request req-1", .waits = "" } },
	{ "not to be waited for",
	  "PUT",
	  { { PUT_R, 201, ASYNC, CREATING } },
	  { .final = "Creating", .waits = "" },
	  .no_wait = true },

	/* the three ways to wait */
	{ "PUT, operation, then the resource",
	  "PUT",
	  { { PUT_R, 201, ASYNC "Retry-After: 7\r\n", CREATING },
	    { GET_OP, 200, .body = RUNNING },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing|Succeeded", .waits = "7 1", .dials = 1 } },
	{ "Retry-After of polls",
	  "PATCH",
	  { { "PATCH " R, 200, ASYNC, CREATING },
	    { GET_OP, 200, "Retry-After: 37\r\n", RUNNING },
	    { GET_OP, 202, "Retry-After: 2\r\n", RUNNING },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "1 37 2" } },
	{ "nobody wants the resource",
	  "PUT",
	  { { PUT_R, 201, ASYNC, CREATING }, { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1" },
	  .no_final = true },
	{ "both headers: the operation counts",
	  "POST",
	  { { POST_R, 202, "Location: " ARM "/wrong\r\n" ASYNC },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .final = "Succeeded", .waits = "1" } },
	{ "Operation-Location",
	  "POST",
	  { { POST_R, 202, "operation-location: " OP "\r\n" },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1" } },
	{ "operation finished before it is asked for",
	  "PUT",
	  { { PUT_R, 200, ASYNC, THING },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "1" } },
	{ "Location, then the resource",
	  "PUT",
	  { { PUT_R, 202,
	      LOCATION "Content-Type: text/plain\r\nRetry-After: 17\r\n" },
	    { GET_OP, 202, LOCATION "Retry-After: 3\r\n" },
	    { GET_OP, 200, .body = THING },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "17 3", .dials = 1 } },
	{ "Location told the resource, which is not to be read yet",
	  "PUT",
	  { { PUT_R, 202, LOCATION },
	    { GET_OP, 200, .body = THING },
	    { GET_R, 404, .body = FAILING("ResourceNotFound", "not yet") } },
	  { .final = "thing", .waits = "5", .status = 200 } },
	{ "Location told no resource, which is not to be read yet",
	  "PUT",
	  { { PUT_R, 202, LOCATION }, { GET_OP, 204 }, { GET_R, 404 } },
	  { .final = "", .waits = "5", .status = 204 } },
	{ "the operation is over, and the resource is away",
	  "PUT",
	  { { PUT_R, 202, ASYNC },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 404, .body = FAILING("ResourceNotFound", "none"),
	      .times = 11 } },
	  { ERR_AZURE, "waiting: ResourceNotFound: none",
	    .waits = "1 x2 2 4 8 x7" } },
	{ "the operation is over, and the resource is not seen yet",
	  "PUT",
	  { { PUT_R, 202, ASYNC },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 404, .body = FAILING("ResourceNotFound", "none") },
	    { GET_R, 200, .body = "{\"name\":\"x\"}" } },
	  { .final = "{\"name\":\"x\"}", .waits = "1 x2", .status = 200 } },
	{ "POST accepted, and no way to follow it",
	  "POST",
	  { { POST_R, 202 } },
	  { ERR_PROTO, "does not say how the operation stands, nor where to ask",
	    .waits = "" } },
	{ "DELETE accepted, and no way to follow it",
	  "DELETE",
	  { { DELETE_R, 202 } },
	  { ERR_PROTO, "does not say how the operation stands, nor where to ask",
	    .waits = "" } },
	{ "created, and nothing said of it",
	  "PUT",
	  { { PUT_R, 201 }, { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "5" } },
	{ "created, and nothing is ever said of it",
	  "PUT",
	  { { PUT_R, 201 }, { GET_R, 200 } },
	  { ERR_PROTO, "does not say how the operation stands", .waits = "5" } },
	{ "done already, and asking would be elsewhere",
	  "PATCH",
	  { { "PATCH " R, 200, "Azure-AsyncOperation: http://localhost/x\r\n",
	      THING } },
	  { .final = "thing", .waits = "", .dials = 1 } },
	{ "not done, and asking would be elsewhere",
	  "PATCH",
	  { { "PATCH " R, 200, "Azure-AsyncOperation: http://localhost/x\r\n",
	      CREATING } },
	  { ERR_PROTO, "our token only goes to", .waits = "", .dials = 1 } },
	{ "Location of a POST gives its result",
	  "POST",
	  { { POST_R, 202, LOCATION },
	    { GET_OP, 202 },
	    { GET_OP, 200, .body = "{\"output\":1}" } },
	  { .final = "output", .waits = "5 5" } },
	{ "Location ends in 204",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION }, { GET_OP, 204 } },
	  { .waits = "5" } },
	{ "Location ends in an empty 200",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION "Retry-After: 15\r\n" },
	    { GET_OP, 202, LOCATION "Retry-After: 15\r\n", .times = 7 },
	    { GET_OP, 200 } },
	  { .waits = "15 x8", .dials = 1 } },
	{ "Location that changes",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION },
	    { GET_OP, 202, "Location: " ARM "/two\r\n" },
	    { "GET /two", 202 },
	    { "GET /two", 202, "Location: /three?x=1\r\n" },
	    { "GET /three?x=1", 200 } },
	  { .waits = "5 x4" } },
	{ "Location whose answer is the resource, not done",
	  "PUT",
	  { { PUT_R, 202, LOCATION },
	    { GET_OP, 200, .body = CREATING },
	    { GET_OP, 200, .body = THING },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "5 5" } },
	{ "Location ends in a status of failure",
	  "POST",
	  { { POST_R, 202, LOCATION }, { GET_OP, 200, .body = QUOTA } },
	  { ERR_AZURE, "operation Failed: QuotaExceeded: Maximum allowed: 100" } },
	{ "no header: the resource says it",
	  "PUT",
	  { { PUT_R, 201, .body = CREATING },
	    { GET_R, 200, .body = CREATING, .times = 2 },
	    { GET_R, 200, .body = THING } },
	  { .final = "Succeeded", .waits = "5 5 5", .dials = 1 } },
	{ "no header, no body, 202",
	  "PUT",
	  { { PUT_R, 202 }, { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "5" } },
	{ "resource comes to fail",
	  "PUT",
	  { { PUT_R, 201, .body = CREATING },
	    { GET_R, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Canceled\"}}" } },
	  { ERR_AZURE, "operation Canceled: Azure gave no reason" } },
	{ "poll URL of four thousand bytes",
	  "POST",
	  { { POST_R, 202, "Azure-AsyncOperation: " LONG_OP "\r\n" },
	    { "GET " LONG_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1" } },
	{ "poll URL without a host",
	  "POST",
	  { { POST_R, 202, "Location: /op/5\r\n" }, { "GET /op/5", 200 } },
	  { .waits = "5" } },
	{ "poll URL in a region",
	  "POST",
	  { { POST_R, 202, "Location: https://west." ARM_HOST "/op/5\r\n" },
	    { "GET https://west." ARM_HOST "/op/5", 200 } },
	  { .waits = "5" } },

	/* what the operation says */
	{ "failure inside a 200",
	  "PUT",
	  { { PUT_R, 201, ASYNC, CREATING }, { GET_OP, 200, .body = QUOTA } },
	  { ERR_AZURE,
	    "waiting: operation Failed: QuotaExceeded: Maximum allowed: 100",
	    .waits = "1" } },
	{ "canceled",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"Canceled\"}" },
	    { GET_R, 404 } },
	  { ERR_AZURE, "operation Canceled: Azure gave no reason" } },
	{ "canceled, and the resource says why",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"Failed\"}" },
	    { GET_R, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Failed\",\"error\":"
		      "{\"code\":\"C\",\"message\":\"m\"}}}" } },
	  { ERR_AZURE, "waiting: operation Failed: C: m|!no reason" } },
	{ "canceled, and the resource is as it was",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"Failed\",\"error\":{}}" },
	    { GET_R, 200, .body = THING } },
	  { ERR_AZURE, "waiting: operation Failed: Azure says no more; the resource "
		       "itself is Succeeded" } },
	{ "canceled, and there is no resource to ask",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"Canceled\"}" } },
	  { ERR_AZURE, "operation Canceled: Azure gave no reason" } },
	{ "gave way, and once more",
	  "PATCH",
	  { { "PATCH " R, 202, ASYNC },
	    { GET_OP, 200, .body = PREEMPTED },
	    { "PATCH " R, 202, ASYNC, .words = SOME_BODY },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "1 10 1" } },
	{ "gave way twice",
	  "PATCH",
	  { { "PATCH " R, 202, ASYNC },
	    { GET_OP, 200, .body = PREEMPTED },
	    { "PATCH " R, 202, ASYNC },
	    { GET_OP, 200, .body = PREEMPTED } },
	  { ERR_AZURE, "waiting: operation Canceled: OperationPreempted: by another",
	    .waits = "1 10 1" } },
	{ "gave way, and is not to be done twice",
	  "POST",
	  { { POST_R, 202, ASYNC }, { GET_OP, 200, .body = PREEMPTED } },
	  { ERR_AZURE, "OperationPreempted: by another", .waits = "1" },
	  .flags = AZURE_ONCE },
	{ "gave way before it began: waits its turn, and no longer",
	  "PATCH",
	  { { "PATCH " R, 409, .body = FAILING("OperationPreempted", "x"),
	      .times = 31 } },
	  { ERR_AZURE, "waiting: OperationPreempted: x [HTTP 409",
	    .waits = "10 x30" } },
	{ "cancelled",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200,
	      .body = "{\"status\":\"cancelled\",\"error\":{\"code\":"
		      "\"C\",\"message\":\"by colleague\"}}" } },
	  { ERR_AZURE, "operation cancelled: C: by colleague" } },
	{ "FAILED in capitals",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"FAILED\"}" },
	    { GET_R, 404 } },
	  { ERR_AZURE, "operation FAILED" } },
	{ "words that are not the end",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 200, .body = "{\"status\":\"Accepted\"}" },
	    { GET_OP, 200, .body = "{\"status\":\"Updating\"}" },
	    { GET_OP, 200, .body = "{\"status\":\"SucceededAlmost\"}" },
	    { GET_OP, 200, .body = "{\"status\":\"succeeded\"}" } },
	  { .waits = "1 2 2 5" } },
	{ "an empty 200 is success",
	  "POST",
	  { { POST_R, 202, ASYNC }, { GET_OP, 200 } },
	  { .waits = "1" } },
	{ "an empty 202 is not",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 202 },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1 2" } },
	{ "a 202 without a status is not",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 202, .body = "{\"name\":\"op\"}" },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1 2" } },
	{ "operation that answers with nothing in it",
	  "POST",
	  { { POST_R, 202, ASYNC }, { GET_OP, 200, .body = "{ }" } },
	  { ERR_PROTO, "does not say how the operation stands", .waits = "1" } },
	{ "operation that answers with the resource",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 200, .body = CREATING },
	    { GET_OP, 200, .body = THING },
	    { GET_R, 200, .body = THING } },
	  { .waits = "1 2" } },
	{ "a page of HTML is no success",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 200, .body = "<html>hello</html>", .times = 4 } },
	  { ERR_NET,
	    "no answer 4 times in a row while waiting: HTTP 200 and not JSON: <html>",
	    .waits = "1 5 x3" } },
	{ "a page of HTML is no success of a delete",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION },
	    { GET_OP, 200, .body = "<html>hello</html>" },
	    { GET_OP, 204 } },
	  { .waits = "5 5" } },

	{ "two places to ask: the first",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION "Location: " ARM "/other\r\n" },
	    { GET_OP, 200 } },
	  { .waits = "5" } },
	{ "two places to ask, the first not Azure's",
	  "DELETE",
	  { { DELETE_R, 202, "Location: https://evil.test/x\r\n" LOCATION } },
	  { ERR_PROTO, "a URL on evil.test; our token only goes to " ARM_HOST,
	    .waits = "" } },

	/* polls that fail while the operation goes on */
	{ "404 for a while",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 404, .times = 10 },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200 } },
	  { .waits = "1 5 x10" } },
	{ "404 for too long",
	  "PUT",
	  { { PUT_R, 201, ASYNC }, { GET_OP, 404, IDS, .times = 11 } },
	  { ERR_AZURE, "HTTP 404 Not Found [request req-1", .waits = "1 5 x10" } },
	{ "404s, but not in a row",
	  "PUT",
	  { { PUT_R, 201, ASYNC },
	    { GET_OP, 404, .times = 10 },
	    { GET_OP, 200, .body = RUNNING },
	    { GET_OP, 404, .times = 10 },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200 } },
	  { .waits = "1 5 x10 2 5 x10" } },
	{ "404 of what is being deleted",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION }, { GET_OP, 404 } },
	  { .waits = "5" } },
	{ "three lost connections",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION, .then = HANG_UP },
	    { GET_OP, .then = NO_DIAL, .times = 3 },
	    { GET_OP, 200 } },
	  { .waits = "5 x4" } },
	{ "four lost connections",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION, .then = HANG_UP },
	    { GET_OP, .then = NO_DIAL, .times = 4 } },
	  { ERR_NET, "no answer 4 times in a row|connection refused",
	    .waits = "5 x4" } },
	{ "lost connections, but not in a row",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION, .then = HANG_UP },
	    { GET_OP, .then = NO_DIAL, .times = 3 },
	    { GET_OP, 202, .then = HANG_UP },
	    { GET_OP, .then = NO_DIAL, .times = 3 },
	    { GET_OP, 200 } },
	  { .waits = "5 x8" } },
	{ "polls cut short",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION, .then = HANG_UP },
	    { GET_OP, 202, .body = RUNNING, .then = CUT_BODY },
	    { GET_OP, 202, .body = RUNNING, .then = CUT_HEAD },
	    { GET_OP, .then = RESET },
	    { GET_OP, 200 } },
	  { .waits = "5 x4" } },
	{ "silence, then an answer",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION },
	    { GET_OP, .then = SILENCE },
	    { GET_OP, 200 } },
	  { .waits = "5 5" } },
	{ "throttled polls slow down",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 429, "Retry-After: 60\r\n" },
	    { GET_OP, 429 },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1 60 5", .dials = 1 } },
	{ "polls of a service that is not well",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 500, .body = FAILING("MultipleErrorsOccurred", "x") },
	    { GET_OP, 503 },
	    { GET_OP, 502 },
	    { GET_OP, 408 },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1 5 x4", .dials = 1 } },
	{ "polls that fail until the end",
	  "POST",
	  { { POST_R, 202, ASYNC }, { GET_OP, 500, .times = 12 } },
	  { ERR_TIMEOUT, "waiting: not finished in time; it goes on in Azure",
	    .waits = "1 5 x11" },
	  MINUTE },
	{ "a poll that is refused",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 403, IDS, FAILING("AuthorizationFailed", "no right") } },
	  { ERR_AZURE, "AuthorizationFailed: no right [HTTP 403, request req-1",
	    .waits = "1" } },
	{ "a poll that ends in a conflict",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION },
	    { GET_OP, 409, IDS,
	      "{\"Error\":{\"Code\":"
	      "\"ResourceGroupDeletionBlocked\",\"Message\":\"m\",\"Details\":[{\"Code\":null,"
	      "\"Message\":\"{\\\"error\\\":{\\\"code\\\":\\\"OperationNotAllowed\\\","
	      "\\\"message\\\":\\\"SAS\\\"}}\"}]}}" } },
	  { ERR_AZURE,
	    "OperationNotAllowed: SAS [HTTP 409, request req-1, correlation corr-1]" } },
	{ "a token revoked while waiting",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 401 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_OP, 200, .body = SUCCEEDED, .words = TOKEN_2 } },
	  { .waits = "1", .dials = 1 } },
	{ "a token refused while waiting",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 401 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_OP, 401 } },
	  { ERR_AUTH, "HTTP 401", .waits = "1" } },
	{ "claims asked for while waiting",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 401, CHALLENGE(CLAIMS_64) },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY, .words = CLAIMS_FORM },
	    { GET_OP, 200, .body = SUCCEEDED, .words = TOKEN_2 } },
	  { .waits = "1" } },
	{ "sign-in refused while waiting",
	  "POST",
	  { { POST_R, 202, ASYNC },
	    { GET_OP, 401 },
	    { ASK_TOKEN, 401,
	      .body = "{\"error\":\"invalid_client\",\"error_description\":"
		      "\"AADSTS7000222: expired\"}" } },
	  { ERR_AUTH, "AADSTS7000222", .waits = "1" } },

	/* time */
	{ "deadline",
	  "POST",
	  { { POST_R, 202, ASYNC }, { GET_OP, 200, .body = RUNNING, .times = 14 } },
	  { ERR_TIMEOUT,
	    "not finished in time; it goes on in Azure, and this command may be run again",
	    .waits = "1 2 2 5 x11" },
	  MINUTE },
	{ "deadline before the first poll",
	  "POST",
	  { { POST_R, 202, ASYNC "Retry-After: 120\r\n" } },
	  { ERR_TIMEOUT, "not finished", .waits = "" },
	  MINUTE },
	{ "polls that may come at once do not",
	  "POST",
	  { { POST_R, 202, ASYNC "Retry-After: 0\r\n" },
	    { GET_OP, 200, "Retry-After: 0\r\n", RUNNING, .times = 4 },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "1 x5" } },
	{ "an absurd Retry-After",
	  "POST",
	  { { POST_R, 202, ASYNC "Retry-After: 4000000000\r\n" },
	    { GET_OP, 200, .body = SUCCEEDED } },
	  { .waits = "300" } },
	{ "forty minutes, and polls that grow rare",
	  "PUT",
	  { { PUT_R, 201, ASYNC, CREATING },
	    { GET_OP, 200, .body = RUNNING, .times = 39 + 147 },
	    { GET_OP, 200, .body = SUCCEEDED },
	    { GET_R, 200, .body = THING } },
	  { .final = "thing", .waits = "1 2 2 5 x36 15 x148", .dials = 1 } },
	{ "the token ends while waiting",
	  "PUT",
	  { { PUT_R, 201, ASYNC, CREATING, TOKEN_1 },
	    { GET_OP, 200, .body = RUNNING, .words = TOKEN_1, .times = 39 + 207 },
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_OP, 200, .body = RUNNING, .words = TOKEN_2, .times = 2 },
	    { GET_OP, 200, .body = SUCCEEDED, .words = TOKEN_2 },
	    { GET_R, 200, .body = THING, .words = TOKEN_2 } },
	  { .final = "thing", .dials = 1 },
	  120 * MINUTE },
	{ "the token ends and sign-in is away for a moment",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION "Retry-After: 300\r\n", .takes_s = 3200 },
	    { ASK_TOKEN, .then = NO_DIAL, .times = 4 }, /* one poll lost */
	    { ASK_TOKEN, 200, .body = TOKEN_2_BODY },
	    { GET_OP, 200, .words = TOKEN_2 } },
	  { .waits = "300 500m 1 2 15" },
	  120 * MINUTE },

	/* URLs that are not for our token */
	{ "operation on another host",
	  "PUT",
	  { { PUT_R, 201, "Azure-AsyncOperation: https://evil.test/op\r\n" } },
	  { ERR_PROTO,
	    "waiting: Azure named a URL on evil.test; our token only goes to " ARM_HOST,
	    .dials = 1 } },
	{ "operation without TLS",
	  "PUT",
	  { { PUT_R, 201, "Azure-AsyncOperation: http://" ARM_HOST "/op\r\n" } },
	  { ERR_PROTO, "our token only goes to " ARM_HOST } },
	{ "operation at another port",
	  "PUT",
	  { { PUT_R, 201, "Azure-AsyncOperation: " ARM ":444/op\r\n" } },
	  { ERR_PROTO, "our token only goes to " ARM_HOST } },
	{ "operation at //",
	  "PUT",
	  { { PUT_R, 201, "Azure-AsyncOperation: //evil.test/op\r\n" },
	    { "GET //evil.test/op", 200, .body = SUCCEEDED },
	    { GET_R, 200 } },
	  { .dials = 1 } },
	{ "operation at no URL",
	  "PUT",
	  { { PUT_R, 201, "Azure-AsyncOperation: op/1\r\n" } },
	  { ERR_DATA, "\"op/1\" is no http or https URL" } },
	{ "Location moves to another host",
	  "DELETE",
	  { { DELETE_R, 202, LOCATION },
	    { GET_OP, 202, "Location: https://evil.test/op\r\n" } },
	  { ERR_PROTO, "a URL on evil.test; our token only goes to", .dials = 1 } },
	{ "Location at a host that ends like ARM's",
	  "DELETE",
	  { { DELETE_R, 202, "Location: https://evil" ARM_HOST "/op\r\n" } },
	  { ERR_PROTO, "only goes to", .dials = 1 } },
};

static void run_do(const struct do_row *row)
{
	struct rig g;
	struct azure_reply r = { 0 };
	struct err e = ERR_INIT, ignored = ERR_INIT;
	struct azure_wait w = { .what = "waiting",
				.flags = row->flags,
				.no_wait = row->no_wait,
				.limit_ms = row->limit_ms ? row->limit_ms :
							    60 * MINUTE };
	bool writes = strcmp(row->method, "PUT") == 0 ||
		      strcmp(row->method, "PATCH") == 0;
	cJSON *body = writes ? json_parse(STR(SOME_BODY), "row", &ignored) : NULL;
	char name[160];
	int rc;

	rig_open(&g, row->acts, NULL);
	rc = azure_do(&g.az, row->method, R, body, &w,
		      row->no_final ? NULL : &r, &e);
	snprintf(name, sizeof(name), "wait: %s", row->name);
	check_outcome(name, &g, rc, &r, &e, &row->want);
	azure_reply_release(&r);
	json_free(body);
	rig_close(&g);
}

static void run_dos(void)
{
	for (size_t i = 0; i < sizeof(do_rows) / sizeof(*do_rows); i++)
		run_do(&do_rows[i]);
}

static void run_do_interrupted(void)
{
	static const struct act acts[] = { { POST_R, 202, ASYNC },
					   { GET_OP, 200, .body = RUNNING,
					     .times = EVER },
					   { NULL } };
	static const struct act no_polls[] = { { POST_R, 202, ASYNC }, { NULL } };

	for (size_t at = 1; at < 4; at++) {
		struct azure_wait w = { .what = "waiting",
					.limit_ms = 60 * MINUTE };
		struct wanted want = { ERR_INTR, "waiting: interrupted" };
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		char name[60];
		int rc;

		rig_open(&g, at == 1 ? no_polls : acts, NULL);
		fake.interrupt_at = at;
		rc = azure_do(&g.az, "POST", R, NULL, &w, &r, &e);
		snprintf(name, sizeof(name), "wait: interrupted in wait %zu", at);
		check_outcome(name, &g, rc, &r, &e, &want);
		if (err_exit_code(&e) != 130)
			check_why(name, "exit code is not 130");
		azure_reply_release(&r);
		rig_close(&g);
	}
}

struct ticks {
	int n, stop_at;
};

static int tick(void *ctx, struct err *e)
{
	struct ticks *t = ctx;

	return ++t->n == t->stop_at ?
		       err_set(e, ERR_INTR, "the view was closed") :
		       0;
}

static void run_ticks(void)
{
	static const struct act whole[] = { { POST_R, 202, ASYNC },
					    { GET_OP, 200, .body = RUNNING,
					      .times = 3 },
					    { GET_OP, 200, .body = SUCCEEDED },
					    { NULL } };
	static const struct act broken[] = { { POST_R, 202, ASYNC },
					     { GET_OP, 200, .body = RUNNING,
					       .times = 2 },
					     { NULL } };

	for (int stop_at = 0; stop_at <= 2; stop_at += 2) {
		struct ticks t = { .stop_at = stop_at };
		struct azure_wait w = { .what = "waiting",
					.limit_ms = 60 * MINUTE,
					.tick = tick,
					.ctx = &t };
		struct wanted want = { stop_at ? ERR_INTR : ERR_NONE,
				       stop_at ? "the view was closed" : NULL };
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		struct rig g;
		int rc;

		rig_open(&g, stop_at ? broken : whole, NULL);
		rc = azure_do(&g.az, "POST", R, NULL, &w, &r, &e);
		check_outcome(stop_at ? "wait: the view may end it" :
					"wait: the view follows",
			      &g, rc, &r, &e, &want);
		if (t.n != (stop_at ? 2 : 4))
			check_why("wait: looks of the view", "another number");
		if (stop_at == 0)
			check(strstr(g.told.str, "waiting for waiting since 5\n"),
			      "wait: says what for, and since when", g.told.str);
		azure_reply_release(&r);
		rig_close(&g);
	}
}

/* ---- azure_list ---------------------------------------------------------- */

#define PAGE(items, next) "{\"value\":[" items "],\"nextLink\":" next "}"
#define NEXT(n) "\"" ARM "/page/" #n "?$skiptoken=%20x\""
#define GET_PAGE(n) "GET /page/" #n "?$skiptoken=%20x"

#define ONE "{\"n\":1}"
#define TWO "{\"n\":2}"
#define THIRTEEN "{\"n\":13}"

static const struct list_row {
	const char *name;
	struct act acts[ROW_ACTS];
	struct wanted want;
	const char *items; /* their numbers, in order */
} list_rows[] = {
	{ "one page",
	  { { GET_R, 200, .body = "{\"value\":[" ONE "," TWO "]}" } },
	  { .waits = "", .dials = 1 },
	  "1 2 " },
	{ "nothing",
	  { { GET_R, 200, .body = "{\"value\":[]}" } },
	  { .waits = "" },
	  "" },
	{ "null for the next",
	  { { GET_R, 200, .body = PAGE(ONE, "null") } },
	  { .waits = "" },
	  "1 " },
	{ "nothing for the next",
	  { { GET_R, 200, .body = PAGE(ONE, "\"\"") } },
	  { .waits = "" },
	  "1 " },
	{ "the next before the list",
	  { { GET_R, 200, .body = "{\"nextLink\":" NEXT(2) ",\"value\":[" ONE "]}" },
	    { GET_PAGE(2), 200, .body = "{\"count\":1,\"value\":[" TWO "]}" } },
	  { .waits = "" },
	  "1 2 " },
	{ "white space and what else there may be",
	  { { GET_R, 200,
	      .body = "\r\n{ \"value\" : [\r\n { \"n\" : 1 ,\"s\":\"}]\\\"{[\" } ,\r\n"
		      "{\"o\":{\"value\":[{\"n\":9}]},\"n\":2} ] , \"a\":[{\"n\":9}], "
		      "\"o\":{\"value\":[{\"n\":9}"
		      "]}, \"s\":\"value\", \"t\":[{\"n\":9}] }\r\n" } },
	  { .waits = "" },
	  "1 2 " },
	{ "byte order mark",
	  { { GET_R, 200, .body = "\xef\xbb\xbf{\"value\":[" ONE "]}" } },
	  { .waits = "" },
	  "1 " },
	{ "pages, empty ones among them",
	  { { GET_R, 200, .body = PAGE("", NEXT(2)) },
	    { GET_PAGE(2), 200, .body = PAGE(ONE "," TWO, NEXT(3)) },
	    { GET_PAGE(3), 200, .body = PAGE("", NEXT(4)) },
	    { GET_PAGE(4), 200, .body = "{\"value\":[" ONE "]}" } },
	  { .waits = "", .dials = 1 },
	  "1 2 1 " },
	{ "a page that must be asked for twice",
	  { { GET_R, 200, .body = PAGE(ONE, NEXT(2)) },
	    { GET_PAGE(2), 429, "Retry-After: 9\r\n",
	      FAILING("TooManyRequests", "x") },
	    { GET_PAGE(2), 200, .body = "{\"value\":[" TWO "]}" } },
	  { .waits = "9" },
	  "1 2 " },
	{ "a page cut short: each element once",
	  { { GET_R, 200, .body = PAGE(ONE "," TWO, "null"), .then = CUT_BODY,
	      .times = 2 },
	    { GET_R, 200, .body = PAGE(ONE "," TWO "," ONE, "null") } },
	  { .waits = "~1 ~2" },
	  "1 2 1 " },
	{ "a page cut short for ever",
	  { { GET_R, 200, .body = PAGE(ONE, "null"), .then = CUT_BODY,
	      .times = ARM_TRIES } },
	  { ERR_PROTO, "list: |ended early", .waits = "~1 ~2 ~4 ~8" },
	  "1 " },
	{ "the connection ends between pages",
	  { { GET_R, 200, .body = PAGE(ONE, NEXT(2)), .then = HANG_UP },
	    { GET_PAGE(2), 200, .body = "{\"value\":[" TWO "]}" } },
	  { .waits = "", .dials = 2 },
	  "1 2 " },
	{ "next page on another host",
	  { { GET_R, 200, .body = PAGE(ONE, "\"https://evil.test/x\"") } },
	  { ERR_PROTO,
	    "list: Azure named a URL on evil.test; our token only goes to " ARM_HOST,
	    .waits = "", .dials = 1 },
	  "1 " },
	{ "next page at no URL",
	  { { GET_R, 200, .body = PAGE(ONE, "\"page2\"") } },
	  { ERR_PROTO, "list: \"page2\" is no http or https URL" },
	  "1 " },
	{ "next page that is refused",
	  { { GET_R, 200, .body = PAGE(ONE, NEXT(2)) },
	    { GET_PAGE(2), 400, IDS, FAILING("Bad", "token") } },
	  { ERR_AZURE, "list: Bad: token [HTTP 400, request req-1" },
	  "1 " },
	{ "no list",
	  { { GET_R, 200, .body = "{\"id\":1}" } },
	  { ERR_PROTO, "list: value: expected an array" },
	  "" },
	{ "a list that is none",
	  { { GET_R, 200, .body = "{\"value\":\"x\"}" } },
	  { ERR_PROTO, "list: value: expected an array, found a string" },
	  "" },
	{ "no JSON",
	  { { GET_R, 200, .body = "<html>" } },
	  { ERR_PROTO, "list: " },
	  "" },
	{ "nothing at all", { { GET_R, 200 } }, { ERR_PROTO, "list: " }, "" },
	{ "an element that is no JSON",
	  { { GET_R, 200, .body = PAGE("{n:1}", "null") } },
	  { ERR_PROTO, "list: |element: not JSON", .waits = "" },
	  "" },
	{ "an element that is no object",
	  { { GET_R, 200, .body = PAGE(ONE ",2", "null") } },
	  { ERR_PROTO, "list: an element that is no object", .waits = "" },
	  "1 " },
	{ "behind the list not JSON",
	  { { GET_R, 200, .body = "{\"value\":[" ONE "],}" } },
	  { ERR_PROTO, "!list: list: |list: not JSON", .waits = "" },
	  "1 " },
	{ "an item that is not taken",
	  { { GET_R, 200, .body = PAGE(ONE "," THIRTEEN "," TWO, "null") } },
	  { ERR_PROTO, "list: |thirteen", .waits = "" },
	  "1 13 " },
};

static int take_item(void *ctx, const cJSON *item, struct err *e)
{
	struct buf *seen = ctx;
	int64_t n = json_int_opt(item, "n", -1);

	buf_addf(seen, "%lld ", (long long)n);
	return n == 13 ? err_set(e, ERR_PROTO, "thirteen") : 0;
}

static void run_list(const struct list_row *row, size_t piece)
{
	struct rig g;
	struct err e = ERR_INIT;
	struct azure_reply none = { 0 };
	struct buf seen = BUF_INIT(1u << 20);
	char name[160], suffix[40] = "";
	int rc;

	rig_open(&g, row->acts, NULL);
	g.d.piece = piece;
	rc = azure_list(&g.az, R, "list", take_item, &seen, &e);
	if (piece > 0)
		snprintf(suffix, sizeof(suffix), ", %zu bytes at a time", piece);
	snprintf(name, sizeof(name), "list: %s%s", row->name, suffix);
	check_outcome(name, &g, rc, &none, &e, &row->want);
	if (row->items != NULL && strcmp(seen.str, row->items) != 0)
		check_why(name, seen.n ? seen.str : "no items");
	if (row->items == NULL && seen.n != 2 * 10000)
		check_why(name, "another number of items");
	buf_release(&seen);
	rig_close(&g);
}

static void run_lists(void)
{
	static const struct list_row endless = {
		"pages without end",
		{ { GET_R, 200, .body = PAGE(ONE, "\"" ARM R "\""),
		    .times = 10000 } },
		{ ERR_PROTO, "list: more than 10000 pages", .dials = 1 },
		NULL
	};

	for (size_t i = 0; i < sizeof(list_rows) / sizeof(*list_rows); i++)
		for (size_t piece = 0; piece < 12; piece += 5)
			run_list(&list_rows[i], piece);
	run_list(&endless, 0);
}

/* ---- what is refused before anything is sent ------------------------------ */

static void run_init(void)
{
	static const struct {
		const char *name, *arm, *words;
	} rows[] = {
		{ "init: plain", ARM, NULL },
		{ "init: slashes at the end", ARM "//", NULL },
		{ "init: port", "https://localhost:8443", NULL },
		{ "init: without TLS", "http://" ARM_HOST,
		  "Azure Resource Manager endpoint: \"http://" },
		{ "init: a path", ARM "/x", "is not an https URL without a path" },
		{ "init: no URL", "management",
		  "is not an https URL without a path" },
		{ "init: nothing", "", "endpoint: \"\" is not an https URL" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_dialer none = { NULL, NULL };
		struct azure_clock clock = { rig_now, rig_wait, NULL };
		struct buf why = BUF_INIT(4096);
		struct err e = ERR_INIT;
		struct azure az;
		int rc = azure_init(&az, NULL, rows[i].arm, "S", none, clock, &e);

		if (rc != (rows[i].words ? -1 : 0))
			buf_addf(&why, "rc %d: %s", rc, e.msg);
		else if (rows[i].words != NULL && e.kind != ERR_USAGE)
			buf_addf(&why, "kind %d", e.kind);
		else if (rows[i].words != NULL)
			holds(e.msg, rows[i].words, &why);
		if (rc == 0)
			azure_release(&az);
		check_why(rows[i].name, why.str);
		buf_release(&why);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	run_error_rows();
	run_large_errors();
	run_error_doc();
	run_causes();
	run_retry_after();
	run_init();
	run_claims();
	run_calls();
	run_told();
	run_tenants();
	run_busy_codes();
	run_statuses();
	run_stale();
	run_made();
	run_call_interrupted();
	run_dos();
	run_do_interrupted();
	run_ticks();
	run_lists();
	return check_failed();
}
