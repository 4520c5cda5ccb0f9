#ifndef EMULATOR_FORWARD_H
#define EMULATOR_FORWARD_H

#include <stdbool.h>
#include <stdio.h>

struct emu;

/* Ways in through public addresses, until the emulator stops; counted in threads. */
void *forward_thread(void *emu);
/* This thread's sockets are made among the machines from now on. */
bool forward_go_inside(struct emu *m);

/* Which port of public addresses can be port 22 of machines: that, or another
 * where something on this host has it on every address. */
unsigned forward_ssh_port(void);

/* Whether another local Azure on this host has given that address out. */
bool forward_is_taken(const char *address);

/* A line to out for each of ours that is so all the same: given out when the
 * other was not there.  Lock held. */
void forward_tell_taken(struct emu *m, FILE *out);

#endif
