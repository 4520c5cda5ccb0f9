# time: 300
# The file for Arm machines: what the Makefile promises about it, its unit tests
# and a cluster on paper under qemu, and machines of one kind made by an operator
# of the other.  No Arm machine is at hand: nothing here ran on one.
# needs: qemu-aarch64, aarch64-linux-gnu-gcc, readelf, ssh-keygen, jq, curl, skopeo
. "$SRCDIR/tests/lib.sh"
need qemu-aarch64 aarch64-linux-gnu-gcc aarch64-linux-gnu-objdump readelf \
	ssh-keygen jq curl skopeo
[ "$(uname -m)" = x86_64 ] || skip_all "the other kind of processor is this one's"

# What makes sense without this machine's processor at its quickest; the others
# measure time, or take minutes of it.  TLS is what the cluster below talks.
units="agent_decide asset buf cloud elf emulator entra_chain events evict hash hello
	helper_budget helper_table image json keys login node_config remote retry
	settings split spread ssh swarm template_docs time"
# shellcheck disable=SC2086
must_make build/aarch64/azswarm $(printf 'build/aarch64/unit/%s ' $units)
ok "it builds"
arm=$SRCDIR/build/aarch64/azswarm
# Under qemu /proc/self/exe is qemu's answer: the file that it runs.
run()	{ qemu-aarch64 "$arm" "$@"; }

# ---- the file itself ----

OBJDUMP=aarch64-linux-gnu-objdump
# Segments for pages of up to 64 KiB leave a hole in the file.
SIZE_MAX=$((1835008 + 131072))
. "$SRCDIR/tests/elf.sh"

# Calls of the C library's __stack_chk_fail, which is these three instructions.
canaries()
{
	awk '
	/\tmov\tx0, #0x0 / { at = $1; sub(/:/, "", at); sub(/^0+/, "", at); n = NR }
	/\tstrb\twzr, \[x0\]/ && NR == n + 1 { m = NR }
	/\tbrk\t#0x3e8/ && NR == m + 1 { fails["0x" at] = 1 }
	$2 == "bl" { calls[$3]++ }
	END { for (a in fails) sum += calls[a]; print sum + 0 }'
}
# Where a jump may land; paciasp is one, too, and signs the way back.
landings()	{ awk '$2 == "bti" || $2 == "paciasp" { n++ } END { print n + 0 }'; }

aarch64-linux-gnu-gcc -O0 -nostdlib -static -no-pie -fno-stack-protector -mbranch-protection=none \
	-Wl,-e,main -x c -o weak - <<'C' || exit 1
int main(void) { volatile char b[64]; for (int i = 0; i < 64; i++) b[i] = (char)i; return b[3]; }
C
for c in interp needed pie relro now text reloc stack wx canary landing strip size note; do
	same "file: $c" "" "$("wrong_$c" "$arm" 2>&1 | head -n 3 | tr '\n' ' ')"
done
for c in pie relro canary landing note; do
	check "check of $c can fail" test -n "$("wrong_$c" weak)"
done
same "it is for Arm" AArch64 "$(readelf -hW "$arm" | sed -n 's/^ *Machine: *//p')"
same "for pages of up to 64 KiB" 0x10000 "$(headers "$arm" | awk '$1 == "LOAD" { print $NF }' | sort -u)"
echo "azswarm for aarch64 is $(stat -c %s "$arm") bytes, $((SIZE_MAX - $(stat -c %s "$arm"))) under the limit"

# ---- the same bytes elsewhere, and later ----

mkdir -p elsewhere/deeper
(cd "$SRCDIR" && find . \( -path ./build -o -path ./dist \) -prune -o -type f \
	! -path './azswarm*' -print0) | tar -C "$SRCDIR" --null -T - -cf - | tar -C elsewhere/deeper -xf -
find elsewhere -type f -exec touch -d '2001-02-03 04:05:06' {} +
(umask 077; env -u MAKEFLAGS TZ=Asia/Tokyo make -C elsewhere/deeper JOBS=2 build/aarch64/azswarm \
	BEARSSL_SRC="$SRCDIR/build/bearssl" CJSON_SRC="$SRCDIR/build/cjson" LIBYAML_SRC="$SRCDIR/build/libyaml" \
	MUSL_AARCH64="$(realpath "$SRCDIR/build/musl-aarch64")" >elsewhere.log 2>&1)
check "the same bytes in another folder, later" cmp "$arm" elsewhere/deeper/build/aarch64/azswarm
rm -rf elsewhere

# ---- units ----

# shellcheck disable=SC2016,SC2086
printf '%s\n' $units | xargs -P 3 -n 1 sh -c '
	mkdir "unit.$0" && cd "unit.$0" || exit
	HOME=$PWD TMPDIR=$PWD timeout 120 qemu-aarch64 "$SRCDIR/build/aarch64/unit/$0" >log 2>&1 </dev/null
	echo $? >rc'
for u in $units; do
	if [ "$(cat "unit.$u/rc")" = 0 ] && grep -q '^ok' "unit.$u/log"; then
		ok "unit $u"
	else
		not_ok "unit $u" "$(grep -m 1 '^not ok' "unit.$u/log" || tail -n 1 "unit.$u/log")"
	fi
done
echo "unit tests for aarch64: $(cat unit.*/log | grep -c '^ok') cases"

# ---- a cluster on paper, all of it by that file ----

same "its version is ours" "$("$AZSWARM" version | head -n 2)" "$(run version | head -n 2)"
spawn emulator.log qemu-aarch64 "$arm" emulator --listen 127.0.0.1:0 --dir azure
wait_for 60 grep -q '^ready' emulator.log || not_ok "the local Azure" "$(cat emulator.log)"
. azure/env
expect "keys" 0 'cluster' run keys
for k in cluster host-master host-master-rsa host-agent host-agent-rsa; do
	same "OpenSSH reads $k" "$(cut -d' ' -f1,2 keys/$k.pub)" \
		"$(ssh-keygen -y -P '' -f keys/$k.pem 2>&1 | cut -d' ' -f1,2)"
done
expect "deploy-storage" 0 'program [0-9a-f]{12}\.\.\. uploaded$' run deploy-storage
expect "the usual sizes are not its own" 2 \
	'MASTER_SIZE=Standard_B2ats_v2 has x64 processors, this program is for aarch64, and there is no .*/build/aarch64/azswarm-x86_64; --program FILE names the one for x86_64' \
	run params
expect "Arm masters and agents" 0 'written' run params --master-size Standard_B2ps_v2 --agent-size Standard_B2pls_v2
same "are given images for Arm" 'server-arm64 server-arm64' \
	"$(jq -r '.parameters | .masterImageSku.value + " " + .agentImageSku.value' parameters/cluster.json)"
expect "deploy-compute" 0 'agentsAddress' run deploy-compute
expect "list-agents" 0 'agents000002' run list-agents
reap "$spawned"

# ---- an operator of the other kind ----

mkdir here && cp "$AZSWARM" here/azswarm
ours=here/azswarm
mkdir other && cd other || exit 1
ours=$PWD/../here/azswarm
spawn ../emulator2.log "$AZSWARM" emulator --listen 127.0.0.1:0 --dir "$PWD/azure"
wait_for 60 grep -q '^ready' ../emulator2.log || not_ok "the local Azure again" "$(cat ../emulator2.log)"
. azure/env
expect "keys again" 0 '' "$ours" keys
expect "storage, with both files" 0 'uploaded, for aarch64' "$ours" deploy-storage --program "$arm"
expect "again" 0 'is in storage already, for aarch64' "$ours" deploy-storage --program "$arm"
fetched()	# ROLE: the SHA-256 that it is told, and what it gets where it is sent
{
	jq -r ".parameters.$1CustomData.value" parameters/cluster.json | base64 -d >"$1.yaml"
	fetched_url=$(sed -n 's/^    content: "url = \\"\(https:[^\\]*\)\\"\\n"$/\1/p' "$1.yaml")
	sed -n 's/^ *binary_sha256=\([0-9a-f]*\).*/\1/p' "$1.yaml"
	fetched_host=${fetched_url#https://}
	fetched_host=${fetched_host%%/*}
	curl -sS --cacert azure/ca.pem --resolve "$fetched_host:127.0.0.1" "$fetched_url" |
		sha256sum | cut -d' ' -f1
}
sum_of()	{ sha256sum <"$1" | cut -d' ' -f1; }
twice()	{ printf '%s\n%s' "$1" "$1"; }
expect "agents for Arm, without their file" 2 \
	'AGENT_SIZE=Standard_B2ps_v2 has Arm64 processors, this program is for x86_64, and there is no .*/here/azswarm-aarch64; --program FILE' \
	"$ours" params --agent-size Standard_B2ps_v2
check "and nothing is written" test ! -e parameters
expect "sizes says which want it" 0 'Standard_B2ps_v2 .*Arm64 .*needs azswarm-aarch64' "$ours" sizes
cp "$arm" ../here/azswarm-aarch64
expect "beside ours it is found" 0 '' "$ours" params --agent-size Standard_B2ps_v2
check "by sizes, too" sh -c '! "$0" sizes | grep needs' "$ours"
same "masters fetch ours" "$(twice "$(sum_of "$ours")")" "$(fetched master)"
same "agents fetch the other" "$(twice "$(sum_of "$arm")")" "$(fetched agent)"
same "each kind gets its image" 'server server-arm64' \
	"$(jq -r '.parameters | .masterImageSku.value + " " + .agentImageSku.value' parameters/cluster.json)"
expect "Azure takes that" 0 'agentsAddress' "$ours" deploy-compute
jq '.parameters.agentImageSku.value = "server"' parameters/cluster.json >p && cp p parameters/cluster.json
expect "but not an image of the other kind" 1 'CPU Architecture' "$ours" deploy-compute
# One image for both: a list of what each of the two files is as an image.
sed -n 's/^ *content: \("{.*image_list.*\)$/\1/p' master.yaml | jq -r . | jq -r .image_list >list.json
expect "images of either file" 0 '' "$ours" image "$arm" -o arm.tar
"$ours" image -o ours.tar
for f in arm ours; do
	skopeo inspect "docker-archive:$f.tar" | jq -r .Architecture
done >kinds
same "each says its kind, to skopeo" 'arm64 amd64' "$(tr '\n' ' ' <kinds | sed 's/ $//')"
same "the list is for both" '["amd64","arm64"]' "$(jq -c '[.manifests[].platform.architecture]' list.json)"
same "agents have the same one" "$(cat list.json)" \
	"$(sed -n 's/^ *content: \("{.*image_list.*\)$/\1/p' agent.yaml | jq -r . | jq -r .image_list)"

# What it refuses: by a word of the file, which is not run for it.
cp "$arm" spoilt
at=$(grep -abo 'azswarm.[0-9]*\.[0-9]*\.[0-9]* ' spoilt | head -n 1 | cut -d: -f1)
printf '9' | dd of=spoilt bs=1 seek=$((at + 8)) conv=notrunc 2>dd.log
expect "another version is refused" 1 'PROGRAM=spoilt: it is azswarm 9[0-9.]* .*, and what runs is azswarm [0-9.]+ .*expected the same one' \
	"$ours" deploy-storage --program spoilt
cp spoilt ../here/azswarm-aarch64
expect "beside ours it is passed over, and that is said" 0 'left alone: .*azswarm-aarch64: it is azswarm 9' \
	"$ours" deploy-storage
expect "and is none for machines" 2 'it is azswarm 9.*--program FILE' "$ours" params --agent-size Standard_B2ps_v2
rm ../here/azswarm-aarch64
expect "the same kind twice" 1 'for x86_64, as is the program that runs; expected the one for aarch64' \
	"$ours" deploy-storage --program "$ours"
expect "a program of others" 1 'PROGRAM=/bin/sh: it needs a loader' "$ours" params --program /bin/sh
expect "no program" 1 "PROGRAM=master.yaml: no program for Linux: no ELF file" "$ours" params --program master.yaml
expect "none at all" 1 'PROGRAM=nowhere: .*No such file' "$ours" deploy-storage --program nowhere
reap "$spawned"
