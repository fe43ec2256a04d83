"""PyTorch eager as something to measure against: `python -m frontend.capture.eager MODEL THREADS [NAME=VALUE ...]`

For each number on standard input it calls the model so many times and prints the median in milliseconds.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time

import torch

from frontend.capture.model import configure


def main() -> None:
    name, threads, *settings = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = importlib.import_module(f"model.{name}")
    config = configure(model, dict(word.split("=", 1) for word in settings))
    module, inputs = model.build(config), model.inputs(config)
    with torch.no_grad():
        for line in sys.stdin:
            times = []
            for _ in range(int(line)):
                begin = time.perf_counter()
                module(**inputs)
                times.append(time.perf_counter() - begin)
            print(statistics.median(times) * 1e3, flush=True)


if __name__ == "__main__":
    main()
