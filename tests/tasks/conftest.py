"""Small projects to build, without and with the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"SLUICE_CACHE": "off"})


@pytest.fixture
def cached_project(tmp_path: Path) -> Project:
    (tmp_path / "here").mkdir()
    return Project(tmp_path / "here", {"SLUICE_CACHE": "on", "XDG_CACHE_HOME": str(tmp_path / "cache")})
