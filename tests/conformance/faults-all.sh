# Every command through every fault, at each of its requests, and interrupted at
# each of its waits.
# time: 3600
FAULTS_MODE=all
. "$SRCDIR/tests/sh/faults.sh"
