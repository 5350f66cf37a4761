//! Certificates that peers show: no panic, and what is no certificate proves nothing. RFC 5922 §7.1.

#![cfg_attr(not(test), no_main)]

use offhook_certificates::sip_domains;
use offhook_fuzz::fuzz_target;

fuzz_target!(|der: &[u8]| {
    let domains = sip_domains(der);
    assert!(domains.iter().all(|domain| !domain.is_empty() && domain.len() <= der.len()));
    assert!(domains.len() <= der.len());
});
