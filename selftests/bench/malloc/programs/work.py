# SPDX-License-Identifier: GPL-2.0-only
"""What a Python program does with memory: usage: work.py objects|json|compile N"""
import ast
import json
import sys


class Account:
    def __init__(self, number):
        self.number = number
        self.name = "account %d" % number
        self.moves = []
        self.tags = {"kind": number % 7, "region": "r%d" % (number % 13)}

    def move(self, amount):
        self.moves.append((amount, "move of %d" % amount))


def objects(n):
    accounts = [Account(i) for i in range(n)]
    for i in range(4 * n):
        accounts[i * 7919 % n].move(i)
    by_region = {}
    for account in accounts:
        by_region.setdefault(account.tags["region"], []).append(account)
    lines = []
    for region in sorted(by_region):
        for account in by_region[region]:
            total = sum(amount for amount, _ in account.moves)
            lines.append("%s %s %d" % (region, account.name, total))
    for i in range(0, n, 2):
        accounts[i] = None
    by_region.clear()
    copies = [line.upper().split() for line in lines]
    return sum(len(words) for words in copies)


def text(n):
    data = [{"id": i, "name": "n%d" % i, "list": list(range(i % 20)),
             "nested": {"a": str(i) * 3, "b": [None, True, i / 7]}} for i in range(n)]
    for _ in range(4):
        data = json.loads(json.dumps(data, indent=1))
    return len(data)


def compiled(n):
    source = "\n".join("def f%d(a, b):\n    c = [a + %d, b * 2]\n"
                       "    return {'x': c, 'y': (a, b, %d)}" % (i, i, i)
                       for i in range(n))
    tree = ast.parse(source)
    names = {}
    exec(compile(tree, "generated", "exec"), names)
    return len(list(ast.walk(tree))) + len(names["f1"](1, 2))


WORK = {"objects": objects, "json": text, "compile": compiled}
print(WORK[sys.argv[1]](int(sys.argv[2])))
