//! The counts that an image leaves behind, as a table and as JSON.

use std::fmt::Write;
use std::path::Path;

use muslin_abi::counters::{ENTERED_WORD, FILE_BYTES, MAGIC, NUMBERS_WORD, PASSED_WORD};
use muslin_abi::{SYSNO_MAX, Sysno};
use serde_json::json;

/// One call of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    nr: Sysno,
    entered: u64,
    passed: u64,
}

impl Row {
    /// What handlers inside the image answered. A handler may itself pass other calls on, so that
    /// more of a number are passed than entered.
    fn answered(&self) -> u64 {
        self.entered.saturating_sub(self.passed)
    }

    fn name(&self) -> String {
        match self.nr.name() {
            Some(name) => name.to_owned(),
            None => format!("call {}", self.nr.0),
        }
    }
}

/// All calls of a program, the most frequent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    rows: Vec<Row>,
}

impl Counts {
    /// Reads the file of an image; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < FILE_BYTES {
            return None;
        }
        let words: Vec<u64> = bytes[..FILE_BYTES]
            .chunks_exact(8)
            .map(|word| {
                word.iter()
                    .rev()
                    .fold(0, |value, &byte| value << 8 | u64::from(byte))
            })
            .collect();
        if words[0] != MAGIC || words[NUMBERS_WORD] != SYSNO_MAX as u64 {
            return None;
        }
        let mut rows: Vec<Row> = (0..SYSNO_MAX)
            .map(|index| Row {
                nr: Sysno(index as u32),
                entered: words[ENTERED_WORD + index],
                passed: words[PASSED_WORD + index],
            })
            .filter(|row| row.entered != 0 || row.passed != 0)
            .collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.entered), row.name()));
        Some(Self { rows })
    }

    /// The table, as `strace -c` prints its own.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let line = "---------- ---------- ---------- ----------------\n";
        let _ = writeln!(
            text,
            "{:>10} {:>10} {:>10} call",
            "entered", "to Linux", "answered"
        );
        text.push_str(line);
        for row in &self.rows {
            let _ = writeln!(
                text,
                "{:>10} {:>10} {:>10} {}",
                row.entered,
                row.passed,
                row.answered(),
                row.name()
            );
        }
        text.push_str(line);
        let [entered, passed, answered] = self.totals();
        let _ = writeln!(text, "{entered:>10} {passed:>10} {answered:>10} total");
        text
    }

    /// The same for programs.
    pub fn json(&self, image: &Path) -> String {
        let calls: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.nr.name(),
                    "number": row.nr.0,
                    "entered": row.entered,
                    "passed": row.passed,
                    "answered": row.answered(),
                })
            })
            .collect();
        let [entered, passed, answered] = self.totals();
        let value = json!({
            "image": image.to_string_lossy(),
            "calls": calls,
            "total": { "entered": entered, "passed": passed, "answered": answered },
        });
        format!("{value:#}\n")
    }

    fn totals(&self) -> [u64; 3] {
        let sum = |of: fn(&Row) -> u64| self.rows.iter().map(of).fold(0, u64::saturating_add);
        [
            sum(|row| row.entered),
            sum(|row| row.passed),
            sum(Row::answered),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(counts: &[(Sysno, u64, u64)]) -> Vec<u8> {
        let mut words = vec![0; FILE_BYTES / 8];
        words[0] = MAGIC;
        words[NUMBERS_WORD] = SYSNO_MAX as u64;
        for &(nr, entered, passed) in counts {
            words[ENTERED_WORD + nr.0 as usize] = entered;
            words[PASSED_WORD + nr.0 as usize] = passed;
        }
        words
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect()
    }

    #[test]
    fn a_table_is_sorted_and_summed() {
        let bytes = file(&[
            (Sysno::open, 2, 1),
            (Sysno::write, 7, 7),
            (Sysno::openat, 0, 1),
        ]);
        let counts = Counts::parse(&bytes).map(|counts| counts.table());
        assert_eq!(
            counts.as_deref(),
            Some(
                "   entered   to Linux   answered call\n\
                 ---------- ---------- ---------- ----------------\n\
                 \u{20}        7          7          0 write\n\
                 \u{20}        2          1          1 open\n\
                 \u{20}        0          1          0 openat\n\
                 ---------- ---------- ---------- ----------------\n\
                 \u{20}        9          9          1 total\n"
            )
        );
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        assert_eq!(Counts::parse(b""), None);
        assert_eq!(Counts::parse(&vec![0; FILE_BYTES]), None);
        let bytes = file(&[]);
        assert_eq!(Counts::parse(&bytes[..FILE_BYTES - 1]), None);
        assert!(Counts::parse(&bytes).is_some());
    }
}
