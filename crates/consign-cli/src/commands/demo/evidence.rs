//! Evidence as files that `openssl` takes: statement, signature, public key.

use std::path::Path;

use consign_domain::ErrorCode;
use consign_proto::v1::EvidenceView;
use consign_runtime::files;

use super::Proof;
use crate::commands::export::keys;
use crate::commands::verify::Trust;
use crate::failure::Failure;

const PUBLIC: u32 = 0o644;

/// Writes each statement with its signature and the signer's key, as the signed directory
/// lists it.
pub(super) fn write(
    home: &Path,
    views: &[EvidenceView],
    trust: &Trust,
) -> Result<Vec<Proof>, Failure> {
    std::fs::create_dir_all(home).map_err(|error| Failure::io("create", home, &error))?;
    let numbered = views.iter().enumerate();
    numbered
        .map(|(index, view)| proof(home, index + 1, view, trust))
        .collect()
}

fn proof(home: &Path, number: usize, view: &EvidenceView, trust: &Trust) -> Result<Proof, Failure> {
    let signed = consign_proto::signed(view.statement.clone(), "statement")
        .map_err(|error| Failure::of(ErrorCode::ProtocolViolation, &error))?;
    let name = format!("{number:02}-{}-{}", view.event, view.by_code);
    let proof = Proof {
        event: view.event.clone(),
        by: view.by_code.clone(),
        statement: home.join(format!("{name}.json")),
        signature: home.join(format!("{name}.sig")),
        public_key: home.join(format!("{name}.pem")),
    };
    let key = public_key(&signed.statement, trust)?;
    files::publish(&proof.statement, &signed.statement, PUBLIC)?;
    files::publish(&proof.signature, &signed.signature, PUBLIC)?;
    files::publish(&proof.public_key, key.as_bytes(), PUBLIC)?;
    Ok(proof)
}

/// The key that the statement names, from the signed directory, in PEM.
fn public_key(statement: &[u8], trust: &Trust) -> Result<String, Failure> {
    let key = trust
        .directory()
        .and_then(|directory| keys::public_key(statement, directory));
    key.ok_or_else(|| {
        let message = "the directory has no such key as a statement names";
        Failure::new(ErrorCode::KeyUnknown, message)
    })
}
