//! Work that blocks, off the async threads.

/// Runs `work` on a thread that may block. A panic in it goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(fault) if fault.is_panic() => std::panic::resume_unwind(fault.into_panic()),
        // The runtime is ending, and the caller with it.
        Err(_) => std::future::pending().await,
    }
}
