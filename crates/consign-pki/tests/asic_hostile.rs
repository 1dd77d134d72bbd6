//! Every named hostile container meets the verdict that it states, under both readings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod hostile;

use std::io::Cursor;

use consign_pki::asic::{AsicError, Budget, Container, ContainerWriter};
use hostile::archive::{FILES, SIGNATURE, second_references, sound, with_second_layer};
use hostile::case::{Case, Expected};
use hostile::{archive, entries, layout, manifests, names};

/// Opens and compares all digests, as every user of a container does.
fn canonical(bytes: &[u8]) -> Result<(), AsicError> {
    let mut container = Container::open_canonical(Cursor::new(bytes), &Budget::default())?;
    container.check_digests()?.into_result().map(drop)
}

/// The codes of the deviations, sorted and each once.
fn lenient(bytes: &[u8]) -> Result<Vec<&'static str>, AsicError> {
    let (mut container, deviations) =
        Container::open_lenient(Cursor::new(bytes), &Budget::default())?;
    container.check_digests()?.into_result()?;
    let mut codes: Vec<_> = deviations
        .iter()
        .map(|deviation| deviation.code())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    Ok(codes)
}

fn judge(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        let bytes = case.archive.bytes();
        let found = canonical(&bytes).map_err(|error| error.code());
        if found != Err(case.canonical) {
            wrong.push(format!(
                "{}: canonical {found:?}, not {}",
                case.name, case.canonical
            ));
        }
        let found = lenient(&bytes).map_err(|error| error.code());
        let expected = match case.lenient {
            Expected::Refused(code) => Err(code),
            Expected::Read(codes) => Ok(codes.to_vec()),
        };
        if found != expected {
            wrong.push(format!(
                "{}: lenient {found:?}, not {expected:?}",
                case.name
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_lies_around_the_entries() {
    judge(layout::around());
}

#[test]
fn headers_that_lie() {
    judge(entries::headers());
}

#[test]
fn names_that_mean_several_things() {
    judge(names::names());
}

#[test]
fn compression_and_bombs() {
    judge(entries::compression());
}

#[test]
fn entries_out_of_order() {
    judge(layout::order());
}

#[test]
fn manifests_that_do_not_cover_the_files() {
    judge(manifests::coverage());
}

#[test]
fn manifests_that_are_not_plain_xml() {
    judge(manifests::syntax());
}

#[test]
fn manifests_that_contradict_themselves() {
    judge(manifests::meaning());
}

#[test]
fn the_sound_container_that_all_cases_start_from_is_accepted_and_is_what_we_write() {
    let bytes = sound().bytes();
    canonical(&bytes).unwrap();
    assert_eq!(lenient(&bytes).unwrap(), Vec::<&str>::new());
    let mut writer = ContainerWriter::new(Cursor::new(Vec::new())).unwrap();
    for (name, media_type, content) in FILES {
        writer.add_file(name, media_type, content).unwrap();
    }
    let written = writer
        .finish_signed(|_| Ok::<_, AsicError>(SIGNATURE.to_vec()))
        .unwrap();
    assert_eq!(written.into_inner(), bytes);
}

#[test]
fn the_sound_second_layer_is_accepted() {
    let xml = archive::manifest("META-INF/signature002.p7s", &second_references());
    let bytes = with_second_layer(&xml).bytes();
    canonical(&bytes).unwrap();
    assert_eq!(lenient(&bytes).unwrap(), Vec::<&str>::new());
}

#[test]
fn what_is_no_whole_zip() {
    let mut commented = sound();
    commented.comment = b"cut".to_vec();
    let mut cut = commented.bytes();
    cut.pop();
    let mut broken = sound().bytes();
    let directory = broken
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    broken[directory + 3] = 3;
    let cases: [(&[u8], &str); 5] = [
        (b"", "end-record-missing"),
        (b"%PDF-1.7", "end-record-missing"),
        (&[0; 70_000], "end-record-missing"),
        (&cut, "truncated"),
        (&broken, "directory-malformed"),
    ];
    for (bytes, code) in cases {
        assert_eq!(canonical(bytes).unwrap_err().code(), code);
        assert_eq!(lenient(bytes).unwrap_err().code(), code);
    }
}

#[test]
fn limits_are_those_of_the_budget() {
    type Tighten = fn(&mut Budget);
    let limits: [(&str, Tighten); 8] = [
        ("container-too-large", |budget| budget.container_bytes = 100),
        ("too-many-entries", |budget| budget.entries = 5),
        ("directory-too-large", |budget| budget.directory_bytes = 100),
        ("file-too-large", |budget| budget.file_bytes = 21),
        ("file-too-large", |budget| budget.meta_inf_file_bytes = 100),
        ("total-too-large", |budget| budget.total_bytes = 100),
        ("meta-inf-too-large", |budget| {
            budget.meta_inf_total_bytes = 100
        }),
        ("too-many-signatures", |budget| budget.signatures = 0),
    ];
    let bytes = sound().bytes();
    for (code, tighten) in limits {
        let mut budget = Budget::default();
        tighten(&mut budget);
        let canonical = Container::open_canonical(Cursor::new(&bytes), &budget).unwrap_err();
        assert_eq!(canonical.code(), code);
        let lenient = Container::open_lenient(Cursor::new(&bytes), &budget).unwrap_err();
        assert_eq!(lenient.code(), code);
    }
}
