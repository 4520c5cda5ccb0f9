# time: 30
# The arrows between the rooms, read off the #include lines.
. "$SRCDIR/tests/lib.sh"

# Prints one line for every include in TREE that should not be there.
bad_includes()	# TREE
{
	(cd "$1" && find . -name build -prune -o -name tests -prune -o \
		-name build-aux -prune -o -name '*.[ch]' -print | sort |
		sed 's|^\./||' | xargs awk '
	BEGIN {
		# who may see whom, beside itself
		sees["base"] = ""
		sees["http"] = sees["tls"] = sees["ssh"] = "base"
		sees["template"] = sees["compose"] = "base"
		sees["entra"] = "base http tls ssh"
		sees["azure"] = sees["entra"] " entra"	# requests carry its tokens
		sees["docker"] = "base http"		# over any stream: not TLS, not SSH
		sees["node"] = sees["azure"] " azure docker"
		sees["swarm"] = sees["node"] " template compose"	# plans without asking Azure
		sees["emulator"] = "base http tls ssh docker template"	# not what it stands in for
		sees["cli"] = sees["node"] " swarm node emulator"
		sees["main"] = "base cli"
		# what a machine is made by and what runs on it agree on
		agreed["swarm"] = "node/layout.h node/config.h node/image.h node/marker.h node/files.h"
	}
	# base/buf.h is of base, http.h and http_part.h are of http
	function room(path) {
		if (path ~ /\//)
			sub(/\/.*/, "", path)
		else
			sub(/[_.].*/, "", path)
		return path
	}
	function bad(why) {
		print FILENAME ":" FNR ": " header " " why
	}
	/^[ \t]*#[ \t]*include/ {
		header = $0
		sub(/^[ \t]*#[ \t]*include[ \t]*[<"]/, "", header)
		sub(/[>"].*/, "", header)
		me = room(FILENAME)
		if (!(me in sees))
			bad("is included from a room without a place in the house")
		if (header ~ /(^|\/)cJSON/) {
			if (FILENAME !~ /^base\/json\.[ch]$/)
				bad("outside base/json")
		} else if (header ~ /(^|\/)yaml\.h$/) {
			if (FILENAME != "compose/yaml.c")
				bad("outside compose/yaml.c")
		} else if (header ~ /(^|\/)bearssl[a-z0-9_]*\.h$/) {
			if (me != "tls" && me != "ssh" && FILENAME !~ /^base\/(hash|rand)\.c$/)
				bad("outside tls/, ssh/ and base/hash.c")
		} else if ($0 ~ /"/) {
			if (system("test -f \"" header "\"") != 0)
				bad("is not a file, from the root")
			else if (room(header) != me &&
				 index(" " sees[me] " ", " " room(header) " ") == 0 &&
				 index(" " agreed[me] " ", " " header " ") == 0)
				bad("is not for " me " to see")
		}
	}')
}

found=$(bad_includes "$SRCDIR")
n=$(find "$SRCDIR/base" -name '*.[ch]' | wc -l)
if [ "$n" -lt 5 ]; then
	not_ok "sources are looked at" "only $n files in base/"
elif [ -n "$found" ]; then
	echo "$found" >found
	while read -r line; do
		not_ok "includes" "$line"
	done <found
else
	ok "includes"
fi

# A tree with every mistake in it, and some things that are not mistakes.
mkdir -p bad/compose bad/cli bad/base bad/tls bad/docker bad/node bad/emulator bad/cellar bad/ssh bad/swarm bad/template
cd bad || exit 1
for h in base/buf.h tls/tls.h docker/docker.h node/node.h ssh/ssh.h http.h azure.h entra.h \
	swarm.h compose/compose.h emulator/jsonf.h template/template.h cellar/wine.h node/layout.h cli/cli.h; do
	: >"$h"
done
cat >base/up.c <<'X'
#include "base/buf.h"
#include "http.h"
#include <bearssl.h>
X
echo '#include <cJSON.h>' >tls/json.c
echo '#include <bearssl.h>' >tls/fine.c
echo '#include <yaml.h>' >compose/yaml.c
echo '#include <yaml.h>' >compose/more.c
echo '#include "http.h"' >compose/fetch.c
echo '#include "compose/compose.h"' >swarm/stack.c
echo '#include "compose/compose.h"' >docker/stack.c
echo '#include <bearssl_hash.h>' >base/hash.c
echo '  #  include "tls/tls.h"' >http.c
echo '#include "tls/tls.h"' >ssh/ssh.c
echo '#include "ssh/ssh.h"' >docker/docker.c
echo '#include "azure.h"' >emulator/arm.c
echo '#include "entra.h"' >emulator/login.c
echo '#include "swarm.h"' >emulator/cluster.c
echo '#include "swarm.h"' >node/helper.c
echo '#include "emulator/jsonf.h"' >template/func.c
echo '#include "base/buf.h"' >template/fine.c
echo '#include "template/template.h"' >base/json.c
echo '#include "template/template.h"' >node/demo.c
echo '#include "template/template.h"' >swarm/plan.c
echo '#include "template/template.h"' >emulator/deploy.c
echo '#include "node/layout.h"' >swarm/params.c
echo '#include "node/node.h"' >swarm/tunnel.c
echo '#include "node/layout.h"' >emulator/driver.c
echo '#include "azure.h"' >entra.c
echo '#include "entra.h"' >azure.c
echo '#include "buf.h"' >base/short.c
echo '#include "base/buf.h"' >cellar/wine.c
echo '#include "cli/cli.h"' >swarm/help.c
echo '#include "node/node.h"' >cli/alone.c
echo '#include "node/node.h"' >main.c
cd ..
bad_includes bad >found
for want in 'base/up.c:2: http.h is not for base to see' \
	'base/up.c:3: bearssl.h outside tls/, ssh/ and base/hash.c' \
	'tls/json.c:1: cJSON.h outside base/json' \
	'compose/more.c:1: yaml.h outside compose/yaml.c' \
	'compose/fetch.c:1: http.h is not for compose to see' \
	'docker/stack.c:1: compose/compose.h is not for docker to see' \
	'http.c:1: tls/tls.h is not for http to see' \
	'ssh/ssh.c:1: tls/tls.h is not for ssh to see' \
	'docker/docker.c:1: ssh/ssh.h is not for docker to see' \
	'emulator/arm.c:1: azure.h is not for emulator to see' \
	'emulator/login.c:1: entra.h is not for emulator to see' \
	'emulator/cluster.c:1: swarm.h is not for emulator to see' \
	'node/helper.c:1: swarm.h is not for node to see' \
	'template/func.c:1: emulator/jsonf.h is not for template to see' \
	'base/json.c:1: template/template.h is not for base to see' \
	'node/demo.c:1: template/template.h is not for node to see' \
	'swarm/tunnel.c:1: node/node.h is not for swarm to see' \
	'emulator/driver.c:1: node/layout.h is not for emulator to see' \
	'entra.c:1: azure.h is not for entra to see' \
	'swarm/help.c:1: cli/cli.h is not for swarm to see' \
	'main.c:1: node/node.h is not for main to see' \
	'base/short.c:1: buf.h is not a file, from the root' \
	'cellar/wine.c:1: base/buf.h is included from a room without a place in the house'; do
	check "seen: $want" grep -qxF "$want" found
	grep -vxF "$want" found >rest
	mv rest found
done
# the last: a room without a place sees nothing either
same "and nothing else" 'cellar/wine.c:1: base/buf.h is not for cellar to see' "$(cat found)"
