"""What a user names -> opened backbone, data and task -> one step with its key -> an artifact."""
