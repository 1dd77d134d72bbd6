//! See [`consign_fuzz::manifest`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::manifest::judge(bytes);
});
