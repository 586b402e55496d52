# A thin front over CMake's presets; `make help` lists what there is.
SHELL   := /bin/bash
ARGS    ?=
PREFIX  ?= /usr/local
BIN     := build/release/bin
# What `make test` and its relatives build: ci compiles everything once, and quickly; dev compiles what
# changed alone, for who works on the source (PRESET=dev). CMakePresets.json has both.
PRESET  ?= ci
TREE    := build/$(PRESET)
SUITE   ?= trixie

.PHONY: help run demo test test-build test-on build bench bench-quick bench-scale bench-drain bench-distance bench-memory bench-micro bench-nodes bench-takeover asan format lint lint-all fuzz fuzz-ipc scan flood powerloss crash cluster-model cluster-chaos cluster-faults cluster-mistakes cluster-upgrade install deb deb-test packages clean

help:
	@echo 'make run          build, then a demo on loopback: a whole MTA and a small mail store (ARGS=--once ends by itself)'
	@echo 'make test         install what is missing, build, run every test (PRESET=dev: for quick rebuilds)'
	@echo 'make test-on      the same, make run and the package in a bare root of SUITE=trixie, bookworm … (root)'
	@echo 'make build        release binaries in $(BIN)'
	@echo 'make bench        side by side with Postfix; bench-quick: the short form (root)'
	@echo 'make bench-distance  messages per round trip over a long wire, beside Postfix (root)'
	@echo 'make bench-drain  a mailing to 20,000 destinations, some of them dead, beside Postfix (root; an hour)'
	@echo 'make bench-memory  what 1,000 large messages through a slow filter cost in memory (root)'
	@echo 'make bench-scale  beside a queue of a million deferred messages (MESSAGES=n)'
	@echo 'make bench-nodes  what a second and a third node on one PostgreSQL add (root)'
	@echo 'make bench-takeover  a node dies with a million deferred recipients in PostgreSQL'
	@echo 'make bench-micro  time and instructions of single parts'
	@echo 'make asan         every unit test under the address and undefined-behaviour sanitizers'
	@echo 'make flood        a client among 5,000 idle and 1,000 dribbling connections (IDLE=n SLOW=n)'
	@echo 'make fuzz-ipc     hostile peers of every role against a qmgr under sanitizers (SECONDS_FOR=3600 SEED=n)'
	@echo 'make scan         nmap and testssl.sh against the running server'
	@echo 'make powerloss    200,000 simulated power cuts of the queue (STATES=n SEED=n)'
	@echo 'make cluster-model  millions of states of nodes that share a queue, and the story of each mistake (STATES=n)'
	@echo 'make cluster-chaos  nodes that share a queue, under every fault, until 52 kills, 23 failovers and a million messages (ROUNDS=n MESSAGES=n SEED=n; MINUTES=n: a part of that)'
	@echo 'make cluster-faults  what can happen to their database, their clocks and the limits they share, each in a story'
	@echo 'make cluster-mistakes  mistakes in what nodes that share a queue rest on: each has to turn tests red'
	@echo 'make cluster-upgrade FORMER=folder-or-commit  nodes of a former version beside this one'
	@echo 'make format lint lint-all fuzz install clean'
	@echo 'make crash         200 rounds of kill -9 under load (ROUNDS=n)'
	@echo 'make deb deb-test   a Debian package in build/deb; its life in a root of its own (root)'

packages:
	@tools/install_packages.sh build

build: packages
	@tools/build.sh release

# Compiled with little optimisation, because somebody waits for a first look.
run demo: packages
	@tools/build.sh demo
	python3 tests/demo/run_demo.py $(ARGS)

# ctest's closing lines come last.
test: test-build
	@tools/unpack_packages.sh peer build/peers
	@tools/unpack_packages.sh filter build/peers filters
	ctest --test-dir $(TREE) -j2 --output-on-failure $(ARGS)

test-build:
	@tools/install_packages.sh build test
	@tools/build.sh $(PRESET)

# What a newcomer on that release of Debian would see of the last commit.
test-on:
	@tools/install_packages.sh root
	tools/test_on.sh $(SUITE)

asan:
	@tools/install_packages.sh build test
	cmake --preset asan
	cmake --build --preset asan
	ctest --test-dir build/asan -j2 --output-on-failure -R '^unit\.' $(ARGS)

bench bench-quick: build
	@tools/install_packages.sh bench
	@tools/build.sh release bench_tools
	python3 bench/compare.py $(if $(filter bench-quick,$@),--quick) $(ARGS)

# ARGS='--compare bench/micro/BASELINE.md' ends with 1 when a part takes over 5 % more instructions.
bench-micro:
	@tools/install_packages.sh build bench
	@tools/build.sh release pw-micro
	python3 bench/micro.py --bin $(BIN)/pw-micro $(ARGS)

MESSAGES ?= 1000000
bench-scale: build
	@tools/build.sh release bench_tools
	python3 bench/scale.py --messages $(MESSAGES) $(ARGS)

bench-memory: build
	@tools/build.sh release bench_tools
	python3 bench/filter_memory.py --bin $(BIN) $(ARGS)

bench-nodes bench-takeover: build
	@tools/build.sh release bench_tools
	python3 bench/$(@:bench-%=%).py --bin $(BIN) $(ARGS)

bench-drain: build
	@tools/install_packages.sh bench
	@tools/build.sh release bench_tools
	python3 bench/drain.py $(ARGS)

bench-distance: build
	@tools/install_packages.sh bench
	@tools/build.sh release bench_tools
	python3 bench/distance.py $(ARGS)

format:
	@tools/install_packages.sh lint
	git ls-files -co --exclude-standard '*.cc' '*.h' | xargs clang-format -i

lint lint-all:
	@tools/install_packages.sh build lint
	tools/lint.sh $(if $(filter lint-all,$@),--all)

fuzz:
	@tools/install_packages.sh build test lint
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzzers
	tools/fuzz.sh $(ARGS)

# An hour, unless SECONDS_FOR says otherwise; the seed of a finding stands in the output.
SECONDS_FOR ?= 3600
fuzz-ipc:
	@tools/install_packages.sh build test
	cmake --preset asan
	cmake --build --preset asan --target smtpd qmgr smtp-client lmtp-client postwain pickup metrics tokens reporter signer db-link
	POSTWAIN_BIN=$(CURDIR)/build/asan/bin PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/system/harness python3 tests/system/security/hostile_peers.py $(SECONDS_FOR) $(SEED)

scan: test-build
	@tools/install_packages.sh scan
	POSTWAIN_BIN=$(TREE)/bin PYTHONPATH=tests/system/harness python3 tests/scan/scan.py $(ARGS)

# A client among IDLE silent connections and SLOW ones that dribble (tests/system/security/test_flood.py).
IDLE ?= 5000
SLOW ?= 1000
flood: test-build
	POSTWAIN_BIN=$(TREE)/bin POSTWAIN_FLOOD_IDLE=$(IDLE) POSTWAIN_FLOOD_SLOW=$(SLOW) PYTHONPATH=tests/system/harness python3 tests/system/security/test_flood.py

SEED   ?= 1
powerloss: STATES ?= 200000
powerloss: test-build
	POSTWAIN_POWERLOSS_STATES=$(STATES) POSTWAIN_POWERLOSS_SEED=$(SEED) \
	  $(TREE)/tests/test_powerloss 'no power cut loses what was promised'

# STATES in each of the cases with several faults; a million of them need up to 450 MB.
cluster-model: STATES ?= 5000000
cluster-model: test-build
	POSTWAIN_CLUSTER_STATES=$(STATES) POSTWAIN_CLUSTER_STORIES=1 $(TREE)/tests/test_cluster_model
	POSTWAIN_SPIN=long python3 tests/system/queue/test_cluster_model.py

# An hour or two; the short form is tests/system/cluster/test_cluster.py. Each round is added to LEDGER,
# so that with MINUTES it may be run in parts.
CLUSTER_TESTS = POSTWAIN_BIN=$(CURDIR)/$(TREE)/bin POSTWAIN_PEERS=$(CURDIR)/build/peers PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/system/harness
cluster-chaos: ROUNDS ?= 32
cluster-chaos: MESSAGES ?= 1000000
cluster-chaos: LEDGER ?= build/chaos.ledger
cluster-chaos: test-build
	$(CLUSTER_TESTS) python3 tests/system/cluster/chaos.py --rounds $(ROUNDS) --messages $(MESSAGES) --ledger $(LEDGER) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(filter command line environment,$(origin SEED)),--seed $(SEED)) $(ARGS)

cluster-faults: test-build
	for stories in cluster_faults places shared_breakers hostile_rows; do \
	  $(CLUSTER_TESTS) POSTWAIN_CLUSTER_LONG=1 python3 tests/system/cluster/test_$$stories.py -v $(ARGS) || exit 1; done

# In a copy of the tree below build/, which is compiled once.
cluster-mistakes:
	@tools/install_packages.sh build test
	python3 tests/mistakes/run_mistakes.py $(ARGS)

cluster-upgrade: test-build
	former=$$(tools/former_version.sh $(FORMER)) && $(CLUSTER_TESTS) POSTWAIN_FORMER=$$former python3 tests/system/cluster/test_upgrade.py -v $(ARGS)

crash: ROUNDS ?= 200
crash: test-build
	POSTWAIN_BIN=$(TREE)/bin POSTWAIN_KILL_ROUNDS=$(ROUNDS) PYTHONPATH=tests/system/harness python3 tests/system/queue/test_crash.py Crash

install: build
	cmake --install build/release --prefix $(PREFIX)

deb:
	@tools/install_packages.sh build package
	tools/make_deb.sh

# Installs, starts, upgrades, removes and purges the package in a Debian root made for it.
deb-test: deb
	tests/package/test_deb.sh

clean:
	rm -rf build
