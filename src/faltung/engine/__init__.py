"""The engine: a catalog of algorithms, a plan that chooses one, and the compiled kernels that run it."""

from faltung.engine.threadpools import register as _register_threads

_register_threads()
