"""Target data + fixed splits + metric -> a task."""
