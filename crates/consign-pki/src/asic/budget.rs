//! What reading one container may cost.

/// Upper limits for reading one container, checked before memory or time is spent.
///
/// The defaults take every container that the network carries; an embedding program tightens
/// them, for example to its own limit for one document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Entries, `mimetype`, folders and `META-INF` included. Default 1,000.
    pub entries: usize,
    /// Bytes of the central directory, which is held in memory. Default 1 MiB.
    pub directory_bytes: u64,
    /// Bytes of the whole container as it lies on disk. Default 4 GiB − 2.
    pub container_bytes: u64,
    /// Bytes of all files together, unpacked. Default 4 GiB.
    pub total_bytes: u64,
    /// Bytes of one file, unpacked. Default 4 GiB.
    pub file_bytes: u64,
    /// Bytes of one file in `META-INF`, which is held in memory. Default 1 MiB.
    pub meta_inf_file_bytes: u64,
    /// Bytes of all manifests and signatures together. Default 16 MiB.
    pub meta_inf_total_bytes: u64,
    /// Signature layers. Default 64.
    pub signatures: usize,
    /// Unpacked bytes per packed byte of a deflated file over 64 KiB. Default 200.
    pub ratio: u64,
}

impl Budget {
    /// For an outer container: the statements of a thousand recipients are files of it.
    pub fn outer() -> Self {
        Self {
            entries: super::outer::MAX_ENTRIES,
            directory_bytes: 8 << 20,
            meta_inf_file_bytes: super::outer::MANIFEST_LIMITS.bytes as u64,
            meta_inf_total_bytes: super::outer::META_INF_TOTAL_BYTES,
            ..Self::default()
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            entries: super::MAX_ENTRIES,
            directory_bytes: 1 << 20,
            container_bytes: super::archive::MAX_CONTAINER_BYTES,
            total_bytes: 4 << 30,
            file_bytes: 4 << 30,
            meta_inf_file_bytes: 1 << 20,
            meta_inf_total_bytes: 16 << 20,
            signatures: 64,
            ratio: 200,
        }
    }
}
