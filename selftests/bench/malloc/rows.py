# SPDX-License-Identifier: GPL-2.0-only
"""What is measured, and which numbers are aimed at?

A row is a program that is run with each malloc: its time and its peak of
resident memory are compared. A count is one whose instructions are counted.
"""
import collections
import os

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "programs")

# name, group (micro, trace, real), what it does, command, environment
Row = collections.namedtuple("Row", "name group what command environment")

# Each malloc as (name, what LD_PRELOAD gets, further environment). The C library
# is preloaded, too: a program that is linked with another malloc (redis) has its.
LIBC = ("libc", "libc.so.6", {})
PEERS = [
    ("mimalloc", "libmimalloc.so.2", {}),
    ("jemalloc", "libjemalloc.so.2", {}),
    ("tcmalloc", "libtcmalloc_minimal.so.4", {}),
]
OURS = "brkmalloc"

PYTHON = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
PERL = {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}


def script(name):
    return os.path.join(SCRIPTS, name)


def python(work, n):
    return ["/usr/bin/python3", script("work.py"), work, str(n)], PYTHON


def perl(work, n):
    return ["/usr/bin/perl", script("work.pl"), work, str(n)], PERL


def lua(work, n):
    return ["/usr/bin/lua5.4", script("work.lua"), work, str(n)], {}


def sqlite(n):
    return ["/usr/bin/sqlite3", "-batch", ":memory:",
            "create table rows(n); insert into rows values(%d);" % n,
            ".read " + script("work.sql")], {}


def shell(name):
    return ["/bin/sh", script(name)], {}


def compiler(program, flags, source):
    return [program, *flags, source, "-o", "out"], {}


def workload_rows(listing):
    """Rows of the program "workload", from what its --list says"""
    rows = []
    for line in listing.splitlines():
        name, what = line.split("\t")
        group = "trace" if name.startswith("trace-") else "micro"
        rows.append(Row(name, group, what, ["workload", name], {}))
    return rows


# Sources that a compiler is to read: file, how many functions, language
SOURCES = [("real.c", 100, "c"), ("real.cc", 60, "c++"), ("count.cc", 12, "c++")]


def real_rows(sources):
    """Rows of real programs; sources is the folder of SOURCES"""
    c, cc = os.path.join(sources, "real.c"), os.path.join(sources, "real.cc")
    rows = [
        ("python-objects", "python3: classes, lists, dicts, texts", python("objects", 15000)),
        ("python-json", "python3: json to and fro", python("json", 5000)),
        ("python-compile", "python3: parses and compiles a source", python("compile", 1200)),
        ("perl-hash", "perl: hashes of hashes, sort, delete", perl("hash", 50000)),
        ("perl-text", "perl: split, join, substitute", perl("text", 30000)),
        ("lua-tables", "lua: tables and their collection", lua("tables", 120000)),
        ("lua-text", "lua: texts and their patterns", lua("text", 120000)),
        ("sqlite", "sqlite3: tables in memory, an index, groups", sqlite(60000)),
        ("gcc", "gcc -O2 -c of a generated source", compiler("gcc", ["-O2", "-c"], c)),
        ("g++", "g++ -O1 -c of a generated source", compiler("g++", ["-O1", "-c"], cc)),
        ("git", "git: add, commit, log, repack, fsck, grep", shell("git.sh")),
        ("redis", "redis-server under redis-benchmark", shell("redis.sh")),
        ("starts", "400 starts of sed", shell("starts.sh")),
    ]
    return [Row(name, "real", what, command, environment)
            for name, what, (command, environment) in rows]


def count_rows(sources, cc1plus):
    """Programs whose instructions are counted, small as that takes long"""
    cc = os.path.join(sources, "count.cc")
    rows = [
        ("count-python", "python3: classes, lists, dicts, texts", python("objects", 600)),
        ("count-perl", "perl: hashes of hashes, sort, delete", perl("hash", 2500)),
        ("count-lua", "lua: tables and their collection", lua("tables", 9000)),
        ("count-sqlite", "sqlite3: tables in memory, an index, groups", sqlite(1500)),
        ("count-cc1plus", "cc1plus -O1 of a generated source",
         compiler(cc1plus, ["-quiet", "-O1"], cc)),
    ]
    return [Row(name, "count", what, command, environment)
            for name, what, (command, environment) in rows]


# The row of all pairs: one program that counts by kind and size
PAIRS = Row("count-pairs", "count", "malloc and free, by size; at once and in batches of 64",
            ["pairs"], {})

# What is aimed at: what is said of it, where its number is (see report.figures), and
# whether that may be at most or must be at least so much
TARGETS = [
    ("time, geometric mean of all rows", "time all", "most", 0.80),
    ("time, geometric mean of real programs", "time real", "most", 0.92),
    ("peak resident, geometric mean of all rows", "peak all", "most", 1.00),
    ("time of the worst row", "time worst", "most", 1.15),
    ("peak resident of the worst row", "peak worst", "most", 1.15),
    ("instructions of programs, geometric mean", "count programs", "most", 0.91),
    ("instructions of a pair, the worst size", "count pair", "most", 56),
    ("instructions of a pair in batches, the worst size", "count batch", "most", 62),
    ("two threads free each other's blocks: time", "time exchange", "most", 0.40),
    ("server churn, 2 threads: time", "time larson", "most", 0.70),
    ("many threads, mixed sizes: time", "time threads-16", "most", 0.80),
    ("many threads, mixed sizes: peak resident", "peak threads-16", "most", 0.70),
    ("growing reallocs: time", "time realloc-grow", "most", 0.80),
    ("large blocks again and again: time", "time large", "most", 0.90),
    ("400 starts of a small program: time", "time starts", "most", 1.05),
    ("resident at the end of the fragmented heap", "end fragment", "most", 0.60),
    ("traces: mean of peak asked / growth of resident heap", "packing", "least", 0.80),
    ("traces: nanoseconds of processor time per call", "call ns", "most", 10),
]
