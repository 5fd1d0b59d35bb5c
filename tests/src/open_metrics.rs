//! The text of `/metrics` → samples, read as strictly as the OpenMetrics specification (1.0) is written:
//! what a scraper might refuse is an error here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// Everything that one scrape holds.
#[derive(Debug, Default)]
pub struct Exposition {
    /// By the name that `# TYPE` gives: a counter's without `_total`.
    pub families: BTreeMap<String, Family>,
}

#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    has_help: bool,
    unit: Option<String>,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    /// What stands behind the family's name.
    suffix: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    pub fn parse(text: &str) -> Result<Self> {
        let body = text.strip_suffix("# EOF\n").context("the text does not end in `# EOF`")?;
        let mut exposition = Self::default();
        let mut current = String::new();
        for line in body.lines() {
            exposition.line(line, &mut current).with_context(|| format!("in the line `{line}`"))?;
        }
        for (name, family) in &exposition.families {
            family.check(name).with_context(|| format!("in the family {name}"))?;
        }
        Ok(exposition)
    }

    fn line(&mut self, line: &str, current: &mut String) -> Result<()> {
        let Some(metadata) = line.strip_prefix("# ") else {
            let family = self.families.get_mut(current).context("a sample before any `# TYPE`")?;
            let sample = Sample::parse(line, current)?;
            return family.add(sample);
        };
        let (keyword, rest) = metadata.split_once(' ').context("no keyword")?;
        let (name, value) = rest.split_once(' ').context("no value")?;
        if name != current {
            ensure!(!self.families.contains_key(name), "a family in two pieces");
            name.clone_into(current);
        }
        let family = self.families.entry(name.to_owned()).or_default();
        ensure!(family.samples.is_empty(), "metadata behind samples");
        match keyword {
            "HELP" => family.has_help = true,
            "TYPE" if family.kind.is_empty() => value.clone_into(&mut family.kind),
            "UNIT" if family.unit.is_none() => family.unit = Some(value.to_owned()),
            _ => bail!("{keyword} is not known, or comes twice"),
        }
        Ok(())
    }

    /// `rowpost_outbox_rows_read_total`: the sum over all labels; `None` if there is no such sample.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let named = |family: &str, sample: &&Sample| {
            name.strip_prefix(family).is_some_and(|suffix| suffix == sample.suffix)
        };
        let values: Vec<f64> = self
            .families
            .iter()
            .flat_map(|(family, Family { samples, .. })| {
                samples.iter().filter(move |sample| named(family, sample))
            })
            .map(|sample| sample.value)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Names as they are queried: counters with `_total`.
    pub fn names(&self) -> BTreeSet<String> {
        let name = |(name, family): (&String, &Family)| match family.kind.as_str() {
            "counter" => format!("{name}_total"),
            _ => name.clone(),
        };
        self.families.iter().map(name).collect()
    }
}

impl Family {
    fn add(&mut self, sample: Sample) -> Result<()> {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total", "_created"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count", "_created"],
            kind => bail!("the type `{kind}` is not one that the relay has"),
        };
        ensure!(suffixes.contains(&sample.suffix.as_str()), "a name that the type does not allow");
        let is_same =
            |other: &&Sample| (&other.suffix, &other.labels) == (&sample.suffix, &sample.labels);
        ensure!(!self.samples.iter().any(|other| is_same(&other)), "a sample twice");
        ensure!(self.kind == "gauge" || sample.value >= 0.0, "a count below zero");
        self.samples.push(sample);
        Ok(())
    }

    fn check(&self, name: &str) -> Result<()> {
        ensure!(self.has_help && !self.kind.is_empty(), "it lacks `# HELP` or `# TYPE`");
        if let Some(unit) = &self.unit {
            ensure!(name.ends_with(&format!("_{unit}")), "its name does not end in its unit");
        }
        if self.kind == "histogram" {
            self.check_buckets()?;
        }
        Ok(())
    }

    /// The relay's histograms have no labels of their own.
    fn check_buckets(&self) -> Result<()> {
        let mut last = (f64::NEG_INFINITY, 0.0);
        for bucket in self.samples.iter().filter(|sample| sample.suffix == "_bucket") {
            let bound = number(bucket.labels.get("le").context("a bucket without `le`")?)?;
            ensure!(bound > last.0 && bucket.value >= last.1, "buckets that do not ascend");
            last = (bound, bucket.value);
        }
        let count = self.samples.iter().find(|sample| sample.suffix == "_count");
        let count = count.context("no `_count`")?.value;
        ensure!(last == (f64::INFINITY, count), "the last bucket is not `+Inf` with the count");
        Ok(())
    }
}

impl Sample {
    fn parse(line: &str, family: &str) -> Result<Self> {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').context("no closing brace")?),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(family).context("a sample of another family")?;
        let mut read = BTreeMap::new();
        // None of the relay's label values holds a quote or a comma.
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, quoted) = label.split_once('=').context("a label without value")?;
            let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let text = text.context("a label's value without quotes")?;
            ensure!(read.insert(label.to_owned(), text.to_owned()).is_none(), "a label twice");
        }
        Ok(Self { suffix: suffix.to_owned(), labels: read, value: number(value)? })
    }
}

fn number(text: &str) -> Result<f64> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        text => text.parse().with_context(|| format!("`{text}` is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP rows Rows.\n# TYPE rows counter\nrows_total{topic=\"a\"} 3\n\
        rows_total{topic=\"b\"} 4\n# HELP t_seconds T.\n# TYPE t_seconds histogram\n\
        # UNIT t_seconds seconds\nt_seconds_sum 1.5\nt_seconds_count 2\n\
        t_seconds_bucket{le=\"1.0\"} 1\nt_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn samples_are_summed_over_their_labels() {
        let exposition = Exposition::parse(GOOD).unwrap();

        assert_eq!(exposition.sum("rows_total"), Some(7.0));
        assert_eq!(exposition.sum("t_seconds_count"), Some(2.0));
        assert_eq!(exposition.sum("rows"), None);
        assert_eq!(Vec::from_iter(exposition.names()), ["rows_total", "t_seconds"]);
    }

    #[test]
    fn what_a_scraper_might_refuse_is_an_error() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("# EOF\n", "\n# EOF\n"),
            ("rows_total{topic=\"b\"} 4", "rows_total{topic=\"a\"} 4"),
            ("rows_total{topic=\"b\"} 4", "rows{topic=\"b\"} 4"),
            ("rows_total{topic=\"b\"} 4", "other_total 4"),
            ("rows_total{topic=\"b\"} 4", "rows_total{topic=\"b\"} -4"),
            ("rows_total{topic=\"b\"} 4", "rows_total{topic=b} 4"),
            ("# TYPE rows counter\n", ""),
            ("# UNIT t_seconds seconds", "# UNIT t_seconds bytes"),
            ("{le=\"+Inf\"} 2", "{le=\"2.0\"} 2"),
            ("{le=\"+Inf\"} 2", "{le=\"+Inf\"} 0"),
        ] {
            let bad = GOOD.replace(from, to);

            assert_ne!(bad, GOOD);
            assert!(Exposition::parse(&bad).is_err(), "{bad}");
        }
    }
}
