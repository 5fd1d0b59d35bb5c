//! A figures section in `docs/benchmarks.md`: found by its markers and replaced.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use rowpost_tests::outbox;

/// Writes what was measured; sections that were not measured stay as they are.
pub(super) fn write(sections: &[(&str, String)]) -> Result<PathBuf> {
    let file = outbox::workspace().join("docs/benchmarks.md");
    let mut text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    for (name, content) in sections {
        text = replaced(&text, name, content)
            .with_context(|| format!("{} has no section `{name}`", file.display()))?;
    }
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// `None` without both markers.
fn replaced(text: &str, name: &str, content: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- figures: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n<!-- figures: memory -->\nold\n<!-- end: memory -->\n\nmore\n";

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let once = replaced(TEXT, "memory", "new\n").unwrap();

        let expected =
            "# Title\n\n<!-- figures: memory -->\n\nnew\n\n<!-- end: memory -->\n\nmore\n";
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "memory", "new").unwrap(), expected);
    }

    #[test]
    fn section_without_markers_is_not_invented() {
        assert_eq!(replaced(TEXT, "latency", "new"), None);
    }

    #[test]
    fn document_has_a_section_for_every_benchmark() {
        let file = outbox::workspace().join("docs/benchmarks.md");
        let text = fs::read_to_string(file).unwrap();

        for name in ["catch-up", "latency", "memory"] {
            assert!(replaced(&text, name, "new").is_some(), "{name}");
        }
    }
}
