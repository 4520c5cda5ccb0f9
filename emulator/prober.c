/* The load balancer's probes; see prober.h for what Azure says of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "emulator/forward.h"
#include "emulator/prober.h"
#include "emulator/store.h"

#define MEMBERS_MAX 1000
#define HTTP_LIMIT_S 30
#define LOOK_MS 500
#define PLATFORM "168.63.129.16" /* where Azure's probes come from */

/* One machine, as one probe sees it. */
struct member {
	/* which */
	char *probe; /* id */
	char *key;   /* of the machine */
	char address[16];
	bool keep; /* it is still there */

	/* how to ask */
	unsigned port, interval_s, threshold;
	char *path; /* NULL: that it can be connected to is enough */

	/* how it stands */
	struct probe_health health;
	bool been_up;
	char why[40]; /* what the last result was, which the log has said */

	/* the question that is under way */
	bool asking;
	int fd; /* -1: nobody is there, its time passes */
	bool sent;
	char answer[13];
	size_t n;
	int64_t end_ms, next_ms;
};

struct prober {
	struct member *at;
	size_t n;
};

bool probe_count(struct probe_health *h, enum probe_result r, unsigned threshold)
{
	bool was = h->up;

	h->well = r == PROBE_WELL ? h->well + 1 : 0;
	h->silent = r == PROBE_SILENT ? h->silent + 1 : 0;
	if (r == PROBE_REFUSED || h->silent >= threshold)
		h->up = false;
	else if (h->well >= threshold)
		h->up = true;
	return h->up != was;
}

/* ---- who is asked ---- */

static bool in_pool(const struct entry *n, const char *pool)
{
	const cJSON *v;

	cJSON_ArrayForEach(
		v,
		json_at(n->doc,
			"properties.networkProfileConfiguration."
			"networkInterfaceConfigurations[0].properties."
			"ipConfigurations[0].properties.loadBalancerBackendAddressPools"))
		if (json_is(v, "id", pool))
			return true;
	return false;
}

/* A machine is in its pool while it has a place in Azure: also one that is off. */
static struct entry *next_in_pool(struct emu *m, struct entry *after,
				  const char *pool)
{
	struct entry *n = after;

	while ((n = store_next(m, n, "/subscriptions/")) != NULL)
		if (json_str_opt(n->hide, "address", NULL) != NULL &&
		    !json_is(n->hide, "power", "deallocated") &&
		    !json_is(n->hide, "power", "gone") && in_pool(n, pool))
			return n;
	return NULL;
}

static struct member *member_of(struct prober *w, const char *probe,
				const char *key)
{
	for (size_t i = 0; w != NULL && i < w->n; i++)
		if (str_is(w->at[i].probe, probe) &&
		    strcmp(w->at[i].key, key) == 0)
			return &w->at[i];
	return NULL;
}

static void want(struct prober *w, const cJSON *probe, const char *id,
		 const struct entry *n)
{
	struct member *k = member_of(w, id, n->key);
	int64_t threshold =
		json_int_opt(probe, "properties.probeThreshold",
			     json_int_opt(probe, "properties.numberOfProbes", 1));
	int64_t interval = json_int_opt(probe, "properties.intervalInSeconds", 15);

	if (k == NULL && w->n < MEMBERS_MAX) {
		k = &w->at[w->n++];
		memset(k, 0, sizeof(*k));
		k->fd = -1;
		k->probe = xstrdup(id);
		k->key = xstrdup(n->key);
	}
	if (k == NULL)
		return;
	k->keep = true;
	snprintf(k->address, sizeof(k->address), "%.15s",
		 json_text(n->hide, "address"));
	k->port = (unsigned)json_int_opt(probe, "properties.port", 0);
	k->interval_s = interval > 0 ? (unsigned)interval : 1;
	k->threshold = threshold > 0 ? (unsigned)threshold : 1;
	free(k->path);
	k->path = json_is(probe, "properties.protocol", "Http") ?
			  xstrdup(json_str_opt(probe, "properties.requestPath",
					       "/")) :
			  NULL;
}

static void end_question(struct member *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	k->asking = false;
}

static void refresh(struct emu *m, struct prober *w)
{
	struct entry *lb = NULL, *n;
	const cJSON *rule, *probe;
	size_t i;

	for (i = 0; i < w->n; i++)
		w->at[i].keep = false;
	while ((lb = store_typed(m, lb, "Microsoft.Network/loadBalancers")) != NULL)
		cJSON_ArrayForEach(
			rule, json_at(lb->doc, "properties.loadBalancingRules")) {
			const char *id = json_text(rule, "properties.probe.id");
			const char *pool = json_text(
				rule, "properties.backendAddressPool.id");

			if ((probe = store_doc(m, id)) == NULL)
				continue;
			for (n = NULL; (n = next_in_pool(m, n, pool)) != NULL;)
				want(w, probe, id, n);
		}
	for (i = 0; i < w->n; i++) {
		struct member *k = &w->at[i];

		if (k->keep)
			continue;
		end_question(k);
		free(k->probe);
		free(k->key);
		free(k->path);
		*k = w->at[--w->n];
		i--;
	}
}

bool prober_choose(struct emu *m, const char *pool, const char *probe,
		   unsigned turn, char out[16])
{
	bool open = json_is(store_doc(m, probe),
			    "properties.noHealthyBackendsBehavior",
			    "AllProbedUp");
	unsigned up = 0, all = 0, k;
	struct entry *n;
	struct member *member;

	for (n = NULL; (n = next_in_pool(m, n, pool)) != NULL; all++) {
		member = probe == NULL ? NULL :
					 member_of(m->prober, probe, n->key);
		up += probe == NULL ? json_is(n->hide, "power", "running") :
				      member != NULL && member->health.up;
	}
	if (up == 0 && (!open || all == 0))
		return false;
	k = turn % (up > 0 ? up : all);
	for (n = NULL; (n = next_in_pool(m, n, pool)) != NULL;) {
		member = probe == NULL ? NULL :
					 member_of(m->prober, probe, n->key);
		if (up > 0 &&
		    !(probe == NULL ? json_is(n->hide, "power", "running") :
				      member != NULL && member->health.up))
			continue;
		if (k-- == 0) {
			snprintf(out, 16, "%.15s", json_text(n->hide, "address"));
			return true;
		}
	}
	return false;
}

/* ---- a question ---- */

static void result(struct emu *m, struct member *k, enum probe_result r,
		   const char *why)
{
	bool changed = probe_count(&k->health, r, k->threshold);
	bool news = changed || strcmp(k->why, why) != 0;
	const char *name = strrchr(k->probe, '/');

	end_question(k);
	if (!news)
		return;
	k->been_up = k->been_up || k->health.up;
	snprintf(k->why, sizeof(k->why), "%s", why);
	emu_log(m, "probe %s of %s: %s (%s)",
		name != NULL ? name + 1 : k->probe, k->address,
		k->health.up ? "up" :
		k->been_up   ? "down" :
			       "not up yet",
		why);
	store_changed(m);
}

static void ask(struct emu *m, struct member *k, int64_t now)
{
	unsigned limit = k->path != NULL && k->interval_s > HTTP_LIMIT_S ?
				 HTTP_LIMIT_S :
				 k->interval_s;
	struct sockaddr_in to = { .sin_family = AF_INET },
			   from = { .sin_family = AF_INET };

	k->next_ms = now + (int64_t)k->interval_s * 1000;
	k->end_ms = now + (int64_t)limit * 1000;
	k->asking = true;
	k->sent = false;
	k->n = 0;
	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return;
	/* another source will do where there is no such address */
	inet_pton(AF_INET, PLATFORM, &from.sin_addr);
	(void)bind(k->fd, (struct sockaddr *)&from, sizeof(from));
	to.sin_port = htons((uint16_t)k->port);
	inet_pton(AF_INET, k->address, &to.sin_addr);
	if (connect(k->fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
	    errno == EINPROGRESS)
		return;
	if (errno == ECONNREFUSED) {
		result(m, k, PROBE_REFUSED, "refused");
		return;
	}
	close(k->fd);
	k->fd = -1;
}

/* It is connected, or that went wrong.  No route is silence, as in Azure. */
static void connected(struct emu *m, struct member *k)
{
	int error = 0;
	socklen_t n = sizeof(error);
	char text[300];
	int len;

	getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error == ECONNREFUSED || error == ECONNRESET) {
		result(m, k, PROBE_REFUSED, "refused");
		return;
	}
	if (error != 0) {
		close(k->fd);
		k->fd = -1;
		return;
	}
	if (k->path == NULL) {
		result(m, k, PROBE_WELL, "connected");
		return;
	}
	len = snprintf(text, sizeof(text),
		       "GET %.200s HTTP/1.1\r\nHost: %s\r\n"
		       "User-Agent: Load Balancer Agent\r\nConnection: close\r\n\r\n",
		       k->path, k->address);
	/* the first bytes of a connection: they fit */
	if (send(k->fd, text, (size_t)len, MSG_NOSIGNAL) != len) {
		result(m, k, PROBE_REFUSED, "reset");
		return;
	}
	k->sent = true;
}

static void answered(struct emu *m, struct member *k)
{
	ssize_t n = recv(k->fd, k->answer + k->n, sizeof(k->answer) - 1 - k->n, 0);
	char why[24];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		result(m, k, PROBE_REFUSED, n < 0 ? "reset" : "closed");
		return;
	}
	k->n += (size_t)n;
	if (k->n < sizeof(k->answer) - 1)
		return;
	k->answer[k->n] = '\0';
	if (strncmp(k->answer, "HTTP/1.", 7) == 0 &&
	    strcmp(k->answer + 8, " 200") == 0) {
		result(m, k, PROBE_WELL, "200");
		return;
	}
	snprintf(why, sizeof(why), "answered%.4s", k->answer + 8);
	result(m, k, PROBE_REFUSED, why);
}

static void pass_time(struct emu *m, struct member *k, int64_t now)
{
	if (k->asking && now >= k->end_ms)
		result(m, k, PROBE_SILENT, "no answer");
	if (!k->asking && now >= k->next_ms)
		ask(m, k, now);
}

/* Until something arrives, or somebody's time has passed.  The lock is let go. */
static void wait_for_one(struct emu *m, struct prober *w, struct pollfd *fds)
{
	size_t n = w->n;
	int64_t now = now_ms(), wait = LOOK_MS;

	for (size_t i = 0; i < n; i++) {
		struct member *k = &w->at[i];
		int64_t at = k->asking ? k->end_ms : k->next_ms;

		fds[i] = (struct pollfd){ .fd = k->fd,
					  .events = k->sent ? POLLIN : POLLOUT };
		wait = at - now < wait ? at - now : wait;
	}
	fds[n] = (struct pollfd){ .fd = m->stop_fd[0], .events = POLLIN };
	pthread_mutex_unlock(&m->lock);
	poll(fds, n + 1, wait > 0 ? (int)wait : 0);
	pthread_mutex_lock(&m->lock);
	/* only this thread adds and removes members */
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents != 0 && w->at[i].fd >= 0) {
			if (w->at[i].sent)
				answered(m, &w->at[i]);
			else
				connected(m, &w->at[i]);
		}
}

void *prober_thread(void *p)
{
	struct emu *m = p;
	struct prober *w = xcalloc(1, sizeof(*w));
	struct pollfd *fds = xcalloc(MEMBERS_MAX + 1, sizeof(*fds));
	int64_t looked = 0, now;
	bool inside = forward_go_inside(m);

	w->at = xcalloc(MEMBERS_MAX, sizeof(*w->at));
	pthread_mutex_lock(&m->lock);
	m->prober = w;
	if (!inside)
		emu_log(m, "probes: cannot enter %s", m->netns);
	while (inside && !m->stopping) {
		now = now_ms();
		if (now - looked >= LOOK_MS) {
			refresh(m, w);
			looked = now;
		}
		for (size_t i = 0; i < w->n; i++)
			pass_time(m, &w->at[i], now);
		wait_for_one(m, w, fds);
	}
	m->prober = NULL;
	for (size_t i = 0; i < w->n; i++) {
		end_question(&w->at[i]);
		free(w->at[i].probe);
		free(w->at[i].key);
		free(w->at[i].path);
	}
	free(w->at);
	free(w);
	free(fds);
	return emu_thread_end(m);
}
