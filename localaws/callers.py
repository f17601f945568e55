"""Who calls the local AWS: known by its access key id, so that calls can be told apart and counted."""

INTERPRETER = "LOCALAWSSTATEMACHINE"
FUNCTION = "LOCALAWSLAMBDA"
HARNESS = "LOCALAWSHARNESS"
