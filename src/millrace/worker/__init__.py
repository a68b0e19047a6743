"""What runs one attempt: in the caller's process, or in a worker process at the end of a pipe."""
