#!/bin/sh
# The arithmetic of a handshake, ours beside OpenSSL's on the same processor in
# the same run: microseconds of the processor for each (both count those, not
# what the clock says).  Not a part of `make test`.
#
#	tests/bench_crypto.sh
set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/bench_rows.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
"$top/build/bench/crypto_tool" >"$dir/ours"
# +F2:N:2048:SIGNS:CHECKS, +F4:N:256:SIGNS:CHECKS, +F5:N:253:OPERATIONS:SECONDS
openssl speed -mr -seconds 1 rsa2048 ecdsap256 ecdhx25519 2>/dev/null | tr : ' ' >"$dir/theirs" || :

each()		# FILE NAME FIELD: microseconds
{
	awk -v name="$2" -v field="$3" '$1 == name && $field > 0 { printf "%.1f", 1e6 / $field; found = 1 }
		END { if (!found) printf "not here" }' "$dir/$1"
}
head_row "arithmetic of a handshake (OpenSSL's)"
compare()	# NAME OURS THEIRS FIELD
{
	row "$1" "$(each ours "$2" 2)" "$(each theirs "$3" "$4")" us
}
compare 'X25519, in tls/' tls-x25519 +F5 4
compare 'X25519, in ssh/' ssh-x25519 +F5 4
compare 'ECDSA P-256 signs, in tls/' tls-p256-sign +F4 4
compare 'ECDSA P-256 signs, in ssh/' ssh-p256-sign +F4 4
compare 'ECDSA P-256 checks, in tls/' tls-p256-verify +F4 5
compare 'ECDSA P-256 checks, in ssh/' ssh-p256-verify +F4 5
compare 'RSA-2048 signs' tls-rsa2048-sign +F2 4
compare 'RSA-2048 checks' tls-rsa2048-verify +F2 5
