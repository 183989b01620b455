"""The program in the tests' own process."""

from __future__ import annotations

import signal

from xharness.cli.app import main

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def called() -> int:
    """Run `main`, the arguments being in sys.argv; its exit code.

    A program that ends with an error is deaf to signals to its end. This process lives on, and what it starts would
    inherit that.
    """
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
