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
use consign_pki::path::{InitialPolicies, PathError, PathPurpose, validate};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Inside the suite's validity, 2010 to 2030.
const AT: u64 = 1_420_070_400;

/// Above NIST's test policies 1 to 6.
const NIST_POLICY: &str = "2.16.840.1.101.3.2.1.48";

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

/// The sub-tests that start from other policies than any (4.8, 4.10, 4.12): the test, which of
/// NIST's test policies are accepted, the flags, and whether it is valid then.
const BY_POLICY: [(&str, &[u8], Flags, bool); 32] = [
    ("ValidCertificatePathTest1", &[], Flags::Explicit, true),
    ("ValidCertificatePathTest1", &[1], Flags::Explicit, true),
    ("ValidCertificatePathTest1", &[2], Flags::Explicit, false),
    ("ValidCertificatePathTest1", &[1, 2], Flags::Explicit, true),
    (
        "AllCertificatesNoPoliciesTest2",
        &[],
        Flags::Explicit,
        false,
    ),
    ("DifferentPoliciesTest3", &[], Flags::Explicit, false),
    ("DifferentPoliciesTest3", &[1, 2], Flags::Explicit, false),
    ("OverlappingPoliciesTest6", &[1], Flags::None, true),
    ("OverlappingPoliciesTest6", &[2], Flags::None, false),
    ("AllCertificatesSamePoliciesTest10", &[1], Flags::None, true),
    ("AllCertificatesSamePoliciesTest10", &[2], Flags::None, true),
    ("AllCertificatesanyPolicyTest11", &[1], Flags::None, true),
    ("AllCertificatesSamePoliciesTest13", &[1], Flags::None, true),
    ("AllCertificatesSamePoliciesTest13", &[2], Flags::None, true),
    ("AllCertificatesSamePoliciesTest13", &[3], Flags::None, true),
    ("AnyPolicyTest14", &[1], Flags::None, true),
    ("AnyPolicyTest14", &[2], Flags::None, false),
    ("UserNoticeQualifierTest18", &[1], Flags::None, true),
    ("UserNoticeQualifierTest18", &[2], Flags::None, true),
    ("ValidPolicyMappingTest1", &[1], Flags::None, true),
    ("ValidPolicyMappingTest1", &[2], Flags::None, false),
    ("ValidPolicyMappingTest1", &[], Flags::InhibitMapping, false),
    (
        "InvalidPolicyMappingTest2",
        &[],
        Flags::InhibitMapping,
        false,
    ),
    ("ValidPolicyMappingTest3", &[1], Flags::None, false),
    ("ValidPolicyMappingTest3", &[2], Flags::None, true),
    ("ValidPolicyMappingTest5", &[1], Flags::None, true),
    ("ValidPolicyMappingTest5", &[6], Flags::None, false),
    ("ValidPolicyMappingTest6", &[1], Flags::None, true),
    ("ValidPolicyMappingTest6", &[6], Flags::None, false),
    ("ValidPolicyMappingTest12", &[1], Flags::None, true),
    ("ValidPolicyMappingTest12", &[2], Flags::None, true),
    ("inhibitAnyPolicyTest3", &[], Flags::InhibitAny, false),
];

/// The one flag that a sub-test sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flags {
    None,
    Explicit,
    InhibitMapping,
    InhibitAny,
}

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
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are shown by --show-output")]
fn published_vectors_outcomes_by_policy_are_those_of_the_suite() {
    let suite = Suite::read();
    let (mut accepted, mut refused, mut stricter) = (0, 0, Vec::new());
    for (name, policies, flags, is_valid) in BY_POLICY {
        let numbers = policies.iter();
        let purpose = PathPurpose {
            policies: InitialPolicies {
                accepted: numbers
                    .map(|number| format!("{NIST_POLICY}.{number}"))
                    .collect(),
                require_explicit: flags == Flags::Explicit,
                inhibit_mapping: flags == Flags::InhibitMapping,
                inhibit_any: flags == Flags::InhibitAny,
            },
            ..PathPurpose::default()
        };
        let outcome = suite.judge_for(&suite.find(name), purpose);
        let reason = STRICTER
            .iter()
            .find(|(known, _)| *known == expected(name).0);
        let case = format!("{name} for {policies:?} with {flags:?}: {outcome:?}");
        assert_eq!(outcome.is_ok(), is_valid && reason.is_none(), "{case}");
        match reason {
            Some((_, reason)) if is_valid => stricter.push((name, *reason)),
            _ if is_valid => accepted += 1,
            _ => refused += 1,
        }
    }
    println!(
        "PKITS, sub-tests by policy: {} run: {accepted} valid accepted, {refused} invalid \
         refused, {} valid refused",
        BY_POLICY.len(),
        stricter.len()
    );
    for (name, reason) in stricter {
        println!("  {name}: {reason}");
    }
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

    fn judge(&self, certificate: &[u8]) -> Result<(), PathError> {
        self.judge_for(certificate, PathPurpose::default())
    }

    /// Judges with the authorities and lists that the names on the path lead to.
    fn judge_for(&self, certificate: &[u8], purpose: PathPurpose) -> Result<(), PathError> {
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
            ..purpose
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
