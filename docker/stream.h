#ifndef DOCKER_STREAM_H
#define DOCKER_STREAM_H

#include "docker/docker.h"

/*
 * What the Engine says for as long as it likes: logs that are followed, and the
 * connection of an exec, which is taken over ("hijacked") for stdin, stdout and
 * stderr.
 *
 * Source: Docker Engine API reference, "Attach to a container" and "Get service
 * logs"; pkg/stdcopy of moby for the frames.
 */

/* ---- frames ---- */

enum docker_source {
	DOCKER_STDIN,
	DOCKER_STDOUT,
	DOCKER_STDERR,
	DOCKER_SYSTEM, /* the engine's own words: what went wrong */
};

/*
 * Where there is no terminal, stdout and stderr come as one: before each piece
 * eight bytes, whose it is and how long.  A codec that does no I/O; begin with
 * zeroes.
 */
struct docker_frames {
	unsigned char head[8];
	unsigned head_n;
	enum docker_source source; /* of the frame that is being taken */
	uint32_t left;		   /* of it */
};
/*
 * Take from the front of *in: 1 with a *piece of the frame of f->source, the
 * last of it when f->left is 0 (an empty frame has one that is empty); 0: give
 * more; -1: these are no frames, ERR_PROTO.
 */
int docker_frame(struct docker_frames *f, struct str *in, struct str *piece,
		 struct err *e);
/* The stream ended: -1 in the midst of a frame, ERR_NET. */
int docker_frames_end(const struct docker_frames *f, struct err *e);

/* ---- an answer without an end ---- */

/*
 * GET path, and give take() what comes as it comes, however long that takes and
 * however long nothing does; take() returns -1 with e set to stop, and so does
 * silent() (NULL: nobody is asked), which is called when nothing has come for
 * d->silence_ms, and again each time.  0 at the end.  What the engine refuses
 * before it begins is ERR_DOCKER.
 */
int docker_follow(struct docker *d, const char *path,
		  int (*take)(void *ctx, struct str piece, struct err *e),
		  int (*silent)(void *ctx, struct err *e), void *ctx,
		  struct err *e);

/* ---- a connection that is taken over ---- */

/*
 * POST body to path and keep the connection: the engine answers 101 where it
 * knows of Upgrade, or 200.  *out is the caller's; rest gets what has come
 * already.
 */
int docker_hijack(struct docker *d, const char *path, const cJSON *body,
		  struct stream **out, struct buf *rest, struct err *e);

/* What is carried between such a connection and descriptors of ours, which may
 * be blocking ones and stay so. */
struct docker_carry {
	struct stream *stream;
	struct str rest; /* what docker_hijack() had */
	int in;		 /* its end is passed on; -1: nothing is */
	int out, err;
	bool framed; /* stdout and stderr come apart: no terminal */
	/* When wake_fd is readable (-1: there is none), and every wake_ms that
	 * wake() asks for: it returns when it wants to be called again by itself,
	 * IO_FOREVER for never. */
	int wake_fd;
	int64_t (*wake)(void *ctx);
	void *ctx;
};
/*
 * Until the engine ends it and everything is written: 0.  -1: the connection
 * broke (ERR_NET), an interrupt (ERR_INTR), out or err takes no more (ERR_IO),
 * the engine's own words (ERR_DOCKER).  However slow either side is, the
 * other is served.
 */
int docker_carry(const struct docker_carry *k, struct err *e);

#endif
