//! What is made of a guest's end: the exit status, and a line if that is not the guest's own.

use std::io::{self, Write};
use std::path::Path;

use muslin_lab::xen::Console;

use crate::failure::{Failure, one_line, shown};
use crate::output::{complain, print_error};
use crate::run::CANNOT_RUN;

/// The codes of reasons for a guest's end, and what the script says when there is none.
const REASON_POWEROFF: i32 = 0;
const REASON_CRASH: i32 = 3;
const TAKEN_AWAY: i32 = 124;
const NOT_STARTED: i32 = 125;

/// A guest that has ended.
pub struct Ended {
    /// Its console.
    pub console: Console,
    /// What the script says of it.
    pub reason: Option<i32>,
    /// What was said beside that, by `xl` and others.
    pub said: String,
    /// The signal for which the guest was taken away.
    pub signal: Option<i32>,
    /// Somebody has read what it wrote.
    pub is_heard: bool,
}

impl Ended {
    /// The exit status.
    pub fn code(self, image: &Path) -> Result<u8, Failure> {
        let status = self.console.end(&mut |bytes| {
            write(bytes);
        });
        if !self.is_heard {
            return Err(Failure::broken_pipe());
        }
        let complaint = match (status, self.signal, self.reason) {
            (Some(status), ..) => return Ok(status),
            (None, Some(signal), _) => return Ok(128 + u8::try_from(signal).unwrap_or(0)),
            (None, None, Some(REASON_POWEROFF)) => return Ok(0),
            (None, None, Some(NOT_STARTED)) => {
                return Err(Failure::new(
                    format_args!(
                        "cannot run {}: xl does not start it: {}",
                        shown(image),
                        why(&self.said)
                    ),
                    "--print-config shows what xl is given",
                )
                .with_code(CANNOT_RUN));
            }
            (None, None, Some(TAKEN_AWAY)) => "the guest was destroyed by somebody else".to_owned(),
            (None, None, Some(REASON_CRASH)) => "the guest crashed".to_owned(),
            (None, None, Some(reason)) => format!("the guest ended for reason {reason}"),
            (None, None, None) => "the guest was lost".to_owned(),
        };
        complain(&format!("{}: {complaint}", shown(image)));
        print_error(&self.said);
        Ok(1)
    }
}

/// Writes what a guest has written; whether somebody reads it.
pub fn write(bytes: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}

/// What `xl` says first of an error, without who says it.
fn why(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = said.lines().find_map(|line| line.split_once("error: "));
    let Some((_, text)) = first else {
        return one_line(lines.next_back().unwrap_or("it does not say why"));
    };
    let mut text = text.trim().trim_start_matches("panic: ");
    // Where in its source, and of which guest.
    if let Some((place, rest)) = text.split_once(": ")
        && place.contains(".c:")
    {
        text = rest;
    }
    if let Some((number, rest)) = text
        .strip_prefix("Domain ")
        .and_then(|rest| rest.split_once(':'))
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        text = rest;
    }
    one_line(text.trim().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::why;

    #[test]
    fn the_first_error_of_xl_is_told_without_its_place() {
        for (said, line) in [
            ("", "it does not say why"),
            ("xl: not found\n", "xl: not found"),
            (
                "a warning\nxc: error: panic: xg_dom_core.c:536: xc_dom_chk_alloc_pages: kernel too large: Out of memory\n\
                 libxl: error: libxl_dom.c:594:libxl__build_dom: failed\n",
                "xc_dom_chk_alloc_pages: kernel too large: Out of memory",
            ),
            (
                "libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain 6:cannot (re-)build domain: -3\n",
                "cannot (re-)build domain: -3",
            ),
            (
                "guest.cfg:5: config parsing error near `x': lexical error\nFailed to parse config\n",
                "Failed to parse config",
            ),
        ] {
            assert_eq!(why(said), line);
        }
    }
}
