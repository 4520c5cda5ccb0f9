#ifndef EMULATOR_FORWARD_H
#define EMULATOR_FORWARD_H

#include <stdbool.h>

struct emu;

/* Ways in through public addresses, until the emulator stops; counted in threads. */
void *forward_thread(void *emu);
/* This thread's sockets are made among the machines from now on. */
bool forward_go_inside(struct emu *m);

#endif
