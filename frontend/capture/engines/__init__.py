"""PyTorch as an engine to measure, and what it exports for the engines that do not know it."""
