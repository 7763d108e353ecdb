"""Train a backbone on a view of a source with an objective."""
