"""The verbs over HTTP: the same documents and the same errors as in process."""

from millrace.client.http_operations import HttpOperations

__all__ = ["HttpOperations"]
