"""Tracking from inside a task: `log_param`, `log_metric`, `set_tag` and their kin."""

from millrace.tracking.fluent import log_metric, log_metrics, log_param, log_params, set_tag, set_tags

__all__ = ["log_metric", "log_metrics", "log_param", "log_params", "set_tag", "set_tags"]
