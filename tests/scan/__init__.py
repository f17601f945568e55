"""Whole scans and requests on the local AWS."""
