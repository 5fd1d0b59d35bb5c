//! Which names Kafka accepts for a topic.

use std::{collections::HashSet, sync::Arc};

/// Longest name: a broker makes a directory `<topic>-<partition>` of it.
pub(crate) const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Why Kafka does not accept a topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameFault {
    #[error("it is empty")]
    Empty,
    #[error("`.` and `..` are no names")]
    Dots,
    #[error("it is longer than {TOPIC_NAME_LENGTH_MAX} characters")]
    TooLong,
    #[error("only letters, digits, `.`, `_` and `-` are allowed")]
    Character,
}

/// SERVER: the rules of the broker (`org.apache.kafka.common.internals.Topic`). Checked here because
/// librdkafka reports such a topic only as unknown, without the reason.
pub(crate) fn check_topic_name(name: &[u8]) -> Result<(), TopicNameFault> {
    match name {
        [] => Err(TopicNameFault::Empty),
        b"." | b".." => Err(TopicNameFault::Dots),
        _ if name.len() > TOPIC_NAME_LENGTH_MAX => Err(TopicNameFault::TooLong),
        _ if name.iter().all(|byte| is_topic_character(*byte)) => Ok(()),
        _ => Err(TopicNameFault::Character),
    }
}

pub(super) fn is_topic_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Names that were found valid: the records of a topic share one allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicNames(HashSet<Arc<str>>);

impl TopicNames {
    /// A table has a handful of aggregate types. Where a template makes more topics (one for each
    /// tenant, say) the memory stays bounded, and a name costs an allocation now and then.
    pub(super) const KEPT_MAX: usize = 1_024;

    pub(super) fn intern(&mut self, name: &[u8]) -> Result<Arc<str>, TopicNameFault> {
        let text = str::from_utf8(name).map_err(|_| TopicNameFault::Character)?;
        if let Some(known) = self.0.get(text) {
            return Ok(Arc::clone(known));
        }
        check_topic_name(name)?;
        if self.0.len() >= Self::KEPT_MAX {
            self.0.clear();
        }
        let name = Arc::from(text);
        self.0.insert(Arc::clone(&name));
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"outbox.event.Order_v2-x", Ok(()))]
    #[case(b"...", Ok(()))]
    #[case(b"", Err(TopicNameFault::Empty))]
    #[case(b".", Err(TopicNameFault::Dots))]
    #[case(b"..", Err(TopicNameFault::Dots))]
    #[case(&[b'a'; 249], Ok(()))]
    #[case(&[b'a'; 250], Err(TopicNameFault::TooLong))]
    #[case(b"outbox event", Err(TopicNameFault::Character))]
    #[case(b"outbox/event", Err(TopicNameFault::Character))]
    #[case("bestellung.gr\u{f6}\u{df}e".as_bytes(), Err(TopicNameFault::Character))]
    #[case(b"\xff", Err(TopicNameFault::Character))]
    fn a_topic_name_is_what_the_broker_accepts(
        #[case] name: &[u8],
        #[case] expected: Result<(), TopicNameFault>,
    ) {
        assert_eq!(check_topic_name(name), expected);
        assert_eq!(TopicNames::default().intern(name).map(|_| ()), expected);
    }

    #[test]
    fn records_of_one_topic_share_its_name() {
        let mut names = TopicNames::default();

        let first = names.intern(b"outbox.event.Order").unwrap();
        let other = names.intern(b"outbox.event.User").unwrap();
        let second = names.intern(b"outbox.event.Order").unwrap();

        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((&*second, &*other), ("outbox.event.Order", "outbox.event.User"));
    }

    #[test]
    fn any_number_of_topics_is_named_rightly_in_bounded_memory() {
        let mut names = TopicNames::default();

        for number in 0..3 * TopicNames::KEPT_MAX {
            let name = format!("tenant-{number}");
            assert_eq!(&*names.intern(name.as_bytes()).unwrap(), name);
            assert!(names.0.len() <= TopicNames::KEPT_MAX);
        }
    }
}
