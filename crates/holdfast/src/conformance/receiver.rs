//! A receiver of webhooks: it keeps what comes, and answers as a row says.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::verdict::{Stop, failed};
use crate::failure::{Doing as _, Failure};

/// What is larger is no event.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Whoever sends nothing for so long is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A delivery that came.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The raw body.
    pub body: String,
}

impl Delivery {
    /// A header; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Kept {
    came: HashMap<String, Vec<Delivery>>,
    answers: HashMap<String, VecDeque<u16>>,
    pages: HashMap<String, String>,
}

#[derive(Default)]
struct Inbox {
    state: Mutex<Kept>,
    news: Condvar,
}

/// A receiver that listens until the program ends.
pub struct Receiver {
    url: String,
    inbox: Arc<Inbox>,
}

impl Receiver {
    /// Listens there, and is reached by this URL; without one, by the address itself.
    pub fn listen(address: SocketAddr, url: Option<&str>) -> Result<Self, Failure> {
        let doing = || format!("cannot listen on {address} for webhooks");
        let listener = TcpListener::bind(address).doing(doing)?;
        let bound = listener.local_addr().doing(doing)?;
        let url = url.map_or_else(|| format!("http://{bound}"), |url| url.trim_end_matches('/').to_owned());
        let inbox = Arc::new(Inbox::default());
        let shared = Arc::clone(&inbox);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inbox = Arc::clone(&shared);
                // A delivery that cannot be read is tried again by whoever sent it.
                std::thread::spawn(move || drop(inbox.take(&stream)));
            }
        });
        Ok(Self { url, inbox })
    }

    /// Where a row's deliveries are sent.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// The statuses of the next answers there; 200 after them.
    pub fn answer(&self, path: &str, statuses: &[u16]) {
        self.inbox.lock().answers.insert(path.to_owned(), statuses.iter().copied().collect());
    }

    /// Has a GET there answered with this JSON.
    pub fn serve(&self, path: &str, json: &str) {
        self.inbox.lock().pages.insert(path.to_owned(), json.to_owned());
    }

    /// The deliveries there, once so many came.
    pub fn wait_for(&self, path: &str, count: usize, patience: Duration) -> Result<Vec<Delivery>, Stop> {
        let has_less = |state: &mut Kept| state.came.get(path).map_or(0, Vec::len) < count;
        let waited = self.inbox.news.wait_timeout_while(self.inbox.lock(), patience, has_less);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let came = state.came.get(path).cloned().unwrap_or_default();
        if timeout.timed_out() {
            let seconds = patience.as_secs();
            return Err(failed(format!(
                "expected {count} deliveries within {seconds} s, got {}",
                came.len()
            )));
        }
        Ok(came)
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one request, keeps it and answers.
    fn take(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path =
            line.split(' ').nth(1).unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; usize::min(length, BODY_BYTES_MAX)];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let (status, page) = {
            let mut state = self.lock();
            state.came.entry(path.clone()).or_default().push(Delivery { headers, body });
            let status = state.answers.get_mut(&path).and_then(VecDeque::pop_front).unwrap_or(200);
            (status, state.pages.get(&path).cloned().unwrap_or_default())
        };
        self.news.notify_all();
        let mut stream = stream;
        let length = page.len();
        write!(
            stream,
            "HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
        )
    }
}
