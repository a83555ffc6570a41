# SPDX-License-Identifier: GPL-2.0-only
# build.mk - the tool brkscope and the program heapdemo; included by user/Makefile

BRKSCOPE_OBJS := $(patsubst %.c,$(OBJ)/%.o,\
	$(filter-out brkscope/heapdemo.c,$(wildcard brkscope/*.c)))

$(BRKSCOPE_OBJS): private CFLAGS += -D_GNU_SOURCE
$(OBJ)/brkscope/heapdemo.o: private CFLAGS += -D_GNU_SOURCE -fno-builtin

$(OUT)/brkscope: $(BRKSCOPE_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(OUT)/heapdemo: $(OBJ)/brkscope/heapdemo.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

TARGETS += $(OUT)/brkscope $(OUT)/heapdemo
