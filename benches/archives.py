"""Times bundles, exports and imports beside `cp`, `tar` and `zip`: the tables of "Bundles and archives" in
docs/performance.md.

    archives.py --root TMPFS --data DIR [--runs N] [--only WORKLOAD ...] [--without STEP ...]

Takes `art` from PATH, and v1 of each workload from DIR (`workloads.py` makes them). The steps of a workload take turns,
N rounds of them; what is printed is the median of the wall seconds, and the largest peak. TMPFS needs about eight times
the size of the largest workload. Needs only the standard library.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import time


def timed(command, **options):
    """Runs a command and returns its wall seconds, CPU seconds and peak MiB."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        raise SystemExit(f"{command} ended with {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def clear(*paths):
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def steps(source, root):
    """Yields for each step its name, what it makes, and its command."""
    store, out = root / "store", root / "out"
    art = ["art", "--store", store]
    fresh = ["art", "--store", out]
    bundle, tar = root / "kept.artb", root / "kept.tar"
    yield "cp -r packs", out, ["cp", "-r", store / "packs", out]
    yield "bundle create", out, art + ["bundle", "create", out]
    yield "bundle verify", out, art + ["bundle", "verify", bundle]
    yield "bundle unpack --init", out, fresh + ["bundle", "unpack", "--init", bundle]
    yield "get", out, art + ["get", "data", out]
    yield "tar c", out, ["tar", "cf", out, "-C", source, "."]
    yield "export --format tar", out, art + ["export", "data", "--format", "tar", "-o", out]
    yield "export --format tar.zst", out, art + ["export", "data", "--format", "tar.zst", "-o", out]
    yield "export --format zip", out, art + ["export", "data", "--format", "zip", "-o", out]
    yield "zip -r", root / "out.zip", ["sh", "-c", f"cd {source} && zip -qr {root / 'out.zip'} ."]
    yield "tar x", out, ["sh", "-c", f"mkdir {out} && tar xf {tar} -C {out}"]
    yield "put --init", out, fresh + ["put", "--init", "data", source]
    yield "import --init", out, fresh + ["import", "--init", "data", tar]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["images", "table", "weights"])
    parser.add_argument("--without", nargs="*", default=[], help="steps to leave out, by a part of their names")
    options = parser.parse_args()
    print("| workload | step | wall s | CPU s | peak MiB | MB made |\n| --- | --- | --: | --: | --: | --: |")
    for workload in options.only:
        source, root = (options.data / workload / "v1").resolve(), options.root.resolve() / workload
        clear(root)
        root.mkdir(parents=True)
        subprocess.run(["art", "--store", root / "store", "put", "--init", "data", source], check=True, stdout=subprocess.DEVNULL)
        for name in ["bundle create", "export --format tar"]:
            kept = root / ("kept.artb" if name == "bundle create" else "kept.tar")
            command = next(command for step, _, command in steps(source, root) if step == name)
            timed([kept if part == root / "out" else part for part in command])
        found = {}
        for _ in range(options.runs):
            for name, made, command in steps(source, root):
                if any(part in name for part in options.without):
                    continue
                clear(made)
                figures = timed(command)
                size = sum(path.stat().st_size for path in ([made] if made.is_file() else made.rglob("*")) if path.is_file()) if made.exists() else 0
                found.setdefault(name, []).append(figures + (size,))
                clear(made)
        for name, runs in found.items():
            wall, cpu = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            peak, size = max(run[2] for run in runs), runs[0][3] / 1e6
            print(f"| {workload} | `{name}` | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {size:.1f} |", flush=True)
        clear(root)


main()
