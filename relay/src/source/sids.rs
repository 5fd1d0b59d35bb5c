//! GTID set → the blocks of a COM_BINLOG_DUMP_GTID request.

use mysql_async::Sid;

use crate::position::GtidSet;

/// One block for each source and tag: the driver's type holds a single tag.
pub fn sids(set: &GtidSet) -> Vec<Sid<'static>> {
    set.sids()
        .map(|text| text.parse().expect("the driver reads the text form of a single tag"))
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::sids;
    use crate::position::GtidSet;

    #[test]
    fn a_set_with_tags_becomes_one_block_for_each_tag() {
        let source = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set: GtidSet = format!("{source}:1-39:41:mytag:1-2:_o:5").parse().unwrap();

        let blocks: Vec<_> = sids(&set)
            .iter()
            .map(|sid| {
                assert_eq!(Uuid::from_bytes(sid.uuid()).to_string(), source);
                let intervals: Vec<_> =
                    sid.intervals().iter().map(|run| (run.start(), run.end())).collect();
                (sid.tag().map(|tag| tag.as_str().to_owned()), intervals)
            })
            .collect();

        assert_eq!(
            blocks,
            [
                (None, vec![(1, 40), (41, 42)]),
                (Some("_o".to_owned()), vec![(5, 6)]),
                (Some("mytag".to_owned()), vec![(1, 3)]),
            ]
        );
    }

    #[test]
    fn the_largest_set_is_readable_by_the_driver() {
        let set: GtidSet = format!("{}:1-9223372036854775806", Uuid::nil()).parse().unwrap();

        assert_eq!(sids(&set)[0].intervals()[0].end(), 9_223_372_036_854_775_807);
    }
}
