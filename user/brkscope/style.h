/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * style.h - colour, where it helps and is wanted
 */
#ifndef BRKSCOPE_STYLE_H
#define BRKSCOPE_STYLE_H

#include "tool.h"

/**
 * enum style - what a piece of text is
 * @STYLE_PLAIN: nothing special
 * @STYLE_HEAD: a heading
 * @STYLE_FAINT: there for completeness
 * @STYLE_BREAK: about the program break
 * @STYLE_AREA: about memory areas
 * @STYLE_TOUCH: a page was given
 * @STYLE_GOOD: as it should be
 * @STYLE_BAD: wrong
 * @STYLES: how many there are
 */
enum style {
	STYLE_PLAIN,
	STYLE_HEAD,
	STYLE_FAINT,
	STYLE_BREAK,
	STYLE_AREA,
	STYLE_TOUCH,
	STYLE_GOOD,
	STYLE_BAD,
	STYLES
};

void style_init(FILE *out);
const char *style_on(enum style style);
const char *style_off(void);

#endif /* BRKSCOPE_STYLE_H */
