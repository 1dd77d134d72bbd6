//! Files as an attacker writes them, each with the answer it gets.

mod history;

use super::*;

/// `INTEGER 1` in a SEQUENCE, and padding.
const CONTENTS: &str = "300302010100000000";
const SUB_FILTER: &str = "/SubFilter /ETSI.CAdES.detached";
const BEGIN: &str = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n";

/// What one revision is made of.
struct Revision {
    number: u32,
    /// Written before the byte range.
    entries: String,
    contents: String,
    /// Written after the contents.
    rest: String,
    range: fn([usize; 4]) -> [usize; 4],
    end: &'static str,
}

impl Default for Revision {
    fn default() -> Self {
        Self {
            number: 5,
            entries: SUB_FILTER.to_owned(),
            contents: format!("<{CONTENTS}>"),
            rest: String::new(),
            range: |range| range,
            end: "startxref\n9\n%%EOF\n",
        }
    }
}

impl Revision {
    /// Adds itself to a file.
    fn add(&self, file: &mut Vec<u8>) {
        const WIDTH: usize = "[0000000000 0000000000 0000000000 0000000000]".len();
        let (number, entries) = (self.number, &self.entries);
        file.extend(format!("{number} 0 obj\n<< /Type /Sig {entries} /ByteRange ").bytes());
        let place = file.len();
        file.extend([b' '; WIDTH]);
        file.extend(b" /Contents ");
        let begin = file.len();
        file.extend(self.contents.bytes());
        let end = file.len();
        file.extend(format!(" {}>>\nendobj\n{}", self.rest, self.end).bytes());
        let [zero, first, second, length] = (self.range)([0, begin, end, file.len() - end]);
        let text = format!("[{zero:010} {first:010} {second:010} {length:010}]");
        file[place..place + WIDTH].copy_from_slice(text.as_bytes());
    }

    fn file(&self) -> Vec<u8> {
        let mut file = BEGIN.as_bytes().to_vec();
        self.add(&mut file);
        file
    }
}

fn fault(revision: &Revision) -> DictionaryFault {
    match find(&revision.file()) {
        Err(PdfError::Dictionary { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

fn with_range(range: fn([usize; 4]) -> [usize; 4]) -> Revision {
    Revision {
        range,
        ..Revision::default()
    }
}

fn with_entries(entries: &str) -> Revision {
    Revision {
        entries: entries.to_owned(),
        ..Revision::default()
    }
}

fn with_contents(contents: impl Into<String>) -> Revision {
    Revision {
        contents: contents.into(),
        ..Revision::default()
    }
}

#[test]
fn a_signature_covers_all_but_its_own_contents() {
    let file = Revision::default().file();
    let found = find(&file).unwrap();
    let [signature] = found.signatures() else {
        panic!("{found:?}");
    };
    assert_eq!(signature.object, 5);
    assert_eq!(signature.kind, SignatureKind::Cades);
    assert_eq!(signature.cms, [0x30, 3, 2, 1, 1]);
    assert!(!signature.is_redefined);
    assert_eq!(found.length_after(signature.end), 0);
    assert_eq!(found.addition_after(signature.end), Addition::Nothing);
    let text = String::from_utf8(file.clone()).unwrap();
    let expected = text.replace(&format!("<{CONTENTS}>"), "");
    assert_eq!(signature.signed(&file), expected.as_bytes());
}

#[test]
fn a_file_without_signatures_has_none() {
    let mut file = BEGIN.as_bytes().to_vec();
    file.extend(b"/ByteRangeOfSomethingElse %%EOF");
    assert!(find(&file).unwrap().signatures().is_empty());
    assert_eq!(find(b"PK\x03\x04"), Err(PdfError::NotPdf));
    assert_eq!(find(b""), Err(PdfError::NotPdf));
    assert_eq!(find(b" %PDF-1.7"), Err(PdfError::NotPdf));
}

#[test]
fn the_byte_range_begins_with_the_file_and_ends_within_it() {
    let moved = with_range(|[_, first, second, length]| [1, first, second, length]);
    assert_eq!(fault(&moved), DictionaryFault::NotFromBegin);
    let long = with_range(|[zero, first, second, length]| [zero, first, second, length + 1]);
    assert_eq!(fault(&long), DictionaryFault::BeyondEnd);
    let huge = with_range(|[zero, first, second, _]| [zero, first, second, 9_999_999_999]);
    assert_eq!(fault(&huge), DictionaryFault::BeyondEnd);
    let short = with_range(|[zero, first, second, length]| [zero, first, second, length - 2]);
    assert_eq!(fault(&short), DictionaryFault::NoEndOfFile);
    let nothing = with_range(|[zero, first, second, _]| [zero, first, second, 0]);
    assert_eq!(fault(&nothing), DictionaryFault::NoEndOfFile);
}

#[test]
fn the_gap_is_exactly_the_contents() {
    for range in [
        // Before the bracket, after it, within the digits; ranges that overlap; no gap.
        |[zero, first, second, length]: [usize; 4]| [zero, first - 1, second, length],
        |[zero, first, second, length]: [usize; 4]| [zero, first + 1, second, length],
        |[zero, first, second, length]: [usize; 4]| [zero, first, second + 1, length - 1],
        |[zero, first, second, length]: [usize; 4]| [zero, first, second - 1, length + 1],
        |[zero, first, second, length]: [usize; 4]| [zero, second, first, length],
        |[zero, _, _, length]: [usize; 4]| [zero, 10, 5, length],
        |[zero, first, second, length]: [usize; 4]| [zero, first, first, length + second - first],
        |[_, _, _, _]: [usize; 4]| [0, 0, 0, 0],
    ] {
        assert_eq!(fault(&with_range(range)), DictionaryFault::Gap);
    }
}

/// The gap is a hexadecimal string, but one of something else.
#[test]
fn contents_that_stand_elsewhere_are_not_those_that_are_left_out() {
    let elsewhere = Revision {
        contents: "6 0 R".to_owned(),
        rest: format!("/Decoy <{CONTENTS}> "),
        range: |[zero, _, second, length]| {
            let begin = second + " /Decoy ".len();
            let end = begin + CONTENTS.len() + 2;
            [zero, begin, end, length - (end - second)]
        },
        ..Revision::default()
    };
    assert_eq!(fault(&elsewhere), DictionaryFault::Gap);
    let nested = Revision {
        contents: format!("[<{CONTENTS}>]"),
        range: |[zero, first, second, length]| [zero, first + 1, second - 1, length + 1],
        ..Revision::default()
    };
    assert_eq!(fault(&nested), DictionaryFault::Gap);
}

#[test]
fn contents_are_one_der_structure_and_zeros() {
    for (contents, expected) in [
        ("(0)", DictionaryFault::ContentsForm),
        ("<300>", DictionaryFault::ContentsForm),
        ("<30 03 02 01 01>", DictionaryFault::ContentsForm),
        ("<>", DictionaryFault::Structure(DerError::Truncated)),
        ("<3080020101>", DictionaryFault::Structure(DerError::Length)),
        (
            "<3004020101>",
            DictionaryFault::Structure(DerError::Truncated),
        ),
        ("<300302010100ff>", DictionaryFault::Padding),
    ] {
        assert_eq!(fault(&with_contents(contents)), expected, "{contents}");
    }
    let large = format!("<{}>", "00".repeat(MAX_CMS + 1));
    assert_eq!(fault(&with_contents(large)), DictionaryFault::TooLarge);
    let larger = format!("<{}>", "00".repeat(MAX_DICTIONARY));
    assert_eq!(fault(&with_contents(larger)), DictionaryFault::Truncated);
}

#[test]
fn entries_are_there_once_however_they_are_written() {
    let repeated = |key: &str| DictionaryFault::Repeated {
        key: key.to_owned(),
    };
    let twice = |entry: &str| fault(&with_entries(&format!("{SUB_FILTER} {entry}")));
    assert_eq!(twice("/ByteRange [0 1 2 3]"), repeated("ByteRange"));
    assert_eq!(twice("/Cont#65nts <00>"), repeated("Contents"));
    assert_eq!(twice(SUB_FILTER), repeated("SubFilter"));
    let key = "SubFilter";
    assert_eq!(fault(&with_entries("")), DictionaryFault::Missing { key });
}

#[test]
fn what_is_nested_is_passed_over_to_a_depth() {
    let entries = format!(
        "{SUB_FILTER} /Reason (a \\) (b) /ByteRange [) /Prop_Build << /App << /Name /x >> \
         /Refs [1 0 R [2 0 R] <</ByteRange [0 1 2 3]>>] >> /M <feff> /V 1 % comment >>\n"
    );
    let file = with_entries(&entries).file();
    // The first `/ByteRange` stands in a string, and the dictionary has one of its own.
    assert_eq!(find(&file).unwrap().signatures().len(), 1);
    let deep = format!("{SUB_FILTER} /A {}", "[".repeat(100_000));
    assert_eq!(fault(&with_entries(&deep)), DictionaryFault::TooLarge);
    let many: String = (0..1000).map(|number| format!("/A{number} 1 ")).collect();
    assert_eq!(fault(&with_entries(&many)), DictionaryFault::TooLarge);
    for torn in [
        "/A [>> ", "/A (", "/A <<]", "/A }", "/A /#zz", "1 /A", "/A <0z>",
    ] {
        let file = with_entries(&format!("{SUB_FILTER} {torn}")).file();
        let refused = matches!(find(&file), Err(PdfError::Dictionary { .. }));
        assert!(refused, "{torn}");
    }
}

#[test]
fn a_byte_range_that_is_no_object_s_is_refused() {
    let stray = |text: &str| {
        let mut file = Revision::default().file();
        file.extend(text.bytes());
        matches!(
            find(&file),
            Err(PdfError::Stray { .. } | PdfError::Dictionary { .. })
        )
    };
    assert!(stray("/ByteRange [0 1 2 3]"));
    assert!(stray("% /ByteRange [0 1 2 3]\n"));
    assert!(stray(
        "9 0 obj\n<< /Perms << /UR3 << /ByteRange [0 1 2 3] >> >> >>\nendobj\n"
    ));
    assert!(stray(
        "9 0 obj\n<< /Length 9 >>\nstream\n/ByteRange\nendstream\nendobj\n"
    ));
    // A stream's dictionary is no signature's.
    assert!(stray(
        "9 0 obj\n<< /ByteRange [0 1 2 3] >>\nstream\n\nendstream\nendobj\n"
    ));
}

#[test]
fn later_signatures_cover_the_earlier_ones() {
    let mut file = Revision::default().file();
    let first_end = file.len();
    let second = Revision {
        number: 9,
        entries: "/SubFilter /adbe.pkcs7.detached".to_owned(),
        ..Revision::default()
    };
    second.add(&mut file);
    let found = find(&file).unwrap();
    let ends: Vec<usize> = found.signatures().iter().map(|one| one.end).collect();
    assert_eq!(ends, [first_end, file.len()]);
    assert_eq!(found.signatures()[1].kind, SignatureKind::Pkcs7);
    let added = file.len() - first_end;
    assert_eq!(found.length_after(first_end), added);
    assert_eq!(found.addition_after(first_end), Addition::Other);
}

#[test]
fn two_dictionaries_over_one_range_are_refused() {
    // The second has a gap of its own, and stands within what the first signs.
    let mut file = BEGIN.as_bytes().to_vec();
    let open = Revision {
        end: "",
        ..Revision::default()
    };
    open.add(&mut file);
    Revision {
        number: 9,
        ..Revision::default()
    }
    .add(&mut file);
    let total = file.len();
    let text = String::from_utf8(file).unwrap();
    let gap_end = text.find(&format!("<{CONTENTS}>")).unwrap() + CONTENTS.len() + 2;
    let short = text.split("/ByteRange [").nth(1).unwrap()[33..43].to_owned();
    let long = format!("{:010}", total - gap_end);
    let text = text.replacen(&short, &long, 1);
    assert_eq!(
        find(text.as_bytes()),
        Err(PdfError::SameRange {
            first: 5,
            second: 9
        })
    );
    // One after the other, and the first reaches into the second's dictionary.
    let longer = format!("{text}%%EOF\n");
    let reaching = longer.replacen(&long, &format!("{:010}", longer.len() - gap_end), 1);
    assert_eq!(
        find(reaching.as_bytes()),
        Err(PdfError::Interlocked {
            first: 9,
            second: 5
        })
    );
}

/// Whatever cross-references say: a reader may take either.
#[test]
fn an_object_number_that_is_there_twice_is_told() {
    for addition in [
        "5 0 obj\n<< /Type /Sig >>\nendobj\n",
        "\r5 0 obj null endobj",
        "5  1\nobj[]endobj",
    ] {
        let mut file = Revision::default().file();
        file.extend(addition.bytes());
        assert!(find(&file).unwrap().signatures()[0].is_redefined);
        let shadowed_before = format!("{BEGIN}{addition}\n");
        let mut file = shadowed_before.into_bytes();
        Revision::default().add(&mut file);
        assert!(find(&file).unwrap().signatures()[0].is_redefined);
    }
    for other in ["15 0 obj null endobj", "5 0 R", "a5 0 obj", "5 0 object"] {
        let mut file = Revision::default().file();
        file.extend(other.bytes());
        assert!(
            !find(&file).unwrap().signatures()[0].is_redefined,
            "{other}"
        );
    }
}

#[test]
fn what_follows_is_measured_and_told_by_its_names() {
    for (addition, expected) in [
        ("\r\n", Addition::Nothing),
        ("\n \r\n", Addition::Other),
        (
            "7 0 obj\n<< /DSS 8 0 R >>\nendobj\n",
            Addition::ValidationData,
        ),
        ("7 0 obj\n<< /Type /Page >>\nendobj\n", Addition::Other),
        ("7 0 obj\n<< /DSS 8 0 R /Type /Page >>", Addition::Other),
        ("7 0 obj\n<< /Type /ObjStm /DSS 8 0 R >>", Addition::Other),
        ("x", Addition::Other),
    ] {
        let mut file = Revision::default().file();
        let end = file.len();
        file.extend(addition.bytes());
        let found = find(&file).unwrap();
        assert_eq!(found.signatures()[0].end, end);
        assert_eq!(found.length_after(end), addition.len());
        assert_eq!(found.addition_after(end), expected, "{addition}");
    }
}

#[test]
fn what_a_certifying_signer_allows_is_read() {
    let certification = |reference: &str| {
        let file = with_entries(&format!("{SUB_FILTER} {reference}")).file();
        find(&file).unwrap().signatures()[0].certification
    };
    let transform = |rest: &str| format!("/Reference [<< /TransformMethod /DocMDP {rest} >>]");
    assert_eq!(certification(""), None);
    for (rest, expected) in [
        ("/TransformParams << /P 1 >>", Certification::Nothing),
        ("/TransformParams << /V /1.2 /P 2 >>", Certification::Forms),
        ("/TransformParams << /P 3 >>", Certification::Annotations),
        // Where nothing is said it is 2.
        ("/TransformParams << >>", Certification::Forms),
        ("", Certification::Forms),
        ("/TransformParams << /P 4 >>", Certification::Unclear),
        ("/TransformParams << /P 1 0 R >>", Certification::Unclear),
        ("/TransformParams 7 0 R", Certification::Unclear),
    ] {
        assert_eq!(certification(&transform(rest)), Some(expected), "{rest}");
    }
    let field = "<< /TransformMethod /FieldMDP /TransformParams << /Action /All >> >>";
    assert_eq!(certification(&format!("/Reference [{field}]")), None);
    let both = format!("/Reference [{field} << /TransformMethod /Doc#4dDP >>]");
    assert_eq!(certification(&both), Some(Certification::Forms));
    for unclear in [
        "/Reference 7 0 R",
        "/Reference [7 0 R]",
        "/Reference [<< >>]",
    ] {
        assert_eq!(
            certification(unclear),
            Some(Certification::Unclear),
            "{unclear}"
        );
    }
}

#[test]
fn the_number_of_signatures_is_bounded() {
    let mut file = BEGIN.as_bytes().to_vec();
    for number in 0..MAX_SIGNATURES {
        let number = 10 + u32::try_from(number).unwrap();
        Revision {
            number,
            ..Revision::default()
        }
        .add(&mut file);
    }
    assert_eq!(find(&file).unwrap().signatures().len(), MAX_SIGNATURES);
    Revision::default().add(&mut file);
    assert_eq!(find(&file), Err(PdfError::TooManySignatures));
}

#[test]
fn torn_and_changed_files_do_no_harm() {
    let mut file = Revision::default().file();
    let first = file.len();
    Revision {
        number: 9,
        ..Revision::default()
    }
    .add(&mut file);
    for length in 0..file.len() {
        match find(&file[..length]) {
            Ok(found) => assert!(found.signatures().iter().all(|one| one.end <= length)),
            Err(error) => assert!(length != first, "{error}"),
        }
        for mask in [0x01, 0x20, 0xff] {
            let mut changed = file.clone();
            changed[length] ^= mask;
            if let Ok(found) = find(&changed) {
                for one in found.signatures() {
                    assert_eq!(one.signed(&changed).len() + one.gap.len(), one.end);
                }
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "/ByteRange", "[0 5 9 ", "]", "<", ">", "<<", ">>", "(", ")", "\\", "%", "\n", " ",
            "5 0 obj", "endobj", "/Contents", "<3003020101>", "/SubFilter", "/#", "obj", "%%EOF",
            "6 0 obj", "/V 5 0 R", "/Fields", "6 0 R", "xref", "6 1", "trailer", "/Root", "/Type",
        ]), 0..60))
    {
        let file = format!("%PDF-1.7\n{}", parts.concat());
        if let Ok(found) = find(file.as_bytes()) {
            for one in found.signatures() {
                proptest::prop_assert!(one.end <= file.len());
            }
        }
        // Whatever stands behind a good signature is looked at, too.
        let mut signed = Revision::default().file();
        signed.extend(parts.concat().bytes());
        if let Ok(found) = find(&signed)
            && let Some(first) = found.signatures().first()
        {
            let history = found.history();
            let _ = (history.changes_after(first.end), history.shown(first));
        }
    }
}
