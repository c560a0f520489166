"""The engine: a catalog of algorithms, a plan that chooses one, and the compiled kernels that run it."""
