"""Runs a program at a terminal of its own and types answers as it asks for them.

terminal.py ANSWER... -- PROGRAM WORD...
Prints what stood on the terminal and the exit code, as JSON.
"""

import json
import os
import pty
import select
import sys

SECONDS = 60

split = sys.argv.index("--")
answers, command = sys.argv[1:split], sys.argv[split + 1 :]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)
seen, asked_at = b"", 0
while True:
    ready, _, _ = select.select([terminal], [], [], SECONDS)
    if not ready:
        os.kill(child, 9)
        sys.exit(f"nothing came for {SECONDS} s after {seen!r}")
    try:
        piece = os.read(terminal, 4096)
    except OSError:  # Linux says so when the program has ended
        break
    if not piece:
        break
    seen += piece
    if answers and seen[asked_at:].endswith(b": "):
        asked_at = len(seen)
        os.write(terminal, answers.pop(0).encode() + b"\n")
_, status = os.waitpid(child, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "text": seen.decode()}))
