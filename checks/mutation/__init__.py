"""Mutation testing: small mistakes put into the description of a convolution, and whether the tests notice each.

The mutations are mutmut's. It leaves out decorated functions, of which every property is one, and what stands outside of
functions; so the runs are made here, for all of it: `mutating` makes the mutants, `running` runs the tests on each in a
process of its own, forked after the tests are loaded, `explained` knows those that no test can tell from the original.

    python -m checks.mutation
"""
