# Every command through every fault, at each of its requests, and interrupted at
# each of its waits.
# time: 7200
FAULTS_MODE=all AZSWARM=$SRCDIR/build/san/azswarm	# both sides with sanitizers
. "$SRCDIR/tests/sh/faults.sh"
