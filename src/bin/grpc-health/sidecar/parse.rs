//! The values of `--check`, `--group` and `--lease`.

use super::spec::{CheckSpec, GroupSpec, LeaseSpec, Spec};

/// Reads `NAME=KIND:TARGET` or `NAME[KEY=VALUE,KEY=VALUE]=KIND:TARGET`.
pub(crate) fn check(text: &str) -> Result<Spec, String> {
    let end = text.find(['[', '=']).ok_or(EXPECTED)?;
    let (name, rest) = text.split_at(end);
    let (options, rest) = match rest.strip_prefix('[') {
        None => ("", rest),
        Some(rest) => rest
            .split_once(']')
            .ok_or_else(|| format!("a bracket is not closed: {EXPECTED}"))?,
    };
    let what = rest.strip_prefix('=').ok_or(EXPECTED)?;
    let (kind, target) = what.split_once(':').ok_or(EXPECTED)?;
    let mut check = CheckSpec::new(name, kind, target)?;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((key, value)) => check.option(key.trim(), value.trim())?,
            // A switch, such as `watch`.
            None => check.option(option.trim(), "true")?,
        }
    }
    check.complete().map(Spec::Check)
}

const EXPECTED: &str = "expected NAME=KIND:TARGET or NAME[KEY=VALUE,..]=KIND:TARGET, such as db[period=5s]=tcp:127.0.0.1:5432";

/// Reads `NAME=RULE:MEMBER,MEMBER`.
pub(crate) fn group(text: &str) -> Result<Spec, String> {
    let (name, group) = text
        .split_once('=')
        .ok_or("expected NAME=all:A,B, such as ready=all:db,api")?;
    GroupSpec::new(name, group).map(Spec::Group)
}

/// Reads `NAME=TTL`.
pub(crate) fn lease(text: &str) -> Result<Spec, String> {
    let (name, ttl) = text
        .rsplit_once('=')
        .ok_or("expected NAME=TTL, such as worker=30s")?;
    LeaseSpec::new(name, ttl).map(Spec::Lease)
}
