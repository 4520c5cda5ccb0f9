#!/bin/sh
# The arithmetic of a handshake, ours beside OpenSSL's on the same processor in
# the same run: how many in a second of the processor (both count that, not
# what the clock says), and how many times as long ours takes.  Not a part of
# `make test`.
#
#	tests/bench_crypto.sh
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
build/bench/crypto_tool >"$dir/ours"
# +F2:N:2048:SIGN:VERIFY, +F4:N:256:SIGN:VERIFY, +F5:N:253:OPERATIONS:SECONDS
openssl speed -mr -seconds 1 rsa2048 ecdsap256 ecdhx25519 2>/dev/null >"$dir/theirs"

printf '%-28s %11s   %11s   %s\n' "a second of the processor:" ours theirs 'ours takes, times theirs'
row()		# NAME WHICH LINE FIELD
{
	awk -v name="$1" -v which="$2" -v line="+F$3" -v field="$4" '
		NR == FNR { if ($1 == which) ours = $2; next }
		{ n = split($0, f, ":"); if (f[1] == line && n >= field) theirs = f[field] }
		END {
			if (ours == 0) exit 1
			if (theirs == 0) printf "%-28s %11.0f   %11s\n", name, ours, "not here"
			else printf "%-28s %11.0f   %11.0f   %.1f\n", name, ours, theirs, theirs / ours
		}' "$dir/ours" "$dir/theirs"
}
row 'X25519, in tls/' tls-x25519 5 4
row 'X25519, in ssh/' ssh-x25519 5 4
row 'ECDSA P-256 signs, in tls/' tls-p256-sign 4 4
row 'ECDSA P-256 signs, in ssh/' ssh-p256-sign 4 4
row 'ECDSA P-256 checks, in tls/' tls-p256-verify 4 5
row 'ECDSA P-256 checks, in ssh/' ssh-p256-verify 4 5
row 'RSA-2048 signs' tls-rsa2048-sign 2 4
row 'RSA-2048 checks' tls-rsa2048-verify 2 5
