//! API credentials: kinds of tenant, scopes.

use crate::words::words;

words! {
    /// What a tenant is.
    TenantKind {
        /// Consumers recover for themselves.
        Retail = "retail",
        /// A wallet provider with customers of its own.
        Partner = "partner",
        /// An institution with its own wallets.
        Institution = "institution",
    }

    /// What a credential may be used for (contract 3).
    Scope {
        /// Section 4.
        Retail = "retail",
        /// Section 5.
        Partner = "partner",
        /// Section 6.
        Keys = "keys",
        /// Reading the audit log.
        Audit = "audit",
        /// Webhook endpoints.
        Webhooks = "webhooks",
        /// Reset, damage and ceremonies of the sandbox.
        Sandbox = "sandbox",
        /// Making and revoking credentials.
        Credentials = "credentials",
    }
}
