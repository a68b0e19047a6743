"""The data library: examples, statistics, schema, validation, transform, evaluation.

Usable by itself, with no pipeline. Names are imported when they are first used, so that `import millrace.data`
costs next to nothing.
"""
