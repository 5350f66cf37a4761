//! CSeq values of strangers: no panic; the number is below 2³¹; what is written again reads the same.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_sip::CSeq;

fuzz_target!(|value: &[u8]| {
    let Ok(cseq) = CSeq::parse(value) else { return };
    assert!(cseq.number < 1 << 31);
    assert!(cseq.method().name().is_empty() || cseq.method().name().as_bytes() == cseq.method);
    let written = [cseq.number.to_string().as_bytes(), b" ", cseq.method].concat();
    assert_eq!(CSeq::parse(&written), Ok(cseq));
});
