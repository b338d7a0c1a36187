//! A program: one C file, with what its first lines say about how it is to be run.
//!
//! ```c
//! // stdin: two words\n        the bytes of standard input; without it, /dev/null
//! // skip-on: PLATFORM: why    not run there
//! // needs-root: what for    not run by another user
//! // fixed-here: what          stock musl gives wrong answers, and must: Muslin mends it
//! ```

use std::fs;
use std::path::{Path, PathBuf};

/// One C file of this directory.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file's name without `.c`.
    pub name: String,
    /// The file.
    pub source: PathBuf,
    /// What it reads, if anything.
    pub stdin: Option<String>,
    /// Platforms where it cannot mean anything, with reasons.
    pub skip_on: Vec<(String, String)>,
    /// What it needs the superuser's rights for.
    pub needs_root: Option<String>,
    /// What Muslin mends: the native column must fail.
    pub fixed_here: Option<String>,
}

/// All programs, by name.
///
/// # Errors
/// A directory or file that cannot be read, or a line that nobody understands.
pub fn all() -> Result<Vec<Program>, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources.into_iter().map(read).collect()
}

fn read(source: PathBuf) -> Result<Program, String> {
    let text =
        fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let mut program = Program {
        name: name.into_owned(),
        source: source.clone(),
        stdin: None,
        skip_on: Vec::new(),
        needs_root: None,
        fixed_here: None,
    };
    for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
        match line.split_once(": ") {
            Some(("stdin", given)) => program.stdin = Some(given.replace("\\n", "\n")),
            Some(("needs-root", what)) => program.needs_root = Some(what.to_owned()),
            Some(("fixed-here", what)) => program.fixed_here = Some(what.to_owned()),
            Some(("skip-on", rest)) => {
                let (platform, why) = rest
                    .split_once(": ")
                    .ok_or_else(|| format!("{}: skip-on without a reason", program.name))?;
                program.skip_on.push((platform.to_owned(), why.to_owned()));
            }
            _ => return Err(format!("{}: cannot understand '// {line}'", program.name)),
        }
    }
    Ok(program)
}
