//! The table stays writable: this platform cannot protect pages while the image runs.

/// Runs `write`.
pub fn with_writable<T>(write: impl FnOnce() -> T) -> Option<T> {
    Some(write())
}
