//! The names of an upload's files: `<sender>.<id>.<digest>.<size>.<expires>` and an end.

use consign_domain::{EnvelopeKey, Timestamp};

use crate::journal::files::STAGING;
use crate::payload::Upload;

/// The end of a part's name.
pub(super) const PART: &str = ".part";
/// The end of a mark's name.
pub(super) const MARK: &str = ".mark";

/// The path of the bytes.
pub(super) fn part_path(upload: &Upload) -> String {
    format!("{STAGING}/{}{PART}", stem(upload))
}

/// The path of what says how far they are durable.
pub(super) fn mark_path(upload: &Upload) -> String {
    format!("{STAGING}/{}{MARK}", stem(upload))
}

fn stem(upload: &Upload) -> String {
    let Upload {
        key,
        digest,
        size,
        expires,
    } = upload;
    let expires = expires.as_unix();
    format!("{}.{}.{digest}.{size}.{expires}", key.sender, key.id)
}

/// The upload of a file's name that has this end.
pub(super) fn upload_of(name: &str, end: &str) -> Option<Upload> {
    let stem_of_name = name.strip_suffix(end)?;
    let mut parts = stem_of_name.split('.');
    let upload = Upload {
        key: EnvelopeKey {
            sender: parts.next()?.parse().ok()?,
            id: parts.next()?.parse().ok()?,
        },
        digest: parts.next()?.parse().ok()?,
        size: parts.next()?.parse().ok()?,
        expires: Timestamp::from_unix(parts.next()?.parse().ok()?).ok()?,
    };
    // One spelling: what would be written otherwise is not ours.
    (stem(&upload) == stem_of_name).then_some(upload)
}

#[cfg(test)]
mod tests {
    use consign_domain::Digest;

    use super::*;
    use crate::conformance::fixture::key;

    #[test]
    fn a_name_is_read_back_and_others_are_not_ours() {
        let upload = Upload {
            key: key(1, 2),
            digest: Digest::of(b"payload"),
            size: 1 << 30,
            expires: Timestamp::from_unix_saturating(1_797_000_000),
        };
        let path = part_path(&upload);
        let name = path.strip_prefix("staging/").unwrap();
        assert!(name.len() < 200, "file systems take 255 bytes");
        assert_eq!(upload_of(name, PART), Some(upload));
        assert_eq!(upload_of(name, MARK), None);
        let others = [
            name.to_uppercase(),
            name.replace(".1073741824.", ".01073741824."),
            name.replace(".1073741824.", "."),
            name.replace(".part", ".1.part"),
            ".part".to_owned(),
        ];
        for other in others {
            assert_eq!(upload_of(&other, PART), None, "{other}");
        }
    }
}
