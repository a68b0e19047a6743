"""Pipelines that ship with Millrace, written as users write theirs; `millrace init` copies them."""
