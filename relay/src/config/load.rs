//! File, environment and flags, one over the other → a valid [`Config`].

use std::{ffi::OsString, path::Path};

use super::{
    Config, ConfigError, Flag, Problem, environment,
    file::SourceFile,
    flags, keys,
    secret::is_secret,
    tree::{Node, Origin},
    typed::{self, TypeError, TypeErrorKind},
    validate::Violation,
};

impl Config {
    /// Loads and validates; every problem that can be seen at once is reported at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &[Flag],
    ) -> Result<Self, ConfigError> {
        Self::load_without(&[], file, environment, flags).map(|(config, _)| config)
    }

    /// The same for a command that does without some required keys. Those that nobody set have the
    /// value given here, and are answered.
    pub fn load_without(
        stand_ins: &[(&'static str, &str)],
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &[Flag],
    ) -> Result<(Self, Vec<&'static str>), ConfigError> {
        let file = file.map(SourceFile::read).transpose()?;
        let mut tree = match &file {
            Some(file) => file.parse()?,
            None => Node::table(),
        };
        let environment =
            environment::read(environment).map_err(|problems| ConfigError::Invalid { problems })?;
        tree.overlay(environment);
        tree.overlay(flags::read(flags));
        let mut missing = Vec::new();
        for (key, stand_in) in stand_ins {
            if tree.get(key).is_none() {
                let path: Vec<&str> = key.split('.').collect();
                tree.insert(&path, Node::untyped(*stand_in, Origin::Default));
                missing.push(*key);
            }
        }
        let config = Layers { tree, file }.config();
        Ok((config.map_err(|problems| ConfigError::Invalid { problems })?, missing))
    }
}

/// The merged tree, and the file that its spans point into.
struct Layers {
    tree: Node,
    file: Option<SourceFile>,
}

impl Layers {
    fn config(&self) -> Result<Config, Vec<Problem>> {
        let missing: Vec<Problem> = keys::KEYS
            .iter()
            .filter(|key| key.required && self.tree.get(key.name).is_none())
            .map(|key| Problem::missing(key.name))
            .collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let config: Config =
            typed::deserialize(&self.tree).map_err(|error| vec![self.type_problem(error)])?;
        let problems: Vec<Problem> = config
            .validate()
            .into_iter()
            .map(|violation| self.violation_problem(&violation))
            .collect();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn type_problem(&self, error: TypeError) -> Problem {
        match error.kind {
            TypeErrorKind::UnknownKey { known } => {
                Problem::unknown(&error.key, known, &self.tree, self.file.as_ref())
            }
            TypeErrorKind::Missing { .. } => Problem::missing(&error.key),
            TypeErrorKind::Refused { reason } => {
                // What a key takes is said better by the table of keys than by a Rust type's name.
                // The reason of a URL is worth having; its types never put the text into it.
                let reason = Some(reason.as_str()).filter(|reason| {
                    is_secret(&error.key)
                        || !reason.starts_with("expected")
                        || keys::find(&error.key).is_none()
                });
                Problem::refused(&error.key, reason, &self.tree, self.file.as_ref())
            }
        }
    }

    fn violation_problem(&self, violation: &Violation) -> Problem {
        Problem::refused(
            &violation.key,
            violation.reason.as_deref(),
            &self.tree,
            self.file.as_ref(),
        )
    }
}
