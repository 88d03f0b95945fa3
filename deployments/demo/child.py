"""`python -m deployments.demo.child HOME`: serve a demo's deployments until the demo ends, and end with it.

The demo holds the other end of standard input. One that is killed can end nothing; its end is closed all the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

from deployments import serve
from deployments.server import ensure_server, use_server


def main() -> int:
    """Serve until then; returns the exit code."""
    threading.Thread(target=_end_after_the_demo, name="demo", daemon=True).start()
    # The server takes its time to come up: so do the imports.
    import_module("deployments.declared")
    with use_server(ensure_server(Path(sys.argv[1]), own_only=True)):
        # Two reconcilers are often at work at once, where a month is a minute; the pipeline need not wait for either.
        return serve.main(["--paused", "--limit", "3"])


def _end_after_the_demo() -> None:
    # `sys.stdin` would be locked by this thread when the interpreter ends.
    os.read(0, 1)
    # The runs too, which are of this group; what they commit is forgotten with the demo.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
