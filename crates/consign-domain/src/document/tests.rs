use super::*;

fn sample() -> Document {
    Document {
        tag: DocumentTag::V1,
        id: "0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11".parse().unwrap(),
        issuer: Issuer {
            code: "H49".parse().unwrap(),
            name: Line::new("Ủy ban nhân dân tỉnh Quảng Ninh").unwrap(),
        },
        addressees: Recipients::new(vec!["H49.13".parse().unwrap(), "H49.01".parse().unwrap()])
            .unwrap(),
        number: Number::tidy("7").unwrap(),
        notation: "QĐ-UBND".parse().unwrap(),
        document_type: DocumentType::read("QĐ").unwrap(),
        subject: Line::new("Về việc chuyển đổi số").unwrap(),
        issued_on: "2026-11-23".parse().unwrap(),
        issued_at: Some(Line::new("Hạ Long").unwrap()),
        signed_by: Some(DocumentSigner {
            competence: Some(Line::new("KT.").unwrap()),
            position: Some(Line::new("Phó Chủ tịch").unwrap()),
            name: Line::new("Nguyễn Văn An").unwrap(),
        }),
        urgency: Urgency::Urgent,
        due: Some("2026-12-01".parse().unwrap()),
        in_reply_to: vec![],
        amends: vec![],
        copy_kind: None,
        places: vec![],
        pages: Some(1),
        copies: None,
        language: None,
        appendixes: vec![],
        steering: Steering::None,
        secrecy: None,
        main: FileEntry {
            name: Line::new("quyet-dinh.pdf").unwrap(),
            media_type: Line::new("application/pdf").unwrap(),
            title: None,
        },
        attachments: vec![],
    }
}

#[test]
fn a_document_has_one_form() {
    let document = sample();
    let bytes = document.to_bytes();
    assert_eq!(Document::parse(&bytes).unwrap(), document);
    assert_eq!(document.symbol(), "07/QĐ-UBND");
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
}

#[test]
fn state_secrets_do_not_travel() {
    let mut document = sample();
    document.secrecy = Some(Secrecy::ToiMat);
    let bytes = document.to_bytes();
    assert!(matches!(
        Document::parse(&bytes),
        Err(DocumentError::StateSecret)
    ));
}

#[test]
fn bad_fields_are_refused() {
    let good = String::from_utf8(sample().to_bytes()).unwrap();
    for (from, to) in [
        (r#""urgency":1"#, r#""urgency":5"#),
        (r#""urgency":1"#, r#""urgency":1,"urgency":1"#),
        (r#""steering":0"#, r#""steering":0,"colour":"red""#),
        (r#""07""#, r#""7/8""#),
        (r#""07""#, r#""7""#),
        (r#""07""#, "\"1\u{ff11}\""),
        ("quyet-dinh.pdf", "document.json"),
        (r#","urgency""#, r#", "urgency""#),
        (r#""QĐ-UBND""#, r#""QĐ UBND""#),
        (r#"["H49.01","H49.13"]"#, r#"["H49.13","H49.01"]"#),
        (r#"["H49.01","H49.13"]"#, r#"["H49.01","H49.01"]"#),
        (r#"["H49.01","H49.13"]"#, "[]"),
        ("2026-12-01", "2026-11-01"),
        ("chuyển", "chuyê\u{309}n"),
        ("chuyển", "chuy\\u202eển"),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replace(from, to);
        assert!(Document::parse(bad.as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn a_later_version_is_not_a_bad_one() {
    let later = String::from_utf8(sample().to_bytes())
        .unwrap()
        .replace("document/v1", "document/v2");
    assert!(matches!(
        Document::parse(later.as_bytes()),
        Err(DocumentError::Version { .. })
    ));
    let other = later.replace("document/v2", "letter/v2");
    assert!(matches!(
        Document::parse(other.as_bytes()),
        Err(DocumentError::Malformed { .. })
    ));
}

#[test]
fn a_symbol_may_name_its_year() {
    let notation: Notation = "2020/QĐ-TTg".parse().unwrap();
    let number = Number::tidy("20").unwrap();
    assert_eq!(format!("{number}/{notation}"), "20/2020/QĐ-TTg");
    assert!("/QĐ".parse::<Notation>().is_err() && "QĐ/".parse::<Notation>().is_err());
}

#[test]
fn a_file_stands_once() {
    let mut document = sample();
    document.attachments = vec![document.main.clone()];
    assert!(document.check().is_err());
}

#[test]
fn types_are_read_as_people_write_them() {
    for text in ["2", "QĐ", "qđ", "quyết định", "Quyết định"] {
        assert_eq!(DocumentType::read(text).unwrap().number(), 2);
    }
    assert_eq!(DocumentType::OFFICIAL_LETTER.abbreviation(), None);
    assert!(DocumentType::read("30").is_err());
    assert!(DocumentType::read("").is_err());
    assert!("02".parse::<DocumentType>().is_err());
}
