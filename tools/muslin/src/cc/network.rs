//! `--net` and `--no-net`: whether an image holds the network stack.

use std::env;
use std::ffi::OsStr;

use muslin_sysroot::net;

use super::arguments::Arguments;
use crate::failure::{Failure, one_line};
use crate::locate::Platform;

/// The environment variable that says the same as the options; `muslin cargo` sets it.
pub const NETWORK_VARIABLE: &str = "MUSLIN_NETWORK";

/// What is said about the network stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// `--net`, or `stack` in the variable.
    Wanted,
    /// `--no-net`, or `none` in the variable.
    Unwanted,
}

impl Network {
    /// What a word of a command line says.
    pub fn of_option(word: &OsStr) -> Option<Network> {
        match word.to_str()? {
            "--net" => Some(Network::Wanted),
            "--no-net" => Some(Network::Unwanted),
            _ => None,
        }
    }

    /// What the environment says.
    pub fn of_variable() -> Result<Option<Network>, Failure> {
        let Some(value) = env::var_os(NETWORK_VARIABLE) else {
            return Ok(None);
        };
        match value.to_str() {
            Some("") => Ok(None),
            Some("stack") => Ok(Some(Network::Wanted)),
            Some("none") => Ok(Some(Network::Unwanted)),
            _ => Err(Failure::usage(
                format_args!(
                    "{NETWORK_VARIABLE} is '{}', which says nothing",
                    one_line(&value.to_string_lossy())
                ),
                "set it to stack, to none, or to nothing",
            )),
        }
    }

    /// The value of the variable.
    pub fn value(self) -> &'static str {
        match self {
            Network::Wanted => "stack",
            Network::Unwanted => "none",
        }
    }

    /// What tells the linker; `None` leaves it to the program's calls.
    pub fn link_option(
        self,
        platform: Platform,
        arguments: &Arguments,
    ) -> Result<Option<String>, Failure> {
        match self {
            Network::Wanted if !arguments.linker_takes_script() => Err(Failure::usage(
                "--net: this linker does not put the network stack before the program's own handlers",
                "use GNU ld: leave -fuse-ld out",
            )),
            Network::Wanted => Ok(Some(format!("-Wl,-u,{}", net::WANTED))),
            Network::Unwanted if platform.is_fixed() => {
                Ok(Some(format!("-Wl,--defsym,{}=0", net::SYMBOL)))
            }
            Network::Unwanted => Ok(None),
        }
    }
}
