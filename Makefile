# Everything a person needs: make run, make demo, make test. What is missing is installed first:
# Debian packages by apt (as root), the pinned Deno from npm into .tools.

.PHONY: help run demo test test-dist test-packages test-extra ok fuzz build bench soak man completions install uninstall \
  deb rpm dist pictures fmt clean

help:
	@echo "make run    watch this host with packaging/portsentry.conf (ARGS=… adds options)"
	@echo "make demo   see it work: real nmap scans between two network namespaces"
	@echo "make test   the whole test suite"
	@echo "make build  the program and Deno in one file: dist/portsentry (BUILD=compile|bundle)"
	@echo "make test-dist  all system tests, against dist/portsentry"
	@echo "make test-extra  what needs large tools: promtool, editcap (100 MB each), Chromium (400 MB)"
	@echo "make ok     the gate of every commit: format, lint, types, tests"
	@echo "make fuzz   every parser against changed inputs (FUZZ_SECONDS=60, SEED=…, TARGET=…)"
	@echo "make bench  floods, latencies, memory, measured in namespaces; takes five minutes"
	@echo "make soak   mixed load for ten minutes: events lost, memory, descriptors (SOAK_SECONDS=…, METHOD=pcap|raw)"
	@echo "make man    the manual pages, into dist/man"
	@echo "make completions  for bash, zsh and fish, into dist/completions"
	@echo "make install  to DESTDIR and PREFIX (/usr/local); make uninstall takes it away again"
	@echo "make deb rpm  packages, for this processor or for ARCH=amd64|arm64"
	@echo "make dist   all of a release, with SHA256SUMS"
	@echo "make test-packages  the packages, installed into a Debian of their own"
	@echo "make pictures  those of docs/pictures, from real scans in a browser"
	@echo "make fmt    format the sources"
	@echo "make clean  remove .tools and dist"

CONFIG = packaging/portsentry.conf
# What the tests need besides Deno, by the names tools/setup.sh knows.
TEST_TOOLS = libpcap libnftables ip nmap tcpdump fail2ban-regex portsentry-1 pandoc mandoc man logrotate \
  rsyslogd busybox libfaketime nft zsh fish systemd-analyze strace masscan zmap hping3 nc curl \
  script tmux
# What is needed to make packages and to look at them.
PACKAGE_TOOLS = dpkg-deb rpmbuild lintian rpmlint debootstrap cpio
# make reads these from its command line; the scripts read them from the environment.
export DESTDIR PREFIX SYSCONFDIR BUILD

run:
	@tools/setup.sh libpcap libnftables
	@exec tools/portsentry -c $(CONFIG) $(ARGS)

demo:
	@tools/setup.sh libpcap ip nmap
	@tools/demo.sh

test:
	@tools/setup.sh $(TEST_TOOLS)
	@tools/build.sh
	@tools/test.sh dist-some source

test-dist: build
	@tools/setup.sh $(TEST_TOOLS)
	@tools/test.sh dist

test-extra:
	@tools/setup.sh promtool editcap chromium
	@NO_COLOR=1 .tools/deno test --quiet -A --no-prompt tests/extra/*.ts

ok:
	@tools/setup.sh $(TEST_TOOLS)
	@.tools/deno task ok

build:
	@tools/setup.sh
	@tools/build.sh

fuzz:
	@tools/setup.sh
	@.tools/deno run -A --quiet tests/fuzz/main.ts $(TARGET)

bench:
	@tools/setup.sh libpcap libnftables ip tcpreplay portsentry-1
	@.tools/deno bench -A --quiet bench/micro_bench.ts
	@.tools/deno run -A --quiet bench/run.ts

soak:
	@tools/setup.sh libpcap libnftables ip nft nmap
	@.tools/deno run -A --quiet tests/soak/main.ts $(METHOD)

man:
	@tools/setup.sh pandoc
	@tools/man.sh dist/man

completions:
	@tools/setup.sh
	@.tools/deno run --quiet --allow-read --allow-write=dist tools/completions.ts dist/completions

install:
	@tools/setup.sh pandoc
	@tools/stage.sh
	@[ -n "$(DESTDIR)" ] || echo "For the service: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload"

uninstall:
	@tools/stage.sh --remove

deb:
	@tools/setup.sh pandoc dpkg-deb
	@tools/deb.sh $(ARCH)

rpm:
	@tools/setup.sh pandoc rpmbuild
	@tools/rpm.sh $(ARCH)

dist: build
	@tools/setup.sh pandoc dpkg-deb rpmbuild
	@tools/dist.sh

test-packages:
	@tools/setup.sh $(TEST_TOOLS) $(PACKAGE_TOOLS)
	@tools/test.sh packages

pictures:
	@tools/setup.sh libpcap libnftables ip nmap masscan zmap hping3 chromium
	@.tools/deno run -A --quiet tools/pictures.ts docs/pictures

fmt:
	@tools/setup.sh
	@.tools/deno fmt

clean:
	rm -rf .tools dist
