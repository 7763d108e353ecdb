"""Backbones and their layer tables, codes of images, weights and checkpoints, the training loop."""
