//! Devices that are attached while the guest runs. It has those that it found when it asked for them first; of the
//! others its console says that they are not used.

use crate::blkfront::{FIRST_NUMBER, NUMBER_STEP};
use crate::turn::Turn;
use crate::xenstore::{Bell, Store};

/// Where xenstore has the devices of this guest.
pub const DEVICES: &str = "device";
/// Those for networks.
const NETWORKS: &str = "device/vif";
/// Bytes of the names of a kind that are looked at.
const NAMES_BYTES: usize = 128;

/// A kind of devices.
#[derive(Debug)]
struct Devices {
    path: &'static str,
    /// What was there when it was looked at last, each ended by a zero.
    known: [u8; NAMES_BYTES],
}

impl Devices {
    const fn new(path: &'static str) -> Self {
        Self {
            path,
            known: [0; NAMES_BYTES],
        }
    }
}

static ALL: Turn<[Devices; 2]> = Turn::new([Devices::new("device/vbd"), Devices::new(NETWORKS)]);

/// Looks which devices there are, and names those that were not there the last time.
pub fn look<B: Bell>(store: &mut Store<B>, is_first: bool, say: impl Fn(&[&str])) {
    for devices in ALL.get() {
        let mut room = [0; NAMES_BYTES];
        let mut now = [0; NAMES_BYTES];
        // Without any there is no such place.
        if let Ok(names) = store.names(&[devices.path], &mut room) {
            now[..names.names.len()].copy_from_slice(names.names);
        }
        let before = core::mem::replace(&mut devices.known, now);
        let is_new = |number: &&str| numbers(&before).all(|known| known != *number);
        for number in numbers(&now).filter(|_| !is_first).filter(is_new) {
            let mut letter = [0; 4];
            let name = match (devices.path, letter_of(number)) {
                (NETWORKS, _) => ["the network device vif", number],
                (_, Some(of_disk)) => ["the disk xvd", of_disk.encode_utf8(&mut letter)],
                (_, None) => ["the disk ", number],
            };
            say(&[
                name[0],
                name[1],
                " was attached, and is not used: this guest has the devices that it had at its start",
            ]);
        }
    }
}

/// The names in xenstore, which are numbers.
fn numbers(names: &[u8]) -> impl Iterator<Item = &str> {
    let names = names.split(|&byte| byte == 0);
    names
        .filter_map(|name| str::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
}

/// The letter of a disk with this number, if it has one.
fn letter_of(number: &str) -> Option<char> {
    let number: u64 = number.parse().ok()?;
    let place = number.checked_sub(FIRST_NUMBER)?;
    let place = place
        .is_multiple_of(NUMBER_STEP)
        .then_some(place / NUMBER_STEP)?;
    ('a'..='z').nth(usize::try_from(place).ok()?)
}
