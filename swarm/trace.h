#ifndef SWARM_TRACE_H
#define SWARM_TRACE_H

#include "http.h"
#include "swarm/ui.h"

/*
 * What is asked of Azure, of its sign-in, and of the swarm, told to whoever wants
 * to know: --print-requests, AZSWARM_LOG.  And how much of it changes something.
 */
enum trace_peer {
	TRACE_AZURE,   /* Resource Manager and blob storage */
	TRACE_SIGN_IN, /* which changes nothing */
	TRACE_SWARM,   /* the Engine and the helper of a master */
	TRACE_PEERS
};

struct trace {
	struct ui *ui;
	/* --print-requests: shown before they are sent, without secrets, and the
	 * first that would change something is not sent: ERR_HELD */
	bool print;
	bool held;	  /* that one was shown */
	int log;	  /* AZSWARM_LOG, -1: none */
	unsigned changes; /* requests sent that change something */
	bool aside;	  /* what is asked now is about the command itself */
	/* before one that changes something; -1 with e: it is not sent.  May be
	 * NULL */
	int (*may)(void *ctx, struct err *e);
	void *may_ctx;
	struct trace_end {
		struct trace *trace;
		enum trace_peer peer;
		struct http_watch watch;
	} ends[TRACE_PEERS];
};

/* t stays where it is.  path: AZSWARM_LOG, appended to, made 0600; NULL or "":
 * no log. */
int trace_open(struct trace *t, struct ui *ui, const char *path, struct err *e);
/* What to give to a client of that peer; NULL: t is not open. */
const struct http_watch *trace_watch(const struct trace *t, enum trace_peer peer);
/* Before a command on a machine that changes something there, which no request
 * tells of: as with requests, -1 with e when it is not to be run. */
int trace_change(struct trace *t, const char *where, const char *what,
		 struct err *e);
/* A line of its own in the log: what is waited for, how a command ended. */
void trace_note(struct trace *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void trace_close(struct trace *t);

#endif
