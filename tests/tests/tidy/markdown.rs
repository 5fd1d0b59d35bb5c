//! One title per document; links lead somewhere.

use std::path::Path;

use crate::repository::{File, Repository, normal};

pub(crate) fn titles_and_links(repository: &Repository) -> Vec<String> {
    repository
        .ending(".md")
        .flat_map(|file| [titles(file), links(repository, file)].concat())
        .collect()
}

fn titles(file: &File) -> Vec<String> {
    let titles = prose(&file.text).filter(|(_, line)| line.starts_with("# ")).count();
    match titles {
        1 => Vec::new(),
        count => vec![format!("{}: {count} titles (`# `), must be one", file.path)],
    }
}

/// Lines with their numbers, without code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

fn links(repository: &Repository, file: &File) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut complaints = Vec::new();
    for (number, line) in prose(&file.text) {
        for link in targets(line) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => Path::new(&file.path).to_owned(),
                path => folder.join(path),
            };
            let complaint = if !repository.has(&target) {
                "leads nowhere"
            } else if !anchor.is_empty() && !has_heading(repository, &target, anchor) {
                "names no heading there"
            } else {
                continue;
            };
            complaints.push(format!("{}:{number}: the link `{link}` {complaint}", file.path));
        }
    }
    complaints
}

/// `](target)`, but not to the web.
fn targets(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

fn has_heading(repository: &Repository, target: &Path, anchor: &str) -> bool {
    // Only documents have headings; a line number in code is the web's business.
    let document = normal(target).and_then(|path| repository.get(&path.to_string_lossy()));
    let Some(document) = document else { return true };
    prose(&document.text)
        .filter(|(_, line)| line.starts_with('#'))
        .any(|(_, line)| slug(line.trim_start_matches('#').trim()) == anchor)
}

/// As the usual forges make it.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_title_and_missing_title_are_found() {
        let repository = Repository::of(&[
            ("two.md", "# One\n# Two\n"),
            ("none.md", "text\n```sh\n# a comment\n```\n"),
            ("fine.md", "# One\n## Part\n```sh\n# a comment\n```\n"),
        ]);

        assert_eq!(
            titles_and_links(&repository),
            ["two.md: 2 titles (`# `), must be one", "none.md: 0 titles (`# `), must be one"]
        );
    }

    #[test]
    fn broken_link_and_broken_anchor_are_found() {
        let repository = Repository::of(&[
            (
                "docs/a.md",
                "# A\n[b](b.md) [up](../c.md#two-words) [self](#a) [web](https://x.y)\n\
                 [gone](gone.md) [lost](../c.md#nowhere) [folder](../docs)\n",
            ),
            ("docs/b.md", "# B\n"),
            ("c.md", "# C\n## Two words\n"),
        ]);

        assert_eq!(
            titles_and_links(&repository),
            [
                "docs/a.md:3: the link `gone.md` leads nowhere",
                "docs/a.md:3: the link `../c.md#nowhere` names no heading there",
            ]
        );
    }
}
