"""Pure tests: no AWS, no process, no network."""
