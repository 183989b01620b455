"""What steps made, by content key, and the folders of runs: whole, checksummed, or not there."""
