"""DynamoCompiler: capture, transform and lower a PyTorch function or module in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from frontend import capture
from frontend.codegen import compile_graph
from frontend.driver import GraphDriver
from frontend.graph import Graph
from frontend.log import table
from frontend.lower import lower, order, preflight
from frontend.ops import tosa
from frontend.registry import Lowering, Missing, Registry
from frontend.transforms.cut_out import cut_out
from frontend.transforms.drop_no_ops import drop_no_ops
from runner.jit import Frame


class ImportedGraph(Graph):
    """A graph that lowers itself.

    `imported_module` (and `_imported_module`, its older name) is the MLIR module of the last `lower_to_top_level_ir`.
    """

    registries: tuple[Registry, ...]
    imported_module: Any = None

    @property
    def _imported_module(self) -> Any:
        return self.imported_module

    def preflight(self) -> list[Missing]:
        """Every operator that cannot be lowered, before anything is."""
        return preflight(self, self.registries)

    def lower_to_top_level_ir(self, do_params_pack: bool = False) -> Any:
        """Lower to a verified module; `do_params_pack` makes all parameters one argument of bytes."""
        self.imported_module = lower(self, self.registries, do_params_pack)
        return self.imported_module

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Imported(list[ImportedGraph]):
    """The graphs of one import. That of a single graph also unpacks as `module, parameters = importer(...)`."""

    parameters: list[Any]

    def __iter__(self) -> Iterator[Any]:
        if len(self) != 1:
            return super().__iter__()
        return iter((self[0].imported_module or self[0].lower_to_top_level_ir(), self.parameters))


class DynamoCompiler:
    """The importer.

    func_name: the name of the function to generate.
    primary_registry: asked first for each operator; the other registries are fallbacks.
    aot_autograd_decomposition: a torch decomposition table; what it leaves and no registry lowers is decomposed by
        `frontend.capture.decompositions()`, which is also what None takes.
    fallback: with "eager", PyTorch runs the operators that no registry lowers; callables then have a `report()` of the cost.
    verbose: print each imported graph; verbose_path names a file to write it to instead.
    """

    def __init__(
        self,
        func_name: str = "forward",
        primary_registry: Mapping[str, Lowering] | None = None,
        aot_autograd_decomposition: dict[Any, Any] | None = None,
        verbose: bool = False,
        verbose_path: str | None = None,
        fallback: str | None = None,
    ) -> None:
        if fallback not in (None, "eager"):
            raise ValueError(f"fallback={fallback!r}: expected None or 'eager'")
        self.fallback = fallback
        self.func_name = func_name
        self.registries = order(tosa.ops_registry if primary_registry is None else Registry.of(primary_registry))
        self.decompositions = aot_autograd_decomposition
        if aot_autograd_decomposition is not None:
            lowered = {name for registry in self.registries for name in registry}
            self.decompositions = capture.completed(aot_autograd_decomposition, lowered)
        self.verbose = verbose
        self.verbose_path = verbose_path
        self.imported_graphs: list[ImportedGraph] = []
        self.imported_params: dict[ImportedGraph, list[Any]] = {}

    def importer(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Imported:
        """Capture with TorchDynamo by running `function` on example arguments: a graph between each two graph breaks."""
        return self._keep(capture.by_dynamo(function, args, kwargs, self.func_name, self.decompositions))

    def importer_by_export(self, module: Any, *args: Any, **kwargs: Any) -> Imported:
        """Capture with torch.export: one graph, whose inputs keep the order and the names of `forward`'s arguments."""
        return self._keep([capture.by_export(module, args, kwargs, self.func_name, self.decompositions)])

    def dynamo_run(self) -> capture.Compiled | capture.Pieces:
        """The imported graph as a callable: `run(*tensors)` gives the list of its outputs, parameters are bound already."""
        if len(self.imported_graphs) != 1:
            raise ValueError(
                f"dynamo_run() runs one graph, {len(self.imported_graphs)} were imported; "
                "torch.compile(model, backend=this_compiler) runs a model with graph breaks"
            )
        (graph,) = self.imported_graphs
        return self._compiled(graph, self.imported_params[graph])

    def compile(self, program: Callable[..., Any], *args: Any, dynamic_shapes: Any = None, **kwargs: Any) -> capture.Program:
        """`program` as native code that is called like it, for arguments of the shapes and dtypes of the examples.

        `dynamic_shapes`, as torch.export takes it, names the sizes that may vary.
        """
        captured = capture.by_export(program, args, kwargs, self.func_name, self.decompositions, dynamic_shapes)
        assert captured.convention is not None
        return capture.Program(self.func_name, self._compiled(captured.graph, captured.tensors), captured.convention)

    def __call__(self, program: Any, examples: Any) -> Callable[..., Any]:
        """As a backend: `torch.compile(model, backend=this_compiler)`. Each call makes the code of one piece of the model."""
        return capture.compile_piece(program, examples, self.func_name, self.decompositions, self._compiled)

    def _compiled(self, graph: Graph, tensors: list[Any]) -> capture.Compiled | capture.Pieces:
        missing = preflight(graph, self.registries) if self.fallback == "eager" else []
        given = dict(zip((p.name for p in graph.parameters), tensors, strict=True))
        if not missing:
            return capture.Compiled(compile_graph(graph, self.registries), Frame, given)
        driver = GraphDriver(replace(graph, lowered_by={}).fuse_ops([cut_out({m.node for m in missing})]))
        labels = {m.node: f"{m.operator} at {m.source}" for m in missing}
        pieces = {}
        for part in driver.subgraphs:
            if part.nodes[0].name in labels:
                pieces[part.name] = capture.eager(part), capture.Cost(labels[part.nodes[0].name], eager=True)
            else:
                compiled = capture.Compiled(
                    compile_graph(part, self.registries), Frame, {p.name: given[p.name] for p in part.parameters}
                )
                pieces[part.name] = compiled.among_arguments(), capture.Cost(part.name, eager=False)
        return capture.Pieces(driver.construct_main_graph(), pieces, tensors)

    def _keep(self, captured: list[capture.Captured]) -> Imported:
        imported = Imported()
        for piece in captured:
            graph = ImportedGraph(**piece.graph.__dict__)
            graph.registries = self.registries
            graph.perform([drop_no_ops])
            imported.append(graph)
            self.imported_graphs.append(graph)
            self.imported_params[graph] = piece.tensors
        imported.parameters = [tensor for piece in captured for tensor in piece.tensors]
        if self.verbose_path:
            with open(self.verbose_path, "w") as file:
                file.write(table(*self.imported_graphs))
        elif self.verbose:
            print(table(*self.imported_graphs))
        return imported


def backend(program: Any, examples: Any, options: dict[str, Any] | None = None) -> Callable[..., Any]:
    """`torch.compile(model, backend="sluice")`; `options` are DynamoCompiler's."""
    return DynamoCompiler(**(options or {}))(program, examples)
