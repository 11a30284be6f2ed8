#!/usr/bin/env python3
"""Times `sync`, `push` and `clone` beside `cp` and `rsync`: the tables of "Copies" in docs/performance.md.

    copies.py --root DIR --data DIR [--files N] [--versions N] [--runs N] [--only PART ...] [--ssh HOST [--port N]]

Takes `art` and `rsync` from PATH. Parts:

  idle   two equal copies of a store of N files of a chunk each, and N versions: `art sync` with nothing to do
  push   a version of each workload (`workloads.py` makes them) into an empty directory, beside `cp -r` of its packs and
         `art clone` beside `cp -a` of the store; in turns
  ssh    the same to HOST, beside `rsync -a` of the store, through the `ssh` of the user; left out without --ssh, which
         must lead to this computer, by key

What is printed is the median of the wall seconds. DIR of --root is best on a tmpfs, for a disk that syncs takes most of
the time. blake3 (pip install blake3) names records.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import records


def timed(command, cwd):
    """Runs a command that must succeed; returns its wall seconds."""
    start = time.perf_counter()
    ran = subprocess.run([str(word) for word in command], cwd=cwd, env=records.ENV, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall = time.perf_counter() - start
    if ran.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` failed:\n{ran.stderr.decode(errors='replace')}")
    return wall


def in_turns(commands, cwd, runs, made):
    """Runs commands one after the other, again and again; returns the median seconds of each."""
    walls = [[] for _ in commands]
    for _ in range(runs):
        for command, seconds in zip(commands, walls):
            shutil.rmtree(made, ignore_errors=True)
            seconds.append(timed(command, cwd))
    shutil.rmtree(made, ignore_errors=True)
    return [statistics.median(seconds) for seconds in walls]


def idle(args):
    path = args.root / "idle"
    shutil.rmtree(path, ignore_errors=True)
    records.make(path, args.versions, 10)
    for number in range(args.files):
        folder = path / "d" / f"{number // 1000:04}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number % 1000:03}").write_text(f"{number} unique content of a small file")
    timed(["art", "put", "big", "d"], path)
    shutil.rmtree(path / "d")
    shutil.copytree(path / ".artifacts", path / "copy", ignore=shutil.ignore_patterns("local"))
    first = timed(["art", "sync", "copy"], path)
    walls = [timed(["art", "sync", "copy"], path) for _ in range(args.runs)]
    print(f"\n| `art sync` of two copies with {args.versions:,} versions and {args.files:,} chunks, nothing to do | seconds |")
    print("| --- | --: |")
    print(f"| the first, of copies made by `cp` | {first:.2f} |\n| later | {statistics.median(walls):.2f} |", flush=True)
    shutil.rmtree(path)


def stores(args):
    """Makes a store of the first version of each workload, and yields its name and project."""
    for source in sorted(args.data.iterdir()):
        path = args.root / "push"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        timed(["art", "put", "--init", "data", source / "v1" if (source / "v1").is_dir() else source], path)
        yield source.name, path
        shutil.rmtree(path)


def push(args):
    print("\n| seconds | `cp -r` of the packs | `art push --init` | its speed by that of `cp -r` | `cp -a` of the store | `art clone` | its speed |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name, path in stores(args):
        out = path / "out"
        copied, pushed, whole, cloned = in_turns(
            [["cp", "-r", ".artifacts/packs", out], ["art", "push", "--init", out], ["cp", "-a", ".artifacts", out],
             ["art", "clone", ".artifacts", out]], path, args.runs, out)
        print(f"| {name} | {copied:.3f} | {pushed:.3f} | {copied / pushed:.2f} | {whole:.3f} | {cloned:.3f} | {whole / cloned:.2f} |", flush=True)


def ssh(args):
    print("\n| seconds, by ssh | `rsync -a` of the store | `art push --init` | its speed by that of `rsync` |")
    print("| --- | --: | --: | --: |")
    port = ["-p", str(args.port)] if args.port else []
    for name, path in stores(args):
        out = path / "out"
        remote = f"ssh://{args.ssh}{':' + str(args.port) if args.port else ''}{out}"
        rsync = ["rsync", "-a", "--exclude=local", "-e", " ".join(["ssh", *port]), ".artifacts/", f"{args.ssh}:{out}"]
        copied, pushed = in_turns([rsync, ["art", "push", "--init", remote]], path, args.runs, out)
        print(f"| {name} | {copied:.3f} | {pushed:.3f} | {copied / pushed:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=["idle", "push", "ssh"], default=["idle", "push", "ssh"])
    parser.add_argument("--ssh")
    parser.add_argument("--port", type=int)
    args = parser.parse_args()
    args.root = args.root.resolve()
    if "idle" in args.only:
        idle(args)
    if args.data and "push" in args.only:
        push(args)
    if args.data and args.ssh and "ssh" in args.only:
        ssh(args)


if __name__ == "__main__":
    main()
