//! No way of going wrong shows a secret.

use rstest::rstest;

use super::{REQUIRED, load, load_file, report};

/// In every text below that is secret, and in nothing else.
const SECRET: &str = "hunter2";

#[test]
fn debug_of_the_configuration_holds_no_secret() {
    let file = format!(
        "{}[kafka.properties]\nsasl.password = 'hunter2'\n'ssl.key.pem' = 'hunter2'",
        REQUIRED.replace("s3cr3t", SECRET)
    );

    let config = load_file(&file).unwrap();

    assert!(config.mysql.url.expose().contains(SECRET));
    assert!(!format!("{config:?} {config:#?}").contains(SECRET), "{config:?}");
    assert!(!config.mysql.url.to_string().contains(SECRET));
}

#[rstest]
#[case::url_of_another_scheme(
    "[mysql]\nurl = 'postgres://u:hunter2@h'\n[kafka]\nbootstrap_servers = 'k:1'"
)]
#[case::url_of_a_wrong_type("[mysql]\nurl = ['hunter2']\n[kafka]\nbootstrap_servers = 'k:1'")]
#[case::url_as_a_table("[mysql.url]\nhunter2 = 'hunter2'\n[kafka]\nbootstrap_servers = 'k:1'")]
#[case::unquoted_url("[mysql]\nurl = mysql://u:hunter2@h\n")]
#[case::unfinished_password("[kafka.properties]\nsasl.password = 'hunter2\n")]
#[case::unfinished_key("[kafka.properties]\n'ssl.key.pem' = '''\nhunter2\n= ")]
#[case::password_of_a_wrong_type(
    "[mysql]\nurl = 'mysql://u@h'\n[kafka]\nbootstrap_servers = 'k:1'\n[kafka.properties]\nsasl.password = ['hunter2']"
)]
#[case::neighbour_of_an_unknown_key(
    "[mysql]\nurl = 'mysql://u:hunter2@h'\nulr = 1\n[kafka]\nbootstrap_servers = 'k:1'"
)]
#[case::password_twice(
    "[mysql]\nurl = 'mysql://u:hunter2@h'\npassword_file = '/dev/null'\n[kafka]\nbootstrap_servers = 'k:1'"
)]
fn broken_file_is_reported_without_its_secrets(#[case] file: &str) {
    let error = load_file(file).unwrap_err();

    let report = report(&error);
    assert!(!report.contains(SECRET), "{report}");
}

#[rstest]
#[case("ROWPOST_MYSQL__URL", "hunter2")]
#[case("ROWPOST_MYSQL__URL_FILE", "hunter2")]
#[case("ROWPOST_KAFKA__PROPERTIES__SASL_PASSWORD_FILE", "hunter2")]
#[case("ROWPOST_MYSQL__PASSWORD", "hunter2")]
fn refused_variable_is_reported_without_its_value(#[case] variable: &str, #[case] value: &str) {
    let flags: &[_] = if variable.ends_with("PASSWORD_FILE") && variable.contains("MYSQL") {
        &[("--mysql", "mysql://u@h")]
    } else {
        &[]
    };

    let error = load(REQUIRED, &[(variable, value)], flags).unwrap_err();

    let report = report(&error);
    assert!(!report.contains(SECRET), "{report}");
}

#[test]
fn refused_flag_is_reported_without_its_secret() {
    let error = load(REQUIRED, &[], &[("--mysql", "mysql://u:hunter2@h/?x=hunter2")]).unwrap_err();

    let report = report(&error);
    assert!(!report.contains(SECRET), "{report}");
    assert!(report.contains("flag --mysql"), "{report}");
}
