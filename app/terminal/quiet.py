"""Keeps what native libraries print to themselves."""

import os
import sys


def mute_native_stderr() -> None:
    """Send file descriptor 2 to nowhere, and give Python's own `sys.stderr` another that still reaches the person.

    MediaPipe and LiteRT write notes about their delegates straight to descriptor 2 ("INFO: Created TensorFlow Lite XNNPACK delegate
    for CPU.") and have no setting for it. Processes started from here inherit the silence.
    """
    sys.stderr.flush()
    own = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = open(own, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors, buffering=1)  # noqa: SIM115, PTH123 - as long as the process
