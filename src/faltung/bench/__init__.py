"""Side-by-side timing: contenders in one process, in turn, on the same arrays.

`timing` owns the clock discipline, `workloads` what can be timed, `layers` the table of layers, `suites` which
of them go together, `peers` the other libraries, `machine` the limits that this machine sets, `report` what is
compared in a row, `summary` what a run comes down to, `figure` its picture; `calls`, `image_calls` and `call_suite` are the same for
functions beside SciPy's and OpenCV's. Nothing here is needed to convolve.
"""
