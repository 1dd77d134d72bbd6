//! Where the authority's keys are kept: files under a passphrase, and a token (SoftHSM2).

use std::fs;

use anyhow::{Result, ensure};
use consign_tests::program::{Invocation, words};
use consign_tests::scratch::in_scratch;
use consign_tests::soft_token::SoftToken;
use consign_tests::{Scratch, outside};

#[test]
fn an_authority_works_with_its_keys_under_a_passphrase() -> Result<()> {
    in_scratch("passphrase", |scratch| {
        scratch.write_private("secret", "đúng là mật khẩu\n")?;
        scratch.write_private("wrong", "something else\n")?;
        let line = "authority init authority --name 'Quảng Ninh' --passphrase file:secret";
        scratch.consign(line)?.good()?;
        for key in ["root", "issuing", "directory"] {
            let text = fs::read_to_string(scratch.join(format!("authority/keys/{key}.key")))?;
            ensure!(
                text.contains("BEGIN ENCRYPTED PRIVATE KEY"),
                "{key}: {text}"
            );
        }
        let publish = |secret: &str| {
            let line =
                format!("authority publish authority --passphrase file:{secret} --force --json");
            scratch.consign(&line)
        };
        publish("secret")?.good()?;
        let refused = publish("wrong")?;
        ensure!(
            !refused.is_good() && refused.to_string().contains("passphrase"),
            "{refused}"
        );
        let remove = "authority protect authority --passphrase file:secret --remove";
        scratch.consign(remove)?.good()?;
        scratch
            .consign("authority publish authority --force")?
            .good()?;
        chain_verifies(scratch)
    })
}

#[test]
fn a_passphrase_comes_from_a_credential_of_the_service_or_from_a_person() -> Result<()> {
    in_scratch("prompt", |scratch| {
        fs::create_dir(scratch.join("credentials"))?;
        scratch.write("credentials/authority", "đúng là mật khẩu\n".as_bytes())?;
        let init = "authority init authority --name 'Quảng Ninh' --passphrase credential:authority";
        let at = scratch.join("credentials");
        let given = |line: &str| {
            let words = words(line);
            let consign = Invocation::consign()?.args(words).stand_in(scratch.path());
            consign.with([("CREDENTIALS_DIRECTORY", &at)]).run()
        };
        given(init)?.good()?;
        given("authority publish authority --passphrase credential:authority --force")?.good()?;
        let missing = given("authority publish authority --passphrase credential:other --force")?;
        ensure!(
            !missing.is_good() && missing.to_string().contains("other"),
            "{missing}"
        );

        let publish = "authority publish authority --force";
        let asked = |answers: &[&str], line| outside::at_terminal(answers, scratch.path(), line);
        let (code, text) = asked(&["đúng là mật khẩu"], publish)?;
        ensure!(code == 0 && text.contains("published"), "{code}: {text}");
        ensure!(!text.contains("mật khẩu"), "it is not shown: {text}");
        let (code, text) = asked(&["sai"], publish)?;
        ensure!(
            code != 0 && text.contains("passphrase is wrong"),
            "{code}: {text}"
        );
        // One that is new is asked for twice.
        let protect = "authority protect authority --passphrase file:credentials/authority";
        scratch.write_private("credentials/authority", "đúng là mật khẩu\n")?;
        let (code, text) = asked(&["mới", "khác"], protect)?;
        ensure!(code != 0 && text.contains("differ"), "{code}: {text}");
        let (code, text) = asked(&["mới", "mới"], protect)?;
        ensure!(code == 0, "{code}: {text}");
        let (code, text) = asked(&["mới"], publish)?;
        ensure!(code == 0, "{code}: {text}");
        Ok(())
    })
}

#[test]
fn an_authority_works_with_its_keys_in_a_token() -> Result<()> {
    in_scratch("token", |scratch| {
        let token = SoftToken::new(scratch, "authority")?;
        let init = "authority init authority --name 'Quảng Ninh' --key-token token.toml";
        token.consign(init)?.good()?;
        ensure!(
            !scratch.join("authority/keys/issuing.key").exists(),
            "no key in a file"
        );
        token.consign("authority publish authority")?.good()?;
        chain_verifies(scratch)?;

        token.set_pin("000000")?;
        let publish = "authority publish authority --force";
        let refused = token.consign(publish)?;
        ensure!(
            !refused.is_good() && refused.to_string().contains("refused the PIN"),
            "{refused}"
        );
        // A person has to give the next one, so that the token is not locked unattended.
        token.set_right_pin()?;
        let refused = token.consign(publish)?;
        ensure!(
            !refused.is_good() && refused.to_string().contains("few tries are left"),
            "{refused}"
        );
        Ok(())
    })
}

/// The issuing certificate and its list are the root's, by `openssl`.
fn chain_verifies(scratch: &Scratch) -> Result<()> {
    let path = |name: &str| scratch.join("authority").join(name).display().to_string();
    outside::openssl(["verify", "-CAfile", &path("root.pem"), &path("issuing.pem")])?.good()?;
    let list = path("trust/crl/issuing.crl");
    let words = [
        "crl",
        "-in",
        &list,
        "-CAfile",
        &path("issuing.pem"),
        "-noout",
    ];
    let form = if fs::read(&list)?.starts_with(b"-----") {
        "PEM"
    } else {
        "DER"
    };
    let checked = outside::openssl(words.into_iter().chain(["-inform", form]))?.good()?;
    ensure!(checked.stderr.contains("verify OK"), "{checked}");
    Ok(())
}
