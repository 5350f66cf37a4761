//! A steady load allocates nothing. Alone in its file: the allocator is the whole process's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use offhook_net::{ConnectionId, Engine, Flow, Limits, Loop, Outbox, Stopper, Ticket, bind, resolve};
use offhook_sip::Transport::{Tcp, Udp};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.get() {
            ALLOCATIONS.fetch_add(1, SeqCst);
        }
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised to us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Echo;

impl Engine for Echo {
    fn receive(&mut self, _: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        out.push(message, *from, 1);
    }
    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}
    fn send_failed(&mut self, _: u64, _: Ticket, _: &mut Outbox) {}
    fn connection_closed(&mut self, _: u64, _: ConnectionId, _: &mut Outbox) {}
    fn tick(&mut self, _: u64, _: &mut Outbox) {}
    fn deadline_ms(&mut self) -> Option<u64> {
        None
    }
    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

const MESSAGE: &[u8] = b"OPTIONS sip:bob SIP/2.0\r\nContent-Length: 0\r\n\r\n";

fn udp_echo(socket: &UdpSocket, count: usize) {
    let mut buffer = [0; 100];
    (0..count).for_each(|_| assert_eq!(socket.recv(&mut buffer).unwrap(), MESSAGE.len()));
}

fn tcp_echo(mut stream: &TcpStream, count: usize) {
    stream.read_exact(&mut vec![0; count * MESSAGE.len()]).unwrap();
}

#[test]
fn echoing_takes_no_memory() {
    let asked = [Udp, Tcp].map(|transport| (transport, "127.0.0.1:0".parse().unwrap(), None));
    let listeners = resolve(&asked).unwrap();
    let mut shard = Loop::new(bind(&listeners, 1).unwrap().remove(0), Echo, Limits::default()).unwrap();
    let stopper = Stopper::new().unwrap();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.connect(listeners[0].local).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let stream = TcpStream::connect(listeners[1].local).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Waiting before the loop runs, so that it begins with the fullest batches it can get.
    (0..64).for_each(|_| assert!(phone.send(MESSAGE).is_ok()));
    (&stream).write_all(&MESSAGE.repeat(100)).unwrap();
    let stop = stopper.clone();
    let running = thread::spawn(move || {
        COUNTED.set(true);
        shard.run(&stop).unwrap();
        COUNTED.set(false);
    });
    udp_echo(&phone, 64);
    tcp_echo(&stream, 100);
    let before = ALLOCATIONS.load(SeqCst);
    for _ in 0..50 {
        (0..20).for_each(|_| assert!(phone.send(MESSAGE).is_ok()));
        (&stream).write_all(&MESSAGE.repeat(20)).unwrap();
        udp_echo(&phone, 20);
        tcp_echo(&stream, 20);
    }
    assert!(before > 0, "nothing is counted");
    assert_eq!(ALLOCATIONS.load(SeqCst) - before, 0, "allocations for 2000 messages");
    stopper.stop();
    running.join().unwrap();
}
