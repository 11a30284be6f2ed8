#!/usr/bin/env python3
"""Time `art lineage` in every format, for docs/performance.md, on stores of N runs and versions.

    lineage.py --root DIR [--nodes N] [--times T]

Three shapes, each with all N in one lineage: `fan`, a version that N/2 runs used, each for a version of
its own; `project`, N/2 runs in 50 rows, each of which used the base and what the run before it made;
`chain`, N/2 runs in one row. Their records are written here, as another program might, since runs
one by one would take long; needs the Python package `blake3`. Takes `art` from PATH. The medians of wall
and CPU seconds and the largest peak memory of T runs are printed, and the bytes of the output; everything
was read once before. `cat` reads the same records and does nothing with them; `run show` finds a run by
its name.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time

import blake3

FORMATS = ("text", "json", "dot", "mermaid", "svg", "html")


class Store:
    """Records of runs and versions, written into a store as they are made."""

    def __init__(self, path):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        subprocess.run(["art", "init"], cwd=path, check=True, stdout=subprocess.DEVNULL)
        self.path, self.runs, self.numbers = path, 0, {}

    def record(self, folder, seq, fields):
        """Writes a record and returns its id."""
        line = json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n"
        name = blake3.blake3(line.encode()).hexdigest()
        folder = os.path.join(self.path, ".artifacts", folder)
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{seq}.{name[:16]}", "w") as file:
            file.write(line)
        return name

    def version(self, artifact, run=None):
        """Writes the next version of an artifact; what it holds is not here, and is not asked for."""
        number, parent = self.numbers.get(artifact, (0, None))
        digest = blake3.blake3(f"{artifact} {number}".encode()).hexdigest()
        fields = {"artifact": artifact, "created_at": moment(self.runs), "file_count": 1, "kind": "version", "manifest": digest,
                  "metadata": {"acc": 0.9, "epoch": number}, "number": number, "size_bytes": 1000,
                  "stored_bytes": 1000, "type": "model", **({"parents": [parent]} if parent else {}), **({"run": run} if run else {})}
        version = self.record(f"refs/{artifact}/versions", number, fields)
        self.numbers[artifact] = number + 1, version
        return {"artifact": artifact, "digest": digest, "version": version}

    def run(self, inputs, output):
        """Writes a run that used versions and made one."""
        run, when = f"{0x019A00000000 + self.runs:012x}-7000-8000-000000000000", moment(self.runs)
        run = f"{run[:8]}-{run[8:]}"
        self.runs += 1
        facts = [{"config": {"lr": 0.001, "seed": self.runs}, "start": {"job_type": "train", "mode": "open", "name": f"train-{self.runs}"}}]
        facts += [{"input": {**version, "as": role}} for role, version in inputs]
        facts += [{"end": {"exit_code": 0}}]
        for seq, fact in enumerate(facts):
            self.record(f"runs/{run}", seq, {"created_at": when, "kind": "run", "run": run, "seq": seq, **fact})
        return self.version(output, run)


def moment(number):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_780_000_000 + 60 * number))


def fan(store, count):
    base = store.version("base")
    for number in range(count):
        store.run([("data", base)], f"model-{number % 50:02}")


def project(store, count):
    base = store.version("base")
    last = [base] * 50
    for number in range(count):
        row = number % 50
        last[row] = store.run([("data", base), ("start", last[row])][: 1 if last[row] is base else 2], f"model-{row:02}")


def chain(store, count):
    last = store.version("base")
    for _ in range(count):
        last = store.run([("start", last)], "model")


def measure(command, cwd, times):
    """Returns the median wall and CPU seconds, the largest peak in MiB and the length of what is printed."""
    walls, work, peaks = [], [], []
    for _ in range(times + 1):
        with open(os.path.join(cwd, "out"), "wb") as out:
            started = time.monotonic()
            child = subprocess.Popen(command, cwd=cwd, stdout=out)
            _, status, usage = os.wait4(child.pid, 0)
            walls.append(time.monotonic() - started)
            work.append(usage.ru_utime + usage.ru_stime)
            peaks.append(usage.ru_maxrss / 1024)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit(f"{command} ended with exit code {child.returncode}")
    return statistics.median(walls[1:]), statistics.median(work[1:]), max(peaks), os.path.getsize(os.path.join(cwd, "out"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="a folder to work in, best in memory")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    print("| shape | form | seconds | CPU seconds | peak MiB | bytes |\n| --- | --- | --: | --: | --: | --: |")
    for shape in (fan, project, chain):
        path = os.path.join(args.root, f"lineage-{shape.__name__}")
        shape(Store(path), args.nodes // 2)
        commands = [("`cat`", ["find", ".artifacts/refs", ".artifacts/runs", "-type", "f", "-exec", "cat", "{}", "+"])]
        commands += [(form, ["art", "lineage", "base", "--format", form]) for form in FORMATS]
        commands += [("svg --all", ["art", "lineage", "base", "--format", "svg", "--all"])]
        commands += [("`run show`", ["art", "run", "show", f"train-{args.nodes // 2}"])]
        for form, command in commands:
            wall, work, peak, length = measure(command, path, args.times)
            print(f"| {shape.__name__} | {form} | {wall:.2f} | {work:.2f} | {peak:.0f} | {length} |", flush=True)
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
