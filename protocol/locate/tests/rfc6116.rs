//! RFC 6116: from a telephone number to SIP addresses.

mod zone;

use offhook_locate::limits::ENUM_CHAIN_MAX;
use zone::{Zone, number};

/// RFC 6116 §3.4.3, §4: order, then preference; services that are not SIP are passed over.
#[test]
fn the_preferred_sip_address_comes_first() {
    let zone = Zone::new(
        r#"4.3.2.1.5.5.5.2.0.2.1.e164.arpa NAPTR 100 20 "u" "E2U+sip" "!^.*$!sip:second@example.com!" .
           4.3.2.1.5.5.5.2.0.2.1.e164.arpa NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:first@example.com!" .
           4.3.2.1.5.5.5.2.0.2.1.e164.arpa NAPTR 50 5 "u" "E2U+email:mailto" "!^.*$!mailto:i@example.com!" .
           4.3.2.1.5.5.5.2.0.2.1.e164.arpa NAPTR 200 1 "u" "E2U+voice:tel+sip" "!^\+1(.*)$!sips:\1@example.com!" ."#,
    );
    let (uris, asked) = number(&zone, "+1-202-555-1234");
    assert_eq!(uris, "sip:first@example.com, sip:second@example.com, sips:2025551234@example.com");
    assert_eq!(asked, 1);
}

/// RFC 6116 §5.2.1: a rule without flags leads to another name.
#[test]
fn a_rule_may_lead_on() {
    let zone = Zone::new(
        r#"3.2.1.e164.arpa NAPTR 1 1 "" "" "" numbers.example.org
           numbers.example.org NAPTR 1 1 "u" "E2U+sip" "!^\+(.*)$!sip:\1@example.org!" ."#,
    );
    assert_eq!(number(&zone, "+123"), ("sip:123@example.org".into(), 2));
}

/// RFC 6116 §5.2.1: loops end.
#[test]
fn loops_end() {
    let zone = Zone::new(
        r#"3.2.1.e164.arpa NAPTR 1 1 "" "" "" a.example
           a.example NAPTR 1 1 "" "" "" b.example
           b.example NAPTR 1 1 "" "" "" a.example"#,
    );
    assert_eq!(number(&zone, "+123"), ("NoSuchName".into(), ENUM_CHAIN_MAX));
    let itself = Zone::new(r#"3.2.1.e164.arpa NAPTR 1 1 "" "" "" 3.2.1.e164.arpa"#);
    assert_eq!(number(&itself, "+123"), ("NoSuchName".into(), 1));
}

#[test]
fn what_cannot_be_called_is_no_address() {
    let zone = Zone::new(
        r#"3.2.1.e164.arpa NAPTR 1 1 "u" "E2U+sip" "!^.*$!http://example.org/!" .
           3.2.1.e164.arpa NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:!" .
           3.2.1.e164.arpa NAPTR 1 1 "u" "E2U+sip" "!^(.*!x!" .
           4.2.1.e164.arpa NAPTR !"#,
    );
    assert_eq!(number(&zone, "+123").0, "NoSuchName");
    assert_eq!(number(&zone, "+124").0, "Unanswered");
    assert_eq!(number(&zone, "+125").0, "NoSuchName");
}
