# time: 600
# What the Makefile promises about the file it makes and how it gets there.
# needs: gcc, clang, musl-tools, binutils; no root, no network.
. "$SRCDIR/tests/lib.sh"
need readelf objdump musl-gcc gcc clang xxd dpkg-source

SIZE_MAX=1835008	# 1.75 MiB: nothing is bent for kilobytes

# ---- the file itself ----

. "$SRCDIR/tests/elf.sh"

# The canary lives at %fs:0x28.
canaries()	{ grep -c '%fs:0x28'; }
landings()	{ grep -c endbr64; }

checks="interp needed pie relro now text reloc stack wx canary landing strip size note"
# Each check must also be able to say no: this is everything we do not want.
cat >weak.c <<'X'
int main(void) { char b[64]; for (int i = 0; i < 64; i++) b[i] = (char)i; return b[3]; }
X
gcc -O0 -g -no-pie -fno-stack-protector -fcf-protection=none -Wl,-z,norelro,-z,lazy,-z,execstack \
	-o weak weak.c || exit 1
# code that can be written to
gcc -O0 -static -no-pie -nostdlib -fno-stack-protector -Wl,-N,-e,main,--no-warn-rwx-segments -o writable weak.c || exit 1
# TEXTREL wants a shared object with an absolute address in its code
printf '.globl f\n.text\nf: movabs $f, %%rax\nret\n' >textrel.s
gcc -shared -nostdlib -Wl,-z,notext -o textrel textrel.s || exit 1

for c in $checks; do
	found=$("wrong_$c" "$AZSWARM" 2>&1 | head -n 3 | tr '\n' ' ')
	if [ -z "$found" ]; then ok "file: $c"; else not_ok "file: $c" "$found"; fi
	case $c in
	text)	found=$(wrong_text textrel) ;;
	wx)	found=$(wrong_wx writable) ;;
	size)	found=$(wrong_size weak 1000) ;;
	*)	found=$("wrong_$c" weak) ;;
	esac
	if [ -n "$found" ]; then ok "check of $c can fail"; else not_ok "check of $c can fail" "it passed a file made to fail"; fi
done
echo "azswarm is $(stat -c %s "$AZSWARM") bytes, $((SIZE_MAX - $(stat -c %s "$AZSWARM"))) under the limit"

# ---- as it starts ----

# What stands in the maps of process PID for FILE's segment TYPE.
mapped()	# PID FILE TYPE
{
	mapped_file=$(realpath "$2")
	mapped_at=$(headers "$2" | awk -v t="$3" '$1 == t { print $3; exit }')
	mapped_base=$(awk -v f="$mapped_file" '$6 == f { sub(/-.*/, "", $1); print $1; exit }' "/proc/$1/maps")
	while read -r range perms _ _ _ file; do
		[ "$file" = "$mapped_file" ] || continue
		at=$((0x$mapped_base + mapped_at))
		[ $at -ge $((0x${range%-*})) ] && [ $at -lt $((0x${range#*-})) ] && echo "$perms"
	done <"/proc/$1/maps"
}
base_of()	{ awk -v f="$(realpath "$AZSWARM")" '$6 == f { print $1; exit }' "/proc/$1/maps"; }
for n in 1 2 3; do
	spawn emulator.$n "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure.$n
	wait_for 20 grep -q '^ready' emulator.$n || not_ok "it starts" "$(cat emulator.$n)"
	base_of "$spawned" >>bases
	same "what is relocated once is read-only ($n)" r--p "$(mapped "$spawned" "$AZSWARM" GNU_RELRO)"
	reap "$spawned"
done
check "its address varies" test "$(sort -u bases | wc -l)" -gt 1
# The C library's start file protects nothing: main does.  Without, it shows.
printf 'int getchar(void);\nint (*const ask)(void) = getchar;\nint main(void) { return ask(); }\n' >asks.c
musl=/usr/lib/$(uname -m)-linux-musl
musl-gcc -O1 -fPIE -nostartfiles -static -Wl,-pie,--no-dynamic-linker,-z,relro,-z,now -o asks \
	"$musl/rcrt1.o" "$musl/crti.o" asks.c "$musl/crtn.o" || exit 1
mkfifo silence
exec 7<>silence
spawn asks.log sh -c 'exec ./asks <silence'
wait_for 20 sh -c "grep -q asks /proc/$spawned/maps"
same "and can be seen to be writable" rw-p "$(mapped "$spawned" asks GNU_RELRO)"
reap "$spawned"

# ---- what is put into it ----

driver=$SRCDIR/assets/machines/nspawn
"$SRCDIR/build-aux/assets.sh" assets "$driver" | sed -n '/^ /{s/0x\|,//g;p}' | xxd -r -p |
	gunzip >nspawn
check "comments are left out" sh -c "! grep -q '^[[:space:]]*# ' nspawn && test -s nspawn"
same "but not what a script reads of itself" "$(sh "$driver" 2>&1 | tee usage)" "$(sh ./nspawn 2>&1)"
check "which is something" grep -q 'nspawn create' usage
# One that reads another is one file, and would make the same root.
driver=$SRCDIR/assets/machines/qemu
"$SRCDIR/build-aux/assets.sh" assets "$driver" | sed -n '/^ /{s/0x\|,//g;p}' | xxd -r -p |
	gunzip >driver-qemu
expect "a driver that reads another is one" 2 'usage: qemu create' sh ./driver-qemu
recipe()	# FILE...: what names its root
{
	cat "$@" | sed -n '/^#recipe: begin/,/^#recipe: end/{/^[[:space:]]*#\( \|$\)/!p}'
}
same "and would make the same root" "$(recipe "${driver%/*}/nspawn" "$driver")" "$(recipe driver-qemu)"
check "which is something, too" sh -c '[ "$1" -eq 2 ]' - "$(recipe driver-qemu | grep -c '^packages=')"

# ---- the same bytes wherever it is built ----

# The sources as someone else gets them.
sources_to()	# DIR
{
	mkdir -p "$1"
	if [ -e "$SRCDIR/.git" ]; then
		(cd "$SRCDIR" && git -c safe.directory="$SRCDIR" ls-files -z) >files
	else
		(cd "$SRCDIR" && find . \( -name build -o -name .git \) -prune -o \
			-type f ! -path ./azswarm -print0) >files
	fi
	tar -C "$SRCDIR" --null -T files -cf - | tar -C "$1" -xf -
}
third="BEARSSL_SRC=$(realpath "$SRCDIR/build/bearssl") CJSON_SRC=$(realpath "$SRCDIR/build/cjson") LIBYAML_SRC=$(realpath "$SRCDIR/build/libyaml")"
sources_to one
sources_to "two/deeper and spaced"
mv "two/deeper and spaced" two/deeper
check "builds in a first folder" env -u MAKEFLAGS make -C one $third
find two -type f -exec touch -d '2001-02-03 04:05:06' {} +
check "builds in a second, later, deeper" \
	env -u MAKEFLAGS LC_ALL=C.UTF-8 TZ=Asia/Tokyo sh -c "umask 077; make -C two/deeper JOBS=1 $third"
check "both are the same bytes" cmp one/azswarm two/deeper/azswarm
check "no trace of the folder" sh -c "test -s one/azswarm && ! grep -aF '$PWD' one/azswarm"
check "nothing left to do" sh -c "make --no-print-directory -C one $third 2>&1 | tee again | wc -c | grep -qx 0 || { cat again; false; }"

# A file that changes must be built again, and only what depends on it.
echo '/* later */' >>one/main.c
expect "main.c alone is built again" 0 'CC.*main\.o' make -C one $third
if [ "$(grep -c 'CC' out)" -eq 1 ]; then ok "and nothing else"; else not_ok "and nothing else" "$(tr '\n' ' ' <out)"; fi
check "a comment changes no byte" cmp one/azswarm two/deeper/azswarm

# Two at once in one tree, as when somebody makes while tests run: one begins
# while the other is still writing what it has to make.
cp one/build-aux/version.sh version.sh
{ sed '/^cat /,$d' version.sh; echo 'echo "// half"; sleep 2'; sed -n '/^cat /,$p' version.sh; } >one/build-aux/version.sh
echo 9.9.9 >one/VERSION
rm -rf one/build/libcjson.a one/build/o/base
make -C one $third >first.log 2>&1 &
first=$!
sleep 1
expect "a make beside another" 0 '' make -C one $third
wait $first
same "does it no harm" 0 $?
same "and the program is whole" 9.9.9 "$(one/azswarm version | sed -n '1s/^azswarm \([^ ]*\).*/\1/p')"
same "nothing half-made stays" '' "$(find one -name '*.tmp*')"
cp version.sh one/build-aux/version.sh

expect "a folder that is not BearSSL is refused" 2 'no inc/bearssl\.h in it' \
	make -C one BEARSSL_SRC="$PWD"

# ---- no warnings, gcc and clang ----

expect "make warnings" 0 '^no warnings in [0-9]+ files' here_make -k warnings
echo 'int unused_and_undeclared(int a) { unsigned char c = a; return 0; }' >one/base/warned.c
expect "make warnings can fail" 2 'Werror' make -C one $third warnings

# ---- where the third-party sources come from ----

# Entries of a machine; the host names are of no one.
cat >list <<'X'
# deb http://commented.invalid/debian bookworm main
deb http://a.invalid/debian bookworm main contrib # words
deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://b.invalid/debian-security bookworm-security main
deb [signed-by=/etc/apt/keyrings/other.gpg] http://third.invalid/linux bookworm main
deb http://third.invalid/linux bookworm stable
deb http://old.invalid/debian bullseye main
X
same "one-line entries" 'deb-src http://a.invalid/debian bookworm main
deb-src [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://b.invalid/debian-security bookworm-security main' \
	"$(awk -f "$SRCDIR/build-aux/debsrc-list.awk" list)"
cat >sources <<'X'
# words
Types: deb
URIs: http://a.invalid/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb deb-src
URIs: http://third.invalid/linux
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/other.asc

Types: deb
URIs: mirror+file:/etc/apt/mirrors/debian.list
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQ
X
same "deb822 entries" 'Types: deb-src
Suites: bookworm bookworm-updates
Components: main
URIs: http://a.invalid/debian
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
Suites: bookworm-security
Components: main
URIs: mirror+file:/etc/apt/mirrors/debian.list
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQ' "$(awk -f "$SRCDIR/build-aux/debsrc-822.awk" sources)"

# An apt that gives what stands in ./offer, and one entry to start from.
mkdir -p bin offer entries fetch
cat >bin/apt-config <<X
#!/bin/sh
echo "list='$PWD/list'; parts='$PWD/entries'"
X
cat >bin/apt-cache <<'X'
#!/bin/sh
exit 0
X
cat >bin/apt-get <<X
#!/bin/sh
case " \$* " in
*" source "*) cp "$PWD"/offer/* . ;;
esac
X
chmod +x bin/*
# A tiny source package, and pins for it.
mkdir tiny-1
echo 'int tiny;' >tiny-1/tiny.c
tar -cf - tiny-1 | gzip -n >offer/tiny_1.orig.tar.gz
mkdir -p tiny-1/debian/source tiny-1/debian/patches
echo '3.0 (quilt)' >tiny-1/debian/source/format
printf 'tiny (1-1) bookworm; urgency=low\n\n  * First.\n\n -- A <a@invalid>  Mon, 01 Jan 2024 00:00:00 +0000\n' >tiny-1/debian/changelog
printf 'Source: tiny\nMaintainer: A <a@invalid>\n\nPackage: tiny\nArchitecture: any\nDescription: tiny\n' >tiny-1/debian/control
echo 'fix.patch' >tiny-1/debian/patches/series
printf -- '--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-int tiny;\n+int fixed;\n' >tiny-1/debian/patches/fix.patch
(cd tiny-1 && sed -i 's/tiny/fixed/' tiny.c)
(cd offer && dpkg-source -b ../tiny-1 >/dev/null 2>../dpkg.log) || cat dpkg.log
cp -r "$SRCDIR/build-aux" fetch/aux
(cd offer && sha256sum tiny_*) >fetch/aux/sources.sha256
fetch() { (cd fetch && PATH=$PWD/../bin:$PATH aux/fetch.sh tiny build/tiny); }
expect "a pinned source is unpacked" 0 '' fetch
check "with Debian's patches" grep -q fixed fetch/build/tiny/tiny.c
cp fetch/aux/sources.sha256 pins
rm -rf fetch/build
echo 'x' >>offer/tiny_1-1.debian.tar.xz
expect "other bytes are refused, by name" 1 'REFUSED.*tiny_1-1\.debian\.tar\.xz: FAILED' fetch
check "and not unpacked" test ! -e fetch/build/tiny
rm offer/tiny_1-1.debian.tar.xz
expect "a file that is not offered is refused" 1 'REFUSED.*debian\.tar\.xz' fetch
echo >list
expect "no Debian entry at all is said" 1 'no entry for Debian 12' fetch

# Whoever builds gets Debian from where the machine does: no host is named.
found=$(cd "$SRCDIR" && grep -rlE '(deb|snapshot|security|archive)\.debian\.org' Makefile build-aux .ci tests/run tests/lib.sh || :)
same "no package host in the build" "" "$found"
