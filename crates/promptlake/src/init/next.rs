//! What to type next, once the file is written.

use std::path::Path;

use super::answers::{Answers, EmulatorAnswers, SignIn, SourceAnswers};
use super::text::{CERTIFICATE_FILE, SECRET_VARIABLE};

/// The steps from a file to a lake.
pub(super) fn steps(file: &Path, answers: &Answers) -> String {
    let file = shell_word(&file.display().to_string());
    let before = match &answers.source {
        SourceAnswers::Tenant(tenant) => proof(tenant.sign_in),
        SourceAnswers::Emulator(EmulatorAnswers { client_secret, .. }) => format!(
            "Start the emulator in a second terminal, and put its secret into this one; it guards nothing:\n  \
             promptlake emulate\n  export {SECRET_VARIABLE}={}",
            shell_word(client_secret)
        ),
    };
    format!(
        "wrote {file}\n\n{before}\n\nThen try it, see what it would take, and run it:\n  promptlake check {file}\n  \
         promptlake plan {file}\n  promptlake run {file}"
    )
}

/// How the proof of who asks comes to where it is looked for.
fn proof(sign_in: SignIn) -> String {
    match sign_in {
        SignIn::ClientSecret(_) => format!(
            "Put the secret's value (not its id) into the environment. It is not shown, and in no history:\n  \
             read -rs {SECRET_VARIABLE} && export {SECRET_VARIABLE}"
        ),
        SignIn::Certificate(_) => format!(
            "Put the key and the certificate into one file, where only you can read it, or name yours in the file:\n  \
             cat key.pem certificate.pem > {CERTIFICATE_FILE} && chmod 600 {CERTIFICATE_FILE}"
        ),
        SignIn::WorkloadIdentity(_) => "Run it where Kubernetes sets AZURE_FEDERATED_TOKEN_FILE for its service \
                                          account, of which the app has a federated credential. Nothing else is \
                                          needed."
            .to_owned(),
        SignIn::ManagedIdentity(_) => "Run it in Azure, where the identity is. It needs the application permissions \
                                         that the file names. Nothing else is needed."
            .to_owned(),
        SignIn::Token => "Sign in, so that the command in the file prints a token:\n  az login".to_owned(),
    }
}

/// A word as a shell takes it.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:=,@+".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
