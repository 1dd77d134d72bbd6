//! See [`consign_fuzz::statement`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::statement::judge(bytes);
});
