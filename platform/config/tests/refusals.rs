//! What a file is refused for: the text, and every line that is said about it.

use offhook_config::Config;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let said = match Config::parse(text, "offhook.toml") {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let lines: Vec<&str> =
        said.lines().map(|line| line.strip_prefix("offhook.toml:").unwrap_or(line)).collect();
    assert_eq!(lines, expected, "for:\n{text}");
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    check(
        "[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\n[[listen]]\n  transprot = \"tcp\"\n",
        &[
            r#"5:1: [[listen]] must say "transport""#,
            r#"5:1: [[listen]] must say "address""#,
            r#"6:3: unknown key "transprot" in [[listen]]; did you mean "transport"?"#,
        ],
    );
    check("[registar]", &[r#"1:2: unknown key "registar" in the top level; did you mean "registrar"?"#]);
    check("[timers]\nT1_ms = 5", &[r#"2:1: unknown key "T1_ms" in [timers]; did you mean "t1_ms"?"#]);
}

#[test]
fn a_key_in_the_wrong_table_is_sent_home() {
    check("t1_ms = 5", &[r#"1:1: unknown key "t1_ms" in the top level; it belongs in [timers]"#]);
    check("[log]\naddress = 5", &[r#"2:1: unknown key "address" in [log]; it belongs in [[listen]]"#]);
    check(
        "[log]\ndomains = []",
        &[r#"2:1: unknown key "domains" in [log]; it belongs in the top level, above the first table"#],
    );
}

#[test]
fn a_key_like_none_of_ours_is_answered_with_the_list() {
    check(
        "[log]\nsyslog_facility = 5",
        &[r#"2:1: unknown key "syslog_facility" in [log]; its keys are "level", "format""#],
    );
    check(
        "[log]\n\"a\\u001b[2J\" = 5",
        &[r#"2:1: unknown key "a\u{1b}[2J" in [log]; its keys are "level", "format""#],
    );
}

#[test]
fn wrong_types_are_named() {
    check(
        "[registrar]\nexpires_min_s = \"60\"",
        &[r#"2:17: "expires_min_s" in [registrar] must be a whole number, not a string"#],
    );
    check(
        "[timers]\nt1_ms = 0.5",
        &[r#"2:9: "t1_ms" in [timers] must be a whole number, not a decimal number"#],
    );
    check(
        "[proxy]\nrecord_route = \"yes\"",
        &[r#"2:16: "record_route" in [proxy] must be true or false, not a string"#],
    );
    check("domains = \"example.org\"", &[r#"1:11: "domains" must be a list, not a string"#]);
    check("domains = [5]", &[r#"1:12: "domains" must be a string, not a whole number"#]);
    check("data_dir = 1979-05-27", &[r#"1:12: "data_dir" must be a string, not a date or time"#]);
    check("log = 5", &[r#"1:7: "log" must be a table, not a whole number"#]);
    check("[[log]]", &[r#"1:1: "log" must be a table, not a list"#]);
    check(
        "[listen]",
        &[r#"1:1: "listen" must be a list of tables (two brackets around its name), not a table"#],
    );
}

#[test]
fn numbers_have_bounds() {
    check(
        "[registrar]\nexpires_min_s = 3601",
        &[r#"2:17: "expires_min_s" in [registrar] is 3601, but must be from 1 to 3600"#],
    );
    check("[engine]\nshards = -1", &[r#"2:10: "shards" in [engine] is -1, but must be from 0 to 64"#]);
    check(
        "[engine]\nshards = 99999999999999999999999",
        &[r#"2:10: "shards" in [engine] is 99999999999999999999999, but must be from 0 to 64"#],
    );
}

#[test]
fn listeners_must_be_usable() {
    let with = |transport: &str, address: &str| {
        format!("[[listen]]\ntransport = \"{transport}\"\naddress = \"{address}\"\n")
    };
    check(
        &with("upd", "127.0.0.1:5060"),
        &[
            r#"2:13: "transport" in [[listen]] is "upd": known are "udp", "tcp", "tls", "sctp", "ws", "wss"; did you mean "udp"?"#,
        ],
    );
    for address in ["localhost:5060", "127.0.0.1", "::1", "127.0.0.1:70000", ""] {
        check(
            &with("udp", address),
            &[&format!(
                r#"3:11: "address" in [[listen]] is "{address}": an IP address and a port are wanted, such as 192.0.2.1:5060 or [2001:db8::1]:5060"#
            )],
        );
    }
    check(
        &with("udp", "[::ffff:127.0.0.1]:5060"),
        &[
            r#"3:11: "address" in [[listen]] is "[::ffff:127.0.0.1]:5060": write an IPv4 address as such, without ::ffff:"#,
        ],
    );
    check(
        &[with("udp", "127.0.0.1:5060"), with("tcp", "127.0.0.1:5060"), with("udp", "127.0.0.1:5060")]
            .concat(),
        &["9:1: listener udp 127.0.0.1:5060 stands in line 3 already"],
    );
    check(
        &[with("tcp", "127.0.0.1:5060"), with("tls", "127.0.0.1:5060")].concat(),
        &["6:1: the TCP port of listener tls 127.0.0.1:5060 stands in line 3 already"],
    );
    check("listen = []", &[r#"1:1: "listen" must not be empty"#]);
}

#[test]
fn routes_must_lead_somewhere_and_be_reached() {
    check(
        "[[route]]\nto = \"sip:trunk.example.org\"\nmatch = {}",
        &["3:1: match of [[route]] needs at least one condition"],
    );
    check(
        "[[route]]\nto = \"sip:192.0.2.9\"\nmatch = {}",
        &["3:1: match of [[route]] needs at least one condition"],
    );
    check("[[route]]\nto = \"sip:192.0.2.9\"", &[r#"1:1: [[route]] must say "match""#]);
    check(
        "[[route]]\nto = \"sip:192.0.2.9\"\nmatch = { prefx = \"0\" }",
        &[r#"3:11: unknown key "prefx" in match of [[route]]; did you mean "prefix"?"#],
    );
    check(
        "[[route]]\nto = \"sip:192.0.2.9\"\nmatch = { methods = [\"invite\"] }",
        &[
            r#"3:22: "methods" in match of [[route]] is "invite": a method in capital letters is wanted, such as INVITE"#,
        ],
    );
    let route = "[[route]]\nmatch.domain = \"a.example\"\nto = \"sip:192.0.2.9\"\n";
    check(&route.repeat(2), &["5:1: a route with this match stands in line 2 already"]);
}

#[test]
fn a_route_does_one_thing() {
    let match_all = "[[route]]\nmatch.domain = \"a.example\"\n";
    check(
        &format!("{match_all}to = \"sip:192.0.2.9\"\nrefuse = 403"),
        &[
            "1:1: [[route]] must say exactly one of to, trunk, users, redirect, refuse and enum; it says to and refuse",
        ],
    );
    check(
        "[[route]]\nmatch.domain = \"a.example\"",
        &["1:1: [[route]] must say exactly one of to, trunk, users, redirect, refuse and enum; it says none"],
    );
    check(
        &format!("{match_all}users = true"),
        &[
            r#"3:1: "users" in [[route]] means nothing with no user, strip or prepend: users are looked up anyway"#,
        ],
    );
    check(
        &format!("{match_all}refuse = 403\nstrip = 1\nprepend = \"9\""),
        &[
            r#"4:1: "strip" in [[route]] means nothing with refuse: what is refused goes nowhere"#,
            r#"5:1: "prepend" in [[route]] means nothing with refuse: what is refused goes nowhere"#,
        ],
    );
    check(
        &format!("{match_all}refuse = 200"),
        &[r#"3:10: "refuse" in [[route]] is 200, but must be from 400 to 699"#],
    );
}

/// RFC 5922 §7.3.
#[test]
fn a_name_is_proved_by_tls_alone() {
    let route =
        |to: &str| format!("[[route]]\nmatch.prefix = \"00\"\nto = \"{to}\"\nproves = \"a.example\"\n");
    for to in ["sip:192.0.2.9", "sip:b.example:5060", "sip:b.example;transport=tcp"] {
        check(
            &route(to),
            &[
                r#"4:1: "proves" in [[route]] means nothing with no `to` by TLS: only a certificate proves a name"#,
            ],
        );
    }
    for to in ["sips:192.0.2.9", "sip:b.example", "sip:b.example:5061;transport=tls"] {
        check(&route(to), &[]);
    }
    check(
        "[[trunk]]\nname = \"p\"\ntargets = [{ to = \"sip:192.0.2.9\", proves = \"a.example\" }]",
        &[
            r#"3:36: "proves" in targets[0] of [[trunk]] means nothing with no `to` by TLS: only a certificate proves a name"#,
        ],
    );
}

#[test]
fn trunks_are_known_by_their_names() {
    let trunk = "[[trunk]]\nname = \"provider\"\ntargets = [{ to = \"sip:192.0.2.9\" }]\n";
    check(
        &format!("{trunk}[[route]]\nmatch.prefix = \"00\"\ntrunk = \"provder\""),
        &[
            r#"6:1: "trunk" in [[route]] is "provder", but no [[trunk]] has this name; did you mean "provider"?"#,
        ],
    );
    check(&trunk.repeat(2), &["5:1: this name of a trunk stands in line 2 already"]);
    check("[[trunk]]\nname = \"p\"\ntargets = []", &[r#"3:1: "targets" in [[trunk]] must not be empty"#]);
    check(
        "[[trunk]]\nname = \"p\"\ntargets = [{ to = \"sip:192.0.2.9\", weight = 0 }]",
        &[r#"3:45: "weight" in targets[0] of [[trunk]] is 0, but must be from 1 to 65535"#],
    );
}

#[test]
fn orders_are_checked_and_shown_at_the_key_that_is_written() {
    check(
        "[registrar]\n\nexpires_max_s = 600",
        &[
            r#"3:1: "expires_default_s" in [registrar] (3600) must not be above "expires_max_s" in [registrar] (600)"#,
        ],
    );
    check(
        "[timers]\nt1_ms = 5000",
        &[r#"2:1: "t1_ms" in [timers] (5000) must not be above "t2_ms" in [timers] (4000)"#],
    );
    check(
        "[registrar]\nbindings_per_aor_max = 30",
        &[
            r#"2:1: "bindings_per_aor_max" in [registrar] (30) must not be above "fork_targets_max" in [proxy] (20)"#,
        ],
    );
    check(
        "[[domain]]\nname = \"a.example\"\nbindings_per_aor_max = 30",
        &[
            r#"1:1: "bindings_per_aor_max" in [[domain]] (30) must not be above "fork_targets_max" in [proxy] (20)"#,
        ],
    );
    let too_many = Config::parse("[registrar]\nbindings_per_aor_max = 33", "file");
    assert!(too_many.is_err_and(|error| error.to_string().contains("32")), "more than can be held");
}

#[test]
fn no_server_is_open_by_accident() {
    check(
        "[access]\nauthenticate_calls = false",
        &[
            r#"2:1: "authenticate_calls" in [access] is off, but udp 0.0.0.0:5060 is not a loopback address: anyone could use this server"#,
        ],
    );
    let text = "[access]\nauthenticate_register = false\n\
        [[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\
        [[listen]]\ntransport = \"tcp\"\naddress = \"192.0.2.1:5060\"\n";
    check(
        text,
        &[
            r#"2:1: "authenticate_register" in [access] is off, but tcp 192.0.2.1:5060 is not a loopback address: anyone could use this server"#,
        ],
    );
}

#[test]
fn lists_hold_each_entry_once() {
    check("domains = [\"a.example\", \"A.example\"]", &[r#"1:25: "domains" lists "a.example" twice"#]);
    check(
        "[digest]\nalgorithms = [\"MD5\", \"MD5\"]",
        &[r#"2:22: "algorithms" in [digest] lists "MD5" twice"#],
    );
    check("[digest]\nalgorithms = []", &[r#"2:1: "algorithms" in [digest] must not be empty"#]);
    check(
        "[digest]\nalgorithms = [\"SHA256\"]",
        &[
            r#"2:15: "algorithms" in [digest] is "SHA256": known are "SHA-256", "SHA-512-256", "MD5"; did you mean "SHA-256"?"#,
        ],
    );
}

#[test]
fn a_certificate_and_its_key_come_together() {
    check("[tls]\ncertificate = \"a.pem\"", &[r#"2:1: "certificate" in [tls] needs "key" in [tls]"#]);
    check(
        "[tls]\nclient_key = \"a.key\"",
        &[r#"2:1: "client_key" in [tls] needs "client_certificate" in [tls]"#],
    );
    check(
        "[tls]\nclient_required = true",
        &[r#"2:1: "client_required" in [tls] needs "client_ca" in [tls]"#],
    );
    let domain = "{ name = \"a.example\", certificate = \"a\", key = \"b\" }";
    check(
        &format!("[tls]\ndomain = [{domain}, {domain}]"),
        &[r#"2:65: "domain" in [tls] lists "a.example" twice"#],
    );
}

#[test]
fn pages_and_paths_of_browser_phones() {
    check(
        "[websocket]\norigins = [\"phone.example.org\"]\npath = \"sip\"\nping_interval_s = 1",
        &[
            r#"2:12: "origins" in [websocket] is "phone.example.org": an origin looks like https://phone.example.org or https://*.example.org, or is null"#,
            r#"3:8: "path" in [websocket] is "sip": a path looks like /sip"#,
            r#"4:19: "ping_interval_s" in [websocket] is 1, but must be from 5 to 3600"#,
        ],
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let text = r#"domains = ["exa mple", 5]
data_dri = "x"
[registrar]
expires_min_s = "60"
expires_max_s = 600
[timers]
t1_ms = 9_000
[[listen]]
transport = "sctpp"
address = "localhost"
"#;
    check(
        text,
        &[
            r#"1:12: "domains" is "exa mple": a domain name or an IP address is wanted (an IPv6 address in brackets)"#,
            r#"1:24: "domains" must be a string, not a whole number"#,
            r#"2:1: unknown key "data_dri" in the top level; did you mean "data_dir"?"#,
            r#"4:17: "expires_min_s" in [registrar] must be a whole number, not a string"#,
            r#"5:1: "expires_default_s" in [registrar] (3600) must not be above "expires_max_s" in [registrar] (600)"#,
            r#"7:1: "t1_ms" in [timers] (9000) must not be above "t2_ms" in [timers] (4000)"#,
            r#"9:13: "transport" in [[listen]] is "sctpp": known are "udp", "tcp", "tls", "sctp", "ws", "wss"; did you mean "sctp"?"#,
            r#"10:11: "address" in [[listen]] is "localhost": an IP address and a port are wanted, such as 192.0.2.1:5060 or [2001:db8::1]:5060"#,
        ],
    );
}

#[test]
fn a_file_of_nonsense_does_not_fill_the_screen() {
    let text: String = (0..60).map(|n| format!("nonsense_{n} = {n}\n")).collect();
    let said = Config::parse(&text, "offhook.toml").unwrap_err().to_string();
    assert_eq!(said.lines().count(), 51);
    assert!(said.ends_with("offhook.toml: and 10 more problems"));
}

#[test]
fn what_is_not_toml_is_shown_where_it_stops_being_it() {
    check("[log\nlevel = \"info\"\n", &["1:5: unclosed table, expected `]`"]);
    check(
        "[log]\nlevel = info\n[engine]\nshards =\n",
        &[
            "2:9: info is neither a number nor true or false; a string stands in quotes",
            "4:9: a value is missing",
        ],
    );
    check("[log]\nlevel = \"info\"\nlevel = \"warn\"", &["3:1: duplicate key"]);
}

#[test]
fn credentials_of_a_trunk_are_whole_and_stay_secret() {
    let trunk = "[[trunk]]\nname = \"a\"\ntargets = [{ to = \"sip:192.0.2.9\" }]\n";
    check(&format!("{trunk}user = \"x\""), &[r#"4:1: "user" in [[trunk]] needs "password" in [[trunk]]"#]);
    check(
        &format!("{trunk}password = \"x\""),
        &[r#"4:1: "password" in [[trunk]] needs "user" in [[trunk]]"#],
    );
    check(&format!("{trunk}realm = \"x\""), &[r#"4:1: "realm" in [[trunk]] needs "user" in [[trunk]]"#]);
    check(
        &format!("{trunk}user = \"x\"\npassword = \"shown\\nnowhere\""),
        &[r#"5:12: "password" in [[trunk]] is "…": 1 to 256 characters are wanted"#],
    );
    let route = "[[route]]\nmatch = { prefix = \"0\" }\ntrunk = \"a\"\nmode = \"stateless\"\n";
    check(
        &format!("{trunk}user = \"x\"\npassword = \"y\"\n{route}"),
        &[
            r#"9:1: "mode" in [[route]] means nothing with the trunk's user: a challenge is answered by who remembers the request"#,
        ],
    );
}

#[test]
fn a_trunk_has_one_password() {
    let trunk = "[[trunk]]\nname = \"t\"\ntargets = [{ to = \"sip:192.0.2.9\" }]\n";
    check(
        &format!("{trunk}user = \"u\"\npassword = \"p\"\npassword_file = \"f\"\n"),
        &[r#"6:1: "password_file" in [[trunk]] means nothing with password: a trunk has one password"#],
    );
    check(
        &format!("{trunk}password_file = \"f\"\n"),
        &[r#"4:1: "password_file" in [[trunk]] needs "user" in [[trunk]]"#],
    );
}
