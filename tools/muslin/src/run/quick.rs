//! The usual words of `muslin run`, read without clap, which takes a tenth of a guest's start.
//!
//! What is read here is read as clap would. Whatever else there is, be it right or wrong, is left to
//! clap, which has words for it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{PLATFORMS, RunArgs};
use crate::locate::Platform;

/// Reads the words behind `run`; `None` if clap should.
pub fn parse(words: &[OsString]) -> Option<RunArgs> {
    let mut args = RunArgs::default();
    let mut words = words.iter();
    let image = loop {
        let word = words.next()?.as_bytes();
        if word == b"--" {
            break words.next()?.clone();
        }
        if !word.starts_with(b"-") {
            break OsStr::from_bytes(word).to_owned();
        }
        match word.iter().position(|&byte| byte == b'=') {
            Some(at) => args.set(name(&word[..at])?, value(&word[at + 1..])?)?,
            None => match name(word)? {
                "--count" => once(&mut args.count)?,
                "--catch-stray" => once(&mut args.catch_stray)?,
                "--stats" => once(&mut args.guest.stats)?,
                "--print-config" => once(&mut args.xen.print_config)?,
                name => args.set(name, value(words.next()?.as_bytes())?)?,
            },
        }
    };
    args.command.push(image);
    args.command.extend(words.cloned());
    Some(args)
}

impl RunArgs {
    fn set(&mut self, name: &str, value: &OsStr) -> Option<()> {
        let guest = &mut self.guest;
        match name {
            "--platform" => {
                let is_known = PLATFORMS.map(Platform::name).iter().any(|it| value == *it);
                fill(
                    &mut self.platform,
                    is_known.then(|| value.to_str())??.to_owned(),
                )
            }
            "--count-json" => fill(&mut self.count_json, value.into()),
            "--mem" => {
                let is_number = value.as_bytes().iter().all(u8::is_ascii_digit);
                fill(
                    &mut guest.mem,
                    is_number.then(|| value.to_str())??.parse().ok()?,
                )
            }
            "--initrd" => fill(&mut guest.initrd, value.into()),
            "--cwd" => fill(&mut guest.cwd, value.to_owned()),
            "--hostname" => fill(&mut guest.hostname, value.to_owned()),
            "--block" => add(&mut guest.block, value),
            "--net" => add(&mut guest.net, value),
            "--publish" => add(&mut guest.publish, value),
            "--env" => add(&mut guest.env, value),
            _ => None,
        }
    }
}

fn name(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// A value that cannot be taken for anything else.
fn value(bytes: &[u8]) -> Option<&OsStr> {
    let is_plain = !bytes.is_empty() && !bytes.starts_with(b"-");
    is_plain.then(|| OsStr::from_bytes(bytes))
}

fn once(flag: &mut bool) -> Option<()> {
    let was_given = std::mem::replace(flag, true);
    (!was_given).then_some(())
}

fn fill<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn add(list: &mut Vec<OsString>, value: &OsStr) -> Option<()> {
    list.push(value.to_owned());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn by_clap(line: &str) -> Result<RunArgs, clap::Error> {
        RunArgs::parse_by_clap(words(&format!("muslin run {line}")))
    }

    #[test]
    fn the_usual_words_are_read_as_clap_reads_them() {
        for line in [
            "hello",
            "-- hello",
            "hello -- -x --mem 3",
            "-- hello -- x",
            "--mem 8 hello --mem=9",
            "--mem=18446744073709551615 --platform linux hello",
            "--platform=solo5-hvt --count --catch-stray --count-json f --stats hello x y",
            "--print-config --block a=b --block=c=d --net e=f --net=g=h --env A=b --env=C --env D= hello",
            "--initrd dir --cwd /tmp --hostname h hello --",
        ] {
            let quick = parse(&words(line)).map(|args| format!("{args:?}"));
            let slow = by_clap(line).map(|args| format!("{args:?}"));
            assert_eq!(quick, slow.ok(), "{line}");
        }
    }

    #[test]
    fn what_clap_refuses_is_refused() {
        let pieces = [
            "--mem",
            "--mem=",
            "--mem=8",
            "--mem=x",
            "--mem=+1",
            "8",
            "--",
            "-",
            "-x",
            "--count",
            "--count=1",
            "--platform",
            "linux",
            "--platform=",
            "--block",
            "a=b",
            "--block=",
            "--env",
            "--env==",
            "--cwd=-x",
            "--cwd",
            "--tender=t",
            "--net:a=b",
            "--bogus",
            "--help",
            "hello",
            "",
        ];
        let mut lines = vec![String::new()];
        for length in 0..3 {
            let longer: Vec<String> = lines
                .iter()
                .filter(|line| line.split_terminator(' ').count() == length)
                .flat_map(|line| pieces.iter().map(move |piece| format!("{line}{piece} ")))
                .collect();
            lines.extend(longer);
        }
        let mut both = 0;
        for line in lines {
            let line = line.trim_end_matches(' ');
            let Some(args) = parse(&words(line)) else {
                continue;
            };
            match by_clap(line) {
                Ok(slow) => assert_eq!(format!("{args:?}"), format!("{slow:?}"), "{line}"),
                Err(error) => panic!("{line}: {error}"),
            }
            both += 1;
        }
        assert!(both > 100, "{both}");
    }
}
