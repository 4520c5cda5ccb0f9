# An image of a real Redis for a cluster that has no internet: Debian's
# redis-server and the libraries it names, nothing else.  Sourced by
# tests/demo.sh and tests/sh/services.sh.

# redis_image: a tar for `docker import` on stdout; 1 when there is no Redis here
redis_image()
(
	server=$(command -v redis-server) || return 1
	top=$(mktemp -d) || return 1
	trap 'rm -rf "$top"' EXIT
	for file in "$server" $(ldd "$server" | grep -o '/[^ ]*'); do
		mkdir -p "$top$(dirname "$file")"
		cp -L "$file" "$top$file" || return 1
	done
	# /bin is a folder of its own in there
	[ "$server" = /usr/bin/redis-server ] || { mkdir -p "$top/usr/bin"; cp -L "$server" "$top/usr/bin/"; }
	tar -C "$top" -c .
)

# redis_change: what the image runs, for `docker import -c`
redis_change='ENTRYPOINT ["/usr/bin/redis-server", "--protected-mode", "no", "--save", ""]'
