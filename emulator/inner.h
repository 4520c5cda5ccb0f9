#ifndef EMULATOR_INNER_H
#define EMULATOR_INNER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "emulator/emulator.h"
#include "emulator/jsonf.h"

/*
 * The local Azure itself, which every file of it knows.  One mutex, emu.lock,
 * guards all state; handlers run with it held, and give it up only in
 * op_sleep(), op_wait() and while a driver works.  A struct entry or struct op
 * may be gone after any of those: find it again by its key.
 */

#define BODY_MAX (4u << 20) /* ARM's limit for a template */
#define BLOB_MAX ((uint64_t)5000 << 20)
#define STATE_MAX (256u << 20)
#define LEVELS_MAX \
	50	      /* of a body, of what a template makes: what is
			      * made of them stays below what can be read */
#define OPS_MAX 256   /* at work at once */
#define OPS_KEPT 500  /* finished ones remembered */
#define DRIVERS_MAX 4 /* driver programs at once */

#define LOWER "abcdefghijklmnopqrstuvwxyz" /* what names may be made of */
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct entry;
struct op;
struct prober;
struct scaler;
struct tls_identity;

struct emu {
	/* what it was started with, and what follows from that */
	struct emulator_options o;
	char *dir;     /* absolute */
	char host[64]; /* numeric address listened on */
	unsigned port;
	char base[64]; /* "https://localhost:8443" */
	struct tls_identity *identity;
	int log_fd;
	int record_fd; /* -1: nothing is recorded */

	/* made once, kept in state.json */
	char tenant[37], client[37], object[37], subscription[37];
	char secret[48];       /* of the client */
	uint8_t token_key[32]; /* signs tokens and poll URLs */

	/* everything below is guarded by this */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* anything: states, operations, stopping */
	bool stopping;
	int stop_fd[2];	  /* the first is readable when it stops */
	unsigned threads; /* operations and servers still running */

	/* resources and operations; kept in state.json */
	struct entry *entries, **entries_end;
	struct entry **index; /* the same by hash, index_n (2^k) lists */
	size_t index_n, entries_n;
	struct op *ops; /* newest first */
	bool dirty;	/* to be saved */
	size_t saved_n; /* bytes of it, the last time */

	/* machines */
	char net[17];	   /* what the driver calls their network */
	char *netns;	   /* NULL without machines */
	unsigned ssh_port; /* of public addresses; 22, if this host lets us */
	unsigned drivers;  /* at work */
	cJSON *events;	   /* announced, see notice.c */
	uint64_t incarnation;  /* of their document */
	int64_t notices;       /* given so far */
	cJSON *maintenance;    /* what is planned, see maintenance.c */
	struct prober *prober; /* NULL: nobody is asked */
	struct scaler *scaler; /* what autoscale remembers */

	/* sign-ins that are under way, and access tokens that were found good
	 * ({"text", "claims"}, newest last); not kept */
	cJSON *grants, *tokens;

	/* when registering each provider of a new subscription began, by the
	 * clock; 0: it did not (arm/providers.c).  Not kept */
	int64_t registered[16];

	/* faults on purpose */
	char *faults_path;
	cJSON *faults;	     /* rules, with how often each was seen */
	int64_t faults_mark; /* of the file they are from */

	/* the parameter c of poll URLs: nothing, but as long as Azure's certificate */
	char certificate[2657];
};

void emu_log(struct emu *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *emu_lower(const char *s); /* caller frees */
/* Detached, with 1 MiB of stack.  -1 when there is none to be had. */
int emu_thread_start(void *(*run)(void *), void *arg);
/* The last act of a thread that counts in m->threads: gives up the lock.  NULL. */
void *emu_thread_end(struct emu *m);

#endif
