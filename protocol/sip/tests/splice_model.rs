//! Splices against a model so simple that it is right: a list of header lines, each a list of values.

use offhook_sip::{Message, Name, Scratch, Splice};
use proptest::collection::vec;
use proptest::prelude::*;

/// Headers to edit, with another way to write each.
const HEADERS: [(Name, &str, &str); 4] = [
    (Name::Via, "Via", "v"),
    (Name::Route, "Route", "ROUTE"),
    (Name::RecordRoute, "Record-Route", "record-route"),
    (Name::MaxForwards, "Max-Forwards", "max-forwards"),
];

const START: &str = "INVITE sip:bob@example.com SIP/2.0\r\n";

#[derive(Clone, Debug)]
struct Line {
    /// Which of `HEADERS`; none is a header nobody knows.
    header: Option<usize>,
    /// Name, colon and blanks.
    front: String,
    values: Vec<String>,
    comma: &'static str,
}

impl Line {
    fn write(&self, out: &mut String) {
        out.push_str(&self.front);
        out.push_str(&self.values.join(self.comma));
        out.push_str("\r\n");
    }
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    PushFront,
    PushBack,
    Set,
    Pop(usize),
    RemoveAll,
}

fn line() -> impl Strategy<Value = Line> {
    let value = prop_oneof![
        "<sip:[a-z]{1,3};lr>",
        "\"[a-z,<]{0,4}\" <sip:[a-z]{1,3},x>;a=\"[,;]{0,3}\"",
        "SIP/2\\.0/UDP [a-z]{1,4};branch=z9hG4bK[0-9]{1,3}",
        "[0-9]{1,2}",
    ];
    let header = prop::option::weighted(0.8, 0..HEADERS.len());
    let blanks = prop::sample::select(vec![": ", ":", " :\t", ":\r\n "]);
    let comma = prop::sample::select(vec![",", ", ", " ,\r\n\t"]);
    (header, any::<bool>(), blanks, vec(value, 1..4), comma).prop_map(
        |(header, short, blanks, values, comma)| {
            let name = header.map_or("X-Odd", |h| if short { HEADERS[h].2 } else { HEADERS[h].1 });
            Line { header, front: format!("{name}{blanks}"), values, comma }
        },
    )
}

/// At most one edit of each header, for edits must not overlap, in any order.
fn edits() -> impl Strategy<Value = Vec<(usize, Edit)>> {
    let edit = prop_oneof![
        Just(Edit::PushFront),
        Just(Edit::PushBack),
        Just(Edit::Set),
        (0usize..8).prop_map(Edit::Pop),
        Just(Edit::RemoveAll)
    ];
    let each = (edit, any::<bool>());
    [each.clone(), each.clone(), each.clone(), each]
        .prop_map(|each| each.into_iter().enumerate())
        .prop_flat_map(|all| {
            let chosen: Vec<_> =
                all.filter(|(_, (_, chosen))| *chosen).map(|(h, (edit, _))| (h, edit)).collect();
            Just(chosen).prop_shuffle()
        })
}

/// What the edits make of the lines, by the model.
fn by_model(lines: &[Line], edits: &[(usize, Edit)], body: &str) -> String {
    // Before each line, and behind the last, stands what was pushed there.
    let mut pushed = vec![String::new(); lines.len() + 1];
    let mut lines: Vec<Option<Line>> = lines.iter().cloned().map(Some).collect();
    for &(header, edit) in edits {
        let fresh = format!("{}: new{header}\r\n", HEADERS[header].1);
        let own: Vec<usize> = (0..lines.len())
            .filter(|&i| lines[i].as_ref().is_some_and(|l| l.header == Some(header)))
            .collect();
        match edit {
            Edit::PushFront => pushed[own.first().copied().unwrap_or(0)].push_str(&fresh),
            Edit::PushBack => pushed[lines.len()].push_str(&fresh),
            Edit::Set => match own.first() {
                Some(&i) => lines[i].as_mut().expect("it is there").values = vec![format!("new{header}")],
                None => pushed[lines.len()].push_str(&fresh),
            },
            Edit::Pop(count) => pop(&mut lines, &own, count),
            Edit::RemoveAll => own.iter().for_each(|&i| lines[i] = None),
        }
    }
    let mut out = START.to_owned();
    for (line, before) in lines.iter().zip(&pushed) {
        out.push_str(before);
        line.iter().for_each(|line| line.write(&mut out));
    }
    out + &pushed[lines.len()] + "\r\n" + body
}

fn pop(lines: &mut [Option<Line>], own: &[usize], mut count: usize) {
    for &i in own {
        let values = &mut lines[i].as_mut().expect("it is there").values;
        let taken = count.min(values.len());
        values.drain(..taken);
        count -= taken;
        if values.is_empty() {
            lines[i] = None;
        }
    }
}

fn by_splice(bytes: &[u8], edits: &[(usize, Edit)]) -> String {
    let message = Message::parse(bytes).expect("a message");
    let mut scratch = Scratch::default();
    let mut splice = Splice::new(&message, &mut scratch);
    for &(header, edit) in edits {
        let name = HEADERS[header].0;
        let text = format!("new{header}");
        let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
        match edit {
            Edit::PushFront => splice.push_front(name, write),
            Edit::PushBack => splice.push_back(name, write),
            Edit::Set => splice.set(name, write),
            Edit::Pop(count) => splice.pop_values(name, count),
            Edit::RemoveAll => splice.remove_all(name),
        }
    }
    let mut out = Vec::new();
    splice.write_to(&mut out);
    String::from_utf8(out).expect("ASCII")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// RFC 3261 §16.6: what the edits name changes, and nothing else.
    #[test]
    fn edits_do_what_the_model_does(lines in vec(line(), 0..8), edits in edits(), body in "[a-z]{0,6}") {
        let mut text = START.to_owned();
        lines.iter().for_each(|line| line.write(&mut text));
        let text = text + "\r\n" + &body;
        prop_assert_eq!(by_splice(text.as_bytes(), &edits), by_model(&lines, &edits, &body));
        prop_assert_eq!(by_splice(text.as_bytes(), &[]), text);
    }
}
