//! A folder for this process's servers, swept by a later process once this one is gone.
//!
//! A test process may be killed at any moment and cleans nothing then; its servers die with it, their
//! data stays until the next run. A lock that the kernel frees tells who is gone.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};

use crate::cache::{Cache, remove_folder};

const LOCK_FILE: &str = "lock";

/// The folder and the lock that says its owner lives.
struct Owned {
    path: PathBuf,
    _lock: File,
}

static OWNED: Mutex<Option<Owned>> = Mutex::new(None);

/// A new empty folder `<name>-<number>` below this process's own.
pub fn subfolder(cache: &Cache, name: &str) -> Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    let own = match owned.take() {
        Some(own) => own,
        None => claim(&cache.root().join("run"), cache)?,
    };
    let path = own.path.join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    *owned = Some(own);
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

fn claim(runs: &Path, cache: &Cache) -> Result<Owned> {
    // ORDER: nobody sweeps between the making of a folder and the locking of it.
    let _exclusive = cache.lock("run", "folders of test runs")?;
    sweep(runs)?;
    let path = runs.join(std::process::id().to_string());
    remove_folder(&path)?;
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let lock = File::create(path.join(LOCK_FILE))?;
    lock.lock().context("cannot lock the run's folder")?;
    Ok(Owned { path, _lock: lock })
}

/// Removes the folders whose owners are gone.
fn sweep(runs: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(runs) else { return Ok(()) };
    for entry in entries {
        let folder = entry?.path();
        let is_abandoned = match File::open(folder.join(LOCK_FILE)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => true,
        };
        if is_abandoned {
            remove_folder(&folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_living_owner_stays_and_that_of_a_dead_one_goes() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("run");
        for name in ["living", "dead"] {
            fs::create_dir_all(runs.join(name)).unwrap();
        }
        let held = File::create(runs.join("living").join(LOCK_FILE)).unwrap();
        held.lock().unwrap();
        drop(File::create(runs.join("dead").join(LOCK_FILE)).unwrap());

        sweep(&runs).unwrap();

        assert!(runs.join("living").exists());
        assert!(!runs.join("dead").exists());
    }
}
