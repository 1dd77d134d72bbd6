//! `consign authority serve`.

use std::net::SocketAddr;

use clap::Args;
use consign_authority::service::{AuthorityService, ServeOptions};
use consign_domain::ErrorCode;
use consign_domain::text::Line;
use consign_runtime::clock::Clock;
use consign_runtime::shutdown::{Shutdown, Tasks};
use consign_runtime::telemetry::{self, Format};

use super::Home;
use crate::commands::{Outcome, check_home};
use crate::failure::{Failure, exit};
use crate::output::Output;

/// Answer enrolments and renewals until told to stop.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  consign authority serve AUTHORITY --listen 0.0.0.0:7440 --address authority.example.vn:7440

It needs the keys of the issuing certificate and of the directory, not the root's: take
keys/root.key away and keep it offline. It never runs on the hub's machine. What is entered
by the other commands meanwhile is published as well; the directory is signed anew when half
of its life is over. Ctrl-C or SIGTERM stops it in order.")]
pub(crate) struct Serve {
    #[command(flatten)]
    home: Home,
    /// Where to listen: an IP address and a port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7440")]
    listen: SocketAddr,
    /// What nodes and hubs call it; where it listens, if it is left out
    #[arg(long, value_name = "NAME:PORT")]
    address: Option<String>,
    /// The log's form
    #[arg(long, value_enum, default_value = "text")]
    log: Log,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Serves.
pub(super) async fn run(arguments: Serve, output: Output) -> Outcome {
    let dir = arguments.home.directory()?;
    check_home(&dir, "authority.json", "make one: consign authority init")?;
    let format = match arguments.log {
        Log::Text => Format::Text,
        Log::Json => Format::Json,
    };
    telemetry::init(format, "info,certval=warn")?;
    let address = arguments.address.map(Line::new).transpose();
    let address = address.map_err(|error| {
        Failure::usage(
            error.to_string(),
            "write NAME:PORT, as authority.example.vn:7440",
        )
    })?;
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    shutdown
        .on_signals(&tasks)
        .map_err(|error| Failure::of(ErrorCode::Internal, &error))?;
    let options = ServeOptions {
        dir: dir.clone(),
        listen: arguments.listen,
        address,
        keyring: std::sync::Arc::new(arguments.home.place.unlock.keyring()),
    };
    let service = AuthorityService::bind(options, Clock::system()).await?;
    output.note(format_args!(
        "consign authority: ready on {} ({}), pid {}",
        service.address(),
        dir.display(),
        std::process::id()
    ));
    Box::pin(service.run(shutdown)).await?;
    output.note("consign authority: stopped");
    Ok(exit::DONE)
}
