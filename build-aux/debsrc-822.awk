# deb822 apt entries in, the source entries of Debian itself out.  Fields this
# does not decide about (the keyring above all) are carried over as they are.
function flush(	i, n, word, suites, main, ours)
{
	n = split(value["suites"], word)
	for (i = 1; i <= n; i++)
		if (word[i] ~ /^bookworm(-updates|-security)?$/)
			suites = suites " " word[i]
	n = split(value["components"], word)
	for (i = 1; i <= n; i++)
		if (word[i] == "main")
			main = 1
	# a key spelled out in place says nothing of its owner: give it the
	# benefit of the doubt, the pins decide in the end
	ours = !("signed-by" in value) || value["signed-by"] ~ /debian-archive|BEGIN PGP/
	if (suites != "" && main && ours && tolower(value["enabled"]) !~ /no|false|off|0/) {
		print "Types: deb-src\nSuites:" suites "\nComponents: main"
		printf "%s\n", kept
	}
	kept = ""
	field = ""
	split("", value)
}

/^#/ { next }
/^[ \t]*$/ { flush(); next }
/^[ \t]/ {
	value[field] = value[field] " " $0
	if (keep)
		kept = kept $0 "\n"
	next
}
{
	field = tolower(substr($0, 1, index($0, ":") - 1))
	value[field] = substr($0, index($0, ":") + 1)
	keep = field !~ /^(types|suites|components|enabled|architectures)$/
	if (keep)
		kept = kept $0 "\n"
}
END { flush() }
