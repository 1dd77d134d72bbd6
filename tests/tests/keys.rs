//! Where the authority's keys are kept: files under a passphrase, and a token (SoftHSM2).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use consign_tests::program::Invocation;
use consign_tests::scratch::in_scratch;
use consign_tests::{Answer, Scratch, outside};

/// Where Debian and others put SoftHSM2's module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
];
const PIN: &str = "428571";

#[test]
fn an_authority_works_with_its_keys_under_a_passphrase() -> Result<()> {
    in_scratch("passphrase", |scratch| {
        scratch.write("secret", "đúng là mật khẩu\n".as_bytes())?;
        scratch.write("wrong", b"something else\n")?;
        private(&scratch.join("secret"))?;
        private(&scratch.join("wrong"))?;
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
fn an_authority_works_with_its_keys_in_a_token() -> Result<()> {
    in_scratch("token", |scratch| {
        let module = MODULES.iter().find(|path| Path::new(path).exists());
        let module = module.context("SoftHSM2 is not here: run tests/programs")?;
        let tokens = scratch.join("tokens");
        fs::create_dir(&tokens)?;
        let conf = format!("directories.tokendir = {}\n", tokens.display());
        scratch.write("softhsm2.conf", conf.as_bytes())?;
        let words = [
            "--init-token",
            "--free",
            "--label",
            "authority",
            "--so-pin",
            "1234567",
            "--pin",
            PIN,
        ];
        with_token(scratch, "softhsm2-util", &words)?.good()?;
        scratch.write("pin", PIN.as_bytes())?;
        scratch.write("wrong", b"000000")?;
        private(&scratch.join("pin"))?;
        private(&scratch.join("wrong"))?;
        let place = format!(
            "module = \"{module}\"\ntoken = \"authority\"\npin = \"file:{}\"\n",
            scratch.join("pin").display()
        );
        scratch.write("token.toml", place.as_bytes())?;
        let init = [
            "authority",
            "init",
            "authority",
            "--name",
            "Quảng Ninh",
            "--key-token",
            "token.toml",
        ];
        consign(scratch, &init)?.good()?;
        ensure!(
            !scratch.join("authority/keys/issuing.key").exists(),
            "no key in a file"
        );
        consign(scratch, &["authority", "publish", "authority"])?.good()?;
        chain_verifies(scratch)?;

        let path = scratch.join("authority/keys/issuing.toml");
        let named = fs::read_to_string(&path)?;
        fs::write(&path, named.replace("/pin\"", "/wrong\""))?;
        let publish = ["authority", "publish", "authority", "--force"];
        let refused = consign(scratch, &publish)?;
        ensure!(
            !refused.is_good() && refused.to_string().contains("refused the PIN"),
            "{refused}"
        );
        // A person has to give the next one, so that the token is not locked unattended.
        fs::write(&path, named)?;
        let refused = consign(scratch, &publish)?;
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

fn consign(scratch: &Scratch, words: &[&str]) -> Result<Answer> {
    let binary = consign_tests::program::binary()?;
    with_token(scratch, &binary.display().to_string(), words)
}

/// Runs a program that sees this test's token.
fn with_token(scratch: &Scratch, program: &str, words: &[&str]) -> Result<Answer> {
    let conf = scratch.join("softhsm2.conf");
    Invocation::of("env")
        .arg(format!("SOFTHSM2_CONF={}", conf.display()))
        .arg(program)
        .args(words)
        .stand_in(scratch.path())
        .run()
}

fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600),
    )?)
}
