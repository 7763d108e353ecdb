"""Code that every other folder may use and that knows nothing about images: errors, randomness,
call strings, specs, registries, artifacts."""
