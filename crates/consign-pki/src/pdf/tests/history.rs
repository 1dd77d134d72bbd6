//! What later revisions do to what was signed before.

use super::*;

/// A file whose first revision has this page, and whose second, signed one, ends in `later`.
fn changes(later: &str) -> Changes {
    let mut file = b"%PDF-1.7\n".to_vec();
    file.extend(
        b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
          3 0 obj\n<< /Type /Page /MediaBox [0 0 9 9] /Contents 4 0 R >>\nendobj\n\
          4 0 obj\n<< /Length 1 >>\nstream\nx\nendstream\nendobj\n\
          6 0 obj\n[ 4 0 R ]\nendobj\n\
          7 0 obj\n[ 8 0 R ]\nendobj\n\
          8 0 obj\n<< /Type /Annot /Subtype /Link /Rect [0 0 1 1] /Dest 10 0 R >>\nendobj\n\
          11 0 obj\n<< /Fields 7 0 R >>\nendobj\n\
          13 0 obj\n<< /Title (x) >>\nendobj\n\
          14 0 obj\n<< /Type /Metadata /Subtype /XML >>\nstream\nx\nendstream\nendobj\n\
          15 0 obj\n<< /Type /Metadata /Subtype /XML >>\nstream\nx\nendstream\nendobj\n\
          16 0 obj\n<< /Metadata 14 0 R /XObject << /X 15 0 R >> >>\nendobj\n\
          17 0 obj\n<< /Type /DSS /Certs [] >>\nendobj\n\
          18 0 obj\n<< /Fields [8 0 R] /XFA 19 0 R >>\nendobj\n\
          trailer\n<< /Root 1 0 R >>\n",
    );
    Revision::default().add(&mut file);
    let end = file.len();
    file.extend(later.bytes());
    find(&file).unwrap().history().changes_after(end)
}

#[test]
fn what_later_revisions_change_is_told_by_kind() {
    for (later, expected) in [
        ("", Changes::Nothing),
        ("trailer\n<< /Root 1 0 R >>", Changes::Nothing),
        ("trailer\n<< /Root 9 0 R >>", Changes::Anything),
        (
            "9 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj",
            Changes::Anything,
        ),
        (
            "9 0 obj\n<< /Type /DSS /Certs [] >>\nendobj",
            Changes::Nothing,
        ),
        (
            "1 0 obj\n<</DSS 9 0 R/Type/Catalog/Pages 2 0 R>>\nendobj",
            Changes::Nothing,
        ),
        (
            "1 0 obj\n<< /Type /Catalog /Pages 9 0 R >>\nendobj",
            Changes::Anything,
        ),
        ("1 0 obj\n<< /Type /Catalog >>\nendobj", Changes::Anything),
        (
            "3 0 obj\n<< /Type /Page /MediaBox [ 0 0  9 9 ] /Contents 4 0 R /Annots [12 0 R] >>\nendobj\n\
             12 0 obj\n<< /FT /Sig /V 9 0 R /Rect [0 0 0 0] /AP << >> >>\nendobj\n\
             9 0 obj\n<< /Type /DocTimeStamp >>",
            Changes::Nothing,
        ),
        (
            "3 0 obj\n<< /Type /Page /MediaBox [0 0 9 9] /Contents 9 0 R >>",
            Changes::Anything,
        ),
        (
            "4 0 obj\n<< /Length 1 >>\nstream\ny\nendstream",
            Changes::Anything,
        ),
        (
            "7 0 obj\n[ 8 0 R 9 0 R ]\nendobj\n9 0 obj\n<< /FT /Sig >>\nendobj",
            Changes::Forms,
        ),
        ("7 0 obj\n[ 8 0 R 9 0 R ]\nendobj", Changes::Annotations),
        ("7 0 obj\n[ ]\nendobj", Changes::Annotations),
        ("6 0 obj\n[ 4 0 R 9 0 R ]\nendobj", Changes::Anything),
        ("7 0 obj\nnull\nendobj", Changes::Anything),
        (
            "12 0 obj\n<< /Type /Annot /Subtype /Widget /FT /Tx /V (x) >>",
            Changes::Forms,
        ),
        (
            "12 0 obj\n<< /Type /Annot /Subtype /Link >>",
            Changes::Annotations,
        ),
        (
            "8 0 obj\n<< /Subtype /Link /Rect [0 0 9 9] >>",
            Changes::Annotations,
        ),
        ("9 0 obj\n<< /Type /ObjStm >>\nstream", Changes::Unclear),
        // What stands there already is listed only now.
        (
            "3 0 obj\n<< /Type /Page /MediaBox [0 0 9 9] /Contents 4 0 R /Annots [8 0 R] >>",
            Changes::Annotations,
        ),
        // A time-stamp that paints.
        (
            "12 0 obj\n<< /FT /Sig /V 9 0 R /Rect [0 0 9 9] /AP << >> >>\nendobj\n\
             9 0 obj\n<< /Type /DocTimeStamp >>",
            Changes::Forms,
        ),
        // A page's content under another name.
        (
            "4 0 obj\n<< /Length 1 /Type /DSS >>\nstream\ny\nendstream",
            Changes::Anything,
        ),
        (
            "4 0 obj\n<< /Length 1 /Producer (x) >>\nstream\ny\nendstream",
            Changes::Anything,
        ),
        (
            "4 0 obj\n<< /FT /Sig /V 9 0 R >>\nendobj\n9 0 obj\n<< /Type /DocTimeStamp >>",
            Changes::Anything,
        ),
        // Something led to it before it was there.
        (
            "10 0 obj\n<< /Length 1 >>\nstream\ny\nendstream",
            Changes::Unclear,
        ),
        ("12 0 obj\n<< /Fields [] /XFA 13 0 R >>", Changes::Anything),
        // The file's information, and what only says that it is.
        (
            "13 0 obj\n<< /Title (y) /Producer (z) >>\nendobj",
            Changes::Nothing,
        ),
        (
            "13 0 obj\n<< /Title (x) /XObject 14 0 R >>\nendobj",
            Changes::Anything,
        ),
        // What is called metadata alone, and what a page may show as well.
        (
            "14 0 obj\n<< /Type /Metadata /Subtype /XML >>\nstream\ny\nendstream\nendobj",
            Changes::Nothing,
        ),
        (
            "15 0 obj\n<< /Type /Metadata /Subtype /XML >>\nstream\ny\nendstream\nendobj",
            Changes::Unclear,
        ),
        (
            "17 0 obj\n<< /Type /DSS /Certs [9 0 R] /VRI << >> >>\nendobj",
            Changes::Nothing,
        ),
        (
            "17 0 obj\n<< /Type /DSS /Certs [] /Font << >> >>\nendobj",
            Changes::Anything,
        ),
        // A root that is hidden from a hasty reader.
        (
            "trailer\n<< /Root %0123456789012345678901234567890123456789012345678901234567890\n9 0 R >>",
            Changes::Unclear,
        ),
        ("trailer\n<< /R#6fot 9 0 R >>", Changes::Unclear),
        // Another form, that lay there unused.
        (
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R /AcroForm 18 0 R >>\nendobj",
            Changes::Anything,
        ),
        (
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R /AcroForm 11 0 R >>\nendobj",
            Changes::Forms,
        ),
    ] {
        assert_eq!(changes(later), expected, "{later}");
    }
}

/// What is packed is not seen, and may be anything below the highest number.
#[test]
fn what_may_have_been_packed_before_is_unclear() {
    let mut file = BEGIN.as_bytes().to_vec();
    file.extend(
        b"8 0 obj\n<< /Type /ObjStm >>\nendobj\n9 0 obj\n<< /Type /XRef /Size 12 >>\nendobj\n",
    );
    Revision::default().add(&mut file);
    let end = file.len();
    for (number, expected) in [(7, Changes::Unclear), (12, Changes::Nothing)] {
        let mut later = file.clone();
        later.extend(format!("{number} 0 obj\n<< /Type /DSS >>\nendobj\n").bytes());
        let found = find(&later).unwrap().history().changes_after(end);
        assert_eq!(found, expected, "{number}");
    }
}

/// A file with one signature in a field of the form, whose last revision is `later`.
fn shown(later: &str) -> Shown {
    let mut file = b"%PDF-1.7\n\
          1 0 obj\n<< /Type /Catalog /AcroForm 11 0 R >>\nendobj\n\
          11 0 obj\n<< /Fields [ 12 0 R ] >>\nendobj\n\
          12 0 obj\n<< /FT /Sig /V 5 0 R /Parent 23 0 R >>\nendobj\n\
          18 0 obj\n<< /Fields [ 13 0 R ] >>\nendobj\n\
          21 0 obj\n<< /Fields [ 22 0 R ] >>\nendobj\n\
          22 0 obj\n<< /T (a) /Kids [ 23 0 R ] >>\nendobj\n\
          23 0 obj\n<< /T (b) /Parent 22 0 R /Kids [ 12 0 R ] >>\nendobj\n\
          trailer\n<< /Root 1 0 R >>\n"
        .to_vec();
    Revision::default().add(&mut file);
    file.extend(later.bytes());
    let found = find(&file).unwrap();
    found.history().shown(&found.signatures()[0])
}

#[test]
fn a_signature_is_shown_until_it_is_taken_out() {
    let catalog = |form: &str| format!("1 0 obj\n<< /Type /Catalog {form} >>\nendobj\n");
    for (later, expected) in [
        (String::new(), Shown::Yes),
        ("20 0 obj\n[]\nendobj\n".to_owned(), Shown::Yes),
        (catalog("/AcroForm 11 0 R"), Shown::Yes),
        (
            catalog("/AcroForm << /Fields [12 0 R 13 0 R] >>"),
            Shown::Yes,
        ),
        (
            catalog("/AcroForm << /Fields [13 0 R] >>"),
            Shown::Withdrawn,
        ),
        (catalog("/AcroForm 18 0 R"), Shown::Withdrawn),
        (catalog(""), Shown::Withdrawn),
        // What lies last is not what is shown.
        (
            format!(
                "{}20 0 obj\n<< /Fields [12 0 R] >>\nendobj\n",
                catalog("/AcroForm 18 0 R")
            ),
            Shown::Withdrawn,
        ),
        (
            "20 0 obj\n<< /S /ResetForm /Fields [] >>\nendobj\n".to_owned(),
            Shown::Yes,
        ),
        // Fields below fields.
        (catalog("/AcroForm 21 0 R"), Shown::Yes),
        (
            format!(
                "{}23 0 obj\n<< /T (b) /Parent 22 0 R /Kids [] >>\nendobj\n",
                catalog("/AcroForm 21 0 R")
            ),
            Shown::Withdrawn,
        ),
        (catalog("/AcroForm 19 0 R"), Shown::Obscured),
        (
            "11 0 obj\n<< /Fields 19 0 R >>\nendobj\n".to_owned(),
            Shown::Obscured,
        ),
        // What locks fields is no form.
        (
            "20 0 obj\n<< /Type /SigFieldLock /Fields [(a)] >>\nendobj\n".to_owned(),
            Shown::Yes,
        ),
        (
            "12 0 obj\n<< /FT /Sig >>\nendobj\n".to_owned(),
            Shown::Withdrawn,
        ),
        (
            "20 0 obj\n<< /Type /ObjStm >>\nendobj\n".to_owned(),
            Shown::Unclear,
        ),
    ] {
        assert_eq!(shown(&later), expected, "{later}");
    }
}

#[test]
fn tables_that_free_a_signature_withdraw_it_however_they_are_written() {
    let comment = format!("%{}\n", "x".repeat(80));
    let free = "0000000000 00001 f\n";
    for (later, expected) in [
        (
            format!("xref\n12 1\n{free}trailer\n<< >>\n"),
            Shown::Withdrawn,
        ),
        (format!("xref\n13 1\n{free}trailer\n<< >>\n"), Shown::Yes),
        (
            format!("xref\n{comment}12 1\n{free}trailer\n"),
            Shown::Obscured,
        ),
        (
            format!("xref\n12 1\n0000000000 {comment} 00001 f\ntrailer\n"),
            Shown::Obscured,
        ),
        (
            format!("xref\n12 1\n0000000000 00001 {comment} f\ntrailer\n"),
            Shown::Obscured,
        ),
        (format!("xref\n12 1\n{free}"), Shown::Withdrawn),
        (format!("xref\n13 1\n{free}"), Shown::Obscured),
        ("an xref / no table\n".to_owned(), Shown::Yes),
    ] {
        assert_eq!(shown(&later), expected, "{later}");
    }
    // More to read than the file has, and the field is emptied for all that.
    let tables: String = (0..200).map(|_| "%xref 0 999999\n0000000000 \n").collect();
    assert_eq!(shown(&tables), Shown::Obscured);
    let emptied = format!("12 0 obj\n<< /FT /Sig >>\nendobj\n{tables}");
    assert_eq!(shown(&emptied), Shown::Withdrawn);
}

/// Each object of a later revision names a list that is nowhere.
#[test]
fn forms_without_fields_cost_no_more_than_they_are_long() {
    let later = "11 0 obj<</Fields 9 0 R>>\n".repeat(100_000);
    assert_eq!(shown(&later), Shown::Obscured);
}
