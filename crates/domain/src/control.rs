//! What people do in Control, and which role may.

use crate::access::Deed;
use crate::person::Role;
use crate::words::words;

words! {
    /// Each deed of Control. Every page and every form asks by one of these.
    Act {
        /// Looking at one's own account, and changing it.
        KeepOwnAccount = "keep-own-account",
        /// Looking at the people of the tenant.
        SeeTeam = "see-team",
        /// Inviting somebody, and sending an invitation again.
        Invite = "invite",
        /// Giving somebody another role.
        ChangeRole = "change-role",
        /// Having somebody who lost his device begin anew.
        Reonboard = "reonboard",
        /// Taking somebody out.
        RemovePerson = "remove-person",
        /// Looking at keys and backups.
        SeeBackups = "see-backups",
        /// Having a key or a backup proven now.
        CheckBackup = "check-backup",
        /// Replacing a key by another.
        RotateKey = "rotate-key",
        /// Having a key destroyed: asking for it, and confirming what another one asked for.
        DestroyKey = "destroy-key",
        /// Stopping that until it is done. A member must be on the list that guards the key.
        KeepKey = "keep-key",
        /// Having a backup deleted after a time, and keeping it after all.
        DeleteBackup = "delete-backup",
        /// Looking at the lists that guard keys, and their changes.
        SeeAcls = "see-acls",
        /// Making a list.
        MakeAcl = "make-acl",
        /// Putting keys under a list.
        AttachKeys = "attach-keys",
        /// Signing who the owners are.
        SignRoster = "sign-roster",
        /// Signing the account's own policy for recoveries by its users.
        SignPolicy = "sign-policy",
        /// Proposing another version of a list.
        ProposeChange = "propose-change",
        /// Voting, on a change of a list or on a recovery.
        Vote = "vote",
        /// Looking at recoveries.
        SeeRecoveries = "see-recoveries",
        /// Asking for one, and proving who one is for it.
        RequestRecovery = "request-recovery",
        /// Getting what one asked for.
        DownloadRecovery = "download-recovery",
        /// Looking at what was put up for review.
        SeeReviews = "see-reviews",
        /// Deciding it.
        DecideReview = "decide-review",
        /// Signing beside the officer who decided.
        SecondReview = "second-review",
        /// Looking at the log, having it checked, and getting the whole of it.
        SeeLog = "see-log",
        /// Looking at credentials, webhooks, signing keys and limits.
        SeeSettings = "see-settings",
        /// Having nothing leave of the account for a time.
        Freeze = "freeze",
        /// Letting it go on before that time is over.
        Thaw = "thaw",
        /// Making and revoking credentials.
        ManageCredentials = "manage-credentials",
        /// Changing webhooks.
        ManageWebhooks = "manage-webhooks",
        /// Beginning a rehearsal anew, and what else exists in a sandbox only.
        Rehearse = "rehearse",
    }
}

const EVERYONE: &[Role] = Role::ALL;
const OWNERS: &[Role] = &[Role::Owner];
const SIGNERS: &[Role] = &[Role::Owner, Role::Member];

impl Act {
    /// Who may: the whole of the access table. Whether somebody is on a list is asked beside it.
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::KeepOwnAccount
            | Self::SeeTeam
            | Self::SeeBackups
            | Self::SeeAcls
            | Self::SeeRecoveries
            | Self::SeeReviews
            | Self::SeeLog
            | Self::SeeSettings => EVERYONE,
            Self::Invite
            | Self::ChangeRole
            | Self::Reonboard
            | Self::RemovePerson
            | Self::RotateKey
            | Self::DestroyKey
            | Self::DeleteBackup
            | Self::MakeAcl
            | Self::AttachKeys
            | Self::SignRoster
            | Self::SignPolicy
            | Self::Thaw
            | Self::ManageCredentials
            | Self::ManageWebhooks
            | Self::Rehearse => OWNERS,
            Self::CheckBackup
            | Self::KeepKey
            | Self::ProposeChange
            | Self::Vote
            | Self::RequestRecovery
            | Self::DownloadRecovery => SIGNERS,
            Self::Freeze => &[Role::Owner, Role::Member, Role::Officer],
            Self::DecideReview => &[Role::Officer],
            Self::SecondReview => &[Role::Owner, Role::Officer],
        }
    }

    /// Whether a role may.
    pub fn is_open_to(self, role: Role) -> bool {
        self.roles().contains(&role)
    }

    /// What a deed of the API is where a person does it; none: people do not.
    pub const fn of_deed(deed: Deed) -> Option<Self> {
        Some(match deed {
            Deed::ListKeys
            | Deed::ReadKey
            | Deed::ListBackups
            | Deed::ReadBackup
            | Deed::ListOwnKeys
            | Deed::ReadOwnKey
            | Deed::ListOwnBackups
            | Deed::ReadOwnBackup => Self::SeeBackups,
            Deed::VerifyKey | Deed::VerifyBackup => Self::CheckBackup,
            Deed::RotateKey | Deed::RotateOwnKey => Self::RotateKey,
            Deed::DeleteBackup | Deed::RestoreBackup | Deed::DeleteOwnBackup | Deed::RestoreOwnBackup => {
                Self::DeleteBackup
            }
            Deed::ReadAudit | Deed::ExportAudit => Self::SeeLog,
            Deed::ListCredentials
            | Deed::ReadFreeze
            | Deed::ReadIssuer
            | Deed::ListWebhooks
            | Deed::ReadWebhook
            | Deed::ListDeliveries => Self::SeeSettings,
            Deed::Freeze => Self::Freeze,
            Deed::CreateCredential | Deed::RevokeCredential => Self::ManageCredentials,
            Deed::CreateWebhook
            | Deed::UpdateWebhook
            | Deed::DeleteWebhook
            | Deed::RotateWebhookSecret
            | Deed::TestWebhook
            | Deed::Redeliver => Self::ManageWebhooks,
            Deed::ResetSandbox | Deed::RunCeremony | Deed::DamageBackup => Self::Rehearse,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_reads_and_changes_nothing_but_his_own_account() {
        let open = |role| Act::ALL.iter().copied().filter(move |act| act.is_open_to(role));
        for act in open(Role::Auditor) {
            assert!(act.as_str().starts_with("see-") || act == Act::KeepOwnAccount, "{act}");
        }
        assert!(open(Role::Officer).any(|act| act == Act::DecideReview));
        assert_eq!(
            Act::DecideReview.roles(),
            [Role::Officer],
            "who runs the account does not judge who is who"
        );
    }

    #[test]
    fn whoever_signs_needs_a_passkey() {
        let signs = [
            Act::Vote,
            Act::MakeAcl,
            Act::AttachKeys,
            Act::SignRoster,
            Act::SignPolicy,
            Act::ProposeChange,
            Act::Thaw,
        ];
        for act in signs.into_iter().chain([Act::DecideReview, Act::SecondReview]) {
            assert!(act.roles().iter().all(|role| role.needs_passkey()), "{act}");
        }
    }
}
