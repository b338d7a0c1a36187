//! Networks of another guest: what the library OS sees of them. How frames move is in `device`.
//!
//! A device is connected when something is first done with it: so it is known whether its frames leave work to
//! the other side. A back end that breaks the rules loses the device: every call then says `ENODEV`.

mod device;
mod offload;
#[cfg(test)]
mod tests;

use muslin_abi::Errno;
use muslin_abi::net_device::{HEADER_BYTES, OFFLOAD_BYTES, OFFLOADED_BYTES_MAX};
use muslin_platform::NetDevice;

use crate::ring::Broken;
use crate::shared::{self, Shared};
use crate::turn::Turn;
use crate::{console, xenbus};
use device::{Net, Pages, Seen};

/// Devices that are looked for.
const NETS_MAX: usize = 2;
/// What a frame holds behind its header.
const MTU_BYTES: usize = 1500;

/// A device's place.
#[derive(Debug)]
struct Place {
    name: &'static str,
    pages: &'static Pages,
    found: Turn<Found>,
}

/// What is known of a device.
#[allow(
    clippy::large_enum_variant,
    reason = "it is a static, and there is no heap to put the rest on"
)]
#[derive(Debug)]
enum Found {
    /// Nobody has asked yet.
    Unknown,
    /// It is not there.
    Nothing,
    /// It is there, and nothing was done with it.
    Seen(Seen),
    Net(Net),
    /// It is of no use any more, which was said.
    Lost([u8; 6]),
}

static PLACES: [Place; NETS_MAX] = {
    static PAGES: [Pages; NETS_MAX] = [const { Pages::new() }; NETS_MAX];
    [Place::new("vif0", &PAGES[0]), Place::new("vif1", &PAGES[1])]
};

/// The device of this number, counted from 0 without gaps, and its name.
pub fn device(index: usize) -> Option<(&'static str, &'static dyn NetDevice)> {
    let place = PLACES.get(index)?;
    place.is_there(index).then_some((place.name, place))
}

impl Place {
    const fn new(name: &'static str, pages: &'static Pages) -> Self {
        Self {
            name,
            pages,
            found: Turn::new(Found::Unknown),
        }
    }

    fn is_there(&self, number: usize) -> bool {
        let found = self.found.get();
        if matches!(found, Found::Unknown) {
            *found = match shared::with(|shared| Seen::find(shared, number as u64)) {
                Ok(seen) => Found::Seen(seen),
                Err(errno) => {
                    if errno != Errno::ENODEV {
                        self.complain(xenbus::why(errno));
                    }
                    Found::Nothing
                }
            };
        }
        !matches!(found, Found::Nothing)
    }

    fn complain(&self, why: &str) {
        for text in [
            "muslin: the network device ",
            self.name,
            " is lost: ",
            why,
            "\n",
        ] {
            console::write(text.as_bytes());
        }
    }

    /// Connects the device, if that was not done; does it have its frames leave work to the other side?
    fn connect(&self, is_offloaded: bool) -> Result<bool, Errno> {
        let found = self.found.get();
        if let Found::Seen(seen) = found {
            let mac = seen.mac;
            let connected =
                shared::with(|shared| Net::connect(shared, self.pages, seen, is_offloaded));
            *found = match connected {
                Ok(net) => Found::Net(net),
                Err(errno) => {
                    self.complain(xenbus::why(errno));
                    Found::Lost(mac)
                }
            };
        }
        match found {
            Found::Net(net) => Ok(net.is_offloaded),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Does something with the device, and gives it up if its back end breaks the rules.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Net, &mut Shared) -> Result<Result<T, Errno>, Broken>,
    ) -> Result<T, Errno> {
        self.connect(false)?;
        shared::with(|shared| {
            let found = self.found.get();
            let Found::Net(net) = found else {
                return Err(Errno::ENODEV);
            };
            match work(net, shared) {
                Ok(done) => done,
                Err(broken) => {
                    net.give_up(shared);
                    let mac = net.mac;
                    *found = Found::Lost(mac);
                    self.complain(broken.name());
                    Err(Errno::ENODEV)
                }
            }
        })
    }
}

impl NetDevice for Place {
    fn mac(&self) -> [u8; 6] {
        match self.found.get() {
            Found::Seen(seen) => seen.mac,
            Found::Net(net) => net.mac,
            Found::Lost(mac) => *mac,
            Found::Unknown | Found::Nothing => [0; 6],
        }
    }
    fn mtu_bytes(&self) -> usize {
        MTU_BYTES
    }
    fn offload(&self) -> Result<(), Errno> {
        if let Found::Seen(seen) = self.found.get()
            && !seen.has_offload
        {
            return Err(Errno::EOPNOTSUPP);
        }
        match self.connect(true)? {
            true => Ok(()),
            // Its other side was told otherwise.
            false => Err(Errno::EOPNOTSUPP),
        }
    }
    fn receive(&self, frame: &mut [u8]) -> Result<usize, Errno> {
        self.with(|net, shared| {
            let longest = match net.is_offloaded {
                true => OFFLOADED_BYTES_MAX,
                false => HEADER_BYTES + MTU_BYTES,
            };
            if frame.len() < longest {
                return Ok(Err(Errno::EINVAL));
            }
            net.receive(shared, self.pages, frame)
        })
    }
    fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        self.with(|net, shared| {
            let lengths = match net.is_offloaded {
                true => OFFLOAD_BYTES + HEADER_BYTES..=OFFLOAD_BYTES + usize::from(u16::MAX),
                false => HEADER_BYTES..=HEADER_BYTES + MTU_BYTES,
            };
            if !lengths.contains(&frame.len()) {
                return Ok(Err(Errno::EINVAL));
            }
            net.send(shared, self.pages, frame)
        })
    }
}
