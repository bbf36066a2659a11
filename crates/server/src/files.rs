//! The files that tenants store, and the disk that they wait on until they are whole.

use std::error::Error;

use store::blob::{Blobs, FilesAt, Scheme};

use crate::config::Settings;
use crate::edge::bucket::BucketHttp;
use crate::edge::spool::SpoolFolder;

/// Where files go.
pub struct Files {
    /// Where they are kept.
    pub blobs: Blobs,
    /// Where uploads wait.
    pub uploads: SpoolFolder,
}

impl Files {
    /// Opens both as the settings say. A bucket that is away shows later, call by call.
    pub fn open(settings: &Settings) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let blobs = match &settings.files {
            FilesAt::Folder(folder) => Blobs::in_folder(folder)?,
            FilesAt::Bucket(bucket) => {
                let plain = bucket.endpoint.as_ref().is_some_and(|(scheme, _)| *scheme == Scheme::Http);
                Blobs::in_bucket(bucket, BucketHttp::new(plain)?)?
            }
        };
        Ok(Self { blobs, uploads: SpoolFolder::at(settings.data_dir.join("uploads"))? })
    }
}
