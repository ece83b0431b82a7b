# SPDX-License-Identifier: BSD-2-Clause
#
# `make help` lists what can be asked for. BUILD= names another output folder; SANITIZE=1 builds
# with ASan and UBSan, FUZZ=1 for libFuzzer besides (each into its own folder, by `make test`); V=1
# shows the commands.

BUILD    ?= build
ARCH     ?= $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
OBJCOPY  ?= llvm-objcopy
PREFIX   ?= /usr/local
KERNEL   ?= 6.12
BOOTS    ?= 50
Q        := $(if $(V),,@)
say       = @$(if $(V),:,printf '  %-8s%s\n' '$(1)' '$@')

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wundef -Wformat=2 -Wno-format-nonliteral
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -I$(BUILD)/skel
$(BUILD)/tests/e2e/%.o: CPPFLAGS += -Itests/kernel
$(BUILD)/tests/vm/%.o: CPPFLAGS += -Itests/kernel -Itests/e2e
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 $(WARNINGS) -fstack-protector-strong -fno-omit-frame-pointer
DEPS      = -MMD -MP
LDLIBS   := -lbpf -lelf -lz -linih -ljansson -lcsv -lm -ldl
MANAGER_LDLIBS := -lcurl -linih -ljansson -lcsv
ifdef SANITIZE
CFLAGS   += -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=address,undefined
endif

ifdef FUZZ
CC       := $(CLANG)
CFLAGS   += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -Iinclude \
              -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-declarations \
              -fno-stack-protector

# ---- what there is ------------------------------------------------------------------------------

MAINS     := tierd tierctl
LAYERS    := base core client io app manager
lib_objs   = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %_main.c,$(wildcard user/$(1)/*.c)))
# In the order in which the linker wants them.
LIBS      := $(patsubst %,$(BUILD)/lib%.a,app io core client base)
MANAGER_LIBS := $(patsubst %,$(BUILD)/lib%.a,manager client base)
PROGRAMS  := $(MAINS:%=$(BUILD)/%)
MANAGER   := $(BUILD)/tier-manager
CLIENT    := $(BUILD)/libtierd-client.a
BPF_OBJS  := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
PREALLOCATED_OBJS := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/preallocated/%.bpf.o,$(wildcard bpf/*.bpf.c))
SKELETON  := $(BUILD)/skel/tierd.skel.h $(BUILD)/skel/preallocated.skel.h
TEST_BPF  := $(basename $(basename $(notdir $(wildcard tests/kernel/*.bpf.c tests/bench/*.bpf.c))))
TEST_SKEL := $(TEST_BPF:%=$(BUILD)/skel/%.skel.h)
UNIT_TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
MANAGER_TESTS := $(filter $(BUILD)/tests/unit/test_manager_%,$(UNIT_TESTS))
KERNEL_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/kernel/test_*.c))
E2E_TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/e2e/test_*.c))
VM_TESTS     := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/vm/test_*.c))
FUZZ_TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_TOOLS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
BENCHES      := $(patsubst %.c,$(BUILD)/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))

.PHONY: all help deps run demo test test-quick e2e e2e-short bench bench-latency bench-cost unit-tests kernel-tests \
        vm-tests benches vmtest tidy \
        vmtest-all vmtest-soak gpu-check check install uninstall clean vmlinux vmlinux-arm64 format
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) $(MANAGER) $(CLIENT) ## build tierd, tierctl, tier-manager and libtierd-client.a in build/

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

# ---- for people ---------------------------------------------------------------------------------

deps: ## install what is missing to build and test (Debian, root)
	scripts/setup.sh

run: ## set up, build, write a config if there is none, run the agent here in the foreground
	scripts/run.sh

demo: ## the same with bounded memory and CPU pressure of its own: about a minute, Ctrl-C safe
	scripts/demo.sh

test: ## set up, build, and run every test and check (root)
	scripts/test.sh

test-quick: ## unit tests only: no root, no kernel
	scripts/test.sh --quick

bench: $(BENCHES) $(PROGRAMS) ## what replay and preflights cost; for a quiet machine (root)
	$(BUILD)/tests/bench/bench_replay tests/replay/golden/thrash.trace
	$(BUILD)/tests/bench/bench_preflight $(BUILD)/tierd

bench-latency: all $(BENCHES) ## how soon the manager is told; writes tests/bench/latency.md (EPISODES=1000)
	tests/bench/latency.sh

bench-cost: all $(BENCHES) $(TEST_TOOLS) ## what watching costs, beside other tools; writes tests/bench/cost.md
	scripts/setup.sh bench
	tests/bench/cost.sh

vmtest: ## the tests in a guest under emulation (KERNEL=6.12, or 6.12/PLAN): needs no root
	scripts/setup.sh $(if $(findstring arm64,$(KERNEL)),vm-all,vm)
	scripts/vm/vmtest.sh $(KERNEL)

vmtest-all: ## the same on every kernel, and with less of one; writes the README's table of kernels
	scripts/setup.sh vm-all
	scripts/vm/vmtest-all.sh

vmtest-soak: ## boot KERNEL again and again under reclaim (BOOTS=50)
	scripts/setup.sh vm
	scripts/vm/soak.sh $(KERNEL) $(BOOTS)

e2e: ## real servers in storms, with tierd and without: fifty minutes, writes tests/e2e/storm/RESULTS.md
	scripts/setup.sh e2e
	$(MAKE) --no-print-directory all $(BUILD)/tests/tools/hog
	tests/e2e/storm/run.sh

e2e-short: ## two storms, two set-ups, smaller models: three minutes
	scripts/setup.sh e2e
	$(MAKE) --no-print-directory all $(BUILD)/tests/tools/hog
	tests/e2e/storm/run.sh --short

# Slow, so a file is looked at again only when it or a header of it has changed, and so its object,
# or the settings. Without the analysis of paths for tests: those run under the sanitizers.
TIDY_FILES := $(filter-out %.bpf.c,$(wildcard user/*/*.c tests/*/*.c))
tidy: $(TIDY_FILES:%.c=$(BUILD)/check/%.tidy)

$(BUILD)/check/%.tidy: %.c $(BUILD)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY)
	$(Q)clang-tidy --quiet $(if $(filter tests/%,$<),--checks=-clang-analyzer-*) $< -- \
		-std=gnu11 $(CPPFLAGS) -Itests/kernel -Itests/e2e 2>$@.log || { cat $@.log; exit 1; }
	@mv $@.log $@

gpu-check: ## the agent beside nvidia-smi, on a machine with an NVIDIA GPU (root): two minutes
	scripts/setup.sh run
	$(MAKE) --no-print-directory all $(BUILD)/tests/tools/gpu_hog $(BUILD)/tests/bench/bench_nvml
	scripts/gpu-check.sh

check: ## formatting, static analysis, layer rules
	scripts/check.sh

# What is installed, as SOURCE:MODE:TARGET.
INSTALLED := $(BUILD)/tierd:755:sbin/tierd $(BUILD)/tierctl:755:bin/tierctl \
             $(MANAGER):755:bin/tier-manager \
             user/manager/tier-manager.conf.example:644:share/doc/tierd/tier-manager.conf.example \
             $(CLIENT):644:lib/libtierd-client.a user/client/client.h:644:include/tierd/client.h \
             user/client/tierd-protocol.7:644:share/man/man7/tierd-protocol.7 \
             user/client/example-manager.sh:755:share/doc/tierd/example-manager.sh \
             $(foreach name,protocol event record,include/tierd/$(name).h:644:include/tierd/$(name).h)

# Written for /usr/local.
UNITS := user/app/tierd.service user/manager/tier-manager.service user/manager/tier-gate.service
UNIT_DIR = $(DESTDIR)$(PREFIX)/lib/systemd/system

install: all ## install under PREFIX (/usr/local)
	$(foreach file,$(INSTALLED),$(call install_file,$(subst :, ,$(file))))
	install -D -m 644 -t $(UNIT_DIR) $(UNITS)
	sed -i 's,/usr/local/,$(PREFIX)/,g' $(addprefix $(UNIT_DIR)/,$(notdir $(UNITS)))

define install_file
install -D -m $(word 2,$(1)) $(word 1,$(1)) $(DESTDIR)$(PREFIX)/$(word 3,$(1))

endef

uninstall: ## remove what install put there
	rm -f $(foreach file,$(INSTALLED),$(DESTDIR)$(PREFIX)/$(word 3,$(subst :, ,$(file))))
	rm -f $(addprefix $(UNIT_DIR)/,$(notdir $(UNITS)))
	-rmdir $(DESTDIR)$(PREFIX)/include/tierd $(DESTDIR)$(PREFIX)/share/doc/tierd

vmlinux: ## regenerate the trimmed vmlinux.h from this kernel's BTF
	scripts/vmlinux-trim.sh vmlinux/$(ARCH)/vmlinux.h

vmlinux-arm64: ## the same for arm64, from Debian's 6.12
	scripts/vm/vmlinux-arm64.sh

format: ## apply clang-format
	git ls-files '*.[ch]' | grep -v '^vmlinux/' | xargs clang-format -i

clean: ## remove the output folder
	rm -rf $(BUILD)

# ---- kernel side --------------------------------------------------------------------------------

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPS) -c $< -o $@

# The same programs for kernels whose task storage is missing or not safe: bpf/compat.bpf.h.
$(BUILD)/bpf/preallocated/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -DTIERD_PREALLOCATED $(DEPS) -c $< -o $@

$(BUILD)/bpf/tierd.linked.o: $(BPF_OBJS)
$(BUILD)/bpf/preallocated.linked.o: $(PREALLOCATED_OBJS)
$(BUILD)/bpf/tierd.linked.o $(BUILD)/bpf/preallocated.linked.o:
	$(call say,GEN)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/skel/%.skel.h: $(BUILD)/bpf/%.linked.o
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BUILD)/tests/%.bpf.o: tests/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/skel/%.skel.h: $(BUILD)/tests/bench/%.bpf.o
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

$(BUILD)/skel/%.skel.h: $(BUILD)/tests/kernel/%.bpf.o
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

# ---- user side ----------------------------------------------------------------------------------

$(BUILD)/user/io/%.o: user/io/%.c | $(SKELETON)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(DEPS) -c $< -o $@

$(BUILD)/%.o: %.c | $(TEST_SKEL)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(DEPS) -c $< -o $@

define layer_library
$(BUILD)/lib$(1).a: $(call lib_objs,$(1))
	$$(Q)rm -f $$@
	$$(call say,AR)
	$$(Q)$(AR) rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call layer_library,$(layer))))

# For other programs: complete in itself, and of its names only those in its headers are seen.
CLIENT_BASE := lock_file protocol protocol_table protocol_value text units utf8

$(CLIENT): $(call lib_objs,client) $(CLIENT_BASE:%=$(BUILD)/user/base/%.o)
	$(call say,AR)
	$(Q)$(CC) -r -nostdlib $^ -o $(BUILD)/libtierd-client.o
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='tierd_*' \
		--keep-global-symbol='protocol_format_*' --keep-global-symbol='protocol_parse_*' \
		--keep-global-symbol=protocol_escape $(BUILD)/libtierd-client.o
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(BUILD)/libtierd-client.o

$(PROGRAMS): $(BUILD)/%: $(BUILD)/user/app/%_main.o $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(MANAGER): $(BUILD)/user/manager/tier-manager_main.o $(MANAGER_LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(MANAGER_LDLIBS) -o $@

# ---- tests --------------------------------------------------------------------------------------

unit-tests: $(UNIT_TESTS)
fuzz-tests: $(FUZZ_TESTS)
kernel-tests: $(KERNEL_TESTS) $(E2E_TESTS) $(TEST_TOOLS) $(PROGRAMS) $(MANAGER)
vm-tests: $(VM_TESTS) $(PROGRAMS)
benches: $(BENCHES)

$(filter-out $(MANAGER_TESTS),$(UNIT_TESTS)): $(BUILD)/%: $(BUILD)/%.o $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(LDLIBS) -o $@

$(MANAGER_TESTS): $(BUILD)/%: $(BUILD)/%.o $(MANAGER_LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(MANAGER_LDLIBS) -o $@

# With FUZZ=1 only.
$(FUZZ_TESTS): $(BUILD)/%: $(BUILD)/%.o $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $^ $(LDLIBS) -o $@

# Shared by the tests that need a kernel: everything there that is not a test of its own.
test_support = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(wildcard $(1)/test_*.c $(1)/*.bpf.c), \
                 $(wildcard $(1)/*.c)))

$(BUILD)/libtestkernel.a: $(call test_support,tests/kernel) $(call test_support,tests/e2e) \
		$(call test_support,tests/vm)
	$(Q)rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(KERNEL_TESTS) $(E2E_TESTS) $(VM_TESTS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtestkernel.a $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(LDLIBS) -lpthread -o $@

$(TEST_TOOLS): $(BUILD)/%: $(BUILD)/%.o
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lpthread -lm -o $@

# Plays the scenes of the tests.
SCENE_BENCHES := $(BUILD)/tests/bench/bench_latency
$(SCENE_BENCHES:%=%.o): CPPFLAGS += -Itests/kernel -Itests/e2e

$(SCENE_BENCHES): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libtestkernel.a $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -lcmocka $(LDLIBS) -lpthread -o $@

$(filter-out $(SCENE_BENCHES),$(BENCHES)): $(BUILD)/%: $(BUILD)/%.o $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
