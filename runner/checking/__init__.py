"""Run code of any stage on given numbers and compare all that it computes: what `doit verify` and `doit bisect` are made of."""

PARTS = ("forward", "subgraph0")
# The stages of a build, in order, with how the names of their files end.
ENDS = {"frontend": ".mlir", "midend": "-midend.mlir", "backend": "-backend.mlir", "LLVM IR": ".ll", "objects": ".o"}
