"""The scheduler: a thin shell around the pure machine of :mod:`millrace.core.machine`.

It leases pipeline runs, feeds them events, commits what changed in one transaction, and only then carries out the
instructions. Everything it decides is decided in ``core``.
"""
