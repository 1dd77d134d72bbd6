//! The time-stamp of a seal and what it is over, as files that stock tools take.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_pki::asic::{Budget, Container};
use consign_pki::cms::{self, CadesSignature};
use consign_runtime::files;

use super::{Export, MODE, Written};
use crate::failure::Failure;

/// The name of a token that came after the seal, among the files of a document.
pub(super) const TOKEN: &str = "time-stamp.tst";

/// Where the token goes.
pub(super) fn token_path(container: &Path) -> PathBuf {
    beside(container, ".tst")
}

/// Writes the token that is inside the container, unless one came afterwards, and the value of
/// the seal.
pub(super) fn complete(
    export: &Export,
    container: &Path,
    written: &mut Vec<Written>,
) -> Result<(), Failure> {
    let seal = seal(container)?;
    if !written.iter().any(|file| file.name == TOKEN) {
        let token = seal.time_stamp_tokens.first().ok_or_else(|| {
            let message = "the seal has no time-stamp, or none yet; the container was written";
            let fix = format!("see how it stands: consign show {}", export.document.id);
            Failure::new(ErrorCode::NotFound, message).fix(fix)
        })?;
        written.push(write(TOKEN, token_path(container), token)?);
    }
    let path = beside(container, ".signature");
    written.push(write("signature", path, &seal.signature_value)?);
    Ok(())
}

fn seal(path: &Path) -> Result<CadesSignature, Failure> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        let cause = crate::failure::with_causes(error);
        let message = format!("{}: {cause}", path.display());
        Failure::new(ErrorCode::ContainerMalformed, message)
    };
    let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
    let container = Container::open_canonical(BufReader::new(file), &Budget::default())
        .map_err(|error| unreadable(&error))?;
    let layer = container.signatures().first();
    let layer = layer.ok_or_else(|| Failure::new(ErrorCode::NotFound, "there is no seal"))?;
    cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes)
        .map_err(|error| unreadable(&error))
}

fn write(name: &str, path: PathBuf, bytes: &[u8]) -> Result<Written, Failure> {
    files::publish(&path, bytes, MODE)?;
    Ok(Written {
        name: name.to_owned(),
        path,
        size: bytes.len() as u64,
    })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}
