//! What to type next, once the file is written.

use std::path::Path;

use super::answers::{Answers, EmulatorAnswers, SignIn, SourceAnswers};
use super::text::{CERTIFICATE_FILE, SECRET_VARIABLE};
use crate::shell;
use crate::terminal::{COLUMNS, wrapped};

/// What is to be done, and the commands for it.
struct Step {
    what: &'static str,
    commands: Vec<String>,
}

/// The steps from a file to a lake.
pub(super) fn steps(file: &Path, answers: &Answers) -> String {
    let file = shell::word(&file.display().to_string());
    let before = match &answers.source {
        SourceAnswers::Tenant(tenant) => proof(tenant.sign_in),
        SourceAnswers::Emulator(EmulatorAnswers { client_secret, .. }) => Step {
            what: "Start the emulator in a second terminal, and put its secret, which guards nothing, into this one:",
            commands: vec![
                "promptlake emulate".to_owned(),
                format!("export {SECRET_VARIABLE}={}", shell::word(client_secret)),
            ],
        },
    };
    let then = Step {
        what: "Then try the file, see what a run would take, and run it:",
        commands: ["check", "plan", "run"].map(|verb| format!("promptlake {verb} {file}")).to_vec(),
    };
    let steps = [before, then].map(|step| {
        let commands = step.commands.iter().map(|command| format!("\n  {command}"));
        wrapped(step.what, COLUMNS).join("\n") + &commands.collect::<String>()
    });
    format!("wrote {file}\n\n{}", steps.join("\n\n"))
}

/// How the proof of who asks comes to where it is looked for.
fn proof(sign_in: SignIn) -> Step {
    let (what, commands) = match sign_in {
        SignIn::ClientSecret(_) => (
            "Put the secret's value (not its id) into the environment. So it is not shown, and in no history:",
            vec![format!("read -rs {SECRET_VARIABLE} && export {SECRET_VARIABLE}")],
        ),
        SignIn::Certificate(_) => (
            "Put the key and the certificate into one file that only you can read, or name yours in the file:",
            vec![format!("cat key.pem certificate.pem > {CERTIFICATE_FILE} && chmod 600 {CERTIFICATE_FILE}")],
        ),
        SignIn::WorkloadIdentity(_) => (
            "Run it where Kubernetes sets AZURE_FEDERATED_TOKEN_FILE for its service account, of which the app has a \
             federated credential. Nothing else is needed.",
            vec![],
        ),
        SignIn::ManagedIdentity(_) => (
            "Run it in Azure, where the identity is. It needs the application permissions that the file names. Nothing \
             else is needed.",
            vec![],
        ),
        SignIn::Token => {
            ("Sign in, so that the command in the file prints a token:", vec!["az login".to_owned()])
        }
    };
    Step { what, commands }
}
