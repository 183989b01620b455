"""From records and outcomes to averages, comparisons and published figures; no model needed."""
