#!/usr/bin/env python3
"""Shows that every barrier and wait of the CUDA kernels is needed (`make mutate`).

Each call that orders memory in kernels/cuda/ is deleted in a copy of its file, one at a time; a wait for copies is also
made to wait for one group less. The changed files alone are compiled, linked with the rest of the kernel tests, and the
tests of those kernels run on the emulator: for values in three schedules, then for races under ThreadSanitizer. A change
is found where a test fails that passes without it. Exits 1 where one is missed: then the call is redundant, or a test is
missing.

    scripts/mutate.py                    every call
    scripts/mutate.py block.h gram.cu:70 the calls of a file, or of a line
    scripts/mutate.py --some 3           three of them, others at every commit
"""

import argparse
import bisect
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
KERNELS = "kernels/cuda"
DIALECT = ("device.h",)  # defines the calls
ORDERS = ("forward", "reverse", "random:1")
PROGRAM = "tests/kernels/kernels_test"
SLOW = ":*OverShapes*:*LittleMemory*:*AThousand*"  # taken out first, and under ThreadSanitizer (tests/kernels/CMakeLists.txt)
SECONDS = 900  # for one run of the tests, which takes a tenth of it

CALL = re.compile(r"\b(__syncthreads(?:_or|_and|_count)?|__syncwarp|__threadfence(?:_block)?|CommitCopies"
                  r"|WaitForCopies\s*<(?P<groups>[^;]*?)>|(?<!void )Sync[A-Z]\w*(?:\s*<[^;()]*>)?)\s*\(")
NOT_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)


@dataclasses.dataclass
class Mutant:
    path: str  # from the root
    line: int
    call: str
    change: str
    text: str  # of the whole file


@dataclasses.dataclass
class Verdict:
    found: bool
    by: str


def mutants_of(path, text):
    """Every mutant of one file."""
    code = NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    result = []
    for match in CALL.finditer(code):
        end = match.end()
        depth = 1
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        name = match.group(1)
        argument = text[match.end() : end - 1]
        plain = f"static_cast<int>(({argument}) != 0)" if name.endswith(("_or", "_and", "_count")) else "static_cast<void>(0)"
        changes = [("deleted", plain)]
        if match["groups"]:
            changes.append(("one group less", f"WaitForCopies<({match['groups']}) + 1>()"))
        for change, replacement in changes:
            result.append(Mutant(path, bisect.bisect(starts, match.start()), text[match.start() : end], change,
                                 text[: match.start()] + replacement + text[end:]))
    return result


class Build:
    """A configured build folder with the kernel tests built in it."""

    def __init__(self, preset, folder, jobs):
        self.folder = ROOT / folder
        for command in (["cmake", "--preset", preset],
                        ["cmake", "--build", folder, "--target", "kernels_test", "-j", str(jobs)]):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
        self.commands = {}
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            path = os.path.relpath(entry["file"], ROOT)
            if path.startswith(KERNELS + "/") and "kindred_emulated.dir" in entry["command"]:
                self.commands[path] = entry
        link = subprocess.run(["ninja", "-t", "commands", "-s", PROGRAM], cwd=self.folder, capture_output=True, text=True,
                              check=True)
        self.link = link.stdout.strip().splitlines()[-1]
        if self.link.count(f" -o {PROGRAM} ") != 1:
            sys.exit(f"{folder}: no link of {PROGRAM} in '{self.link}'")

    def program_with(self, mutant, sources, copy):
        """The path of the test program with the mutant in it; None with the compiler's words where it does not build."""
        objects = []
        for source in sources:
            entry = self.commands[source]
            words = shlex.split(entry["command"])
            words[words.index("-c") + 1] = str(copy / source if source == mutant.path else ROOT / source)
            objects.append(copy / (self.folder.name + "." + pathlib.Path(source).name + ".o"))
            words[words.index("-o") + 1] = str(objects[-1])
            compiler = next(i for i, word in enumerate(words) if word.startswith("-"))
            words[compiler:compiler] = ["-I", str(copy)]
            done = subprocess.run([*words, "-w"], cwd=entry["directory"], capture_output=True, text=True)
            if done.returncode != 0:
                return None, done.stderr
        program = copy / (self.folder.name + ".kernels_test")
        # Before the library that has the unchanged ones: the linker takes what it meets first.
        link = self.link.replace(f" -o {PROGRAM} ", f" -o {program} {shlex.join(map(str, objects))} ")
        done = subprocess.run(link, shell=True, cwd=self.folder, capture_output=True, text=True)
        return (program, "") if done.returncode == 0 else (None, done.stderr)


class Judge:
    def __init__(self, plain, tsan):
        self.plain, self.tsan = plain, tsan
        self.passes = {}
        self.lock = threading.Lock()
        no_shuffle = ["setarch", platform.machine(), "-R"]  # as scripts/test.sh does, for ThreadSanitizer
        works = shutil.which("setarch") and subprocess.run([*no_shuffle, "true"], capture_output=True).returncode == 0
        self.runner = no_shuffle if works else []

    def run(self, build, program, order, wanted):
        """The first test that fails, '' where all pass."""
        environment = dict(os.environ, KINDRED_SIMT_ORDER=order, GTEST_FILTER=wanted, GTEST_FAIL_FAST="1",
                           TSAN_OPTIONS="halt_on_error=1")
        runner = self.runner if build is self.tsan else []
        try:
            done = subprocess.run([*runner, program], env=environment, capture_output=True, text=True, errors="replace",
                                  timeout=SECONDS)
            output, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as expired:
            output, status = (expired.stdout or b"").decode(errors="replace"), 1
        if status == 0:
            if "[  PASSED  ] 0 tests" in output:
                sys.exit(f"no test matches {wanted}")
            return ""
        tests = re.findall(r"^\[  FAILED  \] ([^\s,]+)", output, re.MULTILINE)
        tests += re.findall(r"^\[ RUN      \] (\S+)", output, re.MULTILINE)[-1:]
        return tests[0] if tests else "?"

    def passes_unchanged(self, build, order, test):
        with self.lock:
            key = (build, order, test)
            if key not in self.passes:
                self.passes[key] = self.run(build, build.folder / PROGRAM, order, test) == ""
            return self.passes[key]

    def judge(self, mutant):
        sources = [path for path in self.plain.commands if path == mutant.path or mutant.path in included_by(path)]
        wanted = filter_of(sources)
        rounds = [(self.plain, "forward", wanted + SLOW), (self.tsan, "random:1", wanted + SLOW)]
        rounds += [(self.plain, order, wanted) for order in ORDERS]
        programs = {}
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            (copy / mutant.path).parent.mkdir(parents=True)
            (copy / mutant.path).write_text(mutant.text)
            for build, order, tests in rounds:
                if build not in programs:
                    programs[build], words = build.program_with(mutant, sources, copy)
                    if programs[build] is None:
                        return Verdict(False, "does not build: " + words.strip().splitlines()[0])
                test = self.run(build, programs[build], order, tests)
                if not test:
                    continue
                if not self.passes_unchanged(build, order, test):
                    return Verdict(False, f"{test} fails without the change too ({order})")
                return Verdict(True, f"{'race' if build is self.tsan else order}: {test}")
        return Verdict(False, "every test passes")


def included_by(path):
    """The files of kernels/cuda/ that the file includes, and those that they include."""
    found, left = set(), [path]
    while left:
        for target in re.findall(r'^#include "(kernels/cuda/[^"]+)"', (ROOT / left.pop()).read_text(), re.MULTILINE):
            if target not in found:
                found.add(target)
                left.append(target)
    return found


def filter_of(sources):
    """The emulated tests of the operations that the sources are part of: als_dual.cu is of als_test.cc's."""
    operations = [path.name.removesuffix("_test.cc") for path in (ROOT / "tests/kernels").glob("*_test.cc")]
    suites = set()
    for source in sources:
        stem = pathlib.Path(source).stem
        own = [operation for operation in operations if (stem + "_").startswith(operation + "_")]
        suites.add("".join(word.capitalize() for word in max(own, key=len).split("_")) if own else "")
    wanted = ":".join(f"*/{suite}*.*/emulated*" for suite in sorted(suites))
    one_precision = ("TopN", "Gram", "Orthonormalize", "Sparse", "Inverse")  # only ALS has two
    return wanted + ":-" + ":".join(f"*/{suite}*.*/emulated_float32" for suite in one_precision)


def turn():
    """A number that grows with every commit."""
    count = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return int(count.stdout) if count.returncode == 0 else 0


def selected(mutants, places, some, seed):
    if places:
        mutants = [m for m in mutants if {m.path, pathlib.Path(m.path).name} & set(places)
                   or f"{pathlib.Path(m.path).name}:{m.line}" in places]
        if not mutants:
            sys.exit(f"no call at {', '.join(places)}; expected FILE or FILE:LINE")
    if 0 < some < len(mutants):
        mutants = [mutants[(seed * some + i) % len(mutants)] for i in range(some)]
    return mutants


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", metavar="FILE[:LINE]")
    parser.add_argument("--some", type=int, default=0, metavar="N", help="only N of them, chosen by the seed")
    parser.add_argument("--seed", type=int, help="default: the number of commits")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once (%(default)s)")
    parser.add_argument("--preset", default="release", help="of the plain build (%(default)s)")
    parser.add_argument("--build", default="build", help="its folder (%(default)s)")
    options = parser.parse_args()

    plain, tsan = Build(options.preset, options.build, options.jobs), Build("tsan", "build-tsan", options.jobs)
    files = sorted(plain.commands) + sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / KERNELS).glob("*.h") if path.name not in DIALECT)
    everything = [mutant for path in files for mutant in mutants_of(path, (ROOT / path).read_text())]
    seed = turn() if options.seed is None else options.seed
    mutants = selected(everything, options.places, options.some, seed)
    print(f"{len(everything)} mutants of {len(files)} files; {len(mutants)} of them now (seed {seed})", flush=True)

    judge = Judge(plain, tsan)
    n_found = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, verdict in zip(mutants, pool.map(judge.judge, mutants)):
            n_found += verdict.found
            place = f"{mutant.path}:{mutant.line}"
            print(f"{'found ' if verdict.found else 'MISSED'}  {place:32} {mutant.call + ' ' + mutant.change:40} {verdict.by}",
                  flush=True)
    print(f"{n_found} of {len(mutants)} found")
    return 0 if n_found == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
