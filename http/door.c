/*
 * The waiting room of a server: see door.h.  Decides who goes when there is no
 * room; who gets a place is http/server.c's affair.
 */
#include "http/door.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 64 /* when the server does not say */
#define SHARE 8	       /* of one address, when others want to come */
#define NOBODY SIZE_MAX

void door_init(struct door *d, const struct http_server *s)
{
	size_t max = s->max_waiting > 0 ? s->max_waiting : WAITING_MAX;

	*d = (struct door){
		.s = s,
		.list = xcalloc(max, sizeof(*d->list)),
		.max = max,
		.polls = xcalloc(DOOR_OWN + max, sizeof(*d->polls)),
	};
}

void door_release(struct door *d)
{
	while (d->n > 0)
		close(door_leave(d, d->n - 1));
	free(d->list);
	free(d->polls);
}

bool door_same_host(const char *peer, const char *other)
{
	ptrdiff_t host_n = str_rchr(str_of(peer), ':') + 1;

	return strncmp(peer, other, (size_t)host_n) == 0;
}

static bool is_silent(const struct waiting *w, int64_t now_ms)
{
	return !w->ready && now_ms - w->since_ms >= DOOR_GRACE_MS;
}

/* Is it a stranger?  Where nobody has a rank, who has spoken is none. */
static bool is_nobody(const struct door *d, const struct waiting *w)
{
	return !w->ready || (d->s->rank != NULL && w->rank == HTTP_ANYBODY);
}

/* The oldest stranger of peer's address, if there are SHARE of them. */
static size_t of_its_own(const struct door *d, const char *peer)
{
	size_t oldest = NOBODY, n = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (!is_nobody(d, &d->list[i]) ||
		    !door_same_host(d->list[i].peer, peer))
			continue;
		if (n++ == 0)
			oldest = i;
	}
	return n >= SHARE ? oldest : NOBODY;
}

/* Who would go for another: the oldest silent one, else the lowest rank's. */
static size_t goes_first(const struct door *d, int64_t now_ms)
{
	size_t lowest = NOBODY;

	for (size_t i = 0; i < d->n; i++) {
		const struct waiting *w = &d->list[i];

		if (is_silent(w, now_ms))
			return i;
		if (w->ready && d->s->rank != NULL && w->rank < HTTP_PROVEN &&
		    (lowest == NOBODY || w->rank < d->list[lowest].rank))
			lowest = i;
	}
	return lowest;
}

bool door_open(const struct door *d, int64_t now_ms)
{
	return d->n < d->max || goes_first(d, now_ms) != NOBODY;
}

void door_take(struct door *d, int fd, const char *peer, int64_t now_ms)
{
	size_t goes;

	if (d->n == d->max) {
		goes = of_its_own(d, peer);
		if (goes == NOBODY)
			goes = goes_first(d, now_ms);
		if (goes == NOBODY) {
			close(fd);
			return;
		}
		close(door_leave(d, goes));
	}
	d->list[d->n] = (struct waiting){ .fd = fd,
					  .since_ms = now_ms,
					  .until_ms = now_ms + d->s->idle_ms };
	memcpy(d->list[d->n].peer, peer, strlen(peer) + 1);
	d->n++;
}

struct pollfd *door_polls(struct door *d)
{
	/* who has spoken waits for something else */
	for (size_t i = 0; i < d->n; i++)
		d->polls[DOOR_OWN + i] = (struct pollfd){
			.fd = d->list[i].ready ? -1 : d->list[i].fd,
			.events = POLLIN,
		};
	return d->polls;
}

int64_t door_until(const struct door *d, int64_t until_ms)
{
	/* all have the same time, so the oldest ends first */
	int64_t first_ms = d->n > 0 ? d->list[0].until_ms : until_ms;

	/* no room: until somebody's silence is one */
	for (size_t i = 0; d->n == d->max && i < d->n; i++)
		if (!d->list[i].ready &&
		    d->list[i].since_ms + DOOR_GRACE_MS < first_ms)
			first_ms = d->list[i].since_ms + DOOR_GRACE_MS;
	return first_ms < until_ms ? first_ms : until_ms;
}

/* Has it hung up meanwhile?  Who only says no more still hears. */
static bool is_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

void door_look(struct door *d, int64_t now_ms)
{
	const struct http_server *s = d->s;
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct waiting *w = &d->list[i];

		if (!w->ready && d->polls[DOOR_OWN + i].revents != 0) {
			w->ready = true;
			if (s->rank != NULL)
				w->rank = s->rank(s->ctx, w->fd, w->peer);
		}
		if (now_ms >= w->until_ms || (w->ready && is_gone(w->fd)))
			close(w->fd);
		else
			d->list[kept++] = *w;
	}
	d->n = kept;
}

int door_leave(struct door *d, size_t i)
{
	int fd = d->list[i].fd;

	d->n--;
	memmove(&d->list[i], &d->list[i + 1], (d->n - i) * sizeof(*d->list));
	return fd;
}
