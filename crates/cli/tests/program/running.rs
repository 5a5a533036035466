//! Programs that run while a test goes on, with their pipes, and plain clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Patience with a busy machine: nothing asserts how long anything took.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A program with its pipes.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: Receiver<String>,
    pub(crate) errors: Receiver<String>,
}

pub(crate) fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
    lines
}

pub(crate) fn start(arguments: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_skipbeat"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = lines(child.stdout.take().unwrap());
    let errors = lines(child.stderr.take().unwrap());
    Running { input: child.stdin.take(), child, output, errors }
}

/// The first line that contains `what`.
pub(crate) fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {what:?}"));
        if line.contains(what) {
            return line;
        }
    }
}

impl Running {
    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn serve(arguments: &[&str]) -> (Running, SocketAddr) {
    let server = start(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let line = wait_for(&server.errors, "serving at ");
    let address = line.split_once("serving at ").unwrap().1.split(';').next().unwrap();
    let address = address.parse().unwrap();
    (server, address)
}

pub(crate) fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn hears(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).expect("something is heard");
    buffer[..length].to_vec()
}

/// A proxy towards a target, and where it listens.
pub(crate) fn proxy(target: SocketAddr, arguments: &[&str]) -> (Running, SocketAddr) {
    let target = target.to_string();
    let fixed = ["proxy", "--listen", "127.0.0.1:0", "--target", &target];
    let proxy = start(&[&fixed, arguments].concat());
    let line = wait_for(&proxy.errors, "proxy at ");
    let address = line.trim_start_matches("proxy at ").split(' ').next().expect("an address");
    let address = address.parse().expect("an address");
    (proxy, address)
}
