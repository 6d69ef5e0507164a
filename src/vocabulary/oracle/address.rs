//! IP addresses in every notation, and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether a text is one address, inside one of the networks in every reading.
pub(super) fn is_within(value: &str, networks: &[&str]) -> bool {
    let readings = readings(value);
    !readings.is_empty()
        && networks.iter().any(|network| {
            read_network(network)
                .is_ok_and(|network| readings.iter().all(|address| network.contains(address)))
        })
}

/// A network from its constant: `10.0.0.0/8`, or an address alone.
pub(super) fn read_network(constant: &str) -> Result<IpNet, String> {
    let network = read_prefix(constant)
        .ok_or("it is neither a network such as `10.0.0.0/8` nor an address")?;
    if network.addr() != network.network() {
        return Err(format!("it has bits beyond its prefix; the network is `{}`", network.trunc()));
    }
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            Err("a mapped address counts as IPv4: write the network as IPv4".to_owned())
        }
        network => Ok(network),
    }
}

/// An address with its prefix, each in plain form: `ipnet`'s own parser takes leading zeros.
fn read_prefix(constant: &str) -> Option<IpNet> {
    let Some((address, prefix)) = constant.split_once('/') else {
        return constant.parse().ok().map(|address: IpAddr| address.into());
    };
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok())?
}

/// Every reading of a text that is an address and nothing else; none if it is not.
pub(super) fn readings(text: &str) -> Vec<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare.unwrap_or(text).parse::<Ipv6Addr>() {
        Ok(address) => vec![address.to_canonical()],
        Err(_) => ipv4_readings(text).into_iter().map(IpAddr::V4).collect(),
    }
}

/// Every reading of an IPv4 address in the notations of `inet_aton` and WHATWG: one to four
/// parts, the last of which fills what is left, each decimal, `0x` hexadecimal or octal after a
/// leading zero, which other parsers take for decimal.
pub(super) fn ipv4_readings(text: &str) -> Vec<Ipv4Addr> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut found: Vec<_> =
        [8, 10].into_iter().filter_map(|radix| read_ipv4(text, radix)).collect();
    found.dedup();
    found
}

/// An IPv4 address whose parts with a leading zero are in this radix.
fn read_ipv4(text: &str, zero_radix: u32) -> Option<Ipv4Addr> {
    let mut parts = text.split('.');
    let last = read_part(parts.next_back()?, zero_radix)?;
    let mut left = 32_u32;
    let mut address = 0;
    for part in parts {
        left = left.checked_sub(8).filter(|left| *left > 0)?;
        let octet = u8::try_from(read_part(part, zero_radix)?).ok()?;
        address |= u32::from(octet) << left;
    }
    let fits = u64::from(last) < 1_u64 << left;
    fits.then(|| Ipv4Addr::from(address | last))
}

fn read_part(part: &str, zero_radix: u32) -> Option<u32> {
    let hexadecimal = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, part.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, zero_radix),
        _ => (part, 10),
    };
    // `from_str_radix` takes a sign.
    let plain = digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_inside_hold() {
        let cases = [
            ("10.0.0.1", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.1", "10.0.0.0/8"),
            ("10.1.2", "10.1.0.0/24"),
            ("167772161", "10.0.0.0/8"),
            ("0xa.0x0.0.1", "10.0.0.1/32"),
            ("0x0A000001", "10.0.0.1"),
            ("10.0.0.1.", "10.0.0.0/8"),
            ("10.0.0.01", "10.0.0.1"),
            ("10.0.0.08", "10.0.0.8"),
            ("10.0.0.010", "10.0.0.0/24"),
            ("::ffff:10.0.0.1", "10.0.0.0/8"),
            ("[::ffff:a00:1]", "10.0.0.0/8"),
            ("2001:DB8::1", "2001:db8::/32"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("0.0.0.0", "0.0.0.0/0"),
            ("::1", "::/0"),
        ];
        for (value, network) in cases {
            assert!(is_within(value, &[network]), "{value} {network}");
        }
        assert!(is_within("10.0.0.1", &["192.168.0.0/16", "10.0.0.0/8"]));
    }

    #[test]
    fn others_do_not_hold() {
        let cases = [
            ("11.0.0.1", "10.0.0.0/8"),
            ("012.0.0.1", "10.0.0.0/8"),
            ("010.0.0.1", "10.0.0.0/8"),
            ("010.0.0.1", "8.0.0.0/8"),
            ("10.0.0.010", "10.0.0.8"),
            ("::10.0.0.1", "10.0.0.0/8"),
            ("64:ff9b::10.0.0.1", "10.0.0.0/8"),
            ("::1", "0.0.0.0/0"),
            ("::ffff:10.0.0.1", "::/0"),
            ("1.2.3.4", "::/0"),
            ("fe80::1%eth0", "fe80::/10"),
        ];
        for (value, network) in cases {
            assert!(!is_within(value, &[network]), "{value} {network}");
        }
        let no_addresses = [
            "",
            ".",
            "10",
            "10..1",
            "1.2.3.4.5",
            "10.0.0.1:80",
            "[::1]:80",
            "[::1",
            "::1]",
            "[10.0.0.1]",
            " 10.0.0.1",
            "10.0.0.1 ",
            "10.0.0.1/8",
            "10.0.0.256",
            "10.0.256.1",
            "4294967296",
            "0x",
            "0x.1",
            "10.0.0.0x",
            "+10.0.0.1",
            "10.0.0.-1",
            "10.0.0.+1",
            "1e3",
            "10.0.0.1\0",
            "10.0.0.1\n",
            "１０.0.0.1",
            "10。0.0.1",
            "10.0.0.1..",
            "localhost",
            "a.b",
            "http://10.0.0.1",
            "10.0.0.00400",
            ":::",
            "1::2::3",
            "99999999999999999999",
        ];
        for value in no_addresses {
            let inside = is_within(value, &["10.0.0.0/8", "::/0"]);
            assert!(!inside, "{}", value.escape_debug());
        }
    }

    #[test]
    fn networks_are_judged() {
        for good in ["10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0"] {
            assert!(read_network(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10/8",
            "010.0.0.0/8",
            "a.b",
            "[::1]",
            "::1/64",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
            "fe80::1%1",
            "10.0.0.0/8 ",
            "0x0a.0.0.0/8",
        ];
        for bad in bad {
            assert!(read_network(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_notation_is_the_same_address(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let [a, b, c, d] = address.octets();
            let texts = [
                address.to_string(), bits.to_string(), format!("{bits:#x}"),
                format!("{a:#x}.{b}.{c:#X}.{d}"), format!("{a}.{}", bits & 0xff_ffff),
                format!("{a}.{b}.{}", bits & 0xffff), format!("[::ffff:{address}]"),
            ];
            for text in texts {
                prop_assert_eq!(readings(&text), vec![IpAddr::V4(address)], "{}", text);
            }
            let octal = format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}");
            prop_assert!(readings(&octal).contains(&address.into()));
        }

        #[test]
        fn the_reading_of_a_url_is_among_ours(text in r"((0|0x)?[0-9a-f]{1,3}\.){0,4}[0-9]{1,11}") {
            if let Ok(::url::Host::Ipv4(address)) = ::url::Host::parse(&text) {
                prop_assert!(ipv4_readings(&text).contains(&address));
            }
        }
    }
}
