#!/usr/bin/env python3
"""Measure what `art ls --all-branches` costs in a git repo of many branches.

    branches.py [--branches B] [--records R] [--own O] [--runs N] [--root DIR] [--made-only]

Makes a repo with a store: one version is put, and its record written again under other numbers into ten
artifacts, R records in all, on `main` and on B branches. On each branch the last O of them are its own, so
that there are R + B * O records; all is packed, as after a clone. Then it times, medians of N runs,
`art ls`, `art ls --all-branches`, `art ls NAME --all-branches`, and `art show` of a version that only another
branch has, which fails and says so, and prints a Markdown table for `docs/performance.md`. `art` is taken
from PATH; blake3 (pip install blake3) names the records. `--made-only` leaves the repo where it is.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import blake3

from records import canonical

ENV = {k: v for k, v in os.environ.items() if not k.startswith(("ART_", "GIT_"))}
ENV |= {f"GIT_{role}_{what}": "bench@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ARTIFACTS = 10


def run(cmd, cwd, **more):
    return subprocess.run(cmd, cwd=cwd, env=ENV, check=True, capture_output=True, **more).stdout


def record(base, branch, serial):
    """Return where a record lies in the store, and its line."""
    artifact, number = f"model-{serial % ARTIFACTS}", serial // ARTIFACTS
    line = canonical({**base, "artifact": artifact, "number": number, "description": f"trained on {branch}",
                      "metadata": {"acc": serial * 7919 % 1009 / 1009, "epochs": serial % 40, "lr": 0.0003}})
    return f".artifacts/refs/{artifact}/versions/{number}.{blake3.blake3(line).hexdigest()[:16]}", line


def make(project, branches, records, own):
    """Make the repo; returns a ref that only the last branch has."""
    project.mkdir(parents=True)
    run(["git", "init", "-q", "-b", "main"], project)
    run(["art", "init"], project)
    (project / "small.txt").write_text("weights\n")
    run(["art", "put", "model-0", "small.txt", "--type", "model"], project)
    first = next((project / ".artifacts/refs/model-0/versions").iterdir())
    base = json.loads(first.read_text())
    first.unlink()
    shared = [record(base, "main", serial) for serial in range(records - own)]
    for path, line in shared + [record(base, "main", serial) for serial in range(records - own, records)]:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(line)
    run(["git", "add", "-A"], project)
    run(["git", "commit", "-q", "-m", "records"], project)
    stream, last = [], None
    for branch in range(branches):
        name = f"branch-{branch:03}"
        stream.append(f"commit refs/heads/{name}\ncommitter b <b@localhost> 0 +0000\ndata 1\nb\nfrom refs/heads/main\n".encode())
        for serial in range(records - own, records):
            gone, (path, line) = record(base, "main", serial)[0], record(base, name, serial)
            stream.append(f"D {gone}\nM 100644 inline {path}\ndata {len(line)}\n".encode() + line)
            last = path
    run(["git", "fast-import", "--quiet"], project, input=b"".join(stream))
    run(["git", "repack", "-adq"], project)
    return f"{last.split('/')[2]}@{last.rsplit('.', 1)[1]}"


def timed(cmd, cwd):
    start = time.perf_counter()
    code = subprocess.run(cmd, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    if code not in (0, 3):
        sys.exit(f"`{' '.join(cmd)}` failed")
    return time.perf_counter() - start


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--branches", type=int, default=100)
    ap.add_argument("--records", type=int, default=1000)
    ap.add_argument("--own", type=int, nargs="+", default=[10, 500])
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--root", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()))
    ap.add_argument("--made-only", action="store_true")
    a = ap.parse_args()
    if not shutil.which("art"):
        sys.exit("`art` is not on PATH")
    for own in a.own:
        project = a.root / f"branches-{own}"
        shutil.rmtree(project, ignore_errors=True)
        other = make(project, a.branches, a.records, own)
        if a.made_only:
            continue
        print(f"\n| {a.branches} branches of {a.records:,} records, {own} of their own | median s |\n| --- | --: |")
        for cmd in (["ls"], ["ls", "--all-branches"], ["ls", "model-0", "--all-branches"], ["show", other]):
            median = statistics.median(timed(["art", *cmd], project) for _ in range(a.runs))
            print(f"| `art {' '.join(cmd)}` | {median:.2f} |", flush=True)
        shutil.rmtree(project)
