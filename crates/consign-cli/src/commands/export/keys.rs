//! The public keys of those who signed statements, as files that `openssl` takes.

use consign_domain::limits::MAX_EVIDENCE;
use consign_domain::{KeyId, PartyId};
use consign_runtime::files;
use consign_verify::Directory;
use serde_json::Value;

use super::{Export, MODE, Written};
use crate::commands::verify::Trust;
use crate::failure::Failure;

/// Writes `NAME.pem` beside each `NAME.sig`, by the node's directory. A statement of somebody whom
/// the directory does not know, or not any more, has none.
pub(super) fn complete(export: &Export, written: &mut Vec<Written>) -> Result<(), Failure> {
    let node = export.document.node.directory()?;
    let trust = Trust::load(&node.join("trust/trust.json"))?;
    let Some(directory) = trust.directory() else {
        return Ok(());
    };
    let mut keys = Vec::new();
    for file in written.iter() {
        let Some(name) = file.name.strip_suffix(".sig") else {
            continue;
        };
        let statement = file.path.with_extension("json");
        let statement = files::read_bounded(&statement, MAX_EVIDENCE)?;
        let Some(key) = public_key(&statement, directory) else {
            continue;
        };
        let path = file.path.with_extension("pem");
        files::publish(&path, key.as_bytes(), MODE)?;
        keys.push(Written {
            name: format!("{name}.pem"),
            size: key.len() as u64,
            path,
        });
    }
    written.extend(keys);
    Ok(())
}

/// The key that a statement names, from the signed directory, in PEM. Nothing is verified.
pub(crate) fn public_key(statement: &[u8], directory: &Directory) -> Option<String> {
    let statement: Value = serde_json::from_slice(statement).ok()?;
    let named = |path| statement.pointer(path).and_then(Value::as_str);
    let signer: PartyId = named("/signer/id")?.parse().ok()?;
    let key: KeyId = named("/signer/key")?.parse().ok()?;
    Some(directory.key(signer, key)?.public.to_spki_pem())
}
