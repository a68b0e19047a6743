"""Serve models over HTTP as MLflow's scoring server does, and push them into serving folders."""

from millrace.serving.app import create_app
from millrace.serving.push import latest_pushed, push_model
from millrace.serving.server import running_server, serve

__all__ = ["create_app", "latest_pushed", "push_model", "running_server", "serve"]
