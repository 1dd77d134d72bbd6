//! How the command line and local programs find a running node.

use std::path::{Path, PathBuf};

use consign_domain::ErrorCode;
use consign_proto::v1::node_client::NodeClient;
use consign_runtime::run_file::{Presence, RunFile, RunFileError};
use consign_runtime::uds;
use thiserror::Error;
use tonic::transport::Channel;

/// The name of the socket's address in `run.json`.
pub const ADDRESS: &str = "node";

/// Largest answer on the socket, in bytes: reports and directories of a province fit.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// Why there is no talking to a node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No process serves the directory.
    #[error(
        "no node is running in {}; start it with: consign node run --dir {}",
        directory.display(),
        directory.display()
    )]
    NotRunning {
        /// The node's directory.
        directory: PathBuf,
    },
    /// The process that runs there does not say where it listens.
    #[error("the process in {} is not a node; is it a hub's directory?", directory.display())]
    NotANode {
        /// The directory.
        directory: PathBuf,
    },
    /// `run.json` cannot be read.
    #[error("cannot tell whether a node is running")]
    RunFile {
        /// What is wrong with it.
        #[source]
        source: RunFileError,
    },
}

impl ClientError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotRunning { .. } => ErrorCode::Unreachable,
            Self::NotANode { .. } => ErrorCode::Usage,
            Self::RunFile { .. } => ErrorCode::Internal,
        }
    }
}

/// A client of the node that runs in `directory`. It connects at the first call.
///
/// # Errors
/// [`ClientError`]; [`ClientError::NotRunning`] names the command that starts the node.
pub fn connect(directory: &Path) -> Result<NodeClient<Channel>, ClientError> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let presence = RunFile::read(&directory).map_err(|source| ClientError::RunFile { source })?;
    let Presence::Running(run_file) = presence else {
        return Err(ClientError::NotRunning { directory });
    };
    let Some(socket) = run_file.addresses.get(ADDRESS) else {
        return Err(ClientError::NotANode { directory });
    };
    let channel = uds::connect(Path::new(socket));
    Ok(NodeClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_node_the_error_is_the_command_that_starts_one() {
        let directory = tempfile::tempdir().unwrap();
        let error = connect(directory.path()).unwrap_err();
        let start = format!("consign node run --dir {}", directory.path().display());
        assert!(error.to_string().ends_with(&start), "{error}");
        assert_eq!(error.code(), ErrorCode::Unreachable);
    }

    #[tokio::test]
    async fn a_hub_is_not_taken_for_a_node() {
        let directory = tempfile::tempdir().unwrap();
        let addresses = [("hub".to_owned(), "127.0.0.1:1".to_owned())].into();
        let _published = RunFile::publish(directory.path(), 1, addresses).unwrap();
        let error = connect(directory.path()).unwrap_err();
        assert!(matches!(error, ClientError::NotANode { .. }), "{error}");
    }
}
