"""A user's data + backbones -> a recommendation."""
