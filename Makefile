# One verb each, the same here and in CI. Every verb makes the environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# On a Jetson the environment must see JetPack's own tensorrt and gi.
VENV_FLAGS := $(if $(wildcard /etc/nv_tegra_release),--system-site-packages,)
# Tests mostly wait: for cameras, brokers, browsers. Each worker collects all of them first.
WORKERS ?= $(shell expr 2 '*' $$(nproc))
# Those that no other may run beside: to collect all takes longer than to look for the word.
ALONE = $(shell grep -rl 'mark.alone' --include='test_*.py' tests)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: run test test-bare peers ray check bench loop gpu fuzz faults soak wheels system vm deb sbom floor aarch64 clean

run: $(VENV)/.core  ## serve the rendered street: dashboard, API and metrics at http://127.0.0.1:8080 (Ctrl-C ends)
	$(BIN)/edge-segnet run

test: $(VENV)/.test  ## every test that this machine can run; says what it skips and why
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not alone'; many=$$?; \
	    $(BIN)/python -m pytest -m alone $(ALONE) && exit $$many

test-bare: $(VENV)/.test  ## the tests that call other programs, where there are none but Python, make, a shell and coreutils
	$(BIN)/python -m tools.bare -n $(WORKERS) --dist worksteal -m 'not alone'; many=$$?; \
	    $(BIN)/python -m tools.bare -m alone && exit $$many

peers: $(VENV)/.test  ## with programs of others: ROS 2's rclpy, another broker, Weston, WebKit
	PYTHON=$(BIN)/python tools/peers.sh out/peers
	EDGE_SEGNET_PEERS=$(CURDIR)/out/peers $(BIN)/python -m pytest -v -rs tests/peers

ray: $(VENV)/.test  ## label on a Ray of this machine: its part of the tests, which are skipped where there is none
	$(PIP) '.[label,ray]'
	$(BIN)/python -m pytest -v -rs tests/offline/test_label_ray.py

check: $(VENV)/.check  ## style, types (at Python 3.10) and who may import whom, and whether the house is as drawn
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.house

bench: $(VENV)/.test  ## the figures of the README, as a table and out/bench.json
	$(BIN)/python -m benchmarks --json out/bench.json

gpu: $(VENV)/.test  ## all that needs an NVIDIA GPU, in at most 8 minutes, as a table and out/gpu.json
	$(BIN)/python -m benchmarks.gpu --json out/gpu.json

loop: $(VENV)/.test  ## labelling here and on Ray, kills, memory, and whether picking pays: 40 minutes at most
	$(PIP) '.[train,ray]'
	$(BIN)/python -m benchmarks.loop --json out/loop.json $(LOOP)

faults: $(VENV)/.test  ## 32 faults inflicted on the service, as the table of docs/reliability.md; FAULTS="10 22" for some
	$(BIN)/python -m tests.faults $(FAULTS) --write docs/reliability.md

soak: $(VENV)/.test  ## a service with everything on, for MINUTES: slopes of memory, threads, descriptors, ages
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),60)

# In CI two minutes for all parsers together; by hand: make fuzz CASES=10000, or FUZZ="onnx events" CASES=100000 SEED=7
fuzz: $(VENV)/.test  ## hostile input for every parser: tracebacks, hangs, crashes, more than 1 GB
	$(BIN)/python -m tests.fuzz $(FUZZ) --seed $(or $(SEED),1) $(if $(CASES),--cases $(CASES),--seconds 110)

wheels: $(VENV)/.core  ## do all core dependencies have wheels for JetPack 6 and 7 (aarch64, Python 3.10 and 3.12)?
	$(BIN)/python -m tools.jetson_wheels

system: $(VENV)/.test $(VENV)/.release  ## as root: systemd as PID 1, from a wheel and a .deb to a running service and away again
	SYSTEM_TESTS=1 $(BIN)/python -m pytest -q -n 3 --dist worksteal --durations=10 tests/system

vm: $(VENV)/.test $(VENV)/.release  ## as root: a kernel of its own, in software: USB cameras, device policy, firewall, power cuts; half an hour
	VM_TESTS=1 $(BIN)/python -m pytest -v -rP --durations=10 tests/vm

floor: $(VENV)/.core  ## the oldest versions that pyproject.toml allows, on Python 3.10, run the tests
	$(BIN)/python -m tools.floor out/floor

aarch64: $(VENV)/.test  ## as root: the wheels of a Jetson, under an emulated processor: the same labels, the tests, a service
	$(BIN)/python -m tools.aarch64

deb: $(VENV)/.release  ## a package with an environment of its own; DEB="--python 3.10 --arch arm64": for JetPack 6
	$(BIN)/python -m tools.deb $(DEB)

sbom: $(VENV)/.release  ## the list of all parts (CycloneDX), checked; the next wheel has it, too
	mkdir -p out
	$(BIN)/python -m tools.sbom > out/sbom.cdx.json.part
	mv out/sbom.cdx.json.part out/sbom.cdx.json

clean:
	rm -rf $(VENV) out build *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, this is " + sys.version if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	touch $@ $(VENV)/.core

$(VENV)/.release: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[release]'
	touch $@ $(VENV)/.core

$(VENV)/.check: pyproject.toml tools/typings.py | $(VENV)/bin/python
	$(PIP) --editable '.[dev,train]'
	$(BIN)/python -m tools.typings $(VENV)/typings
	touch $@ $(VENV)/.core $(VENV)/.test $(VENV)/.release
