//! What comes from outside unasked: nothing, on Solo5.

use muslin_platform::Outside;

/// There is nobody to listen to.
pub const fn outside() -> Option<&'static dyn Outside> {
    None
}
