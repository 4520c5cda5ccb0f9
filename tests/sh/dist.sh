# time: 180
# What others get: make install, make dist, and a release verified as README
# says.
# needs: aarch64-linux-gnu-gcc, ssh-keygen, skopeo, jq
. "$SRCDIR/tests/lib.sh"
need ssh-keygen aarch64-linux-gnu-gcc skopeo jq
[ "$(uname -m)" = x86_64 ] || skip_all "both files are made on x86_64"

# ---- make install ----

expect "make install" 0 '' here_make install PREFIX=/usr DESTDIR="$PWD/root of it"
same "what it puts there" "./usr/bin/azswarm
./usr/share/bash-completion/completions/azswarm
./usr/share/fish/vendor_completions.d/azswarm.fish
./usr/share/man/man1/azswarm.1
./usr/share/zsh/site-functions/_azswarm" "$(cd 'root of it' && find . -type f | sort)"
share='root of it/usr/share'
check "the manual page" sh -c '"$AZSWARM" man | cmp - "$0/man/man1/azswarm.1"' "$share"
for f in bash:bash-completion/completions/azswarm zsh:zsh/site-functions/_azswarm \
	fish:fish/vendor_completions.d/azswarm.fish; do
	check "completion for ${f%%:*}" sh -c '"$AZSWARM" completion "$0" | cmp - "$1"' "${f%%:*}" "$share/${f#*:}"
done
check "is the program" cmp "root of it/usr/bin/azswarm" "$AZSWARM"
same "for all to run" 755 "$(stat -c %a 'root of it/usr/bin/azswarm')"
expect "and runs there" 0 '^azswarm [0-9]' "root of it/usr/bin/azswarm" version

# ---- make dist ----

# A key of the test's own: the one that signs releases is nobody's but its owner's.
ssh-keygen -q -t ed25519 -N '' -C test -f key
ssh-keygen -q -t ed25519 -N '' -C other -f other
expect "make dist's parts" 0 '' here_make build/aarch64/azswarm
expect "dist, signed" 0 'azswarm-aarch64$' "$SRCDIR/build-aux/dist.sh" "$AZSWARM" \
	"$SRCDIR/build/aarch64/azswarm" dist key
same "what is in it" 'SHA256SUMS SHA256SUMS.sig azswarm-aarch64 azswarm-aarch64.image.tar azswarm-x86_64 azswarm-x86_64.image.tar' \
	"$(cd dist && echo *)"
check "the file for x86_64" cmp dist/azswarm-x86_64 "$AZSWARM"
check "the file for aarch64" cmp dist/azswarm-aarch64 "$SRCDIR/build/aarch64/azswarm"
for a in x86_64:amd64 aarch64:arm64; do
	for kind in docker-archive oci-archive; do
		skopeo inspect --config "$kind:dist/azswarm-${a%:*}.image.tar" | jq -r .architecture
	done
done >kinds
same "images, to skopeo" 'amd64 amd64 arm64 arm64' "$(tr '\n' ' ' <kinds | sed 's/ $//')"
mkdir once && cp -r dist once/
expect "again" 0 '' "$SRCDIR/build-aux/dist.sh" "$AZSWARM" "$SRCDIR/build/aarch64/azswarm" dist
check "the same sums" cmp dist/SHA256SUMS once/dist/SHA256SUMS
check "without a key, no signature" test ! -e dist/SHA256SUMS.sig

# ---- as README says ----

cd once/dist || exit 1
sed -n '/^<!-- verify -->$/,/^<!-- end -->$/s/^    //p' "$SRCDIR/README.md" >verify
same "README has the commands" 2 "$(wc -l <verify)"
printf 'azswarm %s\n' "$(cut -d' ' -f1,2 ../../key.pub)" >release-key
expect "a release is verified" 0 'Good "azswarm-release" signature for azswarm' sh -e ./verify
same "each file, too" 4 "$(grep -c ': OK$' out)"
printf 'x' >>azswarm-aarch64
expect "a file that is another" 1 'azswarm-aarch64: FAILED' sh -e ./verify
sha256sum azswarm-* >SHA256SUMS
expect "and its sum with it" 255 'Could not verify signature|incorrect signature' sh -e ./verify
printf 'azswarm %s\n' "$(cut -d' ' -f1,2 ../../other.pub)" >release-key
cp ../../dist/SHA256SUMS .
expect "signed by somebody else" 255 'Could not verify|NO MATCH|no principal|Signature' sh -e ./verify
