"""Benchmarks: `make bench`; what they printed is in docs/performance.md."""
