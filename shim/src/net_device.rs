//! Network devices: Ethernet frames in and out.

use muslin_abi::Errno;
use muslin_abi::args::from_raw;
pub use muslin_abi::net_device::{HEADER_BYTES, OFFLOAD_BYTES, OFFLOADED_BYTES_MAX};

use crate::ffi;

/// A network device.
#[derive(Clone, Copy, Debug)]
pub struct NetDevice {
    index: u32,
    what: muslin_abi::net_device::NetDevice,
}

impl NetDevice {
    /// The device of this number, counted from 0 without gaps.
    pub fn open(index: u32) -> Option<Self> {
        let mut what = muslin_abi::net_device::NetDevice::default();
        // SAFETY: the structure is ours alone.
        let raw = unsafe { ffi::muslin_net_device(index, &raw mut what) };
        from_raw(raw as isize)
            .is_ok()
            .then_some(Self { index, what })
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::open)
    }

    /// Its name: `service`.
    pub fn name(&self) -> &[u8] {
        let name = self.what.name.split(|&byte| byte == 0).next();
        name.unwrap_or_default()
    }

    /// Its address.
    pub fn mac(&self) -> [u8; 6] {
        self.what.mac
    }

    /// How much a frame may hold behind its header of [`HEADER_BYTES`].
    pub fn mtu_bytes(&self) -> usize {
        self.what.mtu_bytes.into()
    }

    /// From now on each frame has a `struct virtio_net_hdr` of [`OFFLOAD_BYTES`] in front, both ways, which says
    /// what is left to whoever takes it: checksums, and the cutting of segments that are longer than the MTU. So a
    /// buffer for frames has [`OFFLOADED_BYTES_MAX`].
    ///
    /// # Errors
    /// `EOPNOTSUPP` the device cannot, and frames stay as they are.
    pub fn offload(&self) -> Result<(), Errno> {
        from_raw(ffi::muslin_net_offload(self.index) as isize).map(|_| ())
    }

    /// Takes a frame that has come; its length in bytes.
    ///
    /// # Errors
    /// `EAGAIN` none is there · `EINVAL` `frame` is shorter than the header and the MTU · `EIO` · `ENODEV` the device is gone
    /// for good.
    pub fn receive(&self, frame: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: a slice that is ours alone.
        from_raw(unsafe { ffi::muslin_net_receive(self.index, frame.as_mut_ptr(), frame.len()) })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// `EAGAIN` the device takes no more now · `EINVAL` it is too long or has no header · `EIO` · `ENODEV` as above.
    pub fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        // SAFETY: a slice that is alive.
        from_raw(unsafe { ffi::muslin_net_send(self.index, frame.as_ptr(), frame.len()) })
            .map(|_| ())
    }
}
