# What is asked of the file, whatever its processor; for tests/sh/build.sh and
# arm64.sh.  Each wrong_X prints what is wrong with FILE, or nothing.  Who uses
# it says in canaries() and landings() how those look in a disassembly, and
# SIZE_MAX; OBJDUMP is the one for that processor.
headers()	{ readelf -lW "$1"; }
dynamic()	{ readelf -dW "$1"; }

wrong_interp()	{ headers "$1" | grep INTERP; }
wrong_needed()	{ dynamic "$1" | grep NEEDED; }
wrong_pie()
{
	readelf -hW "$1" | grep -q 'Type: *DYN' || echo "not ET_DYN"
	dynamic "$1" | grep -q 'FLAGS_1.*PIE' || echo "not marked PIE"
}
wrong_relro()	{ headers "$1" | grep -q GNU_RELRO || echo "no GNU_RELRO"; }
wrong_now()	{ dynamic "$1" | grep -q BIND_NOW || echo "not BIND_NOW"; }
wrong_text()	{ dynamic "$1" | grep TEXTREL; }
# Relative ones are all that a static PIE should need.
wrong_reloc()	{ readelf -rW "$1" | grep '^[0-9a-f]\{16\}' | grep -v '_RELATIVE  *[0-9a-f]'; }
wrong_stack()
{
	headers "$1" | grep 'GNU_STACK.*E' ||
		{ headers "$1" | grep -q GNU_STACK || echo "no GNU_STACK"; }
}
wrong_wx()	{ headers "$1" | grep 'LOAD.*RWE'; }
# How often tells whether our code does so, or only some of the C library's.
wrong_canary()
{
	wrong_n=$(${OBJDUMP-objdump} -d --no-show-raw-insn "$1" | canaries)
	[ "$wrong_n" -ge 20 ] || echo "the canary is looked at $wrong_n times"
}
wrong_landing()
{
	wrong_n=$(${OBJDUMP-objdump} -d --no-show-raw-insn "$1" | landings)
	[ "$wrong_n" -ge 20 ] || echo "a jump may land at $wrong_n places"
}
wrong_strip()	{ readelf -SW "$1" | grep -E '\.(symtab|debug_)'; }
wrong_size()
{
	wrong_n=$(stat -c %s "$1")
	[ "$wrong_n" -le "${2:-$SIZE_MAX}" ] || echo "$wrong_n bytes, over ${2:-$SIZE_MAX}"
}
# By which a file that cannot be run says what it is.
wrong_note()
{
	readelf -nW "$1" | grep -q '^ *azswarm ' || echo "no note of what it was built from"
}
