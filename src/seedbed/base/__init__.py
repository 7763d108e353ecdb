"""What every folder may use and what knows nothing of images: errors, randomness, call strings,
specs, registries, artifacts."""
