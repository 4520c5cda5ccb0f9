#!/bin/sh
# The arithmetic of a handshake, ours beside OpenSSL's on the same processor in
# the same run: of how many microseconds of the processor one is (both count
# that, not what the clock says).  Not a part of `make test`.
#
#	tests/bench_crypto.sh
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
top=$PWD
. tests/bench_rows.sh

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
build/bench/crypto_tool >"$dir/ours"
# +F2:N:2048:SIGN:VERIFY, +F4:N:256:SIGN:VERIFY, +F5:N:253:OPERATIONS:SECONDS
openssl speed -mr -seconds 1 rsa2048 ecdsap256 ecdhx25519 2>/dev/null >"$dir/theirs"

head_row "arithmetic, theirs is OpenSSL's"
operation()	# NAME WHICH LINE FIELD
{
	each='function us(n) { return n > 0 ? sprintf("%.1f", 1e6 / n) : "not here" }'
	row "$1" "$(awk -v which="$2" "$each"' $1 == which { n = $2 } END { print us(n) }' "$dir/ours")" \
		"$(awk -F: -v line="+F$3" -v field="$4" "$each"' $1 == line { n = $field } END { print us(n) }' "$dir/theirs")" us
}
operation 'X25519, in tls/' tls-x25519 5 4
operation 'X25519, in ssh/' ssh-x25519 5 4
operation 'ECDSA P-256 signs, in tls/' tls-p256-sign 4 4
operation 'ECDSA P-256 signs, in ssh/' ssh-p256-sign 4 4
operation 'ECDSA P-256 checks, in tls/' tls-p256-verify 4 5
operation 'ECDSA P-256 checks, in ssh/' ssh-p256-verify 4 5
operation 'RSA-2048 signs' tls-rsa2048-sign 2 4
operation 'RSA-2048 checks' tls-rsa2048-verify 2 5
