//! Manifests of containers: [`Manifest::parse`] and [`Manifest::render`].

use std::io::Cursor;

use consign_pki::asic::{Budget, Container, Manifest};

use crate::{Seed, container};

/// A manifest means one thing: its canonical text is read as the same again.
pub fn judge(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return false;
    };
    let text = manifest.render();
    let again = Manifest::parse(text.as_bytes());
    assert_eq!(
        again.as_ref().ok(),
        Some(&manifest),
        "read otherwise:\n{text}"
    );
    assert!(
        manifest
            .references
            .iter()
            .filter(|one| one.rootfile)
            .count()
            <= 1,
        "two main files"
    );
    true
}

/// Manifests of one and of two signers, and one as others write them.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, bytes) in [
        ("one", container::sealed()),
        ("two", container::sealed_twice()),
    ] {
        let opened = Container::open_canonical(Cursor::new(bytes), &Budget::default());
        for layer in opened.expect("ours").signatures() {
            let name = format!("{name}-{}", layer.manifest_name.replace('/', "-"));
            seeds.push(Seed::good(&name, layer.manifest_bytes.clone()));
        }
    }
    seeds.push(Seed::good("foreign", FOREIGN));
    seeds
}

const FOREIGN: &str = "<ASiCManifest xmlns='http://uri.etsi.org/02918/v1.2.1#' \
    xmlns:d='http://www.w3.org/2000/09/xmldsig#'>\
    <SigReference MimeType='application/pkcs7-signature' URI='META-INF/signature.p7s'></SigReference>\
    <DataObjectReference Rootfile=\"true\" URI='v%C4%83n%20b%E1%BA%A3n.pdf' MimeType='a/b'>\
    <d:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/><d:DigestValue>\
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</d:DigestValue></DataObjectReference></ASiCManifest>";
