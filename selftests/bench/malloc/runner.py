# SPDX-License-Identifier: GPL-2.0-only
"""How is a program run with a malloc, and is it that malloc that it uses?"""
import os
import re
import shutil
import signal
import subprocess
import tempfile

TIME_LIMIT = 300  # seconds for one run of a program


class Failure(Exception):
    """A run that gave no number, with the reason"""


class Folder:
    """A fresh folder to run in, in memory where that can be: no disk to wait for"""

    def __enter__(self):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = tempfile.mkdtemp(prefix="bench-malloc.", dir=base)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Runner:
    """Runs rows with contestants (name, preload, environment)"""

    def __init__(self, programs):
        self.programs = programs  # the folder of measure, workload and pairs

    def command(self, row):
        own = os.path.join(self.programs, row.command[0])
        return [own if os.path.exists(own) else row.command[0], *row.command[1:]]

    @staticmethod
    def environment(row, contestant, more=None):
        _, preload, variables = contestant
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C",
                       "LD_PRELOAD": preload}
        environment.update(row.environment)
        environment.update(variables)
        environment.update(more or {})
        return environment

    @staticmethod
    def run(command, environment, folder):
        """Run to its end, which is that of all the processes it leaves; its output"""
        with open(os.path.join(folder, "stdout"), "w+b") as out, \
                open(os.path.join(folder, "stderr"), "w+b") as err:
            process = subprocess.Popen(command, env=environment, cwd=folder, stdout=out,
                                       stderr=err, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
            try:
                status = process.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                status = "none within %d s" % TIME_LIMIT
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            out.seek(0)
            err.seek(0)
            return status, out.read().decode(errors="replace"), \
                err.read().decode(errors="replace")

    def measure(self, row, contestant):
        """One run: wall and processor time in ns, peak in KiB, and what it tells"""
        with Folder() as folder:
            result = os.path.join(folder, "result")
            status, out, err = self.run(
                [os.path.join(self.programs, "measure"), result, *self.command(row)],
                self.environment(row, contestant), folder)
            if status != 0:
                raise Failure("exit status %s: %s" % (status, err.strip()[-300:]))
            with open(result) as file:
                wall, cpu, peak, status = map(int, file.read().split())
        if status != 0:
            raise Failure("exit status %d: %s" % (status, err.strip()[-300:]))
        values = {"wall_ns": wall, "cpu_ns": cpu, "peak_kb": peak}
        if row.command[0] == "workload":
            values.update((what, float(value)) for what, value in
                          (line.split() for line in out.splitlines()))
        return values

    def verify(self, row, contestant):
        """Ask the dynamic linker which malloc the row's processes are bound to"""
        with Folder() as folder:
            bindings = os.path.join(folder, "bindings")
            os.mkdir(bindings)
            status, _, err = self.run(
                self.command(row),
                self.environment(row, contestant, {
                    "LD_DEBUG": "bindings", "LD_BIND_NOW": "1",
                    "LD_DEBUG_OUTPUT": os.path.join(bindings, "of")}), folder)
            if status != 0:
                raise Failure("exit status %s: %s" % (status, err.strip()[-300:]))
            texts = []
            for name in os.listdir(bindings):
                with open(os.path.join(bindings, name), errors="replace") as file:
                    texts.append(file.read())
        wrong = wrong_binding(texts, contestant[1])
        if wrong:
            raise Failure(wrong)

    def count(self, row, contestant):
        """Instructions by callgrind: of each part that the program dumped, by name"""
        with Folder() as folder:
            out = os.path.join(folder, "callgrind")
            status, _, err = self.run(
                ["setarch", "-R", "valgrind", "--tool=callgrind",
                 "--callgrind-out-file=" + out, *self.command(row)],
                self.environment(row, contestant), folder)
            if status != 0:
                raise Failure("exit status %s: %s" % (status, err.strip()[-300:]))
            texts = []
            for name in os.listdir(folder):
                if name.startswith("callgrind"):
                    with open(os.path.join(folder, name), errors="replace") as file:
                        texts.append(file.read())
        return dumped_counts(texts)


BINDING = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol "
                     r"`(malloc|calloc|realloc|free|posix_memalign)'")


def wrong_binding(texts, library):
    """What is wrong with who provides malloc, by the dynamic linker's own words

    texts: what LD_DEBUG=bindings wrote, by process; library: who should
    """
    wanted = os.path.basename(library)
    found = False
    for text in texts:
        bindings = BINDING.findall(text)
        right = {(user, symbol) for user, provider, symbol in bindings
                 if os.path.basename(provider) == wanted}
        for user, provider, symbol in bindings:
            # A program that takes the address of free provides it itself, as a
            # jump to the one that it is bound to.
            if os.path.basename(provider) != wanted and (provider, symbol) not in right:
                return "%s of %s is that of %s, not of %s" % (symbol, user, provider, library)
        found = found or any(symbol == "malloc" for _, symbol in right)
    return None if found else "no process has been seen to use malloc of %s" % library


def dumped_counts(texts):
    """callgrind's files as {name of the dump: instructions}; the last one is "end" """
    counts = {}
    for text in texts:
        trigger = re.search(r"^desc: Trigger: (?:Client Request: )?(.*)$", text, re.M)
        summary = re.search(r"^summary: (\d+)", text, re.M)
        if trigger and summary:
            name = trigger.group(1)
            counts["end" if name == "Program termination" else name] = int(summary.group(1))
    if "end" not in counts:
        raise Failure("callgrind has left no count")
    return counts
