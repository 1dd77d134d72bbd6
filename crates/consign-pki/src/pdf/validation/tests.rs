//! What may be added for anybody to see it as before, and files that only look so.

use super::*;

const FORM: &str = "<< /Fields [ 7 0 R ] /SigFlags 3 >>";
const PAGE: &str = "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ 7 0 R ] >>";
/// What was signed. Object 8 is free, and nothing leads to numbers from 8 on.
const SIGNED: [(u32, &str); 7] = [
    (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R >>"),
    (2, "<< /Type /Pages /Kids [ 3 0 R ] /Count 1 >>"),
    (3, PAGE),
    (4, "<< /Length 9 >>\nstream\n(45) Tj  \nendstream"),
    (5, "<< /Title (Quyet dinh) /ModDate (D:2026) >>"),
    (6, FORM),
    (7, "<< /FT /Sig /T (Agency) /V 9999 0 R >>"),
];
/// Validation data.
const DATA: [(u32, &str); 4] = [
    (
        1,
        "<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R /DSS 10 0 R >>",
    ),
    (
        5,
        "<< /Title (Quyet dinh) /ModDate (D:2027) /Producer (p) >>",
    ),
    (10, "<< /Type /DSS /Certs [ 11 0 R ] >>"),
    (11, "<< /Length 5 >>\nstream\n\u{1}\u{2} R]\nendstream"),
];
const FIELD: &str =
    "<< /FT /Sig /Type /Annot /Subtype /Widget /Rect [ 0 0 0 0 ] /T (S) /P 3 0 R /V 13 0 R >>";
/// A time-stamp over the file.
const STAMP: [(u32, &str); 4] = [
    (
        3,
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ 7 0 R 12 0 R ] >>",
    ),
    (6, "<< /Fields [ 7 0 R 12 0 R ] /SigFlags 3 >>"),
    (12, FIELD),
    (
        13,
        "<< /Type /DocTimeStamp /SubFilter /ETSI.RFC3161 /Contents <00> >>",
    ),
];

type Objects<'o> = &'o [(u32, &'o str)];

/// Adds a revision, whose table and trailer may be changed before they are written.
fn append(
    file: &mut Vec<u8>,
    objects: Objects<'_>,
    size: u32,
    change: impl FnOnce(String) -> String,
) {
    let text = String::from_utf8_lossy(file).into_owned();
    let previous = text
        .rsplit_once("startxref\n")
        .map(|(_, end)| end.lines().next().unwrap());
    let previous = previous.map_or(String::new(), |place| format!("/Prev {place} "));
    let mut table = "xref\n0 1\n0000000000 65535 f \n".to_owned();
    for (number, body) in objects {
        table.push_str(&format!("{number} 1\n{:010} 00000 n \n", file.len()));
        file.extend(format!("{number} 0 obj\n{body}\nendobj\n").bytes());
    }
    table.push_str(&format!(
        "trailer\n<< /Size {size} /Root 1 0 R /Info 5 0 R {previous}>>\n"
    ));
    let begin = file.len();
    let table = change(table);
    file.extend(format!("{table}startxref\n{begin}\n%%EOF\n").bytes());
}

fn as_it_is(table: String) -> String {
    table
}

fn signed_with(objects: Objects<'_>) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    append(&mut file, objects, 8, as_it_is);
    file
}

/// Some objects, in which others take the place of those of the same number.
fn with<'o>(objects: Objects<'o>, others: Objects<'o>) -> Vec<(u32, &'o str)> {
    let is_new = |one: &&(u32, &str)| others.iter().all(|other| other.0 != one.0);
    let kept = objects.iter().filter(is_new);
    kept.chain(others).copied().collect()
}

/// Whether revisions may follow what was signed.
fn may_follow(signed: &[u8], revisions: &[Objects<'_>]) -> bool {
    let mut file = signed.to_vec();
    for objects in revisions {
        append(&mut file, objects, 20, as_it_is);
    }
    is_all_that_follows(&file, signed.len())
}

#[test]
fn validation_data_and_time_stamps_may_follow() {
    let signed = signed_with(&SIGNED);
    let again: Objects<'_> = &[(10, "<< /Type /DSS /CRLs [ 14 0 R ] >>"), (14, "[ ]")];
    for revisions in [
        &[&DATA[..]][..],
        &[&STAMP],
        &[&DATA, &STAMP],
        &[&STAMP, &DATA, again],
    ] {
        assert!(may_follow(&signed, revisions), "{revisions:?}");
    }
    // A form that is written in the catalog.
    let catalog = "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [ 7 0 R ] >> >>";
    let signed = signed_with(&with(&SIGNED, &[(1, catalog)]));
    let catalog = "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [ 7 0 R 12 0 R ] >> >>";
    let stamp = [(1, catalog), STAMP[0], STAMP[2], STAMP[3]];
    assert!(may_follow(&signed, &[&stamp]));
    // What was signed in several revisions.
    let mut signed = signed_with(&SIGNED);
    append(&mut signed, &[(3, PAGE)], 8, as_it_is);
    assert!(may_follow(&signed, &[&DATA, &STAMP]));
}

#[test]
fn nothing_else_may_come_with_them() {
    let signed = signed_with(&SIGNED);
    for (what, others) in [
        (
            "what a page shows",
            &[(4, "<< /Length 9 >>\nstream\n(46) Tj  \nendstream")][..],
        ),
        ("the same as it was", &[SIGNED[3]]),
        (
            "another content of a page",
            &[(
                3,
                "<< /Type /Page /Parent 2 0 R /Contents 11 0 R /Annots [ 7 0 R 12 0 R ] >>",
            )],
        ),
        (
            "an annotation less",
            &[(
                3,
                "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ 12 0 R ] >>",
            )],
        ),
        (
            "an annotation that is no field",
            &[
                (
                    3,
                    "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ 7 0 R 12 0 R 14 0 R ] >>",
                ),
                (14, "<< /Type /Annot /Subtype /Stamp /Rect [ 0 0 0 0 ] >>"),
            ],
        ),
        (
            "an annotation that is written there",
            &[(
                3,
                "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ 7 0 R << >> ] >>",
            )],
        ),
        (
            "a field less",
            &[(6, "<< /Fields [ 12 0 R ] /SigFlags 3 >>")],
        ),
        (
            "appearances made anew",
            &[(
                6,
                "<< /Fields [ 7 0 R 12 0 R ] /SigFlags 3 /NeedAppearances true >>",
            )],
        ),
        (
            "another value of a field",
            &[(7, "<< /FT /Sig /T (Agency) >>")],
        ),
        (
            "a field with room",
            &[(
                12,
                "<< /FT /Sig /Subtype /Widget /Rect [ 0 0 9 9 ] /V 13 0 R >>",
            )],
        ),
        (
            "a field with an appearance",
            &[(
                12,
                "<< /FT /Sig /Rect [ 0 0 0 0 ] /V 13 0 R /AP << /N 11 0 R >> >>",
            )],
        ),
        (
            "a field that acts",
            &[(12, "<< /FT /Sig /V 13 0 R /AA << /E 11 0 R >> >>")],
        ),
        (
            "a field of another kind",
            &[(12, "<< /FT /Tx /V 13 0 R >>")],
        ),
        ("a field without value", &[(12, "<< /FT /Sig >>")]),
        (
            "a signature that is called so",
            &[(
                13,
                "<< /Type /DocTimeStamp /SubFilter /ETSI.CAdES.detached /Contents <00> >>",
            )],
        ),
        (
            "a time-stamp in two fields",
            &[
                (6, "<< /Fields [ 7 0 R 12 0 R 14 0 R ] /SigFlags 3 >>"),
                (14, FIELD),
            ],
        ),
        (
            "somebody's signature",
            &[(13, "<< /Type /Sig /Contents <00> >>")],
        ),
        (
            "other pages",
            &[
                (
                    1,
                    "<< /Type /Catalog /Pages 14 0 R /AcroForm 6 0 R /DSS 10 0 R >>",
                ),
                (14, SIGNED[1].1),
            ],
        ),
        (
            "another form",
            &[
                (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 14 0 R >>"),
                (14, FORM),
            ],
        ),
        (
            "an action",
            &[(
                1,
                "<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R /OpenAction 11 0 R >>",
            )],
        ),
        (
            "another title",
            &[(5, "<< /Title (Cong van) /ModDate (D:2026) >>")],
        ),
        ("a number that something leads to", &[(9999, "<< >>")]),
        ("number nought", &[(0, "<< >>")]),
        (
            "an object in a stream",
            &[(11, "<< /Length 13 >>\nstream\n4 0 obj << >>\nendstream")],
        ),
        (
            "a stream of another length",
            &[(11, "<< /Length 4 >>\nstream\n45 R]\nendstream")],
        ),
        ("a comment", &[(10, "<< /Type /DSS %\n >>")]),
        ("a word that is none", &[(10, "<< /Certs [ 11 0R ] >>")]),
    ] {
        let all = [&DATA[..], &STAMP].concat();
        let size = if others[0].0 == 9999 { 10_000 } else { 20 };
        let mut file = signed.clone();
        append(&mut file, &with(&all, others), size, as_it_is);
        assert!(!is_all_that_follows(&file, signed.len()), "{what}");
    }
    assert!(
        may_follow(&signed, &[&[&DATA[..], &STAMP].concat()]),
        "all others differ from it"
    );
}

#[test]
fn tables_and_trailers_say_what_is_there() {
    let signed = signed_with(&SIGNED);
    let old = String::from_utf8(signed.clone()).unwrap();
    let place = |number: u32| format!("{:010}", old.find(&format!("{number} 0 obj")).unwrap());
    let rolled_back = format!("4 1\n{} 00000 n \ntrailer", place(4));
    let change = |from: &'static str, to: String| (from, to);
    for (from, to) in [
        // An object as it was in an earlier revision, or none.
        change("trailer", rolled_back),
        change("trailer", "4 1\n0000000000 00001 f \ntrailer".to_owned()),
        change("11 1\n", "14 1\n".to_owned()),
        change("00000 n \n", "00001 n \n".to_owned()),
        change("00000 n \n", "00000 n\n".to_owned()),
        // What lies beyond the size is not there.
        change("/Size 20", "/Size 7".to_owned()),
        change("/Size 20", "/Size 11".to_owned()),
        change("/Root 1 0 R", "/Root 10 0 R".to_owned()),
        change("/Info 5 0 R", String::new()),
        change("/Prev ", "/Prev 1".to_owned()),
        change("/Prev ", "/XRefStm 9 /Prev ".to_owned()),
        change("/Prev ", "/Encrypt 10 0 R /Prev ".to_owned()),
        change("/Prev ", "/Other 1 /Prev ".to_owned()),
        change("trailer\n", "trailer\n%\n".to_owned()),
        change("xref\n", "xref \n".to_owned()),
    ] {
        let mut file = signed.clone();
        append(&mut file, &DATA, 20, |table| {
            assert!(table.contains(from), "{from}");
            table.replacen(from, &to, 1)
        });
        assert!(!is_all_that_follows(&file, signed.len()), "{from} {to}");
    }
    let mut file = signed.clone();
    append(&mut file, &DATA, 20, as_it_is);
    assert!(is_all_that_follows(&file, signed.len()));
    for more in ["\n", " ", "x", "%", "9 0 obj\n<< >>\nendobj\n"] {
        let longer = [&file, more.as_bytes()].concat();
        assert!(!is_all_that_follows(&longer, signed.len()), "{more:?}");
    }
    let text = String::from_utf8(file[signed.len()..].to_vec()).unwrap();
    for (from, to) in [("startxref\n", "startxref\n1"), ("%%EOF", "%EOF")] {
        let other = [&signed, text.replacen(from, to, 1).as_bytes()].concat();
        assert!(
            !is_all_that_follows(&other, signed.len()),
            "{from:?} {to:?}"
        );
    }
}

/// What comes later counts for nothing that was added before, either.
#[test]
fn a_time_stamp_stays_what_it_was() {
    let signed = signed_with(&SIGNED);
    for other in [(12, FIELD), (13, "<< /Type /Sig >>")] {
        assert!(!may_follow(&signed, &[&STAMP, &[other]]), "{other:?}");
    }
    let late = [(3, STAMP[0].1), STAMP[1]];
    assert!(
        !may_follow(&signed, &[&STAMP[2..], &late]),
        "a field of an earlier revision"
    );
}

/// The file was made for it before it was signed.
#[test]
fn what_was_signed_leads_to_nothing_that_is_new() {
    for (what, content) in [
        ("openly", "[ 4 0 R 10 0 R ]"),
        ("behind a comment", "[ 4 0 R 10 %\n0 R ]"),
        ("in one word", "[ 4 0 R 10 0R ]"),
        ("by another number", "[ 4 0 R +10 0 R ]"),
        ("by a number that is not whole", "[ 4 0 R 10.0 0 R ]"),
        ("with nothing before", "[ 4 0 R 0 R ]"),
    ] {
        let page = format!("<< /Type /Page /Parent 2 0 R /Contents {content} >>");
        let signed = signed_with(&with(&SIGNED, &[(3, &page)]));
        assert!(!may_follow(&signed, &[&DATA]), "{what}");
    }
    // A page that stands there besides, and that no table names.
    let other = "<< /Type /Page /Parent 2 0 R /Contents 5 0 R /Annots [ 7 0 R ] >>";
    let mut signed = signed_with(&SIGNED);
    signed.extend(format!("3 0 obj\n{other}\nendobj\n").bytes());
    append(&mut signed, &[SIGNED[4]], 8, as_it_is);
    assert!(may_follow(&signed, &[&STAMP]));
    let gained = other.replace("7 0 R ]", "7 0 R 12 0 R ]");
    assert!(!may_follow(&signed, &[&with(&STAMP, &[(3, &gained)])]));
    // Older than another: it is what its newest table says.
    let mut signed = signed_with(&with(&SIGNED, &[(3, other)]));
    append(&mut signed, &[(3, PAGE)], 8, as_it_is);
    assert!(may_follow(&signed, &[&STAMP]));
    assert!(!may_follow(&signed, &[&with(&STAMP, &[(3, &gained)])]));
}

#[test]
fn what_was_signed_is_read_whole_or_not_at_all() {
    let prefix = b"%PDF-1.7\n";
    for (from, to) in [
        ("/Info 5 0 R", "/Info 5 0 R /XRefStm 9"),
        ("/Info 5 0 R", "/Info 5 0 R /Encrypt 5 0 R"),
        ("/Info 5 0 R", "/Info 5 0 R /Prev 9"),
        ("/Size 8", "/Size 7"),
        ("4 1\n", "5 1\n"),
        ("4 1\n0", "4 1\n1"),
    ] {
        let mut signed = prefix.to_vec();
        append(&mut signed, &SIGNED, 8, |table| table.replacen(from, to, 1));
        assert!(!may_follow(&signed, &[&DATA]), "{from} {to}");
    }
    // Cross-references in a stream.
    let mut signed = prefix.to_vec();
    let stream = "<< /Type /XRef /Size 8 /Root 1 0 R /Length 0 >>\nstream\n\nendstream";
    append(&mut signed, &SIGNED, 8, |_| {
        format!("8 0 obj\n{stream}\nendobj\n")
    });
    assert!(!may_follow(&signed, &[&DATA]));
    // Objects that lie in one another, again and again, cost no more than the file is read.
    let mut signed = signed_with(&SIGNED);
    let mut nested = String::new();
    let mut table = "xref\n20 3000\n".to_owned();
    for number in 20..3020 {
        let begin = signed.len() + nested.len();
        table.push_str(&format!("{begin:010} 00000 n \n"));
        nested.push_str(&format!("{number} 0 obj\n"));
    }
    signed.extend(nested.bytes());
    signed.extend(b"null endobj\n");
    append(&mut signed, &[], 3020, |own| own.replace("xref\n", &table));
    assert!(!may_follow(&signed, &[&DATA]));
}
