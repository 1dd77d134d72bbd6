"""Reads a directory's published version without any code of ours.

Computes the root of the entries by RFC 6962 and compares it with the signed head's."""

import hashlib
import json
import os
import sys


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


directory = sys.argv[1]
with open(os.path.join(directory, "entries.jsonl"), "rb") as file:
    entries = file.read().splitlines()
with open(os.path.join(directory, "head.json"), "rb") as file:
    head_bytes = file.read()
assert head_bytes.startswith(b'{"type":"consign/directory/v1",'), head_bytes[:40]
head = json.loads(head_bytes)
assert root(entries).hex() in json.dumps(head), "the head does not name the entries' root"
print(json.dumps({"head": head, "entries": [json.loads(entry) for entry in entries]}))
