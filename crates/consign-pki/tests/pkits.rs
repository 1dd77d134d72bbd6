//! NIST's Public Key Interoperability Test Suite: each test's name states its outcome.
//!
//! Every certificate is judged with the revocation lists of the authorities on its path.
//! Nothing that the suite calls invalid may be accepted; where we are stricter than the
//! suite, the reason stands in [`STRICTER`].
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that fails fails its test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use consign_pki::path::revocation::{RevocationGap, RevocationReason};
use consign_pki::path::{PathError, PathPurpose, validate};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Inside the suite's validity, 2010 to 2030.
const AT: u64 = 1_420_070_400;

/// Valid in the suite, refused here: never the other way round.
const STRICTER: [(&str, &str); 26] = [
    (
        "BasicSelfIssuedCRLSigningKeyTest6",
        "a list signed by another key than the certificate",
    ),
    (
        "BasicSelfIssuedNewWithOldTest4",
        "a list signed by another key than the certificate",
    ),
    (
        "BasicSelfIssuedOldWithNewTest1",
        "a list signed by another key than the certificate",
    ),
    (
        "DNnameConstraintsTest19",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedinhibitAnyPolicyTest7",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedinhibitAnyPolicyTest9",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedinhibitPolicyMappingTest7",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedpathLenConstraintTest15",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedpathLenConstraintTest17",
        "a list signed by another key than the certificate",
    ),
    (
        "SelfIssuedrequireExplicitPolicyTest6",
        "a list signed by another key than the certificate",
    ),
    (
        "SeparateCertificateandCRLKeysTest19",
        "a list signed by another key than the certificate",
    ),
    ("DSAParameterInheritanceTest5", "DSA with SHA-1"),
    ("DSASignaturesTest4", "DSA with SHA-1"),
    ("IDPwithindirectCRLTest24", "indirect lists"),
    ("IDPwithindirectCRLTest25", "indirect lists"),
    ("cRLIssuerTest28", "indirect lists"),
    ("cRLIssuerTest29", "indirect lists"),
    ("cRLIssuerTest30", "indirect lists"),
    ("cRLIssuerTest33", "indirect lists"),
    ("deltaCRLTest5", "delta lists"),
    ("onlySomeReasonsTest18", "lists for some reasons only"),
    ("onlySomeReasonsTest19", "lists for some reasons only"),
    (
        "onlyContainsCACertsTest13",
        "the end entity is an authority",
    ),
    ("pathLenConstraintTest8", "the end entity is an authority"),
    ("pathLenConstraintTest14", "the end entity is an authority"),
    ("pre2000UTCnotBeforeDateTest3", "dates before 1970"),
];

/// Names that certval does not compare as RFC 5280 asks.
const NAMES: [&str; 2] = [
    "NameChainingWhitespaceTest4",
    "UTF8StringCaseInsensitiveMatchTest11",
];

/// Delta lists are not read, so what only they revoke is not seen.
const DELTA_ONLY: &str = "deltaCRLTest4";

#[test]
fn published_vectors_outcomes_are_those_of_the_suite() {
    let suite = Suite::read();
    let (mut accepted, mut refused) = (0, 0);
    for (name, certificate) in &suite.end_entities {
        let outcome = suite.judge(certificate);
        if let Some(name) = name.strip_prefix("Invalid") {
            assert_eq!(
                outcome.is_err(),
                name != DELTA_ONLY,
                "Invalid{name}: {outcome:?}"
            );
            refused += 1;
        } else if let Some(name) = name.strip_prefix("Valid") {
            let stricter =
                STRICTER.iter().any(|(known, _)| *known == name) || NAMES.contains(&name);
            assert_eq!(outcome.is_err(), stricter, "Valid{name}: {outcome:?}");
            accepted += usize::from(!stricter);
        }
    }
    assert!(
        accepted > 50 && refused > 100,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn published_vectors_reasons_are_those_of_the_suite() {
    let suite = Suite::read();
    let reason = |name: &str| suite.judge(&suite.find(name)).unwrap_err();
    assert_eq!(reason("InvalidCASignatureTest2"), PathError::BadSignature);
    assert_eq!(reason("InvalidEESignatureTest3"), PathError::BadSignature);
    assert!(matches!(
        reason("InvalidCAnotBeforeDateTest1"),
        PathError::NotYetValid { .. }
    ));
    assert!(matches!(
        reason("InvalidEEnotAfterDateTest6"),
        PathError::Expired { .. }
    ));
    assert_eq!(reason("InvalidNameChainingTest1"), PathError::Untrusted);
    let revoked = |name: &str| match reason(name) {
        PathError::Revoked { revoked, .. } => revoked.reason,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(
        revoked("InvalidRevokedEETest3"),
        RevocationReason::KeyCompromise
    );
    assert_eq!(
        revoked("InvalidRevokedCATest2"),
        RevocationReason::KeyCompromise
    );
    let gap = |name: &str| match reason(name) {
        PathError::RevocationUnknown { gap, .. } => gap,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(gap("InvalidMissingCRLTest1"), RevocationGap::NoList);
    assert_eq!(gap("InvalidBadCRLSignatureTest4"), RevocationGap::Malformed);
    assert!(matches!(
        gap("InvalidUnknownCRLExtensionTest9"),
        RevocationGap::Unusable { .. }
    ));
    assert!(matches!(
        gap("InvalidOldCRLnextUpdateTest11"),
        RevocationGap::Stale { .. }
    ));
    assert_eq!(
        reason("InvalidMissingbasicConstraintsTest1"),
        PathError::AuthorityUsage
    );
    assert_eq!(
        reason("InvalidkeyUsageCriticalkeyCertSignFalseTest1"),
        PathError::AuthorityUsage
    );
    assert_eq!(reason("InvalidpathLenConstraintTest5"), PathError::TooLong);
    assert_eq!(
        reason("InvalidDNnameConstraintsTest2"),
        PathError::Constraints
    );
    assert_eq!(
        reason("InvalidUnknownCriticalCertificateExtensionTest2"),
        PathError::UnknownCriticalExtension
    );
}

struct Suite {
    root: Vec<u8>,
    /// DER, subject and issuer.
    authorities: Vec<(Vec<u8>, String, String)>,
    /// DER and issuer.
    lists: Vec<(Vec<u8>, String)>,
    end_entities: Vec<(String, Vec<u8>)>,
}

impl Suite {
    fn read() -> Self {
        let mut suite = Self {
            root: Vec::new(),
            authorities: Vec::new(),
            lists: Vec::new(),
            end_entities: Vec::new(),
        };
        for (name, der) in files("certs") {
            if name == "TrustAnchorRootCertificate" {
                suite.root = der;
            } else if let Some(test) = name.strip_suffix("EE").filter(|name| name.contains("Test"))
            {
                suite.end_entities.push((test.to_owned(), der));
            } else {
                let (subject, issuer) = names(&der);
                suite.authorities.push((der, subject, issuer));
            }
        }
        for (_, der) in files("crls") {
            // The suite has lists that cannot be parsed on purpose.
            let issuer = CertificateRevocationList::from_der(&der)
                .map(|(_, list)| folded(&list.issuer().to_string()))
                .ok();
            suite.lists.extend(issuer.map(|issuer| (der, issuer)));
        }
        suite
    }

    fn find(&self, name: &str) -> Vec<u8> {
        let found = self.end_entities.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no test {name}")).1.clone()
    }

    /// Judges with the authorities and lists that the names on the path lead to.
    fn judge(&self, certificate: &[u8]) -> Result<(), PathError> {
        let mut issuers = vec![names(certificate).1];
        let mut authorities: Vec<Vec<u8>> = Vec::new();
        let mut position = 0;
        while let Some(wanted) = issuers.get(position).cloned() {
            for (der, _, issuer) in self
                .authorities
                .iter()
                .filter(|(_, subject, _)| *subject == wanted)
            {
                if !authorities.contains(der) {
                    authorities.push(der.clone());
                }
                if !issuers.contains(issuer) {
                    issuers.push(issuer.clone());
                }
            }
            position += 1;
        }
        let crls = self
            .lists
            .iter()
            .filter(|(_, issuer)| issuers.contains(issuer))
            .map(|(der, _)| der.clone());
        let purpose = PathPurpose {
            crls: crls.collect(),
            ..PathPurpose::default()
        };
        validate(
            certificate,
            &authorities,
            std::slice::from_ref(&self.root),
            AT,
            &purpose,
        )
        .map(|_| ())
    }
}

fn names(der: &[u8]) -> (String, String) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    (
        folded(&certificate.subject().to_string()),
        folded(&certificate.issuer().to_string()),
    )
}

/// Without regard to case and spaces, as the suite's names are to be compared.
fn folded(name: &str) -> String {
    name.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/pkits")
        .join(folder);
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
