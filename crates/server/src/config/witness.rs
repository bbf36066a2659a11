//! Who outside signs checkpoints of the audit logs: `[witness]`.

use domain::audit::cosignature::Cosigner;
use domain::webhook::Targets;
use serde::Deserialize;

use super::SettingsError;
use crate::flows::Witness;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenWitness {
    urls: String,
    keys: String,
}

impl WrittenWitness {
    pub fn check(&self, targets: &Targets) -> Result<Vec<Witness>, SettingsError> {
        let words = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let (urls, keys) = (words(&self.urls), words(&self.keys));
        if urls.len() != keys.len() {
            return Err(SettingsError::new("witness.keys", "must be as many as there are urls"));
        }
        let witness = |(url, key): (String, String)| {
            targets.read(&url).map_err(|_| {
                SettingsError::new("witness.urls", format!("{url} is no address that may be called"))
            })?;
            let key = Cosigner::parse(&key)
                .ok_or_else(|| SettingsError::new("witness.keys", format!("{key} is no key of a witness")))?;
            Ok(Witness { url: url.trim_end_matches('/').to_owned(), key })
        };
        urls.into_iter().zip(keys).map(witness).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    #[test]
    fn each_witness_has_a_place_and_a_key() {
        let key = "w.example.org+ece994a6+BAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
        let read = |urls: &str, keys: &str| {
            let text = format!("[witness]\nurls = \"{urls}\"\nkeys = \"{keys}\"\n");
            Settings::read(&text, |_| None)
                .map(|settings| settings.witnesses.into_iter().map(|witness| witness.url).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("", ""), Ok(Vec::new()));
        assert_eq!(read("https://w.example.org/a/", key), Ok(vec!["https://w.example.org/a".to_owned()]));
        let two = read("https://a.example.org, https://b.example.org", &format!("{key},{key}"));
        assert_eq!(two.map(|urls| urls.len()), Ok(2));
        for (urls, keys, fault) in [
            ("https://w.example.org", "", "witness.keys"),
            ("", key, "witness.keys"),
            ("https://w.example.org", "w+1+2", "witness.keys"),
            ("http://w.example.org", key, "witness.urls"),
            ("https://10.0.0.1", key, "witness.urls"),
        ] {
            let refused = read(urls, keys).unwrap_err();
            assert!(refused.starts_with(fault), "{refused}");
        }
    }
}
