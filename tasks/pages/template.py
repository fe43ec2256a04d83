"""Pages from the templates beside this file, each whole in itself: styles and scripts are written into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["file"] = _file
    return environment.get_template(template).render(**values)


def _file(name: str) -> str:
    return (FOLDER / name).read_text()
