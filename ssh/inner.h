#ifndef SSH_INNER_H
#define SSH_INNER_H

/* What the files of ssh/ share; nobody else includes this. */

#include <bearssl.h>

#include "base/net.h"
#include "ssh/ssh.h"

#define SSH_PACKET_MAX 36864 /* RFC 4253 6.1 asks for 35000 */
#define SSH_PAYLOAD_MAX 35840
#define SSH_DATA_MAX 32768 /* of channel data in one packet, both ways */
#define SSH_HASH_MAX 64
/* Room for every curve that BearSSL has: P-521 is the largest. */
#define SSH_SCALAR_MAX 66
#define SSH_POINT_MAX 133 /* uncompressed */
#define SSH_KEY_MAX 64	  /* of a cipher */
#define SSH_VERSION "SSH-2.0-azswarm"
#define SSH_CHANNELS 512
#define SSH_BLOB_MAX 2048 /* of a public key */
#define SSH_SIG_MAX 1024  /* of a signature */

/* Each curve by the code that BearSSL has made for it, as tls/ has them. */
#define SSH_EC (&br_ec_all_m31)
#define SSH_X25519 (&br_ec_c25519_m31)

/* Message numbers, RFC 4250 4.1.2. */
enum {
	MSG_DISCONNECT = 1,
	MSG_IGNORE,
	MSG_UNIMPLEMENTED,
	MSG_DEBUG,
	MSG_SERVICE_REQUEST,
	MSG_SERVICE_ACCEPT,
	MSG_EXT_INFO,
	MSG_KEXINIT = 20,
	MSG_NEWKEYS,
	MSG_KEX_ECDH_INIT = 30,
	MSG_KEX_ECDH_REPLY,
	MSG_USERAUTH_REQUEST = 50,
	MSG_USERAUTH_FAILURE,
	MSG_USERAUTH_SUCCESS,
	MSG_USERAUTH_BANNER,
	MSG_USERAUTH_PK_OK = 60,
	MSG_GLOBAL_REQUEST = 80,
	MSG_REQUEST_SUCCESS,
	MSG_REQUEST_FAILURE,
	MSG_CHANNEL_OPEN = 90,
	MSG_CHANNEL_OPEN_CONFIRMATION,
	MSG_CHANNEL_OPEN_FAILURE,
	MSG_CHANNEL_WINDOW_ADJUST,
	MSG_CHANNEL_DATA,
	MSG_CHANNEL_EXTENDED_DATA,
	MSG_CHANNEL_EOF,
	MSG_CHANNEL_CLOSE,
	MSG_CHANNEL_REQUEST,
	MSG_CHANNEL_SUCCESS,
	MSG_CHANNEL_FAILURE,
	MSG_HELLO = 192, /* ours, of share.c: what a guest is greeted with */
};

/* Why we disconnect, RFC 4253 11.1. */
enum {
	BYE_PROTOCOL = 2,
	BYE_KEX = 3,
	BYE_MAC = 5,
	BYE_HOST_KEY = 9,
	BYE_APPLICATION = 11,
	BYE_NO_AUTH = 14,
};

/* ---- wire.c: RFC 4251 5.  Readers consume from the front; false when what
 * is asked for is not wholly there or malformed. ---- */

bool wire_u8(struct str *in, unsigned *v);
bool wire_bool(struct str *in, bool *v);
bool wire_u32(struct str *in, uint32_t *v);
bool wire_string(struct str *in, struct str *v);
/* Not negative, shortest form; leading zero taken off. */
bool wire_mpint(struct str *in, struct str *v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_bool(struct buf *b, bool v);
void wire_put(struct buf *b, const void *p, size_t n); /* string */
void wire_putz(struct buf *b, const char *z);
void wire_putb(struct buf *b, const struct buf *v);
void wire_put_mpint(struct buf *b, const void *p,
		    size_t n); /* big-endian, any zeros */
uint32_t wire_be32(const void *p);
void wire_set_be32(void *p, uint32_t v);
/* Is name one of the comma-separated list? */
bool wire_list_has(struct str list, struct str name);
/* The first of ours that is among theirs (RFC 4253 7.1). */
bool wire_list_pick(struct str ours, struct str theirs, struct str *name);

/* Bytes that go in at one end and out at the other, always in one piece. */
struct queue {
	uint8_t *p;
	size_t head, n, cap;
};
uint8_t *queue_room(struct queue *q, size_t n); /* then q->n += what was written */
void queue_add(struct queue *q, const void *p, size_t n);
void queue_drop(struct queue *q, size_t n);
void queue_release(struct queue *q);
static inline uint8_t *queue_front(const struct queue *q)
{
	return q->p == NULL ? NULL : q->p + q->head;
}

/* ---- packet.c: RFC 4253 6, RFC 5647, encrypt-then-MAC ---- */

struct direction;

/*
 * A cipher in its mode.  A packet is its length (4 bytes, in clear), n bytes
 * behind it that are to be kept secret, and room for the tag.
 */
struct cipher {
	const char *name;
	unsigned key_n; /* SSH_KEY_MAX at most */
	unsigned block; /* n is a multiple of it */
	unsigned tag_n; /* of the tag that it makes itself; 0: a MAC does that */
	void (*init)(struct direction *d, const uint8_t *key);
	void (*seal)(struct direction *d, uint8_t *packet, size_t n);
	/* False when the tag is wrong; nothing is to be read of n then. */
	bool (*open)(struct direction *d, uint8_t *packet, size_t n);
};
/* HMAC over number and packet, encrypt-then-MAC. */
struct mac {
	const char *name;
	const br_hash_class *hash;
	unsigned n; /* SSH_HASH_MAX at most, of key and of tag */
};
/* What we offer, the best first; each ends with a NULL name. */
extern const struct cipher ssh_ciphers[];
extern const struct mac ssh_macs[];

/* One direction of a connection; may be copied.  All zero: plain, as it
 * begins. */
struct direction {
	const struct cipher *cipher;
	const struct mac *mac; /* NULL with a cipher that makes the tag */
	uint32_t seq;
	uint64_t bytes; /* since the keys are in use */
	uint8_t iv[16];
	br_aes_gen_ctr_keys aes;
	br_gcm_context gcm;
	br_hmac_key_context hmac;
};

/* Keys as derived; key has cipher->key_n bytes, mac_key mac->n.  m may be NULL
 * when the cipher makes the tag, and is of no matter then. */
void direction_init(struct direction *d, const struct cipher *c,
		    const struct mac *m, const uint8_t *iv, const uint8_t *key,
		    const uint8_t *mac_key);
void packet_seal(struct direction *d, struct str payload, struct queue *out);
/*
 * Open the packet at the front of in, in place.  1: *payload points into it,
 * *used is what to drop then.  0: not all there.  -1: e says; *bye gets the
 * reason to disconnect with.
 */
int packet_open(struct direction *d, uint8_t *in, size_t n, size_t *used,
		struct str *payload, int *bye, struct err *e);

/* ---- key.c ---- */

/* A public key that signatures are checked with, pointing into its blob. */
struct ssh_pub {
	uint8_t blob[SSH_BLOB_MAX];
	size_t blob_n;
	bool rsa;
	br_rsa_public_key rsa_pub;
	br_ec_public_key ec_pub;
};
/* "TYPE BASE64 ..." to the blob; what names it. */
int ssh_blob_of_line(const char *line, const char *what, struct buf *blob,
		     struct err *e);
/* A host key: ecdsa-sha2-nistp256, or RSA of 2048 bits and more. */
int ssh_pub_parse(struct ssh_pub *p, struct str blob, struct err *e);
/* Is sig (a wire string's content) one of data by that algorithm? */
bool ssh_pub_verify(const struct ssh_pub *p, struct str algorithm,
		    struct str sig, const void *data, size_t n);
void ssh_fingerprint(struct str blob, char out[51]); /* "SHA256:..." */
void ssh_key_blob(const struct ssh_key *k, struct buf *out);
bool ssh_key_is_rsa(const struct ssh_key *k);
/* NULL for RSA, where the name is chosen by what the server takes. */
const char *ssh_key_algorithm(const struct ssh_key *k);
/* The signature blob: string algorithm, string signature. */
int ssh_key_sign(const struct ssh_key *k, const char *algorithm,
		 struct str data, struct buf *sig, struct err *e);

/* ---- agent.c ---- */

struct ssh_agent;
struct ssh_agent *ssh_agent_open(const char *path, int64_t deadline_ms,
				 struct err *e);
void ssh_agent_close(struct ssh_agent *a);
/* The n-th key's blob: 1, 0 when there is none. */
int ssh_agent_key(const struct ssh_agent *a, size_t n, struct str *blob);
int ssh_agent_sign(struct ssh_agent *a, struct str blob, const char *algorithm,
		   struct str data, struct buf *sig, int64_t deadline_ms,
		   struct err *e);
/* Parse an answer to the request for keys; for the fuzzer. */
int ssh_agent_list(struct ssh_agent *a, struct str answer, struct err *e);
struct ssh_agent *ssh_agent_empty(void);

/* ---- the connection ---- */

enum kex_step { KEX_NONE, KEX_INIT_SENT, KEX_REPLY_DUE, KEX_NEWKEYS_DUE };

struct kex_method {
	const char *name;
	const br_ec_impl *ec;
	int curve;
	const br_hash_class *hash;
};

/* A key exchange under way, and what stays of the first. */
struct kex {
	enum kex_step step;
	bool strict;	 /* stays */
	bool skip_guess; /* the next packet was a wrong guess */
	unsigned done;	 /* how many are behind us */
	int64_t deadline_ms;
	struct buf ours, theirs; /* the KEXINIT payloads */
	const struct kex_method *method;
	struct str host_alg;		/* points into offer_host */
	const struct cipher *cipher[2]; /* out, in */
	const struct mac *mac[2];
	uint8_t secret[SSH_SCALAR_MAX];
	size_t secret_n;
	uint8_t point[SSH_POINT_MAX];
	size_t point_n;
	uint8_t session[SSH_HASH_MAX];
	size_t session_n;
};

struct ssh {
	struct stream *stream;
	char *who;	 /* "ssh USER@NAME" */
	struct err dead; /* why it is over */
	struct queue in, out;
	struct direction rx, tx, rx_next;
	struct buf msg;	   /* being made */
	struct queue held; /* made, but must wait for the end of a key exchange */
	bool tx_kex;	   /* KEXINIT sent, NEWKEYS not */

	/* the greeting */
	struct buf version; /* theirs, without the line's end */
	size_t greeting_n;
	unsigned greeting_lines;

	struct kex kex;
	struct ssh_pub host, other_host; /* the other: blob_n 0 for none */
	struct buf offer_kex, offer_host, offer_cipher, offer_mac; /* name lists */
	struct buf algorithms; /* agreed on, for people */
	struct str host_expected;

	/* signing in */
	bool ext_info; /* server-sig-algs came */
	struct buf sig_algs;
	struct buf auth_reply;
	bool auth_due, signed_in;

	/* life */
	int64_t keepalive_ms, ping_ms, rekey_ms, rekey_at_ms;
	uint64_t rekey_bytes;
	unsigned pings, pings_due;
	struct ssh_channel *channel[SSH_CHANNELS]; /* that the peer knows, by our id */
	struct ssh_channel *all;
	unsigned channels;
	uint32_t windows; /* the sum of their window_max */

	/* with others (share.c) */
	int64_t heard_ms;    /* when the server last said something */
	struct share *share; /* what we lend, NULL: nothing */
	bool shared;	     /* what we are lent */
	struct buf *hello;   /* gets what we are greeted with, NULL: was */
};

/* Start a message; msg_send() queues it. */
struct buf *msg_begin(struct ssh *s, unsigned type);
void msg_send(struct ssh *s);
/* One packet's payload.  -1 with e set, *bye why. */
int ssh_dispatch(struct ssh *s, struct str payload, int *bye, struct err *e);
/* All that is whole in s->in; for fuzzers, too. */
int ssh_take(struct ssh *s, struct err *e);
/* Memory for one, with nothing agreed on. */
struct ssh *ssh_blank(struct stream *st, const char *who);
/* A connection that has not said anything yet. */
struct ssh *ssh_new(struct stream *st, const struct ssh_config *c, struct err *e);
/* Hand the stream what it takes without waiting. */
int ssh_flush(struct ssh *s, struct err *e);
/* End it: remember e, tell the server. */
int ssh_die(struct ssh *s, int bye, struct err *e);

/* share.c: a message about a channel that is none of our own. */
int share_message(struct ssh *s, unsigned type, uint32_t id, struct str body,
		  struct err *e);

/* kex.c */
int kex_offer(struct ssh *s, const struct ssh_config *c, struct err *e);
void kex_start(struct ssh *s);
int kex_message(struct ssh *s, unsigned type, struct str body,
		struct str payload, int *bye, struct err *e);
void kex_release(struct kex *k);

/* auth.c: sign in, -1 with e set. */
int ssh_auth_run(struct ssh *s, const struct ssh_config *c, int64_t deadline_ms,
		 struct err *e);

/* channel.c */
enum channel_state { CH_OPENING, CH_STARTING, CH_OPEN, CH_REFUSED };
struct ssh_channel {
	struct stream stream;
	struct ssh *ssh;
	struct ssh_channel *next; /* of the connection's */
	enum channel_state state;
	uint32_t id, peer;
	uint32_t window, window_max; /* what the peer may send; at most */
	uint32_t peer_window, peer_max;
	bool closed_by_peer, eof_by_peer, deaf, eof_wanted, eof_sent, close_sent;
	bool abandoned; /* ours is gone, waits for the peer's close */
	bool drop_err;
	bool not_opened; /* refused, before anything was asked of it */
	bool pty;
	unsigned cols, rows;
	unsigned replies; /* to our requests, still due */
	char *command, *term;
	char *why; /* refused because */
	int status;
	struct queue in, err;
};
int channel_message(struct ssh *s, unsigned type, struct str body, struct err *e);
void channel_free(struct ssh_channel *c);
/* Take n bytes off the front and give the peer room for more. */
void channel_took(struct ssh_channel *c, struct queue *q, size_t n);
bool channel_is_stream(const struct stream *st);
struct ssh *ssh_below(const struct ssh *s); /* what the stream is a channel of, or NULL */

#endif
