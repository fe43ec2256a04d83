"""Tests run with one seed and two threads, wherever they run."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["SLUICE_CACHE"] = "off"  # no test depends on what was built before, or leaves anything behind


@pytest.fixture(autouse=True)
def seeded():
    import torch

    torch.manual_seed(0)
