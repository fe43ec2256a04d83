"""Runs last: no operator is registered without a test that compares it with PyTorch on numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontend.lower import REGISTRIES


def test_every_registered_operator_was_run(request: pytest.FixtureRequest, lowered: set[str]) -> None:
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    if not here <= {item.path.name for item in request.session.items}:
        pytest.skip("tells something only after the other tests of this folder")
    registered = {operator for registry in REGISTRIES for operator in registry}
    assert registered - lowered == {"sluice.call"}  # test_driver.py has that
