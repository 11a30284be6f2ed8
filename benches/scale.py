#!/usr/bin/env python3
"""Measure what `art` costs where no file is large: answers about many versions, syncs, memory.

    scale.py [--versions N] [--runs N] [--root DIR] [--data DIR [DIR ...]] [--only PART ...]

Prints Markdown tables for `docs/performance.md`; `art` is taken from PATH. Parts:

  commands  `art ls`, `art show NAME`, `art log NAME` on a store of N versions of one small file, and
            `art --help`: median wall time of the runs, which take turns with `true` and
            `git --version`, so that all of them meet the same noise
  syncs     fsync and fdatasync calls of a small put, counted by strace; left out without strace
  memory    peak memory of put, again and get of every workload in the folders DIR, which
            workloads.py made at different scales; the smallest scale first; left out without --data

What is made lies in a folder of its own below --root (on a tmpfs the disk is left out of the
figures), which is removed at the end. Peak memory is what the kernel notes for a process: resident
bytes, mapped files included. GNU time starts the process where it is there; without it, no figure
can be lower than the memory of this program, and such figures have a `<`.
"""

import argparse
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def gnu_time():
    """Find GNU time; others of that name do not tell memory."""
    path = shutil.which("time")
    answer = subprocess.run([path, "--version"], capture_output=True, text=True) if path else None
    return path if answer and "GNU" in answer.stdout + answer.stderr else None


ENV = {k: v for k, v in os.environ.items() if not k.startswith("ART_")}
GNU_TIME = gnu_time()
NAME = "training-data"


def run(cmd, cwd):
    """Run a command that must succeed, and return its peak memory in KiB."""
    with tempfile.NamedTemporaryFile("r") as peak, tempfile.TemporaryFile() as errors:
        timed = [GNU_TIME, "-q", "-f", "%M", "-o", peak.name] if GNU_TIME else []
        process = subprocess.Popen(timed + cmd, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, use = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"`{' '.join(map(str, cmd))}` failed:\n{errors.read().decode(errors='replace')}")
        return int(peak.read()) if GNU_TIME else use.ru_maxrss


def wall_alone(cmd, cwd):
    """Return the wall seconds of a short command, without the cost of another program round it."""
    null = os.open(os.devnull, os.O_RDWR)
    here = os.open(".", os.O_RDONLY)
    os.chdir(cwd)
    path = shutil.which(cmd[0])
    start = time.perf_counter()
    pid = os.posix_spawn(path, cmd, ENV, file_actions=[(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)])
    _, status = os.waitpid(pid, 0)
    wall = time.perf_counter() - start
    os.fchdir(here)
    os.close(here), os.close(null)
    if status:
        sys.exit(f"`{' '.join(cmd)}` failed")
    return wall


def mib(kib):
    """Show a peak in MiB; without GNU time, a process begins with the peak of the one that starts it."""
    floor = 0 if GNU_TIME else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{'< ' if kib <= floor else ''}{kib / 1024:.1f}"


def commands(a, root):
    project = root / "commands"
    project.mkdir()
    run(["art", "init"], project)
    for i in range(a.versions):
        (project / "small.txt").write_text(f"version {i}\n")
        run(["art", "put", NAME, "small.txt"], project)
    rows = [["true"], ["git", "--version"], ["art", "--help"], ["art", "ls"], ["art", "show", NAME], ["art", "log", NAME]]
    rows = [cmd for cmd in rows if shutil.which(cmd[0])]
    walls = [[] for _ in rows]
    for turn in range(a.runs + 1):
        for cmd, seen in zip(rows, walls):
            wall = wall_alone(cmd, project)
            if turn:  # The first turn warms the caches.
                seen.append(wall)
    print(f"\n### Commands on a store of {a.versions:,} versions\n")
    print("| command | median ms | fastest | slowest | peak MiB |\n| --- | --: | --: | --: | --: |")
    for cmd, seen in zip(rows, walls):
        ms = [1e3 * f(seen) for f in (statistics.median, min, max)]
        print(f"| `{' '.join(cmd)}` | {ms[0]:.1f} | {ms[1]:.1f} | {ms[2]:.1f} | {mib(run(cmd, project))} |", flush=True)


def syncs(a, root):
    if not shutil.which("strace"):
        print("syncs: strace is not there", file=sys.stderr)
        return
    project, out = root / "syncs", root / "strace"
    project.mkdir()
    run(["art", "init"], project)
    puts = [("first put of the store", "one\n"), ("next version", "two\n"), ("a third", "three\n"), ("again, unchanged", "three\n")]
    rows = []
    for what, text in puts:
        (project / "small.txt").write_text(text)
        cmd = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(out), "art", "put", NAME, "small.txt"]
        done = subprocess.run(cmd, cwd=project, env=ENV, capture_output=True, text=True)
        if done.returncode:
            print(f"syncs: strace cannot be used here:\n{done.stderr}", file=sys.stderr)
            return
        # "% time, seconds, usecs/call, calls, perhaps errors, syscall"; nothing at all without a call.
        calls = dict.fromkeys(("fsync", "fdatasync"), 0)
        for line in out.read_text().splitlines():
            words = line.split()
            if words and words[-1] in calls:
                calls[words[-1]] = int(words[3])
        rows.append(f"| {what} | {calls['fsync']} | {calls['fdatasync']} |")
    print("\n### Syncs of a put of one small file\n\n| put | fsync | fdatasync |\n| --- | --: | --: |")
    print("\n".join(rows), flush=True)


def memory(a, root):
    dirs = [d.resolve() for d in a.data or [] if d.is_dir()]
    if not dirs:
        print("memory: no --data", file=sys.stderr)
        return
    print("\n### Peak memory\n")
    print("| workload | v1 MB | put MiB | again MiB | get MiB | compared with the smallest scale |")
    print("| --- | --: | --: | --: | --: | --- |")
    for name in sorted({p.name for d in dirs for p in d.iterdir() if (p / "v1").is_dir()}):
        first = None
        for data in (d / name / "v1" for d in dirs):
            if not data.is_dir():
                continue
            project = root / "memory"
            project.mkdir()
            run(["art", "init"], project)
            put = ["art", "put", NAME, str(data)]
            peaks = [run(cmd, project) for cmd in (put, put, ["art", "get", NAME, str(project / "out")])]
            shutil.rmtree(project)
            size = sum(p.lstat().st_size for p in data.rglob("*") if p.is_file())
            ratio = ", ".join(f"{p / f:.2f}" for p, f in zip(peaks, first)) if first else ""
            first = first or peaks
            print(f"| {name} | {size / 1e6:,.0f} | {' | '.join(map(mib, peaks))} | {ratio} |", flush=True)


PARTS = {"commands": commands, "syncs": syncs, "memory": memory}

if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--versions", type=int, default=1000)
    ap.add_argument("--runs", type=int, default=20)
    ap.add_argument("--root", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()))
    ap.add_argument("--data", type=pathlib.Path, nargs="+")
    ap.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    args = ap.parse_args()
    if not shutil.which("art"):
        sys.exit("`art` is not on PATH")
    with tempfile.TemporaryDirectory(prefix="art-scale-", dir=args.root) as made:
        for part in args.only:
            PARTS[part](args, pathlib.Path(made))
