//! What programs print that measure by themselves.

use std::process::{Command, Stdio};

use crate::Result;
use crate::images::Time;

/// Runs a program that prints lines `name=quickest median`.
pub fn times(command: &mut Command) -> Result<Vec<(String, Time)>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{command:?}: {why}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {text}", output.status));
    }
    read(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("{command:?} prints no times"))
}

fn read(text: &str) -> Option<Vec<(String, Time)>> {
    text.lines().map(line).collect()
}

/// A line `name=quickest median`.
pub fn line(line: &str) -> Option<(String, Time)> {
    let (name, numbers) = line.split_once('=')?;
    let (fastest, median) = numbers.split_once(' ')?;
    let time = Time {
        fastest: fastest.parse().ok()?,
        median: median.parse().ok()?,
    };
    Some((name.to_owned(), time))
}

#[cfg(test)]
mod tests {
    use super::{Time, read};

    #[test]
    fn lines_are_names_and_two_times() {
        let time = |fastest, median| Time { fastest, median };
        let expected = vec![
            ("a call".to_owned(), time(1.5, 2.0)),
            ("b".to_owned(), time(2.0, 2.5)),
        ];
        assert_eq!(read("a call=1.5 2\nb=2 2.5\n"), Some(expected));
        assert_eq!(
            read("a wait=1.5 2.0\n"),
            Some(vec![("a wait".to_owned(), time(1.5, 2.0))])
        );
        assert_eq!(read("a call=1.5\n"), None);
    }
}
