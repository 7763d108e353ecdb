"""View + objective -> trained backbone."""
