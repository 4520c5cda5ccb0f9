#!/bin/sh
# tls/ against what others wrote: our client against openssl s_server,
# gnutls-serv and Python; our server against openssl s_client, gnutls-cli and
# curl; our keys and certificates against openssl, certtool, ssh and sshd.
# Loopback only, a private CA.  time: 600
. "$SRCDIR/tests/lib.sh"
need openssl gnutls-serv gnutls-cli certtool curl ssh-keygen python3
unset SSL_CERT_FILE SSL_CERT_DIR

tool=$SRCDIR/build/tests/tls_tool
must_make build/tests/tls_tool

# ---- a PKI made by openssl --------------------------------------------------

cat >ca.ext <<END
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
END

key()		# NAME TYPE
{
	case $2 in
	rsa*)	openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1.key" ;;
	*)	openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.key" ;;
	esac 2>>pki.log || echo "no key $1" >>pki.log
}

# A certificate for NAME.key, signed by ISSUER; extensions from FILE.
sign()		# NAME SUBJECT_CN ISSUER EXT_FILE [openssl x509 options]
{
	sign_name=$1 sign_cn=$2 sign_by=$3 sign_ext=$4
	shift 4
	openssl req -new -key "$sign_name.key" -subj "/CN=$sign_cn" -out "$sign_name.csr" 2>>pki.log
	if [ "$sign_by" = - ]; then
		set -- -signkey "$sign_name.key" "$@"
	else
		set -- -CA "$sign_by.pem" -CAkey "$sign_by.key" -CAcreateserial "$@"
	fi
	openssl x509 -req -in "$sign_name.csr" -extfile "$sign_ext" -days 90 "$@" \
		-out "$sign_name.pem" 2>>pki.log || echo "no certificate $sign_name" >>pki.log
}

# The same by certtool, which can set both dates.
sign_dates()	# NAME ISSUER FROM TO [TEMPLATE LINE...]
{
	dates_name=$1 dates_by=$2
	{
		echo "cn = $1"
		echo "activation_date = \"$3\""
		echo "expiration_date = \"$4\""
		shift 4
		printf '%s\n' "$@"
	} >"$dates_name.cfg"
	certtool --generate-certificate --load-privkey "$dates_name.key" \
		--load-ca-certificate "$dates_by.pem" --load-ca-privkey "$dates_by.key" \
		--template "$dates_name.cfg" --outfile "$dates_name.pem" >>pki.log 2>&1 ||
		echo "no certificate $dates_name" >>pki.log
}

names()		# FILE SAN [LINE...]
{
	names_file=$1
	echo "subjectAltName=$2" >"$names_file"
	shift 2
	printf '%s\n' "$@" >>"$names_file"
}

names leaf.ext 'DNS:localhost,DNS:*.example.test,IP:127.0.0.1,IP:::1' \
	basicConstraints=CA:FALSE extendedKeyUsage=serverAuth
names client.ext 'DNS:localhost' extendedKeyUsage=clientAuth
names other.ext 'DNS:a.example.test,DNS:b.example.test'
echo 'basicConstraints=CA:FALSE' >cn.ext

key root P-384;		sign root 'Test Root' - ca.ext -sha384
key rsaroot rsa4096;	sign rsaroot 'RSA Root' - ca.ext -sha512
key stranger P-256;	sign stranger 'Stranger' - ca.ext
key again P-384;	sign again 'Test Root' - ca.ext
key middle P-256;	sign middle 'Test Middle' root ca.ext -sha384
key nomiddle P-256;	sign nomiddle 'Not An Authority' root leaf.ext
key oldmiddle P-256;	sign_dates oldmiddle root '2020-01-01 00:00:00 UTC' '2021-02-03 04:05:06 UTC' ca cert_signing_key

key p256 P-256;		sign p256 p256 root leaf.ext
key p384 P-384;		sign p384 p384 rsaroot leaf.ext -sha384
key p521 P-521;		sign p521 p521 root leaf.ext
key rsa2048 rsa2048;	sign rsa2048 rsa2048 rsaroot leaf.ext
key rsa4096 rsa4096;	sign rsa4096 rsa4096 rsaroot leaf.ext -sha384
key rsa1024 rsa1024;	sign rsa1024 rsa1024 root leaf.ext
key third P-256;	sign third third middle leaf.ext
key late P-256;		sign late late oldmiddle leaf.ext
key under P-256;	sign under under nomiddle leaf.ext
key lost P-256;		sign lost lost stranger leaf.ext
key fake P-256;		sign fake fake again leaf.ext
key self P-256;		sign self 'Self Made' - leaf.ext
key sha1 P-256;		sign sha1 sha1 rsaroot leaf.ext -sha1
key user P-256;		sign user user root client.ext
key other P-256;	sign other other root other.ext
key cn P-256;		sign cn localhost root cn.ext
key expired P-256;	sign_dates expired root '2020-01-01 00:00:00 UTC' '2021-02-03 04:05:06 UTC' 'dns_name = localhost'
key future P-256;	sign_dates future root '2090-01-02 03:04:05 UTC' '2091-01-01 00:00:00 UTC' 'dns_name = localhost'
cat root.pem rsaroot.pem >roots.pem
if grep -q '^no ' pki.log; then
	not_ok pki "$(tail -n 3 pki.log | tr '\n' ' ')"
	exit 1
fi

# ---- servers others wrote -----------------------------------------------------

# Sets $port.
s_server()	# LOG OPTION...
{
	s_log=$1
	shift
	rm -f "$s_log"		# or the line waited for is that of the last one
	spawn "$s_log" openssl s_server -accept 127.0.0.1:0 "$@"
	wait_for 10 grep -q '^ACCEPT .*:[0-9]*$' "$s_log" || echo "s_server $*: not started" >&2
	port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$s_log" | head -n 1)
}

fetch()		# NAME TRUST [SECONDS]
{
	printf 'GET / HTTP/1.0\r\n\r\n' | "$tool" client "$port" "$1" "$2" "${3:-120}"
}

# One server with this certificate, one fetch.
meets()		# CASE STATUS ERE LEAF NAME TRUST [s_server OPTION...]
{
	m_case=$1 m_status=$2 m_re=$3 m_leaf=$4 m_name=$5 m_trust=$6
	shift 6
	s_server s_server.log -www -cert "$m_leaf.pem" -key "$m_leaf.key" "$@"
	expect "$m_case" "$m_status" "$m_re" fetch "$m_name" "$m_trust"
	reap "$spawned"
}

ca=ca:roots.pem
for leaf in p256 p384 p521 rsa2048 rsa4096; do
	meets "client: $leaf certificate" 0 '200 ok' $leaf localhost $ca
done
meets "client: chain of three" 0 '200 ok' third localhost ca:root.pem -cert_chain middle.pem
meets "client: chain with the root behind" 0 '200 ok' p256 localhost ca:root.pem -cert_chain root.pem
meets "client: self-signed but trusted" 0 '200 ok' self localhost ca:self.pem

for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305; do
	meets "client: $suite" 0 "Cipher +: $suite" p256 localhost $ca -cipher $suite
done
for suite in ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
	meets "client: $suite" 0 "Cipher +: $suite" rsa2048 localhost $ca -cipher $suite
done
for curve in X25519 P-256 P-384 P-521; do
	meets "client: key exchange on $curve" 0 '200 ok' rsa2048 localhost $ca -curves $curve
done

meets "client: IPv4 address" 0 '200 ok' p256 127.0.0.1 $ca
meets "client: IPv6 address" 0 '200 ok' p256 ::1 $ca
meets "client: wildcard" 0 '200 ok' p256 any.example.test $ca
meets "client: names fold case" 0 '200 ok' p256 LocalHost $ca
meets "client: wildcard is one label" 1 'certificate is for localhost, \*\.example\.test, 127\.0\.0\.1, ::1, not a\.b\.example\.test' \
	p256 a.b.example.test $ca
meets "client: wildcard is not no label" 1 'not example\.test' p256 example.test $ca
meets "client: another address" 1 'certificate is for .*, not 127\.0\.0\.2' p256 127.0.0.2 $ca
meets "client: wrong name" 1 'TLS with localhost: certificate is for a\.example\.test, b\.example\.test, not localhost' \
	other localhost $ca
meets "client: a CN is not a name" 1 'certificate is for no host at all, not localhost' cn localhost $ca
meets "client: expired" 1 'certificate expired since 2021-02-03T04:05:06Z \(it is valid from 20.*; the clock of this machine says 20' expired localhost $ca
meets "client: not yet valid" 1 'certificate not valid before 2090-01-02T03:04:05Z' future localhost $ca
meets "client: expired intermediate" 1 'issuer CN=oldmiddle: certificate expired since 2021-02-03' \
	late localhost $ca -cert_chain oldmiddle.pem
meets "client: issuer that is no authority" 1 'issuer CN=Not An Authority: certificate may not issue others' \
	under localhost $ca -cert_chain nomiddle.pem
meets "client: self-signed" 1 'self-signed certificate CN=Self Made is not trusted' self localhost $ca
meets "client: unknown issuer" 1 'unknown issuer CN=Stranger' lost localhost $ca
meets "client: missing intermediate" 1 'unknown issuer CN=Test Middle \(the server sent no intermediate certificate\)' \
	third localhost $ca
meets "client: unknown root with chain" 1 'unknown issuer CN=Test Root' third localhost ca:rsaroot.pem -cert_chain middle.pem
meets "client: same name, another key" 1 'issued by CN=Test Root, but not with the key of the one we trust' fake localhost $ca
meets "client: intermediate of another chain" 1 'out of order: behind one issued by CN=Test Middle comes CN=Stranger' \
	third localhost ca:rsaroot.pem -cert_chain stranger.pem
meets "client: weak key" 1 'certificate has a weak key: RSA of less than 2048 bits' rsa1024 localhost $ca -cipher ALL:@SECLEVEL=0
meets "client: SHA-1" 1 'signature of a kind that is not accepted' sha1 localhost $ca -cipher ALL:@SECLEVEL=0
meets "client: certificate for clients" 1 'certificate is not for servers' user localhost $ca

# a signature that does not verify: the last byte of the certificate is another
openssl x509 -in third.pem -outform DER -out third.der
python3 - <<END
d = bytearray(open("third.der", "rb").read())
d[-1] ^= 1
open("third.bad", "wb").write(d)
END
openssl x509 -inform DER -in third.bad -out forged.pem
cp third.key forged.key
meets "client: forged signature" 1 'issued by CN=Test Middle, but is signed with another key' \
	forged localhost $ca -cert_chain middle.pem

meets "client: TLS 1.1 only" 1 'nothing in common \(here it is TLS 1\.2' p256 localhost $ca -tls1_1 -cipher ALL:@SECLEVEL=0
meets "client: TLS 1.3 only" 1 'TLS 1\.2 is not spoken there \(perhaps TLS 1\.3 only\)' p256 localhost $ca -tls1_3
meets "client: CBC only" 1 'the server refused: nothing in common' p256 localhost $ca \
	-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256
meets "client: server wants a certificate" 1 'server refused: ' p256 localhost $ca -tls1_2 -Verify 1 -verify_return_error

good=$("$tool" pin p256.key) wrong=$("$tool" pin p384.key)
meets "client: pin" 0 '200 ok' p256 nobody.test "pin:$good"
meets "client: pin, expired certificate" 0 '200 ok' expired x "pin:$("$tool" pin expired.key)"
meets "client: pin, RSA" 0 '200 ok' rsa2048 x "pin:$("$tool" pin rsa2048.key)"
meets "client: another key than the pinned" 1 "the server's key is not the pinned one" p256 localhost "pin:$wrong"

s_server sni.log -www -cert other.pem -key other.key -servername localhost -cert2 p256.pem -key2 p256.key
expect "client: sends the server's name" 0 '200 ok' fetch localhost $ca
expect "client: sends no address as name" 1 'is for a\.example\.test, b\.example\.test, not 127' fetch 127.0.0.1 $ca
reap "$spawned"

# s_server -WWW serves files: a download of many records
head -c 30000000 /dev/urandom >big
s_server www.log -WWW -cert rsa2048.pem -key rsa2048.key
printf 'GET /big HTTP/1.0\r\n\r\n' | "$tool" client "$port" localhost $ca 60 >got 2>err
same "client: download of 30 MB" "$(sha256sum <big)" "$(sed '1,/^\r$/d' got | sha256sum)"
same "client: download ends in order" "" "$(cat err)"
reap "$spawned"

# What the tools above cannot do: count what arrives, break off, say nothing.
cat >peer.py <<"END"
import hashlib, os, socket, ssl, sys
mode, port_file = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
with open(port_file + ".new", "w") as f:
    f.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
conn, _ = listener.accept()
if mode == "plain":
    conn.recv(1000)
    conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    conn.close()
elif mode == "silent":
    conn.recv(1000)
    conn.recv(1000)
elif mode == "old":
    conn.recv(1000)
    hello = b"\x03\x02" + b"r" * 32 + b"\x00" + b"\xc0\x13" + b"\x00"
    conn.sendall(b"\x16\x03\x02\x00" + bytes([len(hello) + 4]) + b"\x02\x00\x00" + bytes([len(hello)]) + hello)
    conn.recv(1000)
elif mode == "hangup":
    conn.recv(1000)
    conn.close()
elif mode == "rubbish":
    conn.recv(1000)
    conn.sendall(b"\x16\x03\x03\x00\x10" + b"\xee" * 16)
    conn.recv(1000)
else:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("p256.pem", "p256.key")
    tls = context.wrap_socket(conn, server_side=True, suppress_ragged_eofs=False)
    if mode == "upload":
        hashed, left = hashlib.sha256(), 30000000
        while left > 0:
            piece = tls.recv(65536)
            hashed.update(piece)
            left -= len(piece)
        tls.sendall((hashed.hexdigest() + "\n").encode())
        tls.unwrap()
    elif mode == "cut":
        tls.recv(1000)
        tls.sendall(b"half of")
        conn = tls.detach()
        os.close(conn)
END
peer()		# MODE: sets $port
{
	rm -f port
	spawn peer.log python3 peer.py "$1" port
	wait_for 10 test -f port
	port=$(cat port)
}
peer upload
same "client: upload of 30 MB" "$(sha256sum <big | cut -c1-64)" \
	"$("$tool" client "$port" localhost $ca 240 <big 2>&1)"
peer cut
expect "client: end without goodbye" 1 'half of.*closed the connection without a TLS goodbye' sh -c \
	"printf x | '$tool' client $port localhost $ca 120 2>&1 | tr '\n' ' '; exit 1"
peer plain
expect "client: not TLS" 1 'TLS with localhost: the server does not speak TLS' fetch localhost $ca
peer rubbish
expect "client: rubbish" 1 'TLS with localhost: the server sent a' fetch localhost $ca
peer old
expect "client: TLS 1.1 spoken back" 1 'the server speaks only versions of TLS before 1\.2' fetch localhost $ca
peer hangup
expect "client: hangs up at once" 1 'server closed the connection without' fetch localhost $ca
peer silent
expect "client: says nothing" 1 'TLS with localhost: .*(time|in time)' fetch localhost $ca 1
reap "$spawned"

# gnutls-serv takes no port 0
gnutls()	# LOG OPTION...: sets $port
{
	g_log=$1
	shift
	g_try=0
	while [ $g_try -lt 20 ]; do
		rm -f "$g_log"
		port=$((20000 + ($$ + g_try * 997) % 12000))
		g_try=$((g_try + 1))
		spawn "$g_log" gnutls-serv --port $port "$@"
		wait_for 3 grep -q 'IPv4.*done' "$g_log" && return
		reap "$spawned"
	done
}
gnutls g.log --http --x509certfile p256.pem --x509keyfile p256.key
expect "client: gnutls-serv" 0 '200 OK' fetch localhost $ca
expect "client: gnutls-serv, wrong name" 1 'certificate is for' fetch other.test $ca
reap "$spawned"
cat rsa2048.pem rsaroot.pem >rsachain.pem
gnutls g.log --http --x509certfile rsachain.pem --x509keyfile rsa2048.key
expect "client: gnutls-serv, RSA" 0 '200 OK' fetch localhost $ca
reap "$spawned"
gnutls g.log --http --x509certfile p256.pem --x509keyfile p256.key --priority NORMAL:-VERS-ALL:+VERS-TLS1.3
expect "client: gnutls-serv, TLS 1.3 only" 1 'nothing in common \(here it is TLS 1\.2' fetch localhost $ca
reap "$spawned"
gnutls g.log --http --x509certfile p256.pem --x509keyfile p256.key --priority NORMAL:-VERS-ALL:+VERS-TLS1.1
expect "client: gnutls-serv, TLS 1.1 only" 1 'nothing in common \(here it is TLS 1\.2' fetch localhost $ca
reap "$spawned"

# ---- whom to trust -----------------------------------------------------------

s_server env.log -www -cert p256.pem -key p256.key
env_fetch()	# VARIABLE=VALUE...
{
	printf 'GET / HTTP/1.0\r\n\r\n' | env "$@" "$tool" client "$port" localhost default 10
}
mkdir dir empty strangers && cp stranger.pem strangers/0 && cp root.pem dir/0 && cp rsaroot.pem dir/1 && echo text >dir/README && mkfifo dir/fifo
: >nothing.pem
sed 5d root.pem >broken.pem
expect "trust: the roots of the system do not know ours" 1 'unknown issuer CN=Test Root' env_fetch
expect "trust: SSL_CERT_FILE" 0 '200 ok' env_fetch SSL_CERT_FILE=roots.pem
expect "trust: SSL_CERT_DIR" 0 '200 ok' env_fetch SSL_CERT_DIR=dir
expect "trust: both" 0 '200 ok' env_fetch SSL_CERT_FILE=stranger.pem SSL_CERT_DIR=dir
expect "trust: list of directories" 0 '200 ok' env_fetch SSL_CERT_DIR=strangers:dir
expect "trust: empty variables" 1 'unknown issuer' env_fetch SSL_CERT_FILE= SSL_CERT_DIR=
expect "trust: SSL_CERT_FILE missing" 1 'SSL_CERT_FILE: .*no-such\.pem.*No such file' env_fetch SSL_CERT_FILE=no-such.pem
expect "trust: SSL_CERT_FILE empty" 1 'SSL_CERT_FILE: nothing\.pem: no certificate in PEM form' env_fetch SSL_CERT_FILE=nothing.pem
expect "trust: SSL_CERT_FILE broken" 1 'SSL_CERT_FILE: broken\.pem: ' env_fetch SSL_CERT_FILE=broken.pem
expect "trust: SSL_CERT_FILE is a key" 1 'SSL_CERT_FILE: root\.key: no certificate' env_fetch SSL_CERT_FILE=root.key
expect "trust: SSL_CERT_DIR missing" 1 'SSL_CERT_DIR: no-such-dir: No such file' env_fetch SSL_CERT_DIR=no-such-dir
expect "trust: SSL_CERT_DIR without any" 1 'SSL_CERT_DIR: empty: no certificate' env_fetch SSL_CERT_DIR=empty

# Directories where names are hashes, as openssl makes them.
hashed()	# DIRECTORY FILE...
{
	h_dir=$1
	shift
	mkdir "$h_dir" && for f in "$@"; do cp "$f" "$h_dir/${f%.pem}.crt"; done
	openssl rehash "$h_dir" 2>rehash.log || not_ok "openssl rehash $h_dir" "$(cat rehash.log)"
}
hashed named root.pem rsaroot.pem stranger.pem
hashed others stranger.pem rsaroot.pem
expect "trust: a directory of hashes" 0 '200 ok' env_fetch SSL_CERT_DIR=named
expect "trust: the second of two" 0 '200 ok' env_fetch SSL_CERT_DIR=others:named
expect "trust: a directory of hashes that does not know it" 1 'unknown issuer CN=Test Root' env_fetch SSL_CERT_DIR=others
cp root.pem others/late.crt
expect "trust: nor has a name for it, but has it" 0 '200 ok' env_fetch SSL_CERT_DIR=others
mkdir same && cp root.pem same/ours && cp again.pem same/theirs &&
	ln -s theirs "same/$(openssl x509 -in again.pem -noout -subject_hash).0"
expect "trust: one of the same name, with another key, before it" 0 '200 ok' env_fetch SSL_CERT_DIR=same
rm same/ours
expect "trust: and it alone" 1 'CN=Test Root, but not with the key of the one we trust' env_fetch SSL_CERT_DIR=same
mkfifo "same/$(openssl x509 -in rsaroot.pem -noout -subject_hash).0"
expect "trust: what is no file" 1 'not with the key of the one we trust' env_fetch SSL_CERT_DIR=same
if command -v strace >/dev/null; then
	env_opens=$(env SSL_CERT_DIR="$PWD/named" ASAN_OPTIONS=detect_leaks=0 \
		strace -f -e trace=open,openat -o opens "$tool" client "$port" localhost default 10 \
		</dev/null >out 2>&1; grep -c "$PWD/named/" opens)
	same "trust: files read of a directory of three: the one that the chain names" 1 "$env_opens"
else
	skip "trust: files read of a directory" "no strace"
fi
reap "$spawned"

# The roots built in are those of the list: as many as it has different sets
# of name, dates and key, as openssl reads them; and so are those of the system.
bundle=${CA_CERTS:-/usr/share/ca-certificates/mozilla}
different()
{
	for f in "$@"; do
		openssl x509 -in "$f" -noout -subject -pubkey -dates 2>/dev/null | sha256sum
	done | sort -u | wc -l
}
if [ -d "$bundle" ]; then
	# shellcheck disable=SC2046
	listed=$(cd "$bundle" && ls -d $(sed 's/#.*//' "$SRCDIR/build-aux/roots"))
	same "trust: every root of the list is built in" "$(cd "$bundle" && different $listed)" "$("$tool" roots)"
	for f in $listed; do
		set -- "$(openssl x509 -in "$bundle/$f" -noout -startdate)" "$(openssl x509 -in "$bundle/$f" -noout -enddate)"
		echo "$(date -u -d "${1#*=}" +%s) $(date -u -d "${2#*=}" +%s)"
	done | sort >root-dates
	same "trust: and valid as long as its certificate" "$(cat root-dates)" "$("$tool" dates | sort)"
	# the thumbprints that Microsoft publishes ("Azure Certificate Authority details")
	for f in $listed; do
		openssl x509 -in "$bundle/$f" -noout -fingerprint -sha1 | tr -d :
	done >thumbprints
	for t in DF3C24F9BFD666761B268073FE06D1CC8D4F82A4 A8985D3A65E5E5C4B2D7D66D40C6DD2FB19C5436 \
	    7E04DE896A3E666D00E687D33FFAD93BE83D349E A78849DC5D7C758C8CDE399856B3AAD0B2A57135 \
	    17F3DE5E9F0F19E98EF61F32266E20C407AE30EE 73A5E64A3BFF8316FF0EDCCC618A906E4EAE4D74 \
	    999A64C37FF47D9FAB95F14769891460EEC4C3C5 8CF427FD790C3AD166068DE81E57EFBB932272D4; do
		check "trust: Azure's root $t" grep -q "$t" thumbprints
	done
	cat "$bundle"/*.crt >bundle.pem
	wanted=$(different "$bundle"/*.crt)
	same "trust: every root of a bundle is read" "$wanted" "$(SSL_CERT_FILE=bundle.pem "$tool" roots)"
	same "trust: every root of the system's store" "$wanted" "$("$tool" roots none bundle.pem roots.pem)"
	# shellcheck disable=SC2012
	ls "$bundle"/*.crt | while read -r f; do openssl x509 -in "$f" -noout -subject_hash; done >hashes
	same "trust: names of files in a directory of hashes" "$(cat hashes)" "$("$tool" hashes "$bundle"/*.crt)"
	same "trust: a store of the system without any" 2 "$("$tool" roots nothing.pem broken.pem roots.pem)"
	same "trust: a store that was named comes first" 1 "$(SSL_CERT_FILE=root.pem "$tool" roots bundle.pem)"
else
	skip "trust: every root of the list is built in" "no $bundle here"
fi
skip "trust: a chain to a real root" "needs a host of the Internet"

# ---- our server ---------------------------------------------------------------

serve()		# LOG KEY CHAIN: sets $port
{
	rm -f port
	spawn "$1" "$tool" server port 900 "$2" "$3"
	wait_for 10 test -f port
	port=$(cat port)
}
s_client()	# OPTION... : goes when stdin ends, which it does at once
{
	openssl s_client -connect "127.0.0.1:$port" -servername localhost \
		-CAfile roots.pem -verify_return_error "$@"
}
echoed()	# stdin ends when the echo is there
{
	: >echo.out
	{
		echo 'hello from s_client'
		wait_for 20 grep -q '^hello from s_client' echo.out
	} | s_client >echo.out
	cat echo.out
}
get()		# PATH curl-OPTION...
{
	get_path=$1
	shift
	curl -sS --max-time 240 --cacert roots.pem "https://localhost:$port$get_path" "$@"
}

openssl ec -in p384.key -out p384.sec1 2>/dev/null
openssl rsa -in rsa2048.key -traditional -out rsa2048.pkcs1 2>/dev/null
cat third.pem middle.pem >third.chain
for pair in p256.key:p256.pem p384.sec1:p384.pem rsa2048.pkcs1:rsa2048.pem rsa4096.key:rsa4096.pem third.key:third.chain; do
	serve server.log "${pair%:*}" "${pair#*:}"
	expect "server: ${pair%:*}, curl" 0 '^abcdefghij$' get /10
	expect "server: ${pair%:*}, s_client" 0 'Verify return code: 0' s_client
	expect "server: ${pair%:*}, gnutls-cli" 0 'Handshake was completed' sh -c \
		"echo hi | gnutls-cli --x509cafile roots.pem --port $port localhost"
	reap "$spawned"
	same "server: ${pair%:*}, no complaints" "" "$(cat server.log)"
done

serve server.log p256.key p256.pem
expect "server: echo" 0 '^hello from s_client' echoed
expect "server: TLS 1.2 is agreed on" 0 'Protocol +: TLSv1\.2' s_client
for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305; do
	expect "server: $suite" 0 "Cipher +: $suite" s_client -cipher $suite
done
expect "server: our own client" 0 '^abcde$' sh -c \
	"printf 'GET /5 HTTP/1.1\r\n\r\n' | '$tool' client $port localhost $ca 120"
get /30000000 -o got
same "server: 30 MB down" "$(yes abcdefghijklmnopqrstuvwxyz | head -c 30000000 | sha256sum)" "$(sha256sum <got)"
same "server: 30 MB up" "$(sha256sum <big | cut -c1-64)" "$(get / -H Expect: --data-binary @big)"
for n in 1 2 3 4 5 6 7 8; do
	get /3000000 -o "got.$n" &
	pids="${pids-} $!"
done
for pid in $pids; do
	wait "$pid"
done
same "server: eight at once" 1 "$(sha256sum got.[1-8] | cut -c1-64 | sort -u | wc -l)"
same "server: eight at once, all there" 24000000 "$(cat got.[1-8] | wc -c)"
reap "$spawned"
same "server: no complaints" "" "$(cat server.log)"

serve server.log rsa2048.key rsa2048.pem
for suite in ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
	expect "server: $suite" 0 "Cipher +: $suite" s_client -cipher $suite
done
for curve in X25519 P-256 P-384 P-521; do
	expect "server: key exchange on $curve" 0 'Verify return code: 0' s_client -curves $curve
done
# what is fastest for both, whatever else the client has
expect "server: X25519 where it is offered" 0 '^Server Temp Key: X25519' s_client -curves P-384:X25519:P-256
expect "server: TLS 1.1 refused" 1 'alert protocol version|wrong version number' s_client -tls1_1 -cipher ALL:@SECLEVEL=0
expect "server: TLS 1.1 refused, log" 0 'TLS handshake: the client does not offer TLS 1\.2' cat server.log
expect "server: TLS 1.3 only refused" 1 'alert' s_client -tls1_3
expect "server: CBC refused" 1 'alert handshake failure' s_client -tls1_2 -cipher ECDHE-RSA-AES128-SHA256
expect "server: RSA key exchange refused" 1 'alert handshake failure' s_client -tls1_2 -cipher AES128-GCM-SHA256
expect "server: nothing in common, log" 0 'we refused the client: nothing in common' cat server.log
expect "server: client that does not know us" 60 'self.signed|unable to get|issuer' \
	curl -sS --cacert stranger.pem "https://localhost:$port/1"
check "server: client that does not know us, log" \
	wait_for 5 grep 'client refused: it does not know who issued our certificate' server.log
cat >rude.py <<"END"
import os, socket, sys
port = int(sys.argv[1])
def peer(data, wait=False):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(data)
    if wait:
        s.settimeout(60)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
    s.close()
hello = bytes.fromhex("160301")
peer(b"")				# goes away at once
peer(hello)				# in the middle of a header
peer(hello + b"\x02\x00\x01\x00\x01\xfc\x03\x03")	# in the middle of a ClientHello
peer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True)
peer(b"\x80\x2e\x01\x00\x02" + b"\0" * 40, True)	# SSL 2
for n in range(200):
    peer(os.urandom(300))
for n in range(50):
    peer(b"\x16\x03\x01\x01\x00" + os.urandom(256), True)
    peer(b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + os.urandom(245), True)
END
check "server: rude clients" python3 rude.py "$port"
expect "server: still there" 0 '^abc$' get /3
expect "server: not TLS, log" 0 'the client does not speak TLS' cat server.log
expect "server: gone in the handshake, log" 0 'client closed the connection without a TLS goodbye' cat server.log
tls_pid=$spawned
kill "$tls_pid"
wait_for 20 sh -c "! kill -0 $tls_pid 2>/dev/null" || :
wait "$tls_pid"
same "server: nothing leaked" 0 $?
expect "server: no report of a sanitizer" 1 '' grep -E 'Sanitizer|runtime error' server.log

serve server.log p256.key -
expect "server: key alone, pinned" 0 '^ab$' sh -c \
	"printf 'GET /2 HTTP/1.1\r\n\r\n' | '$tool' client $port anything pin:$good 120"
expect "server: key alone, not the pin" 1 'not the pinned one' sh -c \
	"printf x | '$tool' client $port anything pin:$wrong 120"
pin64=$(printf '%s' "$good" | python3 -c 'import base64,sys; print(base64.b64encode(bytes.fromhex(sys.stdin.read())).decode())')
expect "server: key alone, pinned by curl" 0 '^abc$' \
	curl -sS -k --pinnedpubkey "sha256//$pin64" "https://localhost:$port/3"
reap "$spawned"
expect "server: certificate of another key" 1 'the certificate is not for this private key' \
	"$tool" server port 1 p256.key p384.pem
expect "server: no certificate" 1 'no certificate in PEM form' "$tool" server port 1 p256.key p256.key
expect "server: P-521 key" 1 'EC key that is not on P-256 or P-384' "$tool" server port 1 p521.key p521.pem
expect "server: RSA-1024 key" 1 'RSA key of 1024 bits; only 2048 to 4096 will do' "$tool" server port 1 rsa1024.key rsa1024.pem
openssl ec -in p256.key -aes128 -passout pass:x -out locked.key 2>/dev/null
openssl pkey -in p256.key -aes128 -passout pass:x -out locked8.key 2>/dev/null
expect "server: key with a passphrase" 1 'keys with a passphrase cannot be read' "$tool" server port 1 locked.key p256.pem
expect "server: key with a passphrase, PKCS#8" 1 'private key with a passphrase cannot be read' "$tool" server port 1 locked8.key p256.pem

# ---- keys and certificates we make ---------------------------------------------

"$tool" key-rsa 3072 >our-rsa.key
"$tool" key-ec >our-ec.key
chmod 600 our-rsa.key our-ec.key
expect "keys: RSA by openssl" 0 'RSA key ok' openssl rsa -in our-rsa.key -check -noout
same "keys: RSA has 3072 bits" "Private-Key: (3072 bit, 2 primes)" "$(openssl rsa -in our-rsa.key -noout -text | head -n 1)"
expect "keys: EC by openssl" 0 'EC Key valid' openssl ec -in our-ec.key -check -noout
expect "keys: RSA by certtool" 0 'RSA' certtool --key-info --infile our-rsa.key
expect "keys: EC by certtool" 0 'SECP256R1' certtool --key-info --infile our-ec.key
for k in our-rsa our-ec; do
	"$tool" ssh $k.key "a comment" >$k.pub
	same "keys: $k.pub by ssh-keygen" "$(ssh-keygen -y -f $k.key)" "$(cut -d' ' -f1,2 $k.pub)"
	expect "keys: $k.pub fingerprint" 0 'SHA256:.* a comment' ssh-keygen -l -f $k.pub
	same "keys: $k pin by openssl" "$(openssl pkey -in $k.key -pubout -outform DER | sha256sum | cut -c1-64)" "$("$tool" pin $k.key)"
	openssl pkcs8 -topk8 -nocrypt -in $k.key -out $k.p8
	same "keys: $k from PKCS#8" "$("$tool" pin $k.key)" "$("$tool" pin $k.p8)"
done
for k in rsa2048 rsa4096 p256 p384; do
	same "keys: $k of openssl" "$(openssl pkey -in $k.key -pubout -outform DER | sha256sum | cut -c1-64)" "$("$tool" pin $k.key)"
	"$tool" ssh $k.key "" >$k.pub
	cp $k.key ssh.tmp && chmod 600 ssh.tmp
	same "keys: $k for ssh" "$(ssh-keygen -y -f ssh.tmp)" "$(cat $k.pub)"
done
ssh-keygen -q -t rsa -b 2048 -N '' -f openssh.key
expect "keys: OpenSSH's own form" 1 "OpenSSH's own form; 'ssh-keygen -p -m PEM" "$tool" pin openssh.key
expect "keys: not PEM" 1 'no private key in PEM form' "$tool" pin root.pem
expect "keys: RSA of 1024 bits" 1 'RSA keys have 2048 to 4096 bits, not 1024' "$tool" key-rsa 1024

for k in our-rsa our-ec; do
	"$tool" cert "Our CA" - ca 3650 $k.key $k.key >$k.ca
	for l in p256 rsa2048; do
		"$tool" cert leaf "Our CA" leaf 30 $l.key $k.key DNS:localhost 'DNS:*.blob.core.localhost' \
			IP:127.0.0.1 IP:168.63.129.16 IP:::1 >$l.leaf
		expect "certificates: $l by $k, openssl" 0 ': OK' openssl verify -x509_strict -purpose sslserver \
			-CAfile $k.ca -verify_hostname x.blob.core.localhost -verify_ip 168.63.129.16 $l.leaf
		expect "certificates: $l by $k, certtool" 0 'Verified\. The certificate is trusted' \
			certtool --verify --load-ca-certificate $k.ca --verify-hostname localhost \
			--verify-purpose 1.3.6.1.5.5.7.3.1 --infile $l.leaf
		serve server.log $l.key $l.leaf
		expect "certificates: $l by $k, curl" 0 '^abc$' curl -sS --cacert $k.ca "https://127.0.0.1:$port/3"
		expect "certificates: $l by $k, our client" 0 '^a$' sh -c \
			"printf 'GET /1 HTTP/1.1\r\n\r\n' | '$tool' client $port 168.63.129.16 ca:$k.ca 120"
		expect "certificates: $l by $k, Python" 0 '^abc' python3 -c "
import ssl, urllib.request
print(urllib.request.urlopen('https://localhost:$port/3',
	context=ssl.create_default_context(cafile='$k.ca')).read().decode())"
		reap "$spawned"
	done
done
text=$(openssl x509 -in p256.leaf -noout -text)
has()		# CASE ERE
{
	if printf '%s' "$text" | tr -s ' \n' ' ' | grep -qE "$2"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' in $(printf '%s' "$text" | tr -s ' \n' ' ' | head -c 2000)"
	fi
}
has "certificates: leaf is no CA" 'Basic Constraints: critical CA:FALSE'
has "certificates: leaf's key signs" 'Key Usage: critical Digital Signature X509v3'
has "certificates: leaf's purpose" 'Extended Key Usage: TLS Web Server Authentication'
has "certificates: leaf's names" 'DNS:localhost, DNS:\*\.blob\.core\.localhost, IP Address:127\.0\.0\.1, IP Address:168\.63\.129\.16, IP Address:0:0:0:0:0:0:0:1'
text=$(openssl x509 -in our-rsa.ca -noout -text)
has "certificates: CA" 'Basic Constraints: critical CA:TRUE X509v3 Key Usage: critical Certificate Sign, CRL Sign'
"$tool" cert far - leaf 20000 our-ec.key our-ec.key DNS:x >far.pem
expect "certificates: a date behind 2049" 0 'OK' openssl verify -x509_strict -CAfile far.pem far.pem
same "certificates: both forms of time" "UTCTIME GENERALIZEDTIME" \
	"$(openssl asn1parse -in far.pem | grep -oE 'UTCTIME|GENERALIZEDTIME' | tr '\n' ' ' | sed 's/ $//')"
same "certificates: serial numbers differ" 2 "$(for n in 1 2; do
	"$tool" cert x - leaf 1 our-ec.key our-ec.key | openssl x509 -noout -serial; done | sort -u | wc -l)"
expect "certificates: a bad name" 1 'certificate for "x": "IP:1.2.3" is not DNS:NAME or IP:ADDRESS' \
	"$tool" cert x - leaf 1 our-ec.key our-ec.key IP:1.2.3

# A real sshd with our EC key as its own, a real ssh with our RSA key.
sshd=$(command -v sshd || command -v /usr/sbin/sshd || :)
if [ -z "$sshd" ]; then
	skip "keys: ssh and sshd" "no sshd here"
elif [ "$(id -u)" -ne 0 ]; then
	skip "keys: ssh and sshd" "needs root"
else
	[ -d /run/sshd ] || { mkdir /run/sshd && at_exit 'rmdir /run/sshd'; }
	mkdir -p auth && cp our-rsa.pub auth/keys && chmod 700 auth && chmod 600 auth/keys
	cat >sshd_config <<END
HostKey $PWD/our-ec.key
AuthorizedKeysFile $PWD/auth/keys
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
END
	# below the ports that connections are given; one may be taken all the same
	for n in 1 2 3 4 5 6 7 8; do
		ssh_port=$((20000 + ($$ + n * 997) % 12000))
		rm -f sshd.log
		spawn sshd.log "$sshd" -D -e -f sshd_config -o "ListenAddress=127.0.0.1:$ssh_port"
		wait_for 10 grep -qE 'listening|Cannot bind' sshd.log
		! grep -q 'Cannot bind' sshd.log && break
	done
	echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 our-ec.pub)" >known
	expect "keys: ssh and sshd" 0 '^it works$' ssh -F none -p "$ssh_port" -i our-rsa.key \
		-o UserKnownHostsFile=known -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes \
		-o BatchMode=yes "$(id -un)@127.0.0.1" echo it works
fi
