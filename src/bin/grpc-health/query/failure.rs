//! An error of a connection or of a call, as the command says it.

use grpc_health::{
    Code, Status,
    client::{ConnectError, Target},
};

use super::hints::{self, Method};
use crate::output::{Exit, log};

/// Why a question has no answer: in words, and as an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The code of the call. `None` without a connection.
    pub(crate) code: Option<Code>,
    /// Words for people, which may quote the server: to be escaped.
    pub(crate) text: String,
    /// What to try next.
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn connecting(addr: &Target, error: &ConnectError) -> Self {
        Self {
            exit: Exit::Connect,
            code: None,
            text: format!("failed to connect to {addr}: {error}"),
            hint: hints::of_connection(addr, error).map(str::to_owned),
        }
    }

    pub(crate) fn calling(method: Method, addr: &Target, status: &Status) -> Self {
        let what = if status.code() == Code::UNIMPLEMENTED {
            "the server does not implement this health method"
        } else {
            "health rpc failed"
        };
        Self {
            exit: Exit::Rpc,
            code: Some(status.code()),
            text: format!("{what}: {status}"),
            hint: hints::of_call(method, addr, status.code()),
        }
    }

    /// The words, and what to try next.
    pub(crate) fn words(&self) -> String {
        match &self.hint {
            // A server's text may end with a mark of its own.
            Some(hint) if self.text.ends_with(['.', '!', '?']) => format!("{} {hint}", self.text),
            Some(hint) => format!("{}. {hint}", self.text),
            None => self.text.clone(),
        }
    }

    /// Writes one line to stderr, and returns the exit code.
    pub(crate) fn log(&self) -> Exit {
        log(format_args!("error: {}", self.words()));
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_follows_a_whole_sentence() {
        let addr: Target = "a:1".parse().unwrap();
        for (text, words) in [
            ("no", "health rpc failed: NOT_FOUND: no. List"),
            ("no!", "health rpc failed: NOT_FOUND: no! List"),
            ("no.", "health rpc failed: NOT_FOUND: no. List"),
        ] {
            let failure =
                Failure::calling(Method::Check, &addr, &Status::new(Code::NOT_FOUND, text));
            let found = failure.words();
            assert!(found.starts_with(words), "{found}");
        }
    }
}
