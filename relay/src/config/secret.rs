//! Values that must not be shown: passwords, and URLs that hold one.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::{Host, Url};

/// What stands where a secret would have been printed.
pub const REDACTED: &str = "[redacted]";

/// Where the source is: `mysql://user:password@host:3306`. `Debug` and `Display` leave the password
/// out; [`MysqlUrl::expose`] and [`MysqlUrl::password`] are the ways to it.
#[derive(Clone, PartialEq, Eq)]
pub struct MysqlUrl {
    text: String,
    host: String,
    port: u16,
    user: String,
    password: String,
}

/// The text does not say where the source is. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MysqlUrlError {
    #[error("a MySQL URL starts with `mysql://`")]
    Scheme,
    #[error("names no host: mysql://user:password@host:3306")]
    NoHost,
    #[error("names no user: mysql://user:password@host:3306")]
    NoUser,
    #[error("takes no parameters: TLS is set in [mysql.tls], time-outs in [mysql]")]
    Parameters,
    #[error(
        "not a URL; characters such as `@ : / # ?` in a password are written %40 %3A %2F %23 %3F"
    )]
    NotUrl,
}

impl MysqlUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// A name or an address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// For the client only.
    pub fn password(&self) -> &str {
        &self.password
    }

    pub fn has_password(&self) -> bool {
        !self.password.is_empty()
    }
}

impl std::str::FromStr for MysqlUrl {
    type Err = MysqlUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const DEFAULT_PORT: u16 = 3306;
        let url = Url::parse(text).map_err(|_| MysqlUrlError::NotUrl)?;
        if url.scheme() != "mysql" {
            return Err(MysqlUrlError::Scheme);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => decode(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        if host.is_empty() {
            return Err(MysqlUrlError::NoHost);
        }
        if url.username().is_empty() {
            return Err(MysqlUrlError::NoUser);
        }
        if url.query().is_some() {
            return Err(MysqlUrlError::Parameters);
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            user: decode(url.username())?,
            password: decode(url.password().unwrap_or_default())?,
            text: text.to_owned(),
        })
    }
}

fn decode(text: &str) -> Result<String, MysqlUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| MysqlUrlError::NotUrl)?;
    Ok(decoded.into_owned())
}

impl fmt::Display for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql://{}@{}", self.user, self.address())
    }
}

impl fmt::Debug for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl<'de> Deserialize<'de> for MysqlUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Whether the value of a configuration key is secret. Kafka properties are judged by their name.
pub(super) fn is_secret(key: &str) -> bool {
    matches!(key, "mysql.url" | "tracing.otlp_endpoint")
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
        assert!(url.expose().contains("s3cr3t"));
    }

    #[test]
    fn refused_url_does_not_repeat_its_text() {
        for text in ["postgres://u:s3cr3t@h", "s3cr3t", "mysql://u:s3cr3t@h/?a=s3cr3t"] {
            let error = text.parse::<MysqlUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn host_may_be_a_name_or_an_address() {
        for (text, address) in [
            ("mysql://relay@db", "db:3306"),
            ("mysql://relay@[::1]:33060/ignored", "[::1]:33060"),
            ("mysql://relay@127.0.0.1", "127.0.0.1:3306"),
        ] {
            assert_eq!(text.parse::<MysqlUrl>().unwrap().address(), address);
        }
    }

    #[test]
    fn url_that_does_not_say_enough_is_refused() {
        for (text, error) in [
            ("postgres://relay@db", MysqlUrlError::Scheme),
            ("mysql://db", MysqlUrlError::NoUser),
            ("mysql:///shop", MysqlUrlError::NoHost),
            ("mysql://relay@db?require_ssl=true", MysqlUrlError::Parameters),
            ("db", MysqlUrlError::NotUrl),
        ] {
            assert_eq!(text.parse::<MysqlUrl>(), Err(error), "{text}");
        }
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
