//! Where a delivery may go. A URL is looked at when it is registered and again at each try; an address only
//! after the name was resolved, since what a name points at is its owner's choice and changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Url;

use crate::limits::WEBHOOK_URL_CHARS_MAX;

/// The ports below this one belong to other services: a delivery must not speak to one of them.
const FREE_PORTS_FROM: u16 = 1_024;

/// What this installation may call.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Production: nothing without TLS.
    pub https_only: bool,
    /// Ranges that are called although they are not public.
    pub allowed: Vec<Range>,
}

/// A URL that may be called, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The whole of it, in its normal form.
    pub url: String,
    /// Over TLS?
    pub tls: bool,
    /// Whom.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// What the `Host` header says.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// Whom a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name, to be resolved.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Range {
    Range { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Range {
    Range { base: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
}

/// Not anybody's on the public network (IANA's registry of special-purpose addresses).
const SPECIAL: [Range; 20] = [
    v4(0, 0, 0, 0, 8),            // this network, unspecified
    v4(10, 0, 0, 0, 8),           // private
    v4(100, 64, 0, 0, 10),        // carriers' NAT
    v4(127, 0, 0, 0, 8),          // loopback
    v4(169, 254, 0, 0, 16),       // link-local, where clouds keep their metadata
    v4(172, 16, 0, 0, 12),        // private
    v4(192, 0, 0, 0, 24),         // protocol assignments
    v4(192, 0, 2, 0, 24),         // documentation
    v4(192, 88, 99, 0, 24),       // 6to4 relays
    v4(192, 168, 0, 0, 16),       // private
    v4(198, 18, 0, 0, 15),        // benchmarking
    v4(198, 51, 100, 0, 24),      // documentation
    v4(203, 0, 113, 0, 24),       // documentation
    v4(224, 0, 0, 0, 4),          // multicast
    v4(240, 0, 0, 0, 4),          // reserved, broadcast
    v6(0x2001, 0, 0, 23),         // protocol assignments: Teredo, benchmarking, ORCHID
    v6(0x2001, 0xdb8, 0, 32),     // documentation
    v6(0x2002, 0, 0, 16),         // 6to4, which carries an IPv4 address
    v6(0x3fff, 0, 0, 20),         // documentation
    v6(0x2620, 0x4f, 0x8000, 48), // direct delegation of AS112
];

/// All that is global unicast in IPv6. Outside of it lie loopback, unspecified, link-local, unique local and
/// multicast addresses, and those that carry an IPv4 address: mapped, compatible, NAT64.
const GLOBAL_UNICAST: Range = v6(0x2000, 0, 0, 3);

impl Range {
    /// This machine itself.
    pub const LOOPBACK: [Self; 2] =
        [v4(127, 0, 0, 0, 8), Self { base: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 }];

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be ranges such as 10.0.0.0/8, separated by commas";
        let (base, prefix) = text.split_once('/').ok_or(FORM)?;
        let base: IpAddr = base.parse().map_err(|_| FORM)?;
        let prefix = prefix.parse().map_err(|_| FORM)?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        if prefix > widest { Err(FORM) } else { Ok(Self { base, prefix }) }
    }
}

impl Targets {
    /// Whether this address is called: one of the public network, or one that the settings allow.
    pub fn permit(&self, address: IpAddr) -> bool {
        let public = (address.is_ipv4() || GLOBAL_UNICAST.contains(address))
            && !SPECIAL.iter().any(|range| range.contains(address));
        public || self.allowed.iter().any(|range| range.contains(address))
    }

    /// The target of a URL; the error says what is wrong with it.
    pub fn read(&self, text: &str) -> Result<Target, &'static str> {
        if text.len() > WEBHOOK_URL_CHARS_MAX {
            return Err("must have at most 2048 characters");
        }
        // What a lenient reader would drop or turn is refused: two readers might disagree on what is left.
        if text.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
            return Err("must not contain white space, control characters or backslashes");
        }
        let url = Url::parse(text).map_err(|_| "must be a URL")?;
        let tls = match url.scheme() {
            "https" => true,
            "http" if !self.https_only => false,
            _ if self.https_only => return Err("must begin with https://"),
            _ => return Err("must begin with https:// or http://"),
        };
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') && has_userinfo(text)
        {
            return Err("must not contain a user or a password");
        }
        if url.fragment().is_some() {
            return Err("must not contain a fragment");
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if url.port().is_some_and(|port| port < FREE_PORTS_FROM) {
            return Err("must name no port, or one from 1024 on");
        }
        let host = self.host(&url)?;
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        Ok(Target { tls, host, port, authority, path, url: url.into() })
    }

    fn host(&self, url: &Url) -> Result<Host, &'static str> {
        const NOT_CALLED: &str = "must not lead to an address that is not public";
        let host = match url.host() {
            Some(url::Host::Ipv4(address)) => Host::Address(address.into()),
            Some(url::Host::Ipv6(address)) => Host::Address(address.into()),
            Some(url::Host::Domain(name)) if !name.is_empty() => Host::Name(name.to_owned()),
            _ => return Err("must name a host"),
        };
        let is_permitted = match &host {
            Host::Address(address) => self.permit(*address),
            Host::Name(name) => {
                let name = name.trim_end_matches('.');
                let is_local = name == "localhost" || name.ends_with(".localhost");
                !is_local || self.permit(Ipv4Addr::LOCALHOST.into())
            }
        };
        if is_permitted { Ok(host) } else { Err(NOT_CALLED) }
    }
}

/// Whether the part before the path has an `@`, even with nothing before it.
fn has_userinfo(text: &str) -> bool {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests;
