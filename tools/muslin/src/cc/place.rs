//! Where a fixed image lies: its stack is below it, so a larger stack puts it higher.

use std::ffi::{OsStr, OsString};

use crate::failure::{Failure, one_line};

/// The lowest address of a stack: below it a tender keeps its tables.
const STACK_START: u64 = 0x2_0000;

/// The lowest address that a tender takes an image at.
const BASE_MIN: u64 = 0x10_0000;

/// Larger ones are mistakes.
const STACK_BYTES_MAX: u64 = 1 << 40;

/// The largest that `--stack` takes: code for a fixed address lies in the lowest 2 GiB, above its stack.
const STACK_OPTION_BYTES_MAX: u64 = 1 << 30;

const PAGE_BYTES: u64 = 4096;

/// What the command line says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The linker's `-z stack-size`.
    pub stack_bytes: Option<u64>,
    /// The user has said where the image lies.
    pub is_chosen: bool,
}

impl Place {
    /// Looks at the words of a command line.
    pub fn of(line: &[OsString]) -> Self {
        let mut place = Self::default();
        let words = linker_words(line);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let keyword = match word {
                "-z" => words.next(),
                _ => word.strip_prefix("-z"),
            };
            if let Some(size) = keyword.and_then(|word| word.strip_prefix("stack-size=")) {
                place.stack_bytes = number(size).filter(|&bytes| bytes <= STACK_BYTES_MAX);
            }
            place.is_chosen |= ["-Ttext-segment", "--image-base", "-image-base"]
                .iter()
                .any(|option| word.starts_with(option));
        }
        place
    }

    /// Where the image's first segment begins, unless the user has said it.
    pub fn base(self) -> Option<u64> {
        let above_stack = STACK_START + self.stack_bytes.unwrap_or(0);
        (!self.is_chosen).then(|| BASE_MIN.max(above_stack.next_multiple_of(PAGE_BYTES)))
    }
}

/// The option for the linker that puts an image at `base`.
pub fn option(base: u64, linker: Option<&str>) -> String {
    match linker {
        Some("lld" | "mold") => format!("--image-base={base:#x}"),
        _ => format!("-Ttext-segment={base:#x}"),
    }
}

/// The option for the linker that says a stack's size, which is given as `64K`, `8M` or in bytes.
pub fn stack_option(size: &OsStr) -> Result<OsString, Failure> {
    let text = size.to_string_lossy();
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (&text[..], 0),
    };
    match number(digits).and_then(|number| number.checked_mul(1 << shift)) {
        Some(bytes) if (1..=STACK_OPTION_BYTES_MAX).contains(&bytes) => {
            Ok(format!("-Wl,-z,stack-size={bytes}").into())
        }
        Some(bytes) if bytes > STACK_OPTION_BYTES_MAX => Err(Failure::usage(
            format_args!(
                "--stack {}: an image lies in the lowest 2 GiB, above its stack",
                one_line(&text)
            ),
            "say at most 1G",
        )),
        _ => Err(Failure::usage(
            format_args!("--stack wants a size, not '{}'", one_line(&text)),
            "say it like 8M or 512K",
        )),
    }
}

/// A number as linkers read it.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The words that go to the linker as they are.
fn linker_words(line: &[OsString]) -> Vec<String> {
    let mut words = Vec::new();
    let mut line = line.iter().map(|word| word.to_string_lossy());
    while let Some(word) = line.next() {
        if let Some(rest) = word.strip_prefix("-Wl,") {
            words.extend(rest.split(',').map(str::to_owned));
        } else if word == "-Xlinker" {
            words.extend(line.next().map(std::borrow::Cow::into_owned));
        } else {
            words.push(word.into_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> Place {
        let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Place::of(&line)
    }

    #[test]
    fn an_image_lies_above_its_stack() {
        assert_eq!(place("a.c").base(), Some(0x10_0000));
        for line in [
            "-Wl,-z,stack-size=8388608 a.c",
            "-Wl,-zstack-size=0x800000",
            "a.c -z stack-size=8388608",
            "-Xlinker -z -Xlinker stack-size=8388608",
            "-Wl,-z -Wl,stack-size=8388600",
        ] {
            assert_eq!(place(line).base(), Some(0x82_0000), "{line}");
        }
        assert_eq!(place("-z stack-size=1000").base(), Some(0x10_0000));
    }

    #[test]
    fn who_places_the_image_is_not_contradicted() {
        for line in [
            "-Wl,-Ttext-segment=0x400000",
            "-Wl,--image-base=0x400000",
            "-Xlinker -Ttext-segment -Xlinker 0x400000",
        ] {
            assert_eq!(place(line).base(), None, "{line}");
        }
    }

    #[test]
    fn a_stack_has_a_size() {
        let option = |size: &str| stack_option(OsStr::new(size)).ok();
        assert_eq!(option("8M"), Some("-Wl,-z,stack-size=8388608".into()));
        assert_eq!(option("64K"), Some("-Wl,-z,stack-size=65536".into()));
        assert_eq!(option("1G"), Some("-Wl,-z,stack-size=1073741824".into()));
        assert_eq!(option("4096"), Some("-Wl,-z,stack-size=4096".into()));
        for wrong in [
            "",
            "M",
            "-1",
            "0",
            "8MB",
            "2G",
            "99999999G",
            "18446744073709551615K",
        ] {
            assert_eq!(option(wrong), None, "{wrong}");
        }
    }
}
