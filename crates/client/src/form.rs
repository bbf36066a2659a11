//! The form that a file travels in: `multipart/form-data` (RFC 7578).

use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};

use crate::chance;
use crate::encrypt::FILE_BYTES_MAX;
use crate::error::{Error, SetupFault};
use crate::hex;

/// Bytes of chance in a boundary: no file holds it.
const BOUNDARY_BYTES: usize = 16;

/// Its content type and its bytes, after a look at what would be refused.
pub(crate) fn form_of(
    public_key: &str,
    file: Vec<u8>,
    metadata: Option<&Map<String, Value>>,
) -> Result<(HeaderValue, Bytes), Error> {
    if file.is_empty() || file.len() > FILE_BYTES_MAX {
        return Err(SetupFault::FileSize { bytes: file.len() }.into());
    }
    let no_chance = || SetupFault::Http("no random bytes".to_owned());
    let boundary = chance::bytes::<BOUNDARY_BYTES>().ok_or_else(no_chance)?;
    let boundary = format!("holdfast-{}", hex::encode(&boundary));
    let head = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n");
    let mut form = format!("{}{public_key}\r\n", head("name=\"public_key\"")).into_bytes();
    if let Some(metadata) = metadata {
        // A map of JSON values always has a JSON form.
        let text = serde_json::to_string(metadata).unwrap_or_default();
        form.extend(format!("{}{text}\r\n", head("name=\"metadata\"")).into_bytes());
    }
    let file_head = "name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream";
    form.extend(head(file_head).into_bytes());
    form.extend(file);
    form.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
    Ok((content_type.map_err(|_| no_chance())?, form.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_the_bytes_as_they_are() {
        let metadata = [("a".to_owned(), Value::from(1))].into_iter().collect();
        let (content_type, form) = form_of("ab", b"\r\n--x\0".to_vec(), Some(&metadata)).unwrap();
        let boundary = content_type.to_str().unwrap().split_once("boundary=").unwrap().1.to_owned();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"public_key\"\r\n\r\nab\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{{\"a\":1}}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\r\n--x\0\r\n--{boundary}--\r\n"
        );
        assert_eq!(form, expected.as_bytes());
    }

    #[test]
    fn a_file_that_would_be_refused_is_not_sent() {
        for bytes in [0, FILE_BYTES_MAX + 1] {
            let fault = form_of("ab", vec![0; bytes], None).unwrap_err();
            assert!(matches!(fault, Error::Setup(SetupFault::FileSize { .. })), "{bytes}");
        }
        assert!(form_of("ab", vec![0; FILE_BYTES_MAX], None).is_ok());
    }
}
