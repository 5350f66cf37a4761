//! Marks are found where they stand, and the page says what they say.

use super::*;

const RUST: &str = r#"
/// Not a test: RFC 1 §1.
fn plain() {}

#[cfg(test)]
mod tests {
    /// The request is sent again. RFC 3261 §17.1.1.2, §17.1.1.3
    /// and RFC 6026 §7.2.
    #[test]
    fn resends() {
        let text = "
        // RFC 9 §9
        #[test] fn quoted() {}";
    }

    // RFC 3261 §9.1
    #[tokio::test]
    async fn cancels() {}

    #[test]
    fn unmarked() {}
}
"#;

const PYTHON: &str =
    "# RFC 3665 §3.10\n# and §3.8\n@once\ndef silent(x):\n    pass\n\n\ndef other():\n    pass\n";

fn marks(files: &[(&str, &str)]) -> Vec<String> {
    let marks = marks::collect(&Tree::of(files)).into_iter();
    marks.map(|mark| format!("{} {} {}", mark.section.rfc, mark.section.number, mark.test)).collect()
}

#[test]
fn the_page_of_this_project_is_fresh() {
    assert!(check().expect("the project can be read"), "run `cargo xtask rfc`");
}

#[test]
fn marks_stand_above_tests() {
    let found = marks(&[("a/src/lib.rs", RUST)]);
    assert_eq!(
        found,
        ["3261 9.1 cancels", "3261 17.1.1.2 resends", "3261 17.1.1.3 resends", "6026 7.2 resends"]
    );
}

#[test]
fn python_flows_are_marked_too() {
    assert_eq!(marks(&[("test/a/b.py", PYTHON)]), ["3665 3.8 silent", "3665 3.10 silent"]);
    assert_eq!(marks(&[("docs/b.py", PYTHON)]), Vec::<String>::new());
}

#[test]
fn sections_are_in_the_order_of_the_document() {
    let text = "// RFC 2 §10, §9, §A.1, §9.2, §9.10.\n#[test]\nfn t() {}\n// RFC 1 §1\n#[test]\nfn u() {}";
    let found = marks(&[("a.rs", text)]);
    assert_eq!(found, ["1 1 u", "2 9 t", "2 9.2 t", "2 9.10 t", "2 10 t", "2 A.1 t"]);
}

#[test]
fn the_page_names_sections_tests_and_gaps() {
    let gaps = "[rfc.3665]\ntitle = \"Call Flows\"\ngaps = [{ section = \"3.4\", missing = \"one proxy only\" }]\n\
                [rfc.3263]\ntitle = \"Locating Servers\"\ngaps = [{ section = \"4\", missing = \"all of it\" }]\n\
                outside = [{ section = \"5\", because = \"for phones\" }]\n\
                [rfc.3262]\ntitle = \"only a title\"\n";
    let tree = Tree::of(&[("test/a/b.py", PYTHON), (GAPS, gaps)]);
    let page = drawn(&tree).expect("the gaps are well formed");
    let body = page.split_once("\n## ").map(|(_, body)| body).unwrap_or_default();
    assert_eq!(
        body,
        "RFC 3263: Locating Servers\n\nNo test yet.\n\nMissing:\n\n- §4: all of it\n\nNot asked of this server:\n\n- §5: for phones\n\n## RFC 3665: Call Flows\n\n| section | proved by |\n|---|---|\n\
         | §3.8 | [test/a/b.py](../test/a/b.py): `silent` |\n| §3.10 | [test/a/b.py](../test/a/b.py): `silent` |\n\n\
         Missing:\n\n- §3.4: one proxy only\n"
    );
}

#[test]
fn an_rfc_that_nobody_named_by_hand_has_its_number_only() {
    let page = drawn(&Tree::of(&[("test/a/b.py", PYTHON), (GAPS, "")])).expect("no gaps is fine");
    assert!(page.contains("\n## RFC 3665\n\n| section"), "{page}");
}

#[test]
fn gaps_that_say_nothing_are_refused() {
    let error = drawn(&Tree::of(&[(GAPS, "[rfc.3261]\ngaps = []")])).expect_err("no title");
    assert_eq!(format!("{error:#}"), format!("reading {GAPS}: in [rfc.3261]: `title` is missing"));
}
