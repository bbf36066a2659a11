//! A line to the service that breaks where a test wants it to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Where an exchange is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request never reaches the service.
    Request,
    /// The service does what was asked, and its answer is lost.
    Answer,
    /// The first half of the answer arrives.
    HalfAnswer,
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::Request, Self::Answer, Self::HalfAnswer];
}

/// How many exchanges still pass, and how the next one then ends.
type Plan = Arc<Mutex<Option<(usize, Stage)>>>;

pub struct Cutter {
    /// The address of the line.
    pub base: String,
    plan: Plan,
}

impl Cutter {
    /// A line to the service at this address.
    pub fn to(base_url: &str) -> Self {
        let upstream = base_url.strip_prefix("http://").expect("plain HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let plan = Plan::default();
        let cuts = Arc::clone(&plan);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (upstream, cuts) = (upstream.clone(), Arc::clone(&cuts));
                thread::spawn(move || carry(stream, &upstream, &cuts));
            }
        });
        Self { base, plan }
    }

    /// Cuts one exchange, after so many others.
    pub fn cut(&self, after: usize, stage: Stage) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((after, stage));
    }

    /// Whether the cut has happened.
    pub fn has_cut(&self) -> bool {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// One connection, exchange by exchange, until it ends or is cut.
fn carry(mut stream: TcpStream, upstream: &str, plan: &Plan) {
    while let Some(request) = read_message(&mut stream) {
        let stage = due(plan);
        if stage == Some(Stage::Request) {
            return;
        }
        let Ok(mut service) = TcpStream::connect(upstream) else { return };
        if service.write_all(&request).is_err() {
            return;
        }
        let Some(answer) = read_message(&mut service) else { return };
        let shown = match stage {
            Some(Stage::Answer) => return,
            Some(_) => &answer[..answer.len() / 2],
            None => &answer[..],
        };
        if stream.write_all(shown).is_err() || stage.is_some() {
            return;
        }
    }
}

/// How this exchange is cut, if it is the one.
fn due(plan: &Plan) -> Option<Stage> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let (after, stage) = (*plan)?;
    *plan = after.checked_sub(1).map(|after| (after, stage));
    plan.is_none().then_some(stage)
}

/// A head and its body; none when the connection ends.
fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        if let Some(head) = message.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&message[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if message.len() >= head + 4 + length.unwrap_or(0) {
                return Some(message);
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => message.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
