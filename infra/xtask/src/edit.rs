//! Changes to several files that happen together or not at all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Files as they are going to be, by path from the repository's root.
pub struct Edits<'a> {
    root: &'a Path,
    files: BTreeMap<PathBuf, String>,
}

impl<'a> Edits<'a> {
    pub fn new(root: &'a Path) -> Self {
        Self { root, files: BTreeMap::new() }
    }

    /// A new file.
    ///
    /// # Errors
    /// When it exists.
    pub fn create(&mut self, path: impl Into<PathBuf>, text: String) -> anyhow::Result<()> {
        let path = path.into();
        if self.root.join(&path).exists() {
            bail!("{} exists already", path.display());
        }
        self.files.insert(path, text);
        Ok(())
    }

    /// Puts `text` before the first line that contains `marker`.
    ///
    /// # Errors
    /// When no line does.
    pub fn insert_before(&mut self, path: &str, marker: &str, text: &str) -> anyhow::Result<()> {
        let old = match self.files.remove(Path::new(path)) {
            Some(old) => old,
            None => fs::read_to_string(self.root.join(path)).with_context(|| path.to_owned())?,
        };
        let marked =
            old.find(marker).with_context(|| format!("{path} has no line with `{marker}`"))?;
        let line = old[..marked].rfind('\n').map_or(0, |newline| newline + 1);
        self.files.insert(path.into(), format!("{}{text}{}", &old[..line], &old[line..]));
        Ok(())
    }

    /// Writes all of them and says so.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn apply(self) -> anyhow::Result<()> {
        for (path, text) in self.files {
            let target = self.root.join(&path);
            let verb = if target.exists() { "changed" } else { "created" };
            if let Some(directory) = target.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(&target, text).with_context(|| path.display().to_string())?;
            println!("{verb} {}", path.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_whole_lines_before_the_marker() {
        let root = Path::new("/nonexistent");
        let mut edits = Edits::new(root);
        edits.files.insert("list".into(), "a\n  # here\nb\n".into());
        edits.insert_before("list", "# here", "x\n").unwrap();
        edits.insert_before("list", "# here", "y\n").unwrap();
        assert_eq!(edits.files[Path::new("list")], "a\nx\ny\n  # here\nb\n");
    }

    #[test]
    fn says_which_marker_is_missing() {
        let mut edits = Edits::new(Path::new("/nonexistent"));
        edits.files.insert("list".into(), "a\n".into());
        let error = edits.insert_before("list", "# here", "x\n").unwrap_err();
        assert_eq!(error.to_string(), "list has no line with `# here`");
    }
}
