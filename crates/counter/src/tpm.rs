//! The few commands of TPM 2.0 that a counter takes (Trusted Platform Module Library, part 3), sent to a device or to
//! the socket of one in software.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tpm2_protocol::basic::{TpmHandle, TpmUint16};
use tpm2_protocol::data::{
    Tpm2bAuth, Tpm2bDigest, Tpm2bNvPublic, TpmAlgId, TpmRc, TpmRcBase, TpmRh, TpmSt, TpmaNv, TpmsAuthCommand,
    TpmsNvPublic,
};
use tpm2_protocol::frame::{
    TpmFrame, TpmGetRandomCommand, TpmGetRandomResponse, TpmNvDefineSpaceCommand, TpmNvIncrementCommand,
    TpmNvReadCommand, TpmNvReadPublicCommand, TpmNvReadPublicResponse, TpmNvReadResponse,
    TpmNvUndefineSpaceCommand, TpmResponse, tpm_marshal_command,
};
use tpm2_protocol::{TpmError, TpmWriter};

use crate::{Failure, failed};

/// The largest command or response that is sent or taken; a TPM's own limit, of the PC client's profile.
const FRAME_BYTES_MAX: usize = 4_096;
/// What every response begins with: a tag, its length, a code.
const HEADER_BYTES: usize = 10;
/// How long a TPM in software may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// A counter's value is a number of 64 bits (part 2, 13.2).
const VALUE_BYTES: u16 = 8;
/// Random bytes of a counter's name; what it began at follows.
const RANDOM_BYTES: u16 = 24;
/// How often a counter is made anew that another one of this TPM came in between.
const TRIES_MAX: u32 = 4;

/// How far a counter has come, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Its name, which no counter of another TPM has.
    pub counter: [u8; 32],
    /// How often it went up.
    pub value: u64,
}

/// A counter of a TPM.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The TPM: its device, or the socket of one in software.
    #[arg(long, value_name = "PATH", default_value = "/dev/tpmrm0")]
    tpm: PathBuf,
    /// The counter's index, in the range of the TPM's owner.
    #[arg(long, value_name = "INDEX", default_value = "0x01804846", value_parser = index)]
    index: u32,
}

fn index(word: &str) -> Result<u32, String> {
    let parsed = u32::from_str_radix(word.trim_start_matches("0x"), 16);
    parsed.map_err(|_| "not a number in hexadecimal".to_owned())
}

fn malformed(error: TpmError) -> Failure {
    failed("what goes to the TPM, or comes from it, is malformed")(error)
}

/// An open way to a TPM, which a device and a socket are alike.
trait Way: Read + Write {}
impl<T: Read + Write> Way for T {}

fn open(path: &Path) -> io::Result<Box<dyn Way>> {
    if fs::metadata(path)?.file_type().is_socket() {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        return Ok(Box::new(stream));
    }
    Ok(Box::new(fs::OpenOptions::new().read(true).write(true).open(path)?))
}

/// Sends a command and waits for its response.
fn exchange(path: &Path, command: &[u8]) -> io::Result<Vec<u8>> {
    let mut tpm = open(path)?;
    tpm.write_all(command)?;
    let mut response = Vec::new();
    let mut part = [0; FRAME_BYTES_MAX];
    loop {
        let length = tpm.read(&mut part)?;
        response.extend_from_slice(&part[..length]);
        let whole = response.get(2..6).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
        let whole = whole.and_then(|whole| usize::try_from(whole).ok());
        if whole.is_some_and(|whole| response.len() >= whole.max(HEADER_BYTES)) {
            return Ok(response);
        }
        if length == 0 || response.len() > FRAME_BYTES_MAX {
            return Err(io::Error::other("the response is not whole"));
        }
    }
}

impl Place {
    /// Has a command done, under a password where it takes one.
    fn run(&self, command: &impl TpmFrame, password: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
        let mut hmac = Tpm2bAuth::default();
        hmac.try_extend_from_slice(password.unwrap_or_default()).map_err(malformed)?;
        let session = TpmsAuthCommand {
            session_handle: TpmHandle::new(TpmRh::Pw.value()),
            hmac,
            ..TpmsAuthCommand::default()
        };
        let (tag, sessions) = match password {
            Some(_) => (TpmSt::Sessions, vec![session]),
            None => (TpmSt::NoSessions, Vec::new()),
        };
        let mut buffer = [0; FRAME_BYTES_MAX];
        let mut writer = TpmWriter::new(&mut buffer);
        tpm_marshal_command(command, tag, &sessions, &mut writer).map_err(malformed)?;
        let response = exchange(&self.tpm, writer.as_bytes()).map_err(failed("cannot speak to the TPM"))?;
        let code = TpmResponse::cast(&response).and_then(TpmResponse::rc).map_err(malformed)?;
        if code != TpmRc::Fmt0(TpmRcBase::Success) {
            return Err(failed("the TPM refuses")(code));
        }
        Ok(response)
    }

    fn handle(&self) -> TpmHandle {
        TpmHandle::new(self.index)
    }

    /// Its name and attributes; none where nothing has this index.
    fn public(&self) -> Result<TpmsNvPublic, Failure> {
        let response = self.run(&TpmNvReadPublicCommand { handles: [self.handle()] }, None)?;
        let found: TpmNvReadPublicResponse =
            TpmResponse::cast(&response).and_then(TpmResponse::unmarshal).map_err(malformed)?;
        Ok(found.nv_public.inner)
    }

    /// The number in the TPM, which begins where the highest one of all its counters ever was.
    fn value(&self) -> Result<u64, Failure> {
        let command = TpmNvReadCommand {
            handles: [self.handle(); 2],
            size: TpmUint16::new(VALUE_BYTES),
            offset: TpmUint16::new(0),
        };
        let response = self.run(&command, Some(&[]))?;
        let found: TpmNvReadResponse =
            TpmResponse::cast(&response).and_then(TpmResponse::unmarshal).map_err(malformed)?;
        let bytes = (*found.data).try_into().map_err(failed("the TPM gives no number"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn increment(&self) -> Result<(), Failure> {
        self.run(&TpmNvIncrementCommand { handles: [self.handle(); 2] }, Some(&[])).map(drop)
    }

    /// How far it has come, after it has gone up by one where that is asked for.
    pub fn count(&self, increment: bool) -> Result<Count, Failure> {
        let public = self.public()?;
        let is_counter = public.attributes.contains(TpmaNv::COUNTER | TpmaNv::WRITTEN);
        let name = <[u8; 32]>::try_from(&*public.auth_policy).ok().filter(|_| is_counter);
        let counter = name.ok_or_else(|| Failure("what has this index is no counter of ours".to_owned()))?;
        let (_, began) = counter.split_at(usize::from(RANDOM_BYTES));
        let began = u64::from_be_bytes(began.try_into().map_err(failed("the counter's name is too short"))?);
        if increment {
            self.increment()?;
        }
        let value = self.value()?.checked_sub(began);
        let value = value.ok_or_else(|| Failure("the counter is below where it began".to_owned()))?;
        Ok(Count { counter, value })
    }

    fn define_as(&self, name: &[u8], owner: &[u8]) -> Result<u64, Failure> {
        let mut auth_policy = Tpm2bDigest::default();
        auth_policy.try_extend_from_slice(name).map_err(malformed)?;
        let inner = TpmsNvPublic {
            nv_index: self.handle(),
            name_alg: TpmAlgId::Sha256,
            // Nobody need know a password to ask it; who may, the device's mode says. Nothing makes it go back.
            attributes: TpmaNv::COUNTER | TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::NO_DA,
            auth_policy,
            data_size: TpmUint16::new(VALUE_BYTES),
        };
        let command = TpmNvDefineSpaceCommand {
            handles: [TpmHandle::new(TpmRh::Owner.value())],
            auth: Tpm2bAuth::default(),
            public_info: Tpm2bNvPublic { inner },
        };
        self.run(&command, Some(owner))?;
        // Before it has gone up for the first time, it cannot be read.
        self.increment()?;
        self.value()
    }

    fn undefine(&self, owner: &[u8]) -> Result<(), Failure> {
        let handles = [TpmHandle::new(TpmRh::Owner.value()), self.handle()];
        self.run(&TpmNvUndefineSpaceCommand { handles }, Some(owner)).map(drop)
    }

    /// Makes the counter. Its name, which stands where a policy could that nobody can meet, has in it the number at
    /// which it begins: so it is known what 0 is, and nothing of it lies on a disk.
    pub fn define(&self, owner: &[u8]) -> Result<Count, Failure> {
        let command = TpmGetRandomCommand { handles: [], bytes_requested: TpmUint16::new(RANDOM_BYTES) };
        let response = self.run(&command, None)?;
        let random: TpmGetRandomResponse =
            TpmResponse::cast(&response).and_then(TpmResponse::unmarshal).map_err(malformed)?;
        let name = |began: u64| [&*random.random_bytes, &began.to_be_bytes()].concat();
        let mut before = self.define_as(&name(0), owner)?;
        for _ in 0..TRIES_MAX {
            self.undefine(owner)?;
            let began = self.define_as(&name(before + 1), owner)?;
            if began == before + 1 {
                return self.count(false);
            }
            before = began;
        }
        self.undefine(owner)?;
        Err(Failure("other counters of this TPM go up all the time".to_owned()))
    }
}
