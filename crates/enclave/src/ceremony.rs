//! The offline enclave: makes COLD keys, keeps their private halves, and answers bundles of requests from files.
//!
//! A request is answered by the functions that would answer it online. What they go by is this side's own: keys by what
//! is sealed here, lists by the ballots that came with each version, delays by this machine's clock and log. The online
//! enclave is believed by its signature in what only it can know (see [`boundary::cold::Voucher`]), and its server in
//! nothing.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, Ed25519KeyPair, KeyPair};
use boundary::batch::{BATCH_KEYS_MAX, Batch, BatchKey, Binding, SignedBinding, binding_preimage};
use boundary::cold::{ANSWER_FILE, Answers, Bundle, Entry, File, REQUEST_FILE, Signed, Vouched, Voucher};
use boundary::message::{Adopt, KeyType, Package, Refusal, Reply, Request, Rewrap, Verified};
use boundary::token::{Admission, Ticket};
use boundary::wire::Wire;
use boundary::{batch, cold, intent};

use crate::assign::{generate, inherit};
use crate::ballot::verifies;
use crate::digest::{hex, random, sha256};
use crate::log::Turn;
use crate::release::{demand, failed};
use crate::rewrap::succeeds;
use crate::root::{self, Keyring};
use crate::seal::{KeyFacts, name_of, open, open_heir, reseal, seal_heir};
use crate::service::{self, Enclave, answer, dispatch};
use crate::session::Token as _;
use crate::state::{Bundled, Record};

/// The sealed private halves.
const KEYS_FILE: &str = "cold.keys";
/// The public halves, in hexadecimal, a line each: of the key that signs batches and answers, and of the receipt key, which
/// signs records of releases.
const PUBLIC_FILE: &str = "offline.pub";
/// How far this machine's clock may be behind the online enclave's, in milliseconds.
const BEHIND_MAX_MS: i64 = 5 * 60 * 1_000;

/// Why a bundle is not answered: an exit code, and a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Fault(pub u8, &'static str);

const ALTERED: Fault = Fault(3, "the bundle was altered on the way, or its online enclave did not sign it");
const OTHER_ENVIRONMENT: Fault = Fault(4, "the bundle is of another environment than this offline enclave");
const OTHER_OFFLINE: Fault = Fault(5, "the bundle is for another offline enclave");
const OTHER_ONLINE: Fault = Fault(6, "the bundle is by another online enclave than the first one was");
const REPLAYED: Fault = Fault(7, "another bundle of this number, or a later one, was answered before");
const OUT_OF_ORDER: Fault = Fault(8, "the bundle does not follow the last one that was answered here");
const CLOCK_BEHIND: Fault =
    Fault(9, "this machine's clock is behind that of the online enclave: set it right");

impl std::error::Error for Fault {}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.1)
    }
}

fn ensure(holds: bool, fault: Fault) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(fault)) }
}

/// What the bundle in a folder is called by, and the bundle: read once, before holders open for it.
pub fn read(from: &str) -> io::Result<([u8; 32], File)> {
    let file = File::from_bytes(&fs::read(Path::new(from).join(REQUEST_FILE))?);
    let file = file.map_err(|_| io::Error::other(ALTERED))?;
    Ok((sha256(&file.head.body), file))
}

fn kept(dir: &Path) -> io::Result<Vec<Vec<u8>>> {
    match fs::read(dir.join(KEYS_FILE)) {
        Ok(bytes) => Wire::from_bytes(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Seals in the epoch in force what the folder keeps beside its log. It is done at each opening, so that nothing hangs on
/// the root key of the epoch before when the holders have that forgotten.
pub fn settle(dir: &Path, ring: &Keyring) -> io::Result<()> {
    root::offline_key(dir, ring)?;
    let anew = |key: Vec<u8>| reseal(ring, &key).unwrap_or(key);
    root::replace(dir, KEYS_FILE, &kept(dir)?.into_iter().map(anew).collect::<Vec<_>>().to_bytes())
}

/// An open offline enclave.
pub struct Offline<'a> {
    dir: &'a Path,
    enclave: Enclave,
    signer: Ed25519KeyPair,
    kept: Vec<Vec<u8>>,
    places: HashMap<String, usize>,
}

impl<'a> Offline<'a> {
    /// Reads what an enclave keeps offline, and leaves by what it is known: what the online enclave must be started with
    /// before it can believe a batch.
    pub fn open(dir: &'a Path, enclave: Enclave) -> io::Result<Self> {
        let signer = root::offline_key(dir, &enclave.keyring)?;
        let halves = [signer.public_key().as_ref(), &enclave.receipt.public.point];
        root::replace(dir, PUBLIC_FILE, halves.map(|half| hex(half) + "\n").concat().as_bytes())?;
        let kept = kept(dir)?;
        let names = kept.iter().map(|key| name_of(key).unwrap_or_default()).zip(0..).collect();
        let offline = Self { dir, enclave, signer, places: names, kept };
        // Keys of before this side had a log have the serials of their places.
        let old = offline.kept.len() as u64;
        let is_new = |turn: &Turn<'_>| turn.state().serials_reserved < old;
        offline.decide(|turn| if is_new(turn) { turn.serials(old) } else { Ok(old) })?;
        Ok(offline)
    }

    fn decide<T>(&self, decide: impl FnOnce(&mut Turn<'_>) -> Result<T, Refusal>) -> io::Result<T> {
        self.enclave.ledger.decide(decide).map_err(|_| io::Error::other("there is no room for the log"))
    }

    fn sign(&self, preimage: &[u8]) -> Vec<u8> {
        self.signer.sign(preimage).as_ref().to_vec()
    }

    /// Makes a batch into a file. The private halves are on the disk before it exists.
    pub fn batch(mut self, kinds: &[KeyType], out: &Path) -> io::Result<()> {
        let none = |_| io::Error::other(format!("no keys were made; a batch has 1 to {BATCH_KEYS_MAX}"));
        let made = self.make(kinds).map_err(none)?;
        root::replace(self.dir, KEYS_FILE, &self.kept.to_bytes())?;
        let (folder, name) = (out.parent(), out.file_name().and_then(|name| name.to_str()));
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        root::replace(folder, name.ok_or_else(|| io::Error::other("--out names no file"))?, &made.to_bytes())
    }

    fn make(&mut self, kinds: &[KeyType]) -> Result<Adopt, Refusal> {
        service::ensure((1..=BATCH_KEYS_MAX).contains(&kinds.len()), Refusal::Malformed)?;
        let mut keys = Vec::new();
        for (at, &key_type) in kinds.iter().enumerate() {
            let made = generate(&self.enclave, key_type)?;
            self.places.insert(made.key_id.clone(), self.kept.len());
            self.kept.push(made.sealed);
            keys.push(BatchKey { key_id: made.key_id, key_type, public_key: made.public_key });
            eprintln!("generated {}/{}", at + 1, kinds.len());
        }
        let (env, made_at_ms) = (self.enclave.keyring.env, self.enclave.ledger.now_ms());
        let batch = Batch { env, batch_id: random(), made_at_ms, keys }.to_bytes();
        Ok(Adopt { signature: self.sign(&batch::preimage(&batch)), batch })
    }

    /// Answers a bundle into a folder. The same bundle again has the same answers; where they were not
    /// finished, it is gone through again, and nothing goes to anybody else by that.
    pub fn answer(mut self, file: &File, to: &Path) -> io::Result<()> {
        let Bundle { env, online, dispatch, .. } = self.believed(file)?;
        let bundle = sha256(&file.head.body);
        let name = format!("{}.{ANSWER_FILE}", hex(&bundle));
        if !self.dir.join(&name).exists() {
            let mut parts = Vec::new();
            for part in &file.parts {
                let entry = Entry::from_bytes(part).map_err(|_| io::Error::other(ALTERED))?;
                parts.push(answer(|| self.reply(entry, &online)).to_bytes());
            }
            root::replace(self.dir, KEYS_FILE, &self.kept.to_bytes())?;
            let (sequence, log_sequence) = (dispatch.sequence, self.enclave.ledger.end().1);
            let hashes = parts.iter().map(|part| sha256(part)).collect();
            let body = Answers { env, sequence, bundle, log_sequence, parts: hashes }.to_bytes();
            let head = Signed { signature: self.sign(&cold::preimage("answers", &body)), body };
            root::replace(self.dir, &name, &File { head, parts }.to_bytes())?;
        }
        root::replace(to, ANSWER_FILE, &fs::read(self.dir.join(name))?)
    }

    /// The bundle, if it is the online enclave's, for this one, and the next, or the last one again. From then on no
    /// other bundle has its number, and no other online enclave is believed.
    fn believed(&self, file: &File) -> io::Result<Bundle> {
        let bundle = Bundle::from_bytes(&file.head.body).map_err(|_| io::Error::other(ALTERED))?;
        let (dispatch, hash) = (&bundle.dispatch, sha256(&file.head.body));
        ensure(bundle.env == self.enclave.keyring.env, OTHER_ENVIRONMENT)?;
        ensure(dispatch.offline == self.signer.public_key().as_ref(), OTHER_OFFLINE)?;
        let (last, now_ms) = self.decide(|turn| Ok((turn.state().bundled.clone(), turn.now_ms)))?;
        ensure(last.online.is_empty() || last.online == bundle.online, OTHER_ONLINE)?;
        ensure(is_signed(&bundle.online, "bundle", &file.head), ALTERED)?;
        ensure(file.parts.iter().map(|part| sha256(part)).eq(dispatch.parts.iter().copied()), ALTERED)?;
        let sequence = dispatch.sequence;
        if (sequence, hash) != (last.sequence, last.hash) {
            ensure(sequence > last.sequence, REPLAYED)?;
            ensure(sequence == last.sequence + 1 && dispatch.previous == last.hash, OUT_OF_ORDER)?;
        }
        ensure(bundle.made_at_ms <= now_ms + BEHIND_MAX_MS, CLOCK_BEHIND)?;
        let (online, made_at_ms) = (bundle.online.clone(), bundle.made_at_ms);
        // This side runs for minutes between months: that time has passed in between is what the other side's signed
        // clock says, and this side's own has to agree.
        let told_ms = if last.sequence == 0 { 0 } else { last.elapsed_ms + made_at_ms - last.made_at_ms };
        self.decide(|turn| {
            let elapsed_ms = turn.state().elapsed_ms.max(told_ms);
            turn.record(Record::Bundled(Bundled { sequence, hash, online, made_at_ms, elapsed_ms }))
        })?;
        Ok(bundle)
    }

    fn reply(&mut self, entry: Entry, online: &[u8]) -> Result<Reply, Refusal> {
        let mut request = match entry {
            Entry::Make(kinds) => return self.make(&kinds).map(Reply::Made),
            Entry::Tie(binding) => return self.tie(&binding, online),
            Entry::Release(vouched) => Request::Package(self.vouched(vouched, online)?),
            Entry::Ask(request) => request,
        };
        match &mut request {
            Request::Check(request) | Request::Try(request) => request.key = self.own(&request.key, &[]),
            Request::Rewrap(Rewrap { from, to, .. }) => {
                (*from, *to) = (self.own(from, &[]), self.own(to, &[]));
            }
            // One that is held online is only named.
            Request::Attach(request) => request.keys.iter_mut().for_each(|key| *key = self.own(key, key)),
            Request::Package(_) | Request::Amend(_) | Request::Reset(_) | Request::Reseal(_) => {}
            _ => return Err(Refusal::Malformed),
        }
        dispatch(&self.enclave, &request)
    }

    /// What is sealed here of a key that is meant by its id; `other` where none is. What came is not taken for it, be its
    /// seal good: whoever has the root key of before can seal any.
    fn own(&self, sealed: &[u8], other: &[u8]) -> Vec<u8> {
        let at = name_of(sealed).ok().and_then(|name| self.places.get(&name));
        at.map_or(other, |&at| self.kept[at].as_slice()).to_vec()
    }

    /// Gives a key to whom the online enclave gave it; to nobody else ever after.
    fn tie(&mut self, signed: &SignedBinding, online: &[u8]) -> Result<Reply, Refusal> {
        let ring = &self.enclave.keyring;
        let binding = Binding::from_bytes(&signed.binding).map_err(|_| Refusal::Malformed)?;
        let at = *self.places.get(&binding.key_id).ok_or(Refusal::SealBroken)?;
        let (facts, named, private_half) = open_heir(ring, &self.kept[at])?;
        let said = binding_preimage(&signed.binding);
        let is_signed = verifies(&ECDSA_P256_SHA256_ASN1, online, &said, &signed.signature);
        let is_its = (binding.env, binding.public_key_sha256) == (ring.env, sha256(&facts.public_key));
        demand(is_signed, "2 binding is not the online enclave's", Refusal::SealBroken)?;
        demand(is_its, "8 binding is of another key", Refusal::SealBroken)?;
        let owned =
            KeyFacts { tenant_id: binding.tenant_id, user_tag: Some(binding.user_tag), ..facts.clone() };
        let is_free = facts.user_tag.is_none() || (&facts, &named) == (&owned, &binding.predecessor);
        demand(is_free, "8 key is tied to another", Refusal::AlreadyBound)?;
        let old = binding.predecessor.as_ref().and_then(|old| self.places.get(&old.key_id));
        let old = old.map(|&at| open(ring, &self.kept[at])).transpose()?.map(|(old, _)| old);
        old.iter().try_for_each(|old| succeeds(old, &owned, binding.predecessor.as_ref()))?;
        let heir = |turn: &mut Turn<'_>| inherit(turn, facts.serial, old.as_ref()).map(|()| turn.now_ms);
        let at_ms = self.enclave.ledger.decide(heir)?;
        self.kept[at] = seal_heir(ring, owned, binding.predecessor.as_ref(), &private_half);
        Ok(Reply::Verified(Verified { at_ms }))
    }

    /// What a list has approved, as it would be asked for here: with session and checks in this enclave's own words.
    fn vouched(&self, Vouched { mut package, voucher }: Vouched, online: &[u8]) -> Result<Package, Refusal> {
        let ring = &self.enclave.keyring;
        let intent_hash = sha256(&intent::preimage(&package.release.intent));
        let said = Voucher::from_bytes(&voucher.body).ok();
        let said =
            said.filter(|said| said.intent_hash == intent_hash && is_signed(online, "voucher", &voucher));
        let unsaid = || failed("the online enclave does not vouch for it");
        let Voucher { ticket, admissions, .. } = said.ok_or_else(unsaid)?;
        let generation = ring.generation(&ticket.tenant_id);
        package.release.ticket = Ticket { generation, ..ticket }.issue(ring);
        let issue = |admission| Admission { generation, ..admission }.issue(ring);
        package.release.admissions = admissions.into_iter().map(issue).collect();
        package.keys.iter_mut().for_each(|key| *key = self.own(key, &[]));
        package.release.items.iter_mut().for_each(|item| item.key = self.own(&item.key, &[]));
        Ok(package)
    }
}

fn is_signed(online: &[u8], what: &str, signed: &Signed) -> bool {
    verifies(&ECDSA_P256_SHA256_ASN1, online, &cold::preimage(what, &signed.body), &signed.signature)
}
