//! A device of the platform as a link of the stack.

use alloc::string::String;

use muslin::Errno;
use muslin::net_device::NetDevice;
use muslin_net_stack::Link;

/// A device with the name that programs see.
pub struct Device {
    device: NetDevice,
    name: String,
    has_offload: bool,
}

impl Device {
    /// The device, as `eth0` if it is the first.
    pub fn new(device: NetDevice, index: usize) -> Self {
        Self {
            device,
            has_offload: device.offload().is_ok(),
            name: alloc::format!("eth{index}"),
        }
    }
}

impl Link for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn mac(&self) -> [u8; 6] {
        self.device.mac()
    }

    fn mtu_bytes(&self) -> u16 {
        u16::try_from(self.device.mtu_bytes()).unwrap_or(u16::MAX)
    }

    fn has_offload(&self) -> bool {
        self.has_offload
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        self.device.receive(frame)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        self.device.send(frame)
    }
}
