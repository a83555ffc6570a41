/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calls.h - what the program `calls' and the tests of it share
 */
#ifndef SELFTESTS_TOOL_CALLS_H
#define SELFTESTS_TOOL_CALLS_H

#include <stdbool.h>

#include "../../user/record/record.h"

#define TAG	60000	/* least size of the calls that are counted */
#define TAG_END	70000

#endif /* SELFTESTS_TOOL_CALLS_H */
