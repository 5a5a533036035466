//! The built-in server for its own sake: started, asked, listened to and stopped by a person or a
//! program.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use skipbeat_core::{Seed, Time};
use skipbeat_harness::ServerEvent;
use skipbeat_scenario::ServerRuntime;
use skipbeat_server::{Note, Options};

use crate::NetError;
use crate::peers::Known;
use crate::server::{
    BoundServer, Command, Hosting, Member, Report, Reporting, RunningServer, Stats,
};
use crate::wire::Io;
use skipbeat_sys::Clock;

/// How long the thread may take to answer a question.
const ANSWER: Duration = Duration::from_secs(1);

/// A chat server that runs on a thread of its own.
pub struct LiveServer {
    running: RunningServer,
    address: SocketAddr,
}

impl LiveServer {
    /// Binds the address and starts to serve.
    ///
    /// # Errors
    /// Where the address can't be bound.
    pub fn start(
        listen: SocketAddr,
        options: Options,
        runtime: ServerRuntime,
        seed: Seed,
        io: Io,
    ) -> Result<Self, NetError> {
        let bound = BoundServer::bind(listen, None, None)?;
        let address = bound.address();
        let running = bound.start(Hosting {
            options,
            runtime,
            seed,
            clock: Clock::start(),
            known: Known::Listed(Vec::new()),
            crash_at: None,
            reporting: Reporting::Notes,
            io,
        })?;
        Ok(LiveServer { running, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened to peers since the last call, in order.
    pub fn news(&self) -> Vec<(Time, SocketAddr, Note)> {
        let notes = self.running.reports().into_iter().filter_map(|report| match report {
            Report::Event(at, ServerEvent::Note { peer, note, .. }) => Some((at, peer, note)),
            _ => None,
        });
        notes.collect()
    }

    /// Says a text to all members, as from the server's own address.
    pub fn say(&self, text: &str) {
        self.running.ask(Command::Say(text.as_bytes().to_vec()));
    }

    /// Who the members are, in the order in which their addresses were first heard of.
    ///
    /// # Errors
    /// Where the server's thread has ended.
    pub fn members(&self) -> Result<Vec<Member>, NetError> {
        let (ask, answer) = channel();
        self.running.ask(Command::Members(ask));
        wait(&answer)
    }

    /// What was counted since the start.
    ///
    /// # Errors
    /// Where the server's thread has ended.
    pub fn stats(&self) -> Result<Stats, NetError> {
        let (ask, answer) = channel();
        self.running.ask(Command::Stats(ask));
        wait(&answer)
    }

    /// Whether it ended by itself, which only a defect or a failing socket makes it do.
    pub fn is_finished(&self) -> bool {
        self.running.is_finished()
    }

    /// Says `bye` to all members and ends.
    ///
    /// # Errors
    /// Where the server's thread had failed.
    pub fn stop(&self) -> Result<(), NetError> {
        self.running.ask(Command::Bye);
        self.running.tell_to_stop(0);
        self.running.join().map(drop)
    }
}

fn wait<T>(answer: &Receiver<T>) -> Result<T, NetError> {
    answer.recv_timeout(ANSWER).map_err(|_| NetError::ServerThread)
}
