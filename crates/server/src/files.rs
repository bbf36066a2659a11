//! The files that tenants store, and the disk that they wait on until they are whole.

use std::error::Error;
use std::time::Duration;

use domain::time::Timestamp;
use store::blob::{Blobs, FilesAt, Scheme};
use tokio::sync::Mutex;

use crate::config::Settings;
use crate::edge::bucket::BucketHttp;
use crate::edge::spool::SpoolFolder;

/// How long an answer of the store counts: whoever watches the process may ask often, and a bucket costs by the call.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where files go.
pub struct Files {
    /// Where they are kept.
    pub blobs: Blobs,
    /// Where uploads wait.
    pub uploads: SpoolFolder,
    asked: Mutex<Option<(Timestamp, bool)>>,
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
        let uploads = SpoolFolder::at(settings.data_dir.join("uploads"))?;
        Ok(Self { blobs, uploads, asked: Mutex::default() })
    }

    /// Whether the store of files answers, as of [`ASK_EVERY`] ago at most.
    pub async fn are_there(&self, now: Timestamp) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((at, there)) = *asked
            && now < at + ASK_EVERY
        {
            return there;
        }
        let there = match tokio::time::timeout(PATIENCE, self.blobs.ask()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store of files is away");
                false
            }
            Err(_) => {
                tracing::warn!("the store of files does not answer");
                false
            }
        };
        *asked = Some((now, there));
        there
    }
}
