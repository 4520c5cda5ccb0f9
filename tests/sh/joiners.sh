# What a handshake costs a server of ours, and what a crowd of agents that join
# at once costs one helper: in handshakes of nginx's, of the same key, curve and
# suite in the same run.
# time: 120
# needs: root, python3, openssl, nginx, ip
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/nginx.sh"
need python3 openssl ip
[ "$(id -u)" -eq 0 ] || skip_all 'a crowd has addresses of its own: root'
joiners=${JOINERS:-300}
must_make build/bench/ask_tool

# ticks PID: of the processor, that it has used
ticks()
{
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
# handshake_us PID PORT: of the processor, for each of as many as go in 3 s
handshake_us()
{
	before=$(ticks "$1")
	openssl s_time -connect "127.0.0.1:$2" -new -time 3 -tls1_2 \
		-cipher ECDHE-ECDSA-CHACHA20-POLY1305 >s_time.out 2>&1
	n=$(sed -n 's/^\([0-9]*\) connections in .* real seconds.*/\1/p' s_time.out)
	[ "${n:-0}" -gt 50 ] || return 1
	echo $((($(ticks "$1") - before) * 1000000 / $(getconf CLK_TCK) / n))
}

if ! nginx_get; then
	skip 'beside nginx' "$(tail -n 2 nginx.log | tr '\n' ' ')"
	exit $((test_failures != 0))
fi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem \
	-out cert.pem -subj /CN=localhost -days 2 2>openssl.log
port=$(free_port)
cat >nginx.conf <<END
$([ "$(id -u)" -ne 0 ] || echo 'user root;')
daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; fastcgi_temp_path tmp/fastcgi;
	uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
	server {
		listen 127.0.0.1:$port ssl;
		ssl_certificate cert.pem; ssl_certificate_key key.pem;
		ssl_protocols TLSv1.2; ssl_ecdh_curve prime256v1; ssl_session_cache off;
		ssl_session_tickets off;
		return 204;
	}
}
END
mkdir -p tmp
spawn nginx.out "$nginx" -p "$PWD/" -c nginx.conf -e error.log
wait_for 10 curl -sk -o out "https://127.0.0.1:$port/" || not_ok nginx "$(cat nginx.out)"
theirs=$(handshake_us "$spawned" "$port") || not_ok 'handshakes with nginx' "$(tail -n 3 s_time.out | tr '\n' ' ')"
reap "$spawned"

spawn azure.out "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0
wait_for 10 grep -q '^ready' azure.out
ours=$(handshake_us "$spawned" "$(sed -n 's/^ready.*:\([0-9]*\)$/\1/p' azure.out)") ||
	not_ok 'handshakes with us' "$(tail -n 3 s_time.out | tr '\n' ' ')"
reap "$spawned"
echo "# a handshake: nginx $theirs us of the processor, ours $ours us"
check "a handshake costs at most four of nginx's" test "$ours" -le $((4 * theirs))

timeout 300 "$SRCDIR/tests/joiners.py" "$AZSWARM" "$SRCDIR/build/bench/ask_tool" "$joiners" >joined 2>errors
same 'a crowd: measured' 0 $?
echo "# $(cat joined)"
field()
{
	python3 -c 'import json, sys; print(int(json.load(open("joined"))[sys.argv[1]] * int(sys.argv[2])))' "$1" "${2-1}"
}
same 'all join' "$joiners" "$(field joined)"
same 'with one connection each: nobody is turned away' "$joiners" "$(field connections)"
check 'a helper with a table of 1,000 nodes needs less than 4 MiB' test "$(field helper_rest_kb)" -lt 4096
check 'and with a crowd at its door less than 8 MiB' test "$(field helper_peak_kb)" -lt 8192
check "and at most 14 of nginx's handshakes for each" \
	test "$(field helper_cpu_ms_each 1000)" -le $((14 * theirs))
exit $((test_failures != 0))
