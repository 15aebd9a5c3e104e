//! Health probes over HTTP/1: `/livez`, `/readyz` and `/healthz`.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::ControlFlow;

use http::StatusCode;

use crate::registry::{Registry, ServingStatus};
use crate::service::{Probe, ProbeAnswer};
use crate::wire::percent;

/// Answers a probe; `None` if there is nothing at its path. A verbose answer names at most `limit` services.
pub(super) fn answer(registry: &Registry, limit: usize, probe: &Probe<'_>) -> Option<ProbeAnswer> {
    let mut one = false;
    let name = match probe.path() {
        "/livez" => probe.live_service().map(Cow::Borrowed),
        "/readyz" | "/healthz" => Some(Cow::Borrowed("")),
        path => {
            let name = path.strip_prefix("/healthz/")?;
            one = true;
            Some(Cow::Owned(percent::decode(name.as_bytes())))
        }
    };
    let status = match &name {
        None => ServingStatus::Serving,
        Some(name) => registry.get_service_status(name),
    };
    if one && status == ServingStatus::ServiceUnknown {
        return None;
    }
    let mut services = Vec::new();
    let mut more = false;
    if probe.is_verbose() {
        match name {
            Some(name) if one => services.push((name.into_owned(), status)),
            _ => more = list(registry, limit, &mut services),
        }
    }
    let http = match status {
        ServingStatus::Serving => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Some(if probe.wants_json() {
        ProbeAnswer::json(http, json(status, probe.is_verbose(), &services, more))
    } else {
        ProbeAnswer::text(http, text(status, &services, more))
    })
}

/// Lists services by name, and returns whether there are more than `limit`.
fn list(registry: &Registry, limit: usize, services: &mut Vec<(String, ServingStatus)>) -> bool {
    let mut more = false;
    registry.visit(|name, status| {
        more = services.len() == limit;
        if more {
            return ControlFlow::Break(());
        }
        services.push((name.to_owned(), status));
        ControlFlow::Continue(())
    });
    services.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    more
}

fn text(status: ServingStatus, services: &[(String, ServingStatus)], more: bool) -> String {
    let mut text = String::new();
    for (name, status) in services {
        let sign = if *status == ServingStatus::Serving {
            '+'
        } else {
            '-'
        };
        // A name with a line break must not write a line of its own.
        let _ = writeln!(text, "[{sign}] {} {status}", name.escape_debug());
    }
    if more {
        text.push_str("[ ] more services than this answer names\n");
    }
    let _ = writeln!(text, "{status}");
    text
}

fn json(
    status: ServingStatus,
    verbose: bool,
    services: &[(String, ServingStatus)],
    more: bool,
) -> String {
    let mut json = format!("{{\"status\":\"{status}\"");
    if verbose {
        json.push_str(",\"services\":{");
        for (at, (name, status)) in services.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            quote(&mut json, name);
            let _ = write!(json, ":\"{status}\"");
        }
        let _ = write!(json, "}},\"truncated\":{more}");
    }
    json.push_str("}\n");
    json
}

/// Writes a JSON string (RFC 8259, section 7).
fn quote(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServingStatus::{NotServing, Serving, Unknown};

    fn ask(registry: &Registry, path: &str, query: Option<&str>) -> Option<(u16, String)> {
        let probe = Probe::new(path, query).with_live_service(Some("live"));
        let answer = answer(registry, 3, &probe)?;
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        Some((answer.status.as_u16(), body))
    }

    #[test]
    fn each_path_asks_for_its_service() {
        let registry = Registry::new();
        registry.set_service_status("a/b c", NotServing).unwrap();
        registry.set_service_status("live", Serving).unwrap();
        let says = |code, status: ServingStatus| Some((code, format!("{status}\n")));
        let ask = |path| ask(&registry, path, None);
        for path in [
            "/livez",
            "/readyz",
            "/healthz",
            "/healthz/",
            "/healthz/live",
        ] {
            assert_eq!(ask(path), says(200, Serving), "{path}");
        }
        for path in ["/healthz/a/b%20c", "/healthz/a%2Fb%20c"] {
            assert_eq!(ask(path), says(503, NotServing), "{path}");
        }
        for path in ["/", "/livez/", "/readyz/a", "/healthz/nope", "/healthy"] {
            assert_eq!(ask(path), None, "{path}");
        }
        registry.set_service_status("", Unknown).unwrap();
        assert_eq!(ask("/readyz"), says(503, Unknown));
        registry.pin("live").unwrap();
        registry.shutdown();
        assert_eq!(ask("/readyz"), says(503, NotServing));
        assert_eq!(ask("/livez"), says(200, Serving));
        registry.clear("");
        assert_eq!(ask("/readyz"), says(503, ServingStatus::ServiceUnknown));
        let bare = Probe::new("/livez", None);
        assert_eq!(answer(&registry, 1, &bare).unwrap().status, 200);
    }

    #[test]
    fn verbose_answers_name_services_and_no_name_breaks_out() {
        let registry = Registry::new();
        registry.set_service_status("a\n\"b\\", NotServing).unwrap();
        let ask = |path, query| ask(&registry, path, Some(query)).unwrap();
        let (code, body) = ask("/readyz", "x&verbose");
        assert_eq!(code, 200);
        assert_eq!(
            body,
            "[+]  SERVING\n[-] a\\n\\\"b\\\\ NOT_SERVING\nSERVING\n"
        );
        let (_, body) = ask("/readyz", "format=json&verbose=1");
        assert_eq!(
            body,
            "{\"status\":\"SERVING\",\"services\":{\"\":\"SERVING\",\"a\\u000a\\\"b\\\\\":\"NOT_SERVING\"},\"truncated\":false}\n"
        );
        assert_eq!(
            ask("/readyz", "format=json").1,
            "{\"status\":\"SERVING\"}\n"
        );
        for name in ["one", "two"] {
            registry.set_service_status(name, Serving).unwrap();
        }
        let (_, body) = ask("/readyz", "verbose");
        assert_eq!(body.lines().count(), 5, "{body}");
        assert!(ask("/readyz", "format=json&verbose").1.ends_with("true}\n"));
        let (_, body) = ask("/healthz/one", "verbose");
        assert_eq!(body, "[+] one SERVING\nSERVING\n");
    }
}
