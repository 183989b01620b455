"""One run from the command line to its exit code: what is asked, what came of it, how it is told."""
