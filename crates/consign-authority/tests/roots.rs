//! Roots of others in the trust file.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod support;

use std::sync::Arc;

use consign_authority::{Authority, AuthorityError, RootError, RootUse};
use consign_pki::issue::{AuthorityName, CertificateAuthority, Validity};
use consign_pki::path::MAX_ROOTS;
use consign_pki::seal::{FileSealKey, KeyKind};
use support::{Ceremony, now};

fn root(number: usize) -> Vec<u8> {
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let name = AuthorityName {
        organization: "Ban Cơ yếu Chính phủ".to_owned(),
        common_name: format!("Gốc {number}"),
    };
    let validity = Validity {
        not_before: now().as_unix(),
        not_after: now().plus_seconds(86_400).as_unix(),
    };
    let root = CertificateAuthority::create_root(Arc::new(key), &name, validity).unwrap();
    root.certificate_der().to_vec()
}

#[test]
fn there_are_never_more_than_verifiers_take() {
    let ceremony = Ceremony::new();
    let mut authority = Authority::open(&ceremony.dir()).unwrap();
    // The network's own is one of them.
    let roots: Vec<_> = (1..MAX_ROOTS).map(root).collect();
    let mut add = |usage, roots| authority.trust_roots(usage, roots, now());
    assert_eq!(
        add(RootUse::Documents, roots.clone()).unwrap(),
        MAX_ROOTS - 1
    );
    let refused = add(RootUse::Documents, vec![root(MAX_ROOTS)]).unwrap_err();
    let AuthorityError::Root(RootError::TooMany { count, limit }) = refused else {
        panic!("{refused}")
    };
    assert_eq!((count, limit), (MAX_ROOTS + 1, MAX_ROOTS));
    assert_eq!(add(RootUse::TimeStamps, vec![root(0)]).unwrap(), 1);
    drop(authority);
    let authority = Authority::open(&ceremony.dir()).unwrap();
    assert_eq!(authority.trust().document_roots(), roots);
}
