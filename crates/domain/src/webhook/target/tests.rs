use super::*;

fn production() -> Targets {
    Targets { https_only: true, allowed: Vec::new() }
}

fn sandbox() -> Targets {
    Targets { https_only: false, allowed: Range::LOOPBACK.to_vec() }
}

/// No delivery ever goes to one of these.
const HOSTILE: [&str; 80] = [
    "",
    " ",
    "example.com",
    "//example.com/hook",
    "/hook",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https:",
    "https://",
    "https:///",
    "https://?x",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://:@example.com/",
    "https://example.com:80@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com#",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:1023/",
    "https://exa mple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com\t/",
    "https:\\\\example.com\\",
    "https://example.com\\@127.0.0.1/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
    "https://127\u{3002}0\u{3002}0\u{3002}1/",
    "https://%31%32%37.0.0.1/",
    "https://0.0.0.0/",
    "https://0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::1]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[fe80::1%25eth0]/",
];

#[test]
fn hostile_urls_are_refused() {
    for url in HOSTILE {
        assert!(production().read(url).is_err(), "{url:?}");
    }
    assert!(production().read(&format!("https://example.com/{}", "a".repeat(2_048))).is_err());
}

#[test]
fn a_sandbox_calls_itself_and_no_other_address_that_is_not_public() {
    let is_loopback = |url: &&str| {
        sandbox().read(url).is_ok_and(|target| match target.host {
            Host::Address(address) => address.is_loopback(),
            Host::Name(name) => name.trim_end_matches('.').ends_with("localhost"),
        })
    };
    let taken: Vec<_> = HOSTILE.iter().filter(|url| sandbox().read(url).is_ok()).collect();
    let beyond: Vec<_> = taken.iter().filter(|url| !is_loopback(url)).collect();
    assert_eq!(beyond, [&&"http://example.com/", &&"HTTP://example.com/"]);
    assert!(taken.len() > 10, "{taken:?}");
}

#[test]
fn a_good_url_is_taken_apart() {
    let target = production().read("https://Hooks.Example.com:8443/a/b?c=d%20e").unwrap();
    assert_eq!(target.url, "https://hooks.example.com:8443/a/b?c=d%20e");
    assert_eq!((target.tls, target.port), (true, 8443));
    assert_eq!(target.host, Host::Name("hooks.example.com".to_owned()));
    assert_eq!(target.authority, "hooks.example.com:8443");
    assert_eq!(target.path, "/a/b?c=d%20e");
    for (url, authority, path, port) in [
        ("https://example.com", "example.com", "/", 443),
        ("https://example.com:443/@me?a=b@c", "example.com", "/@me?a=b@c", 443),
        ("https://b\u{fc}cher.example/", "xn--bcher-kva.example", "/", 443),
        ("https://93.184.215.14/x", "93.184.215.14", "/x", 443),
        ("https://[2606:4700::1111]:65535/", "[2606:4700::1111]:65535", "/", 65535),
    ] {
        let target = production().read(url).unwrap();
        assert_eq!((target.authority.as_str(), target.path.as_str(), target.port), (authority, path, port));
    }
    assert!(!sandbox().read("http://127.0.0.1:8080/").unwrap().tls);
}

#[test]
fn the_edges_of_each_range_are_where_they_should_be() {
    let permits = |text: &str| production().permit(text.parse().unwrap());
    for (inside, outside) in [
        ("0.255.255.255", "1.0.0.0"),
        ("10.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.63.255.255"),
        ("100.127.255.255", "100.128.0.0"),
        ("127.255.255.255", "128.0.0.0"),
        ("169.254.0.0", "169.253.255.255"),
        ("172.16.0.0", "172.15.255.255"),
        ("172.31.255.255", "172.32.0.0"),
        ("192.0.0.255", "192.0.1.0"),
        ("192.88.99.1", "192.88.100.0"),
        ("192.168.255.255", "192.169.0.0"),
        ("198.19.255.255", "198.20.0.0"),
        ("224.0.0.0", "223.255.255.255"),
        ("2001:1ff:ffff::", "2001:200::"),
        ("2001:db8::1", "2001:db9::1"),
        ("2002::", "2003::"),
        ("3fff:fff::1", "3ffe::1"),
        ("4000::1", "2a00::1"),
    ] {
        assert!(!permits(inside), "{inside}");
        assert!(permits(outside), "{outside}");
    }
}

#[test]
fn the_settings_may_allow_a_range_and_nothing_beside_it() {
    let targets = Targets {
        https_only: true,
        allowed: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
    };
    let permits = |text: &str| targets.permit(text.parse().unwrap());
    assert!(permits("10.1.255.1") && permits("fd12::1"));
    assert!(
        !permits("10.2.0.1") && !permits("fc00::1") && !permits("::ffff:10.1.0.1") && !permits("127.0.0.1")
    );
    for text in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "x/8", "10.0.0.0/-1"] {
        assert!(text.parse::<Range>().is_err(), "{text}");
    }
    let all: Range = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("255.0.0.1".parse().unwrap()));
}
