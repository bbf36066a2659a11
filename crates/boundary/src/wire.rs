//! The encoding of messages: fields in order, nothing between them, lengths before bodies.
//!
//! Integers are big-endian. Text and bytes have a 32-bit length in front, lists a 32-bit count, an option one
//! byte (0 or 1), an enum one tag byte. A value has exactly one encoding, and bytes left over are an error, so
//! two different encodings never mean the same.
//!
//! A frame is a 32-bit length, then that many bytes: the protocol version, then one encoded message.

use crate::Env;

/// The version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u8 = 1;

/// The largest frame either side accepts: a release of [`crate::message::RELEASE_ITEMS_MAX`] items fits.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The same of a `Package` and of its answer: [`crate::message::PACKAGE_BYTES_MAX`] fit, and all that goes with them.
pub const PACKAGE_FRAME_BYTES_MAX: usize = crate::message::PACKAGE_BYTES_MAX + FRAME_BYTES_MAX;

/// Bytes that are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed bytes on the enclave's wire")
    }
}

impl std::error::Error for Malformed {}

/// A value with exactly one encoding.
pub trait Wire: Sized {
    /// Appends the encoding to `out`.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one value from the front of `input` and moves `input` behind it.
    fn take(input: &mut &[u8]) -> Result<Self, Malformed>;

    /// The encoding, on its own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// The value that `bytes` are the whole encoding of.
    fn from_bytes(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let value = Self::take(&mut bytes)?;
        if bytes.is_empty() { Ok(value) } else { Err(Malformed) }
    }
}

/// The frame that carries `message`.
pub fn frame<M: Wire>(message: &M) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, PROTOCOL_VERSION];
    message.put(&mut out);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// How many bytes follow a frame's four bytes of length.
pub fn frame_length(prefix: [u8; 4]) -> Result<usize, Malformed> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| Malformed)?;
    if (1..=PACKAGE_FRAME_BYTES_MAX).contains(&length) { Ok(length) } else { Err(Malformed) }
}

/// Whether a frame's body begins as a `Package`, or its answer, does: nothing else may be larger than
/// [`FRAME_BYTES_MAX`].
pub fn is_package(body: &[u8]) -> bool {
    body.starts_with(&[PROTOCOL_VERSION, 20])
}

/// The message inside a frame's body (everything after the length).
pub fn unframe<M: Wire>(body: &[u8]) -> Result<M, Malformed> {
    match body.split_first() {
        _ if body.len() > FRAME_BYTES_MAX && !is_package(body) => Err(Malformed),
        Some((&PROTOCOL_VERSION, message)) => M::from_bytes(message),
        _ => Err(Malformed),
    }
}

fn split<'a>(input: &mut &'a [u8], at: usize) -> Result<&'a [u8], Malformed> {
    let (head, tail) = input.split_at_checked(at).ok_or(Malformed)?;
    *input = tail;
    Ok(head)
}

/// Adds parts to what is to be hashed or authenticated, each behind its length in eight bytes: other parts never make the
/// same bytes.
pub fn put_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    // A body beyond 4 GiB cannot be built: the frame limit is three orders below.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn take_length(input: &mut &[u8]) -> Result<usize, Malformed> {
    usize::try_from(u32::take(input)?).map_err(|_| Malformed)
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
                <[u8; size_of::<$type>()]>::take(input).map(<$type>::from_be_bytes)
            }
        }
    )*};
}
integers!(u32 u64 i64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        [false, true].get(usize::from(take_tag(input)?)).copied().ok_or(Malformed)
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        split(input, N)?.try_into().map_err(|_| Malformed)
    }
}

impl Wire for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self);
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let length = take_length(input)?;
        Ok(split(input, length)?.to_vec())
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let length = take_length(input)?;
        std::str::from_utf8(split(input, length)?).map(str::to_owned).map_err(|_| Malformed)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        if bool::take(input)? { T::take(input).map(Some) } else { Ok(None) }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for value in self {
            value.put(out);
        }
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        // The count is a stranger's word: nothing is reserved for it. Every element takes at least a byte.
        let count = take_length(input)?;
        if count > input.len() {
            return Err(Malformed);
        }
        (0..count).map(|_| T::take(input)).collect()
    }
}

impl Wire for Env {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(if *self == Self::Production { 1 } else { 2 });
    }
    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let at = usize::from(take_tag(input)?).checked_sub(1).ok_or(Malformed)?;
        Self::ALL.get(at).copied().ok_or(Malformed)
    }
}

/// Reads an enum's tag byte.
pub fn take_tag(input: &mut &[u8]) -> Result<u8, Malformed> {
    <[u8; 1]>::take(input).map(|[tag]| tag)
}

/// Declares structs whose encoding is their fields in order. What stands behind
/// `each`, before them, is put to all of them.
#[macro_export]
macro_rules! wire_struct {
    (each #[$all:meta]; $($(#[$doc:meta])* pub struct $name:ident $fields:tt)*) => {
        $crate::wire_struct! { $($(#[$doc])* #[$all] pub struct $name $fields)* }
    };
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let _ = &out;
                $($crate::wire::Wire::put(&self.$field, out);)*
            }
            fn take(input: &mut &[u8]) -> Result<Self, $crate::wire::Malformed> {
                let _ = &input;
                Ok(Self { $($field: $crate::wire::Wire::take(input)?,)* })
            }
        }
    )*};
}

/// Declares enums whose encoding is a tag byte, then the variant's one value if it has one.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$vdoc:meta])* $tag:literal = $variant:ident $(($type:ty))?,)*
    }) => {
        $(#[$doc])*
        pub enum $name { $($(#[$vdoc])* $variant $(($type))?,)* }

        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($crate::wire_enum!(@pattern value $name $variant $($type)?) => {
                        out.push($tag);
                        $($crate::wire_enum!(@put value out $type);)?
                    })*
                }
            }
            fn take(input: &mut &[u8]) -> Result<Self, $crate::wire::Malformed> {
                match $crate::wire::take_tag(input)? {
                    $($tag => Ok(Self::$variant $((<$type as $crate::wire::Wire>::take(input)?))?),)*
                    _ => Err($crate::wire::Malformed),
                }
            }
        }
    };
    (@pattern $value:ident $name:ident $variant:ident) => { $name::$variant };
    (@pattern $value:ident $name:ident $variant:ident $type:ty) => { $name::$variant($value) };
    (@put $value:ident $out:ident $type:ty) => { $crate::wire::Wire::put($value, $out) };
}

pub use {wire_enum, wire_struct};

#[cfg(test)]
mod tests {
    use super::*;

    wire_struct! {
        each #[derive(Debug, PartialEq)];

        /// A sample.
        pub struct Sample {
            /// Text.
            pub name: String,
            /// An option.
            pub size: Option<u32>,
            /// Lists.
            pub parts: Vec<Vec<u8>>,
        }
    }
    wire_enum! {
        /// A sample.
        #[derive(Debug, PartialEq)]
        pub enum Choice {
            /// Without a value.
            1 = Plain,
            /// With one.
            2 = Loaded(Sample),
        }
    }

    fn sample() -> Sample {
        Sample { name: "é".into(), size: Some(7), parts: vec![vec![], vec![1, 2]] }
    }

    #[test]
    fn encoding_is_pinned_and_reads_back() {
        let bytes = Choice::Loaded(sample()).to_bytes();
        assert_eq!(bytes, b"\x02\0\0\0\x02\xc3\xa9\x01\0\0\0\x07\0\0\0\x02\0\0\0\0\0\0\0\x02\x01\x02");
        assert_eq!(Choice::from_bytes(&bytes), Ok(Choice::Loaded(sample())));
        assert_eq!(Choice::from_bytes(&[1]), Ok(Choice::Plain));
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let bytes = Choice::Loaded(sample()).to_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Choice::from_bytes(&bytes[..end]), Err(Malformed), "cut at {end}");
        }
        assert_eq!(Choice::from_bytes(&[bytes, vec![0]].concat()), Err(Malformed));
        assert_eq!(Choice::from_bytes(&[9]), Err(Malformed));
    }

    #[test]
    fn a_claimed_count_reserves_nothing() {
        assert_eq!(Vec::<Vec<u8>>::from_bytes(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), Err(Malformed));
    }

    #[test]
    fn frames_hold_one_message_of_this_version() {
        let bytes = frame(&Choice::Plain);
        assert_eq!(bytes, [0, 0, 0, 2, PROTOCOL_VERSION, 1]);
        assert_eq!(frame_length([0, 0, 0, 2]), Ok(2));
        assert_eq!(unframe(&bytes[4..]), Ok(Choice::Plain));
        assert_eq!(unframe::<Choice>(&[PROTOCOL_VERSION + 1, 1]), Err(Malformed));
        assert_eq!(frame_length([0; 4]), Err(Malformed));
        assert_eq!(frame_length([0xff; 4]), Err(Malformed));
        let large = frame(&Choice::Loaded(Sample { name: "x".repeat(FRAME_BYTES_MAX), ..sample() }));
        assert_eq!(unframe::<Choice>(&large[4..]), Err(Malformed));
        assert!(is_package(&[PROTOCOL_VERSION, 20, 0]) && !is_package(&large[4..]) && !is_package(&[20]));
    }
}
