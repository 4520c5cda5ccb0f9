# sh/compose with the docker clients of newer Debian suites, unpacked, not installed.
# time: 600
# needs: the package archive, python3
. "$SRCDIR/tests/lib.sh"
need python3 apt-get dpkg-deb
must_make build/tests/compose_tool

# What this machine gets Debian from, for another suite; apt's state is here.
sources()	# SUITE
{
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v suite="$1" '$1 == "Debian" && $2 == "main" && $3 ~ /^[a-z]+$/ {
			print "deb", $4, suite, "main"; exit }'
}

for suite in trixie forky; do
	mkdir -p "$suite/lists/partial" "$suite/cache/archives/partial"
	sources $suite >$suite/sources.list
	cat >$suite/apt.conf <<-X
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	Dir::State "$PWD/$suite";
	Dir::State::Lists "$PWD/$suite/lists";
	Dir::Cache "$PWD/$suite/cache";
	Dir::Etc::sourcelist "$PWD/$suite/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Acquire::Languages "none";
	APT::Sandbox::User "root";
	X
	if ! (cd $suite && apt-get -c apt.conf -q update && apt-get -c apt.conf -q download docker-cli &&
	    dpkg-deb -x docker-cli_*.deb root) >$suite.log 2>&1; then
		not_ok "$suite: docker-cli" "$(tail -n 1 $suite.log)"
		continue
	fi
	v=$("$suite/root/usr/bin/docker" --version | sed -n 's/^Docker version \([0-9.]*\).*/\1/p')
	python3 "$SRCDIR/tests/compose_same.py" "$test_name $v" "$PWD/$suite/root/usr/bin/docker" \
		"$SRCDIR/build/tests/compose_tool" "$SRCDIR"/tests/compose/*.yml >said 2>&1 ||
		not_ok "$v" "$(tail -n 1 said)"
	cat said
	if grep -q '^not ok' said; then test_failures=$((test_failures + 1)); fi
	check "$suite: docker $v was asked" test "$(grep -c '^ok' said)" -ge 30
done

[ "$test_failures" -eq 0 ]
