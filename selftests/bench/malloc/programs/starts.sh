#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Start a small program 400 times.
i=0
while [ $i -lt 400 ]; do
	sed -n 1p /dev/null || exit
	i=$((i + 1))
done
