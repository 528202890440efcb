use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Local, TimeZone};
use secrecy::{ExposeSecret, SecretString};

use crate::graph::body::describe;
use crate::graph::credential::answer::Asked;
use crate::graph::credential::ready_token::read;

const NOW_SECONDS: i64 = 1_764_000_000;

/// The token and the seconds that it lives, or what is said.
fn said(printed: &str) -> String {
    match read(&SecretString::from(printed), NOW_SECONDS * 1_000_000) {
        Asked::Granted { secret, lifetime } => {
            let lifetime = lifetime.map_or("?".to_owned(), |lifetime| lifetime.as_secs().to_string());
            format!("{} {lifetime}", secret.expose_secret())
        }
        Asked::Unready(error) => {
            describe(&error).split_off("use what the command of source.credential".len())
        }
        _ => panic!("it is granted or unready"),
    }
}

fn jwt(exp: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":"x"{exp}}}"#)))
}

#[test]
fn tokens_as_tools_print_them() {
    let local = Local.timestamp_opt(NOW_SECONDS + 90, 0).unwrap().format("%Y-%m-%d %H:%M:%S%.6f");
    let (lasting, ended, endless) = (jwt(r#","exp":1764000600"#), jwt(r#","exp":1763999999"#), jwt(""));
    for (printed, expected) in [
        ("opaque.token_~+/=".to_owned(), "opaque.token_~+/= ?".to_owned()),
        (lasting.clone(), format!("{lasting} 600")),
        (endless.clone(), format!("{endless} ?")),
        (ended, " printed, which is a token that has ended".to_owned()),
        (r#"{"accessToken":"t"}"#.into(), "t ?".into()),
        (r#"{"accessToken":"t","expires_on":1764000060,"expiresOn":"x"}"#.into(), "t 60".into()),
        (r#"{"accessToken":"t","expires_on":"1764000060"}"#.into(), "t 60".into()),
        (format!(r#"{{"accessToken":"t","expiresOn":"{local}","tokenType":"Bearer"}}"#), "t 90".into()),
        (r#"{"token":"t","expiresOn":"2025-11-24T16:02:00Z"}"#.into(), "t 120".into()),
        (format!(r#"{{"accessToken":"{lasting}","expires_on":1764009999}}"#), format!("{lasting} 600")),
        (
            r#"{"accessToken":"t","expires_on":1763999999}"#.into(),
            " printed, which is a token that has ended".into(),
        ),
        (r#"{"error":"x"}"#.into(), " printed, which is JSON without a token".into()),
        (
            "Please log in: https://x".into(),
            " printed, which is neither one token nor JSON that holds one".into(),
        ),
        ("a\nb".into(), " printed, which is neither one token nor JSON that holds one".into()),
        (
            r#"{"accessToken":""}"#.into(),
            " printed, which is neither one token nor JSON that holds one".into(),
        ),
    ] {
        assert_eq!(said(&printed), expected, "{printed}");
    }
}
