//! What a sandbox says when it is ready: where it is, who may call it, and what to try next.

use client::api::sandbox::{Credentials, Tenant};

use crate::page::Page;

/// A call to paste, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What it does.
    pub what: &'static str,
    /// A line for a POSIX shell.
    pub line: String,
}

/// Prints the addresses and the tenants.
pub fn print_addresses(page: Page, credentials: &Credentials, metrics_url: &str, log_file: &str) {
    let row =
        |name: &str, value: &str| page.line(&format!("  {}  {value}", page.dim(&format!("{name:<12}"))));
    page.line("");
    row("API", &page.cyan(&credentials.base_url));
    row("reference", &format!("{}/docs", credentials.base_url));
    row("signing keys", &credentials.jwks_url);
    row("metrics", metrics_url);
    row("data", &credentials.data_dir);
    row("offline keys", &credentials.cold_dir);
    row("log", log_file);
    page.line("");
    page.line(&page.bold("  Tenants and their API keys (of this sandbox only)"));
    for tenant in &credentials.tenants {
        row(&tenant.kind, &tenant.api_keys.full);
    }
}

/// Says that COLD keys come only when they are asked for, and how.
pub fn print_manual_ceremony(page: Page, credentials: &Credentials) {
    let key = full_key_of(&credentials.tenants, "partner").unwrap_or_default();
    page.line("");
    page.line("  Ceremonies are yours: no COLD key is made before you ask for it with");
    page.line(&format!("curl -s -X POST {}/v1/sandbox/ceremony -H 'X-API-Key: {key}'", credentials.base_url));
}

/// Prints what to try next.
pub fn print_suggestions(page: Page, credentials: &Credentials, is_toured: bool) {
    page.line("");
    page.line(&page.bold("  What to try next: paste these into another terminal, one after the other"));
    for suggestion in suggestions(credentials) {
        page.line("");
        page.line(&page.dim(&format!("# {}", suggestion.what)));
        page.line(&suggestion.line);
    }
    page.line("");
    if !is_toured {
        page.line("  To see the whole way, from a secret to its recovery:  holdfast sandbox --tour");
    }
    page.line("  To begin again from nothing:                          holdfast sandbox --fresh");
    page.line("");
    page.line(&format!("  Running. {} ends it, and everything that it started.", page.bold("Ctrl-C")));
}

/// The calls to paste. The later ones use the id that the first one leaves in `$V`.
pub fn suggestions(credentials: &Credentials) -> Vec<Suggestion> {
    let base = &credentials.base_url;
    let mut out = Vec::new();
    if let Some(key) = full_key_of(&credentials.tenants, "retail") {
        let post = |path: &str, body: &str| {
            format!(
                "curl -s {base}{path} -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d {body}"
            )
        };
        let get = |path: &str| format!("curl -s \"{base}{path}\" -H 'X-API-Key: {key}' -w '\\n'");
        let id = "sed 's/.*\"verification_id\":\"\\([^\"]*\\)\".*/\\1/'";
        let start = post("/v1/verification/start", "'{\"user_identifier\":\"ada\"}'");
        out.extend([
            Suggestion { what: "start an identity check, keep its id", line: format!("V=$({start} | {id}); echo $V") },
            Suggestion {
                what: "play it yourself, in a browser or on a phone, as any person you like",
                line: format!("echo {base}/identity/$V"),
            },
            Suggestion {
                what: "or play the identity provider: the check is passed",
                line: post(
                    "/v1/verification/simulate",
                    "\"{\\\"verification_id\\\":\\\"$V\\\",\\\"action\\\":\\\"approve_inquiry\\\"}\" -w '\\n'",
                ),
            },
            Suggestion {
                what: "where the check stands",
                line: get("/v1/verification/status?verification_id=$V"),
            },
            Suggestion {
                what: "a key for ada, signed by the enclave together with its id",
                line: post(
                    "/v1/key/generate",
                    "\"{\\\"user_identifier\\\":\\\"ada\\\",\\\"verification_id\\\":\\\"$V\\\",\
                     \\\"sign_with\\\":[\\\"key_id\\\"]}\" -w '\\n'",
                ),
            },
            Suggestion { what: "everything that happened, in order", line: get("/v1/audit") },
        ]);
    }
    out.push(Suggestion {
        what: "the keys that the enclave signs with",
        line: format!("curl -s {} -w '\\n'", credentials.jwks_url),
    });
    out.push(Suggestion {
        what: "every call there is, for your own tools",
        line: format!("curl -s {base}/openapi.json -o holdfast-openapi.json"),
    });
    out
}

/// The key with all scopes of the first tenant of that kind.
pub fn full_key_of<'a>(tenants: &'a [Tenant], kind: &str) -> Option<&'a str> {
    tenants.iter().find(|tenant| tenant.kind == kind).map(|tenant| tenant.api_keys.full.as_str())
}

#[cfg(test)]
pub mod tests {
    use client::api::sandbox::ApiKeys;

    use super::*;

    pub fn sample() -> Credentials {
        let tenant = |kind: &str| Tenant {
            name: format!("Sandbox {kind}"),
            kind: kind.into(),
            api_keys: ApiKeys {
                full: format!("hf_{kind}_full"),
                no_partner_scope: format!("hf_{kind}_less"),
                expired: format!("hf_{kind}_expired"),
            },
            control: Vec::new(),
        };
        Credentials {
            base_url: "http://127.0.0.1:8090".into(),
            control_url: "http://localhost:8090".into(),
            jwks_url: "http://127.0.0.1:8090/.well-known/jwks.json".into(),
            data_dir: "/data".into(),
            cold_dir: "/data-cold".into(),
            tenants: ["retail", "partner", "institution"].map(tenant).into(),
        }
    }

    #[test]
    fn the_lines_to_paste_are_these() {
        let lines: Vec<_> = suggestions(&sample()).into_iter().map(|suggestion| suggestion.line).collect();
        assert_eq!(lines.join("\n") + "\n", include_str!("testdata/suggestions.txt"));
    }

    #[test]
    fn without_a_retail_tenant_the_public_calls_are_left() {
        let mut credentials = sample();
        credentials.tenants.clear();
        assert_eq!(suggestions(&credentials).len(), 2);
    }
}
