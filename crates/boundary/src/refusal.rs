//! Why the enclave does not do what it was asked to.

use crate::wire::wire_enum;

wire_enum! {
    /// Why the enclave refuses. Proof failures are one: which check failed, its own log alone says.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Refusal {
        /// The request is not one of this protocol, or breaks a limit of it.
        1 = Malformed,
        /// A seal does not hold: altered, of another installation, or of a generation that was reset.
        2 = SealBroken,
        /// The pool key is bound already, or was burnt by a crash.
        3 = AlreadyBound,
        /// An item does not open, or its plaintext has another checksum. One answer for all causes.
        4 = CheckFailed,
        /// Too many failed checks; seconds until the next is looked at.
        5 = CheckBudgetSpent(u32),
        /// Too many failed checks in the key's life: it takes no more stores.
        6 = KeyLocked,
        /// The key is not of a kind that can do this.
        7 = WrongKeyType,
        /// The event's signature, provider, environment or session is not right.
        8 = EventNotAuthentic,
        /// The certificate may not receive a release.
        9 = Recipient(RecipientFault),
        /// The release proof does not hold.
        10 = ProofFailed,
        /// The approval's window is closed.
        11 = WindowClosed,
        /// The session's one recovery is used up, or belongs to another recipient.
        12 = SessionUsed,
        /// This user recovered too often; seconds until the next is looked at.
        13 = RecoveryLimit(u32),
        /// This tenant released too often; seconds until the next is looked at.
        14 = ReleaseLimit(u32),
        /// The enclave cannot write its own log: nothing may be released or bound.
        15 = LogUnavailable,
        /// The request crashed; nothing was released.
        16 = Crashed,
        /// The approval waits out the tenant's delay; seconds until it counts.
        17 = RecoveryDelayed(u32),
        /// The tenant's policy demands its signature, and there is none.
        18 = SignatureRequired,
        /// The tenant's signature is by no key of its policy, or not of exactly this recovery.
        19 = SignatureInvalid,
        /// The root key is with the holders of its shares: nothing else is answered until they have given them.
        24 = Sealed,
        /// Not a share of this splitting, or altered on the way.
        25 = WrongShare,
        /// No attempt runs: none was begun, or its time is over.
        26 = NoAttempt,
        /// Not as things stand with the root key.
        27 = NotNow,
        /// The enclave's log is older than what the caller remembers of it: a copy was put in its place.
        30 = RolledBack,
        /// The counter outside is away: nothing is released.
        38 = CounterAway,
        /// The checkpoint does not go on from the last one that was signed of its log, which has this size.
        37 = Forked(u64),
        /// The tenant is frozen: nothing leaves of it for so many seconds more.
        35 = Frozen(u32),
        /// Sealed in an epoch whose root key was retired: nothing here opens it any more.
        34 = EpochRetired,
    }
}

wire_enum! {
    /// What is wrong with an OpenPGP certificate.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RecipientFault {
        /// Not an OpenPGP certificate, or damaged.
        1 = Unreadable,
        /// A secret key was pasted.
        2 = SecretKey,
        /// More than one certificate in the block.
        3 = SeveralKeys,
        /// The certificate has expired.
        4 = Expired,
        /// The certificate is revoked.
        5 = Revoked,
        /// No valid key in it may encrypt.
        6 = NoEncryptionKey,
        /// RSA under 2,048 bits, DSA, `ElGamal`, or an algorithm that is not supported.
        7 = Weak,
        /// Larger than [`CERTIFICATE_BYTES_MAX`].
        8 = TooLarge,
        /// Not the certificate that the session was bound to.
        9 = OtherFingerprint,
    }
}
