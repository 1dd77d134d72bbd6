"""Signs PDF files with pyHanko and says what pyHanko's own validation makes of them.

Writes into a directory: NAME.pdf, root.pem, root.crl, issuing.crl, and given.pem, with which
those are judged whose NAME ends in -given; prints one JSON object, by NAME."""

import datetime
import io
import json
import os
import sys

from asn1crypto import cms, core
from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import as_signing_certificate_v2, simple_cms_attribute
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

UTC = datetime.timezone.utc
BEGIN = datetime.datetime(2020, 1, 1, tzinfo=UTC)
END = datetime.datetime(2049, 1, 1, tzinfo=UTC)
EARLY = datetime.datetime(2030, 1, 1, tzinfo=UTC)
LATE = datetime.datetime(2035, 1, 1, tzinfo=UTC)
STAMPED = datetime.datetime(2026, 1, 1, tzinfo=UTC)
JUDGED = datetime.datetime(2040, 1, 1, tzinfo=UTC)
ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")

target = sys.argv[1]


def rsa_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def name(**fields):
    oids = {
        "organization": NameOID.ORGANIZATION_NAME,
        "identifier": ORGANIZATION_IDENTIFIER,
        "common": NameOID.COMMON_NAME,
        "given": NameOID.GIVEN_NAME,
        "surname": NameOID.SURNAME,
    }
    return x509.Name([x509.NameAttribute(oids[key], text) for key, text in fields.items()])


root_key = rsa_key()
root_name = name(organization="Bộ Nội vụ", common="Gốc")


def certificate(subject, key, end=END, usage=None, is_root=False):
    key_usage = x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(root_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(key_usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(root_key, hashes.SHA256())


def pyhankos(certificate):
    return asn1_x509.Certificate.load(der(certificate))


def revocation_list(*revoked):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root_name)
        .last_update(BEGIN)
        .next_update(END)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(STAMPED).build())
    return builder.sign(root_key, hashes.SHA256())


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def for_pyhanko(certificate, key):
    secret = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pyhankos(certificate), asn1_keys.PrivateKeyInfo.load(secret)


def signer(certificate, key, kind=signers.SimpleSigner, embedded=()):
    own, secret = for_pyhanko(certificate, key)
    store = SimpleCertificateStore()
    store.register_multiple(map(pyhankos, embedded))
    return kind(signing_cert=own, signing_key=secret, cert_registry=store)


class Unnamed(signers.SimpleSigner):
    """A signer that does not say which certificate it signs with."""

    def _signed_attr_providers(self, *args, **kwargs):
        for provider in super()._signed_attr_providers(*args, **kwargs):
            if provider.attribute_type != "signing_certificate_v2":
                yield provider


def swapped(file, certificate):
    """With another certificate of the same key in the signature, and named by it: neither is
    signed where the signature does not name its certificate."""
    begin = file.rindex(b"/Contents <") + len(b"/Contents <")
    end = file.index(b">", begin)
    content = cms.ContentInfo.load(bytes.fromhex(file[begin:end].decode()), strict=False)
    other = pyhankos(certificate)
    signed = content["content"]
    signed["certificates"] = [cms.CertificateChoices("certificate", other)]
    signed["signer_infos"][0]["sid"] = cms.SignerIdentifier(
        "issuer_and_serial_number",
        cms.IssuerAndSerialNumber({"issuer": other.issuer, "serial_number": other.serial_number}),
    )
    contents = content.dump(force=True).hex().encode()
    return file[:begin] + contents.ljust(end - begin, b"0") + file[end:]


class Stamper(DummyTimeStamper):
    """A time-stamp authority that names its certificate by SHA-256 (RFC 5816)."""

    def _sign_tst_info(self, info, digest, time):
        hashed = hashes.Hash(hashes.SHA256())
        hashed.update(info)
        attributes = cms.CMSAttributes(
            [
                simple_cms_attribute("content_type", "tst_info"),
                simple_cms_attribute("signing_time", cms.Time({"utc_time": core.UTCTime(time)})),
                simple_cms_attribute(
                    "signing_certificate_v2", as_signing_certificate_v2(self.tsa_cert)
                ),
                simple_cms_attribute("message_digest", hashed.finalize()),
            ]
        )
        key = serialization.load_der_private_key(self.tsa_key.dump(), password=None)
        return key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256()), attributes


PERSON = name(organization="UBND tỉnh", common="Nguyễn Văn A", given="Văn A", surname="Nguyễn")
AGENCY = name(organization="UBND tỉnh", identifier="VNGOV-H49", common="Con dấu điện tử")
# A name beside an organisation's: nobody can tell whose.
SOMEBODY = name(organization="UBND tỉnh", common="Văn phòng")

root = certificate(root_name, root_key, is_root=True)
made = {}
for who, subject, key, more in [
    ("person", PERSON, rsa_key(), {}),
    ("agency", AGENCY, rsa_key(), {}),
    ("somebody", SOMEBODY, rsa_key(), {}),
    ("early-person", PERSON, rsa_key(), {"end": EARLY}),
    ("early-agency", AGENCY, rsa_key(3072), {"end": EARLY}),
    ("revoked", AGENCY, rsa_key(), {}),
    ("weak", AGENCY, rsa_key(1024), {}),
    ("p256", AGENCY, ec.generate_private_key(ec.SECP256R1()), {}),
    ("p384", AGENCY, ec.generate_private_key(ec.SECP384R1()), {}),
    ("ed25519", AGENCY, ed25519.Ed25519PrivateKey.generate(), {}),
    ("server", AGENCY, rsa_key(), {"usage": ExtendedKeyUsageOID.SERVER_AUTH}),
    ("tsa", name(common="Dấu thời gian"), rsa_key(), {"usage": ExtendedKeyUsageOID.TIME_STAMPING}),
]:
    made[who] = (certificate(subject, key, **more), key)
crl = revocation_list(made["revoked"][0])
# It names its certificate by SHA-1.
old_tsa = DummyTimeStamper(*for_pyhanko(*made["tsa"]), fixed_dt=STAMPED)
tsa = Stamper(*for_pyhanko(*made["tsa"]), fixed_dt=STAMPED)
late_tsa = Stamper(*for_pyhanko(*made["tsa"]), fixed_dt=LATE)
# Its certificate is not for time-stamps.
server_tsa = Stamper(*for_pyhanko(*made["server"]), fixed_dt=STAMPED)
# Of a root that calls itself like the trusted one, and of one that does not.
trusted, root_key = (root_key, root_name), rsa_key()
made["forged"] = (certificate(AGENCY, made["agency"][1]), made["agency"][1])
root_name = name(organization="Công ty", common="Gốc khác")
made["stranger"] = (certificate(AGENCY, made["agency"][1]), made["agency"][1])
strange_root = certificate(root_name, root_key, is_root=True)
# Of an authority below the trusted root.
root_key, root_name = trusted
below_key, below_name = rsa_key(), name(organization="Bộ Nội vụ", common="Cấp phát")
issuing = certificate(below_name, below_key, is_root=True)
root_key, root_name = below_key, below_name
made["below"] = (certificate(AGENCY, made["agency"][1]), made["agency"][1])
usage = ExtendedKeyUsageOID.TIME_STAMPING
below_tsa = certificate(name(common="Dấu thời gian"), made["tsa"][1], usage=usage)
below_tsa = Stamper(*for_pyhanko(below_tsa, made["tsa"][1]), fixed_dt=STAMPED)
below_crl = revocation_list()
root_key, root_name = trusted
given = [issuing, strange_root]


def plain():
    """A page with a text, and a table of its objects."""
    content = b"BT /F1 24 Tf 72 720 Td (Cong van so 45) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    file, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return file + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(file),
    )


def sign(
    file,
    who,
    field,
    pades=True,
    digest="sha256",
    stamp=None,
    kind=signers.SimpleSigner,
    certifies=None,
    embedded=(),
):
    subfilter = SigSeedSubFilter.PADES if pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    metadata = signers.PdfSignatureMetadata(
        field_name=field,
        subfilter=subfilter,
        md_algorithm=digest,
        certify=certifies is not None,
        docmdp_permissions=certifies or MDPPerm.FILL_FORMS,
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(file))
    return signers.sign_pdf(
        writer,
        metadata,
        signer=signer(*made[who], kind, embedded),
        timestamper=stamp,
    ).getbuffer().tobytes()


def added(file):
    """With a revision that replaces what the page says, and that nobody signs."""
    writer = IncrementalPdfFileWriter(io.BytesIO(file))
    page = writer.root["/Pages"]["/Kids"][0]
    text = b"BT /F1 24 Tf 72 720 Td (Cong van so 46) Tj ET"
    page[generic.pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=text))
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def document_stamp(file, by=tsa):
    writer = IncrementalPdfFileWriter(io.BytesIO(file))
    out = signers.PdfTimeStamper(by).timestamp_pdf(writer, "sha256", None)
    return out.getvalue()


def changed(file):
    where = file.index(b"Cong van so 45")
    return file[:where] + b"D" + file[where + 1 :]


base = plain()
person = sign(base, "person", "Person")
files = {
    "plain": base,
    "person": person,
    "original": sign(person, "agency", "Agency"),
    "copy": sign(base, "agency", "Agency"),
    "agency-first": sign(sign(base, "agency", "Agency"), "person", "Person"),
    "somebody": sign(base, "somebody", "Somebody"),
    "unnamed": sign(base, "agency", "Agency", pades=False, kind=Unnamed),
    "unnamed-pades": sign(base, "agency", "Agency", kind=Unnamed),
    "pkcs7": sign(base, "agency", "Agency", pades=False),
    "early": sign(sign(base, "early-person", "Person"), "early-agency", "Agency"),
    "stamped": sign(
        sign(base, "early-person", "Person", stamp=tsa), "early-agency", "Agency", stamp=tsa
    ),
    "old-stamp": sign(base, "agency", "Agency", stamp=old_tsa),
    "server-stamp": sign(base, "agency", "Agency", stamp=server_tsa),
    "revoked": sign(base, "revoked", "Agency"),
    "weak": sign(base, "weak", "Agency"),
    "sha1": sign(base, "agency", "Agency", pades=False, digest="sha1"),
    "sha384": sign(base, "agency", "Agency", digest="sha384"),
    "sha512": sign(base, "agency", "Agency", digest="sha512"),
    "p256": sign(base, "p256", "Agency"),
    "p384": sign(base, "p384", "Agency", digest="sha384"),
    "ed25519": sign(base, "ed25519", "Agency", digest="sha512"),
    "server": sign(base, "server", "Agency"),
    "stranger": sign(base, "stranger", "Agency"),
    "forged": sign(base, "forged", "Agency"),
    "below": sign(base, "below", "Agency"),
    "below-embedded": sign(base, "below", "Agency", embedded=[issuing]),
    "below-stamp": sign(base, "early-agency", "Agency", stamp=below_tsa),
    "stranger-last": sign(person, "stranger", "Agency"),
}
certified = sign(base, "person", "Person", certifies=MDPPerm.FILL_FORMS)
files["certified"] = sign(certified, "agency", "Agency")
files["certified-final"] = sign(base, "agency", "Agency", certifies=MDPPerm.NO_CHANGES)
files["certified-added"] = sign(added(certified), "agency", "Agency")
# A person's certificate of the agency's key.
files["swapped"] = swapped(files["unnamed"], certificate(PERSON, made["agency"][1]))
files["late-stamp"] = sign(base, "early-agency", "Agency", stamp=late_tsa)
files["late-document-stamp"] = document_stamp(files["early"], late_tsa)
files["changed"] = changed(files["original"])
files["added"] = added(files["original"])
files["added-between"] = sign(added(person), "agency", "Agency")
files["added-and-stamped"] = document_stamp(added(files["original"]))
files["document-stamp"] = document_stamp(files["original"])
files["server-document-stamp"] = document_stamp(files["original"], server_tsa)
files["old-document-stamp"] = document_stamp(files["original"], old_tsa)
files["early-document-stamp"] = document_stamp(files["early"])
for label in ["below", "below-embedded", "below-stamp", "stranger"]:
    files[f"{label}-given"] = files[label]
files["cut"] = files["original"][:-40]


def context(others):
    return ValidationContext(
        trust_roots=[pyhankos(root)],
        other_certs=[pyhankos(one) for one in others],
        crls=[asn1_crl.CertificateList.load(der(one)) for one in [crl, below_crl]],
        allow_fetching=False,
        revocation_mode="require",
        moment=JUDGED,
    )


def opinion(file, others):
    """What pyHanko says of each signature that is no time-stamp."""
    try:
        signatures = PdfFileReader(io.BytesIO(file), strict=False).embedded_regular_signatures
    except Exception as error:
        return [{"error": repr(error)}]
    return [opinion_of(one, others) for one in signatures]


def opinion_of(signature, others):
    try:
        status = validate_pdf_signature(
            signature, context(others), key_usage_settings=KeyUsageConstraints(key_usage=set())
        )
    except Exception as error:
        return {"error": repr(error)}
    return {
        "holds": status.valid and status.intact,
        "trusted": status.trusted,
        "coverage": status.coverage.name,
        "good": status.bottom_line,
    }


for label, content in files.items():
    with open(os.path.join(target, f"{label}.pdf"), "wb") as file:
        file.write(content)
pem = lambda *them: b"".join(one.public_bytes(serialization.Encoding.PEM) for one in them)
for label, content in [
    ("root.pem", pem(root)),
    ("given.pem", pem(*given)),
    ("root.crl", der(crl)),
    ("issuing.crl", der(below_crl)),
]:
    with open(os.path.join(target, label), "wb") as file:
        file.write(content)
opinions = {
    label: opinion(content, given if label.endswith("-given") else [])
    for label, content in files.items()
}
print(json.dumps(opinions))
