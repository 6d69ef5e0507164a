use proptest::prelude::*;

use super::*;

#[test]
fn urls_of_the_host_hold() {
    let cases = [
        ("https://example.com", "example.com"),
        ("HTTPS://EXAMPLE.com./x?y#z", "example.com"),
        ("http://example.com:8080/a@b", "example.com"),
        ("http://example.com/?u=http://evil.com/", "example.com"),
        ("ws://example.com", "EXAMPLE.COM."),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://example.com/", "example.com:443"),
        ("http://example.com:443/", "example.com:443"),
        ("https://a.example.com/", "*.example.com"),
        ("https://a.b.example.com/", "*.example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "bücher.example"),
        ("http://127.0.0.1/", "0x7f000001"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0x7f.1:80/", "127.0.0.1:80"),
        ("http://[::ffff:127.0.0.1]/", "127.0.0.1"),
        ("http://[0:0::1]/", "::1"),
        ("http://[::1]:81/", "[::1]:81"),
    ];
    for (value, constant) in cases {
        assert!(has_host(value, &[constant], false), "{value} {constant}");
        assert!(has_host(value, &["other.org", constant], true), "{value} {constant}");
    }
}

#[test]
fn other_urls_do_not_hold() {
    let cases = [
        ("https://evil.com/", "example.com"),
        ("https://a.example.com/", "example.com"),
        ("https://example.com/", "*.example.com"),
        ("https://evilexample.com/", "*.example.com"),
        ("https://example.com.evil.com/", "*.example.com"),
        ("https://example.com/", "example.com:80"),
        ("http://example.com/", "example.com:443"),
        ("http://0177.0.0.1/", "127.0.0.1"),
        ("http://0177.0.0.1/", "177.0.0.1"),
        ("http://[::127.0.0.1]/", "127.0.0.1"),
        ("https://exаmple.com/", "example.com"),
        ("https://xn--exmple-4nf.com/", "example.com"),
        ("https://example.com/", "https://example.com/"),
    ];
    for (value, constant) in cases {
        assert!(!has_host(value, &[constant], false), "{value} {constant}");
    }
}

#[test]
fn urls_that_parsers_read_differently_never_hold() {
    let cases = [
        "",
        "example.com",
        "//example.com/",
        "/example.com",
        "https:",
        "https://",
        "https:///",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https:////example.com",
        "http://@example.com/",
        "http://:@example.com/",
        "http://u@example.com/",
        "http://u:p@example.com/",
        "http://evil.com@example.com/",
        "http://example.com@evil.com/",
        "http://evil.com?@example.com/",
        "http://evil.com#@example.com/",
        "http://example.com#@evil.com",
        "http://example.com?@evil.com/",
        "http://evil.com\\@example.com/",
        "http://example.com\\.evil.com/",
        "http:\\\\example.com/",
        "https://example.com\\",
        "https://example.com/\\x",
        "https://example.com/?q=\\",
        "https://exa\tmple.com/",
        "\nhttps://example.com",
        "https://example.com/ ",
        " https://example.com/",
        "https://example.com/\0",
        "https://exam ple.com/",
        "ht\ntps://example.com/",
        "https://example.com\u{a0}/",
        "https://example.com/\u{3000}",
        "https://example%2ecom/",
        "https://%65xample.com/",
        "https://example.com%00.evil.com/",
        "https://example.com:/",
        "https://example.com:+80/",
        "https://example.com:80:80/",
        "https://example.com:65536/",
        "https://example.com:８0/",
        "https://example..com/",
        "https://example.com../",
        "https://.example.com/",
        "https://example。com/",
        "https://example．com/",
        "https://evil.com／.example.com/",
        "https://evil.c℀.example.com/",
        "https://example.com;evil.com/",
        "https://example.com,evil.com/",
        "https://[example.com]/",
        "https://exam\u{ad}ple.com@evil.com/",
        "javascript:alert(1)//example.com/",
        "javascript://example.com/%0aalert(1)",
        "data://example.com/",
        "file://example.com/etc",
        "gopher://example.com/",
        "blob:https://example.com/",
        "view-source:https://example.com/",
        "1https://example.com/",
        "://example.com/",
        "https//example.com/",
        "http://①②⑦.0.0.1/",
        "http://[::1%25lo]/",
        "http://[::1]x/",
        "http://[::1",
        "jar:http://example.com!/",
        "?://example.com",
    ];
    let constants = ["example.com", "*.example.com", "evil.com", "*.evil.com", "127.0.0.1", "::1"];
    for value in cases {
        assert!(!has_host(value, &constants, false), "{}", value.escape_debug());
        assert!(!is_public(value, false), "{}", value.escape_debug());
        assert!(!has_scheme(value, &SCHEMES, false), "{}", value.escape_debug());
        let bare = ["example.com"].contains(&value);
        assert_eq!(has_host(value, &constants, true), bare, "{}", value.escape_debug());
    }
}

#[test]
fn schemes_are_told_apart() {
    assert!(has_scheme("HTTPS://a.com", &["http", "https"], false));
    assert!(has_scheme("a.com/x", &["https"], true) && !has_scheme("a.com/x", &["http"], true));
    for value in ["http://a.com", "httpss://a.com", "a.com", "https:a.com", "https+x://a.com"] {
        assert!(!has_scheme(value, &["https"], false), "{value}");
    }
    for bad in ["", "HTTP", "file", "https:", "https://", "gopher", "javascript", "data"] {
        assert!(check_scheme(bad).is_err(), "{bad}");
    }
}

#[test]
fn bare_values_are_hosts() {
    for value in ["www.x.com/a", "www.x.com", "www.x.com:443/?q", "http://www.x.com/", "WWW.X.COM."]
    {
        assert!(has_host(value, &["www.x.com"], true), "{value}");
        assert!(is_public(value, true), "{value}");
    }
    let cases = [
        "",
        "/www.x.com",
        "//www.x.com",
        "///www.x.com",
        "?www.x.com",
        "#www.x.com",
        ":80",
        "u:p@www.x.com",
        "u@www.x.com",
        "@www.x.com",
        "www.x.com@evil.com",
        "http:www.x.com",
        "http:80",
        "HTTPS:443",
        "file:80",
        "mailto:a@www.x.com",
        "javascript:alert(1)",
        "www.x.com\\",
        "\\\\www.x.com",
        "javascript://www.x.com/%0a",
        " www.x.com",
    ];
    for value in cases {
        let constants = ["www.x.com", "*.com", "http", "https", "file", "javascript"];
        assert!(!has_host(value, &constants, true), "{value}");
    }
}

#[test]
fn private_urls_are_not_public() {
    for value in
        ["http://127.1/", "http://localhost/", "http://010.0.0.1/", "http://[::1]:80/", "https://a"]
    {
        assert!(!is_public(value, false), "{value}");
    }
    assert!(!is_public("169.254.169.254/latest", true) && !is_public("localhost:8080", true));
}

proptest! {
    #[test]
    fn what_holds_has_that_host_for_the_url_crate(
        value in r"(https?:/{0,3})?([a-z@:/?#.%\\é-]|a\.com|b\.org|127\.1|\[::1\]){0,10}",
    ) {
        if has_host(&value, &["a.com"], false) {
            let url = Url::parse(&value).unwrap();
            prop_assert_eq!(url.host_str().unwrap().trim_end_matches('.'), "a.com");
            // A parser that knows nothing but the delimiters agrees.
            let after = value.split_once("//").unwrap().1;
            let naive = after.split('/').next().unwrap().split(['?', '#', ':']).next().unwrap();
            let naive = naive.to_lowercase();
            prop_assert_eq!(naive.trim_end_matches('.'), "a.com");
        }
    }
}
