"""The program in the tests' own process."""

from __future__ import annotations

import os
import signal
from unittest import mock

from xharness.cli.app import main

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def called() -> int:
    """Run `main`, the arguments being in sys.argv; its exit code.

    A program that ends with an error is deaf to signals to its end. This process lives on, and what it starts would
    inherit that. What it sets in the environment ends with it, too.
    """
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        with mock.patch.dict(os.environ):
            main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
