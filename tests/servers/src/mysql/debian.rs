//! Debian packages → a folder, without root and without installing.
//!
//! `apt-get` works on a package list and a status file of its own, so that it resolves and verifies
//! as always and touches nothing of the machine.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{command, progress::Step};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether this machine can take packages from Debian.
pub(super) fn is_available() -> bool {
    let tools = ["apt-get", "dpkg-deb"];
    Path::new(KEYRING).exists() && tools.iter().all(|tool| command::find(tool).is_some())
}

/// Fetches `packages` of a Debian suite with all that they need, and unpacks them into `folder`.
pub(super) fn unpack(folder: &Path, step: &Step, suite: &str, packages: &[&str]) -> Result<()> {
    let work = folder.join("apt");
    let apt = private_apt(&work, suite)?;
    let log = folder.join("apt.log");
    step.now("package lists");
    command::run(apt_get(&apt).arg("update"), &log)?;
    step.now("packages");
    command::run(apt_get(&apt).args(["install", "--yes", "--download-only"]).args(packages), &log)?;
    step.now("unpacking");
    unpack_archives(&work.join("cache/archives"), folder, &log)?;
    fs::remove_dir_all(&work).context("cannot remove the package lists")
}

/// `libaio.so.1` and `libnuma.so.1`, as far as the machine lacks them.
pub(super) fn unpack_libraries(folder: &Path, step: &Step) -> Result<()> {
    fs::create_dir_all(folder)?;
    let known = command::find("ldconfig")
        .map(|ldconfig| command::output(Command::new(ldconfig).arg("-p")))
        .transpose()?
        .unwrap_or_default();
    for (library, packages) in
        [("libaio.so.1", ["libaio1", "libaio1t64"]), ("libnuma.so.1", ["libnuma1", "libnuma1t64"])]
    {
        if !known.contains(library) {
            step.now(library);
            let found = packages.iter().find_map(|package| library_from(package, folder).ok());
            let file = found.with_context(|| {
                let [package, _] = packages;
                format!("{library} is missing: install the package {package}")
            })?;
            let name = folder.join(library);
            if !name.exists() {
                symlink(file, name)?;
            }
        }
    }
    Ok(())
}

/// Downloads one package as the machine's own `apt-get` finds it, and takes its library out.
fn library_from(package: &str, folder: &Path) -> Result<PathBuf> {
    let work = folder.join(package);
    fs::create_dir_all(&work)?;
    let log = folder.join("apt.log");
    command::run(Command::new("apt-get").args(["download", package]).current_dir(&work), &log)?;
    let unpacked = work.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    unpack_archives(&work, &unpacked, &log)?;
    let libraries = unpacked.join("usr/lib/x86_64-linux-gnu");
    let mut file = None;
    for entry in fs::read_dir(&libraries).context("the package holds no library")? {
        let entry = entry?;
        let target = folder.join(entry.file_name());
        if entry.file_type()?.is_file() {
            fs::rename(entry.path(), &target)?;
            file = Some(entry.file_name());
        }
    }
    fs::remove_dir_all(&work)?;
    file.map(PathBuf::from).context("the package holds no library")
}

/// Writes the configuration of an `apt-get` that knows nothing of this machine's packages.
fn private_apt(work: &Path, suite: &str) -> Result<PathBuf> {
    if !Path::new(KEYRING).exists() {
        bail!(
            "MySQL 9 without Docker needs Debian's package keys ({KEYRING}): \
             install the package debian-archive-keyring, or use Docker"
        );
    }
    for folder in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(folder))?;
    }
    let path = |name: &str| work.join(name).display().to_string();
    let source = format!("deb [signed-by={KEYRING}] http://deb.debian.org/debian {suite} main\n");
    fs::write(work.join("sources.list"), source)?;
    fs::write(work.join("status"), "")?;
    let configuration = [
        ("Dir::Etc::sourcelist", path("sources.list")),
        ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
        ("Dir::State", path("state")),
        ("Dir::State::status", path("status")),
        ("Dir::Cache", path("cache")),
        ("APT::Install-Recommends", "false".to_owned()),
        // Root's downloads otherwise go through a user who may not write here.
        ("APT::Sandbox::User", "root".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
        // The suite moves daily and mirrors lag behind; signatures are verified all the same.
        ("Acquire::Check-Valid-Until", "false".to_owned()),
        ("Acquire::Retries", "3".to_owned()),
    ]
    .map(|(name, value)| format!("{name} \"{value}\";\n"))
    .concat();
    let file = work.join("apt.conf");
    fs::write(&file, configuration)?;
    Ok(file)
}

fn apt_get(configuration: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", configuration).env("LC_ALL", "C");
    command
}

/// What a server does not read is left out: it is a third of the bytes.
const LEFT_OUT: [&str; 5] = [
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
    "./usr/share/perl",
    "./usr/lib/x86_64-linux-gnu/perl*",
];

fn unpack_archives(archives: &Path, folder: &Path, log: &Path) -> Result<()> {
    let mut tar = String::from("dpkg-deb --fsys-tarfile \"$1\" | tar -x --no-same-owner -C \"$2\"");
    for pattern in LEFT_OUT {
        tar.push_str(&format!(" --exclude='{pattern}'"));
    }
    let mut count = 0;
    for entry in fs::read_dir(archives)? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            let mut command = Command::new("sh");
            command.args(["-c", &tar, "sh"]).arg(&archive).arg(folder);
            command::run(&mut command, log)?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("no package was downloaded; {}", command::tail(log));
    }
    Ok(())
}
