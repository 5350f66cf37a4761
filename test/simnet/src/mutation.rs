//! Ways to spoil a message, for [`crate::World::mutate`]. Each keeps the message plausible enough to get past the first
//! check of a parser.

use crate::Rng;

/// One of the others, by chance.
pub fn any(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let ways = [flip_bit, truncate, repeat_line, drop_line, grow_token, swap_lines];
    ways[rng.below(ways.len() as u64) as usize](rng, bytes);
}

/// Flips one bit.
#[expect(clippy::ptr_arg, reason = "all ways have one signature")]
pub fn flip_bit(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let place = rng.below(bytes.len() as u64) as usize;
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << rng.below(8);
    }
}

/// Drops the end.
pub fn truncate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let len = rng.below(bytes.len() as u64) as usize;
    bytes.truncate(len);
}

/// Writes one line twice.
pub fn repeat_line(rng: &mut Rng, bytes: &mut Vec<u8>) {
    with_lines(bytes, |lines| {
        let index = rng.below(lines.len() as u64) as usize;
        lines.insert(index, lines[index].clone());
    });
}

/// Leaves one line out.
pub fn drop_line(rng: &mut Rng, bytes: &mut Vec<u8>) {
    with_lines(bytes, |lines| {
        lines.remove(rng.below(lines.len() as u64) as usize);
    });
}

/// Makes one byte into up to 64 of it.
pub fn grow_token(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let place = rng.below(bytes.len() as u64) as usize;
    if let Some(&byte) = bytes.get(place) {
        let more = rng.between(1, 63) as usize;
        bytes.splice(place..place, std::iter::repeat_n(byte, more));
    }
}

/// Exchanges two lines.
pub fn swap_lines(rng: &mut Rng, bytes: &mut Vec<u8>) {
    with_lines(bytes, |lines| {
        let count = lines.len() as u64;
        lines.swap(rng.below(count) as usize, rng.below(count) as usize);
    });
}

/// Lines keep their ends, so that putting them together again gives the same bytes.
fn with_lines(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if !lines.is_empty() {
        change(&mut lines);
    }
    *bytes = lines.concat();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_changes_something_and_none_panics() {
        let original = b"INVITE sip:b SIP/2.0\r\nTo: x\r\nFrom: y\r\n\r\nbody".to_vec();
        for way in [any, flip_bit, truncate, repeat_line, drop_line, grow_token, swap_lines] {
            let mut rng = Rng::new(5);
            let changed = (0..50).filter(|_| {
                let mut bytes = original.clone();
                way(&mut rng, &mut bytes);
                bytes != original
            });
            assert!(changed.count() > 20);
            way(&mut rng, &mut Vec::new());
        }
    }
}
