//! What others on the machine can read of a worker's files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

use crate::target::Target;

/// Files that others could read if they could get there; the folders above see to it that they cannot.
#[tokio::test]
async fn nothing_of_the_data_folder_is_for_others() -> Result<()> {
    let mut target = Target::start().await?;
    target.holds().await?;
    let data = target.worker.folder().join("data");
    for open in [data.join("kafka"), data.join("s3"), data.clone()] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755))?;
    }
    fs::set_permissions(data.join("kafka/broker.db"), fs::Permissions::from_mode(0o644))?;
    let mut worker = target.worker;
    worker.restart().await?;
    for folder in [&data, &data.join("kafka"), &data.join("s3")] {
        assert_eq!(mode(folder)?, 0o700, "{}", folder.display());
    }
    let files = ["session.secret", "s3.credentials", "kafka/broker.db", "kafka/broker.db-wal", "kafka/broker.db-shm"];
    for file in files {
        assert_eq!(mode(&data.join(file))?, 0o600, "{file}");
    }
    Ok(())
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}
