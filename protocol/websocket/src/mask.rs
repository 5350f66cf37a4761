//! Masking: RFC 6455 §5.3. It protects proxies from scripts; for us it is one pass over what was received.

/// Applies the mask to the payload it belongs to, in place. Eight bytes at a time: the compiler makes wider ones of it.
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ twice).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §5.3: octet i is masked with octet i modulo 4 of the key.
    #[test]
    fn every_length_is_unmasked_as_the_rfc_says() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..100 {
            let plain: Vec<u8> = (0..length).collect();
            let mut masked: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            unmask(&mut masked, key);
            assert_eq!(masked, plain);
        }
    }
}
