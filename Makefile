# SPDX-License-Identifier: GPL-2.0-only
#
# The one entry to brkscope: "make help" lists what can be made.
#
# Products go under build/; the sources stay as they are.

.DEFAULT_GOAL := all

TOP	:= $(CURDIR)
BUILD	:= $(TOP)/build
KERNELS	?= 6.1 6.12
VM	:= selftests/vm/run
MAKEFLAGS += --no-print-directory

# KERNEL, as in selftests/vm/kernel, names one kernel for everything.
ifneq ($(KERNEL),)
KERNELS := $(KERNEL)
endif
FIRST	:= $(firstword $(KERNELS))

# An ordinary user's PATH lacks the folder of insmod and rmmod.
export PATH := $(PATH):/usr/sbin:/sbin
SUDO	:= $(if $(filter 0,$(shell id -u)),,sudo)

PARAMETERS ?=

.PHONY: all help module user load unload reload demo test soak bench bench-malloc shell check \
	clean distclean

all: module user

help:
	@echo 'make demo      watch two programs in a throwaway virtual machine'
	@echo 'make test      run all tests, those of the module in the virtual machine'
	@echo 'make soak      random steps, each compared with the kernel: STEPS=... [SEED=...]'
	@echo 'make check     style and static analysis, everything clean'
	@echo 'make bench     what the module costs, in instructions, into build/bench'
	@echo 'make bench-malloc   mallocs side by side, ours among them, into build/bench-malloc:'
	@echo '               ROWS="larson,real,count-*" REPEAT=5 ONLY=brkmalloc,tcmalloc CLOCK=wall|cpu'
	@echo '               ALSO=NAME=LIBRARY[:VARIABLE=VALUE]... chooses; ROWS=list names the rows'
	@echo 'make shell     a shell in the virtual machine, with the module loaded'
	@echo
	@echo 'make           module and user'
	@echo 'make module    build brkscope.ko: for the running kernel, or KDIR=its headers,'
	@echo '               or KERNEL=6.1|6.12|debug; without any of these Debian'\''s 6.1'
	@echo 'make user      build the programs and libraries, into build/user'
	@echo 'make load      load the module on this machine (PARAMETERS=...)'
	@echo 'make unload    unload it'
	@echo 'make clean     remove what was built; distclean: what was downloaded, too'
	@echo
	@echo 'KERNELS="6.1 6.12"  the kernels of test, bench, check; KERNEL=X is one for all'
	@echo 'DEPS=no             install no packages, only name those that are missing'
	@echo 'V=1                 show the commands that build the programs'

# The packages that each step needs; a no-op when they are there.
.PHONY: deps-build deps-vm deps-test deps-check deps-bench
deps-build:
	@selftests/deps build module
deps-vm:
	@selftests/deps build module vm
deps-test:
	@selftests/deps build module vm test
deps-check:
	@selftests/deps build module vm test check
deps-bench:
	@selftests/deps build bench

user: deps-build
	@$(MAKE) $(if $(V),,-s) -C user BUILD=$(BUILD)
	@echo "programs: build/user/{brkscope,heapdemo,libbrkmalloc.so,libbrkmalloc.a,libbrkrecord.so}"

module: deps-build
	@selftests/build-module $(if $(KDIR),--kdir '$(KDIR)') $(KERNEL)

# For the kernels of the virtual machine, whatever runs here
.PHONY: vm-module vm-modules
vm-module: deps-vm
	@selftests/build-module $(FIRST)

vm-modules: deps-vm
	@for k in $(KERNELS); do selftests/build-module $$k || exit; done

load: module
	@[ -f $(BUILD)/module/$$(uname -r)/brkscope.ko ] || { echo "load: nothing was built for \
	the running kernel: install linux-headers-$$(uname -r), or name its headers by KDIR=" >&2; exit 1; }
	$(SUDO) insmod $(BUILD)/module/$$(uname -r)/brkscope.ko $(PARAMETERS)

unload:
	$(SUDO) rmmod brkscope

reload:
	@if [ -d /sys/module/brkscope ]; then $(MAKE) unload; fi
	@$(MAKE) load

demo: deps-test vm-module user
	@mkdir -p $(BUILD)/demo
	@$(VM) --kernel $(FIRST) --load --share $(BUILD)/demo -- \
		user/brkscope/demo.sh $(BUILD)/demo

shell: deps-vm vm-module user
	@$(VM) --kernel $(FIRST) --load --shell || [ $$? -lt 124 ]

test: deps-test vm-modules user
	@selftests/run-tests $(KERNELS)

# As many random steps as asked for, in one machine, however long it takes
soak: deps-vm vm-module
	@[ '$(STEPS)' ] || { echo "soak: say how many steps: make soak STEPS=100000" >&2; exit 2; }
	@$(MAKE) -s -C selftests all
	@$(VM) --kernel $(FIRST) --load --timeout 0 -- \
		env STEPS='$(STEPS)' $(if $(SEED),SEED='$(SEED)') build/selftests/property_test

bench: deps-test vm-modules
	@selftests/bench/all $(KERNELS)

bench-malloc: deps-bench user
	@$(MAKE) -s -C selftests/bench/malloc BUILD=$(BUILD)
	@selftests/bench/malloc/run --build '$(BUILD)' \
		$(if $(filter list,$(ROWS)),--list,$(if $(ROWS),--rows '$(ROWS)')) \
		$(if $(REPEAT),--repeat '$(REPEAT)') $(if $(ONLY),--only '$(ONLY)') \
		$(if $(ALSO),--also '$(ALSO)') $(if $(CLOCK),--clock '$(CLOCK)')

check: deps-check
	@selftests/check $(KERNELS)

clean:
	rm -rf $(addprefix $(BUILD)/,module user selftests test bench bench-malloc check demo)

distclean:
	rm -rf $(BUILD)
