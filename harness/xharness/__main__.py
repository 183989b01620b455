"""The program's door: `xharness`, or `python -m xharness`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the program; an interrupt while it is still being imported ends it as a later one would."""
    try:
        from xharness.cli.app import main as program
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(2)  # ExitCode.INTERRUPTED, whose import may be what was interrupted.
    program()


if __name__ == "__main__":
    main()
