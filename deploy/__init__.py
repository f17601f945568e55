"""Packages and deploys the app: `python -m deploy`."""
