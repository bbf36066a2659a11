//! A public OpenPGP certificate as people paste it, as the bytes that a list holds. What is in it is the enclave's to
//! judge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// The packet that a certificate begins with (RFC 9580 §5.5.1.1); a secret key begins with another.
const PUBLIC_KEY_TAG: u8 = 6;

/// The binary form of one armoured certificate (RFC 9580 §6.2). What stands behind the armour's checksum sign is not
/// looked at: that checksum protects nothing.
pub fn read_certificate(text: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?.replace('\r', "");
    // Headers end with an empty line; there may be none of them.
    let (_, encoded) = body.split_once("\n\n").filter(|_| !body.contains("-----"))?;
    let lines = encoded.lines().map(str::trim).take_while(|line| !line.starts_with('='));
    let bytes = STANDARD.decode(lines.collect::<String>()).ok()?;
    is_certificate(&bytes).then_some(bytes)
}

/// Whether bytes begin as a certificate does, in either form of a packet's head (RFC 9580 §4.2).
pub fn is_certificate(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|head| match head & 0xc0 {
        0xc0 => head & 0x3f == PUBLIC_KEY_TAG,
        0x80 => head >> 2 & 0x0f == PUBLIC_KEY_TAG,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armoured(bytes: &[u8], headers: &str) -> String {
        let encoded = STANDARD.encode(bytes);
        format!("{BEGIN}\r\n{headers}\r\n{}\r\n{}\r\n=abcd\r\n{END}\r\n", &encoded[..8], &encoded[8..])
    }

    #[test]
    fn one_public_certificate_is_read_and_nothing_else() {
        for head in [0xc6, 0x98, 0x99] {
            let bytes = [&[head], b"a certificate".as_slice()].concat();
            assert_eq!(read_certificate(&armoured(&bytes, "")), Some(bytes.clone()));
            assert_eq!(read_certificate(&armoured(&bytes, "Comment: x\r\n")), Some(bytes));
        }
        // A secret key, a signature, no packet at all.
        for head in [0xc5, 0x94, 0x95, 0xc2, 0x88, 0x06, 0x18] {
            assert_eq!(read_certificate(&armoured(&[head, 1, 2, 3, 4, 5, 6, 7], "")), None, "{head:x}");
        }
        let good = armoured(b"\xc6 a certificate", "");
        for bad in [
            String::new(),
            good.replace("PUBLIC", "PRIVATE"),
            good.replace(END, ""),
            format!("{good}{good}"),
            good.replacen("\r\n\r\n", "\r\n", 1),
            good.replace("=abcd", "!abcd"),
        ] {
            assert_eq!(read_certificate(&bad), None, "{bad}");
        }
    }
}
