//! Copies are proven, kept, resumed, and brought back.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

struct Scene {
    _place: tempfile::TempDir,
    source: PathBuf,
    destination: PathBuf,
}

fn scene() -> Scene {
    let place = tempfile::tempdir().unwrap();
    let (source, destination) = (place.path().join("source"), place.path().join("backup"));
    fs::create_dir_all(source.join("deep/er")).unwrap();
    for name in ["one", "deep/two", "deep/er/three"] {
        fs::write(source.join(name), name.repeat(1000)).unwrap();
    }
    Scene {
        _place: place,
        source,
        destination,
    }
}

fn subject(id: &str) -> Subject {
    Subject {
        role: "hub".to_owned(),
        id: id.to_owned(),
    }
}

fn header() -> Header {
    Header {
        format: Format::V1,
        subject: subject("a"),
        network: "n".to_owned(),
        created: 7,
        software: "1".to_owned(),
        keys: false,
        facts: [("end".to_owned(), "9".to_owned())].into(),
    }
}

impl Scene {
    fn sources(&self) -> Vec<Source> {
        let names = ["deep/er/three", "deep/two", "one"];
        let source = |name: &&str| Source {
            path: (*name).to_owned(),
            from: self.source.join(name),
            first: None,
        };
        names.iter().map(source).collect()
    }

    fn begin(&self) -> Writer {
        Writer::begin(&self.destination, &subject("a"), &[&self.source]).unwrap()
    }

    fn back_up(&self) -> Tally {
        let mut writer = self.begin();
        assert!(
            writer
                .copy(&self.sources(), &mut |_, _| {})
                .unwrap()
                .is_empty()
        );
        writer.finish(&header()).unwrap()
    }

    fn check(&self) -> Checked {
        let backup = Backup::open(&self.destination, "hub").unwrap();
        backup.check(&mut |_, _| {}).unwrap()
    }
}

/// Puts other bytes of the same length into a file.
fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[10] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_copied_comes_back_as_it_was() {
    let scene = scene();
    let tally = scene.back_up();
    assert_eq!((tally.copied, tally.kept), (3, 0));
    assert_eq!(scene.check().bad, 0);
    let backup = Backup::open(&scene.destination, "hub").unwrap();
    assert_eq!(*backup.header(), header());
    let target = scene.source.with_file_name("target");
    let mut last = (0, 0);
    let brought = restore(&backup, &target, "one", &mut |done, all| last = (done, all));
    assert_eq!(brought.unwrap(), 2);
    assert_eq!(last, (tally.bytes - 3_000, tally.bytes));
    assert!(
        !target.join("one").exists(),
        "whoever restores puts it there last"
    );
    let one = backup.read("one", 1 << 20).unwrap();
    assert_eq!(one, fs::read(scene.source.join("one")).unwrap());
    for source in scene.sources().into_iter().filter(|it| it.path != "one") {
        let here = target.join(&source.path);
        assert_eq!(fs::read(&here).unwrap(), fs::read(&source.from).unwrap());
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&here), modified(&source.from));
    }
    let again = restore(&backup, &target, "one", &mut |_, _| {});
    assert!(matches!(again, Err(BackupError::NotEmpty { .. })));
}

#[test]
fn only_what_is_new_is_copied_and_the_last_backup_holds_until_then() {
    let scene = scene();
    scene.back_up();
    fs::write(scene.source.join("one"), "changed").unwrap();
    fs::remove_file(scene.source.join("deep/two")).unwrap();
    // Cut short before the list is published: what was there still holds.
    let mut writer = scene.begin();
    let gone = writer.copy(&scene.sources(), &mut |_, _| {}).unwrap();
    assert_eq!(gone, ["deep/two"]);
    drop(writer);
    assert_eq!((scene.check().files, scene.check().bytes), (3, 24_000));
    assert_eq!(scene.check().bad, 0);
    // The next run finds what the last one copied.
    let mut writer = scene.begin();
    writer.copy(&scene.sources(), &mut |_, _| {}).unwrap();
    let tally = writer.finish(&header()).unwrap();
    assert_eq!((tally.copied, tally.kept), (0, 2));
    assert_eq!(scene.check().files, 2);
    assert_eq!(scene.check().bad, 0);
    let left = fs::read_dir(scene.destination.join("files/deep"))
        .unwrap()
        .count();
    assert_eq!(left, 1, "what no list names is gone");
    // And once more, into the name that is free again.
    fs::write(scene.source.join("one"), "changed again").unwrap();
    assert_eq!(scene.back_up_some(), (1, 1));
    assert_eq!(scene.check().bad, 0);
}

impl Scene {
    fn back_up_some(&self) -> (u64, u64) {
        let mut writer = self.begin();
        writer.copy(&self.sources(), &mut |_, _| {}).unwrap();
        let tally = writer.finish(&header()).unwrap();
        (tally.copied, tally.kept)
    }
}

#[test]
fn damage_is_named() {
    let scene = scene();
    scene.back_up();
    let files = scene.destination.join("files");
    spoil(&files.join("one"));
    fs::remove_file(files.join("deep/two")).unwrap();
    let checked = scene.check();
    let path = |name: &str| name.to_owned();
    assert_eq!(
        checked.faults,
        [
            Fault::Missing {
                path: path("deep/two")
            },
            Fault::Changed { path: path("one") }
        ]
    );
    let backup = Backup::open(&scene.destination, "hub").unwrap();
    let target = scene.source.with_file_name("target");
    assert!(restore(&backup, &target, "", &mut |_, _| {}).is_err());
    assert!(backup.read("one", 1 << 20).is_err());
}

#[test]
fn a_list_that_was_cut_or_changed_or_leads_outside_is_none() {
    let scene = scene();
    scene.back_up();
    let list = scene.destination.join("manifest.jsonl");
    let whole = fs::read_to_string(&list).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let broken = [
        lines[..4].join("\n") + "\n",
        lines[..1].join("\n"),
        String::new(),
        whole.replace("\"mode\":", "\"mode\":1"),
        whole.replace("deep/two", "../../two"),
        whole.replace("deep/two", "/etc/two"),
        whole.clone() + "{}\n",
        whole.replace(
            "\"size\":3000",
            &format!("\"size\":{}", "0".repeat(100_000)),
        ),
    ];
    for text in broken {
        assert_ne!(text, whole);
        fs::write(&list, &text).unwrap();
        let opened = Backup::open(&scene.destination, "hub");
        assert!(
            matches!(opened, Err(BackupError::Manifest { .. })),
            "{text}"
        );
    }
}

#[test]
fn places_that_cannot_be_meant_are_refused() {
    let scene = scene();
    let begin = |place: &Path, id: &str| Writer::begin(place, &subject(id), &[&scene.source]);
    let inside = begin(&scene.source.join("backup"), "a");
    assert!(matches!(inside, Err(BackupError::Inside { .. })));
    let parent = scene.source.parent().unwrap();
    assert!(matches!(
        begin(parent, "a"),
        Err(BackupError::NotABackup { .. })
    ));
    let unfinished = Backup::open(&scene.destination, "hub");
    assert!(matches!(unfinished, Err(BackupError::Unfinished { .. })));
    let writer = begin(&scene.destination, "a").unwrap();
    assert!(matches!(
        begin(&scene.destination, "a"),
        Err(BackupError::Lock(_))
    ));
    drop(writer);
    assert!(matches!(
        begin(&scene.destination, "b"),
        Err(BackupError::OfAnother { .. })
    ));
    scene.back_up();
    let other = Backup::open(&scene.destination, "node");
    assert!(matches!(other, Err(BackupError::OfAnother { .. })));
}

#[test]
fn a_file_that_grows_is_copied_as_far_as_it_counts() {
    let scene = scene();
    let mut writer = scene.begin();
    let mut sources = scene.sources();
    sources[2].first = Some(5);
    writer.copy(&sources, &mut |_, _| {}).unwrap();
    let copy = writer.copy_of("one").unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"oneon");
    writer.leave_out("deep");
    assert!(writer.has("one") && !writer.has("deep/two"));
    writer.finish(&header()).unwrap();
    assert_eq!(scene.check().files, 1);
}
