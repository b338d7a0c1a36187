//! The words of a command line, for platforms where no shell splits it.
//!
//! Blanks separate words. Quoting is that of a POSIX shell without expansions: `'…'` holds
//! anything, in `"…"` a backslash quotes `"` and `\`, elsewhere it quotes any character. Words of the
//! form `NAME=value` before the first other word become the environment; `--` ends them, so that an
//! argument may look like one. So do options of the network, `--ipv4=…`. Some of these are for the library OS, and the program does not see
//! them: see [`Setting`]. Source of the quoting: POSIX.1-2024, Shell Command Language, 2.2.

use muslin_abi::setting::Setting;

/// What is said of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings<'a>([Option<&'a [u8]>; Setting::ALL.len()]);

impl<'a> Settings<'a> {
    /// What is said of one.
    pub fn get(&self, setting: Setting) -> Option<&'a [u8]> {
        self.0[setting as usize]
    }
}

/// A quote is not closed, or a backslash is the last character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished;

/// The words, one behind the other in `text`, each ended by a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    text: &'a [u8],
    /// How many of its bytes are the environment, at the start.
    environment_bytes: usize,
}

impl<'a> Words<'a> {
    /// Splits `line` into `buffer`, which has at least one byte more than the line.
    ///
    /// # Errors
    /// The line ends inside a quotation.
    pub fn split(line: &[u8], buffer: &'a mut [u8]) -> Result<Self, Unfinished> {
        let mut len = 0;
        let mut put = |byte: u8| {
            if let Some(place) = buffer.get_mut(len) {
                *place = byte;
                len += 1;
            }
        };
        let mut bytes = line.iter().copied();
        let mut is_word = false;
        while let Some(byte) = bytes.next() {
            if matches!(byte, b' ' | b'\t' | b'\n') {
                if is_word {
                    put(0);
                }
                is_word = false;
                continue;
            }
            is_word = true;
            match byte {
                b'\\' => put(bytes.next().ok_or(Unfinished)?),
                b'\'' => loop {
                    match bytes.next().ok_or(Unfinished)? {
                        b'\'' => break,
                        byte => put(byte),
                    }
                },
                b'"' => loop {
                    match bytes.next().ok_or(Unfinished)? {
                        b'"' => break,
                        b'\\' => match bytes.next().ok_or(Unfinished)? {
                            byte @ (b'"' | b'\\') => put(byte),
                            byte => {
                                put(b'\\');
                                put(byte);
                            }
                        },
                        byte => put(byte),
                    }
                },
                byte => put(byte),
            }
        }
        if is_word {
            put(0);
        }
        Ok(Self::of_text(&buffer[..len]))
    }

    fn of_text(text: &'a [u8]) -> Self {
        let assignments = each(text).take_while(|word| is_assignment(word) || is_option(word));
        Self {
            text,
            environment_bytes: assignments.map(|word| word.len() + 1).sum(),
        }
    }

    /// The words as [`parts`](Self::parts) gave them.
    pub fn of_parts(text: &'a [u8], environment_bytes: usize) -> Self {
        Self {
            text,
            environment_bytes,
        }
    }

    /// All words, each ended by a zero, and how many of these bytes are the environment.
    pub fn parts(self) -> (&'a [u8], usize) {
        (self.text, self.environment_bytes)
    }

    fn assignments(self) -> impl Iterator<Item = &'a [u8]> {
        each(self.assignment_text())
    }

    /// The environment.
    pub fn environment(self) -> impl Iterator<Item = &'a [u8]> {
        let is_for_program = |word: &&[u8]| !Setting::is_in(word) && !is_option(word);
        self.assignments().filter(is_for_program)
    }

    /// Words that [`value_of_option`] may find an option in.
    pub fn options(self) -> impl Iterator<Item = &'a [u8]> {
        self.assignments()
    }

    /// The same, each ended by a zero, and settings among them.
    pub fn assignment_text(self) -> &'a [u8] {
        &self.text[..self.environment_bytes]
    }

    /// What is said for the library OS, each at its own place; the first word counts.
    pub fn settings(self) -> Settings<'a> {
        let mut settings = Settings([None; Setting::ALL.len()]);
        for word in self.assignments() {
            for (place, setting) in settings.0.iter_mut().zip(Setting::ALL) {
                if place.is_none() {
                    *place = word.strip_prefix(setting.prefix());
                }
            }
        }
        settings
    }

    /// The arguments behind the program's name.
    pub fn arguments(self) -> impl Iterator<Item = &'a [u8]> {
        each(self.argument_text())
    }

    /// The same, each ended by a zero.
    pub fn argument_text(self) -> &'a [u8] {
        let rest = &self.text[self.environment_bytes..];
        rest.strip_prefix(b"--\0").unwrap_or(rest)
    }
}

/// Each word without its zero.
fn each(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == 0).map(|word| {
        let len = word.len() - 1;
        &word[..len]
    })
}

/// The range of addresses that [`Setting::Initrd`] says.
pub fn initrd_range(text: &[u8]) -> Option<core::ops::Range<usize>> {
    let text = text.strip_prefix(b"0x")?;
    let comma = text.iter().position(|&byte| byte == b',')?;
    let start = number(&text[..comma], 16)?;
    let len_bytes = number(&text[comma + 1..], 10)?;
    Some(start..start.checked_add(len_bytes)?)
}

/// A number in digits. By hand, because every image has this: the standard library's takes text, and
/// would look whether it is.
fn number(digits: &[u8], base: u32) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = char::from(digit).to_digit(base)?;
        number
            .checked_mul(base as usize)?
            .checked_add(digit as usize)
    })
}

/// Options that may stand among the leading assignments. Tools that start guests of Solo5 say so where a
/// guest's address is.
const OPTIONS: [&[u8]; 5] = [
    b"--ipv4=",
    b"--ipv4-gateway=",
    b"--ipv6=",
    b"--ipv6-gateway=",
    b"--dns=",
];

fn is_option(word: &[u8]) -> bool {
    OPTIONS.iter().any(|option| word.starts_with(option))
}

/// What a word says of an option: `--ipv4=value` or `MUSLIN_IPV4=value` of `ipv4`.
pub fn value_of_option<'a>(word: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let as_variable = |byte: u8| match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    };
    let of_option = word
        .strip_prefix(b"--")
        .and_then(|word| word.strip_prefix(name));
    let of_variable = || {
        let word = word.strip_prefix(b"MUSLIN_")?;
        let (key, rest) = word.split_at_checked(name.len())?;
        let is_it = name
            .iter()
            .zip(key)
            .all(|(&name, &key)| as_variable(name) == key);
        is_it.then_some(rest)
    };
    of_option.or_else(of_variable)?.strip_prefix(b"=")
}

/// Whether a word is a name of POSIX, an equals sign and anything.
fn is_assignment(word: &[u8]) -> bool {
    let ends_name = |byte: u8| byte != b'_' && !byte.is_ascii_alphanumeric();
    let end = word.iter().position(|&byte| ends_name(byte));
    end.is_some_and(|end| end > 0 && word[end] == b'=' && !word[0].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    fn texts<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    fn split(line: &str) -> Result<Vec<String>, Unfinished> {
        let mut buffer = vec![0; line.len() + 1];
        Words::split(line.as_bytes(), &mut buffer).map(|words| texts(each(words.parts().0)))
    }

    #[test]
    fn quotes_keep_blanks_and_each_other() {
        assert_eq!(split("  a\tb  ").unwrap_or_default(), ["a", "b"]);
        assert_eq!(
            split(r#"'a b' "c 'd'" e\ f 'g'"h"i '' "\"\\\n""#).unwrap_or_default(),
            ["a b", "c 'd'", "e f", "ghi", "", r#""\\n"#]
        );
        assert_eq!(split("").unwrap_or_default(), [""; 0]);
    }

    #[test]
    fn a_line_that_ends_in_a_quotation_is_refused() {
        for line in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(line), Err(Unfinished), "{line}");
        }
    }

    #[test]
    fn options_of_the_network_stand_among_the_assignments() {
        let line =
            b"--ipv4=10.0.0.2/24 A=1 --ipv4-gateway=10.0.0.1 --dns=10.0.0.3 MUSLIN_IPV4_DNS=x serve --ipv4=no";
        let mut buffer = [0; 128];
        let Ok(words) = Words::split(line, &mut buffer) else {
            panic!("it is whole");
        };
        assert_eq!(texts(words.environment()), ["A=1", "MUSLIN_IPV4_DNS=x"]);
        assert_eq!(texts(words.arguments()), ["serve", "--ipv4=no"]);
        let option = |name: &[u8]| words.options().find_map(|word| value_of_option(word, name));
        assert_eq!(option(b"ipv4"), Some(&b"10.0.0.2/24"[..]));
        assert_eq!(option(b"ipv4-gateway"), Some(&b"10.0.0.1"[..]));
        assert_eq!(option(b"ipv4-dns"), Some(&b"x"[..]));
        assert_eq!(option(b"dns"), Some(&b"10.0.0.3"[..]));
        assert_eq!(option(b"ipv"), None);
        assert_eq!(option(b"a"), None);
    }

    #[test]
    fn leading_assignments_are_the_environment() {
        let line = b"A=1 _B2='x y' MUSLIN_ARGV0=lua -e C=3";
        let mut buffer = [0; 64];
        let words = Words::split(line, &mut buffer).ok();
        let words = words.as_ref();
        assert_eq!(
            words.map(|words| texts(words.environment())),
            Some(vec!["A=1".into(), "_B2=x y".into()])
        );
        assert_eq!(
            words.and_then(|words| words.settings().get(Setting::Program)),
            Some(&b"lua"[..])
        );
        assert_eq!(
            words.map(|words| texts(words.arguments())),
            Some(vec!["-e".into(), "C=3".into()])
        );
    }

    #[test]
    fn two_dashes_end_the_environment_once() {
        let mut buffer = [0; 64];
        let words = Words::split(b"A=1 -- B=2 --", &mut buffer).ok();
        let arguments = words.map(|words| texts(words.arguments()));
        assert_eq!(arguments, Some(vec!["B=2".into(), "--".into()]));
        let mut buffer = [0; 64];
        let words = Words::split(b"2=3 A=1", &mut buffer).ok();
        let arguments = words.map(|words| texts(words.arguments()));
        assert_eq!(arguments, Some(vec!["2=3".into(), "A=1".into()]));
    }

    #[test]
    fn settings_are_no_environment() {
        let line =
            b"MUSLIN_CWD=/a A=1 MUSLIN_HOSTNAME=h MUSLIN_CWD=/b MUSLIN_INITRD=x -- MUSLIN_CWD=/c";
        let mut buffer = [0; 96];
        let words = Words::split(line, &mut buffer).ok();
        let words = words.as_ref();
        assert_eq!(
            words.map(|words| texts(words.environment())),
            Some(vec!["A=1".into()])
        );
        let said = |setting| words.and_then(|words| words.settings().get(setting));
        assert_eq!(said(Setting::WorkingDirectory), Some(&b"/a"[..]));
        assert_eq!(said(Setting::HostName), Some(&b"h"[..]));
        assert_eq!(said(Setting::Program), None);
        assert_eq!(
            words.map(|words| texts(words.arguments())),
            Some(vec!["MUSLIN_CWD=/c".into()])
        );
    }

    #[test]
    fn an_initrd_is_an_address_and_a_length() {
        assert_eq!(initrd_range(b"0x1f000,512"), Some(0x1f000..0x1f200));
        for wrong in [
            "",
            "0x",
            "0x1",
            "1,1",
            "0x1,",
            "0x1,-1",
            "0xg,1",
            "0xffffffffffffffff,1",
        ] {
            assert_eq!(initrd_range(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
