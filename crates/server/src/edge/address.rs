//! Whence a call comes: the connection's address, or what a trusted proxy says.

use std::net::{IpAddr, Ipv6Addr};

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    prefix_bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| *bits <= width))?;
        let prefix_bits = 128 - width + bits;
        Some(Self { base: number(address) & mask(prefix_bits), prefix_bits })
    }

    /// Whether the address lies in it.
    pub fn holds(self, address: IpAddr) -> bool {
        number(address) & mask(self.prefix_bits) == self.base
    }
}

/// An address as one number; IPv4 in its IPv6 form, so that both spellings of one address are the same.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(prefix_bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix_bits).unwrap_or(0)
}

/// The caller's address. `forwarded` is every `X-Forwarded-For`, in order, joined by commas: each proxy appends
/// the address that it saw, so what stands left of the right-most stranger may be that stranger's invention.
pub fn caller_address(peer: IpAddr, forwarded: &str, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    let mut address = peer;
    for entry in forwarded.rsplit(',') {
        if !is_trusted(address) {
            break;
        }
        match parse_entry(entry.trim()) {
            Some(next) => address = next,
            None => break,
        }
    }
    address
}

/// An address, with or without a port.
fn parse_entry(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port)
}

/// By what the rate of an address is kept: one customer commonly has 64 bits of IPv6 to choose from.
pub fn rated(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask(64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_they_say() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/8", "10.9.9.9", "::1"),
            ("fd00::/8", "fd12::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.holds(ip(inside)) && !network.holds(ip(outside)), "{network:?}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds(ip("1.2.3.4")));
        assert!(!Network::parse("0.0.0.0/0").unwrap().holds(ip("2001:db8::1")));
        for text in ["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_right_most_stranger_is_the_caller() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("::1").unwrap()];
        for (peer, forwarded, caller) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"),
            ("::1", "[2001:db8::7]:443", "2001:db8::7"),
            ("::1", "198.51.100.1:80", "198.51.100.1"),
        ] {
            assert_eq!(caller_address(ip(peer), forwarded, &trusted), ip(caller), "{peer} {forwarded}");
        }
        assert_eq!(caller_address(ip("10.0.0.1"), "198.51.100.1", &[]), ip("10.0.0.1"), "nobody is trusted");
    }

    #[test]
    fn one_network_of_ipv6_counts_as_one() {
        assert_eq!(rated(ip("2001:db8:0:1:a::1")), rated(ip("2001:db8:0:1:b::2")));
        assert_ne!(rated(ip("2001:db8:0:1::1")), rated(ip("2001:db8:0:2::1")));
        assert_eq!(rated(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_ne!(rated(ip("192.0.2.1")), rated(ip("192.0.2.2")));
    }
}
