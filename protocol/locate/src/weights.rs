//! The weighted choice of RFC 2782, "Usage rules".

use crate::located::Server;

/// Numbers from one number: splitmix64, which is good enough to spread load, and is no secret.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(entropy: u64) -> Self {
        Self(entropy)
    }

    /// From 0 to `most`, both included.
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let spread = (z ^ z >> 31) >> 32;
        ((spread * (u64::from(most) + 1)) >> 32) as u32
    }
}

/// The servers of one rank in the order in which to try them, as indices: those of weight 0 stand in front, and the first
/// one whose running sum reaches the drawn number is taken; then again among the others.
pub(crate) fn order(rank: &[Server], draw: &mut Draw) -> Vec<usize> {
    let mut left: Vec<usize> = (0..rank.len()).collect();
    left.sort_by_key(|&index| rank[index].weight != 0);
    let mut ordered = Vec::with_capacity(left.len());
    while left.len() > 1 {
        let total = left.iter().map(|&index| u32::from(rank[index].weight)).sum();
        let mut drawn = draw.up_to(total);
        let reaches = |&index: &usize| {
            let weight = u32::from(rank[index].weight);
            let here = weight >= drawn;
            drawn = drawn.saturating_sub(weight);
            here
        };
        let place = left.iter().position(reaches).unwrap_or(0);
        ordered.push(left.remove(place));
    }
    ordered.extend(left);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Domain;

    fn servers(weights: &[u16]) -> Vec<Server> {
        let server = |&weight: &u16| Server {
            name: Domain::parse(b"a.example").expect("a name"),
            transport: offhook_sip::Transport::Udp,
            port: 5060,
            rank: 0,
            weight,
            addresses: Vec::new(),
        };
        weights.iter().map(server).collect()
    }

    fn firsts(weights: &[u16], rounds: u64) -> Vec<u64> {
        let servers = servers(weights);
        let mut counts = vec![0; weights.len()];
        for entropy in 0..rounds {
            counts[order(&servers, &mut Draw::new(entropy))[0]] += 1;
        }
        counts
    }

    /// RFC 2782: larger weights are given a proportionately higher chance; those of 0 a very small one.
    #[test]
    fn the_load_is_shared_by_weight() {
        let counts = firsts(&[10, 30, 60], 10_000);
        for (count, share) in counts.iter().zip([1_000, 3_000, 6_000]) {
            assert!(count.abs_diff(share) < 300, "{counts:?}");
        }
        let counts = firsts(&[0, 100], 10_000);
        assert!(counts[0] > 0 && counts[0] < 250, "{counts:?}");
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let counts = firsts(&[u16::MAX; 16], 1_000);
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    }
}
