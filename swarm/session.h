#ifndef SWARM_SESSION_H
#define SWARM_SESSION_H

#include "azure.h"
#include "base/elf.h"
#include "swarm/dial.h"
#include "swarm/settings.h"
#include "swarm/trace.h"
#include "swarm/ui.h"
#include "tls/tls.h"

/* The storage account, once found (swarm/storage.c). */
struct storage {
	char *blob, *file; /* "https://ACCOUNT.blob...", and the file endpoint */
	bool keyless;	   /* it allows no shared keys */
	bool made;	   /* Azure has finished making it */
	cJSON *delegation; /* the key for signing without them, once asked for */
	char *query;	   /* a signature for our container, see swarm/blob.h */
	char *images;	   /* and for that of images */
	/* "key1" or "key2", which machines have; while that is being changed, the
	 * one that they had, else "" */
	char key[5], key_before[5];
};

/* What a command works with: settings, the person's terminal, and, once it
 * needs it, a signed-in connection to Azure. */
#define SESSION_FORWARDS_MAX 16
#define SESSION_VARIABLES_MAX 64
struct session {
	struct settings *set; /* what is chosen for who did not is set there */
	struct ui *ui;
	const char *version;	   /* of this program, and so of its image */
	bool no_wait;		   /* --no-wait */
	bool watch;		   /* --watch */
	bool stop;		   /* --stop */
	bool dry_run;		   /* --dry-run */
	bool prune;		   /* --prune */
	bool reboot;		   /* --reboot */
	bool engine;		   /* --engine */
	bool yes;		   /* --yes: nothing is asked */
	bool hard;		   /* --hard */
	bool masters;		   /* --masters */
	bool force;		   /* --force */
	bool no_share;		   /* --no-share */
	bool with_keys;		   /* --keys */
	bool to_storage;	   /* --to-storage */
	bool with_registry_auth;   /* --with-registry-auth */
	bool push;		   /* --push */
	bool apply;		   /* --apply */
	const char *file;	   /* -o FILE, NULL: as usual */
	const char *at_a_time;	   /* --at-a-time N, NULL: as usual */
	const char *from;	   /* --from MASTER, NULL: not said */
	const char *rounds, *seed; /* --rounds N, --seed N, NULL: as usual */
	const char *tail, *since;  /* --tail N, --since D, NULL: as usual */
	/* of login */
	bool person;	       /* who signs in is a person, whatever is set */
	bool device_code;      /* --device-code */
	const char *client_id; /* --client-id, NULL: the usual one */
	const char *claims;    /* --claims-challenge, base64 */
	const char *forwards[SESSION_FORWARDS_MAX]; /* -L */
	size_t n_forwards;
	/* of exec and logs */
	bool interactive, terminal, with_terminal; /* -i, -t, -it */
	const char *user, *workdir; /* -u, -w; NULL: the image's */
	const char *variables[SESSION_VARIABLES_MAX]; /* -e */
	size_t n_variables;
	bool follow, timestamps; /* -f, --timestamps */
	/* what main exits with when all went well: that of the command which ran
	 * on a machine, or plan's */
	int exit_status;
	const char *confirm; /* --confirm NAME, NULL: ask */
	struct trace trace;  /* opened by main */
	struct lock *lock;   /* the operators', NULL: the command needs none */
	bool break_lock;     /* --break-lock */
	char *account;	     /* see storage_account_name() */
	bool labels_known;   /* names_labels() has asked, and they can be had */
	bool sized;	     /* see sizes_choose() */
	enum elf_machine kinds[2];
	/* What was read once, for a command that is made of others. */
	cJSON *skus;  /* of the sizes that are wanted, see sizes_known() */
	cJSON *first; /* see remote_first_machine(); null: there is none */
	struct storage store; /* see storage_of() */

	struct tls_trust *trust;
	struct dial dial;
	struct entra entra;
	struct azure az;
	struct http_client data; /* hosts that are not ARM: blob storage */
	bool open;
};

/* Read the trust anchors, find the endpoints, prepare sign-in.  Sends nothing
 * unless the endpoints must be discovered.  ERR_USAGE: a setting is none, or a
 * .env names an endpoint that would be given a credential from elsewhere. */
int session_reach(struct session *s, struct err *e);
/*
 * That, and sign in, unless settings say how and for which subscription: then
 * the first request does.  Finds out the subscription when none is set: the
 * credential's, or the only one there is.  ERR_AUTH; ERR_USAGE when there are
 * several.  Call session_close() whatever the result.
 */
int session_open(struct session *s, struct err *e);
/* Where none is set: the subscription that the credential brought along, or the
 * only one it sees.  ERR_USAGE when there are several, ERR_AUTH when none. */
int session_subscription(struct session *s, struct err *e);
/* In a child, behind fork(): its connections are the parent's, and it makes others. */
void session_detach(struct session *s);
void session_close(struct session *s);

#endif
