//! `muslin-lab-steps IMAGE ADDRESS`: prints how many instructions a guest of hvt executes before it comes
//! to the address, in hexadecimal. It gets 16 MiB of memory and an empty command line.

use std::env;
use std::fs;
use std::process::ExitCode;

use muslin_tender::{Options, steps};

const MEMORY_MIB: u64 = 16;

fn main() -> ExitCode {
    match count() {
        Ok(count) => {
            println!("{count}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("muslin-lab-steps: {why}");
            ExitCode::FAILURE
        }
    }
}

fn count() -> Result<u64, String> {
    let mut words = env::args_os().skip(1);
    let (Some(image), Some(address), None) = (words.next(), words.next(), words.next()) else {
        return Err("wants an image and an address".to_owned());
    };
    let address = u64::from_str_radix(&address.to_string_lossy(), 16)
        .map_err(|_| format!("'{}' is no address", address.display()))?;
    let bytes = fs::read(&image).map_err(|error| format!("{}: {error}", image.display()))?;
    let options = Options {
        memory_mib: MEMORY_MIB,
        ..Options::default()
    };
    steps(&bytes, &options, address)
        .map_err(|refusal| format!("{}: {}", refusal.what, refusal.remedy))
}
