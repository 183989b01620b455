"""What Python users call, and the command line is built on."""
