"""A store elsewhere, beside the local one: asked where a step is absent, filled after a commit."""
