//! Files of a document as they come, streamed to disk under a temporary name.

use std::io::Write as _;

use consign_domain::document::{FileEntry, MAX_ATTACHMENTS};
use consign_domain::limits::MAX_PAYLOAD;
use consign_domain::text::Line;
use consign_domain::{Digest, EnvelopeId};
use consign_pki::asic::is_media_type;
use consign_runtime::files::Action;
use sha2::{Digest as _, Sha256};

use super::file_name::{self, FileNames};
use super::{ComposeError, ComposeRequest, Draft, FileOpen};
use crate::durable::{self, NewDirectory, Stream};
use crate::folder::DocumentFile;

/// Bytes of all files together: what encryption and the container's own bytes leave of the
/// largest payload.
pub(crate) const MAX_FILES: u64 = MAX_PAYLOAD - MAX_PAYLOAD / 4096 - (8 << 20);

/// A document that is being composed: files as they come. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staging {
    pub(crate) id: EnvelopeId,
    pub(crate) request: ComposeRequest,
    /// Absent where the id is in use: then the files are only compared.
    pub(crate) fresh: Option<Fresh>,
    pub(crate) files: Vec<DocumentFile>,
    names: FileNames,
    current: Option<Current>,
    total: u64,
}

/// A new document and the directory that it is put together in.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) draft: Draft,
    pub(crate) directory: NewDirectory,
}

#[derive(Debug)]
struct Current {
    file: DocumentFile,
    written: u64,
    hash: Sha256,
    stream: Option<Stream>,
}

impl Staging {
    pub(crate) fn new(id: EnvelopeId, request: ComposeRequest, fresh: Option<Fresh>) -> Self {
        Self {
            id,
            request,
            fresh,
            files: Vec::new(),
            names: FileNames::default(),
            current: None,
            total: 0,
        }
    }

    /// Begins the next file; the first is the main one.
    ///
    /// # Errors
    /// A limit, a media type or title that cannot be used, or the system refused.
    pub fn begin_file(&mut self, open: &FileOpen) -> Result<(), ComposeError> {
        self.end_file()?;
        let limit = MAX_ATTACHMENTS + 1;
        if self.files.len() >= limit {
            return Err(ComposeError::TooManyFiles { limit });
        }
        if self.total.saturating_add(open.size) > MAX_FILES {
            return Err(ComposeError::TooLarge { limit: MAX_FILES });
        }
        let name = self.names.name(&open.name);
        let media_type = match open.media_type.trim() {
            "" => file_name::media_type(&name),
            given if is_media_type(given) && Line::<100>::new(given).is_ok() => given,
            given => {
                let media_type = given.chars().take(60).collect();
                return Err(ComposeError::MediaType { media_type });
            }
        };
        let title = match open.title.trim() {
            "" => String::new(),
            title => Line::<500>::tidy(title)
                .map_err(ComposeError::field("title"))?
                .to_string(),
        };
        let file = DocumentFile {
            media_type: media_type.to_owned(),
            name,
            title,
            size: open.size,
            sha256: Digest::from_bytes([0; 32]),
        };
        let stream = match &self.fresh {
            Some(fresh) => {
                let directory = fresh.directory.path().join("files");
                durable::directory(&directory)?;
                Some(Stream::create(&directory, &staged_name(self.files.len()))?)
            }
            None => None,
        };
        self.current = Some(Current {
            file,
            written: 0,
            hash: Sha256::new(),
            stream,
        });
        Ok(())
    }

    /// Adds bytes to the file that was begun last.
    ///
    /// # Errors
    /// More bytes than announced, or the system refused.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ComposeError> {
        let current = self.current.as_mut().ok_or(ComposeError::NoHead)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        current.written = current.written.saturating_add(length);
        if current.written > current.file.size {
            let name = current.file.name.clone();
            return Err(ComposeError::FileSize { name });
        }
        current.hash.update(bytes);
        self.total = self.total.saturating_add(length);
        if let (Some(stream), Some(fresh)) = (&mut current.stream, &self.fresh) {
            stream
                .write_all(bytes)
                .map_err(durable::io_fault(Action::Write, fresh.directory.path()))?;
        }
        Ok(())
    }

    /// Bytes of all files so far.
    pub const fn received(&self) -> u64 {
        self.total
    }

    /// Ends the file that was begun last, if there is one.
    pub(crate) fn end_file(&mut self) -> Result<(), ComposeError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let mut file = current.file;
        if current.written != file.size {
            return Err(ComposeError::FileSize { name: file.name });
        }
        if let Some(stream) = current.stream {
            stream.publish()?;
        }
        file.sha256 = Digest::from_bytes(current.hash.finalize().into());
        self.files.push(file);
        Ok(())
    }

    /// The files as the document lists them.
    pub(crate) fn entries(&self) -> Result<Vec<FileEntry>, ComposeError> {
        let entry = |file: &DocumentFile| {
            let title = match file.title.as_str() {
                "" => None,
                title => Some(Line::new(title).map_err(ComposeError::field("title"))?),
            };
            Ok(FileEntry {
                name: Line::new(file.name.as_str()).map_err(ComposeError::field("file name"))?,
                media_type: Line::new(file.media_type.as_str())
                    .map_err(ComposeError::field("media type"))?,
                title,
            })
        };
        self.files.iter().map(entry).collect()
    }
}

/// The name of a file while it waits for its container: its place.
pub(crate) fn staged_name(place: usize) -> String {
    format!("{place:03}")
}
