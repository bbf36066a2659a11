//! The one shape of every error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a call was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong and what to do, for a person.
    pub message: String,
    /// The status' reason phrase.
    #[schema(example = "Bad Request")]
    pub error: String,
    /// For a program; never changes.
    #[schema(example = "validation-failed")]
    pub code: String,
    /// The call's id, also in `X-Request-Id` and in the service's log.
    pub request_id: String,
    /// For each field at fault, by its JSON path, what is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<BTreeMap<String, Vec<String>>>,
}
