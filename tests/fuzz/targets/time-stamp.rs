//! See [`consign_fuzz::time_stamp`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    consign_fuzz::time_stamp::judge(bytes);
});
