"""From a scan's pages to its report, and what changed since the last one."""
