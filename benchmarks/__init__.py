"""The figures of the speed table, measured: ``python -m benchmarks``, or ``make bench``.

Invariant: everything is measured through the real command or the public front, in a temporary home, and a figure that
falls short of its bar is reported as such.
"""
