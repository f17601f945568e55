"""What iam-key-age knows: the age rule, the scan policy, the report, and where they are kept."""
