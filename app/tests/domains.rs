//! The example of docs/domains.md, as people run it: two domains, an account of one name in both, numbers.

mod server;

use server::{Place, text};

fn place() -> Place {
    let page = include_str!("../../docs/domains.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    Place::with(example.expect("an example"))
}

#[test]
fn two_domains_and_their_numbers() {
    let place = place();
    let said = place.print(&["check"]);
    assert!(said.contains("domains         school.example, factory.example"), "{said}");

    for account in ["alice", "alice@factory.example"] {
        assert!(place.print(&["account", "add", account]).starts_with("Added alice@"), "{account}");
    }
    let added = place.print(&["account", "alias", "alice", "+4930123456"]);
    assert_eq!(added, "+4930123456@school.example is alice@school.example now.\n");
    place.print(&["account", "alias", "alice@factory.example", "17"]);
    let list = place.print(&["account", "aliases"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    let one = place.print(&["account", "aliases", "--domain", "factory.example", "--json"]);
    assert_eq!(one, "{\"alias\":\"17@factory.example\",\"aor\":\"alice@factory.example\"}\n");

    for (arguments, why) in [
        (
            &["account", "alias", "alice", "+4930123456"][..],
            "+4930123456@school.example is alice@school.example already",
        ),
        (&["account", "alias", "alice", "alice"], "is an account"),
        (&["account", "alias", "carol", "18"], "there is no account"),
        (&["account", "unalias", "18"], "18@school.example is no other name of anybody"),
    ] {
        let refused = place.run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }

    // The short number of the school is a rule; nobody is registered, so the rehearsal ends with 480.
    let route = place.print(&["route", "alice", "sip:11@alt.school.example"]);
    assert!(route.contains("rule reception: takes it") && route.contains("answers 480"), "{route}");
    let route = place.print(&["route", "alice", "sip:11@factory.example"]);
    assert!(route.contains("rule reception: no, the Request-URI has another domain"), "{route}");
    let route = place.print(&["route", "alice", "sip:+4930123456@school.example"]);
    assert!(route.contains("answers 480"), "{route}");
    let route = place.print(&["route", "alice", "sip:17@school.example"]);
    assert!(route.contains("answers 404"), "17 is somebody of the factory: {route}");

    let route = place.print(&["route", "zoe", "alice"]);
    assert!(route.contains("who has no account and can prove nothing"), "{route}");
    assert!(route.contains("answers 407"), "{route}");

    assert_eq!(
        place.print(&["account", "unalias", "17@factory.example"]),
        "17@factory.example is nobody now.\n"
    );
    place.print(&["account", "remove", "alice"]);
    assert_eq!(
        place.print(&["account", "aliases"]),
        "No account has another name.\n",
        "they go with the account"
    );
}
