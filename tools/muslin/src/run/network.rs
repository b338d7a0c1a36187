//! Networks of images that are processes of Linux: their devices are descriptors that they inherit.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use muslin_tender::{Beside, NAME_SERVER, NetEnd, NetTap, open_nets};
use rustix::io::{FdFlags, fcntl_setfd};

use super::guest::{GuestArgs, net, refused, tell};
use crate::failure::{Failure, reason, shown};

/// The variables that the runtime reads, as it knows them.
const DEVICES_VARIABLE: &str = "MUSLIN_NET";
const ADDRESSES_VARIABLE: &str = "MUSLIN_NET_MAC";
const NAMES_VARIABLE: &str = "MUSLIN_DNS";
/// How the variable begins that images of Solo5 read for one device, and what follows where it is the
/// only one that a Linux image is given.
const DEVICE_VARIABLE: &str = "MUSLIN_NET_";
const ONLY_DEVICE: &str = "service";

/// What plays a process's devices.
#[derive(Debug, Default)]
pub struct Network {
    ends: Vec<NetEnd>,
    /// What runs while the process does.
    pub beside: Beside,
    /// One of them leases a name server, which is another one than the files of Linux name.
    has_name_server: bool,
    is_counted: bool,
}

impl Network {
    /// Of a Linux image.
    pub fn of_linux(image: &Path, bytes: &[u8], args: &GuestArgs) -> Result<Self, Failure> {
        let network = Self::open(image, args, |net| {
            if net.name.contains(',') {
                return Err(Failure::usage(
                    format_args!("'{}' is no name of a network device", net.name),
                    "give one without a comma",
                ));
            }
            Ok(())
        })?;
        if !network.ends.is_empty() && !has_stack(bytes) {
            return Err(Failure::usage(
                format_args!(
                    "{} has no network stack: its sockets are those of Linux",
                    shown(image)
                ),
                "link it with muslin cc --net, or leave out --net",
            ));
        }
        Ok(network)
    }

    /// Of any image that may have the devices which are given.
    pub fn open(
        image: &Path,
        args: &GuestArgs,
        check: impl Fn(&NetTap) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let (nets, addresses, layers) = net::read(args)?;
        nets.iter().try_for_each(check)?;
        let (ends, beside) = open_nets(&nets, &addresses, &layers, &|_| true)
            .map_err(|refusal| refused(image, &refusal))?;
        for end in &ends {
            fcntl_setfd(&end.fd, FdFlags::empty()).map_err(|error| {
                let error = io::Error::from(error);
                Failure::new(
                    format_args!("cannot hand on the network device: {}", reason(&error)),
                    "see what this system allows",
                )
            })?;
        }
        Ok(Self {
            ends,
            beside,
            has_name_server: nets.iter().any(NetTap::is_user),
            is_counted: args.stats,
        })
    }

    /// Tells a Linux image of its devices.
    pub fn tell_linux(&self, command: &mut Command) {
        if self.ends.is_empty() {
            return;
        }
        let device = |end: &NetEnd| format!("{}=@{}", end.name, end.fd.as_raw_fd());
        let address = |end: &NetEnd| end.mac.map(|byte| format!("{byte:02x}")).join(":");
        let list = |of: &dyn Fn(&NetEnd) -> String| {
            OsString::from(self.ends.iter().map(of).collect::<Vec<_>>().join(","))
        };
        let is_given = |(name, _): (&OsStr, Option<&OsStr>)| name == NAMES_VARIABLE;
        let is_given = env::var_os(NAMES_VARIABLE).is_some() || command.get_envs().any(is_given);
        if self.has_name_server && !is_given {
            command.env(NAMES_VARIABLE, NAME_SERVER.to_string());
        }
        command.env(DEVICES_VARIABLE, list(&device));
        command.env(ADDRESSES_VARIABLE, list(&address));
    }

    /// Tells an image of Solo5 that is a process.
    pub fn tell_process(&self, command: &mut Command) {
        for end in &self.ends {
            command.env(
                format!("{DEVICE_VARIABLE}{}", end.name),
                format!("@{}", end.fd.as_raw_fd()),
            );
        }
    }

    /// Nothing has to run beside.
    pub fn is_idle(&self) -> bool {
        self.beside.is_idle()
    }

    /// Says what went over the devices.
    pub fn tell(&self) {
        tell(&self.beside.traffic(), self.is_counted);
    }
}

/// Whether an image holds the network stack: then it knows this variable.
fn has_stack(bytes: &[u8]) -> bool {
    let name = [DEVICE_VARIABLE, ONLY_DEVICE].concat();
    bytes
        .windows(name.len())
        .any(|window| window == name.as_bytes())
}
