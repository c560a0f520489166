"""Side-by-side timing: contenders in one process, in turn, on the same arrays.

`timing` owns the clock discipline, `workloads` the layers, `peers` the other libraries, `machine` the
limits that this machine sets, `report` what a run brings together. Nothing here is needed to convolve.
"""
