//! Where a webhook may go: rules about URLs and addresses.
//!
//! A receiver is named by whoever registers it, so the product must not become
//! their way into networks that only the product can reach. A name says nothing
//! about that; the address does, and only at the moment of connecting. So there are
//! two rules: what a URL may look like ([`Target::parse`]), and which addresses may be
//! connected to ([`Reach::admits`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest URL, in bytes.
pub const MOST_URL_BYTES: usize = 512;

/// The longest name of a host, and of a label in it (RFC 1035).
const MOST_NAME_BYTES: usize = 253;
const MOST_LABEL_BYTES: usize = 63;

/// How far webhooks reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `https` to names that resolve to addresses of the public internet.
    Public,
    /// Besides, `http` and the machine itself: for development.
    Loopback,
}

impl Reach {
    /// Whether an address may be connected to.
    #[must_use]
    pub const fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Loopback => is_public(address) || address.is_loopback(),
        }
    }
}

/// Whether an address is one of the public internet's. By what is known to be
/// public, not by what is known to be private: of IPv6 only global unicast counts,
/// so an IPv4 address within one (mapped, compatible, NAT64) never does.
const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's registry of special addresses.
const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // "This network", private, loopback, link-local (the instance's metadata).
        [0 | 10 | 127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // Shared by carriers' customers.
            | [100, 64..=127, ..]
            // Protocol assignments, documentation, the 6to4 relay, benchmarks.
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18..=19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            // Multicast, reserved, broadcast.
            | [224..=255, ..]
    )
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocol assignments with Teredo among them, and documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // 6to4 holds an IPv4 address, whichever.
        [0x2002, ..] => false,
        [first, ..] => first >> 13 == 0b001,
    }
}

/// A URL that webhooks may be sent to, taken apart. Whoever connects puts it together
/// from these parts, so that no second reading of the text can differ from this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `https`, else `http`.
    pub secure: bool,
    pub host: Host,
    pub port: u16,
    /// Begins with `/`.
    pub path_and_query: String,
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Lower case, with at least one dot; or `localhost` where that is in reach.
    Name(String),
    /// Only where it is in reach: outside of development, receivers have names.
    Address(IpAddr),
}

/// Not a URL that webhooks may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL that webhooks may be sent to")]
pub struct InvalidUrl;

impl Target {
    /// Takes a URL apart: `https`, a host's name, perhaps a port, a path and a query;
    /// no user, no password, no fragment, no address, no name without a dot. In reach
    /// of [`Reach::Loopback`] also `http`, `localhost` and loopback addresses.
    ///
    /// # Errors
    /// [`InvalidUrl`], for whatever reason.
    pub fn parse(url: &str, reach: Reach) -> Result<Self, InvalidUrl> {
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'"' | b'<' | b'>');
        if url.len() > MOST_URL_BYTES || !url.bytes().all(plain) {
            return Err(InvalidUrl);
        }
        let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl)?;
        let secure = match (scheme.to_ascii_lowercase().as_str(), reach) {
            ("https", _) => true,
            ("http", Reach::Loopback) => false,
            _ => return Err(InvalidUrl),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(InvalidUrl)?
            }
            Some(_) => return Err(InvalidUrl),
        };
        let path_and_query = if path_and_query.starts_with('/') {
            path_and_query.to_owned()
        } else {
            format!("/{path_and_query}")
        };
        Ok(Self { secure, host: Host::parse(host, reach)?, port, path_and_query })
    }

    /// Host and port, as the `Host` header and a connector want them.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.host {
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Address(address) => std::net::SocketAddr::new(*address, self.port).to_string(),
        }
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), InvalidUrl> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at(authority.find(']').ok_or(InvalidUrl)? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(InvalidUrl),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

impl Host {
    fn parse(text: &str, reach: Reach) -> Result<Self, InvalidUrl> {
        let literal = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(inner) => Some(IpAddr::V6(inner.parse().map_err(|_| InvalidUrl)?)),
            None => text.parse().ok(),
        };
        if let Some(address) = literal {
            let near = reach == Reach::Loopback && address.is_loopback();
            return if near { Ok(Self::Address(address)) } else { Err(InvalidUrl) };
        }
        let name = text.to_ascii_lowercase();
        if name == "localhost" && reach == Reach::Loopback {
            return Ok(Self::Name(name));
        }
        let mut labels = name.split('.');
        let last = labels.next_back().unwrap_or_default();
        // A resolver may read what ends in a number as an address: `0x7f.1`.
        let a_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        let sound = name.len() <= MOST_NAME_BYTES
            && name.contains('.')
            && name.split('.').all(is_label)
            && !a_number
            && !["localhost", "local", "internal"].contains(&last);
        if sound { Ok(Self::Name(name)) } else { Err(InvalidUrl) }
    }
}

fn is_label(label: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MOST_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
