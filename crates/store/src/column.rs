//! Values on their way into a statement and out of a row.

use std::error::Error;

use bytes::BytesMut;
use domain::approval::{ChangeState, ControlState};
use domain::audit::witness::WitnessState;
use domain::backup::{BackupKind, BackupState, CheckState};
use domain::credential::{Scope, TenantKind};
use domain::destruction::DestructionState;
use domain::idempotency::CallState;
use domain::ids::{
    AclChangeId, AclId, BackupId, CredentialId, EntryId, EventId, KeyId, NoticeId, PasskeyId, PersonId,
    RecoveryId, SessionId, SplitId, TenantId, UserId, VerificationId, WebhookId,
};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::notice::{MailState, NoticeKind};
use domain::person::{InvitationPurpose, PersonState, Purpose, Role, Stage};
use domain::recovery::{RecoveryFlow, RecoveryState};
use domain::review::{ReviewState, ReviewWhy};
use domain::time::Timestamp;
use domain::verification::InquiryState;
use domain::webhook::{AttemptOutcome, DeliveryState, DisabledReason, EndpointState, EventFilter};
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{ToSqlOutput, ValueRef};

/// One value as both engines know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// No value.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A truth value; an integer 0 or 1 in `SQLite`.
    Boolean(bool),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// What can be given to a statement.
pub trait ToArg {
    /// The value as the engines know it.
    fn to_arg(&self) -> Arg<'_>;
}

/// What can be read from a column.
pub trait Column: Sized {
    /// Reads the value; the error says what is wrong with it, without showing it.
    fn read(value: Arg<'_>) -> Result<Self, &'static str>;
}

impl rusqlite::ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Arg::Null => ValueRef::Null,
            Arg::Integer(value) => ValueRef::Integer(value),
            Arg::Boolean(value) => ValueRef::Integer(i64::from(value)),
            Arg::Text(value) => ValueRef::Text(value.as_bytes()),
            Arg::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

impl<'a> Arg<'a> {
    /// A column of `SQLite`.
    pub(crate) fn from_sqlite(value: ValueRef<'a>) -> Result<Self, &'static str> {
        Ok(match value {
            ValueRef::Null => Arg::Null,
            ValueRef::Integer(value) => Arg::Integer(value),
            ValueRef::Text(value) => Arg::Text(std::str::from_utf8(value).map_err(|_| "is not UTF-8")?),
            ValueRef::Blob(value) => Arg::Blob(value),
            ValueRef::Real(_) => return Err("is a floating-point number"),
        })
    }
}

impl ToSql for Arg<'_> {
    fn to_sql(&self, to: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (*self, to) {
            (Arg::Null, _) => Ok(IsNull::Yes),
            (Arg::Integer(value), &Type::INT8) => value.to_sql(to, out),
            (Arg::Boolean(value), &Type::BOOL) => value.to_sql(to, out),
            (Arg::Text(value), &Type::TEXT) => value.to_sql(to, out),
            (Arg::Blob(value), &Type::BYTEA) => value.to_sql(to, out),
            (_, other) => Err(format!("the statement wants {other} for a value of another kind").into()),
        }
    }

    fn accepts(to: &Type) -> bool {
        matches!(*to, Type::INT8 | Type::BOOL | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Arg<'a> {
    fn from_sql(from: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *from {
            Type::INT8 => Arg::Integer(i64::from_sql(from, raw)?),
            Type::BOOL => Arg::Boolean(bool::from_sql(from, raw)?),
            Type::BYTEA => Arg::Blob(<&[u8]>::from_sql(from, raw)?),
            _ => Arg::Text(<&str>::from_sql(from, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Arg::Null)
    }

    fn accepts(from: &Type) -> bool {
        matches!(*from, Type::INT8 | Type::BOOL | Type::TEXT | Type::BYTEA)
    }
}

/// Base types: how each is given and read.
macro_rules! base {
    ($($type:ty: $to:expr, $from:pat => $read:expr, $why:literal;)*) => {$(
        impl ToArg for $type {
            fn to_arg(&self) -> Arg<'_> {
                let give: fn(&Self) -> Arg<'_> = $to;
                give(self)
            }
        }
        impl Column for $type {
            fn read(value: Arg<'_>) -> Result<Self, &'static str> {
                match value { $from => Ok($read), _ => Err($why) }
            }
        }
    )*};
}

base! {
    i64: |v| Arg::Integer(*v), Arg::Integer(v) => v, "is not an integer";
    String: |v| Arg::Text(v), Arg::Text(v) => v.to_owned(), "is not a text";
    Vec<u8>: |v| Arg::Blob(v), Arg::Blob(v) => v.to_vec(), "is not a blob";
    Timestamp: |v| Arg::Integer(v.ms()), Arg::Integer(v) => Timestamp::from_ms(v), "is not an instant";
}

impl ToArg for bool {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Boolean(*self)
    }
}

impl Column for bool {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        match value {
            Arg::Boolean(value) => Ok(value),
            Arg::Integer(value @ (0 | 1)) => Ok(value == 1),
            _ => Err("is not a truth value"),
        }
    }
}

impl<const N: usize> ToArg for [u8; N] {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Blob(self)
    }
}

impl<const N: usize> Column for [u8; N] {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        match value {
            Arg::Blob(value) => value.try_into().map_err(|_| "is a blob of another length"),
            _ => Err("is not a blob"),
        }
    }
}

impl ToArg for [u8] {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Blob(self)
    }
}

impl ToArg for str {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Text(self)
    }
}

impl<T: ToArg + ?Sized> ToArg for &T {
    fn to_arg(&self) -> Arg<'_> {
        (**self).to_arg()
    }
}

impl<T: ToArg> ToArg for Option<T> {
    fn to_arg(&self) -> Arg<'_> {
        self.as_ref().map_or(Arg::Null, ToArg::to_arg)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        match value {
            Arg::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
}

/// Types that are a text with rules: given by `as_str`, read by `$read`.
macro_rules! texts {
    ($read:expr, $why:literal: $($type:ident)*) => {$(
        impl ToArg for $type {
            fn to_arg(&self) -> Arg<'_> {
                Arg::Text(self.as_str())
            }
        }
        impl Column for $type {
            fn read(value: Arg<'_>) -> Result<Self, &'static str> {
                let Arg::Text(text) = value else { return Err("is not a text") };
                let read: fn(&str) -> Option<Self> = $read;
                read(text).ok_or($why)
            }
        }
    )*};
}

texts!(|text| text.parse().ok(), "is not an id":
    TenantId UserId CredentialId KeyId BackupId RecoveryId EventId EntryId VerificationId WebhookId
    PersonId PasskeyId SessionId SplitId NoticeId AclId AclChangeId);
texts!(Self::parse, "is an unknown word":
    TenantKind KeyType KeyEnvironment KeyState InquiryState BackupKind BackupState CheckState
    RecoveryFlow RecoveryState CallState AttemptOutcome DeliveryState DisabledReason EndpointState EventFilter MailState NoticeKind
    Role PersonState Stage Purpose InvitationPurpose ControlState ChangeState ReviewState ReviewWhy
    DestructionState
    WitnessState);

/// The scopes of a credential; one column of words joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes {
    text: String,
    scopes: Vec<Scope>,
}

impl Scopes {
    /// These scopes, in this order.
    pub fn new(scopes: &[Scope]) -> Self {
        let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        Self { text: words.join(" "), scopes: scopes.to_vec() }
    }

    /// Whether `scope` is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The scopes, in their order.
    pub fn as_slice(&self) -> &[Scope] {
        &self.scopes
    }
}

impl ToArg for Scopes {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Text(&self.text)
    }
}

impl Column for Scopes {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        let Arg::Text(text) = value else { return Err("is not a text") };
        let scopes: Option<Vec<_>> =
            text.split(' ').filter(|word| !word.is_empty()).map(Scope::parse).collect();
        Ok(Self { text: text.to_owned(), scopes: scopes.ok_or("has an unknown scope")? })
    }
}
