"""mteb's side of things: its result files made of a run's records, and its language codes. mteb itself loads slowly."""
