"""The operators: a module a dialect, each with its `ops_registry`."""
