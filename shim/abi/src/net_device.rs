//! What crosses the C boundary about network devices: see `muslin.h`.

/// The longest name of a device with its final 0, in bytes.
pub const NAME_BYTES: usize = 68;

/// Bytes of an Ethernet header, before what the MTU counts.
pub const HEADER_BYTES: usize = 14;

/// Bytes of what is in front of each frame of a device that leaves work to the other side: `struct
/// virtio_net_hdr`.
pub const OFFLOAD_BYTES: usize = 10;

/// What an image of Solo5 says of a network device in its manifest, where a block device has the size of its
/// sectors: it understands such frames.
pub const OFFLOAD_UNDERSTOOD: u16 = 1;

/// What a tender says there: frames have it in front. Those of Solo5 leave what the image said.
pub const OFFLOAD_GIVEN: u16 = 2;

/// The longest frame of such a device, with what is in front.
pub const OFFLOADED_BYTES_MAX: usize = OFFLOAD_BYTES + HEADER_BYTES + 65_535;

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
