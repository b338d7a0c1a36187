//! Network devices.

use muslin_platform::NetDevice;

/// The device of this number, counted from 0 without gaps, and its name.
pub fn device(_index: usize) -> Option<(&'static str, &'static dyn NetDevice)> {
    None
}
