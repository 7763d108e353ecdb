"""Codes -> classifiers, neighbours, similarity."""
