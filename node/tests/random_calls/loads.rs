//! Loads over many evenings: each target of a group is taken as often as its weight says, as exactly as chance allows.

use crate::oracle::Draw;

/// Fewer draws say nothing.
const DRAWS_MIN: u64 = 100;

/// By chance alone it is further off than that once in a thousand million times.
const DEVIATIONS_MAX: f64 = 6.0;

/// By how much the weights of those who were taken differ from what was to be expected.
#[derive(Default, Debug)]
pub(crate) struct Loads {
    draws: u64,
    difference: f64,
    variance: f64,
}

impl Loads {
    /// One more draw. Who is taken with a chance in proportion to his weight has the weight Σw²/Σw in the mean.
    pub(crate) fn add(&mut self, draw: &Draw) {
        let sum = |power: i32| draw.among.iter().map(|weight| f64::from(*weight).powi(power)).sum::<f64>();
        let mean = sum(2) / sum(1);
        self.draws += 1;
        self.difference += f64::from(draw.taken) - mean;
        self.variance += sum(3) / sum(1) - mean * mean;
    }

    /// What is wrong with them, if anything.
    pub(crate) fn wrong(&self) -> Option<String> {
        let deviations = self.difference / self.variance.sqrt();
        let is_wrong = self.draws >= DRAWS_MIN && deviations.abs() > DEVIATIONS_MAX;
        is_wrong.then(|| {
            format!("targets are not taken by their weights: {deviations:.1} deviations off, {self:?}")
        })
    }
}
