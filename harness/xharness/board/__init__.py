"""From records to the board and its pictures."""
