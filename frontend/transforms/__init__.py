"""Graph to graph, in place: one transform a module, applied by `Graph.perform`."""
