//! Questions and answers through the socket.

use std::thread;

use offhook_control::{AskError, Desk, Fault, Question, ask};
use offhook_net::{ControlSocket, Stopper};
use serde_json::json;

#[test]
fn a_server_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(matches!(ask(path, &Question::new("number.list")), Err(AskError::NoServer(_))));

    let mut desk = Desk::default();
    desk.on("number.list", |_| Ok((1..=3).map(|n| json!({ "n": n })).collect()));
    desk.on("number.double", |question| {
        let n: u32 = question
            .text("n")?
            .parse()
            .map_err(|_| Fault::Argument { argument: "n", why: "a number is wanted".to_owned() })?;
        Ok(vec![json!({ "n": 2 * n })])
    });
    let (socket, stop) = (ControlSocket::open(path).unwrap(), Stopper::new().unwrap());
    thread::scope(|scope| {
        let server = scope.spawn(|| socket.serve(&stop, |line, out| desk.answer(line, out)));
        let numbers = ask(path, &Question::new("number.list")).unwrap();
        assert_eq!(numbers, [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
        assert_eq!(ask(path, &Question::new("number.double").with("n", "21")).unwrap(), [json!({"n": 42})]);
        for (question, said) in [
            (Question::new("number.halve"), "this server knows no question \"number.halve\""),
            (Question::new("number.double"), "\"n\": a text is wanted"),
            (Question::new("number.double").with("n", "x"), "\"n\": a number is wanted"),
        ] {
            assert!(matches!(ask(path, &question), Err(AskError::Refused(why)) if why == said));
        }
        stop.stop();
        server.join().unwrap().unwrap();
    });
    assert!(matches!(ask(path, &Question::new("number.list")), Err(AskError::NoServer(_))));
}
