#ifndef EMULATOR_FORWARD_H
#define EMULATOR_FORWARD_H

/* Ways in through public addresses, until the emulator stops; counted in threads. */
void *forward_thread(void *emu);

#endif
