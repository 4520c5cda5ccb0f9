# azswarm.  'make' makes ./azswarm, 'make help' lists the rest.
# Everything made goes to build/, except the program itself.

# ---- knobs -------------------------------------------------------------

ifeq ($(origin CC),default)
CC		:= musl-gcc
endif
HOSTCC		?= gcc			# tests, with sanitizers, against glibc
CLANG		?= clang		# the second opinion, and the fuzzers
MUSL		?= /usr/lib/$(shell uname -m)-linux-musl
MUSL_INC	?= /usr/include/$(shell uname -m)-linux-musl
JOBS		?= $(shell nproc)
CA_CERTS	?= /usr/share/ca-certificates/mozilla
PREFIX		?= /usr/local
DESTDIR		?=
# Signs a release: a private key of ssh-keygen's.
KEY		?=
# Unpacked Debian packages, for where apt has none to give.
BEARSSL_SRC	?=
CJSON_SRC	?=
LIBYAML_SRC	?=
MUSL_AARCH64	?=
FUZZ_SECONDS	?= 30
HOSTILE		?= 100000
# Tests to run, all when empty: make test T="unit/json sh/build"
T		?=
# Rows of tests/mutants, all when empty: make mutants M="tls-pin azure-once"
M		?=
# Drills, all when empty: make drill DRILL="scale-in chaos"
DRILL		?=
# V=1 shows the commands.
V		?=

ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS	+= -j$(JOBS)
endif
MAKEFLAGS	+= --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:
comma		:= ,
say		 = $(if $(V),,@echo '  $(1)	$@';)
# What is being made, until it is whole and gets its name: two makes at once, of
# a test and of whoever runs it, must not write to one file.
MINE		:= .tmp$(shell echo $$PPID)
export LC_ALL	:= C

# ---- flags -------------------------------------------------------------

LANG_FLAGS	:= -std=gnu11 -D_GNU_SOURCE -pthread
WARN		:= -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
		   -Wmissing-prototypes -Wold-style-definition -Wformat=2 \
		   -Wpointer-arith -Wwrite-strings -Wcast-qual -Wundef -Wvla \
		   -Wimplicit-fallthrough
HARDEN		:= -fPIE -fstack-protector-strong -fstack-clash-protection \
		   -ftrivial-auto-var-init=zero
# Where a jump may land: each kind of processor has its own way.
BRANCH_x86_64	:= -fcf-protection
BRANCH_aarch64	:= -mbranch-protection=standard
BRANCH		:= $(BRANCH_$(shell uname -m))
REPRO		:= -ffile-prefix-map=$(CURDIR)=. -fno-ident
SMALL		:= -ffunction-sections -fdata-sections \
		   -fno-asynchronous-unwind-tables -fno-unwind-tables
INCLUDES	:= -I. -isystem build/bearssl/inc -isystem build/cjson \
		   -isystem build/libyaml/include
CFLAGS		?=
OWN_FLAGS	 = $(LANG_FLAGS) $(WARN) $(INCLUDES)
ANY_FLAGS	 = -Os $(SMALL) $(HARDEN) $(REPRO)
REL_FLAGS	 = $(ANY_FLAGS) $(BRANCH)
# This is where the arithmetic is.
LIB_ANY_FLAGS	 = -O2 $(SMALL) $(HARDEN) $(REPRO)
LIB_REL_FLAGS	 = $(LIB_ANY_FLAGS) $(BRANCH)
SAN_FLAGS	:= -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
		   -fno-omit-frame-pointer
# BearSSL reads unaligned words where the processor can, on purpose.
LIB_SAN_FLAGS	:= $(SAN_FLAGS) -fno-sanitize=alignment

# musl-gcc -static-pie makes a dynamic program without saying so.  This is
# what a static PIE is: a start file that relocates it, nothing to load.
LDFLAGS		?=
LINK_PIE	:= -nostartfiles -static \
		   -Wl,-pie,--no-dynamic-linker,-z,text \
		   -Wl,-z,relro,-z,now,-z,noexecstack \
		   -Wl,--gc-sections,--build-id=none,-s
STATIC_PIE	 = $(REL_FLAGS) $(LINK_PIE)
CRT_BEGIN	 = $(MUSL)/rcrt1.o $(MUSL)/crti.o
CRT_END		 = $(MUSL)/crtn.o

# The same for the other kind of processor.  What musl-gcc does for this one, by
# hand: musl's headers and library in place of glibc's.  Without helpers that
# ask, before main, whether the processor has newer atomics.
ARM_GCC		:= aarch64-linux-gnu-gcc
ARM_LIB		:= build/musl-aarch64/usr/lib/aarch64-linux-musl
ARM_CC		 = $(ARM_GCC) -mno-outline-atomics -nostdinc \
		   -isystem $(CURDIR)/build/musl-aarch64/usr/include/aarch64-linux-musl \
		   -isystem $(shell $(ARM_GCC) -print-file-name=include)
ARM_FLAGS	 = $(ANY_FLAGS) $(BRANCH_aarch64)
ARM_LIB_FLAGS	 = $(LIB_ANY_FLAGS) $(BRANCH_aarch64)
ARM_LINK	 = $(ARM_GCC) $(ARM_FLAGS) $(LINK_PIE) -nostdlib
ARM_BEGIN	:= $(ARM_LIB)/rcrt1.o $(ARM_LIB)/crti.o
ARM_END		:= -Wl,--start-group $(ARM_LIB)/libc.a -lgcc -Wl,--end-group $(ARM_LIB)/crtn.o

# ---- sources -----------------------------------------------------------

# Every room of the house is a folder here, or a file when it is small.
in_rooms	= $(sort $(filter-out main.c build/% build-aux/% tests/%,$(wildcard *.$(1) */*.$(1) */*/*.$(1))))
SRC		:= $(call in_rooms,c)
HEADERS		:= $(call in_rooms,h)
# First what a node reads, which need not unpack the rest.
ASSETS		:= $(sort $(filter-out %~,$(shell find assets -type f 2>/dev/null)))
ASSETS		:= $(filter %/node.yaml,$(ASSETS)) $(filter-out %/node.yaml,$(ASSETS))
UNITS		:= $(sort $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c)))
FUZZERS		:= $(sort $(patsubst tests/fuzz/%.c,%, \
			$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c))))

# ---- what one asks for -------------------------------------------------

.PHONY: all install dist test check conformance mutants units fuzz hostile bench bench-deps bench-compare demo drill warnings deps tools clean distclean help FORCE

all: azswarm

help:
	@echo 'make            ./azswarm: one static file'
	@echo 'make azswarm-aarch64  the same for Arm machines, beside it'
	@echo 'make install    into PREFIX ($(PREFIX)), below DESTDIR when that is set'
	@echo 'make dist       dist/: both files, their images and SHA-256 sums;'
	@echo '                KEY=FILE, of ssh-keygen, signs the sums'
	@echo 'make demo       the whole life of a cluster, on this machine (root)'
	@echo 'make test       every test; T="unit/NAME sh/NAME" for some'
	@echo '                TEST_JOBS=N of them at a time'
	@echo 'make conformance  the tests that need hundreds of MB of other people'\''s programs'
	@echo 'make mutants    spoils a line at a time, and sees a test notice; M=NAME for one'
	@echo 'make drill      what users notice when machines go, counted from outside'
	@echo '                (root, an hour or two); DRILL="scale-in chaos" for some'
	@echo 'make hostile    $(HOSTILE) hostile requests to a helper, and honest ones among them'
	@echo 'make bench      what is slow elsewhere, beside others'\'', who come by bench-deps;'
	@echo '                bench-compare OLD=FILE: what takes 10 % more than then'
	@echo 'make fuzz       each fuzzer for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'make warnings   every source through gcc and clang, -Werror'
	@echo 'make deps       install the Debian packages all of these need'
	@echo 'make clean      remove what was made; distclean: what was fetched, too'
	@echo
	@echo 'Without Debian 12 sources to fetch from: BEARSSL_SRC=DIR CJSON_SRC=DIR'
	@echo 'LIBYAML_SRC=DIR, each an unpacked Debian source package (build-aux/sources.sha256 names them);'
	@echo 'MUSL_AARCH64=DIR, an unpacked musl-dev:arm64.'

# What is lacking is installed, before anything is compiled.
tools:
	@build-aux/deps.sh build-aux/deps

deps:
	@build-aux/deps.sh build-aux/deps build-aux/deps-aarch64 tests/deps tests/demo.deps

test check: azswarm | deps
	@tests/run $(T)

# Other people's clients and servers that are too large for every run.
conformance: azswarm | deps
	@build-aux/deps.sh tests/conformance.deps
	@tests/run $(basename $(patsubst tests/%,%,$(wildcard tests/conformance/*.sh))) sh/commands sh/requests

# An attack on a helper and an agent; sh/hostile is a tenth of it.
hostile: azswarm build/bench/ask_tool | deps
	@tests/hostile.py azswarm build/bench/ask_tool $(HOSTILE)

# Ours beside others', who are not all here without bench-deps.  One table, and all
# of it in bench.json.
bench: azswarm $(addprefix build/bench/,ssh_tool ask_tool crypto_tool) | deps
	@rm -f build/bench/rows.json
	@tests/bench.sh
	@tests/bench_crypto.sh
	@tests/bench_client.sh
	@tests/bench_node.sh
	@mv build/bench/rows.json bench.json

bench-deps: | deps
	@build-aux/deps.sh tests/bench.deps
	@tests/npm.sh azure
	@cd build && export SRCDIR='$(CURDIR)' && . ../tests/nginx.sh && nginx_get || cat nginx.log

# Against an earlier bench.json: make bench-compare OLD=FILE
bench-compare:
	@tests/bench_client.sh compare '$(OLD)'

demo: azswarm
	@build-aux/deps.sh tests/demo.deps || echo 'demo: goes on without'
	@tests/demo.sh

# Real machines under load, one thing after the other is done to them.
drill: azswarm | deps
	@build-aux/deps.sh tests/demo.deps
	@tests/drill/run $(DRILL)
	$(if $(DRILL),,@tests/drill/masters)
	$(if $(DRILL),,@DRILL_MASTERS=yes tests/run sh/masters drill/away drill/packages drill/rotate drill/five drill/bake)

clean:
	rm -rf azswarm azswarm-aarch64 dist $(filter-out build/apt build/apt-arm64 build/bearssl \
		build/cjson build/libyaml build/musl-aarch64 build/npm,$(wildcard build/*))

distclean: clean
	rm -rf build

# ---- the program -------------------------------------------------------

# What runs on every node stands together, beside the libraries: of the file only the
# neighbourhood of what runs is in memory (sh/soak).  Not what runs in containers, nor what
# only operators ask for.
ELSEWHERE := base/tar.c docker/stream.c $(addprefix node/,demo.c monitor.c redis.c rows.c timeline.c trend.c)
NODE_SRC := $(filter-out $(ELSEWHERE),$(filter base/% docker/% http.c http/% node/% tls/%,$(SRC)))
OBJ	:= $(patsubst %.c,build/o/%.o,$(filter-out $(NODE_SRC),$(SRC))) build/o/build/assets.o \
		$(patsubst %.c,build/o/%.o,$(NODE_SRC))

azswarm: build/o/main.o $(OBJ) build/libbearssl.a build/libcjson.a build/libyaml.a
	$(call say,LINK)$(CC) $(STATIC_PIE) $(LDFLAGS) -o build/$@$(MINE) $(CRT_BEGIN) $^ $(CRT_END)
	@mv build/$@$(MINE) $@

# The same for the other kind of processor.
ARM_OBJ	 := $(patsubst build/o/%,build/aarch64/%,$(OBJ))
ARM_LIBS := build/aarch64/libbearssl.a build/aarch64/libcjson.a build/aarch64/libyaml.a

build/aarch64/azswarm: build/aarch64/main.o $(ARM_OBJ) $(ARM_LIBS)
	$(call say,LINK)$(ARM_LINK) $(LDFLAGS) -o $@$(MINE) $(ARM_BEGIN) $^ $(ARM_END)
	@mv $@$(MINE) $@

# Beside ours, where that looks for it.
azswarm-aarch64: build/aarch64/azswarm
	@cp $< build/$@$(MINE) && mv build/$@$(MINE) $@

# ---- what others get ---------------------------------------------------

# Where each shell looks by itself.
SHARE		 = $(DESTDIR)$(PREFIX)/share
install: azswarm build/azswarm.1
	install -D -m 755 azswarm '$(DESTDIR)$(PREFIX)/bin/azswarm'
	install -D -m 644 build/azswarm.1 '$(SHARE)/man/man1/azswarm.1'
	@for f in bash:bash-completion/completions/azswarm zsh:zsh/site-functions/_azswarm \
		fish:fish/vendor_completions.d/azswarm.fish; do \
		./azswarm completion $${f%%:*} >build/completion && \
		install -D -m 644 build/completion "$(SHARE)/$${f#*:}" || exit 1; \
	done

# The file and its container image for each kind of processor, their sums, and
# with KEY a signature of those.
dist: azswarm build/aarch64/azswarm
	@build-aux/dist.sh azswarm build/aarch64/azswarm dist '$(KEY)'

build/azswarm.1: azswarm
	@./azswarm man >$@$(MINE) && mv $@$(MINE) $@

# ---- objects, in three flavours: the product, sanitized, fuzzed --------

# $(call flavour,DIR,COMPILER,FLAGS)
define flavour
build/$(1)/%.o: %.c build/$(1)/flags | build/.bearssl build/.cjson build/.libyaml
	@mkdir -p $$(@D)
	$$(call say,CC)$(2) $$(OWN_FLAGS) $(3) $$(CFLAGS) -MMD -MP -MT $$@ -MF $$(@:.o=.d) \
		-c -o $$@$$(MINE) $$<
	@mv $$@$$(MINE) $$@

build/$(1)/flags: FORCE | tools
	@mkdir -p $$(@D)
	@$$(call keep,$$@,$(2) $$(OWN_FLAGS) $(3) $$(CFLAGS))
endef
# Write a line to a file only when it differs, so that its time tells.
keep = echo '$(2)' | cmp -s - $(1) || { echo '$(2)' >$(1)$(MINE) && mv $(1)$(MINE) $(1); }

$(eval $(call flavour,o,$$(CC),$$(REL_FLAGS)))
$(eval $(call flavour,san,$$(HOSTCC),$$(SAN_FLAGS)))
$(eval $(call flavour,fuzz,$$(CLANG),$$(SAN_FLAGS) -fsanitize=fuzzer-no-link))
$(eval $(call flavour,aarch64,$$(ARM_CC),$$(ARM_FLAGS)))

build/o/main.o: private OWN_FLAGS += -include build/version.h
# main.c by name: without it make should say so, not the linker
build/o/main.o: main.c build/version.h
build/aarch64/main.o: private OWN_FLAGS += -include build/aarch64/version.h
build/aarch64/main.o: main.c build/aarch64/version.h
build/aarch64/flags: | build/.musl-aarch64
build/aarch64/%.a: private AR := aarch64-linux-gnu-ar

# What every byte of a message or a document goes through.
QUICK	:= $(patsubst %.c,%.o,$(wildcard base/*.c http/*.c))
$(addprefix build/o/,$(QUICK)): private REL_FLAGS += -O2
$(addprefix build/aarch64/,$(QUICK)): private ARM_FLAGS += -O2

# Texts of what runs on nodes beside their code, not among everybody's: see above.
BESIDE	:= $(patsubst %.c,%.o,$(NODE_SRC))
$(addprefix build/o/,$(BESIDE)): private REL_FLAGS += -fno-merge-constants
$(addprefix build/aarch64/,$(BESIDE)): private ARM_FLAGS += -fno-merge-constants

-include $(wildcard $(addsuffix /*.d,build/o build/o/* build/o/*/* build/san build/san/* \
	build/san/*/* build/fuzz build/fuzz/* build/fuzz/*/* build/aarch64 \
	build/aarch64/* build/aarch64/*/*))

# ---- BearSSL, cJSON and libyaml, as Debian patches them ----------------

# $(call third,PACKAGE,DIR,FILE THAT MUST BE THERE,OVERRIDE)
define third
ifeq ($(4),)
build/.$(1): build-aux/sources.sha256 | tools
	@echo '  FETCH	$(1)'
	@build-aux/fetch.sh $(1) build/$(1)
	@touch $$@
else
build/.$(1): FORCE | tools
	@test -f '$(4)/$(2)' || { echo '$(4): no $(2) in it' >&2; exit 1; }
	@mkdir -p build
	@test build/$(1)/$(2) -ef '$(4)/$(2)' -a -e $$@ || { rm -rf build/$(1) && \
		ln -s "$$$$(realpath '$(4)')" build/$(1) && touch $$@; }
endif
endef
# apt keeps one lock per state directory: one after the other.
build/.cjson: | build/.bearssl
build/.libyaml: | build/.cjson
$(eval $(call third,bearssl,inc/bearssl.h,,$(BEARSSL_SRC)))
$(eval $(call third,cjson,cJSON.h,,$(CJSON_SRC)))
$(eval $(call third,libyaml,include/yaml.h,,$(LIBYAML_SRC)))

# musl for the other kind of processor, and a gcc: only when it is asked for.
build/.musl-aarch64: build-aux/sources.sha256 | tools
	@build-aux/deps.sh build-aux/deps-aarch64
ifeq ($(MUSL_AARCH64),)
	@echo '  FETCH	musl-dev:arm64'
	@build-aux/fetch.sh musl-dev:arm64 build/musl-aarch64
else
	@test -f '$(MUSL_AARCH64)/$(ARM_LIB:build/musl-aarch64/%=%)/rcrt1.o' || \
		{ echo '$(MUSL_AARCH64): no musl in it' >&2; exit 1; }
	@rm -rf build/musl-aarch64 && ln -s "$$(realpath '$(MUSL_AARCH64)')" build/musl-aarch64
endif
	@touch $@

# BearSSL's 280 files change never: compiled in one sweep, into one folder
# (their names are unique), each compiler run taking several.  X25519 gains half
# from loops that are unrolled: that once more.  P-256 would, too, but agents have
# it in memory all day, and are to have less than 1 MiB.  SHA-256 once more, too:
# half of what a sanitized program did, which is large and has to know its own sum,
# was to look after those rounds.  All that they read is copied for them by memcpy(),
# after which is looked all the same.
# $(call bearssl,DIR,FLAVOUR,COMPILER,FLAGS,MORE FLAGS FOR X25519,AND FOR SHA-256)
define bearssl
build/$(1)libbearssl.a: build/.bearssl build/$(2)/flags
	@echo '  CC	$$@ (BearSSL)'
	@mkdir -p build/$(1)bearssl-o$$(MINE)
	@top=$$$$PWD && cd build/$(1)bearssl-o$$(MINE) && find "$$$$top/build/bearssl/src/" -name '*.c' | sort | \
		xargs -n 12 -P $$(JOBS) $(3) -std=gnu11 -w $(4) $$(CFLAGS) \
		-I"$$$$top/build/bearssl/inc" -I"$$$$top/build/bearssl/src" -c && \
		$(3) -std=gnu11 -w $(4) $(5) $$(CFLAGS) -I"$$$$top/build/bearssl/inc" \
		-I"$$$$top/build/bearssl/src" -c "$$$$top/build/bearssl/src/ec/ec_c25519_m31.c" && \
		$(3) -std=gnu11 -w $(4) $(6) $$(CFLAGS) -I"$$$$top/build/bearssl/inc" \
		-I"$$$$top/build/bearssl/src" -c "$$$$top/build/bearssl/src/hash/sha2small.c"
	@$$(AR) rcsD $$@$$(MINE) $$$$(find build/$(1)bearssl-o$$(MINE) -name '*.o' | sort)
	@mv $$@$$(MINE) $$@ && rm -rf build/$(1)bearssl-o$$(MINE)

build/$(1)libcjson.a: build/.cjson build/$(2)/flags
	@mkdir -p build/$(1)cjson-o$$(MINE)
	$$(call say,CC)$(3) -std=gnu11 -w $(4) $$(CFLAGS) -c -o build/$(1)cjson-o$$(MINE)/cJSON.o build/cjson/cJSON.c
	@$$(AR) rcsD $$@$$(MINE) build/$(1)cjson-o$$(MINE)/cJSON.o
	@mv $$@$$(MINE) $$@ && rm -rf build/$(1)cjson-o$$(MINE)

build/$(1)libyaml.a: build/.libyaml build/$(2)/flags
	@mkdir -p build/$(1)libyaml-o$$(MINE)
	$$(call say,CC)for f in $$(YAML_PARSER); do $(3) -std=gnu11 -w $(4) $(if $(5),-Os) $$(CFLAGS) $$(YAML_VERSION) \
		-Ibuild/libyaml/include -c -o build/$(1)libyaml-o$$(MINE)/$$$$f.o build/libyaml/src/$$$$f.c || exit 1; done
	@$$(AR) rcsD $$@$$(MINE) $$(patsubst %,build/$(1)libyaml-o$$(MINE)/%.o,$$(YAML_PARSER))
	@mv $$@$$(MINE) $$@ && rm -rf build/$(1)libyaml-o$$(MINE)
endef
# Of libyaml what reads: text to events, small where it is for people.  It wants to
# be told its version.
YAML_PARSER	:= api parser reader scanner
YAML_VERSION	:= -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
		   '-DYAML_VERSION_STRING="0.2.5"'
$(eval $(call bearssl,,o,$$(CC),$$(LIB_REL_FLAGS),-O3))
$(eval $(call bearssl,san/,san,$$(HOSTCC),$$(LIB_SAN_FLAGS),,-O3 -fno-sanitize=all))
$(eval $(call bearssl,fuzz/,fuzz,$$(CLANG),$$(LIB_SAN_FLAGS) -fsanitize=fuzzer-no-link))
$(eval $(call bearssl,aarch64/,aarch64,$$(ARM_CC),$$(ARM_LIB_FLAGS),-O3))

# ---- generated sources -------------------------------------------------

build/assets.list: FORCE
	@mkdir -p build
	@$(call keep,$@,$(ASSETS))

build/assets.c: build-aux/assets.sh build/assets.list $(ASSETS) build/roots | tools
	$(call say,ASSETS)build-aux/assets.sh assets $(ASSETS) build/roots >$@$(MINE)
	@mv $@$(MINE) $@

# The tool is a static file made like the product, so it runs right here.
build/anchors: build/o/build-aux/anchors.o build/libbearssl.a
	$(call say,LINK)$(CC) $(STATIC_PIE) -o $@$(MINE) $(CRT_BEGIN) $^ $(CRT_END)
	@mv $@$(MINE) $@

build/roots: build/anchors build-aux/roots | tools
	$(call say,ROOTS)cd '$(CA_CERTS)' && '$(CURDIR)/build/anchors' \
		$$(sed 's/#.*//' '$(CURDIR)/build-aux/roots') >'$(CURDIR)/$@$(MINE)'
	@mv $@$(MINE) $@

# Its time changes only when its text does.
build/version.h: version_cc = $(CC)
build/aarch64/version.h: version_cc = $(ARM_GCC)
build/aarch64/version.h: | build/.musl-aarch64
build/version.h build/aarch64/version.h: FORCE | build/.bearssl build/.cjson build/.libyaml tools
	@mkdir -p $(@D)
	@build-aux/version.sh '$(version_cc)' >$@$(MINE)
	@if cmp -s $@$(MINE) $@; then rm $@$(MINE); else mv $@$(MINE) $@; fi

# ---- tests -------------------------------------------------------------

SAN_LIBS  := build/san/libazswarm.a build/san/libbearssl.a build/san/libcjson.a build/san/libyaml.a
FUZZ_LIBS := build/fuzz/libazswarm.a build/fuzz/libbearssl.a build/fuzz/libcjson.a build/fuzz/libyaml.a

# An archive, so that a test which brings its own io.c gets its own.
build/san/libazswarm.a: $(patsubst build/o/%,build/san/%,$(OBJ))
build/fuzz/libazswarm.a: $(patsubst build/o/%,build/fuzz/%,$(OBJ))
build/san/libazswarm.a build/fuzz/libazswarm.a:
	@$(AR) rcsD $@$(MINE) $^ && mv $@$(MINE) $@

units: $(addprefix build/unit/,$(UNITS)) $(addprefix build/replay/,$(FUZZERS))

build/unit/%: build/san/tests/unit/%.o $(SAN_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(HOSTCC) $(SAN_FLAGS) -pthread -o $@$(MINE) $^
	@mv $@$(MINE) $@

# A copy of the tree is spoilt, not this one.
mutants: $(SAN_LIBS) | deps
	@tests/mutants.py $(M)

# Without sanitizers, for which there is no run time there.
build/aarch64/libazswarm.a: $(ARM_OBJ)
	@$(AR) rcsD $@$(MINE) $^ && mv $@$(MINE) $@

build/aarch64/unit/%: build/aarch64/tests/unit/%.o build/aarch64/libazswarm.a $(ARM_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(ARM_LINK) -o $@$(MINE) $(ARM_BEGIN) $^ $(ARM_END)
	@mv $@$(MINE) $@

# Programs that tests/sh drives, tests/NAME_tool.c.
build/tests/%: build/san/tests/%.o $(SAN_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(HOSTCC) $(SAN_FLAGS) -pthread -o $@$(MINE) $^
	@mv $@$(MINE) $@

# The whole program, sanitized: what sh/faults drives.
build/san/main.o: private OWN_FLAGS += -include build/version.h
build/san/main.o: main.c build/version.h
build/san/azswarm: build/san/main.o $(SAN_LIBS)
	$(call say,LINK)$(HOSTCC) $(SAN_FLAGS) -pthread -o $@$(MINE) $^
	@mv $@$(MINE) $@

# The same, and it tells which settings it reads (tests/reads.c).
WRAPPED	:= cli_parse settings_get settings_var settings_int settings_bool \
	   settings_mounts settings_autoscale settings_storage_account
build/tests/azswarm-reads: build/san/main.o build/san/tests/reads.o $(SAN_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(HOSTCC) $(SAN_FLAGS) -pthread $(addprefix -Wl$(comma)--wrap=,$(WRAPPED)) -o $@$(MINE) $^
	@mv $@$(MINE) $@

# Made like the product: what bench measures.
build/bench/%: build/o/tests/%.o $(OBJ) build/libbearssl.a build/libcjson.a build/libyaml.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(STATIC_PIE) -o $@$(MINE) $(CRT_BEGIN) $^ $(CRT_END)
	@mv $@$(MINE) $@

# The product, to whom a day is a minute (tests/day_clock.c).
build/bench/azswarm-day: build/o/main.o build/o/tests/day_clock.o \
		$(filter-out build/o/base/clock.o,$(OBJ)) build/libbearssl.a build/libcjson.a build/libyaml.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(STATIC_PIE) -o $@$(MINE) $(CRT_BEGIN) $^ $(CRT_END)
	@mv $@$(MINE) $@

build/replay/%: build/san/tests/fuzz/%.o build/san/tests/fuzz/replay.o $(SAN_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(HOSTCC) $(SAN_FLAGS) -pthread -o $@$(MINE) $^
	@mv $@$(MINE) $@

build/fuzzer/%: build/fuzz/tests/fuzz/%.o $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK)$(CLANG) $(SAN_FLAGS) -fsanitize=fuzzer -pthread -o $@$(MINE) $^
	@mv $@$(MINE) $@

fuzz: $(addprefix build/fuzzer/,$(FUZZERS)) | deps
	@build-aux/fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# Both compilers against musl's headers, as the product sees them; every header
# alone; every test against glibc's.  What had none, and has not changed, is not
# looked at again.
WARN_SRC  = main.c $(SRC) build/assets.c build-aux/anchors.c
WARN_TEST = $(wildcard tests/*.c tests/unit/*.c tests/fuzz/*.c)
WARN_FLAGS = $(OWN_FLAGS) $(CFLAGS) -Werror
WARN_DEPS = -MMD -MP -MT $@ -MF $(@:.ok=.d)
CLANG_MUSL = $(CLANG) --target=$(shell uname -m)-linux-musl -nostdlibinc -isystem $(MUSL_INC)

warnings: $(addprefix build/warn/,$(addsuffix .ok,$(WARN_SRC) $(HEADERS) $(WARN_TEST)))
	@echo "no warnings in $(words $^) files"

build/warn/flags: FORCE | tools
	@mkdir -p $(@D)
	@$(call keep,$@,$(CC) $(HOSTCC) $(CLANG_MUSL) $(WARN_FLAGS) $(REL_FLAGS))

build/warn/main.c.ok: private OWN_FLAGS += -include build/version.h
build/warn/main.c.ok: main.c build/version.h

build/warn/tests/%.c.ok: tests/%.c build/warn/flags | deps build/.bearssl build/.cjson build/.libyaml
	@mkdir -p $(@D)
	@$(HOSTCC) $(WARN_FLAGS) -O1 -fsyntax-only $(WARN_DEPS) $<
	@$(CLANG) $(WARN_FLAGS) -O1 -fsyntax-only $<
	@touch $@

build/warn/%.c.ok: %.c build/warn/flags | deps build/.bearssl build/.cjson build/.libyaml
	@mkdir -p $(@D)
	@$(CC) $(WARN_FLAGS) $(REL_FLAGS) $(WARN_DEPS) -c -o /dev/null $<
	@$(CLANG_MUSL) $(WARN_FLAGS) -Os -fsyntax-only $<
	@touch $@

build/warn/%.h.ok: %.h build/warn/flags | deps build/.bearssl build/.cjson build/.libyaml
	@mkdir -p $(@D)
	@$(CC) $(WARN_FLAGS) $(WARN_DEPS) -include $< -fsyntax-only -x c - </dev/null
	@touch $@

-include $(wildcard $(addsuffix /*.d,build/warn build/warn/* build/warn/*/*))

# Kept between runs although only implicit rules name them.
.SECONDARY:
