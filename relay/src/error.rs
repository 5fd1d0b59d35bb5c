//! What a caller does about an error, and how it is shown.

use std::{error::Error, fmt};

/// Every stage's error says which of the two it is; the pipeline acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The weather: start again from the checkpoint, with back-off.
    Retry,
    /// It repeats for ever: stop, keep the position, let the exit code say why.
    Halt,
}

/// Shows an error with all its causes, in one line.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A transparent error shows the same text twice.
            if text != shown {
                write!(f, ": {text}")?;
            }
            shown = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the config file cannot be read")]
    struct Outer {
        source: std::io::Error,
    }

    #[test]
    fn chain_shows_every_cause_once() {
        let outer = Outer { source: std::io::Error::other("no such file") };

        assert_eq!(Chain(&outer).to_string(), "the config file cannot be read: no such file");
    }
}
