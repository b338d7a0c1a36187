//! musl's tarball: where it is, whether it is the right one, and what is in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::cache::Cache;
use crate::error::Error;
use crate::key::hex;
use crate::progress::Step;

/// A release of musl that can be built.
struct Release {
    version: &'static str,
    sha256: &'static str,
}

/// The releases that can be built; the first is the default, and what Rust's musl target bundles.
const RELEASES: [Release; 2] = [
    Release {
        version: "1.2.5",
        sha256: "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4",
    },
    Release {
        version: "1.2.6",
        sha256: "d585fd3b613c66151fc3249e8ed44f77020cb5e6c1e635a616d3f9f82460512a",
    },
];

/// The versions that can be built, for a message.
pub(crate) fn known_versions() -> String {
    RELEASES.map(|release| release.version).join(" and ")
}

/// A verified tarball.
pub(crate) struct Source {
    /// musl's version.
    pub(crate) version: &'static str,
    /// The tarball's checksum.
    pub(crate) sha256: &'static str,
    tarball: Vec<u8>,
}

impl Source {
    /// Finds the tarball: `MUSL_TARBALL`, else the one of `MUSLIN_MUSL_VERSION` (else the default
    /// version) in the cache.
    ///
    /// # Errors
    /// There is none, or it is not what upstream released.
    pub(crate) fn find(cache: &Path) -> Result<Source, Error> {
        let version = env::var("MUSLIN_MUSL_VERSION").ok();
        let tarball = env::var_os("MUSL_TARBALL").map(PathBuf::from);
        Source::choose(cache, version.as_deref(), tarball.as_deref())
    }

    fn choose(
        cache: &Path,
        version: Option<&str>,
        tarball: Option<&Path>,
    ) -> Result<Source, Error> {
        let wanted = version
            .filter(|version| !version.is_empty())
            .map(|version| {
                RELEASES
                    .iter()
                    .find(|release| release.version == version)
                    .ok_or_else(|| Error::UnknownVersion(version.to_owned()))
            })
            .transpose()?;
        match tarball.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => match wanted {
                Some(release) => open(path, std::slice::from_ref(release)),
                None => open(path, &RELEASES),
            },
            None => {
                let release = wanted.unwrap_or(&RELEASES[0]);
                let path = cache.join(format!("musl-{}.tar.gz", release.version));
                open(&path, std::slice::from_ref(release))
            }
        }
    }

    /// Unpacks the tarball into a new directory of the cache.
    ///
    /// # Errors
    /// The disk is full, or the cache cannot be written to.
    pub(crate) fn unpack(&self, cache: &Cache) -> Result<TempDir, Error> {
        let step = Step::begin();
        let dir = cache.scratch()?;
        let failed = |why| Error::io("unpacking musl into", dir.path(), why);
        let mut archive = tar::Archive::new(GzDecoder::new(self.tarball.as_slice()));
        let mut files = 0;
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            // The first component is musl-<version>; entries that are not below it are not unpacked.
            let path = entry.path().map_err(failed)?.into_owned();
            let inner: PathBuf = path.components().skip(1).collect();
            if inner.as_os_str().is_empty() || !is_plain(&inner) {
                continue;
            }
            let target = dir.path().join(inner);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            entry.unpack(&target).map_err(failed)?;
            files += 1;
        }
        step.done(&format!("unpacked musl {}: {files} files", self.version));
        Ok(dir)
    }
}

fn is_plain(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn open(path: &Path, releases: &[Release]) -> Result<Source, Error> {
    if !path.is_file() {
        return Err(Error::NoSource {
            version: releases[0].version,
            looked_for: path.to_owned(),
        });
    }
    let tarball = fs::read(path).map_err(|why| Error::io("reading", path, why))?;
    let found = hex(&Sha256::digest(&tarball));
    match releases.iter().find(|release| release.sha256 == found) {
        Some(release) => Ok(Source {
            version: release.version,
            sha256: release.sha256,
            tarball,
        }),
        None => Err(Error::Checksum {
            path: path.to_owned(),
            found,
            wanted: releases
                .iter()
                .map(|release| format!("{} (musl {})", release.sha256, release.version))
                .collect::<Vec<_>>()
                .join(" or "),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn no_tarball_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Source::choose(dir.path(), None, None).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("musl-1.2.5.tar.gz does not exist"), "{text}");
        assert!(text.contains("make setup"), "{text}");
        assert!(text.contains("MUSL_TARBALL"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_wrong_tarball_is_refused_wherever_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("musl-1.2.5.tar.gz");
        fs::write(&path, "not musl").unwrap();
        for tarball in [None, Some(path.as_path())] {
            let error = Source::choose(dir.path(), None, tarball).err().unwrap();
            assert!(matches!(error, Error::Checksum { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(RELEASES[0].sha256), "{text}");
            assert!(text.contains("remove it and run `make setup`"), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn an_unknown_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Source::choose(dir.path(), Some("1.1.0"), None)
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "MUSLIN_MUSL_VERSION=1.1.0: only musl 1.2.5 and 1.2.6 can be built"
        );
    }

    #[test]
    fn the_wanted_version_names_the_file_in_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let error = Source::choose(dir.path(), Some("1.2.6"), None)
            .err()
            .unwrap();
        assert!(error.to_string().contains("musl-1.2.6.tar.gz"), "{error}");
    }
}
