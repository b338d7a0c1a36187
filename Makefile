# The words of Muslin. `make help` lists them; longer recipes are scripts under tools/.

PLATFORM ?= linux
PREFIX ?= /usr/local

.PHONY: help all setup stock guests demo test test-long bench lint install clean
.DEFAULT_GOAL := all
.NOTPARALLEL:

help:            ## this list
	@echo "Muslin: musl with every system call sent through a Rust table"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 20
	@echo
	@echo "  PLATFORM=linux is the default, solo5 is a library OS in a Solo5 guest, any the same for whoever runs it, xen in a guest of Xen; PREFIX=$(PREFIX); MUSL_TARBALL=FILE names musl's source"

all:             ## (or just make) the sysroot in out/linux/ and the command in out/bin/muslin (PLATFORM=linux, solo5, any, xen)
	@tools/build.sh $(PLATFORM)

setup:           ## installs what is missing on this machine: packages, Rust targets, musl's source
	@tools/setup.sh

stock:           ## unpatched musl in out/stock/, to compare with
	@tools/build.sh stock

guests:          ## the sysroots in out/solo5-spt/, out/solo5-hvt/ and out/xen/, for guests
	@tools/build.sh solo5
	@tools/build.sh xen

demo: all stock guests ## builds everything, runs real programs and shows where their calls went
	@tools/demo.sh

test: setup all stock guests ## every test that this machine can run
	@tools/lint.sh
	@cargo test --workspace --features muslin/abi-check

test-long: test  ## the same, and the tests that take minutes
	@cargo test --workspace --features muslin/abi-check -- --ignored

bench: all stock ## what a call costs: native, through the table, handled, in a guest
	@tools/bench.sh

lint: setup      ## formatting, clippy and cargo deny, which it compiles the first time
	@tools/fetch-cargo-deny.sh
	@tools/lint.sh

install: all     ## puts the command and the sysroot below PREFIX
	@tools/install.sh $(PLATFORM) "$(DESTDIR)$(PREFIX)"

clean:           ## removes out/ and target/; the cache of sources stays
	rm -rf out target
