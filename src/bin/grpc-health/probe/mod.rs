//! `grpc-health probe`: what grpc_health_probe does, with the flags, texts and exit codes of grpc_health_probe.
//!
//! `main` asks this module before anything else runs: a probe that a supervisor starts each second has no time for clap, TLS or threads.

mod durations;
mod flags;
#[cfg(test)]
mod flags_tests;
mod outcome;
mod rules;
mod run;

use std::{ffi::OsString, path::Path};

pub(crate) use run::run;

/// The name by which a link to this program, or a copy, is a probe.
const NAME: &str = "grpc_health_probe";

/// The flags of the probe, if the command line asks for one: by the program's own name, or by the first argument.
pub(crate) fn asked(
    args: impl IntoIterator<Item = OsString>,
) -> Option<impl Iterator<Item = OsString>> {
    let mut args = args.into_iter();
    let by_name = args.next().is_some_and(|program| is_probe(&program));
    (by_name || args.next()? == "probe").then_some(args)
}

fn is_probe(program: &OsString) -> bool {
    let name = Path::new(program).file_name();
    let name = name.and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name) == NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_or_the_first_argument_asks_for_a_probe() {
        for (args, flags) in [
            (&["grpc-health", "probe", "-v"][..], Some(&["-v"][..])),
            (&["/bin/grpc_health_probe", "-v"], Some(&["-v"])),
            (&["grpc_health_probe.exe", "probe"], Some(&["probe"])),
            (&["grpc_health_probe"], Some(&[])),
            (&["grpc-health", "-v", "probe"], None),
            (&["grpc_health_probe_2", "-v"], None),
            (&["grpc-health"], None),
            (&[], None),
        ] {
            let asked = asked(args.iter().map(|&arg| OsString::from(arg)));
            let found = asked.map(|flags| flags.collect::<Vec<_>>());
            let flags = flags.map(|flags| flags.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(found, flags, "{args:?}");
        }
    }
}
