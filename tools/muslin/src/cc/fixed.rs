//! Command lines for platforms whose images lie where they were linked for.
//!
//! Build systems and rustc ask for images that can lie anywhere where they can; here there is no
//! choice, and objects that were compiled for such an image fit a fixed one as well.

use std::ffi::OsString;
use std::path::Path;

/// Start files of an image that can lie anywhere, and those of a fixed one beside them.
const START_FILES: [(&str, &str); 3] = [
    ("rcrt1.o", "crt1.o"),
    ("crtbeginS.o", "crtbegin.o"),
    ("crtendS.o", "crtend.o"),
];

/// Makes a line link a fixed image.
pub fn rewrite(line: &mut Vec<OsString>, from_rustc: bool) {
    line.retain(|word| word != "-pie" && word != "-static-pie");
    if !from_rustc {
        // The specs have the rest.
        return;
    }
    for word in line.iter_mut() {
        let path = Path::new(word);
        let fixed = START_FILES
            .iter()
            .find(|(name, _)| path.file_name().is_some_and(|file| file == *name))
            .map(|(_, fixed)| path.with_file_name(fixed))
            .filter(|fixed| fixed.is_file());
        if let Some(fixed) = fixed {
            *word = fixed.into_os_string();
        }
    }
    if !line.iter().any(|word| word == "-fuse-ld=gold") {
        // As in the specs.
        line.push("-Wl,-z,noseparate-code".into());
    }
    line.extend(["-static".into(), "-no-pie".into()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_a_movable_image_goes() {
        let mut line: Vec<OsString> = vec!["-static-pie".into(), "a.o".into(), "-pie".into()];
        rewrite(&mut line, false);
        assert_eq!(line, ["a.o"]);
    }

    #[test]
    fn start_files_are_replaced_where_there_are_others() {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        for name in ["rcrt1.o", "crt1.o"] {
            assert!(std::fs::write(dir.path().join(name), "").is_ok());
        }
        let mut line: Vec<OsString> = vec![
            dir.path().join("rcrt1.o").into(),
            dir.path().join("crtbeginS.o").into(),
        ];
        rewrite(&mut line, true);
        assert_eq!(
            line,
            [
                dir.path().join("crt1.o").into_os_string(),
                dir.path().join("crtbeginS.o").into(),
                "-Wl,-z,noseparate-code".into(),
                "-static".into(),
                "-no-pie".into(),
            ]
        );
    }
}
