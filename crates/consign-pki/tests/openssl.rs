//! OpenSSL checks what we make: keys, statements, chains and signatures.

mod support;

use std::fs;

use consign_pki::certificate::{to_pem, write_bundle};
use consign_pki::cms::sign_detached;
use consign_pki::issue::{TlsUsage, create_request, request_to_pem};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::statement::StatementKey;
use support::{Hierarchy, NOW, run, succeed};

const KINDS: [KeyKind; 3] = [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::Ed25519];
const AT: &str = "1750000000";

#[test]
fn keys_and_requests_load() {
    let directory = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let key = FileSealKey::generate(kind).unwrap();
        fs::write(directory.path().join("key.pem"), key.to_pkcs8_pem()).unwrap();
        succeed(
            "openssl",
            directory.path(),
            &["pkey", "-in", "key.pem", "-noout", "-check"],
        );
        let request = create_request(&key, "Sở Nội vụ").unwrap();
        fs::write(
            directory.path().join("request.pem"),
            request_to_pem(&request),
        )
        .unwrap();
        succeed(
            "openssl",
            directory.path(),
            &["req", "-in", "request.pem", "-noout", "-verify"],
        );
    }
}

#[test]
fn keys_of_openssl_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let kinds: [&[&str]; 3] = [
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
        &["-algorithm", "ED25519"],
    ];
    for arguments in kinds {
        let arguments = [&["genpkey", "-out", "key.pem"], arguments].concat();
        succeed("openssl", directory.path(), &arguments);
        let text = fs::read_to_string(directory.path().join("key.pem")).unwrap();
        FileSealKey::from_pkcs8_pem(&text).unwrap();
    }
    succeed(
        "openssl",
        directory.path(),
        &[
            "genpkey",
            "-out",
            "key.pem",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:1024",
        ],
    );
    let weak = fs::read_to_string(directory.path().join("key.pem")).unwrap();
    assert!(FileSealKey::from_pkcs8_pem(&weak).is_err());
}

#[test]
fn statements_verify_raw() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let key = StatementKey::from_seed([9; 32]);
    let statement = r#"{"type":"consign/evidence/v1","reason":"không đọc được"}"#.as_bytes();
    fs::write(path.join("key.pem"), key.to_pkcs8_pem()).unwrap();
    fs::write(path.join("public.pem"), key.public().to_spki_pem()).unwrap();
    fs::write(path.join("statement.json"), statement).unwrap();
    fs::write(path.join("statement.sig"), key.sign(statement)).unwrap();
    let verify = [
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        "public.pem",
        "-in",
        "statement.json",
        "-sigfile",
        "statement.sig",
    ];
    succeed("openssl", path, &verify);
    succeed(
        "openssl",
        path,
        &[
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            "key.pem",
            "-in",
            "statement.json",
            "-out",
            "theirs",
        ],
    );
    assert_eq!(fs::read(path.join("theirs")).unwrap(), key.sign(statement));
    fs::write(path.join("statement.json"), b"{}").unwrap();
    assert!(!run("openssl", path, &verify).status.success());
}

#[test]
fn issued_chains_verify() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let hierarchy = Hierarchy::new();
    fs::write(path.join("root.pem"), hierarchy.root.certificate_pem()).unwrap();
    fs::write(
        path.join("issuing.pem"),
        hierarchy.issuing.certificate_pem(),
    )
    .unwrap();
    for kind in KINDS {
        fs::write(path.join("seal.pem"), to_pem(&hierarchy.seal(kind).1)).unwrap();
        let arguments = [
            "verify",
            "-x509_strict",
            "-attime",
            AT,
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
            "seal.pem",
        ];
        succeed("openssl", path, &arguments);
    }
    for (usage, purpose) in [
        (TlsUsage::Client, "sslclient"),
        (TlsUsage::Server, "sslserver"),
        (TlsUsage::Both, "sslserver"),
    ] {
        fs::write(path.join("tls.pem"), to_pem(&hierarchy.tls(usage).1)).unwrap();
        let arguments = [
            "verify",
            "-x509_strict",
            "-attime",
            AT,
            "-purpose",
            purpose,
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
            "tls.pem",
        ];
        succeed("openssl", path, &arguments);
    }
}

#[test]
fn profiles_are_as_documented() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("seal.pem"),
        to_pem(&Hierarchy::new().seal(KeyKind::EcdsaP256).1),
    )
    .unwrap();
    let arguments = [
        "x509",
        "-in",
        "seal.pem",
        "-noout",
        "-subject",
        "-nameopt",
        "utf8,sep_comma_plus",
        "-ext",
        "keyUsage,extendedKeyUsage,basicConstraints,certificatePolicies",
    ];
    let text = succeed("openssl", directory.path(), &arguments);
    let text = String::from_utf8(text.stdout).unwrap();
    let text: Vec<_> = text.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    subject=C=VN,O=Ủy ban nhân dân tỉnh Quảng Ninh,organizationIdentifier=H49,CN=Con dấu điện tử
    X509v3 Key Usage: critical
        Digital Signature, Non Repudiation
    X509v3 Extended Key Usage:
        1.3.6.1.4.1.99999.2.1
    X509v3 Basic Constraints: critical
        CA:FALSE
    X509v3 Certificate Policies:
        Policy: 1.3.6.1.4.1.99999.1.1
    ");
}

/// The command of the specification for documents; Ed25519 is refused by OpenSSL 3.0 when
/// attributes are signed, so seals default to P-256.
#[test]
fn signatures_verify() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let hierarchy = Hierarchy::new();
    let manifest = "<asic:ASiCManifest>Phụ lục</asic:ASiCManifest>";
    fs::write(path.join("trust.pem"), write_bundle(&hierarchy.roots())).unwrap();
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let (key, certificate) = hierarchy.seal(kind);
        let p7s = sign_detached(
            &key,
            &certificate,
            &hierarchy.intermediates(),
            manifest.as_bytes(),
            NOW,
        )
        .unwrap();
        fs::write(path.join("signature001.p7s"), p7s).unwrap();
        fs::write(path.join("ASiCManifest001.xml"), manifest).unwrap();
        let verify = [
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            "signature001.p7s",
            "-content",
            "ASiCManifest001.xml",
            "-CAfile",
            "trust.pem",
            "-purpose",
            "any",
            "-attime",
            AT,
            "-out",
            "content",
        ];
        succeed("openssl", path, &verify);
        // OpenSSL's own reading of signing-certificate-v2 as well.
        succeed("openssl", path, &[&verify[..], &["-cades"]].concat());
        fs::write(path.join("ASiCManifest001.xml"), b"other").unwrap();
        assert!(!run("openssl", path, &verify).status.success());
    }
}

#[test]
fn signatures_of_openssl_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let hierarchy = Hierarchy::new();
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let (key, certificate) = hierarchy.seal(kind);
        fs::write(path.join("key.pem"), key.to_pkcs8_pem()).unwrap();
        fs::write(path.join("seal.pem"), to_pem(&certificate)).unwrap();
        fs::write(path.join("content"), b"content").unwrap();
        let sign = [
            "cms",
            "-sign",
            "-binary",
            "-cades",
            "-md",
            "sha256",
            "-outform",
            "DER",
            "-signer",
            "seal.pem",
            "-inkey",
            "key.pem",
            "-in",
            "content",
            "-out",
            "theirs.p7s",
        ];
        succeed("openssl", path, &sign);
        let p7s = fs::read(path.join("theirs.p7s")).unwrap();
        let signature = consign_pki::cms::parse_and_verify(&p7s, b"content").unwrap();
        assert_eq!(signature.signer_certificate, certificate);
        assert!(signature.signing_time.is_some());
    }
}

/// The digest of ECDSA is another's than the curve's size suggests; curves that are not known.
#[test]
fn signatures_by_any_digest_and_by_curves_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("content"), b"content").unwrap();
    let sign = |curve: &str, digest: &str| {
        let curve = format!("ec_paramgen_curve:{curve}");
        let new =
            "req -x509 -newkey ec -nodes -keyout key.pem -out seal.pem -subj /CN=Seal -pkeyopt";
        let new: Vec<&str> = new.split(' ').chain([curve.as_str()]).collect();
        succeed("openssl", path, &new);
        let sign = "cms -sign -binary -cades -outform DER -signer seal.pem -inkey key.pem \
                    -in content -out theirs.p7s -md";
        let sign: Vec<&str> = sign.split_whitespace().chain([digest]).collect();
        succeed("openssl", path, &sign);
        let p7s = fs::read(path.join("theirs.p7s")).unwrap();
        let read = consign_pki::cms::parse_and_verify(&p7s, b"content");
        assert!(consign_pki::cms::parse_and_verify(&p7s, b"else").is_err());
        read.map(|signature| signature.algorithm.name())
    };
    for (curve, digest, name) in [
        ("P-384", "sha256", "ECDSA P-384 with SHA-256"),
        ("P-256", "sha384", "ECDSA P-256 with SHA-384"),
    ] {
        assert_eq!(sign(curve, digest), Ok(name));
    }
    let unknown = sign("brainpoolP256r1", "sha256").unwrap_err();
    assert!(
        unknown.is_unknown_algorithm() && !unknown.is_weak(),
        "{unknown}"
    );
}
