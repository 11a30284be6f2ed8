#!/usr/bin/env python3
"""Measure what commands that read records cost on a store of many versions.

    records.py [--versions N] [--artifacts A [A ...]] [--runs R] [--root DIR] [--made-only]

For each A, makes a store of N versions over A artifacts: one version is put, and its record written
again under other numbers and names, each with five values of metadata and a git state, every tenth with
a tag; one artifact in ten has an alias, so that there are as many records as versions and a few more.
`art put` would take minutes for as many. A last put, which changes nothing, writes the record cache. Then
it times, in turns, `art ls`, `art ls NAME`, `art show NAME`, `art log NAME` and `art find`, with the cache
and without it, and prints a Markdown table for `docs/performance.md`: the wall time, and the processor time
of all threads, which other programs on the machine disturb less. `art` is taken from PATH; blake3 (pip install blake3) names the records. `--made-only` leaves the stores where they are.
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

ENV = {k: v for k, v in os.environ.items() if not k.startswith("ART_")}
QUERY = "type:model metadata.acc>0.9 tag:prod created<36500d size<1GB"


def canonical(record):
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def make(project, versions, artifacts):
    """Make the store; returns the name of an artifact in it."""
    project.mkdir()
    (project / "small.txt").write_text("weights\n")
    subprocess.run(["art", "init"], cwd=project, env=ENV, check=True, capture_output=True)
    subprocess.run(["art", "put", "model-0000", "small.txt", "--type", "model"], cwd=project, env=ENV, check=True, capture_output=True)
    refs = project / ".artifacts" / "refs"
    first = next((refs / "model-0000" / "versions").iterdir())
    base = json.loads(first.read_text())
    first.unlink()
    for artifact in range(artifacts):
        name, parents = f"model-{artifact:04}", []
        folder = refs / name / "versions"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(versions // artifacts):
            serial = artifact * (versions // artifacts) + number
            at = time.gmtime(1_760_000_000 + 60 * serial)
            record = {
                **base,
                "artifact": name,
                "created_at": time.strftime("%Y-%m-%dT%H:%M:%S", at) + f".{serial % 100000:05}1Z",
                "description": f"trained with settings {serial % 97}",
                "git": {"branch": "main", "commit": blake3.blake3(str(serial).encode()).hexdigest()[:40], "dirty": serial % 3 == 0},
                "metadata": {"acc": serial * 7919 % 1009 / 1009, "epochs": serial % 40, "eval": {"f1": serial % 100 / 100, "loss": 1.25},
                             "lr": 0.0003, "optimizer": "adamw"},
                "number": number,
                "size_bytes": 8 + serial,
            }
            if parents:
                record["parents"] = parents
            if serial % 10 == 0:
                record["tags"] = ["prod"]
            line = canonical(record)
            digest = blake3.blake3(line).hexdigest()
            parents = [digest]
            path = folder / f"{number}.{digest[:16]}"
            path.write_bytes(line)
            path.chmod(0o444)
        if artifact % 10 == 0:
            subprocess.run(["art", "alias", "set", f"{name}:v0", "best"], cwd=project, env=ENV, check=True, capture_output=True)
    subprocess.run(["art", "put", "model-0000", "small.txt"], cwd=project, env=ENV, check=True, capture_output=True)
    return "model-0000"


def timed(cmd, cwd):
    """Return the wall and the processor seconds of a command."""
    start = time.perf_counter()
    child = subprocess.Popen(cmd, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, use = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"`{' '.join(cmd)}` failed")
    return wall, use.ru_utime + use.ru_stime


def measure(project, name, runs, title):
    rows = [["art", "ls"], ["art", "ls", name], ["art", "show", name], ["art", "log", name], ["art", "find", QUERY],
            ["art", "find", "--sort", "-metadata.acc", "--limit", "5"]]
    cache = next((project / ".artifacts" / "local").glob("*/records"))
    aside = cache.with_name("records-aside")
    seen = [([], []) for _ in rows]
    for turn in range(runs + 1):
        for at, (here, there) in enumerate([(cache, aside), (aside, cache)]):
            if not here.exists():
                there.rename(here)
            for cmd, times in zip(rows, seen):
                times[at].append(timed(cmd, project))
    print(f"\n| {title} | median ms | fastest | processor ms | without the cache | fastest | processor ms |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for cmd, both in zip(rows, seen):
        shown = " ".join(f"'{word}'" if " " in word else word for word in cmd)
        cells = []
        for times in both:
            walls, cpus = zip(*times[1:])  # The first turn warms the caches.
            cells += [statistics.median(walls), min(walls), statistics.median(cpus)]
        print(f"| `{shown}` | " + " | ".join(f"{1e3 * cell:.1f}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--versions", type=int, default=10_000)
    ap.add_argument("--artifacts", type=int, nargs="+", default=[10, 1000])
    ap.add_argument("--runs", type=int, default=20)
    ap.add_argument("--root", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()))
    ap.add_argument("--made-only", action="store_true")
    a = ap.parse_args()
    if not shutil.which("art"):
        sys.exit("`art` is not on PATH")
    for artifacts in a.artifacts:
        project = a.root / f"records-{artifacts}"
        shutil.rmtree(project, ignore_errors=True)
        name = make(project, a.versions, artifacts)
        if not a.made_only:
            measure(project, name, a.runs, f"{a.versions:,} versions of {artifacts:,} artifacts")
            shutil.rmtree(project)
