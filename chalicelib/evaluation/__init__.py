"""From IAM's answers to a page of evaluated users."""
