//! NIST's Public Key Interoperability Test Suite: most tests' names state their outcome, for the
//! rest it stands in [`UNNAMED`].
//!
//! Every certificate is judged with the revocation lists of the authorities on its path.
//! Nothing that the suite calls invalid may be accepted, but for what only a delta list revokes;
//! where we are stricter than the suite, the reason stands in [`STRICTER`]. Run with `--show-output`, it prints the counts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fixture that fails fails its test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use consign_pki::path::revocation::{RevocationGap, RevocationReason};
use consign_pki::path::{PathError, PathPurpose, validate};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Inside the suite's validity, 2010 to 2030.
const AT: u64 = 1_420_070_400;

/// Valid in the suite, refused here: never the other way round.
const STRICTER: [(&str, &str); 29] = [
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
    ("OverlappingPoliciesTest6", "the end entity is an authority"),
    ("pathLenConstraintTest8", "the end entity is an authority"),
    ("pathLenConstraintTest14", "the end entity is an authority"),
    ("pre2000UTCnotBeforeDateTest3", "dates before 1970"),
    (
        "NameChainingWhitespaceTest4",
        "names that certval does not compare as RFC 5280 asks",
    ),
    (
        "UTF8StringCaseInsensitiveMatchTest11",
        "names that certval does not compare as RFC 5280 asks",
    ),
];

/// Delta lists are not read, so what only they revoke is not seen.
const DELTA_ONLY: &str = "deltaCRLTest4";

/// What the suite's document says of the tests whose names do not: whether they are valid by
/// RFC 5280's default inputs.
const UNNAMED: [(&str, bool); 20] = [
    ("AllCertificatesNoPoliciesTest2", true),
    ("DifferentPoliciesTest3", true),
    ("DifferentPoliciesTest4", false),
    ("DifferentPoliciesTest5", false),
    ("OverlappingPoliciesTest6", true),
    ("DifferentPoliciesTest7", false),
    ("DifferentPoliciesTest8", false),
    ("DifferentPoliciesTest9", false),
    ("AllCertificatesSamePoliciesTest10", true),
    ("AllCertificatesanyPolicyTest11", true),
    ("DifferentPoliciesTest12", false),
    ("AllCertificatesSamePoliciesTest13", true),
    ("AnyPolicyTest14", true),
    ("UserNoticeQualifierTest15", true),
    ("UserNoticeQualifierTest16", true),
    ("UserNoticeQualifierTest17", true),
    ("UserNoticeQualifierTest18", true),
    ("UserNoticeQualifierTest19", true),
    ("CPSPointerQualifierTest20", true),
    ("inhibitAnyPolicyTest3", true),
];

/// Sub-tests of 4.8, 4.10 and 4.12 that set policies, or flags for them, at the start: nothing of
/// ours asks for other than the defaults.
const OTHER_INPUTS: usize = 32;

#[test]
#[expect(clippy::print_stdout, reason = "the counts are shown by --show-output")]
fn published_vectors_outcomes_are_those_of_the_suite() {
    let suite = Suite::read();
    let (mut accepted, mut refused) = (0, 0);
    let mut stricter: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, certificate) in &suite.end_entities {
        let outcome = suite.judge(certificate);
        let (test, is_valid) = expected(name);
        let reason = STRICTER.iter().find(|(known, _)| *known == test);
        let is_accepted = is_valid && reason.is_none() || test == DELTA_ONLY;
        assert_eq!(outcome.is_ok(), is_accepted, "{name}: {outcome:?}");
        match reason {
            Some((_, reason)) => *stricter.entry(reason).or_default() += 1,
            None if test == DELTA_ONLY => {}
            None if is_valid => accepted += 1,
            None => refused += 1,
        }
    }
    let unlike: usize = stricter.values().sum();
    assert_eq!(unlike, STRICTER.len());
    let all = suite.end_entities.len();
    assert_eq!(accepted + refused + unlike + 1, all);
    assert!(accepted > 50 && refused > 100);
    println!(
        "PKITS: {all} run: {accepted} valid accepted, {refused} invalid refused, \
         {unlike} valid refused, 1 invalid accepted"
    );
    for (reason, count) in stricter {
        println!("  {count} valid refused: {reason}");
    }
    println!("  1 invalid accepted: {DELTA_ONLY}, which only a delta list revokes");
    println!("  {OTHER_INPUTS} sub-tests skipped: they start from other policies than the default");
}

/// A test's name without its outcome, and whether it is valid.
fn expected(name: &str) -> (&str, bool) {
    if let Some(test) = name.strip_prefix("Invalid") {
        (test, false)
    } else if let Some(test) = name.strip_prefix("Valid") {
        (test, true)
    } else {
        let known = UNNAMED.iter().find(|(test, _)| *test == name);
        (
            name,
            known.unwrap_or_else(|| panic!("outcome of {name}?")).1,
        )
    }
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
