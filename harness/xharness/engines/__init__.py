"""Runs the steps that are missing, on worker processes."""
