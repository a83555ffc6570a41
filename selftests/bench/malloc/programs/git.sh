#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A small history in a repository of its own, in the current folder.
set -e
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=1 \
	GIT_CONFIG_KEY_0=pack.threads GIT_CONFIG_VALUE_0=1 \
	GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org \
	GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org \
	GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'

git init -q -b main repository
cd repository
for commit in 1 2 3; do
	awk -v commit="$commit" 'BEGIN {
		for (i = 0; i < 150; i++) {
			file = "file" i
			for (j = 0; j < 150; j++)
				print "line", j, "of file", i, j % 11 == commit ? commit : "" >file
			close(file)
		}
	}'
	git add .
	git commit -q -m "commit $commit"
done
git log -p >../log
git repack -q -a -d -f
git fsck --full 2>/dev/null
git grep -c 'line 1' | tail -n 1
