"""Reads a container without any code of ours: zipfile, xml.etree and hashlib.

Prints what it found, and writes META-INF's files into a directory for openssl."""

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
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

path, target = sys.argv[1:3]
with zipfile.ZipFile(path) as archive:
    broken = archive.testzip()
    assert broken is None, f"CRC of {broken}"
    names = archive.namelist()
    assert len(names) == len(set(names)), "doubled names"
    files = {name: archive.read(name) for name in names}

assert names[0] == "mimetype", "mimetype comes first"
assert files["mimetype"] == b"application/vnd.etsi.asic-e+zip", files["mimetype"]

root = xml.fromstring(files["META-INF/ASiCManifest001.xml"])
signatures = [node.attrib["URI"] for node in root.iter(ASIC + "SigReference")]
listed = {}
for node in root.iter(ASIC + "DataObjectReference"):
    method = node.find(XMLDSIG + "DigestMethod").attrib["Algorithm"]
    assert method == SHA256, method
    name = urllib.parse.unquote(node.attrib["URI"])
    listed[name] = base64.b64decode(node.find(XMLDSIG + "DigestValue").text)

outside = [name for name in names if not name.startswith("META-INF/") and name != "mimetype"]
assert sorted(listed) in (sorted(outside), sorted(outside + ["mimetype"])), (listed, outside)
for name, digest in listed.items():
    assert hashlib.sha256(files[name]).digest() == digest, f"digest of {name}"

os.makedirs(target, exist_ok=True)
for name, content in files.items():
    if name.startswith("META-INF/"):
        with open(os.path.join(target, name.removeprefix("META-INF/")), "wb") as file:
            file.write(content)

print(
    json.dumps(
        {
            "files": sorted(outside),
            "signatures": signatures,
            "document": json.loads(files["document.json"]),
        }
    )
)
