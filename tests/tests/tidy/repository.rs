//! A folder → its text files.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// Neither ours nor text.
const SKIPPED_FOLDERS: [&str; 4] = ["target", "corpus", "artifacts", "node_modules"];
const TEXT: [&str; 6] = ["rs", "md", "toml", "sql", "yml", "yaml"];

pub(crate) struct File {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) struct Repository {
    pub(crate) files: Vec<File>,
    /// Where links are looked up.
    pub(crate) root: PathBuf,
}

impl Repository {
    /// This one.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        assert!(files.len() > 50, "only {} files below {}", files.len(), root.display());
        Self { files, root }
    }

    /// Files for a check's own test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        Self { files, root: PathBuf::from("/nonexistent") }
    }

    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }

    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A text file that was read, or anything else that lies there.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let Some(path) = normal(path) else { return false };
        let text = path.to_string_lossy();
        let is_read = self.files.iter().any(|file| {
            file.path == text
                || file.path.strip_prefix(&*text).is_some_and(|rest| rest.starts_with('/'))
        });
        is_read || self.root.join(path).exists()
    }
}

/// `a/../b` → `b`; nothing for a path that leaves the repository.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !normal.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                normal.push(component)
            }
        }
    }
    Some(normal)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|end| TEXT.iter().any(|text| end == *text)) {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push(File { path, text });
        }
    }
}
