//! See [`consign_fuzz::pdf`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::pdf::judge(bytes);
});
