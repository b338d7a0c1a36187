//! Stock Solo5: its tenders, and the way in which they spell options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::guest::GuestArgs;
use super::{CANNOT_RUN, NOT_FOUND};
use crate::failure::{Failure, reason, shown};

/// The options that stock tenders spell with the device's name behind a colon.
const WITH_COLON: [&str; 4] = ["--block", "--block-sector-size", "--net", "--net-mac"];

/// The words of `muslin run` with `--net:NAME=TAP` as `--net=NAME=TAP`. What belongs to the image is
/// left alone.
pub fn as_ours(mut words: Vec<OsString>, command: &clap::Command) -> Vec<OsString> {
    let mut is_value = false;
    // The command's name and `run` come first.
    for word in words.iter_mut().skip(2) {
        let bytes = word.as_bytes();
        if is_value {
            is_value = false;
            continue;
        }
        if !bytes.starts_with(b"--") || bytes == b"--" {
            break;
        }
        if let Some(option) = WITH_COLON.iter().find(|option| {
            bytes
                .strip_prefix(option.as_bytes())
                .is_some_and(|rest| rest.starts_with(b":"))
        }) {
            let mut spelled = bytes.to_vec();
            spelled[option.len()] = b'=';
            *word = OsString::from_vec(spelled);
        } else {
            is_value = command.get_arguments().any(|argument| {
                argument.get_action().takes_values()
                    && argument
                        .get_long()
                        .is_some_and(|name| name.as_bytes() == &bytes[2..])
            });
        }
    }
    words
}

/// Becomes a stock tender that runs the image.
pub fn run(
    tender: &Path,
    image: &Path,
    command_line: Vec<u8>,
    args: &GuestArgs,
) -> Result<u8, Failure> {
    if args.initrd.is_some() {
        return Err(Failure::usage(
            "--initrd is an option of the built-in tender alone",
            "put the directory into the image: muslin cc --initrd DIR",
        ));
    }
    let mut command = Command::new(tender);
    if let Some(mib) = args.mem {
        command.arg(format!("--mem={mib}"));
    }
    for (option, words) in [
        ("--block:", &args.block),
        ("--block-sector-size:", &args.block_sector_size),
        ("--net:", &args.net),
        ("--net-mac:", &args.net_mac),
    ] {
        for word in words {
            let mut spelled = OsString::from(option);
            spelled.push(word);
            command.arg(spelled);
        }
    }
    command.arg("--").arg(image);
    // A tender joins the words behind the image by blanks.
    if !command_line.is_empty() {
        command.arg(OsStr::from_bytes(&command_line));
    }
    let error = command.exec();
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    };
    Err(Failure::new(
        format_args!(
            "cannot run the tender {}: {}",
            shown(tender),
            reason(&error)
        ),
        "give --tender the path of solo5-spt or solo5-hvt",
    )
    .with_code(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    fn spelled(words: &str) -> String {
        let command = super::super::RunArgs::augment_args(clap::Command::new("run"));
        let words = words.split(' ').map(OsString::from).collect();
        let words = as_ours(words, &command);
        words.join(OsStr::new(" ")).to_string_lossy().into_owned()
    }

    #[test]
    fn options_of_stock_tenders_are_understood() {
        assert_eq!(
            spelled("muslin run --mem=8 --net:a=tap0 --block:b=f --net-mac:a=1 -- x --net:y"),
            "muslin run --mem=8 --net=a=tap0 --block=b=f --net-mac=a=1 -- x --net:y"
        );
    }

    #[test]
    fn words_of_the_image_are_left_alone() {
        for words in [
            "muslin run x --net:a=b",
            "muslin run --mem 8 x --net:a=b",
            "muslin run --env --net:a=b x",
            "muslin run --nets:a=b x",
        ] {
            assert_eq!(spelled(words), words);
        }
    }
}
