//! Files, each under its tenant and the id of its backup: in a folder, or in a bucket of a store that speaks S3.
//!
//! A file is seen whole or not at all, and is on the disk before anybody is told so. A row may point at it only
//! afterwards, so that a row never points at nothing and what has no row is an orphan. The service's own files
//! are all that is listed or removed: what else lies there is left alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path as Folder, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use domain::ids::{BackupId, RecoveryId, TenantId};
use domain::limits::{BUCKET_AT_ONCE, BUCKET_RETRIES_MAX, BUCKET_RETRY_TIME, FILE_DEADLINE};
use domain::time::Timestamp;
use futures_core::Stream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::HttpConnector;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::seal::hex;

/// What one file on its way into a folder holds in memory, and a piece of one on its way into a bucket.
const PART_BYTES: u64 = 256 * 1024;

/// Stands in a package's name between its recovery and its own hash.
const OF_RECOVERY: char = '.';

/// Where files are kept.
#[derive(Clone, Debug)]
pub enum FilesAt {
    /// In this folder.
    Folder(PathBuf),
    /// In this bucket.
    Bucket(Bucket),
}

/// A bucket of a store that speaks S3, and how to speak to it.
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Scheme, host and port of the store, without the bucket; none: Amazon's own for the region.
    pub endpoint: Option<(Scheme, String)>,
    /// Its region.
    pub region: String,
    /// Who we are there.
    pub access_key: String,
    /// And how we prove it.
    pub secret_key: Zeroizing<String>,
    /// Whether the bucket stands in the path of a call instead of its host.
    pub path_style: bool,
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, endpoint, region, .. } = self;
        write!(f, "Bucket {{ {name} at {endpoint:?} in {region} }}")
    }
}

/// A file could not be kept, read, listed or removed: the store is away, full or closed to us.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct BlobError {
    doing: &'static str,
    #[source]
    cause: Cause,
}

/// Why something failed.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Names what was being done when something failed.
pub(crate) fn failed<E: Into<Cause>>(doing: &'static str) -> impl Fn(E) -> BlobError {
    move |cause| BlobError { doing, cause: cause.into() }
}

/// The store of files.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Folder(PathBuf),
    /// How many files may be on their way at once: each is in memory until it is there.
    Bucket(Arc<Semaphore>),
}

/// One file of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub tenant: TenantId,
    /// Of which backup.
    pub backup: BackupId,
}

/// The files of a store, one after another.
pub struct Listing {
    objects: Pin<Box<dyn Stream<Item = object_store::Result<ObjectMeta>> + Send>>,
}

impl Blobs {
    /// The store in a folder, which is made when it is missing, for its owner alone.
    pub fn in_folder(folder: &Folder) -> Result<Self, BlobError> {
        let store = open_folder(folder).map_err(failed("opening the folder of files"))?;
        Ok(Self { store: Arc::new(store), kind: Kind::Folder(folder.to_owned()) })
    }

    /// The store in a bucket, which must be there; `http` makes the calls. Whether it can be reached shows at the
    /// first file.
    pub fn in_bucket(bucket: &Bucket, http: impl HttpConnector) -> Result<Self, BlobError> {
        let store = open_bucket(bucket, http).map_err(failed("opening the bucket of files"))?;
        Ok(Self { store: Arc::new(store), kind: Kind::Bucket(Arc::new(Semaphore::new(BUCKET_AT_ONCE))) })
    }

    /// Keeps the first `size` bytes of `source`: when this returns, the file is there whole and durably.
    /// Cancelled or failed, it leaves nothing that anybody sees.
    pub async fn put(
        &self,
        tenant: &TenantId,
        backup: &BackupId,
        source: &Arc<File>,
        size: u64,
    ) -> Result<(), BlobError> {
        const DOING: &str = "keeping a file";
        let path = path(tenant, backup);
        let put = async {
            match &self.kind {
                Kind::Folder(_) => self.put_in_parts(&path, source, size).await,
                Kind::Bucket(sending) => {
                    let _one = sending.acquire().await.map_err(failed(DOING))?;
                    let whole = read_whole(source, size).await.map_err(failed(DOING))?;
                    self.store.put(&path, whole).await.map(drop).map_err(failed(DOING))
                }
            }
        };
        tokio::time::timeout(FILE_DEADLINE, put).await.map_err(failed(DOING))?
    }

    async fn put_in_parts(&self, path: &Path, source: &Arc<File>, size: u64) -> Result<(), BlobError> {
        let mut upload = self.store.put_multipart(path).await.map_err(failed("beginning a file"))?;
        let mut at = 0;
        while at < size {
            let length = PART_BYTES.min(size - at);
            let part = read_part(source, at, length).await.map_err(failed("reading what came"))?;
            upload.put_part(part).await.map_err(failed("writing a file"))?;
            at += length;
        }
        // Syncs the file, gives it its name, and syncs the folder.
        upload.complete().await.map(drop).map_err(failed("finishing a file"))
    }

    /// Hands a file to `take`, piece by piece; false when there is none.
    pub async fn read(
        &self,
        tenant: &TenantId,
        backup: &BackupId,
        mut take: impl FnMut(&[u8]) + Send,
    ) -> Result<bool, BlobError> {
        let found = match self.store.get(&path(tenant, backup)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(cause) => return Err(failed("reading a file")(cause)),
        };
        let mut pieces = found.into_stream();
        while let Some(piece) = poll_fn(|context| pieces.as_mut().poll_next(context)).await {
            take(&piece.map_err(failed("reading a file"))?);
        }
        Ok(true)
    }

    /// Removes a file; one that is not there is removed already.
    pub async fn remove(&self, tenant: &TenantId, backup: &BackupId) -> Result<(), BlobError> {
        self.remove_at(&path(tenant, backup)).await.map_err(failed("removing a file"))
    }

    async fn remove_at(&self, path: &Path) -> object_store::Result<()> {
        match self.store.delete(path).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            removed => removed,
        }
    }

    /// Asks whether files could be kept now, without keeping one.
    pub async fn ask(&self) -> Result<(), BlobError> {
        const DOING: &str = "asking the store of files";
        if let Kind::Folder(folder) = &self.kind {
            let found = tokio::fs::metadata(folder).await.map_err(failed(DOING))?;
            return if found.is_dir() { Ok(()) } else { Err(failed(DOING)("its folder is none")) };
        }
        // A list of what is never there: one call, which a bucket that is missing or closed to us refuses.
        let mut none = self.store.list(Some(&Path::from("readyz")));
        match poll_fn(|context| none.as_mut().poll_next(context)).await {
            Some(Err(cause)) => Err(failed(DOING)(cause)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Keeps a package of a recovery, beside others of it: two servers may pack at once, and one of them will have
    /// packed in vain. What has a recovery's name is never an orphan: it goes with its recovery.
    pub async fn put_package(
        &self,
        tenant: &TenantId,
        recovery: &RecoveryId,
        sha256: &[u8; 32],
        package: Vec<u8>,
    ) -> Result<(), BlobError> {
        let path = package_path(tenant, recovery, sha256);
        let put = self.store.put(&path, PutPayload::from(package));
        let put = tokio::time::timeout(FILE_DEADLINE, put).await.map_err(failed("keeping a package"))?;
        put.map(drop).map_err(failed("keeping a package"))
    }

    /// What lies in a package's place, which is not looked at; none when there is nothing.
    pub async fn read_package(
        &self,
        tenant: &TenantId,
        recovery: &RecoveryId,
        sha256: &[u8; 32],
    ) -> Result<Option<Vec<u8>>, BlobError> {
        const DOING: &str = "reading a package";
        match self.store.get(&package_path(tenant, recovery, sha256)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed(DOING))?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failed(DOING)(cause)),
        }
    }

    /// Removes all packages of these recoveries of a tenant, but for one; what is not there is removed already. The
    /// tenant's packages are listed once, of however many recoveries: a store lists folders, not beginnings of names.
    pub async fn remove_packages(
        &self,
        tenant: &TenantId,
        recoveries: &BTreeSet<RecoveryId>,
        but: Option<&[u8; 32]>,
    ) -> Result<(), BlobError> {
        const DOING: &str = "removing packages";
        if recoveries.is_empty() {
            return Ok(());
        }
        let but = but.map(hex);
        let mut packages = self.store.list(Some(&packages_path(tenant)));
        while let Some(package) = poll_fn(|context| packages.as_mut().poll_next(context)).await {
            let path = package.map_err(failed(DOING))?.location;
            let Some((recovery, sha256)) = path.filename().and_then(|name| name.split_once(OF_RECOVERY))
            else {
                continue;
            };
            let is_theirs = recovery.parse().is_ok_and(|recovery| recoveries.contains(&recovery));
            if is_theirs && but.as_ref().is_none_or(|but| but.as_str() != sha256) {
                self.remove_at(&path).await.map_err(failed(DOING))?;
            }
        }
        Ok(())
    }

    /// Every file of the service.
    pub fn list(&self) -> Listing {
        Listing { objects: self.store.list(None) }
    }

    /// Removes what uploads of a process that died have left half written, of backups born before that instant;
    /// says how many there were. A bucket keeps nothing half written.
    pub async fn remove_unfinished(&self, born_before: Timestamp) -> Result<usize, BlobError> {
        const DOING: &str = "sweeping files that were never finished";
        let Kind::Folder(folder) = &self.kind else { return Ok(0) };
        let folder = folder.clone();
        let is_old = move |id: &str| {
            id.parse::<BackupId>().ok().and_then(|id| id.born_at()).is_some_and(|born| born < born_before)
        };
        let swept = tokio::task::spawn_blocking(move || remove_unfinished(&folder, 1, &is_old));
        swept.await.map_err(failed(DOING))?.map_err(failed(DOING))
    }
}

impl Listing {
    /// The next file; what is not named as ours is passed over.
    pub async fn next(&mut self) -> Option<Result<Kept, BlobError>> {
        loop {
            match poll_fn(|context| self.objects.as_mut().poll_next(context)).await? {
                Ok(object) => {
                    if let Some(kept) = kept(&object.location) {
                        return Some(Ok(kept));
                    }
                }
                Err(cause) => return Some(Err(failed("listing files")(cause))),
            }
        }
    }
}

/// Removes files that lie this many folders below one and have another name than a finished one has,
/// `<id>#<number>`, as `object_store` names what it writes; those of which `is_old` says so of the id.
pub(crate) fn remove_unfinished(
    folder: &Folder,
    depth: u8,
    is_old: &dyn Fn(&str) -> bool,
) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if depth > 0 {
            if entry.file_type()?.is_dir() {
                swept += remove_unfinished(&entry.path(), depth - 1, is_old)?;
            }
        } else if entry
            .file_name()
            .to_str()
            .and_then(|name| name.split_once('#'))
            .is_some_and(|(id, _)| is_old(id))
        {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => swept += 1,
            }
        }
    }
    Ok(swept)
}

/// A folder, which is made when it is missing, for its owner alone. What is written there is durable.
pub(crate) fn open_folder(folder: &Folder) -> Result<LocalFileSystem, Cause> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all())?;
    }
    Ok(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
}

/// A bucket, to which `http` makes the calls.
pub(crate) fn open_bucket(bucket: &Bucket, http: impl HttpConnector) -> Result<AmazonS3, Cause> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_access_key_id(&bucket.access_key)
        .with_secret_access_key(bucket.secret_key.as_str())
        .with_virtual_hosted_style_request(!bucket.path_style)
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            max_retries: BUCKET_RETRIES_MAX,
            retry_timeout: BUCKET_RETRY_TIME,
            ..RetryConfig::default()
        })
        .with_http_connector(http);
    if let Some((scheme, host)) = &bucket.endpoint {
        let scheme = if *scheme == Scheme::Http { "http" } else { "https" };
        let before = if bucket.path_style { String::new() } else { format!("{}.", bucket.name) };
        builder =
            builder.with_allow_http(scheme == "http").with_endpoint(format!("{scheme}://{before}{host}"));
    }
    Ok(builder.build()?)
}

/// A whole file, in pieces: what held one large piece is not given back by every allocator, and each thread that read
/// one would keep its own.
async fn read_whole(source: &Arc<File>, size: u64) -> io::Result<PutPayload> {
    let (mut whole, mut at) = (Vec::new(), 0);
    while at < size {
        let length = PART_BYTES.min(size - at);
        whole.extend(read_part(source, at, length).await?);
        at += length;
    }
    Ok(whole.into_iter().collect())
}

/// These bytes of a file, which has them.
async fn read_part(source: &Arc<File>, at: u64, length: u64) -> io::Result<PutPayload> {
    let source = Arc::clone(source);
    let read = tokio::task::spawn_blocking(move || {
        let mut part = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        source.read_exact_at(&mut part, at)?;
        Ok(PutPayload::from(part))
    });
    read.await.map_err(io::Error::other)?
}

fn path(tenant: &TenantId, backup: &BackupId) -> Path {
    Path::from_iter([tenant.as_str(), backup.as_str()])
}

fn packages_path(tenant: &TenantId) -> Path {
    Path::from_iter([tenant.as_str(), "recoveries"])
}

fn package_path(tenant: &TenantId, recovery: &RecoveryId, sha256: &[u8; 32]) -> Path {
    packages_path(tenant).join(package_name(recovery, sha256))
}

fn package_name(recovery: &RecoveryId, sha256: &[u8; 32]) -> String {
    format!("{recovery}{OF_RECOVERY}{}", *hex(sha256))
}

fn kept(path: &Path) -> Option<Kept> {
    let mut parts = path.as_ref().split('/');
    let kept = Kept { tenant: parts.next()?.parse().ok()?, backup: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some(kept)
}

#[cfg(test)]
mod listings;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_ids_name_a_file_of_ours() {
        let (tenant, backup) =
            ("00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002");
        let found = kept(&Path::from(format!("{tenant}/{backup}"))).expect("ours");
        assert_eq!((found.tenant.as_str(), found.backup.as_str()), (tenant, backup));
        for other in [tenant, "x/y", &format!("{tenant}/{backup}/x"), &format!("{tenant}/{backup}.bak"), ""] {
            assert_eq!(kept(&Path::from(other)), None, "{other}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret_key = Zeroizing::new("the secret".to_owned());
        let (name, region, access_key) = ("b".to_owned(), "r".to_owned(), "the id".to_owned());
        let bucket = Bucket { name, endpoint: None, region, access_key, secret_key, path_style: true };
        let shown = format!("{:?}", FilesAt::Bucket(bucket));
        assert!(!shown.contains("the secret") && !shown.contains("the id"), "{shown}");
    }
}
