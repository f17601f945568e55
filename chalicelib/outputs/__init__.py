"""What people and programs get: the message, the files of a report, metrics."""
