//! The patch series: reading `musl-patches/series` and applying it to an unpacked musl.

use std::fs;
use std::path::Path;

use diffy::patch_set::{FileOperation, ParseOptions, PatchKind, PatchSet};

use crate::error::Error;
use crate::progress::Step;

/// One patch of the series.
pub(crate) struct Patch {
    /// Its file name.
    pub(crate) name: String,
    /// Its text: what `git diff` prints, any words before it.
    pub(crate) text: String,
}

/// Reads the patches in `dir` that concern musl `version`, in the order of `series`. No `series`
/// file is an empty series.
///
/// A line of `series` is a patch's file name, then, optionally, the only version it is for; what
/// follows a `#` is a comment.
///
/// # Errors
/// A patch is named that is not there.
pub(crate) fn read(dir: &Path, version: &str) -> Result<Vec<Patch>, Error> {
    let path = dir.join("series");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let series = fs::read_to_string(&path).map_err(|why| Error::io("reading", &path, why))?;
    names(&series, version)
        .map(|name| {
            let path = dir.join(name);
            let text = fs::read_to_string(&path).map_err(|why| Error::io("reading", &path, why))?;
            Ok(Patch {
                name: name.to_owned(),
                text,
            })
        })
        .collect()
}

fn names<'a>(series: &'a str, version: &'a str) -> impl Iterator<Item = &'a str> {
    series.lines().filter_map(move |line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let name = words.next()?;
        words
            .next()
            .is_none_or(|only| only == version)
            .then_some(name)
    })
}

/// Applies the patches, in order, to the files below `tree`.
///
/// # Errors
/// A patch does not apply; the error names the patch and the file.
pub(crate) fn apply(patches: &[Patch], tree: &Path) -> Result<(), Error> {
    let step = Step::begin();
    let mut files = 0;
    for patch in patches {
        files += apply_one(patch, tree)?;
    }
    if !patches.is_empty() {
        step.done(&format!(
            "applied {} patches to {files} files",
            patches.len()
        ));
    }
    Ok(())
}

fn apply_one(patch: &Patch, tree: &Path) -> Result<usize, Error> {
    let refused = |file: &str, why: &dyn std::fmt::Display| Error::Patch {
        patch: patch.name.clone(),
        file: file.to_owned(),
        why: why.to_string().replace('\n', " "),
    };
    let mut files = 0;
    for part in PatchSet::parse(&patch.text, ParseOptions::gitdiff()) {
        let part = part.map_err(|why| refused("anything", &why))?;
        let operation = part.operation().strip_prefix(1);
        let file = match &operation {
            FileOperation::Create(file) | FileOperation::Delete(file) => file,
            FileOperation::Modify { original, modified } if original == modified => original,
            FileOperation::Modify { modified, .. } => {
                return Err(refused(modified, &"the two file names differ"));
            }
            FileOperation::Rename { to, .. } | FileOperation::Copy { to, .. } => {
                return Err(refused(
                    to,
                    &"renames and copies are not supported; use `git diff --no-renames`",
                ));
            }
        };
        let file = file.as_ref();
        let path = tree.join(file);
        let PatchKind::Text(hunks) = part.patch() else {
            return Err(refused(file, &"it is a binary patch"));
        };
        let before = match operation {
            FileOperation::Create(_) if path.exists() => {
                return Err(refused(file, &"the file exists already"));
            }
            FileOperation::Create(_) => String::new(),
            _ => fs::read_to_string(&path).map_err(|why| refused(file, &why))?,
        };
        let after = diffy::apply(&before, hunks).map_err(|why| refused(file, &why))?;
        if operation.is_delete() {
            if !after.is_empty() {
                return Err(refused(file, &"lines are left of a file to be deleted"));
            }
            fs::remove_file(&path).map_err(|why| Error::io("deleting", &path, why))?;
        } else {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|why| Error::io("making", parent, why))?;
            }
            fs::write(&path, after).map_err(|why| Error::io("writing", &path, why))?;
        }
        files += 1;
    }
    if files == 0 {
        return Err(refused("anything", &"it holds no `git diff`"));
    }
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    const THREE_FILES: &str = "\
Words about the patch.

diff --git a/changed.c b/changed.c
index 1111111..2222222 100644
--- a/changed.c
+++ b/changed.c
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
diff --git a/dir/new.c b/dir/new.c
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ b/dir/new.c
@@ -0,0 +1,2 @@
+first
+second
diff --git a/gone.s b/gone.s
deleted file mode 100644
index 4444444..0000000
--- a/gone.s
+++ /dev/null
@@ -1,2 +0,0 @@
-old
-older
";

    fn patch(text: &str) -> Patch {
        Patch {
            name: "0001-test.patch".to_owned(),
            text: text.to_owned(),
        }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("changed.c"), "one\ntwo\nthree\n").unwrap();
        fs::write(dir.path().join("gone.s"), "old\nolder\n").unwrap();
        dir
    }

    #[test]
    fn series_lines() {
        let series = "# all\n0001-a.patch\n\n  0002-b.patch 1.2.5 # why\n0003-c.patch 1.2.6\n";
        assert_eq!(
            names(series, "1.2.5").collect::<Vec<_>>(),
            ["0001-a.patch", "0002-b.patch"]
        );
        assert_eq!(
            names(series, "1.2.6").collect::<Vec<_>>(),
            ["0001-a.patch", "0003-c.patch"]
        );
    }

    #[test]
    fn no_series_is_an_empty_series() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path(), "1.2.5").unwrap().is_empty());
    }

    #[test]
    fn a_named_patch_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("series"), "0001-a.patch\n").unwrap();
        let error = read(dir.path(), "1.2.5").err().unwrap();
        assert!(error.to_string().contains("0001-a.patch"), "{error}");
    }

    #[test]
    fn one_patch_changes_makes_and_deletes() {
        let tree = tree();
        apply(&[patch(THREE_FILES)], tree.path()).unwrap();
        let read = |name: &str| fs::read_to_string(tree.path().join(name)).unwrap();
        assert_eq!(read("changed.c"), "one\nzwei\nthree\n");
        assert_eq!(read("dir/new.c"), "first\nsecond\n");
        assert!(!tree.path().join("gone.s").exists());
    }

    #[test]
    fn a_patch_that_does_not_apply_names_patch_and_file() {
        let tree = tree();
        fs::write(tree.path().join("changed.c"), "quite\nother\n").unwrap();
        let error = apply(&[patch(THREE_FILES)], tree.path()).err().unwrap();
        let text = error.to_string();
        assert!(
            text.starts_with("musl-patches/0001-test.patch does not apply to changed.c:"),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_file_that_is_made_twice_is_refused() {
        let tree = tree();
        fs::create_dir(tree.path().join("dir")).unwrap();
        fs::write(tree.path().join("dir/new.c"), "").unwrap();
        let error = apply(&[patch(THREE_FILES)], tree.path()).err().unwrap();
        assert!(error.to_string().contains("exists already"), "{error}");
    }

    #[test]
    fn words_without_a_diff_are_refused() {
        let error = apply(&[patch("nothing here\n")], tree().path())
            .err()
            .unwrap();
        assert!(error.to_string().contains("0001-test.patch"), "{error}");
    }
}
