//! How many calls are open by each trunk: counted as they begin and end, so that nobody has to count them.

/// Trunks that are told apart: those of the configuration, and of the one before whose calls are still open. Calls by
/// further ones are not counted.
const TRUNKS_MAX: usize = 4_096;

/// The counts.
#[derive(Default)]
pub(crate) struct ByTrunk(Vec<(Box<[u8]>, u64)>);

impl ByTrunk {
    /// A call has begun that goes out by this trunk, if it does so. The number to end it by.
    pub(crate) fn begin(&mut self, trunk: &[u8]) -> u16 {
        if trunk.is_empty() {
            return 0;
        }
        let known = self.0.iter().position(|(name, _)| **name == *trunk);
        let index = known.unwrap_or(self.0.len());
        if index >= TRUNKS_MAX {
            return 0;
        }
        if known.is_none() {
            self.0.push((trunk.into(), 0));
        }
        if let Some((_, calls)) = self.0.get_mut(index) {
            *calls += 1;
        }
        (index + 1) as u16
    }

    /// A call that was counted is over.
    pub(crate) fn end(&mut self, number: u16) {
        let index = usize::from(number).checked_sub(1);
        if let Some((_, calls)) = index.and_then(|index| self.0.get_mut(index)) {
            *calls = calls.saturating_sub(1);
        }
    }

    /// Each trunk that had a call, and how many are open.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.0.iter().map(|(name, calls)| (&**name, *calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_trunk() {
        let mut counts = ByTrunk::default();
        let (a, b) = (counts.begin(b"a"), counts.begin(b"b"));
        assert_eq!((counts.begin(b"a"), counts.begin(b"")), (a, 0));
        counts.end(a);
        counts.end(b);
        counts.end(0);
        assert_eq!(counts.counts().collect::<Vec<_>>(), [(&b"a"[..], 1), (&b"b"[..], 0)]);
    }

    #[test]
    fn there_is_a_bound() {
        let mut counts = ByTrunk::default();
        for n in 0..TRUNKS_MAX + 10 {
            counts.begin(format!("trunk {n}").as_bytes());
        }
        assert_eq!(counts.counts().count(), TRUNKS_MAX);
    }
}
