"""A compiled model and PyTorch eager, in turns and with the same threads, so that a noisy machine is noisy for both."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROUNDS = 7


def main() -> int:
    options = _arguments()
    times: dict[str, list[float]] = {"sluice": [], "eager": []}
    eager = _start_eager(options)
    for _ in range(ROUNDS):
        figures = _run(options)
        times["sluice"].append(figures["median_ms"])
        times["eager"].append(_ask(eager, options.iterations))
    assert eager.stdin
    eager.stdin.close()
    eager.wait()
    ratios = sorted(e / s for s, e in zip(times["sluice"], times["eager"], strict=True))
    rows = {name: {"median_ms": statistics.median(t), "rounds_ms": t} for name, t in times.items()}
    result = {"model": options.model, "threads": options.threads, "rows": rows, "speedup": statistics.median(ratios)}
    Path(options.output).write_text(json.dumps(result, indent=1) + "\n")
    for name, t in times.items():
        print(f"{name:8s} median {statistics.median(t):9.3f} ms   rounds {min(t):.3f} to {max(t):.3f}")
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f} by round"
    print(f"sluice is {statistics.median(ratios):.2f} times as fast ({spread}), {options.threads} threads")
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        counts = [
            "--threads",
            str(options.threads),
            "--iterations",
            str(options.iterations),
            "--warmup",
            str(options.warmup),
        ]
        subprocess.run([options.executable, *counts, "--json", file.name], check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(file.name).read_text())


def _start_eager(options: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "frontend.capture.eager", options.model, str(options.threads), *options.set]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _ask(process, options.warmup)
    return process


def _ask(process: subprocess.Popen[str], iterations: int) -> float:
    """The median of so many calls, in ms; the process waits for its next line meanwhile."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{iterations}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"PyTorch eager ended with status {process.wait()}")
    return float(answer)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executable")
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
