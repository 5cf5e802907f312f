//! What a browser could be made to do, and is not allowed: requests from other
//! web sites, names that were made to point here, tokens in URLs.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

use super::problem::Problem;

/// Parameters that look as if somebody put a token into the URL.
const TOKENS: [&str; 7] = ["token", "access_token", "api_key", "apikey", "authorization", "bearer", "password"];

/// Refuses a request whose URL carries a token, or that another site may have caused.
pub(super) fn check(uri: &Uri, headers: &HeaderMap, hosts: Option<&[String]>) -> Result<(), Problem> {
    no_token(uri.query().unwrap_or_default())?;
    if let Some(hosts) = hosts {
        host(headers, hosts)?;
    }
    origin(headers)
}

fn no_token(query: &str) -> Result<(), Problem> {
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default().to_ascii_lowercase());
    for name in names {
        if TOKENS.contains(&name.as_str()) {
            let detail = "URLs are logged on their way; send `Authorization: Bearer`, and consider this token known";
            return Err(Problem::new("token_in_url", detail));
        }
    }
    Ok(())
}

/// An address cannot be made to point elsewhere; a name can, unless it is one of ours.
fn host(headers: &HeaderMap, hosts: &[String]) -> Result<(), Problem> {
    let mut given = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else {
        return Err(Problem::new("bad_request", "exactly one Host is needed"));
    };
    let host = host.to_str().unwrap_or_default();
    let name = without_port(host);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let known =
        is_address || name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
    if known {
        return Ok(());
    }
    Err(Problem::new("wrong_host", "add the name to `admin.hosts` if it is the gateway's"))
}

/// What a page of another site sends, browsers say so.
fn origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return Err(Problem::new("cross_site", format!("Sec-Fetch-Site is not same-origin: {}", shown(site))));
    }
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let host = text(header::HOST).unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Problem::new("cross_site", "Origin is not the API's own"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) && !name.ends_with(':') => {
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uri: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let hosts = ["gateway.example".to_owned()];
        check(&uri.parse().expect("a URI"), &map, Some(&hosts)).map_or_else(|problem| problem.status(), |()| 200)
    }

    #[test]
    fn tokens_do_not_belong_into_urls() {
        for uri in ["/x?token=1", "/x?a=1&access_token=2", "/x?Access_Token", "/x?password=a"] {
            assert_eq!(status(uri, &[("host", "127.0.0.1:1")]), 400, "{uri}");
        }
        assert_eq!(status("/x?tokens=1&limit=2", &[("host", "127.0.0.1:1")]), 200);
    }

    #[test]
    fn only_addresses_and_known_names_are_hosts() {
        for (host, expected) in [
            ("127.0.0.1:9775", 200),
            ("localhost", 200),
            ("LOCALHOST:80", 200),
            ("[::1]:9775", 200),
            ("[::1]", 200),
            ("10.1.2.3", 200),
            ("gateway.example:9775", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example:9775", 403),
            ("", 403),
        ] {
            assert_eq!(status("/x", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status("/x", &[]), 400);
        assert_eq!(status("/x", &[("host", "localhost"), ("host", "127.0.0.1")]), 400);
    }

    #[test]
    fn requests_of_other_sites_are_refused() {
        let host = ("host", "127.0.0.1:9775");
        for (name, value, expected) in [
            ("origin", "http://127.0.0.1:9775", 200),
            ("origin", "https://127.0.0.1:9775", 200),
            ("origin", "http://127.0.0.1:8080", 403),
            ("origin", "http://evil.example", 403),
            ("origin", "null", 403),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "cross-site", 403),
        ] {
            assert_eq!(status("/x", &[host, (name, value)]), expected, "{name}: {value}");
        }
    }
}
