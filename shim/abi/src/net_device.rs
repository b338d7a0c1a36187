//! What crosses the C boundary about network devices: see `muslin.h`.

/// The longest name of a device with its final 0, in bytes.
pub const NAME_BYTES: usize = 68;

/// Bytes of an Ethernet header, before what the MTU counts.
pub const HEADER_BYTES: usize = 14;

/// What a device is: `struct muslin_net_device`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NetDevice {
    /// Its name, ended by a 0.
    pub name: [u8; NAME_BYTES],
    /// Its address.
    pub mac: [u8; 6],
    /// How much a frame may hold behind its header.
    pub mtu_bytes: u16,
}

impl Default for NetDevice {
    fn default() -> Self {
        Self {
            name: [0; NAME_BYTES],
            mac: [0; 6],
            mtu_bytes: 0,
        }
    }
}
