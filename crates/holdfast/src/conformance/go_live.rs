//! `--go-live`: what is most often wrong on the day one goes live, found in a file that says what one has.

mod published_key;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use self::published_key::{Opened, open};
use super::crypto::{hex, sha256_hex, unhex};
use super::world::Environment;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// What an integrator has. Whatever is left out is not checked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Having {
    /// The address that the program calls.
    base_url: Option<String>,
    /// The API key's beginning, up to its second underscore and a few characters more; never the whole key.
    credential_prefix: Option<String>,
    /// The `public_key` as the service answered it.
    public_key_hex: Option<String>,
    /// The PEM that the program made of it.
    public_key_pem: Option<String>,
    /// The `key_environment` that the service answered.
    key_environment: Option<String>,
    /// The environment that was meant.
    meant_environment: Option<String>,
    /// A plaintext made up for this, ...
    plaintext: Option<String>,
    /// ... what the program encrypts it to under the published key of `testdata/keys.json` (base64), ...
    ciphertext: Option<String>,
    /// ... and the checksum that the program would send with it.
    checksum: Option<String>,
}

/// Something that would fail, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its stable name.
    pub id: &'static str,
    /// What is wrong.
    pub cause: String,
    /// What mends it.
    pub cure: &'static str,
}

fn finding(id: &'static str, cause: impl Into<String>, cure: &'static str) -> Finding {
    Finding { id, cause: cause.into(), cure }
}

/// Reads the file and says what it finds: whether that is nothing.
pub fn run(page: Page, path: &Path) -> Result<bool, Failure> {
    let doing = || format!("cannot use {}", path.display());
    let text = std::fs::read_to_string(path).doing(doing)?;
    let having: Having = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).doing(doing)?
    } else {
        toml::from_str(&text).doing(doing)?
    };
    let (checked, findings) = check(&having);
    if checked.is_empty() {
        return Err(Failure::new(format!("{} says nothing that could be checked", path.display())));
    }
    for name in checked {
        let own: Vec<_> = findings.iter().filter(|one| one.id.starts_with(name)).collect();
        let word = if own.is_empty() { page.green("good") } else { page.red("wrong") };
        page.line(&format!("{word:<5}  {}", page.bold(name)));
        for one in own {
            page.prose("       ", &one.cause);
            page.prose("       ", &format!("Cure: {}.", one.cure));
            page.event("finding", json!({ "id": one.id, "cause": one.cause, "cure": one.cure }));
        }
    }
    page.line("");
    let word = format!("{} found", findings.len());
    page.line(&if findings.is_empty() {
        page.green("ready to go live: nothing found")
    } else {
        page.red(&word)
    });
    page.event("summary", json!({ "findings": findings.len() }));
    Ok(findings.is_empty())
}

/// What was checked, and what was found.
fn check(having: &Having) -> (Vec<&'static str>, Vec<Finding>) {
    let mut checked = Vec::new();
    let mut findings = Vec::new();
    let mut add = |name: &'static str, found: Option<Vec<Finding>>| {
        if let Some(found) = found {
            checked.push(name);
            findings.extend(found);
        }
    };
    add("address", having.base_url.as_deref().map(check_address));
    add("credential", having.credential_prefix.as_deref().map(check_credential));
    add(
        "environment",
        having.key_environment.as_deref().zip(having.meant_environment.as_deref()).map(check_environment),
    );
    add("key", having.public_key_hex.as_deref().map(|key| check_key(key, having.public_key_pem.as_deref())));
    add(
        "ciphertext",
        having.ciphertext.as_deref().map(|data| check_ciphertext(data, having.plaintext.as_deref())),
    );
    add("checksum", having.checksum.as_deref().and_then(|checksum| check_checksum(checksum, having)));
    (checked, findings)
}

fn check_address(base_url: &str) -> Vec<Finding> {
    let Ok(url) = Url::parse(base_url) else {
        let cause = format!("{base_url:?} is no address");
        return vec![finding("address.form", cause, "write it as https://host, without /v1 behind it")];
    };
    let host = url.host_str().unwrap_or_default();
    let mut found = Vec::new();
    if super::is_local(&url)
        || host.split(['.', '-']).any(|part| ["sandbox", "test", "staging"].contains(&part))
    {
        let cause =
            format!("{host} is the address of a sandbox: what is stored there can be reset by one call");
        found.push(finding(
            "address.sandbox",
            cause,
            "put the production address into the production configuration",
        ));
    }
    if url.scheme() != "https" && !super::is_local(&url) {
        let cause = "over plain http the credential can be read on the way";
        found.push(finding("address.plain-http", cause, "use https"));
    }
    if url.path().trim_end_matches('/').ends_with("/v1") {
        let cause = "the address ends in /v1, and clients add that themselves";
        found.push(finding("address.path", cause, "leave /v1 out of it"));
    }
    found
}

fn check_credential(prefix: &str) -> Vec<Finding> {
    match Environment::of_key(&format!("{prefix}_")) {
        Some(Environment::Production) => vec![],
        Some(Environment::Sandbox) => vec![finding(
            "credential.sandbox",
            "the API key begins as a sandbox's does, and a production server refuses it: 401 wrong-environment",
            "ask the operator for a production credential, and keep each in the configuration of its environment",
        )],
        None => vec![finding(
            "credential.form",
            format!("{prefix:?} is not how an API key begins: hf_production_ or hf_sandbox_"),
            "look for a cut or wrapped value where the credential is kept",
        )],
    }
}

fn check_environment((answered, meant): (&str, &str)) -> Vec<Finding> {
    if answered == meant {
        return vec![];
    }
    let cause = format!("the key is {answered} and {meant} was meant; a key's environment never changes");
    let cure = "send key_environment at each assignment (institutions get HOT when they leave it out), and have a new key assigned";
    vec![finding("environment.other", cause, cure)]
}

/// The DER of an RSA key of 4096 bits begins so, and has so many bytes.
const RSA_BEGINS: &str = "30820222300d06092a864886f70d0101010500";
const RSA_BYTES: usize = 550;

fn check_key(key: &str, pem: Option<&str>) -> Vec<Finding> {
    let cure = "decode the whole hexadecimal text to bytes, two digits a byte, and encode exactly those in base64 \
                between BEGIN PUBLIC KEY and END PUBLIC KEY";
    let Some(der) = unhex(key.trim()) else {
        let cause =
            format!("public_key_hex has {} characters, and is no whole hexadecimal text", key.trim().len());
        return vec![finding(
            "key.hex",
            cause,
            "take public_key from the answer as it is, without cutting or wrapping",
        )];
    };
    let mut found = Vec::new();
    if key.trim().to_lowercase().starts_with(&RSA_BEGINS[..8]) && der.len() != RSA_BYTES {
        let cause = format!("public_key_hex has {} bytes and an rsa4096 key has {RSA_BYTES}", der.len());
        found.push(finding(
            "key.hex",
            cause,
            "take public_key from the answer as it is, without cutting or wrapping",
        ));
    }
    let Some(pem) = pem else { return found };
    let encoded: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let Ok(made) = STANDARD.decode(encoded) else {
        found.push(finding("key.pem", "the PEM's body is no base64", cure));
        return found;
    };
    let off = i64::try_from(made.len()).unwrap_or_default() - i64::try_from(der.len()).unwrap_or_default();
    let cause = if made == key.trim().as_bytes() {
        "the PEM holds the hexadecimal text itself, not the bytes that it spells".to_owned()
    } else if !pem.contains("-----BEGIN PUBLIC KEY-----") {
        "the PEM is not headed BEGIN PUBLIC KEY: a SubjectPublicKeyInfo has that label (BEGIN RSA PUBLIC KEY is \
         another form)"
            .to_owned()
    } else if made == der {
        return found;
    } else if off == 0 {
        "the PEM has the right length and other bytes: a digit was lost or changed on the way".to_owned()
    } else {
        let (bytes, more) = (off.unsigned_abs(), if off > 0 { "more" } else { "fewer" });
        format!("the PEM holds {bytes} byte{} {more} than public_key", if bytes == 1 { "" } else { "s" })
    };
    found.push(finding("key.pem", cause, cure));
    found
}

fn check_ciphertext(data: &str, plaintext: Option<&str>) -> Vec<Finding> {
    let Ok(bytes) = STANDARD.decode(data.trim()) else {
        let cure = "encode the ciphertext's bytes in standard base64, padded, on one line";
        return vec![finding("ciphertext.base64", "the ciphertext is no standard base64", cure)];
    };
    if bytes.len() != 512 {
        let cause = format!("the ciphertext has {} bytes and one under an rsa4096 key has 512", bytes.len());
        return vec![finding(
            "ciphertext.length",
            cause,
            "encrypt to the whole key, in one RSA operation; more than 446 bytes go as a file",
        )];
    }
    match open(&bytes) {
        Opened::Oaep256(found) if plaintext.is_none_or(|text| found == text.as_bytes()) => vec![],
        Opened::Oaep256(_) => vec![finding(
            "ciphertext.plaintext",
            "it opens, and to another plaintext than the file says",
            "look at what is encrypted: a text encoded once more, or another encoding than UTF-8",
        )],
        Opened::Mgf1Sha1 => vec![finding(
            "ciphertext.mgf1",
            "it is OAEP with SHA-256, but with SHA-1 for MGF1, as Java and others do unless told",
            "name both: Java OAEPParameterSpec(\"SHA-256\", \"MGF1\", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT); \
             OpenSSL rsa_oaep_md:sha256 and rsa_mgf1_md:sha256",
        )],
        Opened::Sha1 => vec![finding(
            "ciphertext.hash",
            "it is OAEP with SHA-1 for the hash, which is what most libraries do unless told",
            "set SHA-256 for the hash and for MGF1",
        )],
        Opened::Label => {
            vec![finding("ciphertext.label", "it is OAEP with a label", "leave the label empty")]
        }
        Opened::Pkcs1 => vec![finding(
            "ciphertext.pkcs1",
            "its padding is PKCS #1 v1.5, not OAEP",
            "choose RSA-OAEP, with SHA-256 for the hash and for MGF1",
        )],
        Opened::No => vec![finding(
            "ciphertext.key",
            "no padding that we know fits: it was encrypted to another key, or its bytes were changed",
            "for this check encrypt to the published rsa4096 key of testdata/keys.json; if that was done, look at the \
             conversion of the key",
        )],
    }
}

/// Nothing, where there is nothing to compare with.
fn check_checksum(checksum: &str, having: &Having) -> Option<Vec<Finding>> {
    let (plaintext, checksum) = (having.plaintext.as_deref()?, checksum.trim().to_lowercase());
    let data = having.ciphertext.as_deref().unwrap_or_default().trim();
    let bytes = STANDARD.decode(data).unwrap_or_default();
    if checksum == sha256_hex(plaintext.as_bytes()) {
        return Some(vec![]);
    }
    let cure = "send the SHA-256 of the plaintext, before it is encrypted, as 64 hexadecimal digits";
    let cause = if !data.is_empty() && [sha256_hex(&bytes), sha256_hex(data.as_bytes())].contains(&checksum) {
        ("checksum.ciphertext", "it is the SHA-256 of the ciphertext, not of the plaintext")
    } else if checksum == sha256_hex(STANDARD.encode(plaintext).as_bytes())
        || checksum == sha256_hex(hex(plaintext.as_bytes()).as_bytes())
    {
        (
            "checksum.encoded",
            "it is the SHA-256 of the plaintext's base64 or hexadecimal text, not of its bytes",
        )
    } else if checksum == sha256_hex(format!("{plaintext}\n").as_bytes()) {
        ("checksum.newline", "it is the SHA-256 of the plaintext with a line's end behind it")
    } else if unhex(&checksum).is_none_or(|bytes| bytes.len() != 32) {
        ("checksum.form", "it is not 64 hexadecimal digits")
    } else {
        ("checksum.other", "it is of something else than the plaintext")
    };
    Some(vec![finding(cause.0, cause.1, cure)])
}

#[cfg(test)]
mod tests;
