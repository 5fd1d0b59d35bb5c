//! The command itself: both sides looked at, the result printed.

use std::io::{self, Write};

use super::{Check, Verdict, render, worst};
use crate::{cli::CheckFormat, config::Config, failure::Failure, publish, source};

/// Something failed; what was printed says the rest.
#[derive(Debug, thiserror::Error)]
#[error("the relay would not run: see the checks that failed")]
pub struct CheckFailed;

/// Looks at both sides at the same time.
pub async fn collect(config: &Config, settings: publish::Settings) -> Vec<Check> {
    let kafka = tokio::task::spawn_blocking(move || publish::preflight(&settings));
    let mut checks = source::preflight(config).await;
    match kafka.await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(Check::failed("kafka", format!("the check broke off: {error}"))),
    }
    checks
}

/// Prints, and fails if something has failed.
pub fn conclude(
    checks: &[Check],
    format: CheckFormat,
    mut output: impl Write,
) -> Result<(), Failure> {
    match format {
        CheckFormat::Table => output.write_all(render(checks).as_bytes())?,
        CheckFormat::Json => {
            serde_json::to_writer_pretty(&mut output, checks).map_err(io::Error::from)?;
            writeln!(output)?;
        }
    }
    match worst(checks) {
        Verdict::Ok | Verdict::Warning => Ok(()),
        Verdict::Failed => Err(CheckFailed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    #[test]
    fn warnings_end_well_and_failures_do_not() {
        let warned = [Check::ok("a", "b"), Check::warning("c", "d", "e")];
        conclude(&warned, CheckFormat::Table, io::sink()).unwrap();

        let failed = [Check::failed("a", "b"), Check::ok("c", "d")];
        let failure = conclude(&failed, CheckFormat::Table, io::sink()).unwrap_err();
        assert_eq!(ExitCode::from(&failure), ExitCode::Unavailable);
    }

    #[test]
    fn json_has_one_object_for_each_check() {
        let mut output = Vec::new();

        conclude(&[Check::ok("gtid_mode", "ON")], CheckFormat::Json, &mut output).unwrap();

        let checks: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(checks[0]["name"], "gtid_mode");
        assert_eq!(checks[0]["verdict"], "ok");
        assert_eq!(checks[0].get("repair"), None);
    }
}
