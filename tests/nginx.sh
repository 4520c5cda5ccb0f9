# nginx for tests that want one: sourced behind lib.sh.  Unpacked, not
# installed: installing would start one on port 80.

# nginx_get: sets $nginx; false, and nginx.log says why, when there is none.
nginx_get()
{
	nginx=$(command -v nginx || echo "$SRCDIR/build/nginx/usr/sbin/nginx")
	if ! [ -x "$nginx" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
		mkdir -p nginx.deb && (cd nginx.deb && { apt-get -q download nginx || { apt-get -q update && apt-get -q download nginx; }; } &&
			mkdir -p "$SRCDIR/build" && dpkg-deb -x nginx_*.deb "$SRCDIR/build/nginx") >nginx.log 2>&1
	fi
	"$nginx" -v >nginx.log 2>&1
}
