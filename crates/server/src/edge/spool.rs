//! Where an upload waits until it is known to be whole: a file without a name, which is gone with the last who
//! holds it, whatever becomes of this process.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::io::AsyncWriteExt as _;

/// What one upload gathers before it is written, bytes.
const GATHERED_BYTES: usize = 64 * 1024;

/// The folder of uploads.
#[derive(Clone, Debug)]
pub struct SpoolFolder(PathBuf);

/// An upload on its way in.
pub struct Spool {
    file: tokio::fs::File,
    digest: Context,
    size: u64,
}

/// An upload that is there whole.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// Its bytes.
    pub file: Arc<File>,
    /// How many.
    pub size: u64,
    /// Their digest.
    pub sha256: [u8; 32],
}

impl SpoolFolder {
    /// This folder, made when it is missing, for its owner alone.
    pub fn at(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    /// Begins an upload.
    pub async fn begin(&self) -> io::Result<Spool> {
        let folder = self.0.clone();
        let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder));
        let mut file = tokio::fs::File::from_std(made.await.map_err(io::Error::other)??);
        file.set_max_buf_size(GATHERED_BYTES);
        Ok(Spool { file, digest: Context::new(&SHA256), size: 0 })
    }
}

impl Spool {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// How many have come.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends it.
    pub async fn finish(mut self) -> io::Result<Spooled> {
        self.file.flush().await?;
        let mut sha256 = [0; 32];
        // SHA-256 is as long as the array.
        sha256.copy_from_slice(self.digest.finish().as_ref());
        Ok(Spooled { file: Arc::new(self.file.into_std().await), size: self.size, sha256 })
    }
}
