"""Times `art gc`, `art fsck`, drafts and `art diff` for docs/performance.md: on a million small files, and on the
workloads beside `b3sum` and `art get`. Takes `art` and `b3sum` from PATH."""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import time


def run(args, cwd):
    """Runs a command; returns its wall seconds and its peak memory in MiB."""
    started = time.monotonic()
    child = subprocess.Popen(args, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{args} ended with exit code {child.returncode}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def median(args, cwd, times):
    results = [run(args, cwd) for _ in range(times)]
    return statistics.median(wall for wall, _ in results), max(peak for _, peak in results)


def in_turns(commands, cwd, times):
    """Runs commands one after the other, again and again; returns the median seconds of each."""
    walls = [[] for _ in commands]
    for _ in range(times):
        for command, wall in zip(commands, walls):
            wall.append(run(command, cwd)[0])
            shutil.rmtree(os.path.join(cwd, "out"), ignore_errors=True)
    return [statistics.median(wall) for wall in walls]


def project(root, name):
    path = os.path.join(root, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    run(["art", "init"], path)
    return path


def small_files(root, name, folders):
    """Makes a project whose store holds some thousands of small files, in folders of 1,000."""
    path = project(root, name)
    for folder in range(folders):
        os.makedirs(f"{path}/d/{folder:03}")
        for number in range(1000):
            with open(f"{path}/d/{folder:03}/{number:03}", "w") as file:
                file.write(f"{folder * 1000 + number} unique content of a small file")
    run(["art", "put", "big", "d"], path)
    return path


def million(root, times):
    path = small_files(root, "million", 1000)
    print("\n| 10^6 files of a chunk each | seconds | peak MiB |\n| --- | --: | --: |")
    for command in (["gc"], ["fsck", "--quick"], ["fsck"], ["fsck", "--deep"], ["du"]):
        wall, peak = median(["art", *command], path, times)
        print(f"| `art {' '.join(command)}` | {wall:.2f} | {peak:.0f} |", flush=True)
    drafts(path, times)
    diffs({"10^5": small_files(root, "hundred-thousand", 100), "10^6": path}, times)


def drafts(path, times):
    """One file of the million changes: put the directory again, or only the file onto the version."""
    print("\n| one of 10^6 files changed | seconds | peak MiB | bytes written | files opened |\n| --- | --: | --: | --: | --: |")
    os.makedirs(f"{path}/one")
    whole = (["art", "put", "big", "d"], f"{path}/d/500/500")
    draft = (["art", "put", "big", "one", "--onto", "big", "--at", "500"], f"{path}/one/500")
    for label, (command, file) in (("`put` of the directory", whole), ("`put --onto` of the file", draft)):
        walls, peaks, sizes, opened = [], [], [], 0
        for number in range(times + 1):
            with open(file, "w") as out:
                out.write(f"{label}, changed {number} times")
            before = stored(path)
            if number < times:
                wall, peak = run(command, path)
                walls, peaks = walls + [wall], peaks + [peak]
            else:
                trace = f"{path}/trace"
                run(["strace", "-f", "-o", trace, "-e", "trace=openat", *command], path)
                with open(trace) as lines:
                    opened = sum(" = -1 " not in line and "openat(" in line for line in lines)
            sizes.append(stored(path) - before)
        wall = statistics.median(walls)
        print(f"| {label} | {wall:.3f} | {max(peaks):.0f} | {max(sizes)} | {opened} |", flush=True)


def diffs(paths, times):
    """One file of many changes: two versions are compared, and a version with the directory it was put from."""
    print("\n| one file changed of | two versions, s | peak MiB | with the directory, s | peak MiB |\n| --- | --: | --: | --: | --: |")
    for count, path in paths.items():
        with open(f"{path}/d/050/500", "w") as file:
            file.write("changed")
        run(["art", "put", "big", "d"], path)
        versions, directory = median(["art", "diff", "big~1", "big"], path, times), median(["art", "diff", "big~1", "./d"], path, times)
        print(f"| {count} | {versions[0]:.4f} | {versions[1]:.0f} | {directory[0]:.3f} | {directory[1]:.0f} |", flush=True)
        shutil.rmtree(path)


def stored(path):
    """Returns the bytes of all files that sync."""
    parts = (f"{path}/.artifacts/{part}" for part in ("packs", "meta", "refs"))
    return sum(os.lstat(os.path.join(top, file)).st_size for part in parts for top, _, files in os.walk(part) for file in files)


def workloads(root, data, times):
    print("\n| seconds | b3sum of the packs | `fsck` | speed of b3sum | `fsck --deep` | `get` | speed of get |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name in sorted(os.listdir(data)):
        path = project(root, name)
        run(["art", "put", "d", os.path.join(data, name)], path)
        packs = [os.path.join(top, file) for part in ("packs", "meta")
                 for top, _, files in os.walk(f"{path}/.artifacts/{part}") for file in files]
        # In turns, so that what else the machine does meets each of them alike.
        b3sum = ["b3sum", "--num-threads", str(os.cpu_count()), *packs]
        hashed, full = in_turns([b3sum, ["art", "fsck"]], path, 5 * times)
        deep, got = in_turns([["art", "fsck", "--deep"], ["art", "get", "d", "out"]], path, times)
        print(f"| {name} | {hashed:.3f} | {full:.3f} | {hashed / full:.0%} | {deep:.2f} | {got:.2f} | {got / deep:.0%} |", flush=True)
        shutil.rmtree(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="a folder to work in, best in memory")
    parser.add_argument("--data", required=True, help="what workloads.py made")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    million(args.root, args.times)
    workloads(args.root, args.data, args.times)


if __name__ == "__main__":
    main()
