//! What a compiler command line asks for, as far as the driver has to know.
//!
//! The line itself goes to the compiler as it came. This is only a look at it: does it link, what
//! does it link, and is there something in it that the driver must answer or refuse.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::place::Place;

/// Options of gcc whose value is the next argument when it is not joined to them.
const TAKE_A_VALUE: &[&str] = &[
    "-A",
    "-B",
    "-D",
    "-G",
    "-I",
    "-L",
    "-MF",
    "-MQ",
    "-MT",
    "-R",
    "-T",
    "-Tbss",
    "-Tdata",
    "-Ttext",
    "-U",
    "-Xassembler",
    "-Xlinker",
    "-Xpreprocessor",
    "-aux-info",
    "-dumpbase",
    "-dumpbase-ext",
    "-dumpdir",
    "-e",
    "-h",
    "-idirafter",
    "-imacros",
    "-imultilib",
    "-include",
    "-iprefix",
    "-iquote",
    "-isysroot",
    "-isystem",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-l",
    "-o",
    "-u",
    "-wrapper",
    "-x",
    "-z",
    "--output",
    "--param",
    "--sysroot",
];

/// Options that stop gcc before it links, or make it only answer something.
const NO_LINK: &[&str] = &[
    "-c",
    "-S",
    "-E",
    "-M",
    "-MM",
    "-fsyntax-only",
    "-###",
    "--version",
    "--help",
];

/// Beginnings of options that make gcc only answer something.
const NO_LINK_BEGINNINGS: &[&str] = &["-print-", "--print-", "-dump", "--help=", "--target-help"];

/// File names of C++ sources; `.C` is one too.
const CPLUSPLUS: &[&str] = &[
    "cc", "cp", "cxx", "cpp", "CPP", "c++", "C", "ii", "hh", "H", "hp", "hxx", "hpp", "HPP", "h++",
    "tcc",
];

/// The start files that rustc brings along for the musl target.
const RUSTC_START_FILES: &[&str] = &["crt1.o", "rcrt1.o", "Scrt1.o"];

/// A question that build systems ask a compiler and that the driver answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `-dumpmachine`, `-print-multiarch`
    Machine,
    /// `-print-file-name=NAME`
    FileName(OsString),
    /// `-print-search-dirs`
    SearchDirs,
}

/// Something on the line that a static C toolchain cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A C++ source, or `-x c++`.
    CPlusPlus(String),
    /// `-shared`
    Shared,
    /// `-m32`, `-mx32`, `-m16`
    Machine(String),
}

/// A library or archive in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file named on the line.
    File(PathBuf),
    /// `-lNAME`
    Library(OsString),
}

/// What was seen on the line.
#[derive(Debug, Default)]
pub struct Arguments {
    /// Does gcc get as far as linking?
    pub links: bool,
    /// What is linked: objects, archives, sources, libraries.
    pub inputs: Vec<Input>,
    /// The directories of `-L`.
    pub library_dirs: Vec<PathBuf>,
    /// The file of `-o`, or gcc's own default.
    pub output: PathBuf,
    /// Is this rustc's own link line, with start files and libraries of its own?
    pub from_rustc: bool,
    /// The linker of `-fuse-ld=`.
    pub linker: Option<String>,
    /// Where the image shall lie.
    pub place: Place,
    /// Has the user said whether diagnostics have colours?
    pub colour_chosen: bool,
    /// The question, if this is one.
    pub question: Option<Question>,
    /// The first thing that cannot be done.
    pub refusal: Option<Refusal>,
}

impl Arguments {
    /// Looks at a command line; response files (`@file`) are looked into.
    pub fn look_at(line: &[OsString]) -> Self {
        let mut expanded = Vec::new();
        expand(line, 0, &mut expanded);
        let mut seen = Self {
            output: PathBuf::from("a.out"),
            ..Self::default()
        };
        seen.place = Place::of(&expanded);
        let mut stops = false;
        let mut no_start_files = false;
        let mut rustc_start_files = false;
        let mut language_is_cplusplus = false;
        let mut arguments = expanded.iter();
        while let Some(argument) = arguments.next() {
            let bytes = argument.as_bytes();
            if bytes.first() != Some(&b'-') || bytes == b"-" {
                let path = Path::new(argument);
                rustc_start_files |= is_rustc_start_file(path);
                if language_is_cplusplus || has_cplusplus_name(path) {
                    seen.refuse(Refusal::CPlusPlus(path.to_string_lossy().into_owned()));
                }
                seen.inputs.push(Input::File(path.to_path_buf()));
                continue;
            }
            let text = argument.to_string_lossy();
            let text = text.as_ref();
            let (option, value) = if TAKE_A_VALUE.contains(&text) {
                (text, arguments.next().cloned())
            } else {
                split_joined(text, bytes)
            };
            stops |= NO_LINK.contains(&text)
                || NO_LINK_BEGINNINGS
                    .iter()
                    .any(|begin| text.starts_with(begin));
            match (option, value) {
                ("-o" | "--output", Some(value)) => seen.output = PathBuf::from(value),
                ("-L", Some(value)) => seen.library_dirs.push(PathBuf::from(value)),
                ("-l", Some(value)) => seen.inputs.push(Input::Library(value)),
                ("-x", Some(value)) => {
                    language_is_cplusplus = value.as_bytes().starts_with(b"c++");
                    if language_is_cplusplus {
                        seen.refuse(Refusal::CPlusPlus(format!(
                            "-x {}",
                            value.to_string_lossy()
                        )));
                    }
                }
                ("-shared" | "--shared", _) => seen.refuse(Refusal::Shared),
                ("-m32" | "-mx32" | "-m16", _) => seen.refuse(Refusal::Machine(option.to_owned())),
                ("-nostartfiles" | "-nostdlib", _) => no_start_files = true,
                ("-dumpmachine" | "-print-multiarch" | "--print-multiarch", _) => {
                    seen.question = Some(Question::Machine);
                }
                ("-print-search-dirs" | "--print-search-dirs", _) => {
                    seen.question = Some(Question::SearchDirs)
                }
                ("-print-file-name" | "--print-file-name", Some(name)) => {
                    seen.question = Some(Question::FileName(name));
                }
                ("-fuse-ld", Some(linker)) => {
                    seen.linker = Some(linker.to_string_lossy().into_owned())
                }
                _ => {
                    seen.colour_chosen |= text.starts_with("-fdiagnostics-color")
                        || text.starts_with("-fno-diagnostics-color");
                }
            }
        }
        seen.links = !stops && !seen.inputs.is_empty();
        seen.from_rustc = no_start_files && rustc_start_files;
        seen
    }

    /// Can the linker use the sysroot's script? gold and mold cannot read one that is inserted into
    /// their own, and lld keeps other names than its own out of the part that is sealed.
    pub fn linker_takes_script(&self) -> bool {
        !matches!(self.linker.as_deref(), Some("gold" | "lld" | "mold"))
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }
}

/// Options that are looked at and whose value may be joined: `-ofile`, `-Ldir`, `-lname`, `-xc++`, `-option=value`.
fn split_joined<'a>(text: &'a str, bytes: &[u8]) -> (&'a str, Option<OsString>) {
    for option in [
        "-fuse-ld",
        "-print-file-name",
        "--print-file-name",
        "--output",
    ] {
        if let Some(value) = bytes
            .strip_prefix(option.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
        {
            return (
                &text[..option.len()],
                Some(OsString::from_vec(value.to_vec())),
            );
        }
    }
    for option in ["-o", "-L", "-l", "-x"] {
        if let Some(value) = bytes.strip_prefix(option.as_bytes())
            && !value.is_empty()
        {
            return (
                &text[..option.len()],
                Some(OsString::from_vec(value.to_vec())),
            );
        }
    }
    (text, None)
}

fn has_cplusplus_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| CPLUSPLUS.iter().any(|known| extension == *known))
}

fn is_rustc_start_file(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| RUSTC_START_FILES.iter().any(|known| name == *known))
        && path
            .parent()
            .and_then(Path::file_name)
            .is_some_and(|parent| parent == "self-contained")
}

/// Replaces each `@file` by the arguments in that file, as gcc does; what cannot be read stays as it is.
fn expand(line: &[OsString], depth: usize, expanded: &mut Vec<OsString>) {
    const DEPTH_MAX: usize = 8;
    for argument in line {
        let file = argument
            .as_bytes()
            .strip_prefix(b"@")
            .filter(|_| depth < DEPTH_MAX);
        match file.and_then(|name| fs::read(OsStr::from_bytes(name)).ok()) {
            Some(text) => expand(&words(&text), depth + 1, expanded),
            None => expanded.push(argument.clone()),
        }
    }
}

/// The words of a response file: white space separates, quotes hold together, a backslash takes the next byte as it is.
fn words(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(byte),
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            _ if byte.is_ascii_whitespace() => words.extend(word.take().map(OsString::from_vec)),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word.map(OsString::from_vec));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(line: &str) -> Arguments {
        let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Arguments::look_at(&line)
    }

    #[test]
    fn a_compile_does_not_link() {
        for line in [
            "-c a.c",
            "-E -",
            "-S a.c -o a.s",
            "-M a.c",
            "-v",
            "--version",
            "-print-prog-name=ld",
            "-###  a.c",
        ] {
            assert!(!look(line).links, "{line}");
        }
        for line in [
            "a.c",
            "-x c -",
            "a.o -o a",
            "-Wl,-t -lfoo",
            "-MD -MF a.d a.c",
        ] {
            assert!(look(line).links, "{line}");
        }
    }

    #[test]
    fn values_are_not_inputs() {
        let seen = look("-c a.c -MT b.cc -MF c.cpp -I d.cc -include e.hpp -o f.cxx");
        assert_eq!(seen.refusal, None);
        assert_eq!(seen.inputs, [Input::File("a.c".into())]);
        assert_eq!(seen.output, Path::new("f.cxx"));
    }

    #[test]
    fn joined_and_separate_values_are_the_same() {
        let joined = look("a.o -Ldir -lfoo -oout -fuse-ld=lld");
        let separate = look("a.o -L dir -l foo -o out -fuse-ld=lld");
        assert_eq!(joined.inputs, separate.inputs);
        assert_eq!(joined.library_dirs, [PathBuf::from("dir")]);
        assert_eq!(joined.output, separate.output);
        assert_eq!(joined.linker.as_deref(), Some("lld"));
    }

    #[test]
    fn what_cannot_be_done_is_seen() {
        assert_eq!(
            look("a.cc").refusal,
            Some(Refusal::CPlusPlus("a.cc".into()))
        );
        assert_eq!(
            look("-x c++ a.c").refusal,
            Some(Refusal::CPlusPlus("-x c++".into()))
        );
        assert_eq!(
            look("-xc++-header -").refusal,
            Some(Refusal::CPlusPlus("-x c++-header".into()))
        );
        assert_eq!(look("-shared a.o").refusal, Some(Refusal::Shared));
        assert_eq!(
            look("-m32 a.c").refusal,
            Some(Refusal::Machine("-m32".into()))
        );
        assert_eq!(look("-static a.c -lm").refusal, None);
        assert_eq!(look("-static-libgcc a.c").refusal, None);
    }

    #[test]
    fn a_line_of_rustc_is_known_by_its_start_files() {
        let line = "-m64 /r/self-contained/rcrt1.o /r/self-contained/crti.o a.o -nostartfiles -static-pie -nodefaultlibs";
        assert!(look(line).from_rustc);
        assert!(!look("-nostartfiles crt1.o a.o").from_rustc);
        assert!(!look("/r/self-contained/rcrt1.o a.o").from_rustc);
    }

    #[test]
    fn words_of_a_response_file() {
        let text = b"-o 'a b'\n\"c\\\"d\" e\\ f '' g";
        let expected = ["-o", "a b", "c\"d", "e f", "", "g"];
        assert_eq!(words(text), expected.map(OsString::from));
    }

    #[test]
    fn a_response_file_that_names_itself_ends() {
        let path =
            std::env::temp_dir().join(format!("muslin-arguments-{}.rsp", std::process::id()));
        let name = format!("@{}", path.display());
        assert!(fs::write(&path, format!("-c {name} x.c")).is_ok());
        let seen = Arguments::look_at(&[OsString::from(&name)]);
        let _ = fs::remove_file(&path);
        assert!(!seen.links);
        assert!(seen.inputs.contains(&Input::File("x.c".into())));
    }
}
