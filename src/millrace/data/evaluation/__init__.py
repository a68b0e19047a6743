"""Evaluation: metrics by slice, thresholds against values and against a baseline model, and the blessing."""

from millrace.data.evaluation.binary import binary_metrics
from millrace.data.evaluation.config import HIGHER_IS_BETTER, LOWER_IS_BETTER, EvalConfig, Threshold
from millrace.data.evaluation.evaluate import (
    Evaluation,
    SliceMetrics,
    evaluate,
    load_evaluation,
    save_evaluation,
)
from millrace.data.evaluation.multiclass import ConfusionMatrix, confusion_matrix, multiclass_metrics
from millrace.data.evaluation.regression import regression_metrics
from millrace.data.evaluation.verdicts import Verdict

__all__ = [
    "HIGHER_IS_BETTER",
    "LOWER_IS_BETTER",
    "ConfusionMatrix",
    "EvalConfig",
    "Evaluation",
    "SliceMetrics",
    "Threshold",
    "Verdict",
    "binary_metrics",
    "confusion_matrix",
    "evaluate",
    "load_evaluation",
    "multiclass_metrics",
    "regression_metrics",
    "save_evaluation",
]
