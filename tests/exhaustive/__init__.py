"""Every shape of the table, by every algorithm on every instruction set: ``python -m tests.exhaustive`` (`make test-exhaustive`)."""
