//! Guests that are known by name: `MUSLIN_VSOCK_NAME=NAME`, by which others find this guest, and
//! `MUSLIN_VSOCK_PEERS=NUMBER=NAME,…`, by which a number in addresses stands for whoever has that name.

use alloc::ffi::CString;
use core::ffi::CStr;

use alloc::boxed::Box;

use muslin::{Errno, Lock};
use muslin_platform::Channels;

/// What was said at the start: programs may write over their environment.
static GIVEN: Lock<[Option<&'static str>; 2]> = Lock::new([None; 2]);

/// Remembers what the person who started the program says.
pub fn remember() {
    let given = [c"vsock-name", c"vsock-peers"].map(|name| {
        let value: &CStr = Box::leak(CString::from(muslin::option(name)?).into_boxed_c_str());
        value.to_str().ok()
    });
    *GIVEN.lock() = given;
}

/// Lets others find this guest, if it has a name.
pub fn publish(channels: &dyn Channels) {
    let [name, _] = *GIVEN.lock();
    let Some(name) = name else {
        return;
    };
    if let Err(errno) = channels.publish(name) {
        let why = channels.why_no_name(errno);
        muslin::print!("muslin: others cannot find this guest as {name}: {why}");
    }
}

/// The program is over: others do not find this guest any more.
pub fn withdraw(channels: &dyn Channels) {
    let [name, _] = *GIVEN.lock();
    if let Some(name) = name {
        channels.withdraw(name);
    }
}

/// The guest that a number in an address stands for.
///
/// # Errors
/// Those of looking for a name; what is not there is `ENODEV`.
pub fn guest_of(channels: &dyn Channels, number: u32) -> Result<u32, Errno> {
    let [_, peers] = *GIVEN.lock();
    match name_of(peers.unwrap_or_default(), number) {
        Some(name) => channels.find(name).map_err(|errno| match errno {
            Errno::ENOENT => Errno::ENODEV,
            errno => errno,
        }),
        None => Ok(number),
    }
}

/// The name that a number stands for.
fn name_of(peers: &str, number: u32) -> Option<&str> {
    let mut peers = peers.split(',').filter_map(|peer| peer.split_once('='));
    let (_, name) = peers.find(|(digits, _)| digits.trim().parse() == Ok(number))?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_names_as_they_are_told() {
        let peers = "100=server, 7 = other.one,x=y,8";
        assert_eq!(name_of(peers, 100), Some("server"));
        assert_eq!(name_of(peers, 7), Some("other.one"));
        assert_eq!(name_of(peers, 8), None);
        assert_eq!(name_of("", 0), None);
    }
}
