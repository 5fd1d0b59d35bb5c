//! A certificate authority for one test, made by `openssl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::command;

/// Signs certificates that are good for two days.
#[derive(Debug, Clone)]
pub struct Authority {
    directory: PathBuf,
}

/// PEM files of one certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Key and certificate in one file, as a Kafka broker reads them.
    pub bundle: PathBuf,
}

impl Authority {
    pub fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let authority = Self { directory: directory.to_owned() };
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=Rowpost test authority", "-out"])
            .arg(authority.certificate())
            .arg("-keyout")
            .arg(authority.key());
        command::run(&mut openssl, &authority.log())?;
        Ok(authority)
    }

    /// What clients and servers must trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("ca-key.pem")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("openssl.log")
    }

    /// A certificate for `name`; it is valid for the host names `name` and `localhost` and for the
    /// address 127.0.0.1.
    pub fn issue(&self, name: &str) -> Result<Certificate> {
        let file = |suffix: &str| self.directory.join(format!("{name}{suffix}"));
        let (certificate, key, bundle) = (file(".pem"), file("-key.pem"), file("-bundle.pem"));
        let request = file(".csr");
        let names = format!("subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1");
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-newkey", "rsa:2048", "-nodes", "-addext", &names])
            .args(["-subj", &format!("/CN={name}"), "-out"])
            .arg(&request)
            .arg("-keyout")
            .arg(&key);
        command::run(&mut openssl, &self.log())?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["x509", "-req", "-days", "2", "-copy_extensions", "copy", "-CAcreateserial"])
            .arg("-in")
            .arg(&request)
            .arg("-CA")
            .arg(self.certificate())
            .arg("-CAkey")
            .arg(self.key())
            .arg("-out")
            .arg(&certificate);
        command::run(&mut openssl, &self.log())?;
        fs::write(&bundle, fs::read_to_string(&key)? + &fs::read_to_string(&certificate)?)?;
        Ok(Certificate { certificate, key, bundle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issued_certificate_is_valid_for_its_authority_and_not_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("ours")).unwrap();
        let stranger = Authority::create(&folder.path().join("theirs")).unwrap();

        let issued = authority.issue("broker").unwrap();

        let verify = |authority: &Authority| {
            let mut openssl = Command::new("openssl");
            openssl.args(["verify", "-verify_ip", "127.0.0.1", "-CAfile"]);
            openssl.arg(authority.certificate()).arg(&issued.certificate);
            command::output(&mut openssl)
        };
        assert!(verify(&authority).is_ok());
        assert!(verify(&stranger).is_err());
    }
}
