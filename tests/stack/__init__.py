"""The packaged template and what stands beside it."""
