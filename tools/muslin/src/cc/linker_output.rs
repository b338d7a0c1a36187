//! What the linker said, line by line: two of its answers are for the driver, the rest is passed on.

use std::collections::BTreeSet;

use crate::cc::registrations::PREFIX;

/// How the runtime's own symbols begin.
const RUNTIME: [&str; 2] = ["__muslin_", "muslin_"];

/// Reads the lines of a linker: GNU ld, gold or lld.
#[derive(Debug, Default)]
pub struct LinkerOutput {
    traced: BTreeSet<String>,
    linked: BTreeSet<String>,
    /// The files that refer to a traced symbol.
    references: BTreeSet<String>,
    /// The files that define a symbol of the runtime a second time.
    runtimes: Vec<String>,
    /// Was the last duplicate symbol one of the runtime? gold and lld name its files in the next lines.
    in_duplicate: bool,
    /// The lines from the first duplicate on.
    held: Vec<String>,
    /// GNU ld's line `ld: OBJECT: in function`, held back: what it belongs to comes next.
    in_function: Option<String>,
}

impl LinkerOutput {
    /// A reader that expects the linker to trace these symbols (`-y SYMBOL`).
    pub fn tracing(symbols: impl IntoIterator<Item = String>) -> Self {
        Self {
            traced: symbols.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes one line without its end, and answers what is to be shown to the user now.
    ///
    /// From the first duplicate symbol on, lines are held back: two runtimes make hundreds of them.
    pub fn take(&mut self, line: &str) -> Option<String> {
        if self.take_trace(line) {
            return None;
        }
        let function = self.in_function.take();
        if self.take_duplicate(line, function.as_deref()) || !self.held.is_empty() {
            self.held.extend(function);
            self.held.push(line.to_owned());
            return None;
        }
        if line.contains(": in function `") {
            self.in_function = Some(line.to_owned());
            return function;
        }
        match function {
            Some(function) => Some(format!("{function}\n{line}")),
            None => Some(line.to_owned()),
        }
    }

    /// What is left to show when the linker has ended; nothing when two runtimes explain it all.
    pub fn finish(&mut self) -> Vec<String> {
        if self.two_runtimes().is_some() {
            return Vec::new();
        }
        self.held.extend(self.in_function.take());
        std::mem::take(&mut self.held)
    }

    /// Was this symbol's definition linked into the image?
    pub fn is_linked(&self, symbol: &str) -> bool {
        self.linked.contains(symbol)
    }

    /// The files that refer to a symbol which is traced.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.references.iter().map(String::as_str)
    }

    /// The files of two runtimes, in words.
    pub fn two_runtimes(&self) -> Option<String> {
        match self.runtimes.as_slice() {
            [] => None,
            [only] => Some(format!("{only}, twice")),
            [first, second, ..] => Some(format!("{first} and {second}")),
        }
    }

    /// `FILE: definition of SYMBOL`, `FILE: lazy definition of SYMBOL`, `FILE: reference to SYMBOL`.
    fn take_trace(&mut self, line: &str) -> bool {
        let Some((rest, symbol)) = line.rsplit_once(' ') else {
            return false;
        };
        if !self.traced.contains(symbol) {
            return false;
        }
        if rest.ends_with(": definition of") {
            self.linked.insert(symbol.to_owned());
        }
        if let Some(file) = rest.strip_suffix(": reference to") {
            self.references.insert(file.to_owned());
        }
        rest.ends_with(" definition of") || rest.ends_with(" reference to")
    }

    /// Is this line about a symbol that is defined twice?
    fn take_duplicate(&mut self, line: &str, function: Option<&str>) -> bool {
        // lld: "ld.lld: error: duplicate symbol: NAME", then ">>> defined at", places.
        if let Some((_, name)) = line.split_once("duplicate symbol: ") {
            self.in_duplicate = is_of_runtime(name);
            return true;
        }
        if let Some(object) = line.strip_suffix(": previous definition here") {
            if self.in_duplicate {
                self.add_runtime(object_of(object));
            }
            return false;
        }
        if let Some(place) = line.strip_prefix(">>>") {
            if self.in_duplicate {
                self.add_lld_place(place.trim());
            }
            return false;
        }
        // GNU ld: "ld: A:(.text+0x0): multiple definition of `NAME'; B:(.text+0x0): first defined here",
        //   or without "ld: A" after a line "ld: A: in function `F':".
        // gold: "ld: error: A: multiple definition of 'NAME'", then "ld: B: previous definition here"
        let Some((before, after)) = line.split_once("multiple definition of ") else {
            return false;
        };
        let Some((name, after)) = after.get(1..).and_then(|name| name.split_once('\'')) else {
            return false;
        };
        self.in_duplicate = is_of_runtime(name);
        if !self.in_duplicate {
            return true;
        }
        let before = match function.and_then(|line| line.split_once(": in function")) {
            Some((object, _)) => object,
            None => before.trim_end().trim_end_matches(':'),
        };
        self.add_runtime(object_of(after.trim_start_matches(';')));
        self.add_runtime(object_of(before));
        true
    }

    /// lld's `>>>` lines: `defined at SOURCE` and then `OBJECT:(SYMBOL)`, or `defined at OBJECT:(SYMBOL)`;
    /// ` in archive FILE` may follow.
    fn add_lld_place(&mut self, place: &str) {
        let place = place.strip_prefix("defined at ").unwrap_or(place);
        if !place.contains(":(") {
            return;
        }
        self.add_runtime(match place.split_once(" in archive ") {
            Some((member, archive)) => format!("{archive}({})", object_of(member)),
            None => object_of(place),
        });
    }

    fn add_runtime(&mut self, file: String) {
        // A place without a file is only a section: `(.text+0x0)`.
        if !file.is_empty() && !file.starts_with('(') && !self.runtimes.contains(&file) {
            self.runtimes.push(file);
        }
    }
}

fn is_of_runtime(symbol: &str) -> bool {
    RUNTIME.iter().any(|begin| symbol.starts_with(begin)) && !symbol.starts_with(PREFIX)
}

/// The object's name in `ld: OBJECT:(.bss+0x0)`, `OBJECT:source.c:(.text+0x0)`, `ld: error: OBJECT`.
fn object_of(text: &str) -> String {
    let text = text.split(":(").next().unwrap_or(text).trim();
    // The linker's own name comes first, and gold's word for an error.
    let text = text.rsplit(": ").next().unwrap_or(text);
    text.split(':').next().unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> (LinkerOutput, Vec<String>) {
        let mut output = LinkerOutput::tracing(["__muslin_static_a".to_owned()]);
        let mut shown: Vec<String> = lines.lines().filter_map(|line| output.take(line)).collect();
        shown.extend(output.finish());
        (output, shown)
    }

    #[test]
    fn a_traced_definition_is_noted_and_not_shown() {
        let (output, shown) =
            read("/usr/bin/ld: liba.a(a.o): definition of __muslin_static_a\nother line");
        assert!(output.is_linked("__muslin_static_a"));
        assert_eq!(shown, ["other line"]);
    }

    #[test]
    fn a_lazy_definition_is_not_linked() {
        let (output, shown) = read(
            "liba.a(a.o): lazy definition of __muslin_static_a\n<internal>: reference to __muslin_static_a",
        );
        assert!(!output.is_linked("__muslin_static_a"));
        assert!(shown.is_empty());
    }

    #[test]
    fn two_runtimes_are_named_from_each_linker() {
        let gnu = "/usr/bin/ld: y/libc.a(muslin-runtime.o): in function `__muslin_boot':\n\
                   (muslin_text+0x0): multiple definition of `__muslin_boot'; x/old.o:(muslin_text+0x0): first defined here\n\
                   /usr/bin/ld: y/libc.a(muslin-runtime.o):(.bss+0x0): multiple definition of `__muslin_table'; x/old.o:(.bss+0x0): first defined here\n\
                   collect2: error: ld returned 1 exit status";
        let (output, shown) = read(gnu);
        assert_eq!(
            output.two_runtimes().as_deref(),
            Some("x/old.o and y/libc.a(muslin-runtime.o)")
        );
        assert!(shown.is_empty(), "{shown:?}");

        let lld = "ld.lld: error: duplicate symbol: __muslin_boot\n>>> defined at rt.c\n>>>            x/old.o:(__muslin_boot)\n\
                   >>> defined at rt.c\n>>>            muslin-runtime.o:(.text+0x0) in archive y/libc.a\n\n\
                   collect2: error: ld returned 1 exit status";
        let (output, shown) = read(lld);
        assert_eq!(
            output.two_runtimes().as_deref(),
            Some("x/old.o and y/libc.a(muslin-runtime.o)")
        );
        assert!(shown.is_empty(), "{shown:?}");
    }

    #[test]
    fn gold_names_the_other_file_in_a_line_of_its_own() {
        let lines = "ld.gold: error: y/libc.a(muslin-runtime.o): multiple definition of '__muslin_boot'\n\
                     ld.gold: x/old.o: previous definition here";
        assert_eq!(
            read(lines).0.two_runtimes().as_deref(),
            Some("y/libc.a(muslin-runtime.o) and x/old.o")
        );
    }

    #[test]
    fn the_users_own_duplicates_stay_the_linkers() {
        let line = "ld: b.o:(.data+0x0): multiple definition of `__muslin_static_b'; a.o:(.data+0x0): first defined here";
        let (output, shown) = read(line);
        assert_eq!(output.two_runtimes(), None);
        assert_eq!(shown, [line]);
    }

    #[test]
    fn a_line_that_was_held_back_is_shown() {
        let line = "ld: a.o: in function `main':";
        assert_eq!(read(line).1, [line]);
        assert_eq!(
            read("ld: a.o: in function `main':\na.c:(.text+0x5): undefined reference to `f'")
                .1
                .join("\n")
                .lines()
                .count(),
            2
        );
    }
}
