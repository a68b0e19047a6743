"""The command line: ``millrace VERB``. Importing it loads no verb's parts; each verb imports its own when it runs."""

from millrace.cli.entry import main

__all__ = ["main"]
