# SPDX-License-Identifier: GPL-2.0-only
# build.mk - libbrkmalloc.so and libbrkmalloc.a; included by user/Makefile

OBJCOPY ?= objcopy

BRKMALLOC_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard brkmalloc/*.c))

# The layers call one another on paths of a few dozen instructions, over the
# borders of files. A tenth of the time of what the caches cannot serve.
BRKMALLOC_LTO := $(shell $(CC) --version | grep -q clang || echo -flto=auto)

# The compiler must not take what malloc and calloc do here for a call of them.
# Nothing but the API and brkmalloc_* leaves the library.
$(BRKMALLOC_OBJS): private CFLAGS += $(BRKMALLOC_LTO) -fPIC -fvisibility=hidden \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc \
	-fno-builtin-free

$(OUT)/libbrkmalloc.so: $(BRKMALLOC_OBJS)
	$(CC) $(CFLAGS) $(BRKMALLOC_LTO) -shared -Wl,-z,defs,-z,now -Wl,-soname,$(@F) \
		$(LDFLAGS) -o $@ $^ -lpthread

# One object whose inner names are local, so that a program may have a function
# of its own called heap_free or a variable called config.
$(OUT)/libbrkmalloc.a: $(BRKMALLOC_OBJS)
	rm -f $@
	$(CC) $(CFLAGS) $(BRKMALLOC_LTO:%=% -flinker-output=nolto-rel) -r -nostdlib \
		-o $(OBJ)/brkmalloc.o $^
	$(OBJCOPY) --localize-hidden $(OBJ)/brkmalloc.o
	$(AR) rcs $@ $(OBJ)/brkmalloc.o

TARGETS += $(OUT)/libbrkmalloc.so $(OUT)/libbrkmalloc.a
