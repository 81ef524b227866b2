"""Benchmarks against the usual tools, and what they say in docs/benchmarks.md: `python -m benchmarks [NAME...]`."""
