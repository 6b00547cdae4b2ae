//! The stationary probabilities of Markov chains.

/// Returns the probabilities of states from the logarithms of their weights.
pub(crate) fn probabilities(logarithms: Vec<f64>) -> Vec<f64> {
    // Weights themselves overflow: 1000 erlangs on 1000 servers have weights of up to e^1000.
    let highest = logarithms.iter().copied().fold(f64::MIN, f64::max);
    normalized(logarithms.iter().map(|log| (log - highest).exp()).collect())
}

fn normalized(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// From a state to a state, at a rate.
pub(crate) type Step = (usize, usize, f64);

/// Returns the distance of the furthest step.
pub(crate) fn band(steps: &[Step]) -> usize {
    let reach = |&(from, to, _): &Step| from.abs_diff(to);
    steps.iter().map(reach).max().unwrap_or(0)
}

/// Returns the stationary probabilities of a Markov chain of `count` states. Every state but the first must have a step to an earlier state.
///
/// The elimination of W. K. Grassmann, M. I. Taksar and D. P. Heyman (1985): states are removed one by
/// one from the last, and their transitions are added to the remaining states. It never subtracts, so
/// it loses no digits. It is fast because steps stay within a band.
pub(crate) fn stationary(count: usize, steps: &[Step]) -> Vec<f64> {
    let band = band(steps);
    // The rate from `i` to `j` is in row `i` at `band + j - i`.
    let mut rates = vec![vec![0.0; 2 * band + 1]; count];
    for &(from, to, rate) in steps {
        rates[from][band + to - from] += rate;
    }
    for last in (1..count).rev() {
        let first = last.saturating_sub(band);
        let down = rates[last][band + first - last..band].to_vec();
        let out: f64 = down.iter().sum();
        for i in first..last {
            let row = &mut rates[i];
            row[band + last - i] /= out;
            let into = row[band + last - i];
            for (rate, on) in row[band + first - i..].iter_mut().zip(&down) {
                *rate += into * on;
            }
        }
    }
    let mut weights = vec![1.0];
    for n in 1..count {
        let from = n.saturating_sub(band)..n;
        let weight = from.map(|i| weights[i] * rates[i][band + n - i]).sum();
        weights.push(weight);
        if weight > LARGE {
            weights.iter_mut().for_each(|weight| *weight /= LARGE);
        }
    }
    normalized(weights)
}

/// Weights are scaled down beyond this, far below the largest number. The early states then become
/// improbable, as they are.
const LARGE: f64 = 1e200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_states_have_the_probabilities_computed_by_hand() {
        // 0 to 1 at rate 2, 1 to 2 at rate 3, 1 to 0 at rate 1, 2 to 0 at rate 4. In balance: 4 c = 3 b and
        // (1 + 3) b = 2 a.
        let steps = [(0, 1, 2.0), (1, 2, 3.0), (1, 0, 1.0), (2, 0, 4.0)];
        let sum = 2.0 + 1.0 + 0.75;
        let expected = [2.0 / sum, 1.0 / sum, 0.75 / sum];
        for (found, expected) in stationary(3, &steps).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
        }
    }
}
