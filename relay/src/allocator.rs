//! The allocator of the process, for librdkafka's C code too.
//!
//! Promises: memory that is no longer used goes back to the system within milliseconds.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of mimalloc's `purge_delay`, which its crate has no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How long freed pages are kept. By default it is a second, and a backlog at full speed then holds 40 MB
/// more that nobody uses. At once, the next batch has its pages made anew: a fifth more CPU time per record,
/// for 15 MB less.
const KEPT_MS: std::ffi::c_long = 10;

pub(crate) fn return_memory_soon() {
    #[expect(unsafe_code, reason = "mimalloc's options are C functions only")]
    // SAFETY: sets one number, which any thread may do at any time.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MS);
    }
}
