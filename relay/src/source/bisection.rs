//! The last of those that are such, where the first ones are and the others are not.

/// Which one to look at next. Twenty looks find one of a million.
#[derive(Debug)]
pub(super) struct Bisection {
    /// Those before are such,
    low: usize,
    /// those from here on are not.
    high: usize,
}

impl Bisection {
    pub(super) fn new(length: usize) -> Self {
        Self { low: 0, high: length }
    }

    /// `None` once it is known.
    pub(super) fn question(&self) -> Option<usize> {
        (self.low < self.high).then(|| self.low + (self.high - self.low) / 2)
    }

    pub(super) fn answer(&mut self, question: usize, is_such: bool) {
        if is_such {
            self.low = question + 1;
        } else {
            self.high = question;
        }
    }

    /// `None` if none is such.
    pub(super) fn last(&self) -> Option<usize> {
        self.low.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_one_is_found_by_few_looks() {
        for length in 0..70 {
            for such in 0..=length {
                let mut bisection = Bisection::new(length);
                let mut looks = 0;
                while let Some(question) = bisection.question() {
                    bisection.answer(question, question < such);
                    looks += 1;
                }

                assert_eq!(bisection.last(), such.checked_sub(1));
                assert!(looks <= length.checked_ilog2().map_or(0, |log| log + 1), "{length}");
            }
        }
    }
}
