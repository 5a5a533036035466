//! Programs that run while a test talks to them through pipes, and plain UDP clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long to wait for something on a busy machine. No test asserts how long anything took.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running program and its pipes. It is killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: Receiver<String>,
    pub(crate) errors: Receiver<String>,
}

/// The lines of a pipe, read by a thread.
pub(crate) fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
    lines
}

/// Starts `skipbeat` with these arguments.
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

/// Waits for the first line that contains `what`, and drops those before it.
pub(crate) fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {what:?}"));
        if line.contains(what) {
            return line;
        }
    }
}

impl Running {
    /// Writes a line to standard input.
    pub(crate) fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for the program to end, and returns its exit code.
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

/// Starts `skipbeat serve` on a free port, and returns its address.
pub(crate) fn serve(arguments: &[&str]) -> (Running, SocketAddr) {
    let server = start(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let line = wait_for(&server.errors, "serving at ");
    let address = line.split_once("serving at ").unwrap().1.split(';').next().unwrap();
    let address = address.parse().unwrap();
    (server, address)
}

/// A socket that is connected to this address.
pub(crate) fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Waits for the next datagram.
pub(crate) fn hears(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).expect("something is heard");
    buffer[..length].to_vec()
}

/// Starts `skipbeat proxy` in front of a target, and returns the address where it listens.
pub(crate) fn proxy(target: SocketAddr, arguments: &[&str]) -> (Running, SocketAddr) {
    let target = target.to_string();
    let fixed = ["proxy", "--listen", "127.0.0.1:0", "--target", &target];
    let proxy = start(&[&fixed, arguments].concat());
    let line = wait_for(&proxy.errors, "proxy at ");
    let address = line.trim_start_matches("proxy at ").split(' ').next().expect("an address");
    let address = address.parse().expect("an address");
    (proxy, address)
}
