//! `muslin syscalls`: the table itself.

use std::ffi::OsStr;
use std::fmt::Write;

use clap::Args;
use clap::builder::PossibleValuesParser;
use muslin_abi::{SYSNO_MAX, Sysno};
use muslin_runtime::support::Support;
use muslin_runtime::table::{self, TABLE};
use serde_json::{Value, json};

use crate::failure::{Failure, one_line};
use crate::locate::Platform;
use crate::output::print;

/// Print the table of calls, with the support level of each
#[derive(Debug, Args)]
#[command(after_help = "\
Levels:
  full     as Linux does it
  partial  with the differences that the note names
  stub     answered, without the effect
  missing  refused with an errno

Environment:
  none

Example:
  muslin syscalls
  muslin syscalls --json openat 1
  muslin syscalls --platform solo5-spt")]
pub struct SyscallsArgs {
    /// Print JSON: an array with one value a call
    #[arg(long)]
    json: bool,

    /// The platform: on linux the host's kernel answers, else the library OS
    #[arg(long, default_value = "linux", value_parser = PossibleValuesParser::new(Platform::ALL.iter().map(|platform| platform.name())))]
    platform: String,

    /// Only these calls, by name or number
    #[arg(value_name = "NAME|NR")]
    calls: Vec<String>,
}

/// A line of the output.
struct Row {
    nr: Sysno,
    name: String,
    handler: &'static str,
    support: Support,
}

/// Prints the table or the wanted lines of it.
pub fn run(args: SyscallsArgs) -> Result<u8, Failure> {
    let platform = Platform::named(OsStr::new(&args.platform))?;
    let row = |nr| row(nr, platform);
    let rows: Vec<Row> = if args.calls.is_empty() {
        TABLE.iter().map(|line| row(line.nr)).collect()
    } else {
        args.calls
            .iter()
            .map(|call| wanted(call).map(row))
            .collect::<Result<_, _>>()?
    };
    if args.json {
        print(&format!(
            "{:#}\n",
            Value::Array(rows.iter().map(Row::json).collect())
        ))?;
    } else {
        let mut text = String::new();
        let _ = writeln!(text, "{:>4} {:<24} {:<8} note", "nr", "call", "level");
        for row in &rows {
            let line = format!(
                "{:>4} {:<24} {:<8} {}",
                row.nr.0,
                row.name,
                row.support.level(),
                row.note()
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        print(&text)?;
    }
    Ok(0)
}

fn wanted(call: &str) -> Result<Sysno, Failure> {
    if let Ok(number) = call.parse::<u64>() {
        return match u32::try_from(number)
            .ok()
            .map(Sysno)
            .filter(|nr| nr.index().is_some())
        {
            Some(nr) => Ok(nr),
            None => Err(Failure::new(
                format_args!("call number {number} is out of range"),
                format_args!("the table holds 0 to {}", SYSNO_MAX - 1),
            )),
        };
    }
    Sysno::from_name(call).ok_or_else(|| {
        Failure::new(
            format_args!("no call is named '{}'", one_line(call)),
            "see muslin syscalls for the names",
        )
    })
}

fn row(nr: Sysno, platform: Platform) -> Row {
    let line = table::line(nr);
    Row {
        nr,
        name: nr
            .name()
            .map_or_else(|| format!("call {}", nr.0), str::to_owned),
        handler: line.map_or("none", |line| match platform {
            Platform::Linux => line.handler,
            Platform::Solo5Spt | Platform::Solo5Hvt | Platform::Any | Platform::Xen => {
                line.bare_handler
            }
        }),
        support: platform.support(nr),
    }
}

impl Row {
    fn note(&self) -> String {
        match self.support {
            Support::Missing(errno, note) => format!("{errno}: {note}"),
            _ => self.support.note().to_owned(),
        }
    }

    fn json(&self) -> Value {
        let errno = match self.support {
            Support::Missing(errno, _) => Some(errno.to_string()),
            _ => None,
        };
        json!({
            "number": self.nr.0,
            "name": self.name,
            "level": self.support.level(),
            "errno": errno,
            "note": self.support.note(),
            "handler": self.handler,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_name_and_by_number() {
        assert_eq!(wanted("openat").ok(), Some(Sysno::openat));
        assert_eq!(wanted("257").ok(), Some(Sysno::openat));
    }

    #[test]
    fn what_is_no_call_is_one_clear_line() {
        let line = |call| wanted(call).map_or_else(|failure| failure.line, |_| None);
        assert_eq!(
            line("512").as_deref(),
            Some("call number 512 is out of range; the table holds 0 to 511")
        );
        assert_eq!(
            line("opne").as_deref(),
            Some("no call is named 'opne'; see muslin syscalls for the names")
        );
    }

    #[test]
    fn a_number_without_a_line_is_missing() {
        let row = row(Sysno(511), Platform::Linux);
        assert_eq!(
            (row.name.as_str(), row.support.level(), row.handler),
            ("call 511", "missing", "none")
        );
        assert_eq!(row.note(), "ENOSYS: no such call is known");
    }
}
