//! Values that must not be shown: passwords, and URLs that hold one.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::{Host, ParseError, Url};

/// What stands where a secret would have been printed.
pub const REDACTED: &str = "[redacted]";

/// Where the source is: `mysql://user:password@host:3306`, or several servers that have the same
/// transactions: `mysql://user:password@db-1:3306,db-2:3306`. `Debug` and `Display` leave the password
/// out; [`MysqlUrl::expose`] and [`MysqlUrl::password`] are the ways to it.
#[derive(Clone, PartialEq, Eq)]
pub struct MysqlUrl {
    text: String,
    /// Never empty, each of them once.
    hosts: Vec<MysqlHost>,
    user: String,
    password: String,
}

/// One server's address. Shown as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlHost {
    /// A name or an address, without the brackets of an IPv6 address.
    name: String,
    port: u16,
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
    #[error("names a host twice: each server stands in the list once")]
    HostTwice,
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

    /// In the order in which they are tried.
    pub fn hosts(&self) -> &[MysqlHost] {
        &self.hosts
    }

    /// The first one.
    pub fn host(&self) -> &MysqlHost {
        self.hosts.first().expect("a URL without a host is refused")
    }

    /// The same account on this host alone.
    pub fn on(&self, host: &MysqlHost) -> Self {
        let Parts { head, tail, .. } = Parts::of(&self.text);
        let text = format!("{head}{host}{tail}");
        Self { text, hosts: vec![host.clone()], ..self.clone() }
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

impl MysqlHost {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A URL's text, cut before and behind its list of hosts.
struct Parts<'a> {
    head: &'a str,
    hosts: &'a str,
    tail: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        const SCHEME_END: &str = "://";
        let authority = text.find(SCHEME_END).map_or(0, |at| at + SCHEME_END.len());
        let (scheme, rest) = text.split_at(authority);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let account = authority.rfind('@').map_or(0, |at| at + 1);
        let (_, hosts) = authority.split_at(account);
        let (head, _) = text.split_at(scheme.len() + account);
        Self { head, hosts, tail }
    }
}

impl std::str::FromStr for MysqlUrl {
    type Err = MysqlUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Parts { head, hosts: list, tail } = Parts::of(text);
        let mut hosts = Vec::new();
        let mut account = None;
        for host in list.split(',').map(str::trim) {
            let url = Url::parse(&format!("{head}{host}{tail}"));
            let url = url.map_err(|error| {
                let is_empty = error == ParseError::EmptyHost;
                if is_empty { MysqlUrlError::NoHost } else { MysqlUrlError::NotUrl }
            })?;
            let host = MysqlHost::of(&url)?;
            if hosts.contains(&host) {
                return Err(MysqlUrlError::HostTwice);
            }
            hosts.push(host);
            account = Some(url);
        }
        let url = account.ok_or(MysqlUrlError::NoHost)?;
        Ok(Self {
            hosts,
            user: decode(url.username())?,
            password: decode(url.password().unwrap_or_default())?,
            text: text.to_owned(),
        })
    }
}

impl MysqlHost {
    /// Of a URL with one host.
    fn of(url: &Url) -> Result<Self, MysqlUrlError> {
        const DEFAULT_PORT: u16 = 3306;
        if url.scheme() != "mysql" {
            return Err(MysqlUrlError::Scheme);
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => decode(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        if name.is_empty() {
            return Err(MysqlUrlError::NoHost);
        }
        if url.username().is_empty() {
            return Err(MysqlUrlError::NoUser);
        }
        if url.query().is_some() {
            return Err(MysqlUrlError::Parameters);
        }
        Ok(Self { name, port: url.port().unwrap_or(DEFAULT_PORT) })
    }
}

fn decode(text: &str) -> Result<String, MysqlUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| MysqlUrlError::NotUrl)?;
    Ok(decoded.into_owned())
}

impl fmt::Display for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "mysql://{}@{}", self.user, hosts.join(","))
    }
}

impl fmt::Display for MysqlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
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
            assert_eq!(text.parse::<MysqlUrl>().unwrap().host().to_string(), address);
        }
    }

    #[test]
    fn url_may_name_several_hosts_of_one_account() {
        let url: MysqlUrl =
            "mysql://relay:a,b%40c@db-1,[::1]:3307, 10.0.0.3:3308/x".parse().unwrap();

        let hosts: Vec<String> = url.hosts().iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["db-1:3306", "[::1]:3307", "10.0.0.3:3308"]);
        assert_eq!(url.password(), "a,b@c");
        assert_eq!(url.to_string(), "mysql://relay@db-1:3306,[::1]:3307,10.0.0.3:3308");
        let second = url.on(&url.hosts()[1]);
        assert_eq!(second.expose(), "mysql://relay:a,b%40c@[::1]:3307/x");
        assert_eq!(second.expose().parse(), Ok(second));
    }

    #[test]
    fn url_that_does_not_say_enough_is_refused() {
        for (text, error) in [
            ("postgres://relay@db", MysqlUrlError::Scheme),
            ("mysql://db", MysqlUrlError::NoUser),
            ("mysql:///shop", MysqlUrlError::NoHost),
            ("mysql://relay@db?require_ssl=true", MysqlUrlError::Parameters),
            ("db", MysqlUrlError::NotUrl),
            ("mysql://relay@db-1,", MysqlUrlError::NoHost),
            ("mysql://relay@db-1,db-2:x", MysqlUrlError::NotUrl),
            ("mysql://relay@db-1:3306,db-2,db-1", MysqlUrlError::HostTwice),
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
