"""Tests run with one seed and two threads, wherever they run."""

import os
import signal

import pytest

# A shell starts what runs in the background with SIGINT ignored, and the processes that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["SLUICE_CACHE"] = "off"  # no test depends on what was built before, or leaves anything behind


@pytest.fixture(autouse=True)
def seeded():
    import torch

    torch.manual_seed(0)
