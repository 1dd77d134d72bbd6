"""What pyHanko makes of a detached seal over a manifest, and of the time-stamp in it.

Prints one JSON object. Given: signature, manifest, roots (PEM), directory of revocation lists
(DER), the moment judged for."""

import asyncio
import datetime
import json
import os
import sys

from asn1crypto import cms, crl, pem, x509
from pyhanko.sign.validation import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext


def content_of(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


signature, manifest, roots, lists, moment = sys.argv[1:6]
context = ValidationContext(
    trust_roots=[
        x509.Certificate.load(der) for _, _, der in pem.unarmor(content_of(roots), multiple=True)
    ],
    crls=[
        crl.CertificateList.load(content_of(lists, name))
        for name in sorted(os.listdir(lists))
        if name.endswith(".crl")
    ],
    allow_fetching=False,
    revocation_mode="require",
    moment=datetime.datetime.fromisoformat(moment),
)
seal = cms.ContentInfo.load(content_of(signature), strict=True)["content"]
status = asyncio.run(
    async_validate_detached_cms(content_of(manifest), seal, signer_validation_context=context)
)


def said_of(status):
    return {
        "intact": status.intact,
        "valid": status.valid,
        "trusted": status.trusted,
        "problem": str(status.trust_problem_indic) if status.trust_problem_indic else None,
    }


stamp = status.timestamp_validity
print(
    json.dumps(
        {
            **said_of(status),
            "good": status.bottom_line,
            "signer": status.signing_cert.subject.human_friendly,
            "stamp": stamp and {**said_of(stamp), "time": stamp.timestamp.isoformat()},
        }
    )
)
