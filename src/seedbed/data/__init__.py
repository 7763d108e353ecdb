"""Images on disk -> packed store -> view -> batches."""
