//! Which flags of a probe go together.

use grpc_health::wire::metadata::{InvalidMetadata, Metadata, is_binary};

use super::{durations::GoDuration, flags::Flags};

/// The first rule that the flags break, in the words of grpc_health_probe.
pub(super) fn broken(flags: &Flags) -> Option<String> {
    let Flags {
        tls,
        tls_no_verify,
        alts,
        spiffe,
        ..
    } = *flags;
    let ca_cert = !flags.tls_ca_cert.is_empty();
    let client_cert = !flags.tls_client_cert.is_empty();
    let client_key = !flags.tls_client_key.is_empty();
    let server_name = !flags.tls_server_name.is_empty();
    if flags.addr.is_empty() {
        return Some("-addr not specified".to_owned());
    }
    for (name, value) in [
        ("connect-timeout", flags.connect_timeout),
        ("rpc-timeout", flags.rpc_timeout),
    ] {
        if value <= GoDuration::ZERO {
            return Some(format!(
                "-{name} must be greater than zero (specified: {value})"
            ));
        }
    }
    if flags.timeout < GoDuration::ZERO {
        return Some(format!(
            "-timeout must not be less than zero (specified: {})",
            flags.timeout
        ));
    }
    let rules = [
        (
            alts && spiffe,
            "-alts and -spiffe are mutually incompatible",
        ),
        (tls && alts, "-tls and -alts are mutually incompatible"),
        (tls && spiffe, "-tls and -spiffe are mutually incompatible"),
        (
            !tls && tls_no_verify,
            "specified -tls-no-verify without specifying -tls",
        ),
        (
            !tls && ca_cert,
            "specified -tls-ca-cert without specifying -tls",
        ),
        (
            !tls && client_cert,
            "specified -tls-client-cert without specifying -tls",
        ),
        (
            !tls && server_name,
            "specified -tls-server-name without specifying -tls",
        ),
        (
            client_cert && !client_key,
            "specified -tls-client-cert without specifying -tls-client-key",
        ),
        (
            client_key && !client_cert,
            "specified -tls-client-key without specifying -tls-client-cert",
        ),
        (
            tls_no_verify && ca_cert,
            "cannot specify -tls-ca-cert with -tls-no-verify (CA cert would not be used)",
        ),
        (
            tls_no_verify && server_name,
            "cannot specify -tls-server-name with -tls-no-verify (server name would not be used)",
        ),
    ];
    let found = rules.into_iter().find(|(broken, _)| *broken);
    found.map(|(_, text)| text.to_owned())
}

/// The metadata of the RPC. As in Go, names may have capital letters, and the value of a name that ends in `-bin` is the bytes of the text.
pub(super) fn metadata(flags: &Flags) -> Result<Metadata, String> {
    let mut metadata = Metadata::new();
    for (name, value) in &flags.rpc_headers {
        let name = name.to_ascii_lowercase();
        append(&mut metadata, &name, value)
            .map_err(|error| format!("invalid -rpc-header \"{name}\": {error}"))?;
    }
    Ok(metadata)
}

fn append(metadata: &mut Metadata, name: &str, value: &str) -> Result<(), InvalidMetadata> {
    if is_binary(name) {
        metadata.append_binary(name, value.as_bytes())
    } else {
        metadata.append(name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::parse;
    use super::*;

    fn flags(args: &str) -> Flags {
        parse(args.split_whitespace().map(str::to_owned)).unwrap().0
    }

    #[test]
    fn every_rule() {
        for (args, rule) in [
            ("", "-addr not specified"),
            (
                "-addr=a -connect-timeout=0",
                "-connect-timeout must be greater than zero (specified: 0s)",
            ),
            (
                "-addr=a -rpc-timeout=-1m",
                "-rpc-timeout must be greater than zero (specified: -1m0s)",
            ),
            (
                "-addr=a -timeout=-1s",
                "-timeout must not be less than zero (specified: -1s)",
            ),
            (
                "-addr=a -alts -spiffe",
                "-alts and -spiffe are mutually incompatible",
            ),
            (
                "-addr=a -tls -alts",
                "-tls and -alts are mutually incompatible",
            ),
            (
                "-addr=a -tls -spiffe",
                "-tls and -spiffe are mutually incompatible",
            ),
            (
                "-addr=a -tls-no-verify",
                "specified -tls-no-verify without specifying -tls",
            ),
            (
                "-addr=a -tls-ca-cert=f",
                "specified -tls-ca-cert without specifying -tls",
            ),
            (
                "-addr=a -tls-client-cert=f -tls-client-key=f",
                "specified -tls-client-cert without specifying -tls",
            ),
            (
                "-addr=a -tls-server-name=n",
                "specified -tls-server-name without specifying -tls",
            ),
            (
                "-addr=a -tls -tls-client-cert=f",
                "specified -tls-client-cert without specifying -tls-client-key",
            ),
            (
                "-addr=a -tls -tls-client-key=f",
                "specified -tls-client-key without specifying -tls-client-cert",
            ),
            (
                "-addr=a -tls -tls-no-verify -tls-ca-cert=f",
                "cannot specify -tls-ca-cert with -tls-no-verify (CA cert would not be used)",
            ),
            (
                "-addr=a -tls -tls-no-verify -tls-server-name=n",
                "cannot specify -tls-server-name with -tls-no-verify (server name would not be used)",
            ),
        ] {
            assert_eq!(broken(&flags(args)).as_deref(), Some(rule), "{args}");
        }
        for args in [
            "-addr=a",
            "-addr=a -timeout=0",
            "-addr=a -alts",
            "-addr=a -spiffe",
            "-addr=a -tls -tls-no-verify -tls-client-cert=f -tls-client-key=f",
            "-addr=a -tls -tls-ca-cert=f -tls-server-name=n -tls-client-cert=f -tls-client-key=f",
        ] {
            assert_eq!(broken(&flags(args)), None, "{args}");
        }
    }

    #[test]
    fn headers_become_metadata() {
        let found = metadata(&flags("-rpc-header=X-Tenant:shop -rpc-header=k-bin:a")).unwrap();
        assert_eq!(found.get("x-tenant"), Some("shop"));
        assert_eq!(found.get_binary("k-bin").as_deref(), Some(&b"a"[..]));
        for (header, error) in [
            ("grpc-status:0", "\"grpc-status\": the name is reserved"),
            (":path:/", "\"\": the name is not valid for metadata"),
            ("k:\u{e9}", "\"k\": "),
        ] {
            let why = metadata(&flags(&format!("-rpc-header={header}"))).unwrap_err();
            assert!(why.contains(error), "{why}");
        }
    }
}
