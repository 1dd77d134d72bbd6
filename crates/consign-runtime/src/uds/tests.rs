use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::transport::Server;
use tower::ServiceExt as _;

use super::place::{MAX_PATH, short_path};
use super::*;

async fn ask(channel: Channel) -> Result<String, tonic::transport::Error> {
    let request = http::Request::builder()
        .uri("/who")
        .body(Body::empty())
        .unwrap();
    let response = channel.oneshot(request).await?;
    Ok(response.headers()["uid"].to_str().unwrap().to_owned())
}

/// Tells every caller the user that the kernel says it is.
async fn serve(listener: Listener, stop: oneshot::Receiver<()>) {
    let service = tower::service_fn(|request: http::Request<Body>| async move {
        let peer = request.extensions().get::<LocalPeer>().copied().unwrap();
        let response = http::Response::builder()
            .header("uid", peer.uid)
            .body(Body::empty());
        Ok::<_, Infallible>(response.unwrap())
    });
    let stop = async { stop.await.unwrap_or(()) };
    Server::builder()
        .serve_with_incoming_shutdown(service, listener, stop)
        .await
        .unwrap();
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn a_local_program_is_served_and_known_by_its_user() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.sock");
    let listener = listener(&path).unwrap();
    assert_eq!(listener.path(), path);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        entries(directory.path()),
        1,
        "no temporary directory is left"
    );

    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, stopped));
    assert_eq!(
        ask(connect(&path)).await.unwrap(),
        geteuid().as_raw().to_string()
    );
    stop.send(()).unwrap();
    server.await.unwrap();
    assert_eq!(
        entries(directory.path()),
        0,
        "the socket goes with its listener"
    );
}

#[tokio::test]
async fn a_call_to_nobody_says_where_nobody_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.sock");
    let fault = ask(connect(&path)).await.unwrap_err();
    let status = tonic::Status::from_error(Box::new(fault));
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(
        status.message(),
        format!("no process answers at {}", path.display())
    );
}

#[tokio::test]
async fn only_a_socket_that_nobody_answers_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.sock");
    // Bound and left behind, as by a process that was killed.
    drop(StdUnixListener::bind(&path).unwrap());
    let living = listener(&path).unwrap();
    assert!(matches!(listener(&path), Err(SocketError::InUse { .. })));
    drop(living);

    fs::write(&path, b"text").unwrap();
    assert!(matches!(
        listener(&path),
        Err(SocketError::NotASocket { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), b"text");
}

#[tokio::test]
async fn a_successors_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.sock");
    let first = listener(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = listener(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn other_users_are_not_admitted() {
    assert!(may_connect(1000, 1000));
    assert!(may_connect(0, 1000));
    assert!(!may_connect(1001, 1000));
    assert!(!may_connect(1000, 0));
}

#[tokio::test]
async fn a_long_path_has_a_short_one_that_stands_in() {
    let runtime = tempfile::tempdir().unwrap();
    let long = runtime.path().join("x".repeat(120)).join("node.sock");
    let short = short_path(&long, Some(runtime.path().as_os_str())).unwrap();
    assert_eq!(
        short.parent(),
        Some(runtime.path().join("consign").as_path())
    );
    assert_eq!(
        short_path(&long, Some(runtime.path().as_os_str())).unwrap(),
        short
    );
    let other = short_path(
        &long.with_file_name("hub.sock"),
        Some(runtime.path().as_os_str()),
    );
    assert_ne!(other.unwrap(), short);

    let listener = listen_at(&long, &short).unwrap();
    assert_eq!(listener.path(), short);
    let directory = fs::metadata(short.parent().unwrap()).unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_longest_path_that_fits_is_used_as_it_is() {
    let at = |length: usize| {
        Path::new("/")
            .join("d".repeat(length - 11))
            .join("node.sock")
    };
    let longest = at(MAX_PATH);
    assert_eq!(longest.as_os_str().len(), MAX_PATH);
    assert_eq!(short_path(&longest, None).unwrap(), longest);
    let uid = geteuid().as_raw();
    let below_tmp = short_path(&at(MAX_PATH + 1), None).unwrap();
    assert!(
        below_tmp.starts_with(format!("/tmp/consign-{uid}")),
        "{}",
        below_tmp.display()
    );
    let useless = "r".repeat(200);
    let relative = short_path(&at(MAX_PATH + 1), Some(useless.as_ref())).unwrap();
    assert_eq!(relative, below_tmp);
    let too_long = format!("/{useless}");
    assert_eq!(
        short_path(&at(MAX_PATH + 1), Some(too_long.as_ref())).unwrap(),
        below_tmp
    );
}

#[tokio::test]
async fn a_stand_in_directory_that_others_may_enter_is_refused() {
    let runtime = tempfile::tempdir().unwrap();
    let long = runtime.path().join("x".repeat(120)).join("node.sock");
    let short = short_path(&long, Some(runtime.path().as_os_str())).unwrap();
    let directory = short.parent().unwrap();
    fs::DirBuilder::new().mode(0o755).create(directory).unwrap();
    let refused = listen_at(&long, &short);
    assert!(
        matches!(refused, Err(SocketError::UnsafeDirectory { .. })),
        "{refused:?}"
    );

    fs::remove_dir(directory).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), directory).unwrap();
    let refused = listen_at(&long, &short);
    assert!(
        matches!(refused, Err(SocketError::UnsafeDirectory { .. })),
        "{refused:?}"
    );
}
