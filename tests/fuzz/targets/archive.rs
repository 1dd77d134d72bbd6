//! See [`consign_fuzz::archive`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::archive::judge(bytes);
});
