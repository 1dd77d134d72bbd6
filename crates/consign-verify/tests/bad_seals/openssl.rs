//! RSA keys of any size, kept and used by `openssl`: our own signers refuse small ones.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use tempfile::TempDir;

use crate::der::{children, content};

/// A key in a directory of its own.
pub(crate) struct OpensslKey {
    directory: TempDir,
    spki: Vec<u8>,
    /// `RSAPublicKey` (RFC 8017 §A.1.1).
    rsa: Vec<u8>,
}

impl OpensslKey {
    pub(crate) fn rsa(bits: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = "genpkey -algorithm RSA -out key.pem -pkeyopt";
        run(directory.path(), &format!("{key} rsa_keygen_bits:{bits}"));
        let spki = run(directory.path(), "pkey -in key.pem -pubout -outform DER");
        // Before it stands the number of unused bits.
        let rsa = content(children(&spki)[1])[1..].to_vec();
        Self {
            directory,
            spki,
            rsa,
        }
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// PKCS#1 v1.5 over a digest that `openssl` knows by that name.
    pub(crate) fn sign_with(&self, digest: &str, message: &[u8]) -> Vec<u8> {
        fs::write(self.directory.path().join("message"), message).unwrap();
        let line = format!("dgst -{digest} -sign key.pem message");
        run(self.directory.path(), &line)
    }

    /// A detached CAdES signature.
    pub(crate) fn sign_detached(
        &self,
        certificate: &[u8],
        issuer: &[u8],
        content: &[u8],
    ) -> Vec<u8> {
        let directory = self.directory.path();
        for (name, bytes) in [
            ("own.der", certificate),
            ("issuer.der", issuer),
            ("content", content),
        ] {
            fs::write(directory.join(name), bytes).unwrap();
        }
        for name in ["own", "issuer"] {
            run(
                directory,
                &format!("x509 -inform DER -in {name}.der -out {name}.pem"),
            );
        }
        run(
            directory,
            "cms -sign -cades -binary -md sha256 -in content -outform DER \
             -signer own.pem -inkey key.pem -certfile issuer.pem",
        )
    }
}

impl PublicKeyData for OpensslKey {
    fn der_bytes(&self) -> &[u8] {
        &self.rsa
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for OpensslKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.sign_with("sha256", message))
    }
}

/// What `openssl` writes.
fn run(directory: &Path, line: &str) -> Vec<u8> {
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(line.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}: {said}");
    output.stdout
}
