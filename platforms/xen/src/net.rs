//! Network devices.

use muslin_platform::NetDevice;

use crate::netfront;

/// The device of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn NetDevice)> {
    netfront::device(index)
}

/// The same for each frame.
pub fn nameless(index: usize) -> Option<&'static dyn NetDevice> {
    device(index).map(|(_, device)| device)
}
