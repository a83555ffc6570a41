# SPDX-License-Identifier: GPL-2.0-only
# build.mk - libbrkrecord.so, the malloc log of any program; included by user/Makefile

RECORD_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard record/*.c))

$(RECORD_OBJS): private CFLAGS += -D_GNU_SOURCE -fPIC -fvisibility=hidden -fno-builtin

$(OUT)/libbrkrecord.so: $(RECORD_OBJS)
	$(CC) $(CFLAGS) -shared -Wl,-z,defs,-z,now -Wl,-soname,$(@F) \
		$(LDFLAGS) -o $@ $^

TARGETS += $(OUT)/libbrkrecord.so
