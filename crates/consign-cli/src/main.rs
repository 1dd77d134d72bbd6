//! The consign program

fn main() {}
