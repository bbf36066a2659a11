//! What can be done to a piece of evidence: to its bytes, and to each member of a document.

use boundary::json::{Value, canonical, parse};

/// What was done, and what came of it.
pub type Altered = (String, Vec<u8>);

/// The pieces of other proofs that stand where this one stands.
pub type Others<'a> = &'a [(&'a str, Vec<u8>)];

/// A piece whose inside is nobody's but the enclave's, or a signer's.
pub fn bytes(name: &str, good: &[u8], others: Others<'_>) -> Vec<Altered> {
    let flip = |at: usize, bit: u8| {
        let mut bad = good.to_vec();
        bad[at] ^= bit;
        bad
    };
    let (last, middle) = (good.len() - 1, good.len() / 2);
    let mut altered = vec![
        ("first bit flipped", flip(0, 0x80)),
        ("a bit flipped in the middle", flip(middle, 0x10)),
        ("last bit flipped", flip(last, 0x01)),
        ("absent", Vec::new()),
        ("null", vec![0; good.len()]),
        ("longer", [good, &[0]].concat()),
        ("longer in front", [&[0], good].concat()),
        ("shorter", good[..last].to_vec()),
        ("half", good[..middle].to_vec()),
        ("twice", good.repeat(2)),
    ];
    altered.extend(others.iter().map(|(whose, other)| (*whose, other.clone())));
    named(name, good, altered.into_iter().map(|(how, bad)| (how.to_owned(), bad)))
}

fn named(name: &str, good: &[u8], all: impl Iterator<Item = Altered>) -> Vec<Altered> {
    all.filter(|(_, bad)| bad != good).map(|(how, bad)| (format!("{name}: {how}"), bad)).collect()
}

/// A document: the same to its bytes, and each of its members by itself.
pub fn document(name: &str, good: &[u8], others: Others<'_>) -> Vec<Altered> {
    let read = |bytes: &[u8]| parse(std::str::from_utf8(bytes).unwrap()).unwrap();
    let (document, theirs) = (read(good), others.iter().map(|(whose, bytes)| (*whose, read(bytes))));
    let theirs: Vec<(&str, Value)> = theirs.collect();
    let mut altered = bytes(name, good, others);
    let text = std::str::from_utf8(good).unwrap();
    for (how, bad) in
        [("space in front", format!(" {text}")), ("a member more", text.replacen('{', r#"{"a":1,"#, 1))]
    {
        altered.push((format!("{name}: {how}"), bad.into_bytes()));
    }
    let mut places = Vec::new();
    walk(&document, &mut Vec::new(), &mut places);
    for place in places {
        let found = at(&document, &place);
        let values = values_of(found).into_iter().map(|(how, value)| (how.to_owned(), Some(value)));
        let gone = ["absent", "duplicate"].map(|how| (how.to_owned(), None));
        let others = theirs.iter().filter_map(|(whose, theirs)| {
            let value = try_at(theirs, &place)?;
            (value != found).then(|| ((*whose).to_owned(), Some(value.clone())))
        });
        for (how, value) in values.chain(gone).chain(others) {
            let path: Vec<_> = place.iter().map(Step::to_string).collect();
            let mut bad = document.clone();
            put(&mut bad, &place, &how, value);
            let all = std::iter::once((format!("{} {how}", path.join(".")), written(&bad).into_bytes()));
            altered.extend(named(name, good, all));
        }
    }
    altered
}

#[derive(Clone)]
enum Step {
    Member(String),
    Element(usize),
}

impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(name) => write!(out, "{name}"),
            Self::Element(at) => write!(out, "{at}"),
        }
    }
}

fn walk(value: &Value, to: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let below: Vec<(Step, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (Step::Member(name.clone()), value)).collect()
        }
        Value::List(list) => list.iter().enumerate().map(|(at, value)| (Step::Element(at), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in below {
        to.push(step);
        found.push(to.clone());
        walk(value, to, found);
        to.pop();
    }
}

fn try_at<'a>(value: &'a Value, place: &[Step]) -> Option<&'a Value> {
    place.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Object(_), Step::Member(name)) => value.get(name),
        (Value::List(list), Step::Element(at)) => list.get(*at),
        _ => None,
    })
}

fn at<'a>(value: &'a Value, place: &[Step]) -> &'a Value {
    try_at(value, place).expect("a place of its own")
}

/// What may stand in the place of a value.
fn values_of(value: &Value) -> Vec<(&'static str, Value)> {
    let mut values = vec![("null", Value::Null)];
    match value {
        Value::Text(text) => {
            let mut flipped: Vec<char> = text.chars().collect();
            if let Some(last) = flipped.last_mut() {
                *last = char::from_u32(*last as u32 ^ 1).expect("a character");
            }
            values.extend([
                ("flipped", Value::text(flipped.into_iter().collect::<String>())),
                ("empty", Value::text("")),
                ("longer", Value::text(format!("{text}0"))),
                ("as a list", Value::List(vec![value.clone()])),
                ("as a number", Value::Integer(1)),
            ]);
        }
        Value::Integer(integer) => values.extend([
            ("flipped", Value::Integer(integer ^ 1)),
            ("empty", Value::Integer(0)),
            ("negative", Value::Integer(-integer - 1)),
            ("longer", Value::Integer(integer * 10 + 1)),
            ("as a text", Value::text(integer.to_string())),
        ]),
        Value::Bool(truth) => {
            values.extend([("flipped", Value::Bool(!truth)), ("as a text", Value::text(truth.to_string()))]);
        }
        Value::List(list) => values.extend([
            ("empty", Value::List(Vec::new())),
            ("longer", Value::List([list.as_slice(), &list[..list.len().min(1)]].concat())),
            ("as a text", Value::text("")),
        ]),
        Value::Object(_) => {
            values.extend([("empty", Value::Object(Vec::new())), ("as a text", Value::text(""))]);
        }
        Value::Null => values.extend([("as a text", Value::text("00")), ("as a number", Value::Integer(0))]),
        Value::Number(_) => unreachable!("no document has one"),
    }
    values
}

/// Puts a value in a place; without one, takes away or repeats what stands there.
fn put(document: &mut Value, place: &[Step], how: &str, value: Option<Value>) {
    let (step, rest) = place.split_first().expect("a place below the document");
    match (document, step) {
        (Value::Object(members), Step::Member(name)) => {
            let at = members.iter().position(|(known, _)| known == name).expect("a member");
            match (rest.is_empty(), value) {
                (true, Some(value)) => members[at].1 = value,
                (true, None) if how == "absent" => drop(members.remove(at)),
                (true, None) => members.insert(at, members[at].clone()),
                (false, value) => put(&mut members[at].1, rest, how, value),
            }
        }
        (Value::List(list), Step::Element(at)) => match (rest.is_empty(), value) {
            (true, Some(value)) => list[*at] = value,
            (true, None) if how == "absent" => drop(list.remove(*at)),
            (true, None) => list.insert(*at, list[*at].clone()),
            (false, value) => put(&mut list[*at], rest, how, value),
        },
        _ => unreachable!("a place of this document"),
    }
}

/// Canonical but for names that stand twice, which the writer of the product would refuse.
fn written(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            let members = members.iter().map(|(name, value)| {
                format!("{}:{}", canonical(&Value::text(name)).unwrap(), written(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::List(list) => format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(",")),
        plain => canonical(plain).unwrap(),
    }
}
