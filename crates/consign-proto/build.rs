//! Compiles `proto/` without an installed `protoc`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    // Of the checkout that is built now: several may share what was compiled of this.
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no directory")?;
    let root = PathBuf::from(here).join("../../proto");
    let files = [
        "consign/v1/authority.proto",
        "consign/v1/hub.proto",
        "consign/v1/node.proto",
    ];
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(files, [&root])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
