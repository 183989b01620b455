"""The examples behind a score: what was asked, what is right, what was said."""
