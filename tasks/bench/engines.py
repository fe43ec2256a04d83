"""What is measured, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata


@dataclass(frozen=True)
class Engine:
    """`module` is its process, see `runner.engines.serve`, and `packages` are what that imports, itself first.

    needs: what is exported for it, see `frontend.capture.engines.export`.
    alone: it runs on one thread, whatever the others have: to tell what more threads gain.
    """

    name: str
    module: str
    packages: tuple[str, ...] = ()
    needs: str = ""
    options: dict[str, bool] = field(default_factory=dict)
    ours: bool = False
    parallel: bool = True  # else our executable with parallel=off
    alone: bool = False

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.packages if _version(name) is None]

    @property
    def version(self) -> str | None:
        """That of the package which is measured; None for our own."""
        return _version(self.packages[0]) if self.packages else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


TORCH = "frontend.capture.engines"
INDUCTOR = (f"{TORCH}.inductor", ("torch",))
IREE = ("runner.engines.iree_runtime", ("iree-base-compiler", "iree-base-runtime"))
ONNX = ("onnx", "onnxscript")  # what PyTorch exports with

ENGINES = (
    Engine("sluice", "runner.engines.executable", ours=True),
    Engine("sluice-one-thread", "runner.engines.executable", ours=True, alone=True),
    Engine("sluice-callable", f"{TORCH}.callable", ours=True),
    Engine("eager", f"{TORCH}.eager", ("torch",)),
    Engine("compile", *INDUCTOR),
    Engine("compile-freezing", *INDUCTOR, options={"freezing": True}),
    Engine("compile-autotune", *INDUCTOR, options={"max_autotune": True}),
    Engine("compile-autotune-freezing", *INDUCTOR, options={"max_autotune": True, "freezing": True}),
    Engine("onnxruntime", "runner.engines.onnx_runtime", ("onnxruntime", *ONNX), needs="onnx"),
    Engine("openvino", "runner.engines.open_vino", ("openvino", *ONNX), needs="onnx"),
    Engine("iree", *IREE, needs="mlir"),
    Engine("iree-global", *IREE, needs="mlir", options={"global_tiling": True}),
)
NAMES = tuple(engine.name for engine in ENGINES)
EXPORT = f"{TORCH}.export"
