//! Passwords that nobody chose.

use crate::AccountError;

/// Without 0 and o, 1, i and l, and in one case of letters: read over the telephone, typed with nine keys.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Of 31 characters each: 99 bits.
const CHARACTERS: usize = 20;
const GROUP: usize = 5;

/// `xk4pm-…`: four groups of five.
pub(crate) fn password() -> Result<String, AccountError> {
    let mut password = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    let mut taken = 0;
    while taken < CHARACTERS {
        let mut bytes = [0; 2 * CHARACTERS];
        getrandom::fill(&mut bytes).map_err(AccountError::Entropy)?;
        for character in bytes.into_iter().filter_map(character).take(CHARACTERS - taken) {
            if taken > 0 && taken % GROUP == 0 {
                password.push('-');
            }
            password.push(character);
            taken += 1;
        }
    }
    Ok(password)
}

/// Bytes from the last, incomplete run over the alphabet are passed over, or its first letters would come more often.
fn character(byte: u8) -> Option<char> {
    let index = usize::from(byte);
    let even = index < 256 / ALPHABET.len() * ALPHABET.len();
    even.then(|| char::from(ALPHABET[index % ALPHABET.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_groups_of_five_and_never_the_same() {
        let (one, two) = (password().expect("entropy"), password().expect("entropy"));
        assert_ne!(one, two);
        let groups: Vec<&str> = one.split('-').collect();
        assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 5), "{one}");
        assert!(one.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)), "{one}");
    }

    #[test]
    fn each_character_is_as_likely_as_another() {
        let mut counts = [0; 128];
        for character in (0..=u8::MAX).filter_map(character) {
            counts[character as usize] += 1;
        }
        assert!(ALPHABET.iter().all(|byte| counts[usize::from(*byte)] == 8));
    }
}
