//! Files on their way to the node, in chunks; never a whole file in memory.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_domain::limits::MAX_PAYLOAD;
use consign_proto::v1::send_request::Message;
use consign_proto::v1::{FileOpen, SendOpen, SendRequest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::failure::Failure;

/// Bytes of a chunk.
const CHUNK: usize = 256 * 1024;

/// Chunks that wait for the node.
const WAITING: usize = 4;

/// Files that exist and fit into one container.
#[derive(Debug)]
pub(crate) struct Upload {
    files: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    name: String,
    title: String,
    size: u64,
}

/// The thread that reads the files.
#[derive(Debug)]
pub(crate) struct Reading(JoinHandle<Result<(), Failure>>);

impl Upload {
    /// Looks at the files.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Result<Self, Failure> {
        let files = paths.into_iter().map(source);
        let files = files.collect::<Result<Vec<Source>, Failure>>()?;
        let upload = Self { files };
        if upload.size() >= MAX_PAYLOAD {
            let message = format!("{} bytes do not fit into one document", upload.size());
            return Err(Failure::new(ErrorCode::TooLarge, message));
        }
        Ok(upload)
    }

    /// Gives files titles, in their order.
    pub(crate) fn titled(mut self, titles: &[&str]) -> Self {
        for (file, title) in self.files.iter_mut().zip(titles) {
            (*title).clone_into(&mut file.title);
        }
        self
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The messages to the node, as it takes them.
    pub(crate) fn begin(self, open: SendOpen) -> (ReceiverStream<SendRequest>, Reading) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || self.read(open, &sender));
        (ReceiverStream::new(receiver), Reading(reading))
    }

    /// A node that hangs up is not the reader's failure.
    fn read(self, open: SendOpen, sender: &mpsc::Sender<SendRequest>) -> Result<(), Failure> {
        let send = |message| {
            let message = Some(message);
            sender.blocking_send(SendRequest { message }).is_ok()
        };
        if !send(Message::Open(open)) {
            return Ok(());
        }
        for source in self.files {
            let fault = |error| Failure::io("read", &source.path, &error);
            let mut file = std::fs::File::open(&source.path).map_err(fault)?;
            let head = FileOpen {
                name: source.name.clone(),
                media_type: String::new(),
                title: source.title.clone(),
                size: source.size,
            };
            if !send(Message::File(head)) {
                return Ok(());
            }
            let mut left = source.size;
            while left > 0 {
                let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                let mut chunk = vec![0; size];
                file.read_exact(&mut chunk).map_err(fault)?;
                left -= size as u64;
                if !send(Message::Chunk(chunk.into())) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Reading {
    /// Why the files could not be read, if that is what went wrong.
    pub(crate) async fn failure(self) -> Option<Failure> {
        self.0.await.ok().and_then(Result::err)
    }
}

fn source(path: PathBuf) -> Result<Source, Failure> {
    let metadata = std::fs::metadata(&path).map_err(|error| Failure::io("read", &path, &error))?;
    if !metadata.is_file() {
        let message = format!("{} is not a file", path.display());
        return Err(Failure::usage(message, "name the file itself"));
    }
    let name = path.file_name().map(Path::new).map(Path::to_string_lossy);
    Ok(Source {
        name: name.unwrap_or_default().into_owned(),
        title: String::new(),
        size: metadata.len(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn files_arrive_whole_in_chunks_after_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let (letter, empty) = (
            directory.path().join("công văn.pdf"),
            directory.path().join("e"),
        );
        std::fs::write(&letter, vec![7; CHUNK + 1]).unwrap();
        std::fs::write(&empty, b"").unwrap();
        let upload = Upload::new(vec![letter, empty])
            .unwrap()
            .titled(&["Công văn"]);
        assert_eq!(upload.size(), CHUNK as u64 + 1);
        let (requests, reading) = upload.begin(SendOpen::default());
        let messages: Vec<Message> = requests
            .filter_map(|request| request.message)
            .collect()
            .await;
        let sizes: Vec<usize> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Chunk(chunk) => Some(chunk.len()),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [CHUNK, 1]);
        let Some(Message::File(first)) = messages.get(1) else {
            panic!("the first file comes after the opening");
        };
        assert_eq!(
            (first.name.as_str(), first.title.as_str()),
            ("công văn.pdf", "Công văn")
        );
        assert!(matches!(messages.last(), Some(Message::File(_))));
        assert_eq!(reading.failure().await, None);
    }

    #[test]
    fn what_is_no_file_is_said_before_anything_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing.pdf");
        assert_eq!(
            Upload::new(vec![missing]).unwrap_err().code,
            ErrorCode::NotFound
        );
        let failure = Upload::new(vec![directory.path().to_owned()]).unwrap_err();
        assert_eq!(failure.code, ErrorCode::Usage);
    }
}
