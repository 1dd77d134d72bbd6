//! See [`consign_fuzz::cms`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::cms::judge(bytes);
});
