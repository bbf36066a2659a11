//! How often a store is asked what it holds.

use std::sync::atomic::{AtomicUsize, Ordering};

use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, PutMultipartOptions, PutOptions,
    PutResult, Result,
};

use super::*;

type Many<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// A folder that counts how often it was listed.
#[derive(Debug)]
struct Counted {
    folder: LocalFileSystem,
    listings: Arc<AtomicUsize>,
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, at: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.folder.put_opts(at, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.folder.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.folder.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: Many<Path>) -> Many<Path> {
        self.folder.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> Many<ObjectMeta> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        self.folder.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.folder.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.folder.copy_opts(from, to, options).await
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u64) -> T {
    format!("00000000-0000-7000-8000-{number:012}").parse().expect("an id")
}

/// Which packages are left, by recovery and digest.
async fn left(blobs: &Blobs, tenant: &TenantId) -> Vec<(u64, u8)> {
    let mut left = Vec::new();
    for recovery in 1..=20 {
        for digest in 1..=2 {
            let found = blobs.read_package(tenant, &id(recovery), &[digest; 32]).await.expect("read");
            left.extend(found.map(|_| (recovery, digest)));
        }
    }
    left
}

#[tokio::test]
async fn packages_of_many_recoveries_go_by_one_listing() {
    let folder = tempfile::tempdir().expect("a folder");
    let listings = Arc::new(AtomicUsize::new(0));
    let counted = Counted { folder: open_folder(folder.path()).expect("opens"), listings: listings.clone() };
    let blobs = Blobs { store: Arc::new(counted), kind: Kind::Folder(folder.path().to_owned()) };
    let (tenant, other): (TenantId, TenantId) = (id(1), id(2));
    for owner in [&tenant, &other] {
        for recovery in 1..=20 {
            for digest in 1..=2 {
                let (recovery, digest) = (id(recovery), [digest; 32]);
                blobs.put_package(owner, &recovery, &digest, vec![1]).await.expect("kept");
            }
        }
    }
    let all = left(&blobs, &other).await;
    assert_eq!(all.len(), 40);
    blobs.remove_packages(&tenant, &BTreeSet::new(), None).await.expect("nothing to do");
    assert_eq!(listings.load(Ordering::Relaxed), 0);
    let ended: BTreeSet<RecoveryId> = (1..=18).map(id).collect();
    blobs.remove_packages(&tenant, &ended, None).await.expect("removed");
    assert_eq!(listings.load(Ordering::Relaxed), 1);
    assert_eq!(left(&blobs, &tenant).await, [(19, 1), (19, 2), (20, 1), (20, 2)]);
    blobs.remove_packages(&tenant, &[id(20)].into(), Some(&[2; 32])).await.expect("removed");
    assert_eq!(left(&blobs, &tenant).await, [(19, 1), (19, 2), (20, 2)]);
    assert_eq!(left(&blobs, &other).await, all, "another tenant's stay");
}
