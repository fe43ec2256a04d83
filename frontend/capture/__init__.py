"""PyTorch programs to `Graph`: by TorchDynamo or by torch.export. The only package of the frontend that imports torch."""

from frontend.capture.backend import compile_piece
from frontend.capture.callable import BadArgument, Compiled
from frontend.capture.decompositions import completed, decompositions
from frontend.capture.dynamo import by_dynamo
from frontend.capture.export import Captured, as_forward_takes, by_export
from frontend.capture.fallback import Cost, Pieces, eager
from frontend.capture.functional import Constant
from frontend.capture.fx_graph import CaptureError
from frontend.capture.program import Convention, Program

__all__ = [
    "BadArgument",
    "CaptureError",
    "Captured",
    "Compiled",
    "Constant",
    "Convention",
    "Cost",
    "Pieces",
    "Program",
    "as_forward_takes",
    "by_dynamo",
    "by_export",
    "compile_piece",
    "completed",
    "decompositions",
    "eager",
]
