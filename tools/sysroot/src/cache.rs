//! The cache: directories named by what went into them, built aside and renamed into place.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::error::Error;
use crate::install::names_in;

/// How many results of one kind are kept; the longest unused go first.
const KEPT_PER_KIND: usize = 8;

/// What the names of directories begin with whose content is not whole.
const UNFINISHED: &str = "unfinished-";

/// The cache directory.
pub(crate) struct Cache {
    dir: PathBuf,
}

/// `$MUSLIN_CACHE`, else `$XDG_CACHE_HOME/muslin`, else `~/.cache/muslin`.
pub(crate) fn dir_from_env() -> Result<PathBuf, Error> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    variable("MUSLIN_CACHE")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("muslin")))
        .or_else(|| variable("HOME").map(|dir| PathBuf::from(dir).join(".cache/muslin")))
        .ok_or_else(|| {
            Error::Setting("no place for the cache: set MUSLIN_CACHE or HOME".to_owned())
        })
}

impl Cache {
    /// Opens the cache that the environment names, making it if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn open() -> Result<Cache, Error> {
        Cache::at(dir_from_env()?)
    }

    fn at(dir: PathBuf) -> Result<Cache, Error> {
        fs::create_dir_all(&dir).map_err(|why| Error::io("making the cache", &dir, why))?;
        let dir = dir
            .canonicalize()
            .map_err(|why| Error::io("opening the cache", &dir, why))?;
        Ok(Cache { dir })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until no other process builds; others wait until the answer is dropped. What builds that were
    /// killed have left goes.
    ///
    /// # Errors
    /// The lock file cannot be made, or what is left cannot be removed.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join("lock");
        let failed = |why| Error::io("locking", &path, why);
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("sysroot: waiting for another build to end");
                file.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(why)) => return Err(failed(why)),
        }
        for name in names_in(&self.dir)? {
            if name.starts_with(UNFINISHED) {
                self.forget(&name)?;
            }
        }
        Ok(file)
    }

    /// A directory that goes when the answer is dropped; for who holds the lock.
    ///
    /// # Errors
    /// The disk is full, or the cache cannot be written to.
    pub(crate) fn scratch(&self) -> Result<TempDir, Error> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.dir)
            .map_err(|why| Error::io("making a directory in", &self.dir, why))
    }

    /// The directory `name`, if it is there; it now counts as the newest, so no build that runs beside removes it.
    pub(crate) fn kept(&self, name: &str) -> Option<PathBuf> {
        let path = self.dir.join(name);
        if !path.is_dir() {
            return None;
        }
        // Only the order of removal depends on this time.
        let _ = File::open(&path).and_then(|dir| dir.set_modified(SystemTime::now()));
        Some(path)
    }

    /// The directory `name`; if it is not there, `fill` makes its content. For who holds the lock.
    ///
    /// # Errors
    /// What `fill` returns, or the disk is full. A failed build leaves nothing behind.
    pub(crate) fn entry(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        if let Some(path) = self.kept(name) {
            return Ok(path);
        }
        let path = self.dir.join(name);
        let aside = self.scratch()?;
        fill(aside.path())?;
        fs::rename(aside.path(), &path).map_err(|why| Error::io("making", &path, why))?;
        let _ = aside.keep();
        self.drop_old(name)?;
        Ok(path)
    }

    /// Removes the directory `name`.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub(crate) fn forget(&self, name: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|why| Error::io("removing", &path, why))?;
        }
        Ok(())
    }

    /// Keeps the newest results of `name`'s kind: all that is before the last `-`.
    fn drop_old(&self, name: &str) -> Result<(), Error> {
        let kind = &name[..=name.rfind('-').unwrap_or(0)];
        let mut found = Vec::new();
        for other in names_in(&self.dir)? {
            let path = self.dir.join(&other);
            if other.starts_with(kind) && other.len() == name.len() && path.is_dir() {
                let used = path.metadata().and_then(|data| data.modified());
                found.push((used.unwrap_or(SystemTime::UNIX_EPOCH), other));
            }
        }
        found.sort();
        let surplus = found.len().saturating_sub(KEPT_PER_KIND);
        for (_, other) in &found[..surplus] {
            self.forget(other)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    fn cache() -> (TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        (dir, cache)
    }

    #[test]
    fn an_entry_is_filled_once() {
        let (_dir, cache) = cache();
        let first = cache.entry("kind-1", |dir| {
            fs::write(dir.join("file"), "content").unwrap();
            Ok(())
        });
        let again = cache.entry("kind-1", |_| Err(Error::Setting("filled twice".into())));
        assert_eq!(first.unwrap(), again.unwrap());
        assert!(cache.dir().join("kind-1/file").exists());
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let (_dir, cache) = cache();
        let failed = cache.entry("kind-1", |dir| {
            fs::write(dir.join("half"), "").unwrap();
            Err(Error::Setting("no".into()))
        });
        assert!(failed.is_err());
        assert!(names_in(cache.dir()).unwrap().is_empty());
    }

    #[test]
    fn what_killed_builds_have_left_goes() {
        let (_dir, cache) = cache();
        let left = cache.scratch().unwrap().keep();
        fs::write(left.join("half"), "").unwrap();
        let whole = cache.entry("kind-1", |_| Ok(())).unwrap();
        let building = cache.lock().unwrap();
        assert!(!left.exists());
        assert!(whole.exists());
        drop(building);
    }

    #[test]
    fn the_longest_unused_results_go() {
        let (_dir, cache) = cache();
        let other = cache.entry("other-0", |_| Ok(())).unwrap();
        for i in 0..=KEPT_PER_KIND {
            let path = cache.entry(&format!("kind-{i}"), |_| Ok(())).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(i as u64 + 1);
            File::open(path).unwrap().set_modified(time).unwrap();
        }
        cache.entry("kind-9", |_| Ok(())).unwrap();
        let left = names_in(cache.dir()).unwrap();
        assert!(!left.contains(&"kind-0".to_owned()), "{left:?}");
        assert!(left.contains(&"kind-9".to_owned()), "{left:?}");
        assert!(other.exists());
    }
}
