"""Transform: preprocessing written once, fitted on the training data, saved with the model, applied everywhere alike.

def preprocess(x, t):
    return {
        "fare": t.scale_to_z_score(t.fill_missing(x["fare"], "median")),
        "company": t.compute_and_apply_vocabulary(x["company"], top_k=100, num_oov_buckets=5),
        "big_tip": t.label(x["tips"] > 0.2 * x["fare"]),
    }

graph = fit_transform_graph(Examples.open("examples"), preprocess)
graph.apply(rows, require_label=False)
"""

from millrace.data.transform.column import Column, Columns
from millrace.data.transform.fitting import fit_transform_graph, transform_examples
from millrace.data.transform.graph import TransformGraph
from millrace.data.transform.nodes import Output
from millrace.data.transform.operations import Operations

__all__ = [
    "Column",
    "Columns",
    "Operations",
    "Output",
    "TransformGraph",
    "fit_transform_graph",
    "transform_examples",
]
