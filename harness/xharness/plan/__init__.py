"""From cells to steps, keyed by content: what they are made of, what they cost, why one would run again."""
