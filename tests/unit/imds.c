/* time: 240
 * node/imds: a machine's way through scheduled events, in a thread as it is in
 * the agent, in fast time.  The metadata service is made up here without our
 * own codec, its documents in the shape of Microsoft's mock server; so are the
 * engine and the helper.  IMDS_LOOKS: how many looks the long day has (86400,
 * one each second, are 24 h).
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "node/auth.h"
#include "node/imds.h"
#include "tests/check.h"
#include "tests/unit/swarm.h"

#define ME "agents_3"
#define LOOK_MS 2
#define OUT_AFTER 2 /* questions until the helper says that the node is out */

static struct world world;
static struct node_config config;
static struct imds imds;

/* ---- what happens, in order ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char happened[4096]; /* of this case */
static unsigned looks;	    /* documents that were asked for */

static void happens(const char *what)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = strlen(happened);
	snprintf(happened + n, sizeof(happened) - n, "%s%s", n > 0 ? " " : "",
		 what);
	pthread_mutex_unlock(&lock);
}

/* ---- the helper ---- */

static struct {
	struct http_server server;
	pthread_t thread;
	struct tls_identity *identity;
	char stage[16];
	unsigned asked, out_after;
	bool away, forgets;
	char query[64];
} helper = { .out_after = OUT_AFTER };

static struct stream *helper_wrap(void *ctx, int fd, struct err *e)
{
	bool away;

	(void)ctx;
	pthread_mutex_lock(&lock);
	away = helper.away;
	pthread_mutex_unlock(&lock);
	if (away) {
		close(fd);
		err_set(e, ERR_NET, "away");
		return NULL;
	}
	return tls_accept(fd, helper.identity, now_ms() + 10000, e);
}

static void helper_handle(void *ctx, struct http_exchange *x)
{
	char text[200], path[64], did[80] = "";
	struct str p = http_x_path(x), q = http_x_query(x);
	bool post = str_eqz(http_x_head(x)->method, "POST");

	(void)ctx;
	snprintf(path, sizeof(path), "%.*s", (int)p.n, p.p);
	pthread_mutex_lock(&lock);
	if (strcmp(path, "/evict/node1") == 0 && post) {
		strcpy(helper.stage, helper.forgets ? "" : "quiet");
		helper.forgets = false;
		helper.asked = 0;
		snprintf(helper.query, sizeof(helper.query), "%.*s", (int)q.n,
			 q.p);
		strcpy(did, "evict");
	} else if (strcmp(path, "/evict/node1") == 0) {
		if (helper.stage[0] != '\0' && ++helper.asked > helper.out_after)
			strcpy(helper.stage, "out");
	} else if (strcmp(path, "/return/node1") == 0) {
		helper.stage[0] = '\0';
		strcpy(did, "return");
	} else if (strcmp(path, "/left/node1") == 0) {
		helper.stage[0] = '\0';
		strcpy(did, "left");
	}
	if (strcmp(path, "/nonce") == 0)
		snprintf(text, sizeof(text), "{\"nonce\":\"%0*d\"}",
			 AUTH_NONCE_HEX, 0);
	else
		snprintf(text, sizeof(text), "{\"stage\":\"%s\"}", helper.stage);
	pthread_mutex_unlock(&lock);
	if (*did != '\0')
		happens(did);
	http_x_answer(x, 200,
		      (const char *const[]){ "Content-Type: application/json",
					     NULL },
		      str_of(text));
}

static void *helper_thread(void *ctx)
{
	struct err e = ERR_INIT;

	(void)ctx;
	http_serve(&helper.server, &e);
	return NULL;
}

/* ---- the engine ---- */

static struct swarm worker = { .state = "active", .node_id = "node1" };

static void engine_answer(void *ctx, const char *method, const char *target,
			  const char *body, struct engine_reply *r)
{
	if (strstr(target, "/swarm/leave") != NULL)
		happens(strstr(target, "force") != NULL ? "force" : "leave");
	swarm_answer(ctx, method, target, body, r);
}

/* What the agent does when this machine is back in service. */
static void join_again(void)
{
	swarm_lock(&worker);
	strcpy(worker.state, "active");
	strcpy(worker.node_id, "node1");
	swarm_unlock(&worker);
}

/* ---- the metadata service ---- */

enum mood {
	GOOD,
	DOWN,	 /* connections are refused */
	RESET,	 /* taken and closed */
	HANG,	 /* taken, and nothing said */
	BROKEN,	 /* 500 */
	GARBAGE, /* 200, and no JSON */
	HUGE_,	 /* more than there can be */
	LATE,	 /* the first answer takes a while */
};

static struct {
	pthread_t thread;
	unsigned port;
	int fd;
	enum mood mood;
	char document[EVENTS_DOC_MAX];
	unsigned refuse; /* as many approvals are answered 400 */
	unsigned wrong;	 /* requests without the field that Azure wants */
	bool stop;
	/* the long day makes its own documents */
	void (*script)(void);
	void (*approved)(const char *ids);
} service = { .fd = -1 };

static void set_mood(enum mood mood)
{
	pthread_mutex_lock(&lock);
	service.mood = mood;
	pthread_mutex_unlock(&lock);
}

static enum mood mood(void)
{
	enum mood m;

	pthread_mutex_lock(&lock);
	m = service.mood;
	pthread_mutex_unlock(&lock);
	return m;
}

/* type NULL: nothing is announced. */
static void write_document(const char *id, const char *type, const char *status,
			   const char *resources, int64_t not_before)
{
	char when[64] = "";
	time_t t = (time_t)not_before;
	struct tm tm;

	if (not_before != 0)
		strftime(when, sizeof(when), "%a, %d %b %Y %H:%M:%S GMT",
			 gmtime_r(&t, &tm));
	if (type == NULL)
		strcpy(service.document,
		       "{\"DocumentIncarnation\":3,\"Events\":[]}");
	else
		snprintf(service.document, sizeof(service.document),
			 "{\"DocumentIncarnation\":2,\"Events\":[{\"EventId\":\"%s\",\"EventStatus\":\"%s\","
			 "\"EventType\":\"%s\",\"ResourceType\":\"VirtualMachine\",\"Resources\":[%s],"
			 "\"NotBefore\":\"%s\",\"Description\":\"Virtual machine is going to be changed\","
			 "\"EventSource\":\"Platform\",\"DurationInSeconds\":-1}]}",
			 id, status, type, resources, when);
}

static void announce(const char *id, const char *type, const char *status,
		     int64_t in_s)
{
	pthread_mutex_lock(&lock);
	write_document(id, type, status, "\"agents_1\",\"" ME "\"",
		       in_s < 0 ? 0 : unix_time() + in_s);
	pthread_mutex_unlock(&lock);
}

static void say(int fd, unsigned status, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 %u X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		 status, strlen(body));
	if (engine_send(fd, head, strlen(head)))
		engine_send(fd, body, strlen(body));
}

static void say_much(int fd)
{
	static const char one[] =
		"{\"EventId\":\"h\",\"EventStatus\":\"Scheduled\",\"EventType\":"
		"\"Terminate\",\"Resources\":[\"" ME "\"]},";
	const char *head =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Events\":[";

	if (!engine_send(fd, head, strlen(head)))
		return;
	for (int i = 0; i < 1000000; i++)
		if (!engine_send(fd, one, sizeof(one) - 1))
			return;
	engine_send(fd, "{}]}", 4);
}

static void take_approval(int fd, const char *body)
{
	char what[200] = "";
	bool refuse;
	size_t n = 0;

	for (const char *p = body; (p = strstr(p, "\"EventId\":\"")) != NULL;
	     p += 11)
		n += (size_t)snprintf(what + n, sizeof(what) - n, "%s%.*s",
				      n > 0 ? "+" : "",
				      (int)strcspn(p + 11, "\""), p + 11);
	pthread_mutex_lock(&lock);
	refuse = service.refuse > 0;
	service.refuse -= refuse;
	if (!refuse && service.approved != NULL)
		service.approved(what);
	pthread_mutex_unlock(&lock);
	if (service.script == NULL) {
		char line[240];

		snprintf(line, sizeof(line), "%s:%s",
			 refuse ? "refused" : "approve", what);
		happens(line);
	}
	say(fd, refuse ? 400 : 200, "");
}

static void serve_one(int fd)
{
	static char request[ENGINE_REQUEST_MAX];
	enum mood m = mood();
	size_t body = 0, head;

	if (m == RESET || (head = engine_read(fd, request, &body)) == 0)
		return;
	pthread_mutex_lock(&lock);
	service.wrong += strstr(request, "Metadata: true\r\n") == NULL;
	if (service.script != NULL && strncmp(request, "GET", 3) == 0 &&
	    strstr(request, "compute/name") == NULL) {
		service.script();
		m = service.mood;
	}
	looks += strncmp(request,
			 "GET /metadata/scheduledevents?api-version=2020-07-01 ",
			 53) == 0;
	pthread_mutex_unlock(&lock);
	if (strstr(request, "compute/name") != NULL) {
		say(fd, 200, ME);
		return;
	}
	if (strncmp(request, "POST", 4) == 0) {
		take_approval(fd, request + head);
		return;
	}
	if (m == LATE) {
		usleep(1200000);
		set_mood(GOOD);
	}
	if (m == HANG)
		while (mood() == HANG && !service.stop)
			usleep(5000);
	if (m == BROKEN)
		say(fd, 500, "{\"error\":\"x\"}");
	else if (m == GARBAGE)
		say(fd, 200, "<html>{\"Events\":[{\"EventId\":\"g\"");
	else if (m == HUGE_)
		say_much(fd);
	else
		say(fd, 200, service.document);
}

static void *service_thread(void *ctx)
{
	struct err e = ERR_INIT;

	(void)ctx;
	while (!service.stop) {
		struct pollfd p = { .events = POLLIN };
		int fd;

		if (mood() == DOWN) {
			if (service.fd >= 0)
				close(service.fd);
			service.fd = -1;
			usleep(5000);
			continue;
		}
		if (service.fd < 0) {
			err_clear(&e);
			service.fd = tcp_listen("127.0.0.1", &service.port,
						NULL, &e);
			continue;
		}
		p.fd = service.fd;
		if (poll(&p, 1, 20) <= 0 ||
		    (fd = accept(service.fd, NULL, NULL)) < 0)
			continue;
		fcntl(fd, F_SETFL, 0);
		serve_one(fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	close(service.fd);
	return NULL;
}

/* ---- cases ---- */

static bool away(void)
{
	return atomic_load(&imds.away);
}

static unsigned looked(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = looks;
	pthread_mutex_unlock(&lock);
	return n;
}

static bool did(const char *what)
{
	bool so;

	pthread_mutex_lock(&lock);
	so = strcmp(happened, what) == 0;
	pthread_mutex_unlock(&lock);
	return so;
}

/* So many more looks, at least. */
static bool looks_pass(unsigned n)
{
	unsigned from = looked();

	return WITHIN(10000, looked() >= from + n);
}

/* All that follows is done: nothing has happened for ten looks. */
static void settle(void)
{
	size_t n;

	do {
		pthread_mutex_lock(&lock);
		n = strlen(happened);
		pthread_mutex_unlock(&lock);
		looks_pass(10);
	} while (strlen(happened) != n);
}

static void begin_case(void)
{
	set_mood(GOOD);
	announce("", NULL, "", 0);
	WITHIN(10000, !away());
	join_again();
	looks_pass(3);
	pthread_mutex_lock(&lock);
	happened[0] = '\0';
	helper.out_after = OUT_AFTER;
	helper.stage[0] = '\0';
	pthread_mutex_unlock(&lock);
}

static void end_case(const char *name, const char *want)
{
	bool good = WITHIN(10000, did(want));

	pthread_mutex_lock(&lock);
	checkf(good, name, "did \"%s\", not \"%s\"", happened, want);
	pthread_mutex_unlock(&lock);
}

/* The scenarios of the public mock server, and some more.  told: s scheduled,
 * t started, - nothing there; each for as long as something follows from it. */
static void scenarios(void)
{
	static const struct {
		const char *name, *type, *told, *does;
		bool slow; /* the way out takes longer than the announcement stands */
	} rows[] = {
		{ "live migration", "Freeze", "st-", "", false },
		{ "user reboot", "Reboot", "st-", "evict leave left approve:E",
		  false },
		{ "host agent maintenance", "Freeze", "st-", "", false },
		{ "redeploy", "Redeploy", "st-", "evict leave left approve:E",
		  false },
		{ "user redeploy", "Redeploy", "s-",
		  "evict leave left approve:E", false },
		{ "canceled maintenance", "Freeze", "s-", "", false },
		{ "terminate", "Terminate", "st-", "evict leave left approve:E",
		  false },
		{ "preempt", "Preempt", "st-", "evict leave left approve:E",
		  false },
		{ "canceled on the way out", "Reboot", "s-", "evict return", true },
		{ "started before it was seen", "Terminate", "t-", "leave left",
		  false },
		{ "started on the way out", "Redeploy", "st-",
		  "evict leave left", true },
		{ "announced again", "Terminate", "s-s-",
		  "evict return evict return", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_case();
		if (rows[i].slow)
			helper.out_after = 1000000;
		for (const char *p = rows[i].told; *p != '\0'; p++) {
			announce("E", *p == '-' ? NULL : rows[i].type,
				 *p == 's' ? "Scheduled" : "Started",
				 *p == 's' ? 600 : -1);
			settle();
			if (*p != '-' && *rows[i].does != '\0')
				check(away(), rows[i].name,
				      "healthy on the way out");
		}
		end_case(rows[i].name, rows[i].does);
		check(WITHIN(5000, !away()), rows[i].name, "not back in the end");
	}
	check(strstr(helper.query, "by=event&limit=120") != NULL,
	      "the way out is by event", helper.query);
}

/* Nothing that is said like this moves the node. */
static void hostile(void)
{
	static const struct {
		const char *name, *document;
		enum mood mood;
	} rows[] = {
		{ "connection refused", NULL, DOWN },
		{ "connections reset", NULL, RESET },
		{ "500s", NULL, BROKEN },
		{ "garbage", NULL, GARBAGE },
		{ "a million events", NULL, HUGE_ },
		{ "no answer at all", NULL, HANG },
		{ "an empty answer", "", GOOD },
		{ "null", "null", GOOD },
		{ "a list", "[]", GOOD },
		{ "events that are an object",
		  "{\"Events\":{\"EventId\":\"a\"}}", GOOD },
		{ "events that are texts",
		  "{\"Events\":[\"Terminate\",1,null,[],{}]}", GOOD },
		{ "wrong types",
		  "{\"Events\":[{\"EventId\":1,\"EventStatus\":{},\"EventType\":[],\"Resources\":\"" ME
		  "\"},"
		  "{\"EventId\":1,\"EventStatus\":true,\"EventType\":7,\"Resources\":[\"" ME
		  "\"]}]}",
		  GOOD },
		{ "other machines only",
		  "{\"Events\":[{\"EventId\":\"a\",\"EventStatus\":\"Scheduled\",\"EventType\":\"Terminate\","
		  "\"Resources\":[\"agents_1\",\"agents_33\",\"agents\",\"\"]}]}",
		  GOOD },
		{ "a type that is not known",
		  "{\"Events\":[{\"EventId\":\"a\",\"EventStatus\":\"Scheduled\",\"EventType\":\"Explode\","
		  "\"Resources\":[\"" ME "\"]}]}",
		  GOOD },
		{ "an id that is none",
		  "{\"Events\":[{\"EventId\":\"a\\\",\\\"b\",\"EventStatus\":\"Scheduled\",\"EventType\":"
		  "\"Terminate\",\"Resources\":[\"" ME "\"]}]}",
		  GOOD },
	};
	char what[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_case();
		if (rows[i].document != NULL) {
			pthread_mutex_lock(&lock);
			strcpy(service.document, rows[i].document);
			pthread_mutex_unlock(&lock);
		}
		set_mood(rows[i].mood);
		if (rows[i].mood == DOWN || rows[i].mood == RESET ||
		    rows[i].mood == HANG)
			usleep(400000);
		else
			looks_pass(6);
		check(!away() && did(""), rows[i].name, happened);
		/* and what comes after it is not missed */
		announce("E", "Terminate", "Scheduled", 600);
		set_mood(GOOD);
		snprintf(what, sizeof(what), "%s, and then an event",
			 rows[i].name);
		end_case(what, "evict leave left approve:E");
	}
}

static void first_answer(void)
{
	set_mood(LATE);
	check(WITHIN(5000, looked() >= 1) && mood() == LATE,
	      "the first question is asked", "not");
	usleep(800000);
	checkf(looked() == 1, "and waited for, longer than for others",
	       "%u questions", looked());
	check(looks_pass(3), "then it goes on", "not");
}

static void approvals(void)
{
	begin_case();
	pthread_mutex_lock(&lock);
	service.refuse = 3;
	pthread_mutex_unlock(&lock);
	announce("E", "Reboot", "Scheduled", 600);
	settle();
	end_case("an approval that is refused is tried again, and given once",
		 "evict leave left refused:E refused:E refused:E approve:E");
	/* another one is announced while it is out already */
	announce("F", "Terminate", "Scheduled", 600);
	settle();
	end_case("another event while it is out",
		 "evict leave left refused:E refused:E refused:E approve:E approve:F");
}

/* No helper, no answers from Azure: it goes all the same, in time. */
static void late(void)
{
	int64_t began;

	begin_case();
	helper.out_after = 1000000;
	began = now_ms();
	announce("E", "Preempt", "Scheduled", 6);
	check(WITHIN(3000, away()), "unhealthy at once", "not");
	set_mood(HANG);
	end_case("the way out goes on while Azure is silent", "evict leave left");
	checkf(now_ms() - began >= 1500 && now_ms() - began < 6000,
	       "until it is time to go", "%lld ms",
	       (long long)(now_ms() - began));
	announce("E", "Preempt", "Scheduled", 0);
	set_mood(GOOD);
	end_case("and is approved when it answers", "evict leave left approve:E");

	begin_case();
	pthread_mutex_lock(&lock);
	helper.away = true;
	pthread_mutex_unlock(&lock);
	announce("E", "Terminate", "Scheduled", 600);
	check(WITHIN(3000, away()), "unhealthy without a helper", "not");
	looks_pass(3);
	check(did(""), "and waits for one, there is time", happened);
	pthread_mutex_lock(&lock);
	helper.away = false;
	pthread_mutex_unlock(&lock);
	end_case("which takes it out when it is there",
		 "evict leave left approve:E");

	begin_case();
	pthread_mutex_lock(&lock);
	helper.forgets = true;
	pthread_mutex_unlock(&lock);
	announce("E", "Terminate", "Scheduled", 600);
	end_case("a way out that was lost is begun again",
		 "evict evict leave left approve:E");
}

static void back(void)
{
	begin_case();
	helper.out_after = 1000000;
	announce("E", "Reboot", "Scheduled", 600);
	WITHIN(5000, did("evict"));
	pthread_mutex_lock(&lock);
	helper.away = true;
	pthread_mutex_unlock(&lock);
	announce("", NULL, "", 0);
	looks_pass(4);
	check(away() && did("evict"), "back only when the managers know of it",
	      happened);
	pthread_mutex_lock(&lock);
	helper.away = false;
	pthread_mutex_unlock(&lock);
	end_case("which is tried until they do", "evict return");
	check(WITHIN(5000, !away()), "and healthy", "not");

	/* one more look at a list without it is not the end of a reboot */
	begin_case();
	announce("E", "Reboot", "Scheduled", 600);
	settle();
	announce("", NULL, "", 0);
	looks_pass(4);
	check(away(), "what was approved may take a while to happen",
	      "back at once");
	check(WITHIN(8000, !away()), "and not for ever", "still away");
}

static void manager(void)
{
	begin_case();
	swarm_lock(&worker);
	worker.manager = true;
	swarm_unlock(&worker);
	announce("E", "Redeploy", "Scheduled", 600);
	settle();
	end_case("a manager does not leave its swarm", "evict approve:E");
	announce("", NULL, "", 0);
	end_case("and is returned afterwards", "evict approve:E return");
	swarm_lock(&worker);
	worker.manager = false;
	swarm_unlock(&worker);
}

/* ---- a long day ---- */

static struct {
	unsigned random, look, events, canceled, missed, unasked, twice, hostile;
	char id[16];
	const char *type;
	enum { IDLE, TOLD, APPROVED, OVER } state;
	unsigned until; /* the look at which this ends */
	bool cancels, asked;
} day = { .random = 1 };

static unsigned any(unsigned n)
{
	day.random = day.random * 1664525 + 1013904223;
	return (day.random >> 8) % n;
}

/* With the lock, before every document. */
static void day_script(void)
{
	static const char *const types[] = { "Freeze", "Reboot", "Redeploy",
					     "Preempt", "Terminate" };
	static const enum mood moods[] = { BROKEN, GARBAGE, BROKEN, GARBAGE };
	bool freeze = day.type != NULL && strcmp(day.type, "Freeze") == 0;

	day.look++;
	service.mood = GOOD;
	if (any(10) == 0) {
		day.hostile++;
		service.mood = moods[any(4)];
	}
	if (day.state != TOLD && day.look >= day.until) {
		if (day.state == APPROVED) {
			day.state = OVER;
		} else if (!atomic_load(&imds.away)) {
			/* the next one, when the last is over */
			day.state = TOLD;
			day.type = types[any(5)];
			day.cancels = any(3) == 0;
			day.until = day.look + (day.cancels ? any(20) : 2000);
			if (strcmp(day.type, "Freeze") == 0)
				day.until = day.look + any(20);
			snprintf(day.id, sizeof(day.id), "e%u", ++day.events);
			day.asked = false;
		}
	} else if (day.state == TOLD && day.look >= day.until) {
		day.canceled += day.cancels;
		day.missed += !day.cancels && !freeze;
		day.state = OVER;
	}
	if (day.state == TOLD || day.state == APPROVED)
		write_document(day.id, day.type,
			       day.state == TOLD ? "Scheduled" : "Started",
			       "\"agents_7\",\"" ME "\"", 0);
	else
		write_document("", any(2) ? NULL : "Terminate", "Scheduled",
			       "\"agents_7\"", 0);
	if (day.state == OVER) {
		day.state = IDLE;
		day.until = day.look + 1 + any(100);
	}
	day.asked |= day.state == TOLD && service.mood == GOOD &&
		     strcmp(day.type, "Freeze") != 0;
}

static void day_approved(const char *ids)
{
	day.twice += day.state != TOLD || strcmp(ids, day.id) != 0;
	if (day.state == TOLD) {
		day.state = APPROVED;
		day.until = day.look + 1 + any(4);
	}
}

static void day_answer(void *ctx, const char *method, const char *target,
		       const char *body, struct engine_reply *r)
{
	if (strstr(target, "/swarm/leave") != NULL) {
		pthread_mutex_lock(&lock);
		day.unasked += !day.asked;
		pthread_mutex_unlock(&lock);
	}
	swarm_answer(ctx, method, target, body, r);
}

static void long_day(void)
{
	const char *text = getenv("IMDS_LOOKS");
	unsigned wanted = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 8640,
		 at;
	int64_t began = now_ms();

	begin_case();
	imds.times.stays = 50; /* the thread reads it anew each time */
	swarm_lock(&worker);
	worker.engine.answer = day_answer;
	worker.calls[0] = '\0';
	swarm_unlock(&worker);
	pthread_mutex_lock(&lock);
	service.approved = day_approved;
	service.script = day_script;
	pthread_mutex_unlock(&lock);
	do {
		usleep(2000);
		if (!away() && strcmp(worker.state, "inactive") == 0)
			join_again();
		swarm_lock(&worker);
		worker.calls[0] = '\0';
		swarm_unlock(&worker);
		pthread_mutex_lock(&lock);
		happened[0] = '\0';
		at = day.look;
		pthread_mutex_unlock(&lock);
	} while (at < wanted && now_ms() - began < 600000);
	pthread_mutex_lock(&lock);
	service.script = NULL;
	checkf(at >= wanted && day.events > 5 && day.missed == 0,
	       "a long day: none is missed",
	       "%u of %u looks, %u events, %u missed", at, wanted, day.events,
	       day.missed);
	checkf(day.unasked == 0, "a long day: no leave that no event asked for",
	       "%u", day.unasked);
	checkf(day.twice == 0, "a long day: each is approved once",
	       "%u too many", day.twice);
	checkf(day.hostile > 100 && day.canceled > 0,
	       "a long day: with all there can be", "%u, %u", day.hostile,
	       day.canceled);
	printf("# %u looks, %u events, %u canceled, %u hostile answers in %lld s\n",
	       at, day.events, day.canceled, day.hostile,
	       (long long)(now_ms() - began) / 1000);
	pthread_mutex_unlock(&lock);
}

int main(void)
{
	struct buf key = BUF_INIT(4096);
	struct err e = ERR_INIT;
	char path[128], more[128];

	json_init();
	world_begin(&world);
	service.port = world_port();
	service.mood = GOOD;
	write_document("", NULL, "", "", 0);
	snprintf(more, sizeof(more),
		 ",\"metadata_host\":\"127.0.0.1\",\"metadata_port\":%u",
		 service.port);
	swarm_start(&worker, world.dir, "w1");
	worker.engine.answer = engine_answer;
	world_config(&world, "w1", "worker", worker.engine.path, more);
	snprintf(path, sizeof(path), "%s/helper.key", world.dir);
	file_read(path, &key, &e);
	helper.identity = tls_identity_key(buf_str(&key), "swarm-helper", &e);
	helper.server = (struct http_server){
		.stop_fd = -1,
		.max_conns = 8,
		.body_max = 1024,
		.idle_ms = 10000,
		.body_ms = 10000,
		.wrap = helper_wrap,
		.handle = helper_handle,
	};
	helper.server.listen_fd = tcp_listen("127.0.0.1", &world.helper_port,
					     NULL, &e);
	snprintf(path, sizeof(path), "%s/w1.json", world.dir);
	if (node_config_read(&config, path, &e) < 0 ||
	    helper.identity == NULL || interrupt_init(&e) < 0)
		check_give_up("configuration", "%s", e.msg);
	pthread_create(&helper.thread, NULL, helper_thread, NULL);
	set_mood(LATE);
	pthread_create(&service.thread, NULL, service_thread, NULL);
	imds_init(&imds, &config);
	imds.times = (struct imds_times){ .look = LOOK_MS,
					  .first = 5000,
					  .usual = 300,
					  .going = 200,
					  .stays = 1000 };
	if (imds_start(&imds, &e) < 0)
		check_give_up("start", "%s", e.msg);
	first_answer();
	scenarios();
	hostile();
	approvals();
	late();
	back();
	manager();
	long_day();
	checkf(service.wrong == 0, "every question has the field that Azure wants",
	       "%u have not", service.wrong);
	check(!swarm_did(&worker, "unexpected"),
	      "nothing else was asked of the engine", worker.calls);
	interrupt_request();
	imds_stop(&imds);
	service.stop = true;
	pthread_join(service.thread, NULL);
	pthread_join(helper.thread, NULL);
	close(helper.server.listen_fd);
	tls_identity_free(helper.identity);
	engine_stop(&worker.engine);
	node_config_burn(&config);
	buf_burn(&key);
	world_end(&world);
	return check_failed();
}
