//! What the verdict on a PDF file says without a signature to judge, and of files that somebody
//! made to show one thing to a verifier and another to a reader. Files of other programs are in
//! the whole-network tests, which have pyHanko.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions that the lint excuses"
)]

mod world;

use consign_domain::ErrorCode;
use consign_pki::cms::sign_detached;
use consign_pki::issue::Validity;
use consign_verify::Indication;
use consign_verify::container::{JudgedAt, SealTrust};
use consign_verify::pdf::{MAX_PDF, PdfJudgement, Standing, judge};
use consign_verify::policy::Policy;
use consign_verify::report::{CheckName, Reason, SubIndication};
use world::{DAY, World, now};

fn judged(file: &[u8]) -> PdfJudgement {
    let at = "2026-11-23T02:30:00Z".parse().unwrap();
    judge(
        file,
        &SealTrust::by_roots(&[]),
        &Policy::default(),
        JudgedAt::Now(at),
    )
}

#[test]
fn a_file_without_signatures_is_undecided() {
    let judgement = judged(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n");
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    assert!(!judgement.report.malformed);
    assert_eq!(judgement.standing, Standing::None);
    let decisive = judgement.report.decisive().unwrap();
    assert_eq!(decisive.name, CheckName::PdfRoles);
    assert_eq!(decisive.reason, Some(Reason::NoSignature));
}

#[test]
fn a_signature_dictionary_that_is_not_sound_is_malformed() {
    for file in [
        &b"PK\x03\x04"[..],
        b"%PDF-1.7\n/ByteRange [0 1 2 3]\n%%EOF\n",
        b"%PDF-1.7\n1 0 obj\n<< /SubFilter /ETSI.CAdES.detached /Contents <3000> \
          /ByteRange [0 9 20 2] >>\nendobj\n%%EOF\n",
    ] {
        let judgement = judged(file);
        assert_eq!(judgement.report.indication, Indication::TotalFailed);
        assert!(judgement.report.malformed);
        let decisive = judgement.report.decisive().unwrap();
        assert_eq!(decisive.code, Some(ErrorCode::SignatureInvalid));
        assert_eq!(decisive.sub_indication, Some(SubIndication::FormatFailure));
        assert!(judgement.signatures.is_empty());
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read_and_so_undecided() {
    let mut file = b"%PDF-1.7\n".to_vec();
    file.resize(MAX_PDF + 1, b' ');
    let judgement = judged(&file);
    assert_eq!(judgement.report.indication, Indication::Indeterminate);
    let decisive = judgement.report.decisive().unwrap();
    assert_eq!(decisive.reason, Some(Reason::TooLarge));
}

const BEGIN: &str = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n";
const END: &str = "startxref\n9\n%%EOF\n";

/// What a dictionary says instead of begin and end of its gap, and of the length after it.
type Range<'r> = &'r dyn Fn([usize; 3]) -> [usize; 3];

/// A network's seal, as a signer of PDF files, and what the verdict rests on.
struct Signer {
    world: World,
    lists: Vec<Vec<u8>>,
}

impl Signer {
    fn new() -> Self {
        let world = World::new();
        let validity = Validity {
            not_before: now().minus_seconds(DAY).as_unix(),
            not_after: now().plus_seconds(DAY).as_unix(),
        };
        let authorities = [&world.root, &world.issuing];
        let lists = authorities.map(|by| by.revocation_list(&[], 1, validity).unwrap());
        Self {
            lists: lists.to_vec(),
            world,
        }
    }

    /// The file with a signature of the agency, in an object of that number; `range` says what
    /// stands in the dictionary instead of what it is.
    fn sign(&self, file: &[u8], number: u32, range: Range<'_>) -> Vec<u8> {
        const ROOM: usize = 8_000;
        let head = format!("{number} 0 obj\n<< /Type /Sig /SubFilter /ETSI.CAdES.detached ");
        let width = "/ByteRange [0 0000000000 0000000000 0000000000] /Contents ".len();
        let begin = file.len() + head.len() + width;
        let end = begin + ROOM + 2;
        let tail = format!(" >>\nendobj\n{END}");
        let [first, second, length] = range([begin, end, tail.len()]);
        let entry = format!("/ByteRange [0 {first:010} {second:010} {length:010}] /Contents ");
        let before = [file, head.as_bytes(), entry.as_bytes()].concat();
        let agency = &self.world.sender;
        let chain = [self.world.issuing.certificate_der().to_vec()];
        let signed = [&*before, tail.as_bytes()].concat();
        let at = now().as_unix();
        let cms = sign_detached(&agency.seal, &agency.certificate, &chain, &signed, at).unwrap();
        let digits: String = cms.iter().map(|byte| format!("{byte:02x}")).collect();
        let contents = format!("<{digits:0<ROOM$}>");
        [&*before, contents.as_bytes(), tail.as_bytes()].concat()
    }

    fn judged(&self, file: &[u8]) -> PdfJudgement {
        let trust = SealTrust {
            lists: &self.lists,
            ..SealTrust::by_roots(self.world.trust.roots())
        };
        let policy = Policy::default();
        judge(file, &trust, &policy, JudgedAt::Proven(now()))
    }

    #[track_caller]
    fn is_malformed(&self, file: &[u8], why: &str) {
        let judgement = self.judged(file);
        let report = &judgement.report;
        assert_eq!(report.indication, Indication::TotalFailed, "{report:#?}");
        assert!(report.malformed, "{report:#?}");
        let decisive = report.decisive().unwrap();
        assert_eq!(decisive.sub_indication, Some(SubIndication::FormatFailure));
        let cause = decisive.cause.as_ref().unwrap().as_str();
        assert!(cause.contains(why), "{cause}");
        assert!(judgement.signatures.is_empty(), "nothing is judged");
    }

    /// Undecided, for a reason that is told of the file or of a signature in it.
    #[track_caller]
    fn is_undecided(&self, file: &[u8], why: Reason) {
        let judgement = self.judged(file);
        let report = &judgement.report;
        assert_eq!(report.indication, Indication::Indeterminate, "{report:#?}");
        let signatures = judgement.signatures.iter().map(|one| &one.report);
        let mut checks = signatures.chain([report]).flat_map(|report| &report.checks);
        assert!(
            checks.any(|check| check.reason == Some(why)),
            "{judgement:#?}"
        );
    }
}

const AS_IT_IS: Range<'static> = &|range| range;

#[test]
fn a_signature_over_the_whole_file_passes() {
    let signer = Signer::new();
    let judgement = signer.judged(&signer.sign(BEGIN.as_bytes(), 5, AS_IT_IS));
    assert_eq!(
        judgement.report.indication,
        Indication::TotalPassed,
        "{:#?}",
        judgement.report
    );
    assert_eq!(judgement.standing, Standing::ScannedCopy);
}

#[test]
fn byte_ranges_that_overlap_or_leave_something_out() {
    let signer = Signer::new();
    let gap = "does not leave out exactly its own contents";
    let beyond = "beyond the end";
    let cases: [(Range<'_>, &str); 6] = [
        // Overlapping, reversed, empty; leaving out more than the contents; beyond the end.
        (&|[first, second, length]| [second, first, length], gap),
        (
            &|[first, second, length]| [first, first, length + second - first],
            gap,
        ),
        (&|[_, _, length]| [10, 5, length], gap),
        (&|[first, second, length]| [first - 40, second, length], gap),
        (
            &|[first, second, length]| [first, second + 9, length - 9],
            gap,
        ),
        (
            &|[first, second, length]| [first, second, length + 1],
            beyond,
        ),
    ];
    for (range, why) in cases {
        signer.is_malformed(&signer.sign(BEGIN.as_bytes(), 5, range), why);
    }
    // What is put before the file moves all that was signed.
    let file = signer.sign(BEGIN.as_bytes(), 5, AS_IT_IS);
    let moved = [&b"%PDF-1.7\n2 0 obj\n<<>>\nendobj\n"[..], &*file].concat();
    signer.is_malformed(&moved, gap);
}

#[test]
fn two_signature_dictionaries_over_one_range() {
    let signer = Signer::new();
    let file = signer.sign(BEGIN.as_bytes(), 5, AS_IT_IS);
    // The same dictionary again, under its own number and under another.
    let begin = BEGIN.len();
    let again = |number: &str| {
        let text = String::from_utf8(file[begin..].to_vec()).unwrap();
        [&*file, text.replacen('5', number, 1).as_bytes()].concat()
    };
    for number in ["5", "6"] {
        signer.is_malformed(
            &again(number),
            "does not leave out exactly its own contents",
        );
    }
    // Two that leave out their own contents alone, and end at the same place or not.
    let revision = file.len() - begin;
    for (more, why) in [
        (0, "5 and 6 sign the same range"),
        ("%%EOF\n".len(), "6 and 5 interlock"),
    ] {
        let over_both =
            |[first, second, length]: [usize; 3]| [first, second, length + revision + more];
        let first = signer.sign(BEGIN.as_bytes(), 5, &over_both);
        let second = signer.sign(&first, 6, AS_IT_IS);
        signer.is_malformed(&[&*second, b"%%EOF\n"].concat(), why);
    }
}

/// Whatever a table of references says, bytes that are added after the end are nobody's.
#[test]
fn tricks_with_cross_references() {
    let signer = Signer::new();
    let file = signer.sign(BEGIN.as_bytes(), 5, AS_IT_IS);
    let at = file.len();
    let other_root = format!(
        "1 0 obj\n<< /Type /Catalog /Pages 9 0 R >>\nendobj\nxref\n1 1\n{at:010} 00000 n \n\
         trailer\n<< /Size 10 /Root 1 0 R /Prev 9 >>\nstartxref\n{at}\n%%EOF\n"
    );
    let packed = format!(
        "8 0 obj\n<< /Type /XRef /Size 10 /Root 1 0 R /W [1 2 1] /Length 4 >>\nstream\n\
         \0\0\0\0\nendstream\nendobj\nstartxref\n{at}\n%%EOF\n"
    );
    let hybrid = format!("trailer\n<< /Root 1 0 R /XRefStm {at} >>\nstartxref\n{at}\n%%EOF\n");
    let only_start = "startxref\n9\n%%EOF\n".to_owned();
    for added in [other_root, packed, hybrid, only_start] {
        let changed = [&*file, added.as_bytes()].concat();
        signer.is_undecided(&changed, Reason::AddedUnsigned);
    }
    // The signature's own object again, with a signature over all of it.
    let redefined = [&*file, b"5 0 obj\n<< /Type /Sig >>\nendobj\n".as_slice()].concat();
    let closed = signer.sign(&redefined, 6, AS_IT_IS);
    signer.is_undecided(&closed, Reason::ObjectTwice);
}
