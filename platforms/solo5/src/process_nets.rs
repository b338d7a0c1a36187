//! The network devices of a process: TAP interfaces that its environment names.
//!
//! The image's manifest says which devices it wants; `MUSLIN_NET_service=tap0` gives it the one that is
//! called `service`, and `MUSLIN_NET_service=@9` one by a descriptor. One that is not given is not there.

use muslin_platform::{Console, Entropy};

use crate::linux_process::{LINUX_PROCESS, text};
use crate::manifest::{self, Entry};
use crate::net::call;
use crate::process_blocks;

/// How the variable begins; the device's name follows.
const VARIABLE: &[u8] = b"MUSLIN_NET_";

/// Bits of the first byte of an address: it is for many, and it is nobody's by birth.
const MULTICAST: u8 = 1;
const LOCAL: u8 = 2;

/// Opens the interfaces, and ends the process where one cannot be opened.
pub fn open(put: &mut dyn FnMut(usize, Entry)) {
    // SAFETY: the image's own note.
    let declared = unsafe { manifest::declared_nets(process_blocks::manifest()) };
    for (handle, mut entry) in declared {
        let environment = LINUX_PROCESS.environment();
        // SAFETY: the environment is a list of C strings up to a null, which ends the search.
        let mut variables = (0..).map_while(|i| unsafe { text(*environment.add(i)) });
        let interface = variables.find_map(|variable| {
            let name = variable.strip_prefix(VARIABLE)?;
            name.strip_prefix(entry.name_bytes())?.strip_prefix(b"=")
        });
        let Some(interface) = interface else {
            continue;
        };
        let tap = match muslin_tap::open(call, interface) {
            Ok(tap) => tap,
            Err(problem) => refuse(interface, &entry, problem.text()),
        };
        let mut mac = [0; 6];
        if LINUX_PROCESS.fill(&mut mac).is_err() || LINUX_PROCESS.wait_for(tap.fd).is_err() {
            refuse(interface, &entry, "cannot be waited for");
        }
        mac[0] = mac[0] & !MULTICAST | LOCAL;
        entry.set_net(tap, mac);
        put(handle, entry);
    }
}

fn refuse(interface: &[u8], entry: &Entry, problem: &str) -> ! {
    for part in [
        b"muslin: the tap interface ",
        interface,
        b" of the network device ",
        entry.name_bytes(),
        b" ",
        problem.as_bytes(),
    ] {
        LINUX_PROCESS.write_error(part);
    }
    LINUX_PROCESS.refuse(b"\n")
}
