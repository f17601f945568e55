"""The only room that calls AWS: executions of the state machine and the bucket of reports."""
