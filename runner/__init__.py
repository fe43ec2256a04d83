"""From LLVM IR to object code, and the C++ program that runs a compiled model."""
