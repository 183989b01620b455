"""What the formats of local files are, one file a kind; `xharness.data.readers` chooses among them."""
