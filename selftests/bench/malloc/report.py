# SPDX-License-Identifier: GPL-2.0-only
"""What do the measured numbers come to: medians, ratios, means, targets?

Measured is {(row, contestant): {what: median}}, counted {(row, contestant):
instructions}. A pair that was not measured, or failed, is not in there.
"""
import math
import statistics

from rows import LIBC, OURS, TARGETS

BASE = LIBC[0]
TOO_MUCH = 1.15


# Of rows, from which means are taken
GROUPS = ("micro", "trace", "real", "all")


def of_group(rows, group):
    return [row for row in rows if group in ("all", row.group)]


def medians(runs):
    """Of a list of runs, each {what: value}: {what: median}"""
    return {what: statistics.median(run[what] for run in runs) for what in runs[0]}


def geometric_mean(values):
    """None for no values"""
    values = list(values)
    if not values:
        return None
    return math.exp(sum(math.log(value) for value in values) / len(values))


def ratio(measured, row, contestant, what):
    """To the C library's, or None where one of them is missing"""
    ours = measured.get((row, contestant), {}).get(what)
    base = measured.get((row, BASE), {}).get(what)
    return ours / base if ours is not None and base else None


def ratios(measured, rows, contestant, what):
    """{row's name: ratio} of the rows that have one"""
    found = {row.name: ratio(measured, row.name, contestant, what) for row in rows}
    return {name: value for name, value in found.items() if value is not None}


def packing(values):
    """Peak asked / growth of the resident heap"""
    return values["asked_kb"] / values["grown_kb"]


def call_ns(values):
    """A call's processor time: there is but one thread, and this is no ratio in
    which what the machine does meanwhile would cancel out"""
    return values["cpu_ns"] / values["calls"]


def pair_counts(counts, times):
    """{kind: {size: instructions}} of a malloc and its free, without the loop's own"""
    pairs = {"pair": {}, "batch": {}}
    for name, value in counts.items():
        kind, _, size = name.partition(" ")
        if kind in pairs and size != "none":
            pairs[kind][int(size)] = (value - counts[kind + " none"]) / times
    return pairs


def trace_means(measured, rows, contestant):
    """Mean packing and mean ns per call of the traces, None where one is missing"""
    values = [measured.get((row.name, contestant)) for row in rows if row.group == "trace"]
    if not values or None in values:
        return None, None
    return (statistics.mean(packing(v) for v in values),
            statistics.mean(call_ns(v) for v in values))


def figures(measured, counted, pairs, rows, contestant, clock):
    """The numbers that TARGETS names, of one contestant"""
    result = {}
    for word, what in (("time", clock), ("peak", "peak_kb")):
        found = ratios(measured, rows, contestant, what)
        for name, value in found.items():
            result["%s %s" % (word, name)] = value
        result[word + " worst"] = max(found.values(), default=None)
        for group in GROUPS:
            result["%s %s" % (word, group)] = geometric_mean(
                ratios(measured, of_group(rows, group), contestant, what).values())
    for what in ("freed", "end"):
        result[what + " fragment"] = ratio(measured, "fragment", contestant, what + "_kb")
    result["packing"], result["call ns"] = trace_means(measured, rows, contestant)
    result["count programs"] = geometric_mean(
        counted[row, name] / counted[row, BASE] for row, name in counted
        if name == contestant and (row, BASE) in counted)
    for kind in ("pair", "batch"):
        sizes = pairs.get(contestant, {}).get(kind, {})
        result["count " + kind] = max(sizes.values(), default=None)
    return result


def met(value, direction, target):
    return value <= target if direction == "most" else value >= target


def number(value, width, digits=2):
    return "-".rjust(width) if value is None else "%*.*f" % (width, digits, value)


def table_head(contestants):
    """Two lines above table_row's"""
    others = [name for name, _, _ in contestants if name != BASE]
    first = "%-18s%18s" % ("", "C library")
    second = "%-18s%9s%9s" % ("", "ms", "MiB")
    for name in others:
        first += "  %13s" % name[:13]
        second += "  %6s %6s" % ("time", "peak")
    return first + "\n" + second


def table_row(measured, row, contestants, clock, failures):
    """A row: the C library's numbers, and the others' as ratios to them"""
    base = measured.get((row.name, BASE), {})
    line = "%-18s%9s%9s" % (
        row.name, number(base.get(clock) and base[clock] / 1e6, 9, 1),
        number(base.get("peak_kb") and base["peak_kb"] / 1024, 9, 1))
    for name, _, _ in contestants:
        if name == BASE:
            continue
        if (row.name, name) in failures:
            line += "  %13s" % "failed"
            continue
        time = ratio(measured, row.name, name, clock)
        peak = ratio(measured, row.name, name, "peak_kb")
        line += "  %s %s" % (number(time, 6), number(peak, 6))
        if name == OURS:
            line += "".join(" <%s" % what for what, value in (("time", time), ("peak", peak))
                            if value is not None and value > TOO_MUCH)
    return line


def table_means(measured, rows, contestants, clock):
    """Geometric means by group, and of all"""
    lines = []
    for group in GROUPS:
        chosen = of_group(rows, group)
        line = "%-18s%18s" % ("mean of " + group, "%d rows" % len(chosen))
        for name, _, _ in contestants:
            if name != BASE:
                line += "  %s %s" % tuple(number(geometric_mean(
                    ratios(measured, chosen, name, what).values()), 6)
                    for what in (clock, "peak_kb"))
        if chosen:
            lines.append(line)
    return "\n".join(lines)


def table_resident(measured, contestants):
    """The heap of which 99 % was freed"""
    lines = ["RESIDENT, of 430 MB of which 99 % was freed      at once  later, MiB  to libc"]
    for name, _, _ in contestants:
        values = measured.get(("fragment", name))
        if values:
            lines.append("  %-44s%10.1f%12.1f%9s" % (
                name, values["freed_kb"] / 1024, values["end_kb"] / 1024,
                number(ratio(measured, "fragment", name, "end_kb"), 6)))
    return "\n".join(lines) if len(lines) > 1 else ""


def table_traces(measured, rows, contestants):
    """Packing and ns per call of each trace"""
    traces = [row for row in rows if row.group == "trace"]
    if not traces:
        return ""
    lines = ["%-18s" % "TRACES" + "".join("  %15s" % name for name, _, _ in contestants),
             "%-18s" % "" + "  %7s %7s" % ("packing", "ns/call") * len(contestants)]
    for row in traces:
        line = "%-18s" % row.name
        for name, _, _ in contestants:
            values = measured.get((row.name, name))
            line += "  %s %s" % ((number(packing(values), 7), number(call_ns(values), 7, 1))
                                 if values else (number(None, 7), number(None, 7)))
        lines.append(line)
    line = "%-18s" % "mean"
    for name, _, _ in contestants:
        means = trace_means(measured, rows, name)
        line += "  %s %s" % (number(means[0], 7), number(means[1], 7, 1))
    return "\n".join(lines + [line])


def table_pairs(pairs, contestants):
    """Instructions of a malloc and its free, by size"""
    lines = []
    for kind, title in (("pair", "INSTRUCTIONS of malloc + free, at once"),
                        ("batch", "INSTRUCTIONS of malloc + free, in batches of 64")):
        sizes = sorted({size for name in pairs for size in pairs[name][kind]})
        if not sizes:
            continue
        lines.append("%-18s" % title if lines == [] else "\n" + title)
        lines.append("%-18s" % "" + "".join("%8d" % size for size in sizes) + "   worst")
        for name, _, _ in contestants:
            if name in pairs:
                values = [pairs[name][kind][size] for size in sizes]
                lines.append("  %-16s" % name + "".join(
                    number(value, 8, 1) for value in [*values, max(values)]))
    return "\n".join(lines)


def table_counts(counted, rows, contestants):
    """Instructions of whole programs"""
    rows = [row for row in rows if any(key[0] == row.name for key in counted)]
    if not rows:
        return ""
    lines = ["%-18s%18s" % ("INSTRUCTIONS", "C library, million")
             + "".join("%11s" % name[:10] for name, _, _ in contestants if name != BASE)]
    for row in rows:
        base = counted.get((row.name, BASE))
        line = "%-18s%18s" % (row.name, number(base and base / 1e6, 18, 1))
        for name, _, _ in contestants:
            if name != BASE:
                value = counted.get((row.name, name))
                line += number(value / base if base and value else None, 11, 3)
        lines.append(line)
    line = "%-36s" % "geometric mean"
    for name, _, _ in contestants:
        if name != BASE:
            line += number(geometric_mean(
                counted[row.name, name] / counted[row.name, BASE] for row in rows
                if (row.name, name) in counted and (row.name, BASE) in counted), 11, 3)
    return "\n".join(lines + [line])


def target_lines(found):
    """TARGETS with the numbers of figures(): (what, direction, target, value, verdict)"""
    lines = []
    for what, key, direction, target in TARGETS:
        value = found.get(key)
        verdict = "not measured" if value is None else \
            "met" if met(value, direction, target) else "missed"
        lines.append((what, direction, target, value, verdict))
    return lines


def table_targets(found, contestant):
    lines = ["%-56s%9s%11s" % ("TARGETS", "", contestant)]
    for what, direction, target, value, verdict in target_lines(found):
        digits = 2 if target < 5 else 1
        lines.append("%-56s%2s%7.2f%11s  %s" % (
            what, "<=" if direction == "most" else ">=", target,
            number(value, 11, digits).strip(), verdict))
    return "\n".join(lines)
