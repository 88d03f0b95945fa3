"""`python -m deployments.demo.child`: serve the deployments until the demo that holds standard input's other end ends.

A demo that is killed can end nothing; its end of the pipe is closed all the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from deployments import serve


def main() -> int:
    """Serve until then; returns the exit code."""
    threading.Thread(target=_end_after_the_demo, name="demo", daemon=True).start()
    return serve.main(["--paused"])


def _end_after_the_demo() -> None:
    # `sys.stdin` would be locked by this thread when the interpreter ends.
    os.read(0, 1)
    # The runs too, which are of this group; what they commit is forgotten with the demo.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
