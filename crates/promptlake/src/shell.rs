//! Commands as a person types them.

/// A word as a shell takes it.
pub(crate) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:=,@+".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command of this process, to be typed again.
pub(crate) fn typed_command() -> String {
    command(std::env::args().skip(1))
}

/// A command with these arguments. What `--set` says of a credential is left out: it is a command that prints a secret, if it
/// does not hold one.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["promptlake".to_owned()];
    let mut is_set = false;
    for argument in arguments {
        let (before, set) = match argument.strip_prefix("--set=") {
            Some(set) => ("--set=", Some(set)),
            None => ("", is_set.then_some(argument.as_str())),
        };
        let shown = set.and_then(|set| set.split_once('=')).filter(|(key, _)| key.contains("credential"));
        words.push(match shown {
            Some((key, _)) => word(&format!("{before}{key}=…")),
            None => word(&argument),
        });
        is_set = argument == "--set";
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        for (text, expected) in [
            ("./lake", "./lake"),
            ("my lake", "'my lake'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("a$b;c.json", "'a$b;c.json'"),
        ] {
            assert_eq!(word(text), expected);
        }
    }

    #[test]
    fn a_command_can_be_typed_again_and_shows_no_secret() {
        let shown = |arguments: &[&str]| command(arguments.iter().map(|argument| (*argument).to_owned()));
        assert_eq!(shown(&["run", "my lake.toml"]), "promptlake run 'my lake.toml'");
        let set = "source.credential.command=printf hush";
        let expected = "promptlake run a.toml --set 'source.credential.command=…'";
        assert_eq!(shown(&["run", "a.toml", "--set", set]), expected);
        assert_eq!(
            shown(&["run", "a.toml", &format!("--set={set}")]),
            expected.replace("--set '", "'--set=")
        );
        let plain = ["run", "a.toml", "--set", "destination.url=./b"];
        assert_eq!(shown(&plain), "promptlake run a.toml --set destination.url=./b");
    }
}
