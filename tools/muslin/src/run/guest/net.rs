//! The options about network devices: what plays them, and what is between.

use std::ffi::OsStr;
use std::path::PathBuf;

use muslin_tender::{
    BadFaults, BadSettings, Faults, NetAddress, NetCapture, NetLayers, NetTap, Publish,
};

use super::{GuestArgs, devices, split};
use crate::failure::{Failure, one_line};

/// Reads them.
pub fn read(args: &GuestArgs) -> Result<(Vec<NetTap>, Vec<NetAddress>, NetLayers), Failure> {
    let mut nets = devices(&args.net, "--net NAME=TAP", |name, interface| {
        Some(NetTap {
            name: name.to_owned(),
            interface: interface.to_str()?.to_owned(),
            publish: Vec::new(),
        })
    })?;
    let addresses = devices(&args.net_mac, "--net-mac NAME=ADDRESS", |name, address| {
        Some(NetAddress {
            name: name.to_owned(),
            mac: mac(address.to_str()?)?,
        })
    })?;
    let layers = layers(args, &nets)?;
    for word in &args.publish {
        let (at, publish) = publish(word, &nets)?;
        if let Some(net) = nets.get_mut(at) {
            net.publish.push(publish);
        }
    }
    Ok((nets, addresses, layers))
}

fn layers(args: &GuestArgs, nets: &[NetTap]) -> Result<NetLayers, Failure> {
    if nets.is_empty()
        && let Some(option) = args.for_built_in_tender()
    {
        return Err(Failure::usage(
            format_args!("{option}: no network device is given"),
            "give one: --net NAME=TAP",
        ));
    }
    let captures = args.pcap.iter().map(|word| capture(word, nets));
    let faults = args.net_faults.as_deref().map(faults).transpose()?;
    Ok(NetLayers {
        captures: captures.collect::<Result<_, _>>()?,
        faults,
        are_counted: args.stats,
    })
}

/// The device of `NAME=VALUE`, or of a value alone, which may have such a sign in it.
fn device<'word>(
    option: &str,
    form: &str,
    word: &'word OsStr,
    nets: &[NetTap],
) -> Result<(usize, &'word OsStr), Failure> {
    let (name, value) = split(word);
    let named = nets.iter().position(|net| *name == *net.name.as_str());
    match (named, value, nets) {
        (Some(at), Some(value), _) => Ok((at, value)),
        (_, _, [_]) => Ok((0, word)),
        _ => Err(Failure::usage(
            format_args!(
                "{option} {}: it is not said which of {} network devices",
                one_line(&word.to_string_lossy()),
                nets.len()
            ),
            format_args!("give {option} NAME={form} with a name of a --net"),
        )),
    }
}

fn publish(word: &OsStr, nets: &[NetTap]) -> Result<(usize, Publish), Failure> {
    let (at, ports) = device("--publish", "PORT:GUESTPORT", word, nets)?;
    let shown = ports.to_string_lossy();
    let publish = shown.parse().map_err(|problem: BadSettings| {
        Failure::usage(
            format_args!("--publish {}: {problem}", one_line(&shown)),
            "give this machine's port and the guest's, as in 8080:80 or 0.0.0.0:5300:53/udp",
        )
    })?;
    Ok((at, publish))
}

fn capture(word: &OsStr, nets: &[NetTap]) -> Result<NetCapture, Failure> {
    let (at, file) = device("--pcap", "FILE", word, nets)?;
    if file.is_empty() {
        return Err(Failure::usage(
            "--pcap wants [NAME=]FILE",
            "name a file that can be written",
        ));
    }
    Ok(NetCapture {
        name: nets.get(at).map(|net| net.name.clone()).unwrap_or_default(),
        path: PathBuf::from(file),
    })
}

fn faults(word: &OsStr) -> Result<Faults, Failure> {
    let shown = word.to_string_lossy();
    shown.parse().map_err(|problem: BadFaults| {
        Failure::usage(
            format_args!("--net-faults {}: {problem}", one_line(&shown)),
            "give a seed and numbers of a thousand frames, as in 1,loss=10,reorder=5",
        )
    })
}

/// Six bytes with colons between them.
pub(in crate::run) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = text.split(':').map(|byte| match byte.len() {
        1 | 2 => u8::from_str_radix(byte, 16).ok(),
        _ => None,
    });
    let mut mac = [0; 6];
    for place in &mut mac {
        *place = bytes.next()??;
    }
    bytes.next().is_none().then_some(mac)
}
