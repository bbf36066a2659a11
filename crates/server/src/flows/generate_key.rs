//! Makes a retail customer's key, under an identity check that has not failed.

use boundary::statement::Field;
use domain::access::Deed;
use domain::key::{KeyEnvironment, KeyType};

use super::assign_key::{Asked, Assigned, Filing, bind_and_file};
use super::read_verification::find_of_user;
use super::{Ctx, Error};
use crate::app::App;

/// What a retail tenant asks for.
pub struct GenerateKey {
    /// For whom.
    pub user_identifier: String,
    /// Under which check.
    pub verification_id: String,
    /// Fields to sign beside the public key.
    pub sign_with: Vec<Field>,
}

/// Gives the user a new HOT RSA key. Each call makes another.
pub async fn generate_key(app: &App, ctx: &Ctx, command: GenerateKey) -> Result<Assigned, Error> {
    ctx.principal.permit(Deed::GenerateKey)?;
    let inquiry = find_of_user(app, ctx, &command.verification_id, &command.user_identifier).await?;
    inquiry.standing().may_store(app.windows.store, ctx.now)?;
    let asked =
        Asked { environment: KeyEnvironment::Hot, key_type: KeyType::Rsa4096, sign_with: command.sign_with };
    let filing = Filing { verification_id: Some(inquiry.verification.id), ..Filing::default() };
    bind_and_file(app, ctx, &inquiry.user, asked, filing).await
}
