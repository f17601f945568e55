"""Packaging and deploying."""
