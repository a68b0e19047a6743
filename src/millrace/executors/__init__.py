"""Executors: they run attempts and report how each ended. They decide nothing."""
