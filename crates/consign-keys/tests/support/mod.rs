//! SoftHSM with tokens of a test's own, and keys in them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use consign_keys::secret::SecretSource;
use consign_keys::token::{KeyName, Token, TokenKey, TokenName};
use consign_keys::{TokenError, TokenPlace};
use consign_pki::seal::KeyKind;
use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

const SETTING: &str = "SOFTHSM2_CONF";
pub(crate) const MARK: &str = "CONSIGN_TOKEN_TEST";
pub(crate) const PIN: &str = "5678";

/// Where distributions put SoftHSM.
const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// Runs the test of a name anew with a token directory of its own; inside, runs `body` there.
#[expect(clippy::unwrap_used, reason = "a test that fails")]
pub(crate) fn with_softhsm(name: &str, body: impl FnOnce(&Path)) {
    if let Some(directory) = std::env::var_os(MARK) {
        return body(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let settings = directory.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&settings, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(SETTING, &settings)
        .env(MARK, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let all = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{all}"
    );
}

#[expect(clippy::expect_used, reason = "a test that cannot run")]
fn module() -> PathBuf {
    let found = MODULES.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM is not here; run: tests/programs")
}

#[expect(clippy::unwrap_used, reason = "a test that cannot run")]
pub(crate) fn run(program: &str, directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

pub(crate) fn initialise(directory: &Path, label: &str) {
    let arguments = [
        "--init-token",
        "--free",
        "--label",
        label,
        "--so-pin",
        "1234",
        "--pin",
        PIN,
    ];
    let (done, said) = run("softhsm2-util", directory, &arguments);
    assert!(done, "{said}");
}

#[expect(clippy::unwrap_used, reason = "a test that cannot run")]
pub(crate) fn place(directory: &Path, label: &str, pin: &str) -> TokenPlace {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join("pin");
    std::fs::write(&path, pin).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    TokenPlace {
        module: module(),
        token: TokenName::Label(label.to_owned()),
        key: Some(KeyName::Label("seal".to_owned())),
        pin: SecretSource::File(path),
    }
}

pub(crate) fn made(directory: &Path, kind: KeyKind) -> Result<TokenKey, TokenError> {
    let place = place(directory, "H49", PIN);
    TokenKey::make(Arc::new(Token::new(&place)), &place, kind)
}

pub(crate) fn opened(place: &TokenPlace) -> Result<TokenKey, TokenError> {
    TokenKey::open(Arc::new(Token::new(place)), place)
}

/// The text of the fault, which has to have all of these words.
#[expect(clippy::unwrap_used, reason = "a test that fails")]
pub(crate) fn words<T: std::fmt::Debug>(
    result: Result<T, TokenError>,
    expected: &[&str],
) -> TokenError {
    let fault = result.unwrap_err();
    let text = fault.to_string();
    for word in expected {
        assert!(text.contains(word), "{word}: {text}");
    }
    fault
}

/// A session beside those of the keys, with the user logged in.
#[expect(clippy::unwrap_used, reason = "a test that fails")]
pub(crate) fn in_session<T>(work: impl FnOnce(&Session) -> T) -> T {
    let library = Pkcs11::new(module()).unwrap();
    // Started and logged in by the keys.
    let slots = library.get_slots_with_initialized_token().unwrap();
    let session = library.open_rw_session(*slots.first().unwrap()).unwrap();
    let _already = session.login(UserType::User, Some(&AuthPin::from(PIN.to_owned())));
    work(&session)
}

#[expect(clippy::unwrap_used, reason = "a test that fails")]
pub(crate) fn objects(class: ObjectClass) -> Vec<ObjectHandle> {
    in_session(|session| session.find_objects(&[Attribute::Class(class)]).unwrap())
}

/// SoftHSM behind a module that fails where a file wants it to: see `faulty_module.c`.
#[expect(clippy::unwrap_used, reason = "a test that cannot run")]
pub(crate) fn faulty(directory: &Path) -> TokenPlace {
    let mut place = place(directory, "H49", PIN);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faulty_module.c");
    let behind = format!("-DMODULE=\"{}\"", place.module.display());
    place.module = directory.join("faulty.so");
    let arguments = [
        "-shared",
        "-fPIC",
        "-std=gnu11",
        &behind,
        "-o",
        "faulty.so",
        source.to_str().unwrap(),
        "-ldl",
    ];
    let (done, said) = run("cc", directory, &arguments);
    assert!(done, "{said}");
    place
}

/// Sets CKF_USER_PIN_LOCKED in the token object: attribute, kind and value of eight bytes each.
#[expect(clippy::unwrap_used, reason = "a test that fails")]
pub(crate) fn lock(tokens: &Path) {
    const FLAGS: [u8; 8] = 0x8000_534B_u64.to_be_bytes();
    let folder = std::fs::read_dir(tokens)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let path = folder.join("token.object");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(4)
        .position(|part| part == &FLAGS[4..])
        .unwrap();
    *bytes.get_mut(at + 17).unwrap() |= 0x04;
    std::fs::write(&path, bytes).unwrap();
}
