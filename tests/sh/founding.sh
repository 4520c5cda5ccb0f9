# A cluster's founding, as far as storage decides it: the local Azure's blob
# service, addressed as `params` tells machines to.  Azurite's is in conformance.
# time: 60
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/founding.sh"
need jq
must_make build/tests/life_tool
export XDG_CACHE_HOME="$PWD/cache"
at_exit azure_stop
azure_start "$PWD/azure" paper || { not_ok start 'no local Azure'; exit 1; }
must keys "$AZSWARM" keys
must deploy-storage "$AZSWARM" deploy-storage
must params "$AZSWARM" params
marker_urls
check 'machines are told of the marker' test -n "$masters_url" -a -n "$agents_url"
check 'of the same one' test "${masters_url%%\?*}" = "${agents_url%%\?*}"
check 'masters may make it' sh -c "echo '$masters_url' | grep -q 'sp=rc&'"
check 'agents read it' sh -c "echo '$agents_url' | grep -q 'sp=r&'"
founding_holds "$masters_url" "$agents_url"
azure_stop
expect 'storage that is away tells nothing' 0 '^unknown .*cannot connect' "$SRCDIR/build/tests/life_tool" look "$masters_url"
check 'and no message has the signature' sh -c '! grep -q sig= out'
