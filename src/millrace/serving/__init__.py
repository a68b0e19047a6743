"""Serve models over HTTP as MLflow's scoring server does, and push them into serving folders."""
