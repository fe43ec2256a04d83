"""The task graph: what is built from what, and how."""
