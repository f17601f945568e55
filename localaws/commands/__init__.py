"""What `python -m localaws` does: scan, serve, snapshot."""
