//! The engine's side of a run: what a program would do, one step at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use muslin_abi::Errno;
use muslin_net_stack::{
    Family, Kind, ReceiveHow, SendTo, Setting, Shutdown, SmolStack, SocketId, Stack,
};

use crate::linux::Gate;
use crate::plan::{Bytes, Ending, PIECE_BYTES, Plan};

const POLLOUT: u16 = 4;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Listens,
    Connects,
    Moves,
    Over,
}

pub struct Side {
    plan: Plan,
    id: SocketId,
    stage: Stage,
    to_send: Bytes,
    to_receive: Bytes,
    sent: usize,
    received: usize,
    is_shut: bool,
    has_end: bool,
    rests: u32,
    rests_until_ns: u64,
    gate: Arc<Gate>,
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: there was nothing to do.
    Nothing,
    Something,
    /// Both are to close at once, and so it did. What is on its way has to cross.
    Crossed,
}

fn text(what: &str, errno: Errno) -> String {
    format!("engine: {what}: {}", errno.name().unwrap_or("an errno"))
}

impl Side {
    /// Begins to listen at `local`, or to connect to `peer`.
    pub fn begin(
        stack: &mut SmolStack,
        plan: Plan,
        local: SocketAddr,
        peer: SocketAddr,
        gate: Arc<Gate>,
    ) -> Result<Self, String> {
        let family = if plan.is_v6 { Family::V6 } else { Family::V4 };
        let id = stack
            .socket(family, Kind::Stream)
            .map_err(|errno| text("socket", errno))?;
        if let Some(bytes) = plan.engine.buffer_bytes {
            for setting in [Setting::ReceiveBuffer(bytes), Setting::SendBuffer(bytes)] {
                stack
                    .set(id, setting)
                    .map_err(|errno| text("a buffer", errno))?;
            }
        }
        let mut stage = Stage::Listens;
        if !plan.does_linux_connect {
            stage = Stage::Connects;
            match stack.connect(id, peer) {
                Err(Errno::EINPROGRESS) => {}
                Err(errno) => return Err(text("connect", errno)),
                Ok(()) => return Err("engine: connected before Linux was asked".to_owned()),
            }
        } else if plan.ending == Ending::Refused {
            stack.close(id);
            stage = Stage::Over;
        } else {
            stack
                .bind(id, local)
                .and_then(|()| stack.listen(id, 4))
                .map_err(|errno| text("listen", errno))?;
        }
        Ok(Self {
            plan,
            id,
            stage,
            to_send: Bytes::new(plan.seed),
            to_receive: Bytes::new(plan.seed ^ 1),
            sent: 0,
            received: 0,
            is_shut: false,
            has_end: false,
            rests: plan.engine.rests,
            rests_until_ns: 0,
            gate,
        })
    }

    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Linux has connected and reset, and nothing of it arrived but the reset.
    pub fn miss(&mut self, stack: &mut SmolStack) {
        if self.stage == Stage::Listens && self.plan.ending == Ending::LinuxResets {
            self.close(stack);
        }
    }

    pub fn bytes(&self) -> usize {
        self.sent + self.received
    }

    /// When it goes on by itself.
    pub fn wakes_at_ns(&self) -> u64 {
        if self.is_over() || self.rests_until_ns == 0 {
            u64::MAX
        } else {
            self.rests_until_ns
        }
    }

    pub fn describe(&self, stack: &SmolStack) -> String {
        format!(
            "{:?}, {} sent, {} received, shut {}, end {}, {:?}",
            self.stage,
            self.sent,
            self.received,
            self.is_shut,
            self.has_end,
            stack.info(self.id)
        )
    }

    pub fn step(&mut self, stack: &mut SmolStack, now_ns: u64) -> Result<Step, String> {
        match self.stage {
            Stage::Listens => match stack.accept(self.id) {
                Ok((id, _)) => {
                    stack.close(self.id);
                    self.id = id;
                    self.stage = Stage::Moves;
                    Ok(Step::Something)
                }
                Err(Errno::EAGAIN) => Ok(Step::Nothing),
                Err(errno) => Err(text("accept", errno)),
            },
            Stage::Connects => self.connect(stack),
            Stage::Moves => self.go_on(stack, now_ns),
            Stage::Over => Ok(Step::Nothing),
        }
    }

    fn connect(&mut self, stack: &mut SmolStack) -> Result<Step, String> {
        if stack.readiness(self.id) & POLLOUT == 0 {
            return Ok(Step::Nothing);
        }
        let error = stack
            .take_error(self.id)
            .map_err(|errno| text("SO_ERROR", errno))?;
        self.stage = match (error, self.plan.ending) {
            (Some(Errno::ECONNREFUSED), Ending::Refused) => {
                stack.close(self.id);
                Stage::Over
            }
            (None, Ending::Refused) => return Err("engine: connected to nobody".to_owned()),
            (None, _) => Stage::Moves,
            // A reset may come before the program looks.
            (Some(Errno::ECONNRESET), Ending::LinuxResets) => {
                stack.close(self.id);
                Stage::Over
            }
            (Some(errno), _) => return Err(text("connecting", errno)),
        };
        Ok(Step::Something)
    }

    fn go_on(&mut self, stack: &mut SmolStack, now_ns: u64) -> Result<Step, String> {
        let is_victim = self.plan.ending == Ending::LinuxResets;
        let before = (self.sent, self.received, self.has_end, self.is_shut);
        match self.send(stack).and_then(|()| self.receive(stack, now_ns)) {
            Ok(()) => {}
            Err((_, Errno::ECONNRESET)) if is_victim => {
                self.close(stack);
                return Ok(Step::Something);
            }
            Err((what, errno)) => {
                return Err(text(&format!("{what} behind {:?}", before), errno));
            }
        }
        if self.has_end && self.received != self.plan.to_engine {
            return Err(format!(
                "engine: the end came behind {} bytes of {}",
                self.received, self.plan.to_engine
            ));
        }
        let has_all = self.received == self.plan.to_engine;
        let is_sent = self.sent == self.plan.to_linux;
        let may_shut = match self.plan.ending {
            Ending::Halves | Ending::EngineFirst => true,
            Ending::LinuxFirst => self.has_end,
            _ => false,
        };
        if may_shut && is_sent && !self.is_shut {
            stack
                .shutdown(self.id, Shutdown::Write)
                .map_err(|errno| text("shutdown", errno))?;
            self.is_shut = true;
        }
        match self.plan.ending {
            Ending::EngineResets if has_all => {
                stack
                    .set(self.id, Setting::Linger(Some(0)))
                    .map_err(|errno| text("SO_LINGER", errno))?;
                self.close(stack);
            }
            Ending::Together
                if has_all && is_sent && self.gate.is_linux_there.load(Ordering::Acquire) =>
            {
                self.close(stack);
                self.gate.is_open.store(true, Ordering::Release);
                return Ok(Step::Crossed);
            }
            _ if self.is_shut && self.has_end => self.close(stack),
            _ => {}
        }
        let after = (self.sent, self.received, self.has_end, self.is_shut);
        Ok(if after == before && !self.is_over() {
            Step::Nothing
        } else {
            Step::Something
        })
    }

    fn close(&mut self, stack: &mut SmolStack) {
        stack.close(self.id);
        self.stage = Stage::Over;
    }

    fn send(&mut self, stack: &mut SmolStack) -> Result<(), (String, Errno)> {
        // Who will be reset sends until it is.
        let count = match self.plan.ending {
            Ending::LinuxResets => usize::MAX,
            _ => self.plan.to_linux,
        };
        while self.sent < count {
            let piece = self
                .to_send
                .at(self.sent, (count - self.sent).min(PIECE_BYTES));
            match stack.send(self.id, &[piece], &SendTo::default(), false) {
                Ok(taken) => self.sent += taken,
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(("sending".to_owned(), errno)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, stack: &mut SmolStack, now_ns: u64) -> Result<(), (String, Errno)> {
        let stops_at = match self.plan.ending {
            Ending::Together | Ending::EngineResets => self.plan.to_engine,
            _ => usize::MAX,
        };
        if now_ns < self.rests_until_ns {
            return Ok(());
        }
        self.rests_until_ns = 0;
        let mut place = vec![0; self.plan.engine.chunk_bytes.min(PIECE_BYTES)];
        while !self.has_end && self.received < stops_at {
            let room = place.len().min(stops_at - self.received);
            let received = stack.receive(self.id, &mut [&mut place[..room]], ReceiveHow::default());
            match received {
                Ok(received) if received.bytes == 0 => self.has_end = true,
                Ok(received) => {
                    self.to_receive
                        .check(self.received, &place[..received.bytes])
                        .map_err(|problem| (format!("received: {problem}"), Errno::EIO))?;
                    self.received += received.bytes;
                }
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(("receiving".to_owned(), errno)),
            }
            if self.rests > 0 {
                self.rests -= 1;
                self.rests_until_ns = now_ns + self.plan.engine.rest_ms * 1_000_000;
                break;
            }
        }
        Ok(())
    }
}
