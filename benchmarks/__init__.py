"""Benchmarks against the usual tools; `python -m benchmarks [NAME...]` writes docs/benchmarks.md."""
