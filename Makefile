# The front door. PRESET chooses how things are built: release, ci, debug (CMakePresets.json).
PRESET ?= release
BUILD := $(if $(filter debug,$(PRESET)),build-debug,build)
JOBS ?= $(shell nproc)
# llvm-symbolizer names the places in a sanitizer's report.
export PATH := $(PATH):/usr/lib/llvm-16/bin

.PHONY: build demo test sanitize mutate deps bench fuzz soak format clean

build: deps
	@cmake --preset $(PRESET) $(if $(VERBOSE),,--log-level=WARNING)
	@cmake --build $(BUILD) --target kindred -j $(JOBS)

demo: build
	@$(BUILD)/kindred demo

test:
	@scripts/install_deps.sh --test
	@PRESET=$(PRESET) BUILD=$(BUILD) JOBS=$(JOBS) scripts/test.sh

sanitize:
	@scripts/install_deps.sh --test
	@cmake --preset asan+ubsan --log-level=WARNING
	@cmake --build build-asan -j $(JOBS)
	@ctest --test-dir build-asan -j $(JOBS) --output-on-failure --label-exclude project

mutate:
	@scripts/install_deps.sh --test
	@scripts/mutate.py --preset $(PRESET) --build $(BUILD) --jobs $(JOBS) --some $(or $(SOME),0)

deps:
	@scripts/install_deps.sh

bench: build
	@scripts/install_deps.sh --peers
	@cmake --build $(BUILD) --target kindred-bench -j $(JOBS)
	@$(BUILD)/kindred-bench $(WORKLOADS) --out bench/results

fuzz:
	@scripts/install_deps.sh --fuzz
	@scripts/fuzz.sh

soak:
	@scripts/install_deps.sh --test
	@PRESET=$(PRESET) BUILD=$(BUILD) JOBS=$(JOBS) scripts/soak.sh

format: deps
	@git ls-files -co --exclude-standard '*.cc' '*.h' '*.c' '*.cu' '*.cuh' | xargs clang-format-14 -i

clean:
	rm -rf build build-debug build-asan build-tsan build-fuzz
