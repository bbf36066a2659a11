//! Addresses of lists: what narrows them, and where they go on.

use std::collections::{BTreeMap, HashMap};

use axum::extract::Query;

/// The query of an address.
pub type Asked = Query<HashMap<String, String>>;

/// What a form of a list sent: fields that were left empty narrow nothing.
pub fn narrowing(Query(params): Asked) -> HashMap<String, String> {
    let trimmed = params.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
    trimmed.filter(|(_, value)| !value.is_empty()).collect()
}

/// A path with these parameters, one of them set to this; in the order of their names, so that one list has one
/// address.
pub fn address(path: &str, params: &HashMap<String, String>, set: Option<(&str, &str)>) -> String {
    let mut sorted: BTreeMap<&str, &str> =
        params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sorted.extend(set);
    if sorted.is_empty() {
        return path.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(sorted).finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_narrows_and_escapes_it() {
        let params = HashMap::from([
            ("user".to_owned(), "a&b=c".to_owned()),
            ("cursor".to_owned(), "old".to_owned()),
            ("empty".to_owned(), "  ".to_owned()),
        ]);
        let params = narrowing(Query(params));
        assert_eq!(address("/x", &params, Some(("cursor", "new"))), "/x?cursor=new&user=a%26b%3Dc");
        assert_eq!(address("/x", &HashMap::new(), None), "/x");
    }
}
