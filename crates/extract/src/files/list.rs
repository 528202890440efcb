//! Which files there are.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use promptlake_model::SavedFile;

use super::FilesSource;
use crate::ExtractError;

/// How a file is to be read, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileForm {
    /// Lines, or one document.
    pub(crate) lines: bool,
    /// Compressed.
    pub(crate) gzip: bool,
}

impl FileForm {
    /// By the extension: `json`, `ndjson`, `jsonl`, each also with `gz` behind it, in upper or lower case; `None`
    /// for all others.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = path.to_ascii_lowercase();
        let (name, gzip) = path.strip_suffix(".gz").map_or((path.as_str(), false), |name| (name, true));
        let (stem, extension) = name.rsplit('/').next()?.rsplit_once('.')?;
        match extension {
            _ if stem.is_empty() => None,
            "json" => Some(Self { lines: false, gzip }),
            "ndjson" | "jsonl" => Some(Self { lines: true, gzip }),
            _ => None,
        }
    }
}

impl FilesSource {
    /// The files of the source, sorted by path. Others in the folder are passed over.
    pub async fn list(&self) -> Result<Vec<SavedFile>, ExtractError> {
        let root = &self.settings.root;
        let unlisted = |source| ExtractError::ListFiles { root: root.to_string(), source };
        if let Some(name) = self.only_file() {
            let meta = self.settings.store.head(root).await.map_err(unlisted)?;
            return Ok(vec![saved_file(name, &meta)]);
        }
        let found = self.settings.store.list(Some(root)).try_filter_map(|meta| {
            let path = below(root, &meta.location).filter(|path| FileForm::of(path).is_some());
            std::future::ready(Ok(path.map(|path| saved_file(path, &meta))))
        });
        let mut files: Vec<SavedFile> = found.try_collect().await.map_err(unlisted)?;
        files.sort();
        Ok(files)
    }

    /// Where a file lies in the store.
    pub(crate) fn location(&self, path: &str) -> Path {
        let root = &self.settings.root;
        if self.only_file().is_some() {
            return root.clone();
        }
        Path::parse(format!("{root}/{path}")).unwrap_or_else(|_| root.clone())
    }

    /// The name of the file, where the source is one.
    fn only_file(&self) -> Option<String> {
        let name = self.settings.root.filename()?;
        FileForm::of(name).map(|_| name.to_owned())
    }
}

/// This version of a file. A store without tags is trusted to change size or time.
pub(crate) fn saved_file(path: String, meta: &ObjectMeta) -> SavedFile {
    let by_time = || format!("{:x}-{:x}", meta.size, meta.last_modified.timestamp_micros());
    SavedFile { path, bytes: meta.size, etag: meta.e_tag.clone().unwrap_or_else(by_time) }
}

fn below(root: &Path, location: &Path) -> Option<String> {
    let parts: Vec<_> = location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_name() {
        let form = |lines, gzip| Some(FileForm { lines, gzip });
        for (path, right) in [
            ("a.json", form(false, false)),
            ("x/a.JSON.GZ", form(false, true)),
            ("x/a.ndjson", form(true, false)),
            ("a.jsonl.gz", form(true, true)),
            ("a.json.bak", None),
            ("json", None),
            (".json", None),
            ("x.json/readme", None),
            ("a.gz", None),
            ("a.csv", None),
        ] {
            assert_eq!(FileForm::of(path), right, "{path}");
        }
    }
}
