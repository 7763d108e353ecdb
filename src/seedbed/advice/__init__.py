"""Advice on transfer learning: which backbone, layer and method to use for a user's images."""
