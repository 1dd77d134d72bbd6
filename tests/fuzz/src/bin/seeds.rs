//! Writes the seeds of every target: `seeds DIRECTORY` makes a folder for each.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: seeds DIRECTORY");
    let directory = PathBuf::from(env::args_os().nth(1).ok_or_else(usage)?);
    for target in consign_fuzz::TARGETS {
        let folder = directory.join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in (target.seeds)() {
            fs::write(folder.join(seed.name), seed.bytes)?;
        }
    }
    Ok(())
}
