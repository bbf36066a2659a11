//! What partners and institutions do alike with what is stored: one method per call, below each one's own path.

/// Writes the calls below `$base` as methods of `$group`.
macro_rules! stored_calls {
    ($group:ident, $base:literal) => {
        impl $group<'_> {
            /// One page of keys, newest first; superseded ones too.
            pub async fn list_keys(self, filter: &KeyList) -> Result<KeyPage, Error> {
                let call = Call::get(concat!($base, "keys"))
                    .query("user_identifier", filter.user_identifier.as_ref())
                    .query("customer_id", filter.customer_id.as_ref())
                    .query("package_id", filter.package_id.as_ref())
                    .query("status", filter.status.as_ref())
                    .query("key_environment", filter.key_environment.as_ref())
                    .query("limit", filter.limit)
                    .query("cursor", filter.cursor.as_ref());
                self.client.call(call).await
            }

            /// One key, and what was done to it.
            pub async fn read_key(self, key_id: &str) -> Result<KeyDetails, Error> {
                self.client.call(Call::get(format!(concat!($base, "keys/{}"), part(key_id)?))).await
            }

            /// Puts a new key in the place of one; its backups move to the new one.
            pub async fn rotate_key(
                self,
                key_id: &str,
                request: &RotateKeyRequest,
            ) -> Result<RotateKeyResponse, Error> {
                let path = format!(concat!($base, "keys/{}/rotate"), part(key_id)?);
                self.client.call(Call::post(path, request)).await
            }

            /// Stores one encrypted file of 1 byte to 10 MiB, encrypted by the caller: the service adds no encryption.
            /// The service knows a repeat.
            pub async fn store_file(
                self,
                public_key: &str,
                file: Vec<u8>,
                metadata: Option<&Map<String, Value>>,
            ) -> Result<StoreFileResponse, Error> {
                check_key_form(public_key)?;
                let sha256 = sha256(&file);
                let (content_type, form) = form_of(public_key, file, metadata)?;
                let call = Call::post_form(concat!($base, "secure/file"), content_type, form);
                let stored: StoreFileResponse = self.client.call(call).await?;
                if stored.sha256 == sha256 { Ok(stored) } else { Err(Error::NotAsSent) }
            }

            /// One page of backups, newest first; never their ciphertext.
            pub async fn list_backups(self, filter: &BackupList) -> Result<BackupPage, Error> {
                let call = Call::get(concat!($base, "backups"))
                    .query("user_identifier", filter.user_identifier.as_ref())
                    .query("key_id", filter.key_id.as_ref())
                    .query("customer_id", filter.customer_id.as_ref())
                    .query("package_id", filter.package_id.as_ref())
                    .query("status", filter.status.as_ref())
                    .query("backup_type", filter.backup_type.as_ref())
                    .query("limit", filter.limit)
                    .query("cursor", filter.cursor.as_ref());
                self.client.call(call).await
            }

            /// What is known about a backup.
            pub async fn read_backup(self, backup_id: &str) -> Result<BackupShown, Error> {
                self.client.call(Call::get(format!(concat!($base, "backups/{}"), part(backup_id)?))).await
            }

            /// Asks for a backup's deletion, in 30 days.
            pub async fn delete_backup(self, backup_id: &str) -> Result<DeleteResponse, Error> {
                self.client.call(Call::delete(format!(concat!($base, "backups/{}"), part(backup_id)?))).await
            }

            /// Takes a deletion back.
            pub async fn restore_backup(self, backup_id: &str) -> Result<BackupShown, Error> {
                let path = format!(concat!($base, "backups/{}/restore"), part(backup_id)?);
                self.client.call(Call::act(path)).await
            }
        }
    };
}
pub(crate) use stored_calls;
