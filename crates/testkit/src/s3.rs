//! A store that speaks S3, as other people wrote one: it checks every signature.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use store::blob::{Bucket, Scheme};

use crate::enclave::run;
use crate::foreign::python_program;

const PROGRAM: &str = include_str!("s3.py");
const BUCKET: &str = "holdfast-files";
const REGION: &str = "eu-north-1";

/// A running store with an empty bucket. It ends with the test.
pub struct S3 {
    child: Child,
    /// The bucket, and how to get at it.
    pub bucket: Bucket,
}

impl S3 {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let mut command = Command::new(python_program());
        command.args(["-c", PROGRAM, BUCKET, REGION]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().expect("python is installed: `scripts/test` installs what is missing");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let words: Vec<_> = line.split_whitespace().collect();
        let [port, access_key, secret_key] = words[..] else {
            unreachable!("the store does not start: `scripts/test` installs what is missing ({line:?})")
        };
        let bucket = Bucket {
            name: BUCKET.to_owned(),
            endpoint: Some((Scheme::Http, format!("127.0.0.1:{port}"))),
            region: REGION.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned().into(),
            path_style: true,
        };
        Self { child, bucket }
    }

    /// Stops it where it stands, so that whoever asks it waits; until [`S3::resume`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        run(Command::new("kill").arg(signal).arg(self.child.id().to_string()));
    }

    /// Ends it at once, with all that it holds.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("an end");
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.kill();
    }
}
