"""Accounts to scan: account files, snapshots of real accounts, the demo accounts."""
