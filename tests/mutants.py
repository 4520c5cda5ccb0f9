#!/usr/bin/python3
"""Change the product a line at a time and see that a test notices.

    mutants.py [--check] [NAME...]

The list is tests/mutants, which says what a row looks like; all rows, or
those that are named.  Each is applied to a copy of the tree, never to the
tree itself, and undone there before the next: only what the change touches is
built again.  First every test has to pass in the copy as it is.

A test has noticed when it fails, or does not end.  A row fails when its test
passes all the same (survived), fails without the change, does not run, when
the change does not compile, or when what it changes is not in exactly one
place of the sources any more.  --check looks at that last one alone, and
builds nothing.

Prints a line for each row and one for all.  Exit code: 0, 1 when a row
failed, 2 when called wrongly.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
LIST = TOP / "tests" / "mutants"
# In the tree, and not the product.
OTHER = {".git", "build", "build-aux", "tests"}
# Not worth a copy.
UNCOPIED = {TOP / ".git", *(TOP / "build" / name for name in ("test-logs", "fuzz", "fuzzer", "warn"))}
# Seconds.  Only for what hangs: a machine may be busy.
BUILD_LIMIT = 1800
ROW_LIMIT = 180
ROW_TIMES = 10          # as long as the test took before, on top
END_LIMIT = 90          # for a run that was told to end
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Row:
    def __init__(self, name, test, number):
        self.name, self.test, self.number = name, test, number
        self.below, self.old, self.new = "", None, None
        self.file, self.line = None, 0


class Wrong(Exception):
    """Why a row fails."""


def read_rows(text):
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.strip().partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        row = rows[-1] if rows else None
        if not line[0].isspace():
            if not re.fullmatch(r"[a-z0-9-]+\s+(unit|sh|fuzz)/[a-z0-9_-]+", line.strip()):
                raise ValueError(f"{LIST}:{number}: expected NAME TEST")
            rows.append(Row(*line.split(), number))
        elif row and kind == "@" and row.old is None:
            row.below = rest.strip()
        elif row and kind == "-" and rest and row.old is None:
            row.old = rest.strip()
        elif row and kind == "+" and row.old is not None and row.new is None:
            row.new = rest.strip()
        else:
            raise ValueError(f"{LIST}:{number}: expected @, - or + of a row")
    names = set()
    for row in rows:
        if row.new is None or row.new == row.old:
            raise ValueError(f"{LIST}:{row.number}: {row.name} changes nothing")
        if row.name in names:
            raise ValueError(f"{LIST}:{row.number}: {row.name} is there twice")
        names.add(row.name)
    return rows


def read_sources():
    """{file: its lines} of the product."""
    sources = {}
    for top, folders, files in os.walk(TOP):
        if pathlib.Path(top) == TOP:
            folders[:] = [f for f in folders if f not in OTHER]
        for name in files:
            file = pathlib.Path(top, name)
            inside = file.relative_to(TOP)
            if file.suffix in (".c", ".h") or inside.parts[0] == "assets":
                sources[inside] = file.read_text(errors="surrogateescape").splitlines(True)
    return sources


def places(sources, text):
    return [(file, i) for file, lines in sources.items()
            for i, line in enumerate(lines) if text in line]


def only(found, text):
    if len(found) != 1:
        where = ", ".join(f"{file}:{i + 1}" for file, i in found[:3])
        raise Wrong(f"{f'is {len(found)} times' if found else 'is not'} in the sources: "
                    f"{text}{f' ({where})' if found else ''}")
    return found[0]


def find(row, sources):
    """Sets file and line."""
    if not any((TOP / "tests" / (row.test + end)).is_file() for end in (".c", ".sh")):
        raise Wrong(f"there is no test {row.test}")
    found = places(sources, row.old)
    if row.below:
        file, first = only(places(sources, row.below), row.below)
        found = [(f, i) for f, i in found if f == file and i > first][:1]
    row.file, row.line = only(found, row.old)
    if sources[row.file][row.line].count(row.old) != 1:
        raise Wrong(f"is twice in {row.file}:{row.line + 1}: {row.old}")


def run_tests(tree, tests, limit):
    """What tests/run says about them; None when it did not end."""
    child = subprocess.Popen([tree / "tests" / "run", *tests], cwd=tree, text=True,
                             errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return child.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.poll() is None:
            # it ends its tests, and they what they started
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.communicate(timeout=END_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()


def result_of(test, said):
    """(passed, failed, seconds) of one test, or None if it did not run."""
    m = re.search(rf"^{test}: (\d+) passed, (\d+) failed, \d+ skipped, (\d+) s$", said, re.M)
    return tuple(int(n) for n in m.groups()) if m else None


def complaint(said):
    """The first thing a run complains about, short."""
    m = re.search(r"^not ok (.*)$", said, re.M)
    return (m[1] if m else said.strip().rpartition("\n")[2])[:100]


def check_baseline(test, said):
    """Seconds it took."""
    got = result_of(test, said)
    if got is None:
        raise Wrong(f"{test} does not run without the change")
    mine = "\n".join(re.findall(rf"^not ok (?:[a-z]+/)?{test.partition('/')[2]}[ :].*$", said, re.M))
    if got[1] or re.search(rf"^not ok {test}: ", said, re.M):
        raise Wrong(f"{test} fails without the change: {complaint(mine)}")
    if got[0] == 0:
        raise Wrong(f"{test} tests nothing here: it is skipped")
    return got[2]


def try_row(row, tree, sources, seconds):
    """How the test noticed."""
    file = tree / row.file
    lines = list(sources[row.file])
    lines[row.line] = lines[row.line].replace(row.old, row.new)
    try:
        file.write_text("".join(lines), errors="surrogateescape")
        said = run_tests(tree, [row.test], ROW_LIMIT + ROW_TIMES * seconds)
    finally:
        # a new time of change: make sees that it is not what was built
        file.write_text("".join(sources[row.file]), errors="surrogateescape")
    if said is None:
        return "it does not end"
    if ": not built" in said or "not everything could be built" in said:
        raise Wrong("does not compile")
    if re.search(r"^not ok ", said, re.M):
        return complaint(said)
    raise Wrong(f"SURVIVED: {row.test} passes with it")


def hold_off():
    """Nothing comes between what is tidied up at the end."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def copy_tree(tree):
    shutil.copytree(TOP, tree, symlinks=True, dirs_exist_ok=True,
                    ignore=lambda top, names: [n for n in names if pathlib.Path(top, n) in UNCOPIED])
    tree.chmod(0o755)


def tell(row, good, what, began):
    where = f"{row.file}:{row.line + 1}" if row.file else "?"
    print(f"{'ok' if good else 'not ok'} {row.name} ({where}, {row.test}, "
          f"{time.time() - began:.0f} s): {what}", flush=True)


def run_rows(rows, sources):
    """The number of rows that failed."""
    failed = 0
    tree = pathlib.Path(tempfile.mkdtemp(prefix="azswarm-mutants."))
    try:
        copy_tree(tree)
        tests = sorted({row.test for row in rows})
        print(f"mutants: {' '.join(tests)} without a change", flush=True)
        base = run_tests(tree, tests, BUILD_LIMIT + ROW_LIMIT * len(tests))
        if base is None:
            raise SystemExit("mutants: the tests do not end without a change either")
        for row in rows:
            began = time.time()
            try:
                seconds = check_baseline(row.test, base)
                tell(row, True, try_row(row, tree, sources, seconds), began)
            except Wrong as why:
                tell(row, False, why, began)
                failed += 1
    finally:
        hold_off()
        shutil.rmtree(tree, ignore_errors=True)
    return failed


def main(args):
    check = "--check" in args
    names = [a for a in args if a != "--check"]
    began = time.time()
    try:
        rows = read_rows(LIST.read_text())
    except (OSError, ValueError) as why:
        print(f"mutants: {why}", file=sys.stderr)
        return 2
    for name in names:
        if name not in [row.name for row in rows]:
            print(f"mutants: no row is called {name}", file=sys.stderr)
            return 2
    rows = [row for row in rows if not names or row.name in names]
    sources = read_sources()
    found, failed = [], 0
    for row in rows:
        try:
            find(row, sources)
            found.append(row)
        except Wrong as why:
            tell(row, False, why, time.time())
            failed += 1
    if check:
        print(f"{len(found)} apply, {failed} do not")
        return 1 if failed else 0
    if found:
        failed += run_rows(found, sources)
    print(f"{len(rows) - failed} noticed, {failed} failed, {time.time() - began:.0f} s")
    return 1 if failed else 0


def stop(*_):
    hold_off()
    raise KeyboardInterrupt


if __name__ == "__main__":
    for end in ENDS:
        signal.signal(end, stop)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
