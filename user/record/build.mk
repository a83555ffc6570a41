# SPDX-License-Identifier: GPL-2.0-only
# libbrkrecord.so: the malloc log of any program

RECORD_LIB := $(BUILD)/user/libbrkrecord.so
RECORD_OBJ := $(patsubst %,$(BUILD)/obj/record/%.o,api log next)
