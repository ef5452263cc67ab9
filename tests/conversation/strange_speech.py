"""
Speech process of the tests: `SpeechProcess` starts it in place of the real one.

Its environment says how it behaves: PATH is "dies", "nonsense", "hangs" or "answers".
"""

import json
import os
import signal
import socket
import sys
import time


def main() -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    lines = connection.makefile("rwb")
    key = json.loads(lines.readline())["key"]
    behaviour = os.environ["PATH"]
    print("WARNING strange: the key is", key, file=sys.stderr, flush=True)
    if behaviour == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    values = {"url": "http://127.0.0.1:1/v1", "voices": ["one", "two"]}
    answer = "[]" if behaviour == "nonsense" else json.dumps(values)
    lines.write(answer.encode() + b"\n")
    lines.flush()
    while lines.readline():
        if behaviour == "hangs":
            time.sleep(3600)
        lines.write(b"\n")
        lines.flush()


if __name__ == "__main__":
    main()
