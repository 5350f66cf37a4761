//! The bytes of streams: sent, held while something stands in the way, read.
//!
//! While a link is cut, segments wait for its healing, until the sender gives up. A reader that does not read fills
//! the window; then sends fail.

use offhook_net::Ticket;
use offhook_sip::Transport;

use crate::frame::Taken;
use crate::stream::Chunk;
use crate::trace::{Event, Fate, Loss};
use crate::world::{Input, What};
use crate::{NodeId, World};

/// How long a sender repeats segments that nobody acknowledges: as the server's default for a stalled peer.
const GIVE_UP_MS: u64 = 30_000;
/// Bytes under way or unread in one direction: the server's default queue. More means that a send fails.
const WINDOW_BYTES: usize = 256 * 1024;

impl World {
    /// Sends bytes of an open stream from `side`. `asks` is the shard that wants to know if it fails, and its ticket.
    pub(crate) fn transmit(&mut self, index: usize, side: usize, mut bytes: Vec<u8>, asks: (u8, Ticket)) {
        let now_ms = self.now_ms;
        let stream = &mut self.streams[index];
        let (from, to) = (stream.ends[side].node, stream.ends[1 - side].node);
        let idle_ms = now_ms - std::mem::replace(&mut stream.last_sent_ms, now_ms);
        if stream.nat_timeout_ms.is_some_and(|timeout_ms| idle_ms > timeout_ms) {
            return self.forgotten_by_nat(index, side, bytes, asks);
        }
        if stream.ends[1 - side].under_way + bytes.len() > WINDOW_BYTES {
            return self.fail(from, asks.0, asks.1);
        }
        self.links.mutate((from, to), &mut self.rng, &mut bytes);
        let delay_ms = self.links.segment_delay_ms((from, to), &mut self.rng);
        let trace = self.record_message(index, side, bytes.clone(), Fate::Travelling);
        let end = &mut self.streams[index].ends[1 - side];
        end.under_way += bytes.len();
        end.last_arrival_ms = end.last_arrival_ms.max(now_ms + delay_ms);
        let at_ms = end.last_arrival_ms;
        let chunk = Chunk { bytes, trace };
        self.schedule_end(at_ms, (index, 1 - side), What::Segment { stream: index, side: 1 - side, chunk });
    }

    /// A segment arrives at `side`.
    pub(crate) fn segment(&mut self, index: usize, side: usize, chunk: Chunk, inputs: &mut Vec<Input>) {
        let other = 1 - side;
        let (sender, reader) = (self.streams[index].ends[other].node, self.streams[index].ends[side].node);
        let now_ms = self.now_ms;
        if !self.streams[index].ends[side].alive {
            self.trace.lost(chunk.trace, Loss::Down);
            return self.tell_ended(index, side, Event::Reset);
        }
        let cut = self.links.is_cut((sender, reader));
        let reads = self.nodes[reader.index()].reads_streams;
        let end = &mut self.streams[index].ends[side];
        if cut || !reads || !end.held.is_empty() {
            end.held.push_back(chunk);
            if cut && end.silent_since_ms.is_none() {
                end.silent_since_ms = Some(now_ms);
                self.schedule_end(
                    now_ms + GIVE_UP_MS,
                    (index, other),
                    What::GiveUp { stream: index, side: other },
                );
            }
            return;
        }
        self.read(index, side, chunk, inputs);
    }

    /// What was held on its way to `to` moves on: a link has healed, or the node reads again.
    pub(crate) fn release_held(&mut self, from: Option<NodeId>, to: NodeId) {
        for (index, side) in self.streams_at(to) {
            if from.is_none_or(|from| from == self.peer(index, side)) {
                self.streams[index].ends[side].silent_since_ms = None;
                self.schedule_end(self.now_ms, (index, side), What::Release { stream: index, side });
            }
        }
    }

    /// What was held on its way to `side` is read now, if nothing stands in the way again.
    pub(crate) fn release(&mut self, index: usize, side: usize, inputs: &mut Vec<Input>) {
        let (sender, reader) = (self.peer(index, side), self.streams[index].ends[side].node);
        if self.links.is_cut((sender, reader)) || !self.nodes[reader.index()].reads_streams {
            return;
        }
        for chunk in std::mem::take(&mut self.streams[index].ends[side].held) {
            self.read(index, side, chunk, inputs);
        }
    }

    /// A sender has waited long enough, if it still waits.
    pub(crate) fn give_up(&mut self, index: usize, side: usize, inputs: &mut Vec<Input>) {
        let silent_since_ms = self.streams[index].ends[1 - side].silent_since_ms;
        if silent_since_ms.is_some_and(|since_ms| since_ms + GIVE_UP_MS <= self.now_ms) {
            self.lose_held(index, 1 - side);
            self.ended(index, side, None, inputs);
        }
    }

    /// A box on the way has forgotten the stream. It resets who is inside (the opener); from outside, all vanishes.
    fn forgotten_by_nat(&mut self, index: usize, side: usize, bytes: Vec<u8>, asks: (u8, Ticket)) {
        let now_ms = self.now_ms;
        self.streams[index].nat_timeout_ms = Some(0);
        self.streams[index].last_sent_ms = 0;
        self.record_message(index, side, bytes, Fate::Lost(Loss::Nat));
        let from = self.streams[index].ends[side].node;
        if side == 0 {
            self.fail(from, asks.0, asks.1);
            self.schedule_end(now_ms, (index, side), What::Ended { stream: index, side, trace: None });
        } else if self.streams[index].ends[0].silent_since_ms.is_none() {
            self.streams[index].ends[0].silent_since_ms = Some(now_ms);
            self.schedule_end(now_ms + GIVE_UP_MS, (index, side), What::GiveUp { stream: index, side });
        }
    }

    fn read(&mut self, index: usize, side: usize, chunk: Chunk, inputs: &mut Vec<Input>) {
        let at_ms = self.elapsed_ms();
        let stream = &mut self.streams[index];
        let end = &mut stream.ends[side];
        let flow = end.flow;
        end.under_way -= chunk.bytes.len();
        self.trace.arrived(chunk.trace, at_ms, flow);
        if !matches!(flow.transport, Transport::Tcp | Transport::Tls) {
            // WebSocket and SCTP carry whole messages: RFC 7118 §5, RFC 4168 §5.1.
            inputs.push(Input::Receive(flow, chunk.bytes));
            return;
        }
        end.framer.push(&chunk.bytes);
        let answers_pings = self.nodes[end.node.index()].answers_pings;
        let mut pongs = 0;
        while let Some(taken) = end.framer.take() {
            match taken {
                Taken::Message(bytes) => inputs.push(Input::Receive(flow, bytes)),
                Taken::Unframeable(head) => inputs.push(Input::Unframeable(flow, head)),
                Taken::Ping if answers_pings => pongs += 1,
                Taken::Pong if answers_pings => {}
                keep_alive => inputs.push(Input::Receive(flow, keep_alive.into_bytes())),
            }
        }
        for _ in 0..pongs {
            self.transmit(index, side, b"\r\n".to_vec(), (0, 0));
        }
    }

    fn record_message(&mut self, index: usize, side: usize, bytes: Vec<u8>, fate: Fate) -> usize {
        let stream = &self.streams[index];
        let wire = if side == 0 { stream.wire } else { (stream.wire.1, stream.wire.0) };
        let (from, to, transport) = (stream.ends[side].node, stream.ends[1 - side].node, stream.transport);
        self.record(from, Some(to), wire, transport, Event::Message(bytes), fate)
    }
}
