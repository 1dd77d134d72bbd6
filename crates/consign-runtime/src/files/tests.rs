use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn publishing_replaces_whole_files_with_the_mode_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    publish(&path, b"one", 0o644).unwrap();
    assert_eq!(
        (fs::read(&path).unwrap(), mode(&path)),
        (b"one".to_vec(), 0o644)
    );
    write_private(&path, b"two").unwrap();
    assert_eq!(
        (fs::read(&path).unwrap(), mode(&path)),
        (b"two".to_vec(), 0o600)
    );
    publish(&path, b"three", 0o666).unwrap();
    assert_eq!(mode(&path), 0o666, "the umask takes nothing away");
    assert_eq!(
        names(directory.path()),
        ["state"],
        "no temporary file is left"
    );
}

#[test]
fn a_new_file_never_replaces_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("once");
    publish_new(&path, b"first", PRIVATE).unwrap();
    let fault = publish_new(&path, b"second", PRIVATE).unwrap_err();
    assert!(
        matches!(&fault, FileError::AlreadyExists { path: taken } if *taken == path),
        "{fault:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(names(directory.path()), ["once"]);
}

#[test]
fn a_failed_publication_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("taken");
    fs::create_dir_all(path.join("full")).unwrap();
    let fault = publish(&path, b"bytes", PRIVATE).unwrap_err();
    assert!(
        matches!(
            fault,
            FileError::Io {
                action: Action::Rename,
                ..
            }
        ),
        "{fault:?}"
    );
    assert_eq!(names(directory.path()), ["taken"]);
    let fault = publish(&directory.path().join("no/such"), b"", PRIVATE).unwrap_err();
    assert!(fault.is_not_found());
    assert!(matches!(
        publish(Path::new("/"), b"", PRIVATE),
        Err(FileError::NoName { .. })
    ));
}

#[test]
fn leftovers_of_a_crash_are_found_by_name() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".publishing-0123"), b"half").unwrap();
    fs::write(directory.path().join("kept"), b"whole").unwrap();
    assert_eq!(remove_leftovers(directory.path()).unwrap(), 1);
    assert_eq!(names(directory.path()), ["kept"]);
}

#[test]
fn directories_are_made_with_their_parents() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/c");
    create_dir_durable(&path, PRIVATE_DIRECTORY).unwrap();
    create_dir_durable(&path, 0o755).unwrap();
    assert_eq!(
        (mode(&path), mode(&directory.path().join("a"))),
        (0o700, 0o700)
    );
    fs::write(directory.path().join("file"), b"").unwrap();
    assert!(create_dir_durable(&directory.path().join("file"), 0o700).is_err());
}

#[test]
fn reading_is_bounded_and_takes_files_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("five");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
    assert!(matches!(
        read_bounded(&path, 4),
        Err(FileError::TooLarge { max: 4, .. })
    ));
    assert!(matches!(
        read_bounded(directory.path(), 4),
        Err(FileError::NotAFile { .. })
    ));
    assert!(matches!(
        read_bounded(Path::new("/dev/zero"), 4),
        Err(FileError::NotAFile { .. })
    ));
    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(
        read_bounded(&pipe, 4),
        Err(FileError::NotAFile { .. })
    ));
    // A file whose length the system does not tell is bounded all the same.
    assert!(matches!(
        read_bounded(Path::new("/proc/self/status"), 10),
        Err(FileError::TooLarge { .. })
    ));
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    publish(&path, b"secret", 0o640).unwrap();
    let fault = read_private(&path, 100).unwrap_err();
    assert!(fault.to_string().contains("chmod 600"), "{fault}");
    write_private(&path, b"secret").unwrap();
    assert_eq!(read_private(&path, 100).unwrap(), b"secret");
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(read_private(&link, 100).unwrap(), b"secret");
}

#[test]
fn removing_twice_is_fine() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone");
    publish(&path, b"", PRIVATE).unwrap();
    remove(&path).unwrap();
    remove(&path).unwrap();
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_directory_belongs_to_one_holder_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let held = DirectoryLock::acquire(directory.path()).unwrap();
    let refused = DirectoryLock::acquire(directory.path()).unwrap_err();
    let me = std::process::id();
    assert!(
        matches!(&refused, LockError::Held { pid: Some(pid), .. } if *pid == me),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains(&format!("process {me}")),
        "{refused}"
    );
    assert_eq!(mode(held.path()), 0o600);
    drop(held);
    DirectoryLock::acquire(directory.path()).unwrap();
}
