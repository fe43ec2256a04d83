"""A flame graph as one SVG file: frames tell of themselves under the pointer, a click on one shows it in full width."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT, LETTER = 1200, 20, 6.7  # of the picture, of a frame, of a letter, in pixels

STYLE = """
text { font: 11px monospace; pointer-events: none }
rect { stroke: white; stroke-width: 0.5; cursor: pointer }
rect:hover { stroke: black }
"""

# Each frame knows where it begins and how wide it is, as a part of the whole.
SCRIPT = """
const frames = [...document.querySelectorAll("g")];
function show(begin, width) {
  for (const frame of frames) {
    const left = (frame.dataset.begin - begin) / width, part = frame.dataset.width / width;
    const from = Math.max(left, 0) * WIDTH, size = Math.min(left + part, 1) * WIDTH - from;
    const [rect, text] = [frame.querySelector("rect"), frame.querySelector("text")];
    frame.style.display = size > 0.01 ? "" : "none";
    rect.setAttribute("x", from);
    rect.setAttribute("width", Math.max(size, 0));
    text.setAttribute("x", from + 3);
    text.textContent = frame.dataset.label.slice(0, Math.max(0, Math.floor((size - 6) / LETTER)));
  }
}
for (const frame of frames)
  frame.addEventListener("click", () => show(+frame.dataset.begin, +frame.dataset.width));
show(0, 1);
"""


@dataclass
class Frame:
    """`value` is its time in milliseconds, its children's included."""

    label: str
    value: float
    note: str = ""
    children: list[Frame] = field(default_factory=list)


def depth(frame: Frame) -> int:
    return 1 + max(map(depth, frame.children), default=0)


def write(path: Path, root: Frame) -> None:
    script = SCRIPT.replace("WIDTH", str(WIDTH)).replace("LETTER", str(LETTER))
    frames = "\n".join(_drawn(root, root.value, 0.0, 0))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * depth(root)}" '
        f'width="{WIDTH}" height="{HEIGHT * depth(root)}">\n'
        f"<style>{STYLE}</style>\n{frames}\n<script><![CDATA[{script}]]></script>\n</svg>\n"
    )


def _drawn(frame: Frame, whole: float, begin: float, level: int) -> Sequence[str]:
    """A frame and, below it, its children beside each other. The root is on top, as callers are."""
    width = frame.value / whole
    x, y = begin * WIDTH, level * HEIGHT
    shown = frame.label[: max(0, int((width * WIDTH - 6) / LETTER))]
    said = f"{frame.label}\n{frame.value:.4g} ms, {100 * width:.1f} %" + (f"\n{frame.note}" if frame.note else "")
    lines = [
        f'<g data-begin="{begin:.6f}" data-width="{width:.6f}" data-label={quoteattr(frame.label)}>'
        f"<title>{escape(said)}</title>"
        f'<rect x="{x:.2f}" y="{y}" width="{width * WIDTH:.2f}" height="{HEIGHT}" fill="{_color(frame.label)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + 14}">{escape(shown)}</text></g>'
    ]
    for child in sorted(frame.children, key=lambda child: -child.value):
        lines += _drawn(child, whole, begin, level + 1)
        begin += child.value / whole
    return lines


def _color(label: str) -> str:
    """The same for the same label; grey where nothing is done."""
    return "#cccccc" if label == "waiting" else f"hsl({zlib.crc32(label.encode()) % 55}, 85%, 65%)"
