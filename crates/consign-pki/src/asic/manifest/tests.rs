use aws_lc_rs::digest::{SHA512, digest};
use proptest::prelude::*;

use super::*;

/// The shape that the European Commission's DSS writes: default namespaces, other order.
const FOREIGN: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<ASiCManifest xmlns="http://uri.etsi.org/02918/v1.2.1#"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">
  <SigReference MimeType="application/pkcs7-signature" URI="META-INF/signature001.p7s"/>
  <!-- the only file -->
  <DataObjectReference URI="t%C3%AAn%20t&#x1EC7;p.pdf">
    <DigestMethod xmlns="http://www.w3.org/2000/09/xmldsig#"
        Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"></DigestMethod>
    <d:DigestValue xmlns:d="http://www.w3.org/2000/09/xmldsig#">
      DIGEST
    </d:DigestValue>
    <DataObjectReferenceExtensions><Extension Critical="false"/></DataObjectReferenceExtensions>
  </DataObjectReference>
</ASiCManifest>"#;

#[test]
fn other_prefixes_orders_and_algorithms_are_read() {
    let sha512 = digest(&SHA512, b"content");
    let encoded = STANDARD.encode(sha512);
    let (first, second) = encoded.split_at(40);
    let text = FOREIGN.replace("DIGEST", &format!("{first}\n      {second}"));
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let expected = Manifest {
        signature_name: "META-INF/signature001.p7s".to_owned(),
        references: vec![Reference {
            name: "tên tệp.pdf".to_owned(),
            media_type: None,
            rootfile: false,
            algorithm: DigestAlgorithm::Sha512,
            digest: sha512.as_ref().to_vec(),
        }],
    };
    assert_eq!(manifest, expected);
}

#[test]
fn limits_are_kept() {
    let large = " ".repeat(LIMITS.bytes + 1);
    let refused = Manifest::parse(large.as_bytes()).unwrap_err();
    assert_eq!(refused.code(), "manifest-too-large");
}

#[test]
fn what_is_not_xml_is_refused() {
    let cases = [
        ("", "manifest-incomplete"),
        ("PK", "manifest-unexpected-text"),
        ("<", "manifest-xml"),
        ("<a", "manifest-xml"),
        ("<a>", "manifest-unexpected-element"),
        ("</a>", "manifest-xml"),
        ("<!-- -- -->", "manifest-xml"),
        ("<!DOCTYPE", "manifest-xml"),
    ];
    for (text, code) in cases {
        assert_eq!(
            Manifest::parse(text.as_bytes()).unwrap_err().code(),
            code,
            "{text:?}"
        );
    }
}

fn reference() -> impl Strategy<Value = Reference> {
    let name = "\\PC{1,40}";
    let media_type = prop::option::of("[ -~\t\n]{0,20}");
    (name, media_type, any::<[u8; 32]>()).prop_map(|(name, media_type, digest)| Reference {
        name,
        media_type,
        rootfile: false,
        algorithm: DigestAlgorithm::Sha256,
        digest: digest.to_vec(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rendered_is_parsed_back(
        mut references in prop::collection::vec(reference(), 1..8),
        rootfile in any::<prop::sample::Index>(),
    ) {
        references.sort_by(|left, right| left.name.cmp(&right.name));
        references.dedup_by(|left, right| left.name == right.name);
        let place = rootfile.index(references.len());
        references[place].rootfile = true;
        let manifest = Manifest { signature_name: "META-INF/s%1.p7s".to_owned(), references };
        let parsed = Manifest::parse(manifest.render().as_bytes()).unwrap();
        prop_assert_eq!(parsed, manifest);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[<>/a-z:=\"'!?&;# \\[\\]-]{0,80}") {
        let _ = Manifest::parse(text.as_bytes());
    }
}
