#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Does the comparison of mallocs measure and reckon right?

How fast any malloc is, is not judged. Prints TAP. What is run is built by
"make -C selftests/bench/malloc".
"""
import csv
import os
import subprocess
import sys
import tempfile

BUILT = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(BUILT, "../../../../selftests/bench/malloc")
sys.dont_write_bytecode = True
sys.path.insert(0, SOURCE)
import report  # noqa: E402 - the path is to be set first
from rows import LIBC, Row  # noqa: E402
from runner import Failure, Runner, dumped_counts, wrong_binding  # noqa: E402

RUNNER = Runner(os.path.join(BUILT, "programs"))
OTHER = ("other", "other.so", {})


def same(got, wanted):
    if isinstance(wanted, float):
        assert abs(got - wanted) < 1e-9 * max(1, abs(wanted)), "%r, wanted %r" % (got, wanted)
    else:
        assert got == wanted, "%r, wanted %r" % (got, wanted)


def row(name, group="micro", command=("true",)):
    return Row(name, group, "", list(command), {})


def table(**cells):
    """row__malloc=(time, peak) as medians"""
    return {tuple(key.split("__")): {"wall_ns": time, "peak_kb": peak}
            for key, (time, peak) in cells.items()}


ROWS = [row("one"), row("two"), row("three", "real")]
MEASURED = table(one__libc=(100, 1000), one__other=(50, 1100),
                 two__libc=(10, 100), two__other=(20, 100),
                 three__libc=(8, 10))


def medians_are_of_each_value():
    """of several runs each value has its own median"""
    runs = [{"a": 1, "b": 30}, {"a": 2, "b": 10}, {"a": 30, "b": 20}]
    same(report.medians(runs), {"a": 2, "b": 20})
    same(report.medians(runs[:2]), {"a": 1.5, "b": 20})


def means_are_geometric():
    """twice as fast and half as fast are as fast as the C library"""
    same(report.geometric_mean([2, 0.5]), 1.0)
    same(report.geometric_mean([1, 10, 100]), 10.0)
    same(report.geometric_mean([]), None)


def ratios_are_to_the_c_library():
    """a ratio is to the C library's number of the same row"""
    same(report.ratio(MEASURED, "one", "other", "wall_ns"), 0.5)
    same(report.ratio(MEASURED, "one", "other", "peak_kb"), 1.1)
    same(report.ratios(MEASURED, ROWS, "other", "wall_ns"), {"one": 0.5, "two": 2.0})
    found = report.figures(MEASURED, {}, {}, ROWS, "other", "wall_ns")
    same(found["time all"], 1.0)
    same(found["time real"], None)
    same(found["time worst"], 2.0)
    same(found["peak one"], 1.1)


def missing_numbers_are_told():
    """a row that failed or was left out has no number, in no mean either"""
    line = report.table_row(MEASURED, ROWS[2], [LIBC, OTHER], "wall_ns", {("three", "other"): "x"})
    assert line.endswith("failed"), line
    line = report.table_row(MEASURED, ROWS[2], [LIBC, OTHER], "wall_ns", {})
    assert line.split()[-2:] == ["-", "-"], line
    same(report.trace_means(MEASURED, [row("one", "trace"), row("gone", "trace")], "other"),
         (None, None))


def rows_that_are_worse_are_marked():
    """what is more than 1.15 is marked, and only that"""
    ours = (report.OURS, "", {})
    measured = table(a__libc=(100, 100), a__brkmalloc=(116, 115),
                     b__libc=(100, 100), b__brkmalloc=(115, 116))
    for name, marks in (("a", ["<time"]), ("b", ["<peak"])):
        line = report.table_row(measured, row(name), [LIBC, ours], "wall_ns", {})
        same([word for word in line.split() if word[0] == "<"], marks)


def pairs_are_without_the_loop():
    """the loop's own instructions are not malloc's"""
    counts = {"pair none": 300, "pair 16": 10300, "pair 64": 20300,
              "batch none": 100, "batch 16": 5100, "end": 7}
    pairs = report.pair_counts(counts, 100)
    same(pairs, {"pair": {16: 100.0, 64: 200.0}, "batch": {16: 50.0}})
    found = report.figures({}, {}, {"other": pairs}, [], "other", "wall_ns")
    same(found["count pair"], 200.0)
    same(found["count batch"], 50.0)


def counts_are_compared_by_program():
    """the mean of the instructions is over programs that both have run"""
    counted = {("p", "libc"): 100, ("p", "other"): 50, ("q", "libc"): 10, ("q", "other"): 80,
               ("r", "other"): 5}
    found = report.figures({}, counted, {}, [], "other", "wall_ns")
    same(found["count programs"], 2.0)


def traces_have_packing_and_time():
    """packing is asked by grown, a call's time is that of the processor"""
    traces = [row("t", "trace"), row("u", "trace")]
    measured = {
        ("t", "libc"): {"asked_kb": 80, "grown_kb": 100, "cpu_ns": 500, "wall_ns": 999, "calls": 50},
        ("u", "libc"): {"asked_kb": 30, "grown_kb": 50, "cpu_ns": 900, "wall_ns": 999, "calls": 30},
    }
    packing, ns = report.trace_means(measured, traces, "libc")
    same(packing, 0.7)
    same(ns, 20.0)


def targets_are_judged():
    """a target is met at its bound, missed beyond it, and open without a number"""
    for value, least, most in ((0.8, "met", "met"), (0.81, "met", "missed"),
                               (0.79, "missed", "met")):
        found = {"packing": value, "time all": value}
        verdicts = {line[0]: line[4] for line in report.target_lines(found)}
        same(verdicts["traces: mean of peak asked / growth of resident heap"], least)
        same(verdicts["time, geometric mean of all rows"], most)
        same(verdicts["growing reallocs: time"], "not measured")


def binding(user, provider, symbol="malloc"):
    return "  12:\tbinding file %s [0] to %s [0]: normal symbol `%s' [GLIBC_2.2.5]\n" % (
        user, provider, symbol)


def another_malloc_is_noticed():
    """a process that calls another malloc than it should is noticed"""
    right = binding("/bin/p", "/lib/x.so")
    same(wrong_binding([right], "x.so"), None)
    same(wrong_binding([right], "/lib/x.so"), None)
    assert wrong_binding([right], "y.so")
    assert wrong_binding([right, binding("/bin/q", "/lib/libc.so.6", "free")], "x.so")
    assert wrong_binding([binding("/bin/p", "/lib/x.so", "free")], "x.so")
    assert wrong_binding([], "x.so")
    # The address of free, in the program's own table of jumps
    jump = binding("/lib/l.so", "/bin/p", "free")
    assert wrong_binding([right + jump], "x.so")
    same(wrong_binding([right + jump + binding("/bin/p", "/lib/x.so", "free")], "x.so"), None)


def dumps_are_read():
    """callgrind's dumps are known by their names"""
    part = "desc: Trigger: Client Request: pair 16\nevents: Ir\nsummary: 42\ntotals: 43\n"
    end = "desc: Trigger: Program termination\nevents: Ir\nsummary: 7\n"
    same(dumped_counts([part, end, "nothing"]), {"pair 16": 42, "end": 7})
    try:
        dumped_counts([part])
    except Failure:
        return
    raise AssertionError("a count without the program's end was taken")


def peak_is_the_programs():
    """the peak is that of the program, be it larger or smaller than the harness"""
    hold = "b = bytearray(%d << 20)"
    small = RUNNER.measure(row("", command=["/bin/true"]), LIBC)
    large = RUNNER.measure(row("", command=["/usr/bin/python3", "-c", hold % 96]), LIBC)
    assert small["peak_kb"] < 8 << 10, small
    assert 96 << 10 <= large["peak_kb"] < 128 << 10, large
    # A child that was waited for counts as well.
    child = RUNNER.measure(row("", command=[
        "/bin/sh", "-c", "/usr/bin/python3 -c '%s'; true" % (hold % 64)]), LIBC)
    assert 64 << 10 <= child["peak_kb"] < 96 << 10, child


def time_is_the_programs():
    """a program that sleeps takes time, and none of the processor's"""
    values = RUNNER.measure(row("", command=["/bin/sleep", "0.3"]), LIBC)
    assert values["wall_ns"] >= 300e6, values
    assert values["cpu_ns"] < 200e6, values


def failures_are_no_numbers():
    """a program that fails or crashes gives no number"""
    for script in ("exit 3", "kill -SEGV $$"):
        try:
            RUNNER.measure(row("", command=["/bin/sh", "-c", script]), LIBC)
        except Failure:
            continue
        raise AssertionError("%s was taken for a result" % script)


def read_tsv(folder, name):
    with open(os.path.join(folder, name)) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def bench(folder, *arguments):
    return subprocess.run(
        [os.path.join(SOURCE, "run"), "--build", os.path.join(BUILT, "../../.."),
         "--out", folder, "--repeat", "1", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def a_run_has_every_number():
    """a run of three rows leaves each number of each malloc"""
    with tempfile.TemporaryDirectory() as folder:
        done = bench(folder, "--rows", "text,trace-texts,count-pairs", "--only", "brkmalloc")
        assert done.returncode == 0, done.stderr
        found = {(line["row"], line["malloc"]) for line in read_tsv(folder, "rows.tsv")
                 if float(line["wall_ns"]) > 0 and float(line["peak_kb"]) > 0
                 and float(line["time_ratio"]) > 0}
        same(found, {(name, malloc) for name in ("text", "trace-texts")
                     for malloc in ("libc", "brkmalloc")})
        found = {line["what"]: float(line["instructions"])
                 for line in read_tsv(folder, "instructions.tsv") if line["malloc"] == "libc"}
        same(set(found), {"%s %d" % (kind, 1 << size) for kind in ("pair", "batch")
                          for size in range(4, 11)})
        assert all(value > 20 for value in found.values()), found
        verdicts = {line["what"]: line["verdict"] for line in read_tsv(folder, "targets.tsv")
                    if line["malloc"] == "brkmalloc"}
        assert verdicts["time of the worst row"] in ("met", "missed"), verdicts
        assert verdicts["instructions of a pair, the worst size"] in ("met", "missed"), verdicts
        same(verdicts["growing reallocs: time"], "not measured")


def a_library_without_malloc_fails():
    """a library that has no malloc does not pass for one"""
    with tempfile.TemporaryDirectory() as folder:
        math = subprocess.run(["gcc", "-print-file-name=libm.so.6"], stdout=subprocess.PIPE,
                              text=True, check=True).stdout.strip()
        done = bench(folder, "--rows", "text", "--also", "math=" + math, "--only", "math")
        same(done.returncode, 1)
        assert "not of " + os.path.abspath(math) in done.stderr, done.stderr
        same([line["malloc"] for line in read_tsv(folder, "rows.tsv")], ["libc"])


def main():
    tests = [
        medians_are_of_each_value, means_are_geometric, ratios_are_to_the_c_library,
        missing_numbers_are_told, rows_that_are_worse_are_marked, pairs_are_without_the_loop,
        counts_are_compared_by_program, traces_have_packing_and_time, targets_are_judged,
        another_malloc_is_noticed, dumps_are_read, peak_is_the_programs, time_is_the_programs,
        failures_are_no_numbers, a_run_has_every_number, a_library_without_malloc_fails,
    ]
    failed = 0
    print("TAP version 13\n1..%d" % len(tests))
    for number, test in enumerate(tests, 1):
        try:
            test()
            print("ok %d %s" % (number, test.__doc__), flush=True)
        except (AssertionError, Failure) as error:
            failed = 1
            print("# " + str(error).strip().replace("\n", "\n# "))
            print("not ok %d %s" % (number, test.__doc__), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
