"""A run as one page of HTML to send around: nothing is fetched, everything from data is escaped."""
