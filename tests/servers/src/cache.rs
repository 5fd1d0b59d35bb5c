//! A name → a folder that is either complete or not there.
//!
//! Promises:
//! - a folder appears by one rename after its maker succeeded; a killed maker leaves only litter
//!   below `partial/`, which the next maker of the same name removes;
//! - two processes never make the same folder at once: the second waits for the first.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::progress::{self, Step};

/// Overrides the cache's place.
pub const CACHE_VARIABLE: &str = "ROWPOST_STACK_CACHE";

/// The folder that outlives a clone and its build output.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `ROWPOST_STACK_CACHE`, else `~/.cache/rowpost-stack`.
    pub fn open() -> Result<Self> {
        let root = match env::var_os(CACHE_VARIABLE) {
            Some(root) => PathBuf::from(root),
            None => env::home_dir()
                .with_context(|| format!("no home directory: set {CACHE_VARIABLE}"))?
                .join(".cache/rowpost-stack"),
        };
        Self::at(&root)
    }

    pub fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("cannot create {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("no {}", root.display()))?;
        Ok(Self { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn has(&self, name: &str) -> bool {
        self.root.join(name).is_dir()
    }

    /// The folder `name`, made by `make` if it is not there. `make` fills the path it is given.
    pub fn folder(
        &self,
        name: &str,
        what: &str,
        make: impl FnOnce(&Path, &Step) -> Result<()>,
    ) -> Result<PathBuf> {
        let finished = self.root.join(name);
        if finished.is_dir() {
            return Ok(finished);
        }
        let _lock = self.lock(name, what)?;
        if finished.is_dir() {
            return Ok(finished);
        }
        let partial = self.root.join("partial").join(name);
        remove_folder(&partial)?;
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        progress::step(what, Some(&partial), |step| make(&partial, step))?;
        fs::rename(&partial, &finished)
            .with_context(|| format!("cannot move {} into place", partial.display()))?;
        Ok(finished)
    }

    /// Held until dropped; the kernel frees it when the process ends, however it ends.
    pub fn lock(&self, name: &str, what: &str) -> Result<File> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder)?;
        let file = File::create(folder.join(name))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
        }
        progress::step(&format!("{what}: another process is at it, waiting"), None, |_| {
            file.lock().context("cannot lock the cache")
        })?;
        Ok(file)
    }
}

/// Removes a folder with all it holds; it need not be there.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::bail;

    use super::*;

    #[test]
    fn folder_is_made_once_and_found_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();

        let first = cache.folder("thing", "making", |path, _| Ok(fs::write(path.join("a"), "1")?));
        let second = cache.folder("thing", "making", |_, _| bail!("made twice"));

        assert_eq!(first.unwrap(), second.unwrap());
    }

    #[test]
    fn folder_is_absent_after_a_failed_maker_and_its_litter_is_gone_in_the_next_try() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();

        let failed = cache.folder("thing", "making", |path, _| {
            fs::write(path.join("half"), "")?;
            bail!("connection lost")
        });
        assert!(failed.is_err());
        assert!(!cache.has("thing"));

        let made = cache.folder("thing", "making", |_, _| Ok(())).unwrap();
        assert_eq!(fs::read_dir(made).unwrap().count(), 0);
    }

    #[test]
    fn two_makers_at_once_make_one_folder() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();
        let made = AtomicUsize::new(0);

        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.folder("thing", "making", |_, _| {
                        made.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        Ok(())
                    })
                });
            }
        });

        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
