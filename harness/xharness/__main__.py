"""`python -m xharness`."""

from xharness.cli.app import main

if __name__ == "__main__":
    main()
