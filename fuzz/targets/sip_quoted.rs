//! What ICMP errors quote, by whomever they are made up: no panic; what is read lies within the quote, and where the quote is
//! cut shorter the same is read, or less, or nothing.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_sip::QuotedRequest;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, quote)) = input.split_first() else { return };
    let Some(cut_off) = quote.get(..usize::from(cut) * 4).and_then(QuotedRequest::read) else {
        let _ = QuotedRequest::read(quote);
        return;
    };
    let whole = QuotedRequest::read(quote).expect("more of it says no less");
    assert_eq!(whole.method, cut_off.method);
    assert!(whole.branch.starts_with(cut_off.branch));
    assert!(
        quote.windows(whole.branch.len().max(1)).any(|part| part == whole.branch) || whole.branch.is_empty()
    );
});
