//! `muslin sysroot`: makes a sysroot from Muslin's own sources.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use muslin_sysroot::{Flavour, Request};

use crate::failure::{Failure, one_line};

/// Make a sysroot: headers, crt files and libc.a, from Muslin's sources and musl's tarball
#[derive(Debug, Args)]
#[command(after_help = "\
Environment:
  MUSL_TARBALL        musl's release as a file [default: the one in the cache]
  MUSLIN_CACHE        the cache [default: $XDG_CACHE_HOME/muslin, ~/.cache/muslin]
  MUSLIN_XEN_INCLUDE  the directory with Xen's headers in xen/, for xen [default: /usr/include]

Example:
  muslin sysroot --flavour stock --out out/stock")]
pub struct SysrootArgs {
    /// The runtime's platform, or 'stock' for musl as it was released
    #[arg(long, default_value = "linux", value_parser = PossibleValuesParser::new(Flavour::ALL.map(Flavour::name)))]
    flavour: String,

    /// Where to put it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Makes the sysroot, or takes it from the cache.
pub fn run(args: SysrootArgs) -> Result<u8, Failure> {
    let Some(flavour) = Flavour::from_name(&args.flavour) else {
        return Err(Failure::usage(
            format_args!("unknown flavour '{}'", one_line(&args.flavour)),
            "see muslin sysroot --help",
        ));
    };
    let request = Request {
        flavour,
        out: args.out,
    };
    match muslin_sysroot::build(&request) {
        Ok(_) => Ok(0),
        Err(error) => Err(Failure {
            code: 1,
            line: Some(one_line(&error.to_string())),
        }),
    }
}
