"""Writing pipelines in Python: decorators and operators in, a checked `millrace.core.graph.Graph` out.

Invariant: nothing here runs a task or knows how one is run. What a pipeline file says becomes a graph, and the code
that its tasks name can be loaded again, now or from a snapshot of the project.
"""
