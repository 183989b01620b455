"""From a suite to its cells, and from all cells to the selected ones; nothing here imports torch."""
