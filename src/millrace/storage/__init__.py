"""Where everything is kept: the database, the artifacts, the logs, and what wakes those who wait for work.

Invariant: what a method has returned from is there after the process dies, and nothing is ever half there.
"""
