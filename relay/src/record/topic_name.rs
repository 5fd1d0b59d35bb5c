//! Which names Kafka accepts for a topic.

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
    }
}
