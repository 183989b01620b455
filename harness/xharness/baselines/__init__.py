"""Published rows, each figure with its source, and comparisons with them."""
