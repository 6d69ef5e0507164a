//! Which hosts are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::Host;

/// Names under these mean something inside a network only, or give access to what is inside.
///
/// *Source*: RFC 6761, 6762, 7686, 8375, 9476 and the ICANN resolution on `internal`; names that
/// networks use without asking anyone; and the metadata service of Google's cloud.
const PRIVATE_DOMAINS: [&str; 27] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "intra",
    "lan",
    "private",
    "corp",
    "home",
    "mail",
    "host",
    "domain",
    "arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "alt",
    "svc",
    "cluster",
    "consul",
    "docker",
    "kubernetes",
    "metadata",
    "workgroup",
    "metadata.goog",
];

/// Names whose answer is an address that the asker chooses or the loopback address: well-known
/// ones; a list cannot know all.
const WILDCARD_DOMAINS: [&str; 12] = [
    "nip.io",
    "sslip.io",
    "xip.io",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "traefik.me",
    "local.gd",
    "backname.io",
    "1u.ms",
    "rbndr.us",
];

/// IPv4 networks that are not globally routable, or are another thing behind it.
///
/// *Source*: the IANA special-purpose registry (RFC 6890). The last one is the fabric of Azure,
/// a public address that answers inside its machines.
const PRIVATE_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Shared by carriers (RFC 6598); Alibaba's metadata service is in it.
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local, the metadata services of most clouds included.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    // Protocol assignments; Oracle's metadata service is in it.
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved and broadcast.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
    ([168, 63, 129, 16], 32),
];

/// Networks inside 2000::/3 that are no public hosts: protocol assignments with Teredo,
/// documentation, 6to4, documentation again (RFC 9637).
const PRIVATE_V6: [([u16; 2], u32); 4] =
    [([0x2001, 0], 23), ([0x2001, 0xdb8], 32), ([0x2002, 0], 16), ([0x3fff, 0], 20)];

/// Whether a host is public in every reading.
pub(super) fn is_public(host: &Host) -> bool {
    match host {
        Host::Name(name) => is_public_name(name),
        Host::Addresses(readings) => readings.iter().all(|address| match address {
            IpAddr::V4(address) => is_public_v4(*address),
            IpAddr::V6(address) => is_public_v6(*address),
        }),
    }
}

fn is_public_name(name: &str) -> bool {
    let mut private = PRIVATE_DOMAINS.iter().chain(&WILDCARD_DOMAINS);
    let is_in = |domain: &str| {
        name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    name.contains('.') && !private.any(|domain| is_in(domain))
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let differ = |network: [u8; 4]| address.to_bits() ^ u32::from_be_bytes(network);
    !PRIVATE_V4.iter().any(|(network, prefix)| differ(*network) >> (32 - prefix) == 0)
}

/// Public addresses are in 2000::/3: that leaves out unique local, link-local, site-local,
/// multicast, and the networks that embed an IPv4 address (compatible, NAT64).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let top = u32::from(first) << 16 | u32::from(second);
    let is_in = |[first, second]: [u16; 2], prefix: u32| {
        (top ^ (u32::from(first) << 16 | u32::from(second))) >> (32 - prefix) == 0
    };
    is_in([0x2000, 0], 3) && !PRIVATE_V6.iter().any(|(network, prefix)| is_in(*network, *prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> bool {
        is_public(&Host::read(text).unwrap())
    }

    #[test]
    fn public_hosts_hold() {
        let cases = [
            "example.com",
            "a.b.example.co.uk",
            "bücher.de",
            "example.com.",
            "localhost.com",
            "local.example.org",
            "mylocal.io",
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "134744072",
            "[2606:4700::1111]",
            "[2001:4860:4860::8888]",
            "[::ffff:8.8.8.8]",
            "[2a00::1]",
        ];
        for text in cases {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn private_hosts_do_not_hold() {
        let cases = [
            "localhost",
            "localhost.",
            "intranet",
            "a.localhost",
            "LOCALHOST",
            "x.local",
            "x.internal",
            "x.intranet",
            "x.lan",
            "x.home.arpa",
            "x.corp",
            "x.home",
            "x.test",
            "x.invalid",
            "x.example",
            "x.onion",
            "metadata.google.internal",
            "metadata.google.internal.",
            "metadata.goog",
            "x.svc",
            "kubernetes.default.svc.cluster.local",
            "127.0.0.1.nip.io",
            "sslip.io",
            "a.localtest.me",
            "lvh.me",
            "x.lvh.me.",
            "localhost.localdomain",
        ];
        for text in cases {
            assert!(!check(text), "{text}");
        }
    }

    #[test]
    fn private_addresses_do_not_hold_in_any_notation() {
        let cases = [
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.1",
            "127.255.255.254",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "010.0.0.1",
            "0127.0.0.1",
            "127.0.0.1.",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "169.254.43518",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
            "[::8.8.8.8]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::8.8.8.8]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:0:7f00:1::]",
            "[2001:10::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[5f00::1]",
            "[100::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[4000::1]",
            "[::ffff:0:127.0.0.1]",
        ];
        for text in cases {
            assert!(!check(text), "{text}");
        }
    }
}
