/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tool_test.h - what the tests of the tool share
 */
#ifndef SELFTESTS_TOOL_TOOL_TEST_H
#define SELFTESTS_TOOL_TOOL_TEST_H

#include "reader.h"
#include "writer.h"

char *build_path(const char *below);
char *temporary_file(void);
__printf(3, 4) int run_command(char *output, size_t room, const char *format, ...);

#endif /* SELFTESTS_TOOL_TOOL_TEST_H */
