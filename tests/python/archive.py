"""Reads a long-term archive without any code of ours: zipfile, xml.etree and hashlib.

Prints what it found, and writes every file into a directory: META-INF's for openssl."""

import base64
import hashlib
import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree as xml
import zipfile

ASIC = "{http://uri.etsi.org/02918/v1.2.1#}"
XMLDSIG = "{http://www.w3.org/2000/09/xmldsig#}"
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256": hashlib.sha256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashlib.sha384,
    "http://www.w3.org/2001/04/xmlenc#sha512": hashlib.sha512,
}
NEWEST = "META-INF/ASiCArchiveManifest.xml"

path, target = sys.argv[1:3]
with zipfile.ZipFile(path) as archive:
    broken = archive.testzip()
    assert broken is None, f"CRC of {broken}"
    names = archive.namelist()
    assert len(names) == len(set(names)), "doubled names"
    files = {name: archive.read(name) for name in names}

assert names[0] == "mimetype", "mimetype comes first"
assert files["mimetype"] == b"application/vnd.etsi.asic-e+zip", files["mimetype"]

# From the newest back, by the manifest that each marks as the one before it.
layers = []
manifest = NEWEST
while manifest:
    root = xml.fromstring(files[manifest])
    assert root.tag == ASIC + "ASiCManifest", root.tag
    (token,) = root.iter(ASIC + "SigReference")
    assert token.attrib["MimeType"] == "application/vnd.etsi.timestamp-token", token.attrib
    listed, before, used = set(), [], set()
    for node in root.iter(ASIC + "DataObjectReference"):
        method = node.find(XMLDSIG + "DigestMethod").attrib["Algorithm"]
        name = urllib.parse.unquote(node.attrib["URI"])
        digest = base64.b64decode(node.find(XMLDSIG + "DigestValue").text)
        assert DIGESTS[method](files[name]).digest() == digest, f"digest of {name}"
        listed.add(name)
        used.add(method)
        if node.attrib.get("Rootfile") == "true":
            before.append(name)
    own = names.index(manifest)
    assert listed == set(names[1:own]), f"{manifest} covers all before it, and nothing else"
    layers.append({"manifest": manifest, "token": token.attrib["URI"], "digests": sorted(used)})
    assert len(before) <= 1, before
    manifest = before[0] if before else None
layers.reverse()

tokens = [name for name in names if name.startswith("META-INF/") and name.endswith(".tst")]
assert tokens == [layer["token"] for layer in layers], (tokens, layers)

for name, content in files.items():
    place = os.path.join(target, *name.split("/"))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(content)

print(json.dumps({"layers": layers, "names": names}))
