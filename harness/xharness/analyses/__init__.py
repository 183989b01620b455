"""The built-in analyses, a file each; found by the entry point group `xharness.analyses`, as a user's own are."""
