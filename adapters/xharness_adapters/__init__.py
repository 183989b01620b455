"""The built-in adapters, one file a task family; found by entry point, as a user's own are."""
