#!/bin/sh
# Whom a chain of certificates is believed for: what authorities may issue for
# (extended key usage, name constraints), and roots that say how long.  A row is
# a chain that openssl makes; openssl verify is the witness: what it refuses is
# refused here, what it takes is taken.  time: 120
. "$SRCDIR/tests/lib.sh"
need openssl certtool

tool=$SRCDIR/build/tests/tls_tool
must_make build/tests/tls_tool

for k in root middle leaf; do
	openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $k.key 2>>pki.log ||
		openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $k.key 2>>pki.log
done

dirs='[acme]
O = Acme
[acme_case]
O = "  ACME   "
[evil]
O = Evil'

# A certificate as FILE.pem, unless the last one there was for the same words.
make_cert()	# FILE SUBJECT ISSUER EXTENSIONS
{
	eval "mc_was=\${made_$1-}"
	[ "$mc_was" = "$2 $3 $4" ] && return
	eval "made_$1=\"\$2 \$3 \$4\""
	eval "mc_was=\${named_$1-}"
	if [ "$mc_was" != "$2" ]; then
		openssl req -new -key "$1.key" -subj "$2" -out "$1.csr" -utf8 2>>pki.log
		eval "named_$1=\$2"
	fi
	printf '%s\n%s\n' "$4" "$dirs" >"$1.ext"
	if [ "$3" = - ]; then mc_by="-signkey $1.key"
	else mc_by="-CA $3.pem -CAkey $3.key -CAcreateserial"; fi
	# shellcheck disable=SC2086
	openssl x509 -req -in "$1.csr" -extfile "$1.ext" -days 90 $mc_by -out "$1.pem" 2>>pki.log ||
		echo "no certificate $1" >>pki.log
}

ca='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid'
ee='basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid'

# What a row may say, and what it is otherwise.
plain()
{
	root= middle= leaf=extendedKeyUsage=serverAuth names=DNS:a.good.test
	subject=/CN=leaf between='/O=Acme/CN=Middle' host=a.good.test
}

# The chain of the three, and both verdicts: good, or bad with WORDS.
row()		# CASE good|bad ERE [WITNESS: openssl's verdict if another one is right, and why]
{
	[ -n "${own_root-}" ] || make_cert root /CN=Root - "$ca
$root"
	make_cert middle "$between" root "$ca
$middle"
	make_cert leaf "$subject" middle "$ee
$leaf
subjectAltName=$names"
	cat leaf.pem middle.pem >chain.pem
	if openssl verify -x509_strict -purpose sslserver -verify_hostname "$host" \
		-CAfile root.pem -untrusted middle.pem leaf.pem >witness 2>&1; then row_witness=good; else row_witness=bad; fi
	if row_said=$("$tool" verify "$host" chain.pem ca:root.pem 2>&1); then row_ours=good; else row_ours=bad; fi
	if [ -s pki.log ] && grep -q '^no ' pki.log; then
		not_ok "$1" "$(tail -n 3 pki.log | tr '\n' ' ')"
		: >pki.log
	elif [ "$row_witness" != "${4:-$2}" ]; then
		not_ok "$1" "openssl says $row_witness: $(tr '\n' ' ' <witness)"
	elif [ "$row_ours" != "$2" ]; then
		not_ok "$1" "wanted $2, got: $row_said"
	elif [ "$2" = bad ] && ! printf '%s\n' "$row_said" | grep -qE -e "$3"; then
		not_ok "$1" "wanted $2 with '$3', got: $row_said"
	else
		ok "$1"
	fi
	plain
}
: >pki.log
plain
row "a chain of three" good '^good$'

# ---- extended key usage of an authority ----------------------------------------

middle=extendedKeyUsage=serverAuth
row "an issuer for servers" good good
middle=extendedKeyUsage=critical,serverAuth,clientAuth
row "one for servers and clients, critical" good good
middle=extendedKeyUsage=clientAuth
row "one for clients" bad 'issuer CN=Middle: certificate is not for servers \(extended key usage\)'
middle=extendedKeyUsage=critical,clientAuth,emailProtection
row "one for clients and mail, critical" bad 'issuer CN=Middle: certificate is not for servers'
middle=extendedKeyUsage=codeSigning leaf=extendedKeyUsage=serverAuth,codeSigning
row "one for code" bad 'issuer CN=Middle: certificate is not for servers'
# RFC 5280 4.2.1.12: any purpose; openssl 3.0 does not read it so
middle=extendedKeyUsage=anyExtendedKeyUsage
row "one for any purpose" good good bad
root=extendedKeyUsage=serverAuth
row "a root for servers" good good
root=extendedKeyUsage=clientAuth
row "a root for clients" bad 'trusted issuer CN=Root: certificate is not for servers'
leaf=extendedKeyUsage=critical,serverAuth
row "a leaf for servers, critical" good good
leaf=extendedKeyUsage=critical,clientAuth
row "a leaf for clients, critical" bad 'certificate is not for servers'

# ---- name constraints ------------------------------------------------------------

# Each of them in an intermediate, critical, and in a root, not so; with all set
# the other way round, too.
limits()	# CASE good|bad ERE CONSTRAINTS [WITNESS]; names, subject, host are set
{
	l_names=$names l_subject=$subject l_host=$host l_between=$between
	for l_where in middle root; do
		for l_critical in '' critical,; do
			[ -n "${all-}" ] || case $l_where$l_critical in middle | rootcritical,) continue ;; esac
			names=$l_names subject=$l_subject host=$l_host between=$l_between
			if [ $l_where = root ]; then
				root=nameConstraints=$l_critical$4 l_who=Root
			else
				middle=nameConstraints=$l_critical$4 l_who=Middle
			fi
			l_re=$3
			[ "$2" = good ] || l_re="issuer CN=$l_who may not issue for $3 \(name constraints"
			row "$1, in the $l_where${l_critical:+, critical}" "$2" "$l_re" ${5+"$5"}
		done
	done
}
all=yes
limits "a permitted domain" good good 'permitted;DNS:good.test'
limits "another domain" bad 'a\.good\.test' 'permitted;DNS:bad.test'
all=
limits "a permitted domain, another case" good good 'permitted;DNS:GOOD.test'
limits "one of two permitted" good good 'permitted;DNS:other.test,permitted;DNS:good.test'
limits "what is below a domain" good good 'permitted;DNS:.good.test'
limits "a domain that ends alike" bad 'a\.good\.test' 'permitted;DNS:ood.test'
limits "an excluded domain" bad 'a\.good\.test' 'excluded;DNS:good.test'
limits "excluded in another case" bad 'a\.good\.test' 'excluded;DNS:GOOD.TEST'
limits "another excluded" good good 'excluded;DNS:bad.test'
limits "permitted, and excluded below" bad 'a\.good\.test' 'permitted;DNS:good.test,excluded;DNS:a.good.test'
limits "other kinds only" good good 'permitted;email:good.test,permitted;IP:10.0.0.0/255.0.0.0'
names=DNS:a.good.test,DNS:b.bad.test
limits "one name too many" bad 'b\.bad\.test' 'permitted;DNS:good.test'
names=DNS:good.test host=good.test
limits "the domain itself is not below it" bad 'good\.test' 'permitted;DNS:.good.test'
names=DNS:*.good.test
limits "a permitted wildcard" good good 'permitted;DNS:good.test'
names=DNS:*.good.test host=b.good.test
limits "a wildcard for more than is excluded" good good 'excluded;DNS:a.b.good.test'
# it stands for a name that is excluded; openssl compares texts alone
names=DNS:*.good.test
limits "a wildcard for what is excluded" bad '\*\.good\.test' 'excluded;DNS:a.good.test' good
names=DNS:a.good.test,IP:10.1.2.3
limits "a permitted address" good good 'permitted;IP:10.0.0.0/255.0.0.0'
names=DNS:a.good.test,IP:11.1.2.3
limits "another address" bad '11\.1\.2\.3' 'permitted;IP:10.0.0.0/255.0.0.0'
names=DNS:a.good.test,IP:2001:db8::1
limits "an address of the other family" bad '2001:db8::1' 'permitted;IP:10.0.0.0/255.0.0.0'
names=DNS:a.good.test,IP:10.1.2.3
limits "an excluded address" bad '10\.1\.2\.3' 'excluded;IP:10.1.0.0/255.255.0.0'
names=DNS:a.good.test,email:x@good.test
limits "a permitted mailbox" good good 'permitted;email:good.test'
names=DNS:a.good.test,email:x@bad.test
limits "another mailbox" bad 'x@bad\.test' 'permitted;email:good.test'
subject=/CN=leaf/emailAddress=x@bad.test
limits "a mailbox in the subject" bad 'x@bad\.test' 'permitted;email:good.test'
names=DNS:a.good.test,URI:https://good.test/x
limits "a permitted URI" good good 'permitted;URI:good.test'
names=DNS:a.good.test,URI:https://bad.test/good.test
limits "another URI" bad 'https://bad\.test/good\.test' 'permitted;URI:good.test'
subject=/O=Acme/CN=leaf
limits "a permitted directory" good good 'permitted;dirName:acme'
subject='/O=aCme/CN=leaf'
limits "the same, folded" good good 'permitted;dirName:acme_case'
subject=/O=Other/CN=leaf
limits "another directory" bad 'CN=leaf' 'permitted;dirName:acme'
subject='/O=EVIL /CN=leaf'
limits "an excluded directory, folded" bad 'CN=leaf' 'excluded;dirName:evil'

between='/O=Other/CN=Middle' subject=/O=Acme/CN=leaf root=nameConstraints=permitted\;dirName:acme
row "an intermediate outside of it" bad 'issuer CN=Root may not issue for CN=Middle'
# both constrain: what one permits and the other does not
root=nameConstraints=permitted\;DNS:good.test middle=nameConstraints=permitted\;DNS:bad.test names=DNS:b.bad.test host=b.bad.test
row "permitted by the nearer alone" bad 'issuer CN=Root may not issue for b\.bad\.test'

# what openssl does not write: a minimum, a maximum, rubbish
middle=2.5.29.30=critical,DER:30:13:a0:11:30:0f:82:09:67:6f:6f:64:2e:74:65:73:74:80:02:01:00
row "a distance" bad 'issuer CN=Middle may not issue for anybody: they are malformed'
middle=2.5.29.30=DER:30:12:a0:10:30:0e:82:09:67:6f:6f:64:2e:74:65:73:74:81:01:01
row "a greatest distance" bad 'issuer CN=Middle may not issue for anybody: they are malformed'
middle=2.5.29.30=DER:30:05:a0:03:30:07:82
row "constraints cut short" bad 'issuer CN=Middle may not issue for anybody: they are malformed'
middle=2.5.29.30=critical,DER:04:00
row "constraints that are none" bad 'malformed'
middle=1.2.3.4=critical,DER:05:00
row "a critical extension that nobody knows" bad 'critical extension that is not understood'

# ---- dates of a root ----------------------------------------------------------------

dated()		# FROM TO: a root by certtool, which can set both
{
	printf '%s\n' 'cn = Root' ca cert_signing_key crl_signing_key "activation_date = \"$1\"" \
		"expiration_date = \"$2\"" >root.cfg
	certtool --generate-self-signed --load-privkey root.key --template root.cfg --outfile root.pem >>cert.log 2>&1
}
own_root=yes
dated '2020-01-01 00:00:00 UTC' '2021-02-03 04:05:06 UTC'
row "a root that expired" bad 'trusted issuer CN=Root: certificate expired since 2021-02-03T04:05:06Z'
cp root.pem old.pem
dated '2090-01-01 00:00:00 UTC' '2091-02-03 04:05:06 UTC'
row "a root not valid yet" bad 'trusted issuer CN=Root: certificate not valid before 2090-01-01T00:00:00Z'
dated '2020-01-01 00:00:00 UTC' '2090-02-03 04:05:06 UTC'
cp root.pem new.pem
row "a root made anew" good good
cat old.pem new.pem >root.pem
row "and the old one beside it" good good

# The same key says one thing as a root and another as an intermediate: what
# was signed is what was heard, not what the judge of signatures is shown.
own_root= made_root=
middle=extendedKeyUsage=critical,serverAuth
row "critical, to be bent" good good
for at in leaf middle; do
	openssl x509 -in $at.pem -outform DER -out $at.der
done
cat >bend.py <<'END'
import base64, sys
d = bytearray(open("middle.der", "rb").read())
# 06 03 55 1d 25 (extKeyUsage), 01 01 ff (critical): no longer so
at = d.index(bytes.fromhex("0603551d250101ff")) + 7
d[at] = int(sys.argv[1], 16)
print("-----BEGIN CERTIFICATE-----")
print(base64.encodebytes(d).decode(), end="")
print("-----END CERTIFICATE-----")
END
{ cat leaf.pem; python3 bend.py 00; } >chain.pem
expect "a critical extension made harmless" 1 'signed with another key|not with the key' \
	"$tool" verify a.good.test chain.pem ca:root.pem
{ cat leaf.pem; python3 bend.py ff; } >chain.pem
expect "and put back" 0 good "$tool" verify a.good.test chain.pem ca:root.pem
