"""A local AWS: runs the deployed shape of the app on one machine. Never shipped."""
