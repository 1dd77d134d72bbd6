//! See [`consign_fuzz::certificate`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::certificate::judge(bytes);
});
