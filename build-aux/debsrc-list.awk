# One-line apt entries in, the source entries of Debian itself out.
$1 == "deb" || $1 == "deb-src" {
	sub(/[ \t]*#.*/, "")
	options = ""
	rest = $0
	sub(/^[ \t]*deb(-src)?[ \t]+/, "", rest)
	if (match(rest, /^\[[^]]*\][ \t]*/)) {
		options = substr(rest, 1, RLENGTH)
		rest = substr(rest, RLENGTH + 1)
	}
	if (options ~ /signed-by=/ && options !~ /debian-archive/)
		next
	n = split(rest, word)
	if (n < 3 || word[2] !~ /^bookworm(-updates|-security)?$/)
		next
	for (i = 3; i <= n; i++)
		if (word[i] == "main")
			print "deb-src " options word[1] " " word[2] " main"
}
