//! Values that must not be shown: passwords, and URLs that hold one.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

/// What stands where a secret would have been printed.
pub const REDACTED: &str = "[redacted]";

/// Where the source is: `mysql://user:password@host:3306`. `Debug` and `Display` leave the password
/// out; [`MysqlUrl::expose`] is the one way to it.
#[derive(Clone, PartialEq, Eq)]
pub struct MysqlUrl(Url);

/// The text is no URL of a MySQL server. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MysqlUrlError {
    #[error("not a URL; `@ : / # ? %` in a password are written %40 %3A %2F %23 %3F %25")]
    NotUrl,
    #[error("a MySQL URL begins with mysql://")]
    Scheme,
    #[error("the URL names no host")]
    Host,
    #[error("the URL names no user")]
    User,
    #[error("the URL takes no parameters and no fragment; TLS and time-outs are keys of [mysql]")]
    Parameters,
}

impl MysqlUrl {
    /// The URL with its password, for the client only.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    pub fn has_password(&self) -> bool {
        self.0.password().is_some()
    }
}

impl std::str::FromStr for MysqlUrl {
    type Err = MysqlUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| MysqlUrlError::NotUrl)?;
        if url.scheme() != "mysql" {
            return Err(MysqlUrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(MysqlUrlError::Host);
        }
        if url.username().is_empty() {
            return Err(MysqlUrlError::User);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(MysqlUrlError::Parameters);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "mysql://{}@{host}:{}", self.0.username(), self.0.port().unwrap_or(3306))
    }
}

impl fmt::Debug for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<'de> Deserialize<'de> for MysqlUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whether the value of a configuration key is secret. Kafka properties are judged by their name; a
/// password is easily written where its file's path belongs.
pub(super) fn is_secret(key: &str) -> bool {
    matches!(key, "mysql.url" | "mysql.password_file")
        || key.strip_prefix("kafka.properties.").is_some_and(is_secret_property)
}

/// Whether a librdkafka property holds a secret rather than a path or a mode.
pub(super) fn is_secret_property(name: &str) -> bool {
    const MARKS: [&str; 6] =
        ["password", "secret", "passphrase", "token", "key.pem", "sasl.oauthbearer.config"];
    let name = name.to_ascii_lowercase().replace('_', ".");
    MARKS.iter().any(|mark| name.contains(mark))
        && !name.ends_with(".location")
        && !name.ends_with(".file")
        && !name.ends_with(".url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_shows_user_and_address_but_never_the_password() {
        let url: MysqlUrl = "mysql://relay:s3cr3t@db.example:3307/".parse().unwrap();

        assert_eq!(url.to_string(), "mysql://relay@db.example:3307");
        assert_eq!(format!("{url:?}"), "\"mysql://relay@db.example:3307\"");
        assert!(url.has_password());
        assert!(url.expose().contains("s3cr3t"));
    }

    #[rstest::rstest]
    #[case("s3cr3t", MysqlUrlError::NotUrl)]
    #[case("mysql://u:s3cr3t/@h", MysqlUrlError::NotUrl)]
    #[case("postgres://u:s3cr3t@h", MysqlUrlError::Scheme)]
    #[case("u:s3cr3t@h", MysqlUrlError::Scheme)]
    #[case("mysql:///s3cr3t", MysqlUrlError::Host)]
    #[case("mysql://:s3cr3t@h", MysqlUrlError::User)]
    #[case("mysql://u:s3cr3t@h/?ssl=s3cr3t", MysqlUrlError::Parameters)]
    #[case("mysql://u@h#s3cr3t", MysqlUrlError::Parameters)]
    fn url_is_refused_without_repeating_its_text(
        #[case] text: &str,
        #[case] expected: MysqlUrlError,
    ) {
        let error = text.parse::<MysqlUrl>().unwrap_err();

        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        assert_eq!(error, expected);
    }

    #[test]
    fn secret_properties_are_known_by_name() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.config",
        ] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in ["ssl.ca.location", "ssl.key.location", "sasl.username", "linger.ms"] {
            assert!(!is_secret_property(name), "{name}");
        }
    }
}
