//! The options about what is between a guest's network devices and their interfaces.

use std::ffi::OsStr;
use std::path::PathBuf;

use muslin_tender::{BadFaults, Faults, NetCapture, NetLayers, NetTap};

use super::{GuestArgs, split};
use crate::failure::{Failure, one_line};

/// Reads them.
pub fn layers(args: &GuestArgs, nets: &[NetTap]) -> Result<NetLayers, Failure> {
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

/// `NAME=FILE`, or a file alone, which may have such a sign in it.
fn capture(word: &OsStr, nets: &[NetTap]) -> Result<NetCapture, Failure> {
    let (name, file) = split(word);
    let named = nets.iter().find(|net| *name == *net.name.as_str());
    let (net, file) = match (named, file) {
        (Some(net), Some(file)) => (net, file),
        _ => match nets {
            [net] => (net, word),
            _ => {
                return Err(Failure::usage(
                    format_args!(
                        "--pcap {}: it is not said which of {} network devices",
                        one_line(&word.to_string_lossy()),
                        nets.len()
                    ),
                    "give --pcap NAME=FILE with a name of a --net",
                ));
            }
        },
    };
    if file.is_empty() {
        return Err(Failure::usage(
            "--pcap wants [NAME=]FILE",
            "name a file that can be written",
        ));
    }
    Ok(NetCapture {
        name: net.name.clone(),
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
