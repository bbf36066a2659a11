//! A store of shares of sealed private keys, beside the database: a folder, or a bucket.
//!
//! What lies there is named by tenant, key and splitting, and holds all shares of that splitting that this store has.
//! It is seen whole or not at all, and is durable before anybody is told so; a row may name its splitting only
//! afterwards, so that a row never points at nothing and what no row names is an orphan.

use std::future::poll_fn;
use std::path::{Path as Folder, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{KeyId, SplitId, TenantId};
use domain::limits::{SHARES_READ_MAX, SHARES_WRITE_MAX};
use domain::time::Timestamp;
use futures_core::Stream;
use object_store::client::HttpConnector;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::blob::{BlobError, Bucket, failed, open_bucket, open_folder, remove_unfinished};

/// One store.
#[derive(Clone)]
pub struct ShareStore {
    name: String,
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

/// What the shares of one splitting are named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharesOf {
    /// Whose key it is.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// The splitting.
    pub split: SplitId,
}

/// What is in a store, one after another.
pub struct ShareListing {
    objects: Pin<Box<dyn Stream<Item = object_store::Result<ObjectMeta>> + Send>>,
}

impl ShareStore {
    /// The store in a folder, which is made when it is missing, for its owner alone.
    pub fn in_folder(folder: &Folder) -> Result<Self, BlobError> {
        let store = open_folder(folder).map_err(failed("opening a folder of key shares"))?;
        let (name, folder) = (folder.display().to_string(), Some(folder.to_owned()));
        Ok(Self { name, store: Arc::new(store.with_automatic_cleanup(true)), folder })
    }

    /// The store below a prefix of a bucket, which must be there; `http` makes the calls. Whether it can be reached
    /// shows at the first call.
    pub fn in_bucket(bucket: &Bucket, prefix: &str, http: impl HttpConnector) -> Result<Self, BlobError> {
        let store = open_bucket(bucket, http).map_err(failed("opening a bucket of key shares"))?;
        let store = PrefixStore::new(store, prefix);
        Ok(Self { name: format!("s3://{}/{prefix}", bucket.name), store: Arc::new(store), folder: None })
    }

    /// What it is called in settings and logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps shares: when this returns they are there, whole and durably.
    pub async fn put(&self, of: &SharesOf, shares: Vec<u8>) -> Result<(), BlobError> {
        const DOING: &str = "keeping key shares";
        let path = of.path();
        let put = self.store.put(&path, PutPayload::from(shares));
        in_time(SHARES_WRITE_MAX, put, DOING).await?.map(drop).map_err(failed(DOING))
    }

    /// The shares that are kept; none when there are none.
    pub async fn read(&self, of: &SharesOf) -> Result<Option<Vec<u8>>, BlobError> {
        const DOING: &str = "reading key shares";
        let path = of.path();
        let read = async {
            match self.store.get(&path).await {
                Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(cause) => Err(cause),
            }
        };
        in_time(SHARES_READ_MAX, read, DOING).await?.map_err(failed(DOING))
    }

    /// Removes shares; what is not there is removed already.
    pub async fn remove(&self, of: &SharesOf) -> Result<(), BlobError> {
        match self.store.delete(&of.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(failed("removing key shares")(cause)),
        }
    }

    /// Removes the shares of every splitting of a key.
    pub async fn remove_all(&self, tenant: &TenantId, key: &KeyId) -> Result<(), BlobError> {
        let below = Path::from_iter([tenant.as_str(), key.as_str()]);
        let mut listing = ShareListing { objects: self.store.list(Some(&below)) };
        while let Some(of) = listing.next().await {
            self.remove(&of?).await?;
        }
        Ok(())
    }

    /// Asks whether shares could be kept now, without keeping any.
    pub async fn ask(&self) -> Result<(), BlobError> {
        const DOING: &str = "asking a store of key shares";
        if let Some(folder) = &self.folder {
            let found = tokio::fs::metadata(folder).await.map_err(failed(DOING))?;
            return if found.is_dir() { Ok(()) } else { Err(failed(DOING)("its folder is none")) };
        }
        // A list of what is never there: one call, which a bucket that is missing or closed to us refuses.
        let mut none = self.store.list(Some(&Path::from("readyz")));
        let first = poll_fn(|context| none.as_mut().poll_next(context));
        match in_time(SHARES_READ_MAX, first, DOING).await? {
            Some(Err(cause)) => Err(failed(DOING)(cause)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Everything of the service that is kept.
    pub fn list(&self) -> ShareListing {
        ShareListing { objects: self.store.list(None) }
    }

    /// Removes what a process that died has left half written, of splittings born before that instant; says how much
    /// it was. A bucket keeps nothing half written.
    pub async fn remove_unfinished(&self, born_before: Timestamp) -> Result<usize, BlobError> {
        const DOING: &str = "sweeping key shares that were never finished";
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let is_old = move |id: &str| {
            id.parse::<SplitId>().ok().and_then(|id| id.born_at()).is_some_and(|born| born < born_before)
        };
        let swept = tokio::task::spawn_blocking(move || remove_unfinished(&folder, 2, &is_old));
        swept.await.map_err(failed(DOING))?.map_err(failed(DOING))
    }
}

/// A store that does not answer must not hold up what another has, too.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = T>,
    doing: &'static str,
) -> Result<T, BlobError> {
    tokio::time::timeout(limit, work).await.map_err(failed(doing))
}

impl SharesOf {
    fn path(&self) -> Path {
        Path::from_iter([self.tenant.as_str(), self.key.as_str(), self.split.as_str()])
    }

    fn read(path: &Path) -> Option<Self> {
        let mut parts = path.as_ref().split('/');
        let tenant = parts.next()?.parse().ok()?;
        let (key, split) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { tenant, key, split })
    }
}

impl ShareListing {
    /// The next; what is not named as ours is passed over.
    pub async fn next(&mut self) -> Option<Result<SharesOf, BlobError>> {
        loop {
            match poll_fn(|context| self.objects.as_mut().poll_next(context)).await? {
                Ok(object) => {
                    if let Some(of) = SharesOf::read(&object.location) {
                        return Some(Ok(of));
                    }
                }
                Err(cause) => return Some(Err(failed("listing key shares")(cause))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of() -> SharesOf {
        let id = |n: u8| format!("00000000-0000-7000-8000-00000000000{n}");
        SharesOf {
            tenant: id(1).parse().expect("an id"),
            key: id(2).parse().expect("an id"),
            split: id(3).parse().expect("an id"),
        }
    }

    #[tokio::test]
    async fn shares_are_kept_found_listed_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ShareStore::in_folder(&folder.path().join("shares")).expect("a store");
        assert_eq!(store.read(&of()).await.expect("reads"), None);
        store.put(&of(), vec![1, 2]).await.expect("keeps");
        store.put(&of(), vec![3]).await.expect("keeps in its place");
        assert_eq!(store.read(&of()).await.expect("reads"), Some(vec![3]));
        std::fs::write(folder.path().join("shares/readme"), "not ours").expect("writes");
        let deeper =
            folder.path().join(format!("shares/{}/{}", of().tenant, of().key)).join(of().key.as_str());
        std::fs::create_dir(&deeper).expect("makes");
        std::fs::write(deeper.join("more"), "nor this").expect("writes");
        let mut listing = store.list();
        assert_eq!(listing.next().await.expect("one").expect("lists"), of());
        assert!(listing.next().await.is_none());
        store.remove(&of()).await.expect("removes");
        store.remove(&of()).await.expect("removes what is gone");
        assert_eq!(store.read(&of()).await.expect("reads"), None);
        std::fs::remove_dir_all(&deeper).expect("removes");
        store.put(&of(), vec![4]).await.expect("keeps");
        store.remove(&of()).await.expect("removes");
        assert!(!folder.path().join("shares").join(of().tenant.as_str()).exists(), "nor an empty folder");
        store.ask().await.expect("is there");
        std::fs::remove_dir_all(folder.path().join("shares")).expect("removes");
        assert!(store.ask().await.is_err());
        std::fs::write(folder.path().join("shares"), "no folder").expect("writes");
        assert!(store.ask().await.is_err());
    }

    #[tokio::test]
    async fn all_shares_of_a_key_go_and_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ShareStore::in_folder(folder.path()).expect("a store");
        let older =
            SharesOf { split: "00000000-0000-7000-8000-000000000004".parse().expect("an id"), ..of() };
        let others = SharesOf { key: "00000000-0000-7000-8000-000000000005".parse().expect("an id"), ..of() };
        for of in [&of(), &older, &others] {
            store.put(of, vec![1]).await.expect("keeps");
        }
        store.remove_all(&of().tenant, &of().key).await.expect("removes");
        store.remove_all(&of().tenant, &of().key).await.expect("removes what is gone");
        let mut listing = store.list();
        assert_eq!(listing.next().await.expect("one").expect("lists"), others);
        assert!(listing.next().await.is_none());
    }

    #[tokio::test]
    async fn a_folder_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let shares = folder.path().join("shares");
        ShareStore::in_folder(&shares).expect("a store");
        let permissions = shares.metadata().expect("it is there").permissions();
        assert_eq!(permissions.mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ShareStore::in_folder(folder.path()).expect("a store");
        store.put(&of(), vec![1]).await.expect("keeps");
        let path = folder.path().join(of().path().as_ref());
        std::fs::remove_file(&path).expect("removes");
        // Whoever opens it waits for somebody who writes.
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("a program");
        assert!(made.success());
        assert!(store.read(&of()).await.is_err());
        // Lets go whoever waits still, without whom the test would not end.
        std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("opens");
    }

    #[tokio::test]
    async fn what_was_never_finished_is_swept_once_it_is_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ShareStore::in_folder(folder.path()).expect("a store");
        store.put(&of(), vec![1]).await.expect("keeps");
        let half = folder.path().join(format!("{}#1", of().path()));
        std::fs::write(&half, "ha").expect("writes");
        let born = of().split.born_at().expect("a time");
        assert_eq!(store.remove_unfinished(born).await.expect("sweeps"), 0);
        assert!(half.exists());
        let later = Timestamp::from_ms(born.ms() + 1);
        assert_eq!(store.remove_unfinished(later).await.expect("sweeps"), 1);
        assert!(!half.exists());
        assert_eq!(store.read(&of()).await.expect("reads"), Some(vec![1]), "what is finished stays");
    }
}
