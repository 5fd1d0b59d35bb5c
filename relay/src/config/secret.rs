//! Values that must not be shown: passwords, and URLs that hold one.

use std::fmt;

use mysql_async::{Opts, UrlError};
use serde::{Deserialize, Deserializer, de::Error as _};

/// What stands where a secret would have been printed.
pub const REDACTED: &str = "[redacted]";

/// Where the source is: `mysql://user:password@host:3306`. `Debug` and `Display` leave the password
/// out; [`MysqlUrl::expose`] is the one way to it.
#[derive(Clone, PartialEq, Eq)]
pub struct MysqlUrl {
    text: String,
    shown: String,
    has_password: bool,
}

/// The text is not a URL that the MySQL client takes. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MysqlUrlError {
    #[error("a MySQL URL starts with `mysql://`")]
    Scheme,
    #[error("the client does not know the parameter `{parameter}`")]
    UnknownParameter { parameter: String },
    #[error("the parameter `{parameter}` has a value that it does not allow")]
    ParameterValue { parameter: String },
    #[error(
        "not a URL; characters such as `@ : / # ?` in a password are written %40 %3A %2F %23 %3F"
    )]
    NotUrl,
}

impl MysqlUrl {
    /// The URL with its password, for the client only.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The same URL with this password, which may hold any characters.
    pub(super) fn with_password(&self, password: &str) -> Result<Self, MysqlUrlError> {
        let mut url = url::Url::parse(&self.text).map_err(|_| MysqlUrlError::NotUrl)?;
        // `set_password` leaves `%` as it is, and `%41` would be read back as `A`.
        let encoded: String = password.bytes().map(percent_encoded).collect();
        url.set_password(Some(&encoded)).map_err(|()| MysqlUrlError::NotUrl)?;
        String::from(url).parse()
    }
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

impl std::str::FromStr for MysqlUrl {
    type Err = MysqlUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let options = Opts::from_url(text).map_err(|error| match error {
            UrlError::UnsupportedScheme { .. } => MysqlUrlError::Scheme,
            UrlError::UnknownParameter { param } => {
                MysqlUrlError::UnknownParameter { parameter: param }
            }
            UrlError::InvalidParamValue { param, .. } | UrlError::FeatureRequired { param, .. } => {
                MysqlUrlError::ParameterValue { parameter: param }
            }
            UrlError::Invalid | UrlError::InvalidPoolConstraints { .. } | UrlError::Parse(_) => {
                MysqlUrlError::NotUrl
            }
        })?;
        let has_password = options.pass().is_some_and(|password| !password.is_empty());
        let user = options.user().map_or_else(String::new, |user| format!("{user}@"));
        let shown = format!("mysql://{user}{}:{}", options.ip_or_hostname(), options.tcp_port());
        Ok(Self { text: text.to_owned(), shown, has_password })
    }
}

impl fmt::Display for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

impl<'de> Deserialize<'de> for MysqlUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whether the value of a configuration key is secret. Kafka properties are judged by their name.
pub(super) fn is_secret(key: &str) -> bool {
    key == "mysql.url" || key.strip_prefix("kafka.properties.").is_some_and(is_secret_property)
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
        let url: MysqlUrl =
            "mysql://relay:s3cr3t@db.example:3307/?prefer_socket=false".parse().unwrap();

        assert_eq!(url.to_string(), "mysql://relay@db.example:3307");
        assert_eq!(format!("{url:?}"), "\"mysql://relay@db.example:3307\"");
        assert!(url.expose().contains("s3cr3t"));
    }

    #[test]
    fn refused_url_does_not_repeat_its_text() {
        for text in ["postgres://u:s3cr3t@h", "s3cr3t", "mysql://u:s3cr3t@h/?nonsense=s3cr3t"] {
            let error = text.parse::<MysqlUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn password_from_a_file_may_hold_any_character() {
        let url: MysqlUrl = "mysql://relay@db:3306".parse().unwrap();

        let url = url.with_password("p@ss:/w?r#d%41").unwrap();

        assert!(url.has_password());
        let options = Opts::from_url(url.expose()).unwrap();
        assert_eq!(options.pass(), Some("p@ss:/w?r#d%41"));
        assert_eq!(options.user(), Some("relay"));
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
