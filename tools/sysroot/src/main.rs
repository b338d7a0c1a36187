//! `muslin-sysroot`: what the Makefile calls to make a sysroot.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use muslin_sysroot::{Flavour, Request, build, rebuild};

const USAGE: &str =
    "usage: muslin-sysroot --flavour linux|solo5-spt|solo5-hvt|any|xen|stock --out DIR [--force]";

fn main() -> ExitCode {
    let mut flavour = None;
    let mut out = None;
    let mut force = false;
    let mut args = env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--flavour") => {
                let name = args.next().unwrap_or_default();
                flavour = name.to_str().and_then(Flavour::from_name);
                if flavour.is_none() {
                    return refuse(&format!(
                        "`{}` is no flavour: linux, solo5-spt, solo5-hvt, any, xen or stock\n{USAGE}",
                        name.display()
                    ));
                }
            }
            Some("--out") => out = args.next().map(PathBuf::from),
            Some("--force") => force = true,
            Some("--help" | "-h") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => return refuse(&format!("`{}` is no option\n{USAGE}", arg.display())),
        }
    }
    let (Some(flavour), Some(out)) = (flavour, out) else {
        return refuse(USAGE);
    };
    let request = Request { flavour, out };
    let result = if force {
        rebuild(&request)
    } else {
        build(&request)
    };
    match result {
        Ok(sysroot) => {
            eprintln!(
                "sysroot: {} is in {}",
                flavour.name(),
                sysroot.dir.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("muslin-sysroot: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("muslin-sysroot: {text}");
    ExitCode::from(2)
}
