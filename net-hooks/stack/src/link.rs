//! What the stack needs of a network device: Ethernet frames, one at a time.

use muslin_abi::Errno;

/// A device that moves Ethernet frames, without the checksum at their end. Nothing here waits.
pub trait Link {
    /// Its name, as programs see it: `eth0`.
    fn name(&self) -> &str;

    /// Its hardware address.
    fn mac(&self) -> [u8; 6];

    /// The largest IP packet that one frame holds, 68..=65535.
    fn mtu_bytes(&self) -> u16;

    /// Whether each frame has a `struct virtio_net_hdr` in front, both ways, by which checksums and the cutting
    /// of long segments of TCP are left to the other side: frames may be longer than the MTU then.
    fn has_offload(&self) -> bool {
        false
    }

    /// Takes the next frame that arrived. A frame that is longer than `frame` is cut.
    ///
    /// # Errors
    /// `EAGAIN` none is there; `ENODEV` the device is gone for good, and its addresses and routes go with it; any
    /// other: the device is broken, and is asked again later.
    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno>;

    /// Hands a frame to the device.
    ///
    /// # Errors
    /// `EAGAIN` it takes no more now: the stack keeps the frame and tries again; `ENODEV` as above; any other: the
    /// frame is lost, as on a wire.
    fn send(&mut self, frame: &[u8]) -> Result<(), Errno>;
}
