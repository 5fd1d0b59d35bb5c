//! A process → the memory and CPU time it uses, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

use crate::process::ProcessId;

/// Resident memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidentBytes {
    pub now: u64,
    /// The most there ever was.
    pub peak: u64,
}

/// What the kernel counts as resident, shared pages included.
pub fn resident_bytes(process: ProcessId) -> Result<ResidentBytes> {
    let text = fs::read_to_string(format!("/proc/{}/status", process.pid))
        .context("the process is gone")?;
    Ok(ResidentBytes { now: kibibytes(&text, "VmRSS:")?, peak: kibibytes(&text, "VmHWM:")? })
}

/// CPU time in user and system mode since the process began.
pub fn cpu_seconds(process: ProcessId) -> Result<f64> {
    let text =
        fs::read_to_string(format!("/proc/{}/stat", process.pid)).context("the process is gone")?;
    let ticks = cpu_ticks(&text).context("cannot understand /proc/<pid>/stat")?;
    // SERVER: proc(5): counted in clock ticks, of which Linux shows programs 100 a second.
    Ok(f64::from(ticks) / 100.0)
}

fn kibibytes(status: &str, field: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: u64 = number.with_context(|| format!("no {field} in the status"))?.parse()?;
    Ok(kibibytes * 1024)
}

/// Fields 14 and 15; the second field is a name that may hold blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 120 30 0 0 20 0 1 0 999 0 0";

        assert_eq!(cpu_ticks(stat), Some(150));
    }

    #[test]
    fn own_process_uses_memory_and_time() {
        let own = ProcessId::of(std::process::id()).unwrap();

        let resident = resident_bytes(own).unwrap();

        assert!(resident.now > 100 * 1024 && resident.peak >= resident.now, "{resident:?}");
        assert!(cpu_seconds(own).unwrap() >= 0.0);
    }
}
