//! A scrape of `/metrics`, read as a scraper reads it.

use crate::call::Answer;

/// What `/metrics` answered.
pub struct Scrape {
    /// The whole answer.
    pub answer: Answer,
    samples: Vec<(String, String)>,
}

impl Scrape {
    /// Reads every line; one that is no sample and no comment fails the test.
    pub(crate) fn of(answer: Answer) -> Self {
        let text = answer.text();
        assert!(text.ends_with("# EOF\n"), "cut: {text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            (series.to_owned(), value.to_owned())
        });
        Self { samples: samples.collect(), answer }
    }

    /// What the series of this name have, in whole units: those with all of these labels, each as it is written: `method="GET"`.
    pub fn all(&self, name: &str, labels: &[&str]) -> Vec<i64> {
        let is_wanted = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, "}"));
            let given: Vec<_> = rest.trim_end_matches('}').split(',').collect();
            found == format!("holdfast_{name}") && labels.iter().all(|label| given.contains(label))
        };
        let samples = self.samples.iter().filter(|(series, _)| is_wanted(series));
        let whole = |value: &String| value.split('.').next().and_then(|whole| whole.parse().ok());
        samples.map(|(_, value)| whole(value).unwrap_or_else(|| unreachable!("{name}: {value}"))).collect()
    }

    /// The sum of those series; 0 without any.
    pub fn sum(&self, name: &str, labels: &[&str]) -> i64 {
        self.all(name, labels).iter().sum()
    }

    /// The one series without labels.
    pub fn one(&self, name: &str) -> i64 {
        match self.all(name, &[])[..] {
            [value] => value,
            ref other => unreachable!("{name}: {other:?} in {}", self.answer.text()),
        }
    }
}
