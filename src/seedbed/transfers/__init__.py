"""Transfer a backbone to a task, and measure it."""
