//! Addresses and routes, by the words of who starts the program: `--ipv4=10.0.0.2/24`,
//! `--ipv4-gateway=10.0.0.1`, `--ipv6=…`, `--ipv6-gateway=…`, `--dns=…`. Where there are several devices, a
//! word has an address for each, with commas between. A device without an IPv4 address asks for one (DHCP),
//! one without an IPv6 address listens to routers (SLAAC); `none` is neither.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::net::IpAddr;
use core::str::FromStr;
use core::sync::atomic::{AtomicBool, Ordering};

use muslin::fd::{File, POLLIN};
use muslin::net_device::NetDevice;
use muslin::{Context, Errno, Lock, clock, random};
use muslin_net_stack::{Address, AddressSource, Automatic, Link, Route, Stack};

use crate::device::Device;
use crate::net;

/// How long the first socket waits for an address.
const PATIENCE_NS: u64 = 5_000_000_000;
/// How often it looks.
const LOOK_NS: u64 = 10_000_000;
/// The link of the first device: the loopback is 1.
const FIRST_LINK: u32 = 2;

/// Makes a stack of links, with a seed for what must not be foreseen.
pub type MakeStack = fn(seed: [u8; 16], links: Vec<Box<dyn Link + Send>>) -> Box<dyn Stack + Send>;

/// What makes the stack.
static MAKE_STACK: Lock<Option<MakeStack>> = Lock::new(None);
/// Whether somebody was asked for an address, and nobody has waited for it yet.
static IS_ASKED: AtomicBool = AtomicBool::new(false);
/// Whether there is no device.
static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// What one device gets of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Whatever the network gives.
    Automatic,
    /// Nothing.
    None,
    /// An address, and how many bits of it are the network's.
    Static(IpAddr, u8),
}

/// The words that count.
const WORDS: [&CStr; 5] = [c"ipv4", c"ipv6", c"ipv4-gateway", c"ipv6-gateway", c"dns"];

/// What was said of each at the start: programs that set their own titles write over their arguments and
/// their environment.
static GIVEN: Lock<[Option<&'static CStr>; WORDS.len()]> = Lock::new([None; WORDS.len()]);

/// Says what makes the stack, and remembers what the person who started the program says.
pub fn choose(make_stack: MakeStack) {
    let given = WORDS.map(|name| {
        let value = CString::from(muslin::option(name)?);
        Some(&*Box::leak(value.into_boxed_c_str()))
    });
    *GIVEN.lock() = given;
    *MAKE_STACK.lock() = Some(make_stack);
}

/// What was said of a word.
fn option(name: &CStr) -> Option<&'static CStr> {
    let given = *GIVEN.lock();
    let index = WORDS.iter().position(|&word| word == name)?;
    given[index]
}

/// A stack with its devices, as it was configured.
///
/// # Errors
/// `EIO` there is no randomness · `EAFNOSUPPORT` nothing makes a stack.
pub fn stack() -> Result<Box<dyn Stack + Send>, Errno> {
    let make = (*MAKE_STACK.lock()).ok_or(Errno::EAFNOSUPPORT)?;
    let mut seed = [0; 16];
    random::fill(&mut seed)?;
    let devices: Vec<Device> = NetDevice::all()
        .enumerate()
        .map(|(index, device)| Device::new(device, index))
        .collect();
    let count = devices.len();
    IS_ALONE.store(count == 0, Ordering::Relaxed);
    let links = devices
        .into_iter()
        .map(|device| Box::new(device) as Box<dyn Link + Send>)
        .collect();
    let mut stack = make(seed, links);
    // What is asked for from here on is asked for now, and not again when the first call tells the time.
    stack.set_time(clock::now_ns());
    let v4 = addresses(c"ipv4", false);
    let v6 = addresses(c"ipv6", true);
    for (link, at) in (FIRST_LINK..).zip(0..count) {
        let v4 = v4.get(at).copied().unwrap_or(Choice::Automatic);
        let v6 = v6.get(at).copied().unwrap_or(Choice::Automatic);
        for choice in [v4, v6] {
            if let Choice::Static(address, prefix_bits) = choice {
                let added = stack.add_address(Address {
                    link,
                    address,
                    prefix_bits,
                    source: AddressSource::Static,
                });
                if added.is_err() {
                    muslin::print!("muslin: {address}/{prefix_bits} is not an address of a host");
                }
            }
        }
        let automatic = Automatic {
            dhcpv4: v4 == Choice::Automatic,
            slaac: v6 == Choice::Automatic,
        };
        if automatic.dhcpv4 {
            IS_ASKED.store(true, Ordering::Relaxed);
        }
        // The link is there: it was made of a device.
        let _ = stack.set_automatic(link, automatic);
    }
    gateway(&mut *stack, c"ipv4-gateway", IpAddr::from([0; 4]));
    gateway(&mut *stack, c"ipv6-gateway", IpAddr::from([0; 16]));
    Ok(stack)
}

/// Waits, for the first time that it is called, until an address that was asked for has come.
pub fn wait_for_address(context: &Context<'_>, file: &File) {
    if !IS_ASKED.swap(false, Ordering::Relaxed) {
        return;
    }
    let ends_at_ns = clock::now_ns().saturating_add(PATIENCE_NS);
    loop {
        let seen = file.seen();
        let has_come = net::with(|net| {
            let addresses = net.stack.addresses();
            addresses
                .iter()
                .any(|own| own.link >= FIRST_LINK && own.address.is_ipv4())
        });
        let now_ns = clock::now_ns();
        if has_come != Ok(false) {
            return;
        }
        if now_ns >= ends_at_ns {
            muslin::print!(
                "muslin: nobody gave the network device an address (DHCP, {} s): give it one by \
                 MUSLIN_IPV4=ADDRESS/BITS (muslin run --env), or --ipv4=ADDRESS/BITS on its command line",
                PATIENCE_NS / 1_000_000_000
            );
            return;
        }
        match context.wait(file, seen, POLLIN, Some(now_ns + LOOK_NS)) {
            Ok(()) | Err(Errno::EAGAIN) => {}
            // A signal: whoever waits for it is to have it.
            Err(_) => return,
        }
    }
}

/// Whether the word names servers: then these count, whatever files say.
pub fn has_given_name_servers() -> bool {
    option(c"dns").is_some()
}

/// The name servers: those of the word, or those that the network gave.
pub fn name_servers() -> Vec<IpAddr> {
    match option(c"dns") {
        Some(value) => list(value)
            .filter_map(|word| parse::<IpAddr>(c"dns", word))
            .collect(),
        None => net::with(|net| net.stack.name_servers()).unwrap_or_default(),
    }
}

/// Says once why nobody outside is reached, if that is for want of a device.
pub fn say_why_unreachable() {
    if IS_ALONE.swap(false, Ordering::Relaxed) {
        muslin::print!(
            "muslin: the program wants to reach another machine, and has no network device: \
             ENETUNREACH; a guest gets one by muslin cc --device service=net and muslin run --net \
             service=tap0, a process by MUSLIN_NET=service=tap0"
        );
    }
}

fn addresses(name: &CStr, is_v6: bool) -> Vec<Choice> {
    let Some(value) = option(name) else {
        return Vec::new();
    };
    list(value)
        .map(|word| {
            choice(word, is_v6).unwrap_or_else(|| {
                wrong(name, word, if is_v6 { "fd00::2/64" } else { "10.0.0.2/24" });
                Choice::None
            })
        })
        .collect()
}

/// What a word says of one device.
fn choice(word: &str, is_v6: bool) -> Option<Choice> {
    match word {
        "none" => return Some(Choice::None),
        "auto" | "dhcp" | "slaac" => return Some(Choice::Automatic),
        _ => {}
    }
    let (address, bits) = word.split_once('/')?;
    let address = IpAddr::from_str(address).ok()?;
    let bits = u8::from_str(bits).ok()?;
    let bits_max = if is_v6 { 128 } else { 32 };
    let is_good = address.is_ipv6() == is_v6 && bits <= bits_max && !address.is_unspecified();
    is_good.then_some(Choice::Static(address, bits))
}

fn gateway(stack: &mut (dyn Stack + Send), name: &CStr, destination: IpAddr) {
    let Some(value) = option(name) else {
        return;
    };
    for (link, word) in (FIRST_LINK..).zip(list(value)) {
        let Some(gateway) = parse::<IpAddr>(name, word) else {
            continue;
        };
        let added = stack.add_route(Route {
            destination,
            prefix_bits: 0,
            gateway: Some(gateway),
            link,
            metric: 0,
        });
        if let Err(errno) = added {
            let name = name.to_str().unwrap_or_default();
            let errno = errno.raw();
            muslin::print!(
                "muslin: --{name}={word} is no gateway of this machine (errno {errno}): give one of \
                 the network of its address"
            );
        }
    }
}

fn parse<T: FromStr>(name: &CStr, word: &str) -> Option<T> {
    let value = T::from_str(word).ok();
    if value.is_none() {
        wrong(name, word, "10.0.0.1");
    }
    value
}

fn wrong(name: &CStr, word: &str, example: &str) {
    let name = name.to_str().unwrap_or_default();
    muslin::print!("muslin: --{name}={word} is not an address: write it like {example}");
}

/// The words between commas.
fn list(value: &CStr) -> impl Iterator<Item = &str> {
    let value = value.to_str().unwrap_or_default();
    value.split(',').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn words_name_addresses_of_their_family() {
        let v4 = Choice::Static("10.0.0.2".parse().unwrap(), 24);
        assert_eq!(choice("10.0.0.2/24", false), Some(v4));
        assert_eq!(choice("none", false), Some(Choice::None));
        assert_eq!(choice("dhcp", false), Some(Choice::Automatic));
        for wrong in [
            "10.0.0.2",
            "10.0.0.2/33",
            "fd00::2/64",
            "0.0.0.0/0",
            "x/8",
            "10.0.0.2/",
        ] {
            assert_eq!(choice(wrong, false), None, "{wrong}");
        }
        let v6 = Choice::Static("fd00::2".parse().unwrap(), 64);
        assert_eq!(choice("fd00::2/64", true), Some(v6));
        assert_eq!(choice("fd00::2/129", true), None);
    }

    #[test]
    fn words_have_commas_between() {
        let words: Vec<&str> = list(c"a,b,,c").collect();
        assert_eq!(words, ["a", "b", "c"]);
    }
}
