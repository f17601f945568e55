"""What others than the topic are told of a report: each owner, an event bus, Security Hub. Pure."""
