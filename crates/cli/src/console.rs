//! Reads lines that are typed while a command runs.

use std::io::{BufRead, stdin};
use std::sync::mpsc::{Receiver, channel};

/// Reads standard input on a thread, and sends each line to the receiver as it comes.
pub(crate) fn lines_of_input() -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines() {
            let Ok(line) = line else { break };
            if to.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
