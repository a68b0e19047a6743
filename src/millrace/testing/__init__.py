"""Shipped for testing: fakes, conformance suites, graph strategies, simulation."""
