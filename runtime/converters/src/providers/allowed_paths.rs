use std::path::{Component, Path, PathBuf};

use tributary_api::{Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result};

const ALLOWED_PATHS: &str = "allowed.paths";

/// The folders and files that a provider may read.
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    pub(super) fn config() -> ConfigDef {
        ConfigDef::new([ConfigKey::new(ALLOWED_PATHS, ConfigType::List)
            .importance(Importance::Medium)
            .doc("Absolute paths that may be read, separated by commas; all when not given.")])
    }

    pub(super) fn new(config: &Config) -> Result<Self> {
        let paths = config.list(ALLOWED_PATHS)?;
        if paths.is_empty() {
            return Ok(Self(None));
        }
        let check = |path: &String| {
            let path = normal(Path::new(path));
            match (path.is_absolute(), path.exists()) {
                (true, true) => Ok(path),
                (false, _) => {
                    Err(Error::config_at(ALLOWED_PATHS, format!("{ALLOWED_PATHS} {} is not absolute", path.display())))
                }
                (_, false) => {
                    Err(Error::config_at(ALLOWED_PATHS, format!("{ALLOWED_PATHS} {} does not exist", path.display())))
                }
            }
        };
        paths.iter().map(check).collect::<Result<_>>().map(|paths| Self(Some(paths)))
    }

    /// The path, if it may be read. `..` in it counts before it is compared.
    pub(super) fn check(&self, path: &str) -> Result<PathBuf> {
        let path = normal(Path::new(path));
        match &self.0 {
            Some(allowed) if !allowed.iter().any(|allowed| path.starts_with(allowed)) => {
                Err(Error::config(format!("{} may not be read: add it to {ALLOWED_PATHS}", path.display())))
            }
            _ => Ok(path),
        }
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_normal() {
        assert_eq!(normal(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(normal(Path::new("/../a")), Path::new("/a"));
        assert_eq!(normal(Path::new("../a/../..")), Path::new("../.."));
    }
}
