"""Readouts on codes: linear classifiers, nearest neighbours, detectors, similarity,
transferability."""
