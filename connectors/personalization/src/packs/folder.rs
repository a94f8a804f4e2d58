use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tributary_api::{Error, Result, read_small_file};

use super::MAX_PACKS;
use crate::rules::MAX_PACK_BYTES;

/// How often files are looked at, in milliseconds.
const LOOK_MS: i64 = 500;

/// The files of packs. A file that is being written, or replaced, is read when it has stayed the same from one look to the
/// next.
#[derive(Debug, Default)]
pub(super) struct PackFiles {
    file: Option<PathBuf>,
    folder: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    next_look: i64,
    /// What was logged last about the folder.
    error: Option<String>,
}

#[derive(Debug)]
struct Known {
    seen: Option<Stamp>,
    read: Option<Stamp>,
}

type Stamp = (SystemTime, u64);

/// What has become of a file.
#[derive(Debug)]
pub(super) enum Change {
    Text(String),
    Unreadable(Error),
    Gone,
}

impl PackFiles {
    pub(super) fn new(file: Option<PathBuf>, folder: Option<PathBuf>) -> Self {
        Self { file, folder, ..Self::default() }
    }

    /// The files that have changed. The first call returns all.
    pub(super) fn changes(&mut self, now: i64) -> Vec<(PathBuf, Change)> {
        let first = self.next_look == 0;
        if now < self.next_look || (self.file.is_none() && self.folder.is_none()) {
            return Vec::new();
        }
        self.next_look = now + LOOK_MS;
        let there = self.listed();
        let mut changes = Vec::new();
        for path in there.keys().chain(self.known.keys()).cloned().collect::<BTreeSet<_>>() {
            let stamp = there.get(&path).copied();
            let known = self.known.entry(path.clone()).or_insert(Known { seen: None, read: None });
            let settled = first || known.seen == stamp;
            known.seen = stamp;
            if !settled || known.read == stamp {
                continue;
            }
            known.read = stamp;
            let change = match stamp {
                None => Change::Gone,
                Some(_) => read(&path).map_or_else(Change::Unreadable, Change::Text),
            };
            changes.push((path, change));
        }
        self.known.retain(|_, known| known.seen.is_some() || known.read.is_some());
        changes
    }

    fn listed(&mut self) -> BTreeMap<PathBuf, Stamp> {
        let stamp = |path: PathBuf| {
            let about = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((path, (about.modified().ok()?, about.len())))
        };
        let mut there: BTreeMap<_, _> = self.file.clone().and_then(stamp).into_iter().collect();
        let Some(folder) = &self.folder else { return there };
        let error = match std::fs::read_dir(folder) {
            Ok(entries) => {
                let mut paths: Vec<PathBuf> =
                    entries.flatten().map(|entry| entry.path()).filter(|path| is_pack(path)).collect();
                paths.sort();
                there.extend(paths.into_iter().take(2 * MAX_PACKS).filter_map(stamp));
                None
            }
            Err(error) => {
                // What was read stays as it is: a folder that cannot be listed is not one without files.
                there.extend(self.known.iter().filter_map(|(path, known)| Some((path.clone(), known.seen?))));
                Some(error.to_string())
            }
        };
        if error != self.error
            && let Some(error) = &error
        {
            tracing::error!(folder = %folder.display(), %error, "cannot list the rule packs of rules.folder");
        }
        self.error = error;
        there
    }
}

/// A file name that ends in `.yaml` or `.yml`; those that begin with a dot are editors' own.
fn is_pack(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn read(path: &Path) -> Result<String> {
    let unreadable = || Error::config("the file cannot be read");
    let bytes = read_small_file(path, MAX_PACK_BYTES).map_err(|error| unreadable().cause(&error))?;
    String::from_utf8(bytes).map_err(|_| unreadable())
}
