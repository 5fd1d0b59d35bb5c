//! A program that runs to its end → success, or an error with what it said.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 25;

/// Runs `command` with its output in `log`. The error shows the log's end and its path.
pub fn run(command: &mut Command, log: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("cannot run `{program}`: is it installed?"))?;
    if !status.success() {
        bail!("`{program}` failed ({status}); {}", tail(log));
    }
    Ok(())
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` and `cargo test` say of our package is not true of what is built here, and some
    // build scripts look: ring and all behind it would be built again each time.
    for (name, _) in env::vars_os() {
        let is_of_ours = ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix));
        if is_of_ours {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs `command` and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{program}`: is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{program}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program's path, looked up as a shell does, and where an ordinary user's PATH ends too early.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The end of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let end = lines.get(from..).unwrap_or_default().join("\n");
    format!("the end of {}:\n{end}", log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shows_the_end_of_the_log_and_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");

        let script = "for i in $(seq 100); do echo line-$i; done; exit 3";
        let error = run(Command::new("sh").args(["-c", script]), &log).unwrap_err().to_string();

        assert!(error.contains("line-100") && !error.contains("line-1\n"), "{error}");
        assert!(error.contains(log.to_str().unwrap()), "{error}");
    }

    #[test]
    fn missing_program_is_named() {
        let folder = tempfile::tempdir().unwrap();

        let error = run(&mut Command::new("no-such-program"), &folder.path().join("log"));

        assert!(format!("{:#}", error.unwrap_err()).contains("no-such-program"));
    }
}
