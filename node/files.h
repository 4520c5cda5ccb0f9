#ifndef NODE_FILES_H
#define NODE_FILES_H

#include "base/buf.h"
#include "base/err.h"

/*
 * The files that make a machine: one list, which stands in
 * assets/cloud-init/node.yaml.  cloud-init writes it at first boot; `azswarm
 * upgrade` brings it to machines that are there; a hash of it is what an agent
 * tells of its machine.
 *
 * What is read is of our own form and no more: a file under write_files with
 * path, permissions and content, in this order, the content a text in double
 * quotes (RFC 8259's escapes, lines joined by a backslash) or a literal block;
 * SSH host keys under ssh_keys, which cloud-init writes where sshd wants them.
 *
 * Source: YAML 1.2, 7.3.1 and 8.1.2; cloud-init's modules write_files and ssh.
 */
#define FILES_MAX 32
#define FILES_BYTES_MAX (256u << 10) /* of one, and of the text of all */
#define FILES_HASH_MAX 17

/* Settings that an image brought are merged into that one, so what it should be
 * is known on the machine alone. */
#define FILES_MERGED "/etc/docker/daemon.json"

#define FILES_HOST_KEY "/etc/ssh/ssh_host_ecdsa_key"

struct file {
	char *path;
	unsigned mode;	    /* owned by root */
	struct buf content; /* secrets among it; empty: there is to be no file */
};

struct files {
	struct file list[FILES_MAX];
	size_t n;
};

/* Read a cloud-config.  ERR_DATA when it is of another form.  files_burn(f)
 * whatever the result; f is zeroed by the caller. */
int files_read(struct str cloud_config, struct files *f, struct err *e);
/* The list that this program has, with nothing filled in. */
int files_known(struct files *f, struct err *e);
/* That of them, NULL: none. */
const struct file *files_get(const struct files *f, const char *path);
/* Put in place of each content and mode what is below root ("" for /).  What
 * cannot be read is not there. */
void files_look(struct files *f, const char *root);
void files_burn(struct files *f);
/* The contents alone; the list stays. */
void files_empty(struct files *f);

/* 16 hex digits of all that, but for the one that is merged, and of the program
 * that a machine has: program is the SHA-256 of its file, in hex. */
void files_hash(const struct files *f, const char *program,
		char out[FILES_HASH_MAX]);
/* SHA-256 of a file in hex, read piece by piece; "" when it cannot be read. */
void files_program(const char *path, char out[65]);

#endif
